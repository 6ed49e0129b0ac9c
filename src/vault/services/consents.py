"""Consents and withdrawals, and the explanation of a decision."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import Any

import msgspec

from vault.errors import InvalidInput
from vault.formats.canonical import provisions_digest
from vault.model import Act, CaseId, Clearance, ConsentId, DocumentId, TokenSecret
from vault.ports import Door, Keyring
from vault.rules.catalogue import require_code
from vault.rules.consent import Provision, check_consent_days, check_provisions, check_signature
from vault.rules.days import helsinki_day, parse_day
from vault.services.cases import Page, page_of, unbase64

# It stands in clear beside the consent, so it must not have room for a sentence about a person.
_AUTHORITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9./:_-]{0,99}")


class SignedBy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who signed the form; all but the client name a recorded authority."""

    capacity: str
    name: str
    authority: str | None = None


class Verified(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    how: str


class NewConsent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A written consent: the signed form, filed first, and its clauses as data in the order of the form."""

    form: uuid.UUID
    signed_on: str
    language: str
    signed_by: SignedBy
    verified: Verified
    valid_from: str
    provisions: list[Provision]
    valid_until: str | None = None
    replaces: uuid.UUID | None = None


class Withdrawing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A withdrawal: of the whole consent when ``provisions`` is missing."""

    provisions: list[int] | None = None
    reason: str | None = None
    given_at: dt.datetime | None = None


class Asking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question to the rules; ``at`` is a past instant, answered from what was recorded then."""

    document: uuid.UUID
    agency: str
    action: str
    purpose: str
    unit: str | None = None
    role: str | None = None
    professional: str | None = None
    at: dt.datetime | None = None


class Explained(msgspec.Struct, frozen=True):
    decision: str
    basis: str | None
    consent: ConsentId | None
    provision: int | None
    reasons: list[str]


class ConsentAbout(msgspec.Struct, frozen=True):
    signed_by: str
    form_sha256: str


class Recorded(msgspec.Struct, frozen=True):
    id: ConsentId
    recorded_at: dt.datetime
    log_entry: uuid.UUID
    promise: str


class Signed(msgspec.Struct, frozen=True, omit_defaults=True):
    """In which capacity it was signed; by whom, for the coordinator."""

    capacity: str
    name: str | None = None


class HowVerified(msgspec.Struct, frozen=True):
    """How the signature was verified."""

    how: str


class Clause(Provision, frozen=True, kw_only=True):
    """A provision as it was recorded, numbered as on the form."""

    number: int
    withdrawn_at: str | None


class ConsentView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A consent as an agency sees it: with the clauses that name it, or, for the coordinator, with all."""

    id: ConsentId
    form: DocumentId
    signed_on: str
    language: str
    signed_by: Signed
    verified: HowVerified
    valid_from: str
    valid_until: str | None
    replaces: ConsentId | None
    recorded_at: str
    in_force: bool
    provisions: list[Clause]
    form_sha256: str | None = None


class Consents:
    """The acts on consents; ``door`` decides each."""

    def __init__(self, door: Door, keyring: Keyring) -> None:
        self._door = door
        self._keyring = keyring

    async def record(self, secret: TokenSecret, case: CaseId, consent: ConsentId, new: NewConsent) -> Recorded:
        """Record a consent. Raises: InvalidInput naming the clause and what is missing or vague; Conflict for a used form."""
        provisions = check_provisions(new.provisions)
        check_signature(new.signed_by.capacity, new.verified.how)
        require_code("language", new.language, "language")
        if not 0 < len(new.signed_by.name.strip()) <= 200:
            raise InvalidInput("a name has 1 to 200 characters", field="signed_by.name")
        if (new.signed_by.capacity != "client") != (new.signed_by.authority is not None):
            raise InvalidInput(
                "a representative names a recorded authority, and only a representative does",
                field="signed_by.authority",
            )
        if new.signed_by.authority is not None and not _AUTHORITY.fullmatch(new.signed_by.authority):
            detail = "an authority is named by its id: 1 to 100 letters, digits and . / : _ -"
            raise InvalidInput(detail, field="signed_by.authority")
        _check_days(new)
        cleared = await self._door.ask(secret, Act.LIST, case=case, document=new.form, about={"target": "register"})
        sealed = self._seal(cleared, consent, new)
        about = {
            "form": new.form, "signed_on": new.signed_on, "language": new.language, "capacity": new.signed_by.capacity,
            "authority": new.signed_by.authority, "verified_how": new.verified.how, "valid_from": new.valid_from,
            "valid_until": new.valid_until, "replaces": new.replaces,
        }  # fmt: skip
        done = await self._door.act(
            "consent_record", secret, consent, case, about, provisions, provisions_digest(provisions), sealed
        )
        return Recorded(id=consent, recorded_at=done.at, log_entry=done.entry, promise=done.promise)

    def _seal(self, cleared: Clearance, consent: ConsentId, new: NewConsent) -> bytes:
        items = msgspec.convert(cleared.facts["items"], list[dict[str, Any]])
        if not items or items[0]["digest"] is None or items[0]["key_parent"] != "register":
            raise InvalidInput(
                "the form must be a filed document of type suostumus in this case", field="form", code="unknown-form"
            )
        form, register = items[0], f"register:{items[0]['client']}"
        digest = self._keyring.open(cleared, register, f"document.digest|{form['id']}", unbase64(form["digest"]))
        about = ConsentAbout(signed_by=new.signed_by.name.strip(), form_sha256=digest.hex())
        return self._keyring.seal(cleared, register, f"consent.about|{consent}", msgspec.json.encode(about))

    async def list_consents(
        self, secret: TokenSecret, case: CaseId, *, after: uuid.UUID | None, limit: int
    ) -> Page[ConsentView]:
        """The consents of a case: the coordinator sees all, an agency the clauses that name it."""
        listed = await self._door.ask(
            secret, Act.LIST, case=case, about={"target": "consents", "after": after, "limit": limit}
        )
        items = msgspec.convert(listed.facts["items"], list[dict[str, Any]])
        register = next((k.name for k in listed.keys if k.kind == "register"), "")
        views = [self._view(listed, register, item) for item in items]
        return page_of(views, listed.facts, self._door.promise(listed.entry, listed.leaf, listed.at))

    def _view(self, listed: Clearance, register: str, item: dict[str, Any]) -> ConsentView:
        view: dict[str, Any] = {
            "id": item["id"], "form": item["form"], "signed_on": item["signed_on"], "language": item["language"],
            "signed_by": {"capacity": item["capacity"]}, "verified": {"how": item["verified_how"]}, "valid_from": item["valid_from"],
            "valid_until": item["valid_until"], "replaces": item["replaces"], "recorded_at": item["recorded_at"],
            "in_force": not item["faults"], "provisions": item["provisions"],
        }  # fmt: skip
        if item["about"] is not None:
            opened = self._keyring.open(listed, register, f"consent.about|{item['id']}", unbase64(item["about"]))
            about = msgspec.json.decode(opened, type=ConsentAbout)
            view["signed_by"]["name"], view["form_sha256"] = about.signed_by, about.form_sha256
        return msgspec.convert(view, ConsentView)

    async def withdraw(
        self, secret: TokenSecret, consent: ConsentId, withdrawal: uuid.UUID, wish: Withdrawing
    ) -> tuple[dict[str, Any], str]:
        """Record a withdrawal; acknowledged means that every later request is denied.

        The reason, if the client gave one, is sealed under the root key with the withdrawal's id.
        """
        numbers = sorted(set(wish.provisions)) if wish.provisions is not None else None
        if numbers is not None and (not numbers or numbers[0] < 1 or numbers[-1] > 10_000):
            raise InvalidInput(
                "name at least one provision by its number, or leave the list out for the whole consent",
                field="provisions",
            )
        given_at = _instant(wish.given_at, "given_at")
        if wish.reason is not None and len(wish.reason) > 4000:
            raise InvalidInput("a reason has at most 4000 characters", field="reason")
        sealed = (
            self._keyring.seal_own(f"withdrawal.reason|{withdrawal}", wish.reason.encode()) if wish.reason else None
        )
        done = await self._door.act("consent_withdraw", secret, withdrawal, consent, numbers, given_at, sealed)
        body = {
            "id": withdrawal,
            "consent": consent,
            "provisions": numbers,
            "given_at": done.facts["given_at"],
            "recorded_at": done.at,
            "log_entry": done.entry,
        }
        return body, done.promise

    async def explain(self, secret: TokenSecret, asking: Asking) -> tuple[Explained, str]:
        """What the door decides, or decided at a past instant, and why."""
        require_code("action", asking.action, "action")
        require_code("purpose", asking.purpose, "purpose")
        if asking.role is not None:
            require_code("role", asking.role, "role")
        at = _instant(asking.at, "at")
        done = await self._door.act(
            "explain", secret, DocumentId(asking.document), asking.agency, asking.unit, asking.role, asking.professional,
            asking.action, asking.purpose, at,
        )  # fmt: skip
        return msgspec.convert(done.facts, Explained), done.promise


def _instant(given: dt.datetime | None, field: str) -> dt.datetime | None:
    """A time in UTC. Raises: InvalidInput for one without its offset, or outside what a calendar holds."""
    if given is None:
        return None
    if given.tzinfo is None:
        raise InvalidInput("a time needs its offset, such as 2026-03-02T09:00:00Z", field=field, code="invalid-time")
    try:
        return given.astimezone(dt.UTC)
    except OverflowError:
        raise InvalidInput("there is no such time in UTC", field=field, code="invalid-time") from None


def _check_days(new: NewConsent) -> None:
    check_consent_days(
        parse_day(new.signed_on, "signed_on"),
        parse_day(new.valid_from, "valid_from"),
        parse_day(new.valid_until, "valid_until") if new.valid_until is not None else None,
        helsinki_day(dt.datetime.now(dt.UTC)),
    )
