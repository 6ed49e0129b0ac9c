"""How codes, days, sizes and organisations read in a language: the filters of the templates.

Days and times are shown in Helsinki's; whatever is not known is shown as it stands, never as an error.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from babel import dates, lists, numbers

from vault.rules import catalogue
from vault.rules.days import HELSINKI
from vault.rules.reasons import Basis, Reason
from vault.rules.reasons import text as explanation
from vault.rules.requests import CLOCKS, GROUNDS, PROVISIONS

# English as Finnish authorities write it: day before month.
_LOCALES = {"fi": "fi_FI", "sv": "sv_FI", "en": "en_GB"}
_HELD = "\u00a0"
_UNITS = ("B", "kB", "MB", "GB")


class Words:
    """The filters of one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._locale = _LOCALES.get(language, "fi_FI")

    def filters(self) -> dict[str, Any]:
        """By the names under which templates use them."""
        return {
            "day": self.day, "moment": self.moment, "clock": self.clock, "size": self.size, "number": self.number,
            "listed": self.listed, "names": self.names, "party": self.party, "role": self.role, "purpose": self.purpose,
            "process": self.process, "document_type": self.document_type, "protected_class": self.protected_class,
            "action": self.action, "language_name": self.language_name, "capacity": self.capacity,
            "verification": self.verification, "reason": self.reason, "law": self.law, "law_meaning": self.law_meaning, "clock_law": self.clock_law, "ground": self.ground, "first_upper": first_upper, "first_lower": first_lower, "iso": iso,
        }  # fmt: skip

    def day(self, value: str | dt.date | dt.datetime | None) -> str:
        """A day in words: ``2. maaliskuuta 2026``; its number and its month stay on one line."""
        if value is None:
            return ""
        return dates.format_date(_day(value), "long", locale=self._locale).replace(" ", _HELD, 1)

    def moment(self, value: str | dt.datetime | None) -> str:
        """A day with its time."""
        if value is None:
            return ""
        return f"{self.day(value)} {self.clock(value)}"

    def clock(self, value: str | dt.datetime | None) -> str:
        """The time of day: ``klo 14.05``, ``kl. 14.05``, ``at 14:05``."""
        if value is None:
            return ""
        time = _instant(value).astimezone(HELSINKI)
        told = {"fi": f"klo {time:%H.%M}", "sv": f"kl. {time:%H.%M}"}.get(self.language, f"at {time:%H:%M}")
        return told.replace(" ", _HELD)

    def size(self, size_bytes: int) -> str:
        """A size as people read it: ``1,4 MB``."""
        size = float(size_bytes)
        for unit in _UNITS:
            if size < 1000 or unit == _UNITS[-1]:
                break
            size /= 1000
        shape = "#,##0" if size >= 10 or unit == "B" else "#,##0.#"
        return f"{numbers.format_decimal(size, shape, locale=self._locale)}{_HELD}{unit}"

    def number(self, value: int) -> str:
        return numbers.format_decimal(value, locale=self._locale)

    def listed(self, items: Iterable[str], style: str = "standard") -> str:
        """``a, b ja c``; with style ``or``: ``a, b tai c``."""
        return lists.format_list(list(items), "or" if style == "or" else "standard", locale=self._locale)

    def names(self, names: Mapping[str, str] | None) -> str:
        """A name that is there in several languages."""
        return "" if not names else names.get(self.language) or names.get("fi") or next(iter(names.values()), "")

    def party(self, party: Any) -> str:
        """An organisation with its unit."""
        if party is None:
            return ""
        unit = self.names(party.unit_name) if party.unit_name else ""
        return f"{self.names(party.name)}, {unit}" if unit else self.names(party.name)

    def role(self, code: str) -> str:
        return self._name(catalogue.ROLES, code)

    def purpose(self, code: str) -> str:
        return self._name(catalogue.PURPOSES, code)

    def process(self, code: str) -> str:
        return self._name(catalogue.PROCESSES, code)

    def document_type(self, code: str) -> str:
        return self._name(catalogue.DOCUMENT_TYPES, code)

    def protected_class(self, code: str) -> str:
        return self._name(catalogue.PROTECTED_CLASSES, code)

    def action(self, code: str) -> str:
        return self._name(catalogue.ACTIONS, code)

    def language_name(self, code: str) -> str:
        return self._name(catalogue.LANGUAGES, code)

    def capacity(self, code: str) -> str:
        return self._name(catalogue.CAPACITIES, code)

    def verification(self, code: str) -> str:
        return self._name(catalogue.VERIFICATIONS, code)

    def reason(self, code: str) -> str:
        """One plain sentence for a basis or a reason."""
        for closed in (Basis, Reason):
            if code in set(closed):
                return explanation(closed(code), self.language)
        return code

    def law(self, provision: str) -> str:
        """The law that something is withheld on."""
        return PROVISIONS[provision].law.in_language(self.language) if provision in PROVISIONS else provision

    def law_meaning(self, provision: str) -> str:
        """What that law says, in plain words."""
        return PROVISIONS[provision].meaning.in_language(self.language) if provision in PROVISIONS else ""

    def clock_law(self, source: str) -> str:
        """The law behind a request's clock."""
        return CLOCKS[source].in_language(self.language) if source in CLOCKS else source

    def ground(self, code: str) -> str:
        """The ground that a restriction is asked for on, as the person says it."""
        return GROUNDS[code].in_language(self.language) if code in GROUNDS else code

    def _name(self, table: Mapping[str, catalogue.Named], code: str) -> str:
        return table[code].name(self.language) if code in table else code


def first_upper(text: str) -> str:
    """With a capital first letter and the rest as it is."""
    return text[:1].upper() + text[1:]


def first_lower(text: str) -> str:
    """With a small first letter and the rest as it is."""
    return text[:1].lower() + text[1:]


def iso(value: str | dt.date | dt.datetime) -> str:
    """For a ``datetime`` attribute."""
    return value if isinstance(value, str) else value.isoformat()


def _instant(value: str | dt.datetime) -> dt.datetime:
    instant = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    return instant if instant.tzinfo else instant.replace(tzinfo=dt.UTC)


def _day(value: str | dt.date | dt.datetime) -> dt.date:
    if isinstance(value, str) and len(value) == len("2026-01-01"):
        return dt.date.fromisoformat(value)
    if isinstance(value, str | dt.datetime):
        return _instant(value).astimezone(HELSINKI).date()
    return value
