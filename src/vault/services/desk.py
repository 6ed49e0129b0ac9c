"""The records officer's desk: requests with their clocks, who asked, what is answered and what is refused.

One public function is one act: asked at the door, logged, done in one transaction. Every list shows only what the officer's
own agency answers for. Source: design.md §3.3 (controller's duty); GDPR Art. 12, 15; FI 703/2023 § 11.
"""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from vault.errors import InvalidInput
from vault.model import Act, Clearance, TokenSecret
from vault.ports import Done, Door, Keyring
from vault.rules.catalogue import require_code
from vault.rules.days import helsinki_day, parse_day
from vault.rules.identity_code import parse_identity_code
from vault.rules.requests import IDENTIFIED_HOW, RECEIVED_HOW, Provision, require_provision, require_provision_for
from vault.services.cases import Page, unbase64
from vault.services.documents import DocumentAbout
from vault.services.request_views import Opener, RequestView, open_name, request_view
from vault.services.requests import NewRequest, Requested, check_request, items_of, put_request, seal_asked

MAX_REASON = 4000


class DeskCase(msgspec.Struct, frozen=True):
    id: uuid.UUID
    process: str
    state: str
    opened_at: str


class DeskClient(msgspec.Struct, frozen=True):
    """A person whose records this controller answers for, as they are registered."""

    id: uuid.UUID
    name: str
    born: str
    language: str
    address_protected: bool
    cases: list[DeskCase] = []


class DeskDocument(msgspec.Struct, frozen=True):
    """A paper that a request is about. ``how`` is how it stands for the client (see vault.for_client), ``reason`` what they are told."""

    id: uuid.UUID
    case: uuid.UUID
    type: str
    title: str
    media_type: str
    dated: str
    filed_by: str
    filed_by_name: dict[str, str]
    protected_classes: list[str]
    third_persons: bool
    check_before_client: bool
    size: int
    how: str
    answered_by: str | None = None
    copy: uuid.UUID | None = None
    provision: str | None = None
    reason: str | None = None


class DeskRequest(msgspec.Struct, frozen=True):
    """A request, who made it, and the papers it is about (none for a request about the log)."""

    request: RequestView
    client: DeskClient
    documents: list[DeskDocument] = []
    processes: list[str] = []


class NameFound(msgspec.Struct, frozen=True):
    """A professional in the part of the log that is asked for, and how often they stand there."""

    id: uuid.UUID
    name: str
    agency: str
    roles: list[str]
    times: int
    first_at: str
    last_at: str
    agency_name: dict[str, str] = {}


class JudgeFound(msgspec.Struct, frozen=True):
    """A professional of the controller's who may judge whether somebody's health is at stake; ``professional`` is their id there."""

    agency: str
    professional: str
    name: str
    roles: list[str]


class Judge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The professional of health or social care who judged it: by the id that their agency gave them."""

    agency: str
    professional: str


class Recorded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request that came on paper, by phone or in person: what came, when, how, and how the person was identified."""

    client: uuid.UUID
    received_how: str
    received_on: str
    kind: str
    identified_how: str | None = None
    language: str | None = None
    case: uuid.UUID | None = None
    document: uuid.UUID | None = None
    entry: uuid.UUID | None = None
    text: str = ""
    special_reason: str = ""
    ground: str | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    until: str | None = None

    def asked(self) -> NewRequest:
        return NewRequest(
            kind=self.kind, case=self.case, document=self.document, entry=self.entry, text=self.text,
            special_reason=self.special_reason, ground=self.ground, from_=self.from_, until=self.until,
        )  # fmt: skip


class _Given(msgspec.Struct, frozen=True):
    name: str
    born: str


