"""What the provisions of a written consent may say; vague scopes are refused here, before anything is recorded.

A permit names its recipients, sources, documents, actions and purposes: what is missing permits nothing, and "everyone"
or "everything" is said aloud as ``{"any": true}``. A deny may leave anything out: what is missing denies everything.
What ``check_provisions`` returns is what is stored, digested and decided on; nothing else reads a provision's text.
Source: design.md §3.2, §4; the Deputy Chancellor of Justice 16.4.2004 ("as needed" does not specify the object).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, NoReturn, TypeVar

import msgspec

from vault.errors import InvalidInput
from vault.rules.catalogue import Kind, require_code
from vault.rules.days import parse_day

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_UNIT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}(/[a-z0-9][a-z0-9-]{0,62}){1,3}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LONGEST_ID = 200
_MUST_NAME = ("recipients", "sources", "documents", "actions", "purposes")
_HAS_ANY = frozenset({"recipients", "sources", "documents"})
_Scope = TypeVar("_Scope", "Recipient", "Source", "DocumentScope")


class Recipient(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who may get documents: anybody known when the consent was recorded, or an agency, narrowed by the other members.

    ``professional`` is the person's stable id at the agency.
    """

    any: bool | None = None
    agency: str | None = None
    unit: str | None = None
    role: str | None = None
    professional: str | None = None


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whose documents: anybody's known when the consent was recorded, or an agency's, or one unit's of it."""

    any: bool | None = None
    agency: str | None = None
    unit: str | None = None


class DocumentScope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which documents: any of a type known when the consent was recorded, one type, or one document by its id."""

    any: bool | None = None
    type: str | None = None
    document: str | None = None


class Dated(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The documents' own days, both included; a missing end is open."""

    from_: str | None = msgspec.field(default=None, name="from")
    until: str | None = None


