"""What the signed-in client sees and does of their own. Each read is one ask at the door and one entry of the log; each act
writes its facts and its entry in one transaction. A person of whom nothing is kept gets empty lists.

Source: design.md §3.3, §4 (/v1/me); domain.md §7, §9; promises P6, P9.
"""

from __future__ import annotations

import uuid
from typing import Any, TypeVar

import msgspec

from vault.errors import InvalidInput
from vault.model import Act, CaseId, Clearance, ConsentId, DocumentId, TokenSecret
from vault.ports import Done, Door, Keyring
from vault.rules.catalogue import require_code
from vault.rules.consent import Dated, DocumentScope, Provision, Recipient, Source, check_prohibition
from vault.services.cases import Page, page_of, unbase64
from vault.services.consents import ConsentAbout
from vault.services.documents import DocumentAbout
from vault.services.mine_readers import arrange
from vault.services.mine_views import (
    Acted,
    CaseGiven,
    ConsentEvent,
    MyCase,
    MyConsent,
    MyDocument,
    MyProhibition,
    MyReaders,
    MySelf,
    Withheld,
)

T = TypeVar("T")
Item = dict[str, Any]
MOST = 200
"""The longest page of a list."""


class NewProhibition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the client denies: what is left out means everybody, everything. ``case`` None: in all their cases."""

    case: uuid.UUID | None = None
    recipients: list[Recipient] | None = None
    sources: list[Source] | None = None
    documents: list[DocumentScope] | None = None
    actions: list[str] | None = None
    purposes: list[str] | None = None
    dated: Dated | None = None
    protected_classes: list[str] | None = None


class Mine:
    """The client's reads and acts; ``door`` decides each by who the session says is asking."""

    def __init__(self, door: Door, keyring: Keyring) -> None:
        self._door = door
        self._keyring = keyring

    # ------------------------------------------------------------ reads

    async def about(self, secret: TokenSecret) -> tuple[MySelf, str]:
        """What is registered about the client, and the promise of the entry."""
        listed = await self._ask(secret, "my-self")
        item = _items(listed)[0]
        if item is None:
            return MySelf(kept=False, paused=False), self._promise(listed)
        client = item["client"]
        given: Item = {}
        if item["about"] is not None:
            about = self._open(listed, f"register:{client}", f"client.about|{client}", item["about"])
            given = msgspec.to_builtins(msgspec.json.decode(about, type=CaseGiven))
        return msgspec.convert(item | given | {"kept": True}, MySelf), self._promise(listed)

    async def cases(self, secret: TokenSecret, *, after: uuid.UUID | None = None, limit: int = MOST) -> Page[MyCase]:
        """The client's cases as MyCase, by id: archived ones too, with where they went."""
        listed = await self._ask(secret, "my-cases", after=after, limit=limit)
        return self._page(listed, [self._case(listed, item) for item in _items(listed)])

    async def case(self, secret: TokenSecret, case: CaseId) -> tuple[MyCase, str]:
        """One case. Raises: Hidden unless it is the client's."""
        listed = await self._ask(secret, "my-cases", case=case)
        return self._case(listed, _items(listed)[0]), self._promise(listed)

    async def documents(
        self, secret: TokenSecret, *, case: CaseId | None = None, after: uuid.UUID | None = None, limit: int = MOST
    ) -> Page[MyDocument]:
        """The client's papers as MyDocument, by id, of all cases or of one: also those that wait, are withheld or archived."""
        listed = await self._ask(secret, "my-documents", case=case, after=after, limit=limit)
        return self._page(listed, [self._document(listed, item) for item in _items(listed)])

    async def document(self, secret: TokenSecret, document: DocumentId) -> tuple[MyDocument, str]:
        """One paper. Raises: Hidden unless it is the client's to know of."""
        listed = await self._ask(secret, "my-documents", document=document)
        return self._document(listed, _items(listed)[0]), self._promise(listed)

    async def consents(
        self, secret: TokenSecret, *, case: CaseId | None = None, after: uuid.UUID | None = None, limit: int = MOST
    ) -> Page[MyConsent]:
        """The client's consents as MyConsent, by id, with every clause and their history."""
        listed = await self._ask(secret, "my-consents", case=case, after=after, limit=limit)
        return self._page(listed, [self._consent(listed, item) for item in _items(listed)])

    async def consent(self, secret: TokenSecret, consent: ConsentId) -> tuple[MyConsent, str]:
        """One consent. Raises: Hidden unless it is the client's."""
        listed = await self._ask(secret, "my-consents", one=consent)
        return self._consent(listed, _items(listed)[0]), self._promise(listed)

    async def prohibitions(
        self, secret: TokenSecret, *, after: uuid.UUID | None = None, limit: int = MOST
    ) -> Page[MyProhibition]:
        """The client's prohibitions as MyProhibition, by id, ended ones too."""
        listed = await self._ask(secret, "my-prohibitions", after=after, limit=limit)
        return self._page(listed, [_prohibition(item) for item in _items(listed)])

    async def prohibition(self, secret: TokenSecret, prohibition: uuid.UUID) -> tuple[MyProhibition, str]:
        """One prohibition. Raises: Hidden unless it is the client's."""
        listed = await self._ask(secret, "my-prohibitions", one=prohibition)
        return _prohibition(_items(listed)[0]), self._promise(listed)

    async def readers(
        self, secret: TokenSecret, *, case: CaseId | None = None, with_documents: bool = True
    ) -> MyReaders:
        """Who can open the client's papers now, as the door would decide; without their ids unless ``with_documents``."""
        listed = await self._ask(secret, "my-readers", case=case, documents=with_documents)
        return arrange(listed.facts, self._promise(listed))

    # ------------------------------------------------------------ acts

    async def confirm(self, secret: TokenSecret, consent: ConsentId) -> Acted:
        """Confirm, of age now, what a guardian signed. Raises: Conflict where there is nothing to confirm."""
        return _acted(consent, await self._door.act("consent_confirm", secret, consent))

    async def prohibit(self, secret: TokenSecret, prohibition: uuid.UUID, new: NewProhibition) -> Acted:
        """Record a standing deny; acknowledged means that every later request is denied, and running ones are cut.

        Raises: InvalidInput naming the field of what is unknown or contradicts itself.
        """
        scope = Provision(effect="deny", **{name: getattr(new, name) for name in _SCOPE})
        try:
            checked = check_prohibition(scope)
        except InvalidInput as wrong:
            field = (wrong.field or "").removeprefix("scope.") or None
            raise InvalidInput(wrong.detail, field=field, code=wrong.narrow) from None
        return _acted(prohibition, await self._door.act("prohibition_record", secret, prohibition, new.case, checked))

    async def end_prohibition(self, secret: TokenSecret, prohibition: uuid.UUID) -> Acted:
        """End a prohibition; what consents permit is permitted again. Ending twice is ending once."""
        return _acted(prohibition, await self._door.act("prohibition_end", secret, prohibition))

    async def pause(self, secret: TokenSecret, prohibition: uuid.UUID) -> Acted:
        """Deny everything to everybody in every case, with one press; running downloads are cut within a second (P6)."""
        return _acted(prohibition, await self._door.act("pause", secret, prohibition))

    async def resume(self, secret: TokenSecret) -> Acted:
        """End the pause; withdrawals and other prohibitions stay."""
        done = await self._door.act("resume", secret)
        return _acted(done.entry, done)

    async def set_language(self, secret: TokenSecret, language: str) -> Acted:
        """The language in which the client is served from now on. Raises: InvalidInput for an unknown one."""
        require_code("language", language, "language")
        done = await self._door.act("client_language", secret, language)
        return _acted(done.entry, done)

    # ------------------------------------------------------------ from the door's JSON to views

    async def _ask(
        self,
        secret: TokenSecret,
        target: str,
        *,
        case: uuid.UUID | None = None,
        document: uuid.UUID | None = None,
        limit: int = MOST,
        **about: object,
    ) -> Clearance:
        asked = {"target": target, "limit": limit, **about}
        return await self._door.ask(secret, Act.LIST, case=case, document=document, about=asked)

    def _page(self, listed: Clearance, views: list[T]) -> Page[T]:
        return page_of(views, listed.facts, self._promise(listed))

    def _promise(self, listed: Clearance) -> str:
        return self._door.promise(listed.entry, listed.leaf, listed.at)

    def _open(self, listed: Clearance, key: str, context: str, sealed: str) -> bytes:
        return self._keyring.open(listed, key, context, unbase64(sealed))

    def _case(self, listed: Clearance, item: Item) -> MyCase:
        case, key = item["id"], f"case:{item['id']}"
        opened = {
            agency: self._open(listed, key, f"case.reference|{case}", sealed).decode()
            for agency, sealed in item["sealed_references"].items()
        }
        given = None
        if item["about"] is not None:
            given = msgspec.json.decode(self._open(listed, key, f"case.about|{case}", item["about"]), type=CaseGiven)
        contacts = [m for m in item["members"] if m["now"] and m["role"] == "coordinator"]
        view = msgspec.convert(item | {"contacts": contacts, "references": opened}, MyCase)
        return msgspec.structs.replace(view, given=given)

    def _document(self, listed: Clearance, item: Item) -> MyDocument:
        document, key = item["id"], item["key"]
        opened: Item = {}
        if item["about"] is not None:
            about = self._open(listed, key, f"document.about|{document}", item["about"])
            opened = msgspec.to_builtins(msgspec.json.decode(about, type=DocumentAbout))
        if item["digest"] is not None:
            opened["sha256"] = self._open(listed, key, f"document.digest|{document}", item["digest"]).hex()
        if item["provision"] is not None and item["state"] not in {"open", "archived"}:
            opened["withheld"] = Withheld(provision=item["provision"], reason=self._withheld_reason(listed, item))
        return msgspec.convert(item | opened, MyDocument)

    def _withheld_reason(self, listed: Clearance, item: Item) -> str | None:
        if item["sealed_reason"] is None:
            return None
        register = next(k.name for k in listed.keys if k.kind == "register")
        context = f"withholding.reason|{item['withholding']}"
        return self._open(listed, register, context, item["sealed_reason"]).decode()

    def _consent(self, listed: Clearance, item: Item) -> MyConsent:
        register = next(k.name for k in listed.keys if k.kind == "register")
        opened = self._open(listed, register, f"consent.about|{item['id']}", item["about"])
        about = msgspec.json.decode(opened, type=ConsentAbout)
        known = {
            "form_sha256": about.form_sha256,
            "signed_by": about.signed_by,
            "history": [self._event(event) for event in item["history"]],
        }
        return msgspec.convert(item | known, MyConsent)

    def _event(self, event: Item) -> ConsentEvent:
        reason = None
        if event["sealed_reason"] is not None:
            context = f"withdrawal.reason|{event['withdrawal']}"
            reason = self._keyring.open_own(context, unbase64(event["sealed_reason"])).decode()
        return msgspec.convert(event | {"reason": reason}, ConsentEvent)


_SCOPE = ("recipients", "sources", "documents", "actions", "purposes", "dated", "protected_classes")


def _items(listed: Clearance) -> list[Any]:
    return msgspec.convert(listed.facts["items"], list[Any])


def _prohibition(item: Item) -> MyProhibition:
    return msgspec.convert(item, MyProhibition)


def _acted(thing: uuid.UUID, done: Done) -> Acted:
    return Acted(id=thing, at=done.at, entry=done.entry, promise=done.promise)
