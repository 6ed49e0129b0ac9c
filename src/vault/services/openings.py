"""The log as people see it: openings, for the client and for a case's coordinator. Every reading of it is an entry.

Nobody's name stands here: the client sees organisations, roles and purposes (design.md §7; CJEU C-579/21). Entries older
than two years stand apart, since the law gives them only for a special reason (FI 703/2023 §11).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from vault.errors import InvalidInput
from vault.model import Act, CaseId, Clearance, TokenSecret
from vault.ports import Door
from vault.rules.catalogue import DOCUMENT_TYPES, PROTECTED_CLASSES, PURPOSES, ROLES, Named
from vault.rules.days import parse_day
from vault.rules.reasons import EXPLANATIONS, Basis, Reason
from vault.services.cases import Page

ASKED_TO_CONFIRM = "asked-to-confirm"


class Opening(msgspec.Struct, frozen=True, omit_defaults=True):
    """The entries of one reader, document, answer and ten minutes, as one; or one other act.

    ``entry`` and ``at`` are the first one's; ``bytes`` is what was handed over in all. ``outcome`` is missing while bytes
    still flow. ``request`` is what a records officer looked for: their reason stands with it. ``organisation`` and ``words`` are in the reader's language; the codes beside them never change.
    """

    entry: uuid.UUID
    entries: tuple[uuid.UUID, ...]
    at: str
    act: str
    actor: str
    last_at: str | None = None
    case: CaseId | None = None
    agency: str | None = None
    organisation: str | None = None
    unit: str | None = None
    role: str | None = None
    purpose: str | None = None
    document: uuid.UUID | None = None
    document_type: str | None = None
    action: str | None = None
    decision: str | None = None
    basis: str | None = None
    consent: uuid.UUID | None = None
    provision: int | None = None
    reasons: tuple[str, ...] = ()
    confirmation: tuple[str, ...] = ()
    outcome: str | None = None
    bytes: int | None = None
    range: str | None = None
    of: uuid.UUID | None = None
    facts: str | None = None
    request: uuid.UUID | None = None
    words: dict[str, Any] = {}

    @property
    def was_given(self) -> bool:
        """False for what was asked and was not given."""
        return self.decision == "permit" and self.confirmation != (ASKED_TO_CONFIRM,)


class Looking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the log to show; ``from_day`` and ``until_day`` are days in Finland, both included."""

    from_day: str | None = None
    until_day: str | None = None
    newest: bool = False
    after: uuid.UUID | None = None
    limit: int = 100

    def about(self) -> dict[str, object]:
        """The same, as the door is asked. Raises: InvalidInput that names the field."""
        given = {"from": self.from_day, "until": self.until_day}
        days = {name: parse_day(day, name) for name, day in given.items() if day is not None}
        if len(days) == 2 and days["until"] < days["from"]:
            raise InvalidInput("the last day is before the first", field="until", code="invalid-day")
        return {
            **{name: day.isoformat() for name, day in days.items()},
            "newest": self.newest,
            "after": self.after,
            "limit": self.limit,
        }


class MyLog(msgspec.Struct, frozen=True):
    """One page of a client's log. It reaches back to the day ``since``; ``older`` says that there is more before it."""

    items: tuple[Opening, ...]
    next: uuid.UUID | None
    since: str
    older: bool
    promise: str


class Openings:
    """Reads of the log; ``door`` decides each and logs it."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def of_case(self, secret: TokenSecret, case: CaseId, looking: Looking) -> Page[Opening]:
        """What happened in a case, for its coordinator; the client's own reads and a representative's are not shown."""
        listed = await self._of_case(secret, case, looking)
        found = msgspec.convert(listed.facts["items"], list[dict[str, Any]])
        of_clients = {"case", "organisation", "request"}
        items = [msgspec.convert({k: v for k, v in one.items() if k not in of_clients}, Opening) for one in found]
        following = _following(listed)
        return Page(items=items, next=str(following) if following else None, promise=self._promise(listed))

    async def told_of_case(
        self, secret: TokenSecret, case: CaseId, looking: Looking, language: str
    ) -> tuple[list[Opening], uuid.UUID | None]:
        """The same in words of a language, with the cursor of the next page."""
        listed = await self._of_case(secret, case, looking)
        items = msgspec.convert(listed.facts["items"], list[dict[str, Any]])
        return [tell(item, language) for item in items], _following(listed)

    async def _of_case(self, secret: TokenSecret, case: CaseId, looking: Looking) -> Clearance:
        return await self._door.ask(secret, Act.LIST, case=case, about={"target": "log", **looking.about()})

    async def mine(
        self,
        secret: TokenSecret,
        looking: Looking,
        *,
        case: CaseId | None = None,
        own: bool = False,
        older: bool = False,
        language: str | None = None,
    ) -> MyLog:
        """Who opened what of the person who asks, in all their cases or in one.

        ``own`` shows the person's own reads instead. ``older`` shows what is older than two years, where a request for it
        was granted. ``language`` is the client's registered one unless given.
        Raises: Hidden for a case that is not theirs, and for older entries that nobody granted.
        """
        about = {"target": "my-log", "own": own, "older": older, **looking.about()}
        listed = await self._door.ask(secret, Act.LIST, case=case, about=about)
        chosen = language or str(listed.facts.get("language") or "fi")
        items = msgspec.convert(listed.facts["items"], list[dict[str, Any]])
        return MyLog(
            items=tuple(tell(item, chosen) for item in items),
            next=_following(listed),
            since=str(listed.facts["since"]),
            older=bool(listed.facts["older"]),
            promise=self._promise(listed),
        )

    def _promise(self, listed: Clearance) -> str:
        return self._door.promise(listed.entry, listed.leaf, listed.at)


def _following(listed: Clearance) -> uuid.UUID | None:
    """The cursor of the next page: the last opening's first entry."""
    items = msgspec.convert(listed.facts["items"], list[dict[str, Any]])
    return uuid.UUID(items[-1]["entry"]) if listed.facts.get("more") and items else None


def tell(item: dict[str, Any], language: str) -> Opening:
    """An opening as the door listed it, with its codes in the words of that language beside them."""
    names = item.pop("organisation", None) or {}
    words: dict[str, Any] = {}
    for field, names_of in _VOCABULARIES.items():
        if item.get(field) in names_of:
            words[field] = names_of[item[field]].name(language)
    if item.get("basis") in _BASES:
        words["basis"] = _explained(Basis(item["basis"]), language)
    if item.get("decision") == "deny":
        words["reasons"] = [_explained(Reason(r), language) for r in item.get("reasons", ()) if r in _REASONS]
    classes = [PROTECTED_CLASSES[c].name(language) for c in item.get("confirmation", ()) if c in PROTECTED_CLASSES]
    if classes:
        words["confirmation"] = classes
    item["organisation"] = names.get(language) or names.get("fi")
    return msgspec.convert(item | {"words": words}, Opening)


def _explained(code: Basis | Reason, language: str) -> str:
    explanation = EXPLANATIONS[code]
    return {"sv": explanation.sv, "en": explanation.en}.get(language, explanation.fi)


_VOCABULARIES: Mapping[str, Mapping[str, Named]] = {
    "role": ROLES,
    "purpose": PURPOSES,
    "document_type": DOCUMENT_TYPES,
}
_BASES = frozenset(Basis)
_REASONS = frozenset(Reason)
