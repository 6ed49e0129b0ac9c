"""Cases, their clients and members. One public function is one act: asked at the door, logged, done in one transaction."""

from __future__ import annotations

import base64
import datetime as dt
import re
import uuid
from typing import Any, Generic, TypeVar

import msgspec

from vault.errors import Conflict, InvalidInput
from vault.model import Act, CaseId, Clearance, ClientId, KeyKind, TokenSecret, WrappedKey
from vault.ports import Done, Door, Keyring
from vault.rules.catalogue import require_code
from vault.rules.days import eighteenth_birthday, helsinki_day, parse_day
from vault.rules.identity_code import parse_identity_code, require_same_birth
from vault.services.ids import timeless_id

T = TypeVar("T")
_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
"""RFC 5646 §2.1, roughly; it stands in clear, so it has no room for a name."""


class NewClient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The person as the coordinator gives them; ``born`` is a day. Persons without a code exist (eIDAS, newcomers)."""

    name: str
    born: str
    language: str
    personal_identity_code: str | None = None
    interpreter: str | None = None


class _Given(msgspec.Struct, frozen=True):
    """What is sealed of a client: under the register key once, under the case key as it was given for the case."""

    name: str
    born: str
    personal_identity_code: str | None


class CaseView(msgspec.Struct, frozen=True):
    """A case as its member sees it; ``client`` is None where the name is not the caller's to know."""

    id: CaseId
    process: str
    state: str
    controller: str
    language: str
    interpreter: str | None
    opened_at: str
    client: ClientView | None = None
    your_reference: str | None = None
    members: list[MemberView] | None = None


class ClientView(msgspec.Struct, frozen=True):
    id: ClientId
    name: str
    born: str


class MemberView(msgspec.Struct, frozen=True):
    id: uuid.UUID
    agency: str
    role: str
    from_: str = msgspec.field(name="from")
    until: str | None = None
    ended_at: str | None = None
    name: dict[str, str] | None = None  # the agency's, by language; where the case is read


class Opened(msgspec.Struct, frozen=True):
    id: CaseId
    state: str
    promise: str


