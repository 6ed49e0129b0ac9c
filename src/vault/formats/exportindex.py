"""The one page of an export, in the client's language: everything in words, no script, nothing that is fetched.

Sentences stand in ``exportpage/texts.toml``, the layout in ``exportpage/index.html``; everything that comes from outside is
escaped by the template.

Source: docs/spec/export.md §4; GDPR Art. 12(1); FI 306/2019 § 7 (accessible content).
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

import jinja2

from vault.formats.exportacts import Asked, Authority, Looked
from vault.formats.exportdata import Answer, Case, Consent, Paper, Party, Person, Prohibition, Readers

MOST_OPENINGS: Final = 2000
"""The page stays readable; data/openings.json holds every one."""
LANGUAGES: Final = ("fi", "sv", "en")
_HELSINKI: Final = ZoneInfo("Europe/Helsinki")
_SELF: Final = frozenset({"client", "representative"})
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip

Names = Mapping[str, Mapping[str, Mapping[str, str]]]
"""Kind of code to code to language to name: ``names["role"]["nurse"]["fi"]``; the kind ``law`` is that of provisions of law."""


def _file(name: str) -> str:
    return (files("vault.formats") / "exportpage" / name).read_text("utf-8")


_TEXTS: Final = tomllib.loads(_file("texts.toml"))
_PAGE: Final = _file("index.html")


def texts(language: str) -> dict[str, dict[str, str]]:
    """Every sentence in that language, by table and name.

    Source: exportpage/texts.toml.
    """
    tables = {name: table for name, table in _TEXTS.items() if isinstance(table, dict)}
    return {table: {key: row[language] for key, row in rows.items()} for table, rows in tables.items()}


class Words:
    """Codes, days and sizes in the words of one language.

    Source: docs/spec/export.md §4.
    """

    def __init__(self, language: str, names: Names, agencies: Mapping[str, Mapping[str, str]]) -> None:
        self.language = language
        self._names = names
        self._agencies = agencies
        self._all = texts(language)["t"]["all"]

    def named(self, code: str | Iterable[str], kind: str) -> str:
        """A code's name, or those of several; a code without a name stands for itself."""
        if not isinstance(code, str):
            return ", ".join(self.named(one, kind) for one in code)
        known = self._names.get(kind, {}).get(code, {})
        return known.get(self.language) or known.get("fi") or code

    def reasons(self, codes: Sequence[str]) -> str:
        return self.named(codes, "reason")

    def law(self, provision: str) -> str:
        return self.named(provision, "law")

    def agency(self, slug: str) -> str:
        known = self._agencies.get(slug, {})
        return known.get(self.language) or known.get("fi") or slug

    def party(self, one: Party) -> str:
        return one.name if not one.unit_name else f"{one.name}, {one.unit_name}"

    def parties(self, readers: Sequence[Readers]) -> str:
        """The organisations among readers, each once."""
        return ", ".join(dict.fromkeys(self.party(one.party) for one in readers))

    def scope(self, items: Sequence[Mapping[str, Any]] | None) -> str:
        """Recipients, sources or documents of a clause."""
        if items is None or any(item.get("any") for item in items):
            return self._all
        return ", ".join(self._scope_item(item) for item in items)

    def _scope_item(self, item: Mapping[str, Any]) -> str:
        if "type" in item:
            return self.named(str(item["type"]), "document-type")
        if "document" in item:
            return str(item["document"])
        parts = [self.agency(str(item["unit"] if item.get("unit") else item.get("agency", "")))]
        if item.get("role"):
            parts.append(self.named(str(item["role"]), "role"))
        return " ".join([parts[0], *(f"({part})" for part in parts[1:])])

    def day(self, text: str | None) -> str:
        return self._day(dt.date.fromisoformat(text)) if text else ""

    def date(self, text: str) -> str:
        """The Helsinki day of an instant."""
        return self._day(self._there(text).date())

    def time(self, text: str) -> str:
        there = self._there(text)
        clock = {"fi": f"klo {there:%H.%M}", "sv": f"kl. {there:%H.%M}"}.get(self.language, f"{there:%H:%M}")
        return f"{self._day(there.date())} {clock}"

    def size(self, count: int) -> str:
        """Bytes as people say them."""
        for unit, name in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")):
            if count >= unit:
                text = f"{count / unit:.1f} {name}"
                return text if self.language == "en" else text.replace(".", ",")
        return f"{count} B"

    def who(self, one: Looked) -> str:
        """Who stands behind an opening: an organisation in a role, the client, the vault itself."""
        said = texts(self.language)["t"]
        if one.actor in _SELF:
            return said["yourself"]
        if one.agency is None:
            return said["vault"]
        role = f", {self.named(one.role, 'role')}" if one.role else ""
        return f"{one.organisation or self.agency(one.agency)}{role}"

    def _day(self, day: dt.date) -> str:
        if self.language == "en":
            return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
        return f"{day.day}.{day.month}.{day.year}"

    @staticmethod
    def _there(text: str) -> dt.datetime:
        return dt.datetime.fromisoformat(text).astimezone(_HELSINKI)


def index_page(
    words: Words,
    answer: Answer,
    person: Person | None,
    *,
    cases: Sequence[Case],
    papers: Sequence[Paper],
    consents: Sequence[Consent],
    prohibitions: Sequence[Prohibition],
    openings: Sequence[Looked],
    requests: Sequence[Asked] = (),
    authorities: Sequence[Authority] = (),
) -> bytes:
    """The whole page as UTF-8; ``openings`` are told newest first, the last ``MOST_OPENINGS`` of each kind; papers by their day.

    Source: docs/spec/export.md §4.
    """
    said = texts(words.language)
    told: dict[str, list[Looked]] = {"opened": [], "denied": [], "others": []}
    for one in reversed(openings):
        told[_group(one)].append(one)
    page = _environment(words).from_string(_PAGE).render(
        language=words.language, answer=answer, person=person, cases=cases, papers=_newest_first(papers),
        consents=consents, prohibitions=prohibitions, requests=requests, authorities=authorities, **said,
        opened=told["opened"][:MOST_OPENINGS], denied=told["denied"][:MOST_OPENINGS], others=told["others"][:MOST_OPENINGS],
        denied_count=len(told["denied"]), others_count=len(told["others"]), most=MOST_OPENINGS,
        more=any(len(group) > MOST_OPENINGS for group in told.values()),
    )  # fmt: skip
    return page.encode()


def _newest_first(papers: Sequence[Paper]) -> list[Paper]:
    """Those that are here first, the signed forms after the others, each by the day on the paper: what is looked for is at the top."""
    return sorted(
        sorted(papers, key=lambda one: one.dated, reverse=True), key=lambda one: (one.file is None, one.signed_form)
    )


def _group(one: Looked) -> str:
    if one.decision == "deny":
        return "denied"
    return "opened" if one.act == "open" and one.actor not in _SELF else "others"


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _put(text: str, **values: object) -> str:
    """A sentence with its values; what is put in is escaped where the page shows it."""
    return text.format(**values)


def _environment(words: Words) -> jinja2.Environment:
    made = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    filters = {
        "named": words.named, "reasons": words.reasons, "law": words.law, "party": words.party, "parties": words.parties, "first_upper": _first_upper, "scope": words.scope, "day": words.day,
        "date": words.date, "time": words.time, "size": words.size, "who": words.who, "put": _put,
    }  # fmt: skip
    made.filters.update(cast("dict[str, Any]", filters))
    return made