class Desk:
    """The acts of a records officer; ``door`` decides each."""

    def __init__(self, door: Door, keyring: Keyring) -> None:
        self._door = door
        self._keyring = keyring

    async def find_client(self, secret: TokenSecret, code: str) -> list[DeskClient]:
        """The person of this code, if this controller answers for records about them; else nobody."""
        try:
            parsed = parse_identity_code(code)
        except InvalidInput as wrong:
            raise InvalidInput(wrong.detail, field="personal_identity_code", code=wrong.narrow) from None
        found = await self._door.ask(secret, Act.FIND, about={"target": "client"})
        mac = self._keyring.lookup(found, "code", parsed.code)
        return await self._clients(secret, {"code_mac": mac.hex()})

    async def get_client(self, secret: TokenSecret, case: uuid.UUID) -> list[DeskClient]:
        """The person whose case this is, for a request about it."""
        return await self._clients(secret, {"case": case})

    async def _clients(self, secret: TokenSecret, by: dict[str, object]) -> list[DeskClient]:
        listed = await self._door.ask(secret, Act.LIST, about={"target": "desk-client", **by})
        return [self._client(listed, item["id"], item) for item in items_of(listed)]

    async def record(self, secret: TokenSecret, request: uuid.UUID, recorded: Recorded) -> Requested:
        """Record a request that did not come through the person's own pages. Raises: InvalidInput that names the field."""
        require_one("received_how", recorded.received_how, RECEIVED_HOW)
        if recorded.identified_how is not None:
            require_one("identified_how", recorded.identified_how, IDENTIFIED_HOW)
        if recorded.language is not None:
            require_code("language", recorded.language, "language")
        received = parse_day(recorded.received_on, "received_on")
        new = recorded.asked()
        about = check_request(new) | {
            "received_how": recorded.received_how,
            "received_on": received.isoformat(),
            "identified_how": recorded.identified_how,
            "language": recorded.language,
        }
        listed = await self._door.ask(secret, Act.LIST, about={"target": "desk-client", "client": recorded.client})
        if not items_of(listed):
            raise InvalidInput("there is no such person in your records", field="client", code="unknown-client")
        sealed = seal_asked(self._keyring, listed, str(recorded.client), request, new)
        return await put_request(self._door, secret, request, recorded.client, new, about, sealed)

    async def queue(self, secret: TokenSecret, *, running: bool = True) -> Page[DeskRequest]:
        """What runs, the most urgent first (or what was answered, the newest first), at most 200: each a DeskRequest."""
        listed = await self._door.ask(secret, Act.LIST, about={"target": "requests", "running": running, "limit": 200})
        today = helsinki_day(listed.at)
        items = [
            DeskRequest(request_view(item, today), self._client(listed, item["client"], item))
            for item in items_of(listed)
        ]
        return Page(items=items, next=None, promise=self._promise(listed))

    async def get(self, secret: TokenSecret, request: uuid.UUID) -> tuple[DeskRequest, str]:
        """One request with its texts and its papers."""
        listed = await self._door.ask(secret, Act.LIST, about={"target": "request", "request": request})
        [item] = items_of(listed)
        opener = Opener(self._keyring, listed, item["client"], item["language"])
        whole = DeskRequest(
            request=request_view(item, helsinki_day(listed.at), opener),
            client=self._client(listed, item["client"], item),
            documents=[self._document(listed, one) for one in item["documents"]],
            processes=item["processes"],
        )
        return whole, self._promise(listed)

    async def names(self, secret: TokenSecret, request: uuid.UUID) -> tuple[list[NameFound], str]:
        """The professionals in the part of the log that a running request asks names for; opened for it alone, and logged."""
        about = {"target": "request-names", "request": request, "limit": 200}
        listed = await self._door.ask(secret, Act.LIST, about=about)
        found = [
            NameFound(
                id=uuid.UUID(row["id"]), name=open_name(self._keyring, row), agency=row["agency"], roles=row["roles"],
                times=row["times"], first_at=row["first_at"], last_at=row["last_at"], agency_name=row["agency_name"],
            )
            for row in items_of(listed)
        ]  # fmt: skip
        return found, self._promise(listed)

    async def judges(self, secret: TokenSecret, request: uuid.UUID) -> tuple[list[JudgeFound], str]:
        """Who of the controller's professionals could judge for a running request; opened for it alone, and logged."""
        listed = await self._door.ask(secret, Act.LIST, about={"target": "judges", "request": request, "limit": 200})
        found = [
            JudgeFound(
                agency=row["agency"],
                professional=row["subject"],
                name=open_name(self._keyring, row),
                roles=row["roles"],
            )
            for row in items_of(listed)
        ]
        return sorted(found, key=lambda one: one.name.casefold()), self._promise(listed)

    async def identify(self, secret: TokenSecret, request: uuid.UUID, how: str) -> Done:
        """Say how the person who asked was identified."""
        require_one("identified_how", how, IDENTIFIED_HOW)
        return await self._step(secret, request, "identify", {"identified_how": how})

    async def take_up(self, secret: TokenSecret, request: uuid.UUID) -> Done:
        """Begin to work at a request."""
        return await self._step(secret, request, "take-up", {})

    async def extend(self, secret: TokenSecret, request: uuid.UUID, notice: str) -> Done:
        """Take more time, once and inside the first time, with a notice that tells the person why (GDPR Art. 12(3))."""
        return await self._step(secret, request, "extend", {}, text=require_text("notice", notice))

    async def answer(self, secret: TokenSecret, request: uuid.UUID, text: str, names: list[uuid.UUID]) -> Done:
        """Answer a request; ``names`` are the professionals whose names the answer tells.

        Raises: Conflict while papers wait, or while nobody has said how the person was identified.
        """
        about = {"names": _texts(names)}
        return await self._step(secret, request, "answer", about, text=require_text("text", text))

    async def refuse(
        self,
        secret: TokenSecret,
        request: uuid.UUID,
        *,
        provision: str,
        reason: str,
        told: bool,
        text: str = "",
        names: list[uuid.UUID] | None = None,
        papers: list[uuid.UUID] | None = None,
        judge: Judge | None = None,
        partly: bool = False,
    ) -> Done:
        """Refuse a request, or a part of it: a written decision with its provision, its reason and the way to the ombudsman.

        ``told`` False keeps the reason from the person, where telling it would defeat the restriction. ``papers`` are those
        whose processing is restricted where the rest of a request for that is refused. ``judge`` is who judged it, where health is
        at stake.
        """
        require_judge(require_provision(provision, for_document=False), judge)
        step = "refuse-part" if partly else "refuse"
        answer = require_text("text", text) if partly else text.strip() or None
        about: dict[str, Any] = {"provision": provision, "told": told, "names": _texts(names), "papers": _texts(papers)}
        if judge is not None:
            about["judge"] = msgspec.to_builtins(judge)
        return await self._step(secret, request, step, about, text=answer, reason=require_text("reason", reason))

    async def look(
        self, secret: TokenSecret, look: uuid.UUID, request: uuid.UUID, document: uuid.UUID, reason: str
    ) -> Done:
        """Give the reason for opening one paper for one request; the client sees it. It opens the paper for a day."""
        listed, key = await self._register(secret, request)
        sealed = self._keyring.seal(listed, key, f"request.look|{look}", require_text("reason", reason).encode())
        return await self._door.act("request_look", secret, look, request, document, sealed)

    async def set_fee(self, secret: TokenSecret, fee: uuid.UUID, request: uuid.UUID, cents: int, reason: str) -> Done:
        """Decide that a request costs something, and why; it is told before anything is made. Never for the year's first."""
        if not 0 < cents <= 100_000:
            raise InvalidInput("an amount is 1 to 100000 cents", field="cents")
        listed, key = await self._register(secret, request)
        sealed = self._keyring.seal(listed, key, f"fee.reason|{fee}", require_text("reason", reason).encode())
        return await self._door.act("fee_set", secret, fee, request, cents, sealed)

    async def answer_fee(self, secret: TokenSecret, request: uuid.UUID, *, accepted: bool) -> Done:
        """Note what the person said of a fee, where their request did not come by their own pages."""
        return await self._door.act("fee_answer", secret, request, accepted)

    async def _step(
        self,
        secret: TokenSecret,
        request: uuid.UUID,
        step: str,
        about: dict[str, Any],
        *,
        text: str | None = None,
        reason: str | None = None,
    ) -> Done:
        sealed, sealed_reason = None, None
        if text is not None or reason is not None:
            listed, key = await self._register(secret, request)
            if text is not None:
                sealed = self._keyring.seal(listed, key, f"request.step|{request}", text.encode())
            if reason is not None:
                [item] = items_of(listed)
                require_provision_for(about["provision"], item["kind"], item["processes"])
                sealed_reason = self._keyring.seal(listed, key, f"request.refusal|{request}", reason.encode())
        return await self._door.act("request_step", secret, request, step, about, sealed, sealed_reason)

    async def _register(self, secret: TokenSecret, request: uuid.UUID) -> tuple[Clearance, str]:
        listed = await self._door.ask(secret, Act.LIST, about={"target": "request", "request": request})
        return listed, f"register:{items_of(listed)[0]['client']}"

    def _client(self, listed: Clearance, client: str, item: dict[str, Any]) -> DeskClient:
        return open_client(self._keyring, listed, client, item)

    def _document(self, listed: Clearance, item: dict[str, Any]) -> DeskDocument:
        parent = f"case:{item['case']}" if item["key_parent"] == "case" else f"register:{item['client']}"
        sealed = self._keyring.open(listed, parent, f"document.about|{item['id']}", unbase64(item["about"]))
        title = msgspec.json.decode(sealed, type=DocumentAbout).title
        known = {name: item[name] for name in DeskDocument.__struct_fields__ if name in item}
        stands = {name: item["stands"][name] for name in ("how", "answered_by", "copy", "provision")}
        reason = None
        if item["told_reason"] is not None:
            context = f"withholding.reason|{item['stands']['withholding']}"
            told = self._keyring.open(listed, f"register:{item['client']}", context, unbase64(item["told_reason"]))
            reason = told.decode()
        return msgspec.convert(known | stands | {"title": title, "reason": reason}, DeskDocument)

    def _promise(self, listed: Clearance) -> str:
        return self._door.promise(listed.entry, listed.leaf, listed.at)