class InboxNotice(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that an agency is told, without content; what it is about is named by its id."""

    id: uuid.UUID
    kind: str
    recorded_at: str
    case: uuid.UUID | None = None
    consent: uuid.UUID | None = None
    document: uuid.UUID | None = None


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list, and the entry that logged it; ``next`` is the cursor of the page after it."""

    items: list[T]
    next: str | None
    promise: str


def page_of(items: list[T], facts: dict[str, Any], promise: str) -> Page[T]:
    """A page from what the door listed; the cursor is the last item's id."""
    following = facts["items"][-1]["id"] if facts.get("more") and facts["items"] else None
    return Page(items=items, next=following, promise=promise)


def unbase64(text: str) -> bytes:
    """Ciphertext as the door's JSON carries it."""
    return base64.b64decode(text)


class Cases:
    """The acts on cases; ``door`` decides each."""

    def __init__(self, door: Door, keyring: Keyring) -> None:
        self._door = door
        self._keyring = keyring

    async def open_case(
        self, secret: TokenSecret, case: CaseId, process: str, client: NewClient, reference: str | None = None
    ) -> Opened:
        """Open a case for a person under a new id; the caller becomes its coordinator. The same id again is the same case.

        A known personal identity code means the same client, and the answer does not tell so.
        Raises: InvalidInput naming the field; Forbidden unless the caller is a coordinator.
        """
        require_code("process", process, "process")
        if reference is not None:
            _check_reference(reference)  # before the case exists: a refused request leaves none
        given, adult_on = _checked(client)
        for _ in range(3):
            found = await self._door.ask(secret, Act.FIND, about={"target": "client"})
            try:
                done = await self._open(secret, found, case, process, client, given, adult_on)
            except Conflict as conflict:
                # The month's epoch key was made by somebody else between our look and our act: begin again with it.
                if conflict.narrow != "try-again":
                    raise
                continue
            if reference is not None:
                await self.refer(secret, case, reference)
            return Opened(id=case, state="awaiting-consent", promise=done.promise)
        raise Conflict("too many first cases at this moment; try again", code="try-again")

    async def _open(
        self,
        secret: TokenSecret,
        found: Clearance,
        case: CaseId,
        process: str,
        client: NewClient,
        given: _Given,
        adult_on: dt.date,
    ) -> Done:
        # Who sees the case sees this id; by its time it would tell whether the person was known here before.
        person = ClientId(timeless_id())
        keys = self._new_keys(found, case, person)
        sealed = msgspec.json.encode(given)
        return await self._door.act(
            "case_open", secret, case, person, process, self._code_mac(found, given.personal_identity_code),
            self._keyring.lookup(found, "name", " ".join(given.name.casefold().split())),
            self._keyring.lookup(found, "born", given.born), adult_on, client.language, client.interpreter,
            self._keyring.seal(found, f"register:{person}", f"client.about|{person}", sealed, beside=keys),
            self._keyring.seal(found, f"case:{case}", f"case.about|{case}", sealed, beside=keys),
            [(str(k.kind), k.subject, k.parent, k.wrapped) for k in keys],
        )  # fmt: skip

    def _new_keys(self, found: Clearance, case: CaseId, person: ClientId) -> list[WrappedKey]:
        month = str(found.facts["epoch"])
        keys: list[WrappedKey] = []
        if found.key(KeyKind.EPOCH, month) is None:
            keys.append(self._keyring.create(found, KeyKind.EPOCH, month))
        for kind, subject in ((KeyKind.CASE, case), (KeyKind.REGISTER, person)):
            keys.append(self._keyring.create(found, kind, str(subject), parent=f"epoch:{month}", beside=keys))
        return keys

    def _code_mac(self, found: Clearance, code: str | None) -> bytes | None:
        return None if code is None else self._keyring.lookup(found, "code", code)

    async def list_cases(self, secret: TokenSecret, *, after: uuid.UUID | None, limit: int) -> Page[CaseView]:
        """The caller's cases, by id."""
        listed = await self._door.ask(secret, Act.LIST, about={"target": "cases", "after": after, "limit": limit})
        return self._case_page(listed)

    async def find_cases(self, secret: TokenSecret, code: str) -> Page[CaseView]:
        """The caller's cases of the person with this code; a person without any is an empty list, as is an unknown one."""
        try:
            parsed = parse_identity_code(code)
        except InvalidInput as wrong:
            raise InvalidInput(wrong.detail, field="personal_identity_code", code=wrong.narrow) from None
        found = await self._door.ask(secret, Act.FIND, about={"target": "client"})
        mac = self._keyring.lookup(found, "code", parsed.code)
        listed = await self._door.ask(secret, Act.LIST, about={"target": "cases", "code_mac": mac.hex(), "limit": 200})
        return self._case_page(listed)

    async def get_case(self, secret: TokenSecret, case: CaseId) -> tuple[CaseView, str]:
        """One case with its members, and the promise of the entry."""
        listed = await self._door.ask(secret, Act.LIST, case=case, about={"target": "case"})
        item = _items(listed)[0]
        return self._case(listed, item), self._door.promise(listed.entry, listed.leaf, listed.at)

    async def refer(self, secret: TokenSecret, case: CaseId, reference: str) -> Done:
        """Set the caller's agency's own reference for a case (at most 200 characters)."""
        _check_reference(reference)
        listed = await self._door.ask(secret, Act.LIST, case=case, about={"target": "case"})
        sealed = self._keyring.seal(listed, f"case:{case}", f"case.reference|{case}", reference.encode())
        return await self._door.act("case_refer", secret, case, sealed)

    async def add_member(
        self,
        secret: TokenSecret,
        case: CaseId,
        member: uuid.UUID,
        agency: str,
        role: str,
        first: str | None,
        last: str | None,
    ) -> tuple[MemberView, str]:
        """Give an agency a place in the case; only while handle or invite-expert names it."""
        require_code("role", role, "role")
        first_day = parse_day(first, "from") if first else None
        last_day = parse_day(last, "until") if last else None
        if first_day and last_day and last_day < first_day:
            raise InvalidInput("until is before from", field="until", code="invalid-day")
        if last_day and last_day < helsinki_day(dt.datetime.now(dt.UTC)):
            raise InvalidInput("until has passed already", field="until", code="invalid-day")
        done = await self._door.act("member_add", secret, member, case, agency, role, first_day, last_day)
        return MemberView(id=member, agency=agency, role=role, from_=done.facts["from"], until=last), done.promise

    async def end_member(self, secret: TokenSecret, case: CaseId, member: uuid.UUID) -> Done:
        """End a membership today; what it opened is closed at once."""
        return await self._door.act("member_end", secret, case, member)

    async def inbox(self, secret: TokenSecret, *, after: uuid.UUID | None, limit: int) -> Page[InboxNotice]:
        """Notices to the caller's agency that nobody there has acknowledged."""
        listed = await self._door.ask(secret, Act.LIST, about={"target": "inbox", "after": after, "limit": limit})
        notices = msgspec.convert(_items(listed), list[InboxNotice])
        return page_of(notices, listed.facts, self._door.promise(listed.entry, listed.leaf, listed.at))

    async def acknowledge(self, secret: TokenSecret, notice: uuid.UUID) -> Done:
        """Take note of a notice for the caller's agency."""
        return await self._door.act("notice_acknowledge", secret, notice)

    def _case_page(self, listed: Clearance) -> Page[CaseView]:
        views = [self._case(listed, item) for item in _items(listed)]
        return page_of(views, listed.facts, self._door.promise(listed.entry, listed.leaf, listed.at))

    def _case(self, listed: Clearance, item: dict[str, Any]) -> CaseView:
        case, client, reference = item["id"], None, None
        if item["about"] is not None:
            opened = self._keyring.open(listed, f"case:{case}", f"case.about|{case}", unbase64(item["about"]))
            given = msgspec.json.decode(opened, type=_Given)
            client = ClientView(id=ClientId(uuid.UUID(item["client"])), name=given.name, born=given.born)
        if item["reference"] is not None:
            reference = self._keyring.open(
                listed, f"case:{case}", f"case.reference|{case}", unbase64(item["reference"])
            ).decode()
        members = item.get("members")
        return CaseView(
            id=CaseId(uuid.UUID(case)), process=item["process"], state=item["state"], controller=item["controller"],
            language=item["language"], interpreter=item["interpreter"], opened_at=item["opened_at"], client=client,
            your_reference=reference, members=None if members is None else msgspec.convert(members, list[MemberView]),
        )  # fmt: skip


def _items(listed: Clearance) -> list[dict[str, Any]]:
    return msgspec.convert(listed.facts["items"], list[dict[str, Any]])


def _check_reference(reference: str) -> None:
    if not 0 < len(reference) <= 200:
        raise InvalidInput("a reference has 1 to 200 characters", field="your_reference")


def clean_name(given: str, field: str) -> str:
    """A person's name in one spelling of its blanks. Raises: InvalidInput unless it has 1 to 200 characters."""
    name = " ".join(given.split())
    if not 0 < len(name) <= 200:
        raise InvalidInput("a name has 1 to 200 characters", field=field)
    return name


def _checked(client: NewClient) -> tuple[_Given, dt.date]:
    """The person as they are sealed, and the day from which they are of age; the past has no lower bound."""
    name = clean_name(client.name, "client.name")
    require_code("language", client.language, "client.language")
    if client.interpreter is not None and not (len(client.interpreter) <= 35 and _TAG.fullmatch(client.interpreter)):
        raise InvalidInput("an interpreter's language is a language tag (BCP 47)", field="client.interpreter")
    born = parse_day(client.born, "client.born")
    today = helsinki_day(dt.datetime.now(dt.UTC))
    if born > today or born.year < 1890:
        raise InvalidInput("nobody is born on this day", field="client.born", code="invalid-day")
    code = None
    if client.personal_identity_code is not None:
        parsed = parse_identity_code(client.personal_identity_code)
        require_same_birth(parsed, born)
        code = parsed.code
    adult_on = eighteenth_birthday(born)
    return _Given(
        name=name, born=client.born, personal_identity_code=code
    ), adult_on if adult_on > today else dt.date.min