class Provision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One clause as it arrives; a missing member and ``null`` mean the same."""

    effect: Literal["permit", "deny"]
    recipients: list[Recipient] | None = None
    sources: list[Source] | None = None
    documents: list[DocumentScope] | None = None
    actions: list[str] | None = None
    purposes: list[str] | None = None
    dated: Dated | None = None
    protected_classes: list[str] | None = None
    future_documents: bool = False


def check_provisions(provisions: Sequence[Provision]) -> list[dict[str, Any]]:
    """Check every clause and give all in the one form that is stored and digested, numbered from 1 as on the paper.

    Shapes: each is ``{number, effect, recipients, sources, documents, actions, purposes, dated, protected_classes,
    future_documents}``; a list holds only the members that were given, duplicates removed; None stands for what a deny
    leaves out (everything), a permit's ``protected_classes`` is then ``[]`` (none).
    Raises: InvalidInput: ``vague-scope`` for what is not said clearly enough, ``unknown-code``, ``invalid-day``,
    ``invalid-scope`` for what contradicts itself; the field is like ``provisions[0].sources``.
    Source: design.md §3.2, §4.
    """
    if not provisions:
        raise InvalidInput("a consent needs at least one provision", field="provisions", code="vague-scope")
    return [_check_provision(p, n, f"provisions[{n - 1}]") for n, p in enumerate(provisions, start=1)]


def check_prohibition(scope: Provision) -> dict[str, Any]:
    """Check a client's standing deny; the same form as a provision's, with number 1.

    Raises: InvalidInput as ``check_provisions``, or ``invalid-scope`` when the effect is not deny.
    Source: design.md §2 (prohibition).
    """
    if scope.effect != "deny":
        _contradiction("a prohibition can only deny", "effect")
    return _check_provision(scope, 1, "scope")


def check_signature(capacity: str, how: str) -> None:
    """Refuse a capacity or a way of verifying that is not in the catalogue.

    Raises: InvalidInput (``unknown-code``) for ``signed_by.capacity`` or ``verified.how``.
    Source: design.md §4 (a consent).
    """
    require_code("capacity", capacity, "signed_by.capacity")
    require_code("verification", how, "verified.how")


def check_consent_days(signed_on: dt.date, valid_from: dt.date, valid_until: dt.date | None, today: dt.date) -> None:
    """Refuse a signature of a later day than today, and a consent that ends before it begins.

    ``today`` is the Helsinki day of recording. A consent whose days have ended is fine: it permits nothing.
    Raises: InvalidInput (``invalid-day``) for ``signed_on`` or ``valid_until``.
    Source: design.md §3.2, §4.
    """
    if signed_on > today:
        raise InvalidInput("a consent cannot be signed in the future", field="signed_on", code="invalid-day")
    if valid_until is not None and valid_until < valid_from:
        raise InvalidInput("valid_until is before valid_from", field="valid_until", code="invalid-day")


def _check_provision(provision: Provision, number: int, where: str) -> dict[str, Any]:
    permit = provision.effect == "permit"
    if permit:
        _require_aloud(provision, where)
    check_document = _check_permitted if permit else _check_document
    classes = _codes("protected-class", provision.protected_classes, f"{where}.protected_classes")
    return {
        "number": number,
        "effect": provision.effect,
        "recipients": _scopes(provision.recipients, f"{where}.recipients", _check_recipient),
        "sources": _scopes(provision.sources, f"{where}.sources", _check_source),
        "documents": _scopes(provision.documents, f"{where}.documents", check_document),
        "actions": _codes("action", provision.actions, f"{where}.actions"),
        "purposes": _codes("purpose", provision.purposes, f"{where}.purposes"),
        "dated": _dated(provision.dated, f"{where}.dated"),
        # No class is opened by silence, and no class is spared from a deny by silence.
        "protected_classes": (classes or []) if permit else classes,
        "future_documents": provision.future_documents,
    }


def _require_aloud(provision: Provision, where: str) -> None:
    for name in _MUST_NAME:
        if not getattr(provision, name):
            aloud = 'say {"any": true} to mean all of them' if name in _HAS_ANY else "list them by code"
            _vague(f"a permit must name its {name}; {aloud}", f"{where}.{name}")


def _scopes(given: Sequence[_Scope] | None, where: str, check: Callable[[_Scope, str], _Scope]) -> list[Any] | None:
    checked = (check(one, f"{where}[{i}]") for i, one in enumerate(given or ()))
    return [msgspec.to_builtins(one) for one in dict.fromkeys(checked)] or None


def _codes(kind: Kind, given: Sequence[str] | None, where: str) -> list[str] | None:
    checked = (require_code(kind, code, f"{where}[{i}]") for i, code in enumerate(given or ()))
    return list(dict.fromkeys(checked)) or None


def _check_recipient(recipient: Recipient, where: str) -> Recipient:
    if _is_any(recipient, where):
        return recipient
    _check_agency(recipient.agency, recipient.unit, where)
    if recipient.role is not None:
        require_code("role", recipient.role, f"{where}.role")
    _check_professional(recipient.professional, where)
    return recipient


def _check_source(source: Source, where: str) -> Source:
    if not _is_any(source, where):
        _check_agency(source.agency, source.unit, where)
    return source


def _check_document(scope: DocumentScope, where: str) -> DocumentScope:
    if _is_any(scope, where):
        return scope
    if (scope.type is None) == (scope.document is None):
        _vague("name either a type or one document", where)
    if scope.document is not None:
        return DocumentScope(document=_document_id(scope.document, f"{where}.document"))
    require_code("document-type", scope.type or "", f"{where}.type")
    return scope


def _check_permitted(scope: DocumentScope, where: str) -> DocumentScope:
    # "Other" says nothing about what is released, so a permit covers such a paper only by naming that single one.
    if scope.type == "muu":
        _vague("documents of the type muu are permitted one by one, by their ids", f"{where}.type")
    return _check_document(scope, where)


def _check_agency(agency: str | None, unit: str | None, where: str) -> None:
    if agency is None:
        _vague("name an agency", f"{where}.agency")
    if not _SLUG.fullmatch(agency):
        _contradiction("an agency is named by its slug", f"{where}.agency")
    if unit is not None and not (_UNIT.fullmatch(unit) and unit.startswith(f"{agency}/")):
        _contradiction("a unit is named agency/unit, of the same agency", f"{where}.unit")


def _check_professional(professional: str | None, where: str) -> None:
    if professional is None:
        return
    if not professional or len(professional) > _LONGEST_ID or not professional.isprintable() or " " in professional:
        _contradiction("a professional is named by the id at the agency", f"{where}.professional")


def _document_id(text: str, field: str) -> str:
    if not _UUID.fullmatch(text):
        _contradiction("a document is named by its id", field)
    return text.lower()


def _is_any(scope: Recipient | Source | DocumentScope, where: str) -> bool:
    """True for exactly ``{"any": true}``; refuses every half-way form of it."""
    members = [name for name in scope.__struct_fields__ if getattr(scope, name) is not None]
    if scope.any is not None and (members != ["any"] or not scope.any):
        _contradiction('any stands alone, as {"any": true}', f"{where}.any")
    return bool(scope.any)


def _dated(dated: Dated | None, where: str) -> dict[str, str] | None:
    if dated is None:
        return None
    given = {"from": dated.from_, "until": dated.until}
    days = {end: parse_day(text, f"{where}.{end}") for end, text in given.items() if text is not None}
    if len(days) == len(given) and days["from"] > days["until"]:
        # Never matched by any document: in a deny it would look like protection and be none.
        _contradiction("from is after until", where)
    return {end: day.isoformat() for end, day in days.items()} or None


def _vague(detail: str, field: str) -> NoReturn:
    raise InvalidInput(detail, field=field, code="vague-scope")


def _contradiction(detail: str, field: str) -> NoReturn:
    raise InvalidInput(detail, field=field, code="invalid-scope")
