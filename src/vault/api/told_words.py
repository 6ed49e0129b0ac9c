"""What the OpenAPI document says of the fields in a request's body: the codes, the days, and an example of each body.

The handlers take plain text and the rules check it; a reader of the document, and software that tries what it reads, is
told beforehand. Source: OpenAPI 3.1; design.md §2 (codes), §4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from vault.rules.catalogue import VOCABULARIES, Kind
from vault.rules.requests import GROUNDS, HANDED_HOW, IDENTIFIED_HOW, RECEIVED_HOW

Document = dict[str, Any]

# A field's name -> the vocabulary that it takes its codes from
_KINDS: Final[Mapping[str, Kind]] = {
    "process": "process", "type": "document-type", "language": "language", "role": "role", "action": "action", "actions": "action",
    "purpose": "purpose", "purposes": "purpose", "protected_classes": "protected-class", "capacity": "capacity",
}  # fmt: skip
_CODES: Final[Mapping[str, tuple[str, ...]]] = {
    "received_how": RECEIVED_HOW,
    "identified_how": IDENTIFIED_HOW,
} | {field: tuple(VOCABULARIES[kind]) for field, kind in _KINDS.items()}
# Where a field means something of its own: schema and field -> its codes
_OWN: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("Verified", "how"): tuple(VOCABULARIES["verification"]),
    ("NewExport", "language"): ("fi", "sv", "en"),
    ("DifferenceChoice", "outcome"): ("kept", "taken"),
    ("MisfiledChoice", "decision"): ("in-place", "destroyed"),
    ("NewRequest", "ground"): tuple(GROUNDS),
    ("Recorded", "ground"): tuple(GROUNDS),
    ("DocumentDecision", "how"): ("open", "withheld", "pages-withheld"),
    ("transfers_Answer", "outcome"): ("given", "refused", "not-found"),
    ("HandOver", "how"): tuple(HANDED_HOW),
    ("HandOver", "identified_how"): tuple(sorted({one for each in HANDED_HOW.values() for one in each})),
    ("NewAuthority", "scope"): ("see", "act"),
    ("NewAuthority", "kind"): ("guardian", "continuing-power", "authorised"),
}
_DAYS: Final = frozenset({
    "born", "dated", "died_on", "ends_from", "from", "on", "received_on", "signed_on", "until", "valid_from", "valid_until",
})  # fmt: skip
_ID: Final = "01990000-0000-7000-8000-000000000000"
_ANY: Final = [{"any": True}]
_REASON: Final[Document] = {"reason": "asiakkaan pyynnöstä"}
_PERMIT: Final[Document] = {
    "effect": "permit", "recipients": [{"agency": "kela"}], "sources": _ANY, "documents": [{"type": "kuntoutuspalaute"}],
    "actions": ["read"], "purposes": ["rehabilitation-planning"], "future_documents": True,
}  # fmt: skip
_HANDLE: Final[Document] = _PERMIT | {"recipients": _ANY, "documents": _ANY, "actions": ["handle", "opinion"]}
_PAPER: Final[Document] = {
    "type": "kuntoutuspalaute", "title": "Kuntoutuspalaute", "language": "fi", "dated": "2026-03-01", "protected_classes": [],
    "filename": "kuntoutuspalaute.txt", "media_type": "text/plain",
}  # fmt: skip
_CONSENT: Final[Document] = {
    "form": _ID, "signed_on": "2026-03-02", "language": "fi", "signed_by": {"capacity": "client", "name": "Maija Mallikas"},
    "verified": {"how": "paper-original-seen"}, "valid_from": "2026-03-02", "valid_until": None, "provisions": [_HANDLE, _PERMIT],
}  # fmt: skip

EXAMPLES: Final[Mapping[str, tuple[Document, ...]]] = {
    "post /v1/cases": ({"process": "ayr", "client": {"name": "Maija Mallikas", "born": "1999-05-14", "language": "fi"}},),
    "patch /v1/cases/{case}": ({"your_reference": "AYR 1"},),
    "post /v1/clients/find": ({"personal_identity_code": "140599-923C"},),
    "patch /v1/clients/{client}": ({"name": "Maija Uusi", "language": "sv", "address_protected": True},),
    "post /v1/cases/{case}/members": ({"agency": "kela", "role": "insurance-secretary"},),
    "post /v1/cases/{case}/documents": (_PAPER, _PAPER | {"type": "suostumus", "title": "Suostumus", "filename": "suostumus.txt"}),
    "post /v1/cases/{case}/consents": (_CONSENT,),
    "post /v1/consents/{consent}/withdraw": ({}, {"provisions": [1]}),
    "post /v1/me/consents/{consent}/withdraw": ({}, {"provisions": [1]}),
    "post /v1/decisions": ({"document": _ID, "agency": "kela", "role": "insurance-secretary", "action": "read", "purpose": "rehabilitation-planning"},),
    "post /v1/cases/{case}/close": (_REASON,),
    "post /v1/cases/{case}/reopen": (_REASON,),
    "post /v1/cases/{case}/holds": (_REASON,),
    "post /v1/cases/{case}/authorities": (
        {"representative": {"name": "Ville Esimerkki", "personal_identity_code": "140599-923C"}, "scope": "see", "shown": "valtakirja"},
    ),
    "post /v1/me/authorities": (
        {"representative": {"name": "Ville Esimerkki", "personal_identity_code": "140599-923C"}, "scope": "see", "kind": "authorised"},
    ),
    "patch /v1/me": ({"language": "sv"},),
    "post /v1/me/prohibitions": ({"recipients": [{"agency": "te-palvelut"}]},),
    "post /v1/me/requests": ({"kind": "log-names"}, {"kind": "correction", "text": "Päivä on väärä"}, {"kind": "restriction", "ground": "accuracy", "text": "Päivä on väärä"}),
    "post /v1/me/exports": ({}, {"without_large": True, "language": "fi"}),
    "post /v1/requests": ({"client": _ID, "kind": "self-access", "received_how": "paper", "received_on": "2026-03-02"},),
    "post /v1/requests/{asked}/identify": ({"identified_how": "identity-document"},),
    "post /v1/requests/{asked}/answer": ({"text": "Vastaus pyyntöösi"},),
    "post /v1/requests/{asked}/extend": ({"notice": "Tarvitsemme lisää aikaa"},),
    "post /v1/requests/{asked}/looks": ({"document": _ID, "reason": "sivullisen tiedot tarkistetaan"},),
    "post /v1/requests/{asked}/restriction/notice": ({"ends_from": "2031-01-31", "text": "Tieto on tarkistettu"},),
    "post /v1/requests/{asked}/fee": ({"cents": 500, "reason": "toinen kerta vuoden sisällä"},),
    "post /v1/requests/{asked}/exports": ({}, {"without_large": True}),
    "post /v1/requests/{asked}/exports/{export}/hand-over": ({"how": "medium-in-person", "on": "2026-03-02", "identified_how": "identity-document"},),
    "post /v1/requests/{asked}/fee/answer": ({"accepted": True},),
    "post /v1/differences/{difference}": ({"outcome": "kept"},),
    "post /v1/misfiled/{document}/decision": ({"decision": "in-place", "reason": "oikean henkilön paperi"},),
    "post /v1/transfers/{transfer}/reject": ({"reason": "tarkistussumma ei täsmää"},),
    "post /v1/archive-requests/{asked}/answer": ({"outcome": "given"},),
}  # fmt: skip


def tell_words(told: Document) -> None:
    """Put codes, days and examples into the schemas that requests are made of."""
    schemas = told["components"]["schemas"]
    for name in _asked_for(told):
        for field, schema in schemas[name].get("properties", {}).items():
            codes = _OWN.get((name, field), _CODES.get(field))
            if codes is not None:
                _say(schema, {"enum": list(codes)})
            elif field in _DAYS:
                _say(schema, {"format": "date"})
    for path, item in told["paths"].items():
        for method, operation in item.items():
            for number, value in enumerate(EXAMPLES.get(f"{method} {path}", ()), 1):
                content = operation["requestBody"]["content"]["application/json"]
                content.setdefault("examples", {})[f"{operation['operationId']}{number}"] = {"value": value}


def _say(schema: Document, more: Document) -> None:
    """Say more of a text: of its members where it is a list, of its other kind where it may be null."""
    for one in schema.get("oneOf", [schema]):
        if one.get("type") == "array":
            _say(one["items"], more)
        elif one.get("type") == "string" and "enum" not in one:
            one.update(more)


def _asked_for(told: Document) -> set[str]:
    """The names of all schemas that a request's body is made of."""
    found: set[str] = set()
    bodies = [one["requestBody"] for item in told["paths"].values() for one in item.values() if "requestBody" in one]
    waiting = [*_names_in(bodies)]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _names_in(told["components"]["schemas"][name])
    return found


def _names_in(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"].rpartition("/")[2]
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from _names_in(one)
