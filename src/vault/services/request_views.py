"""What is shown of a request: to the person who made it, and with a little more to the records officer who answers it."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import msgspec

from vault.model import Clearance
from vault.ports import Keyring
from vault.rules.requests import OMBUDSMAN, PROVISIONS
from vault.services.cases import unbase64
from vault.services.exports import HandedOver
from vault.services.mine_views import Party
from vault.services.tokens import name_context


class Asked(msgspec.Struct, frozen=True):
    """What a request says in the person's own words."""

    text: str = ""
    special_reason: str = ""


class Refusal(msgspec.Struct, frozen=True):
    """Why something was kept back: the provision, in law and in plain words, and the way to the ombudsman.

    ``reason`` is None where telling it would defeat the restriction; ``told`` is false there, also at the desk, which reads it.
    """

    provision: str
    law: str
    meaning: str
    ombudsman: str
    reason: str | None = None
    told: bool = True


class Step(msgspec.Struct, frozen=True):
    """One step of a request; ``text`` is the notice or the answer, ``refusal`` a written decision.

    ``decided_by_role`` is the role of who judged it, where health is at stake.
    """

    state: str
    at: str
    due_on: str
    text: str | None = None
    refusal: Refusal | None = None
    decided_by_role: str | None = None


class Look(msgspec.Struct, frozen=True):
    """That a records officer opened a paper for this request, and why; ``entry`` stands in the log."""

    document: uuid.UUID
    at: str
    entry: uuid.UUID
    reason: str


class Withheld(msgspec.Struct, frozen=True):
    """What was decided of one paper. ``copy`` is the document to read instead, ``pages`` those that it lacks (from 1)."""

    document: uuid.UUID
    how: str
    at: str
    pages: list[int] = []
    copy: uuid.UUID | None = None
    decided_by_role: str | None = None
    refusal: Refusal | None = None


class Fee(msgspec.Struct, frozen=True):
    """What would be charged, told beforehand; ``accepted`` is None until the person has said yes or no."""

    id: uuid.UUID
    cents: int
    at: str
    reason: str
    accepted: bool | None = None


class NameTold(msgspec.Struct, frozen=True):
    """A professional whose name the answer tells."""

    name: str
    agency: str
    roles: list[str]
    agency_name: dict[str, str] = {}


class OpeningAsked(msgspec.Struct, frozen=True):
    """The entry of the log that a request is about: who it was as an organisation in a role, when, what for."""

    at: str
    party: Party | None = None
    role: str | None = None
    purpose: str | None = None
    type: str | None = None


class EndNotice(msgspec.Struct, frozen=True):
    """That a restriction will end: ``ends_from`` is the first day on which it may."""

    ends_from: str
    at: str
    text: str | None = None


class Restriction(msgspec.Struct, frozen=True):
    """A restriction of processing that a granted request put into force; ``ended_at`` is None while it binds.

    ``papers`` is None for all papers of ``cases``, later ones too.
    """

    since: str
    cases: list[uuid.UUID]
    papers: list[uuid.UUID] | None = None
    ended_at: str | None = None
    notice: EndNotice | None = None


class RequestView(msgspec.Struct, frozen=True):
    """A request and its clock. ``due_on`` is the last day for the answer, ``clock`` the law that says so.

    ``late`` says that the day has passed without an answer; ``extendable`` that more time may still be taken, with notice.
    The texts are None in a list.
    """

    id: uuid.UUID
    kind: str
    state: str
    running: bool
    received_how: str
    received_on: str
    due_on: str
    clock: str
    controller: str
    controller_name: dict[str, str]
    language: str
    extendable: bool
    recorded_at: str
    days_left: int = 0
    late: bool = False
    client: uuid.UUID | None = None
    identified_how: str | None = None
    case: uuid.UUID | None = None
    document: uuid.UUID | None = None
    entry: uuid.UUID | None = None
    ground: str | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    until: str | None = None
    asked: Asked | None = None
    steps: list[Step] | None = None
    looks: list[Look] | None = None
    documents_decided: list[Withheld] | None = None
    names: list[NameTold] | None = None
    fee: Fee | None = None
    restriction: Restriction | None = None
    opening: OpeningAsked | None = None
    handed: HandedOver | None = None