def open_client(keyring: Keyring, listed: Clearance, client: str, item: dict[str, Any]) -> DeskClient:
    """The person as registered, of an item that holds ``registered`` and, where they are shown, ``cases``."""
    registered = item["registered"]
    opened = keyring.open(listed, f"register:{client}", f"client.about|{client}", unbase64(registered["about"]))
    given = msgspec.json.decode(opened, type=_Given)
    return DeskClient(
        id=uuid.UUID(str(client)),
        name=given.name,
        born=given.born,
        language=registered["language"],
        address_protected=registered["address_protected"],
        cases=msgspec.convert(item.get("cases") or [], list[DeskCase]),
    )


def _texts(ids: list[uuid.UUID] | None) -> list[str]:
    return [str(one) for one in ids or []]


def require_judge(provision: Provision, judge: Judge | None) -> None:
    """That somebody is named where the provision leaves it to them. Raises: InvalidInput (``judge``)."""
    if provision.judged and judge is None:
        detail = "whether somebody's health is at stake is a professional's to judge; name who did"
        raise InvalidInput(detail, field="judge", code="missing-field")


def require_text(field: str, text: str) -> str:
    """Text that somebody will read. Raises: InvalidInput when it is empty or too long."""
    if not 0 < len(text.strip()) <= MAX_REASON:
        raise InvalidInput(f"1 to {MAX_REASON} characters", field=field, code="missing-field")
    return text.strip()


def require_one(field: str, value: str, allowed: tuple[str, ...]) -> str:
    """One of a few codes. Raises: InvalidInput that names the field and what is allowed."""
    if value not in allowed:
        raise InvalidInput("one of: " + ", ".join(allowed), field=field, code="unknown-code")
    return value
