"""What an export tells, opened: from the door's sealed facts to the structs of formats/exportdata.py.

Source: docs/spec/export.md; promise P9.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec

from vault.errors import KeyUnopenable
from vault.formats.exportacts import (
    Answered,
    Asked,
    AtArchive,
    Authority,
    Decided,
    Difference,
    EarlierExport,
    Fee,
    Look,
    Named,
    Notice,
    Restricted,
)
from vault.formats.exportdata import (
    FORMAT,
    Answer,
    Case,
    Consent,
    Given,
    Hold,
    How,
    Member,
    Paper,
    Party,
    Person,
    Prohibition,
    Provision,
    Readers,
    Retention,
    SignOff,
    Step,
    Transfer,
    Withdrawal,
    Withheld,
)
from vault.formats.exportindex import LANGUAGES, Names, Words, texts
from vault.formats.exportnames import safe_name
from vault.model import Clearance
from vault.ports import Keyring
from vault.rules.catalogue import PROCESSES, PURPOSES, VOCABULARIES
from vault.rules.reasons import EXPLANATIONS
from vault.rules.requests import PROVISIONS
from vault.rules.self_access import Clock
from vault.services.cases import unbase64
from vault.services.request_views import open_name

_HERE = frozenset({"open"})


class Facts:
    """Everything about one client, as the worker's clearance lets it be opened. ``damaged`` papers are left out and told."""

    def __init__(self, clearance: Clearance, keyring: Keyring, damaged: frozenset[str] = frozenset()) -> None:
        self._clearance, self._keyring, self._damaged = clearance, keyring, damaged
        self._facts: dict[str, Any] = dict(clearance.facts)
        self.language = str(self._facts["language"])
        self.words = Words(self.language, names(), self._facts["agencies"] | self._facts["units"])
        self.client: str | None = self._facts["client"]
        self.person = self._person()
        self.cases = [self._case(item) for item in self._facts["cases"]]
        self.papers = [self._paper(number, item) for number, item in enumerate(self._facts["papers"], 1)]
        self.consents = [self._consent(item) for item in self._facts["consents"]]
        self.prohibitions = [msgspec.convert(item, Prohibition) for item in self._facts["prohibitions"]]
        self.notices = [self._notice(item) for item in self._facts["notices"]]
        self.differences = [msgspec.convert(item, Difference) for item in self._facts["differences"]]
        self.exports = [_earlier(item) for item in self._facts["exports"]]
        self.requests = [self._request(item) for item in self._facts["requests"]]
        self.authorities = [self._authority(item) for item in self._facts["authorities"]]
        self.objects: dict[str, str] = {p["id"]: p["object"] for p in self._facts["papers"] if p["object"]}

    @property
    def as_of(self) -> dt.datetime:
        """The instant at which it was collected."""
        return dt.datetime.fromisoformat(str(self._facts["as_of"]))

    @property
    def partial(self) -> bool:
        """Whether a paper of the client's is not in this export, whoever has it."""
        return any(paper.how not in {"open", "misfiled"} for paper in self.papers)

    def lose(self, paper: str) -> None:
        """That paper turned out not to be readable: it is told as damaged."""
        self.papers = [
            msgspec.structs.replace(one, how="damaged", file=None) if one.id == paper else one for one in self.papers
        ]

    def lost(self) -> list[str]:
        """The papers that cannot be read."""
        return [paper.id for paper in self.papers if paper.how == "damaged"]

    def here(self) -> list[Paper]:
        """The papers whose bytes go in."""
        return [paper for paper in self.papers if paper.how in _HERE]

    def answer(self, unproved: int) -> Answer:
        """The answer's head; ``unproved`` entries are in no checkpoint yet."""
        said = texts(self.language)
        clock = msgspec.convert(self._facts["clock"], Clock)
        controllers = {case.controller.agency: case.controller for case in self.cases}
        used = {clause for consent in self.consents for p in consent.provisions for clause in p.purposes or ()}
        return Answer(
            format=FORMAT, export=str(self._facts["export"]), language=self.language, as_of=str(self._facts["as_of"]),
            received=clock.received.isoformat(), due=clock.due.isoformat(), kept=self.client is not None, partial=self.partial,
            without_large=bool(self._facts["without_large"]), authority=self._facts["authority"],
            in_all=self.client is None or bool(self._facts["in_all"]),
            counts={
                "cases": len(self.cases), "documents": len(self.papers), "documents_here": len(self.here()),
                "consents": len(self.consents), "prohibitions": len(self.prohibitions),
            },
            purposes={code: named.name(self.language) for code, named in PURPOSES.items() if code in used},
            controllers=list(controllers.values()), rights=list(said["rights"].values()), ombudsman=said["t"]["ombudsman"],
            log_entries_without_proof=unproved, request=self._facts["request"],
            desk=self._party(self._facts["desk"]) if self._facts["desk"] else None,
        )  # fmt: skip

    # ---------------------------------------------------------------- the parts

    def _person(self) -> Person | None:
        about = self._facts["about"]
        if about is None or self.client is None:
            return None
        earlier = [self._registered(item) for item in about["earlier"]]
        return msgspec.convert(self._registered(about) | {"id": self.client, "earlier": earlier}, Person)

    def _registered(self, item: Mapping[str, Any]) -> dict[str, Any]:
        given = msgspec.json.decode(self._open(self._register, f"client.about|{self.client}", item["sealed"]))
        return dict(given) | {name: value for name, value in item.items() if name != "sealed"}

    def _case(self, item: Mapping[str, Any]) -> Case:
        key, case = f"case:{item['id']}", item["id"]
        process = PROCESSES[item["process"]]
        about = item["about"] and msgspec.json.decode(self._open(key, f"case.about|{case}", item["about"]))
        return Case(
            id=case, process=item["process"], process_name=process.name(self.language), state=item["state"],
            controller=self._party(item["controller"]), language=item["language"], interpreter=item["interpreter"],
            opened_at=item["opened_at"], closed_at=item["closed_at"],
            retention=Retention(
                years=process.retention.years, rule=process.retention.rule, starts=process.retention.starts,
                source=_law(process.retention.source), ends=item["retention_ends"],
            ),
            given=msgspec.convert(about, Given) if about else None,
            references={one["agency"]: self._open(key, f"case.reference|{case}", one["sealed"]).decode() for one in item["references"]},
            members=[self._member(one) for one in item["members"]],
            history=[Step(one["state"], one["at"], self._maybe(key, f"case.reopening|{case}", one["reason"])) for one in item["history"]],
            sign_offs=[
                SignOff(self._party(one["agency"]), one["at"], self._maybe(key, f"case.closing|{case}", one["reason"]), one["final_assessment"])
                for one in item["sign_offs"]
            ],
            holds=[Hold(one["recorded_at"], one["ended_at"], self._maybe(key, f"case.hold|{case}", one["reason"])) for one in item["holds"]],
            transfers=[
                Transfer(one["id"], one["archive"], _named(one["name"], self.language), one["state"], [Step(s["state"], s["at"]) for s in one["history"]])
                for one in item["transfers"]
            ],
        )  # fmt: skip

    def _member(self, item: Mapping[str, Any]) -> Member:
        return Member(
            party=self._party(item["agency"]),
            role=item["role"],
            role_name=self.words.named(item["role"], "role"),
            from_=item["from"],
            until=item["until"],
            ended_at=item["ended_at"],
        )

    def _paper(self, number: int, item: Mapping[str, Any]) -> Paper:
        how: How = "damaged" if item["id"] in self._damaged and item["how"] == "open" else item["how"]
        about: dict[str, Any] = {}
        sha256: str | None = None
        if how in {"open", "large", "damaged"}:
            key = f"case:{item['case']}" if item["key_parent"] == "case" else self._register
            try:
                about = msgspec.json.decode(self._open(key, f"document.about|{item['id']}", item["about"]))
                sha256 = self._open(key, f"document.digest|{item['id']}", item["digest"]).hex()
            except KeyUnopenable:
                how = "damaged"
        kept = ("id", "case", "type", "language", "dated", "filed_at", "registered_at", "series", "media_type", "size", "protected_classes",
                "third_persons", "check_before_client", "original", "attachment_of", "replaces", "valid_until", "answered_by", "copy", "copy_of")  # fmt: skip
        return Paper(
            **{name: item[name] for name in kept}, how=how, type_name=self.words.named(item["type"], "document-type"),
            filed_by=self._party(item["filed_by"], item["filed_by_unit"]), source=self._party(item["source"]),
            retracted=item["state"] == "retracted", signed_form=item["key_parent"] == "register" and item["type"] == "suostumus",
            marks=msgspec.convert(item["marks"], list[Step]), read_by=[self._readers(one) for one in item["read_by"]],
            title=about.get("title"), filename=about.get("filename"), sha256=sha256,
            file=f"documents/{safe_name(number, about['filename'], item['media_type'])}" if how == "open" else None,
            withheld=self._withheld(item) if item["provision"] else None,
        )  # fmt: skip

    def _withheld(self, item: Mapping[str, Any]) -> Withheld:
        context = f"withholding.reason|{item['withholding']}"
        return Withheld(
            provision=item["provision"],
            law=self.words.law(item["provision"]),
            reason=self._maybe(self._register, context, item["withheld_reason"]),
            pages=item["pages"],
        )

    def _readers(self, item: Mapping[str, Any]) -> Readers:
        rest = ("role", "purpose", "basis", "first", "last", "times", "consent", "provision")
        return Readers(party=self._party(item["agency"], item["unit"]), **{name: item[name] for name in rest})

    def _consent(self, item: Mapping[str, Any]) -> Consent:
        about = msgspec.json.decode(self._open(self._register, f"consent.about|{item['id']}", item["about"]))
        kept = ("id", "case", "form", "signed_on", "capacity", "authority", "verified_how", "language", "valid_from", "valid_until",
                "recorded_at", "replaces", "replaced_by", "confirmed_at")  # fmt: skip
        return Consent(
            **{name: item[name] for name in kept},
            signed_by=about["signed_by"],
            form_sha256=about["form_sha256"],
            faults=item["faults"] or [],
            provisions=msgspec.convert(item["provisions"], list[Provision]),
            withdrawals=[self._withdrawal(one) for one in item["withdrawals"]],
        )

    def _withdrawal(self, item: Mapping[str, Any]) -> Withdrawal:
        sealed = item["reason"]
        reason = (
            self._keyring.open_own(f"withdrawal.reason|{item['id']}", unbase64(sealed)).decode() if sealed else None
        )
        return msgspec.convert(dict(item) | {"reason": reason}, Withdrawal)

    def _notice(self, item: Mapping[str, Any]) -> Notice:
        kept = {name: value for name, value in item.items() if name != "agency"}
        return Notice(party=self._party(item["agency"]), **kept)

    def _request(self, item: Mapping[str, Any]) -> Asked:
        request = item["id"]
        sealed = self._maybe(self._register, f"request.text|{request}", item["text"])
        asked = msgspec.json.decode(sealed) if sealed else {}
        kept = (
            "id",
            "kind",
            "received_on",
            "received_how",
            "state",
            "due_on",
            "case",
            "document",
            "entry",
            "until",
            "ground",
        )
        return Asked(
            **{name: item[name] for name in kept}, from_=item["from"], controller=self._party(item["controller"]),
            text=asked.get("text", ""), special_reason=asked.get("special_reason", ""),
            steps=[
                Answered(
                    one["state"], one["at"], one["due_on"], self._maybe(self._register, f"request.step|{request}", one["text"]),
                    one["provision"], self._maybe(self._register, f"request.refusal|{request}", one["reason"]), one["decided_by_role"],
                )
                for one in item["states"]
            ],
            looks=[
                Look(one["document"], one["at"], self._open(self._register, f"request.look|{one['id']}", one["reason"]).decode())
                for one in item["looks"]
            ],
            decisions=[self._decided(one) for one in item["withholdings"]],
            names=[Named(open_name(self._keyring, one), self._party(one["agency"]), one["roles"]) for one in item["names"]],
            at_archive=[
                msgspec.convert(one | {"archive_name": _named(one["name"], self.language)}, AtArchive) for one in item["at_archive"]
            ],
            fee=self._fee(item["fee"]), restriction=self._restriction(request, item["restriction"]),
        )  # fmt: skip

    def _restriction(self, request: str, item: Mapping[str, Any] | None) -> Restricted | None:
        if item is None:
            return None
        told = item["notice"] or {}
        text = self._maybe(self._register, f"restriction.notice|{request}", told.get("text"))
        return Restricted(
            item["since"], item["ended_at"], item["cases"], item["papers"], told.get("at"), told.get("ends_from"), text
        )

    def _decided(self, item: Mapping[str, Any]) -> Decided:
        reason = self._maybe(self._register, f"withholding.reason|{item['id']}", item["reason"])
        return msgspec.convert(dict(item) | {"reason": reason}, Decided)

    def _fee(self, item: Mapping[str, Any] | None) -> Fee | None:
        if item is None:
            return None
        reason = self._maybe(self._register, f"fee.reason|{item['id']}", item["reason"])
        return msgspec.convert(dict(item) | {"reason": reason}, Fee)

    def _authority(self, item: Mapping[str, Any]) -> Authority:
        about = msgspec.json.decode(self._open(self._register, f"authority.about|{item['id']}", item["about"]))
        kept = (
            "id",
            "kind",
            "scope",
            "case",
            "protected_classes",
            "until",
            "given_by_client",
            "recorded_at",
            "ended_at",
        )
        return Authority(
            **{name: item[name] for name in kept},
            from_=item["from"],
            representative=about["name"],
            shown=about.get("shown"),
            bars=msgspec.convert(item["bars"], list[Step]),
        )

    def _party(self, slug: str, unit: str | None = None) -> Party:
        """An organisation by its slug, or a unit by ``agency/unit``."""
        agency, slash, _ = slug.partition("/")
        unit = slug if slash else unit
        return Party(agency, self.words.agency(agency), unit, self.words.agency(unit) if unit else None)

    # ---------------------------------------------------------------- opening

    @property
    def _register(self) -> str:
        return f"register:{self.client}"

    def _open(self, key: str, context: str, sealed: str) -> bytes:
        return self._keyring.open(self._clearance, key, context, unbase64(sealed))

    def _maybe(self, key: str, context: str, sealed: str | None) -> str | None:
        return self._open(key, context, sealed).decode() if sealed else None


def _earlier(item: Mapping[str, Any]) -> EarlierExport:
    desk = item["desk"]
    return msgspec.convert(dict(item) | {"request": desk["request"] if desk else None}, EarlierExport)


def _law(source: str) -> str:
    """A rule's source without this project's own pages."""
    return "; ".join(part for part in source.split("; ") if not part.startswith("design.md"))


def names() -> Names:
    """Every code's name in three languages, by kind."""
    known: dict[str, dict[str, dict[str, str]]] = {
        kind: {code: {"fi": one.fi, "sv": one.sv, "en": one.en} for code, one in codes.items()}
        for kind, codes in VOCABULARIES.items()
    }
    known["law"] = {
        code: {
            language: f"{one.meaning.in_language(language)} ({one.law.in_language(language)})" for language in LANGUAGES
        }
        for code, one in PROVISIONS.items()
    }
    known["reason"] = {str(code): {"fi": one.fi, "sv": one.sv, "en": one.en} for code, one in EXPLANATIONS.items()}
    return known


def _named(known: Mapping[str, str], language: str) -> str:
    return known.get(language) or known["fi"]