class Opener:
    """Opens the sealed texts of one client's requests under that client's register key."""

    def __init__(self, keyring: Keyring, clearance: Clearance, client: str, language: str) -> None:
        self._keyring = keyring
        self._clearance = clearance
        self._key = f"register:{client}"
        self._language = language

    def text(self, context: str, sealed: str | None) -> str | None:
        """The text, or None where there is none."""
        if sealed is None:
            return None
        return self._keyring.open(self._clearance, self._key, context, unbase64(sealed)).decode()

    def refusal(self, row: dict[str, Any], context: str) -> Refusal | None:
        """A row's refusal in the request's language."""
        if row["provision"] is None:
            return None
        provision, law = row["provision"], PROVISIONS[row["provision"]]
        return Refusal(
            provision=provision,
            law=law.law.in_language(self._language),
            meaning=law.meaning.in_language(self._language),
            ombudsman=OMBUDSMAN.in_language(self._language),
            reason=self.text(context, row["reason"]),
            told=bool(row["told"]),
        )

    def steps(self, request: str, rows: list[dict[str, Any]]) -> list[Step]:
        return [
            Step(
                state=row["state"],
                at=row["at"],
                due_on=row["due_on"],
                text=self.text(f"request.step|{request}", row["text"]),
                refusal=self.refusal(row, f"request.refusal|{request}"),
                decided_by_role=row["decided_by_role"],
            )
            for row in rows
        ]

    def looks(self, rows: list[dict[str, Any]]) -> list[Look]:
        return [
            Look(
                document=uuid.UUID(row["document"]),
                at=row["at"],
                entry=uuid.UUID(row["entry"]),
                reason=self.text(f"request.look|{row['id']}", row["reason"]) or "",
            )
            for row in rows
        ]

    def withheld(self, rows: list[dict[str, Any]]) -> list[Withheld]:
        return [
            Withheld(
                document=uuid.UUID(row["document"]),
                how=row["how"],
                at=row["at"],
                pages=row["pages"] or [],
                copy=uuid.UUID(row["copy"]) if row["copy"] else None,
                decided_by_role=row["decided_by_role"],
                refusal=self.refusal(row, f"withholding.reason|{row['id']}"),
            )
            for row in rows
        ]

    def fee(self, row: dict[str, Any] | None) -> Fee | None:
        if row is None:
            return None
        reason = self.text(f"fee.reason|{row['id']}", row["reason"]) or ""
        return Fee(
            id=uuid.UUID(row["id"]), cents=row["cents"], at=row["at"], reason=reason, accepted=row.get("accepted")
        )

    def restriction(self, request: str, row: dict[str, Any] | None) -> Restriction | None:
        """What is in force, with its notice."""
        if row is None:
            return None
        told = row["notice"]
        if told is not None:
            told = told | {"text": self.text(f"restriction.notice|{request}", told["text"])}
        return msgspec.convert(row | {"notice": told}, Restriction)

    def names(self, rows: list[dict[str, Any]]) -> list[NameTold]:
        return [
            NameTold(
                name=open_name(self._keyring, row),
                agency=row["agency"],
                roles=row["roles"] or [],
                agency_name=row["agency_name"],
            )
            for row in rows
        ]

    def asked(self, request: str, sealed: str | None) -> Asked:
        text = self.text(f"request.text|{request}", sealed)
        return Asked() if text is None else msgspec.json.decode(text, type=Asked)


def open_name(keyring: Keyring, row: dict[str, Any]) -> str:
    """A professional's name as their agency gave it."""
    return keyring.open_own(name_context(row["agency"], row["subject"]), unbase64(row["name"])).decode()


def request_view(item: dict[str, Any], today: dt.date, opener: Opener | None = None) -> RequestView:
    """One request as the door listed it; with ``opener`` its texts too."""
    due = dt.date.fromisoformat(item["due_on"])
    known = {name: item[name] for name in ("from", *_PLAIN) if name in item}
    known |= {"days_left": (due - today).days, "late": item["running"] and due < today}
    view = msgspec.convert(known, RequestView)
    if opener is None:
        return view
    request = str(item["id"])
    return msgspec.structs.replace(
        view,
        asked=opener.asked(request, item["text"]),
        steps=opener.steps(request, item["states"]),
        looks=opener.looks(item["looks"]),
        documents_decided=opener.withheld(item["withholdings"]),
        names=opener.names(item["names"]),
        fee=opener.fee(item["fee"]),
        restriction=opener.restriction(request, item["restriction"]),
        opening=msgspec.convert(item["opening"], OpeningAsked | None),
        handed=msgspec.convert(item["handed"], HandedOver) if item["handed"] else None,
    )


_OPENED = {"asked", "steps", "looks", "documents_decided", "names", "fee", "restriction", "opening", "handed"}
_PLAIN = tuple(name for name in RequestView.__struct_fields__ if name not in _OPENED)
