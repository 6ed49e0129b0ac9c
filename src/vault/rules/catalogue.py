"""The closed vocabularies and the five processes, read once from the tables in ``processes/``.

A code that is not here does not exist for the vault. Names for people are in Finnish, Swedish and English.
Source: design.md §2 (codes).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

import msgspec

from vault.errors import InvalidInput, InvariantViolated


class Named(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something with a name for people in three languages."""

    fi: str
    sv: str
    en: str

    def name(self, language: str) -> str:
        """The name in that language; in Finnish for a language without names of its own (the Sámi languages).

        Source: design.md §2 (codes).
        """
        return {"sv": self.sv, "en": self.en}.get(language, self.fi)


class DocumentType(Named, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One type of paper. ``can_be_protected``: filing one says its protected classes aloud, an empty list included."""

    can_be_protected: bool
    source: str


class Clock(Named, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One term of a process: so many units from (or, with rule ``before``, before) the event ``starts``."""

    code: str
    amount: int
    unit: Literal["weeks", "months", "years"]
    rule: Literal["at-most", "at-least-every", "before", "target"]
    starts: str
    source: str


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a case is kept, counted from the event ``starts``; ``at-most`` means it may be destroyed earlier."""

    years: int
    rule: Literal["exactly", "at-most"]
    starts: Literal["end-of-handling", "end-of-relationship"]
    source: str


class Closing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many different agencies must sign off before a case is closed."""

    sign_offs: int
    source: str


class Controller(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who answers for the records of an open case."""

    kind: Literal["group", "joint", "each-agency"]
    source: str


class Process(Named, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of cooperation. ``document_types`` are those it uses, in order; any other can be filed as well."""

    code: str
    source: str
    document_types: tuple[str, ...]
    actor_roles: tuple[str, ...]
    clocks: tuple[Clock, ...]
    retention: Retention
    closing: Closing
    controller: Controller


class _Codes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    source: str
    document_types: dict[str, DocumentType]
    purposes: dict[str, Named]
    actions: dict[str, Named]
    roles: dict[str, Named]
    protected_classes: dict[str, Named]
    languages: dict[str, Named]
    capacities: dict[str, Named]
    verifications: dict[str, Named]


def _table(name: str) -> object:
    return tomllib.loads((files("vault.rules") / "processes" / f"{name}.toml").read_text("utf-8"))


def _process(code: str, codes: _Codes) -> Process:
    process = msgspec.convert(_table(code), Process)
    unknown = {*process.document_types} - {*codes.document_types} | {*process.actor_roles} - {*codes.roles}
    if unknown or process.code != code:
        raise InvariantViolated(f"processes/{code}.toml uses codes that codes.toml lacks: {sorted(unknown)}")
    return process


_CODES = msgspec.convert(_table("codes"), _Codes)

PROCESSES: Mapping[str, Process] = MappingProxyType(
    {code: _process(code, _CODES) for code in ("ayr", "verkosto", "akse", "tym", "tyky")}
)
DOCUMENT_TYPES: Mapping[str, DocumentType] = MappingProxyType(_CODES.document_types)
PURPOSES: Mapping[str, Named] = MappingProxyType(_CODES.purposes)
ACTIONS: Mapping[str, Named] = MappingProxyType(_CODES.actions)
ROLES: Mapping[str, Named] = MappingProxyType(_CODES.roles)
PROTECTED_CLASSES: Mapping[str, Named] = MappingProxyType(_CODES.protected_classes)
LANGUAGES: Mapping[str, Named] = MappingProxyType(_CODES.languages)
CAPACITIES: Mapping[str, Named] = MappingProxyType(_CODES.capacities)
VERIFICATIONS: Mapping[str, Named] = MappingProxyType(_CODES.verifications)

Kind = Literal[
    "process", "document-type", "purpose", "action", "role", "protected-class", "language", "capacity", "verification"
]
VOCABULARIES: Mapping[Kind, Mapping[str, Named]] = MappingProxyType(
    {
        "process": PROCESSES,
        "document-type": DOCUMENT_TYPES,
        "purpose": PURPOSES,
        "action": ACTIONS,
        "role": ROLES,
        "protected-class": PROTECTED_CLASSES,
        "language": LANGUAGES,
        "capacity": CAPACITIES,
        "verification": VERIFICATIONS,
    }
)


def require_code(kind: Kind, value: str, field: str) -> str:
    """Give the value back if it is a code of that kind.

    Raises: InvalidInput (``unknown-code``) that names the field and what is allowed, and never repeats the value.
    Source: design.md §2 (codes).
    """
    allowed = VOCABULARIES[kind]
    if value not in allowed:
        raise InvalidInput(f"unknown {kind}; allowed are: {', '.join(allowed)}", field=field, code="unknown-code")
    return value
