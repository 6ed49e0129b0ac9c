"""A package's index.html for whoever opens it in ten years: whose case, which papers, which consents, who looked, how to check.

Finnish first, English beside it. The page holds no script, loads nothing, and needs no other program of this project; its
layout stands in ``bagpage/index.html``, which escapes everything that comes from outside.

Source: docs/spec/archive-package.md §6.
"""

from __future__ import annotations

import datetime as dt
import tomllib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final
from zoneinfo import ZoneInfo

import jinja2
from markupsafe import Markup, escape

from vault.formats.casefacts import CaseFacts, PaperFacts

Names = Mapping[str, Mapping[str, str]]
"""Names of codes for people: code to language (``fi``, ``en``) to name."""

_HELSINKI: Final = ZoneInfo("Europe/Helsinki")
_UNITS: Final = ("B", "kB", "MB", "GB")


def _file(name: str) -> str:
    return (files("vault.formats") / "bagpage" / name).read_text("utf-8")


_ACTS: Final[dict[str, Any]] = tomllib.loads(_file("acts.toml"))
_ACTORS: Final[Names] = _ACTS.pop("actors")
_EVERYBODY: Final = {"fi": "kaikki", "en": "everyone"}
_ANYTHING: Final = {"fi": "kaikki asiakirjat", "en": "all papers"}


def index_page(
    facts: CaseFacts,
    names: Names,
    places: Mapping[uuid.UUID, str],
    entries: Sequence[Mapping[str, Any]] = (),
    *,
    proofs: bool = False,
) -> str:
    """The whole page.

    ``places`` gives each paper's path within the bag; ``entries`` are those of ``data/log/entries.jsonl``; ``proofs`` says
    whether each has its proof below ``data/log/proofs/``. ``facts.more["agencies"]`` names organisations by id.
    Source: docs/spec/archive-package.md §6.
    """
    words = _Words(names, facts.more.get("agencies") or {}, _numbers(facts.documents))
    made = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= words.filters()
    page = made.from_string(_file("index.html"))
    return page.render(
        facts=facts, papers=facts.documents, places=places, entries=entries, proofs=proofs,
        members=facts.more.get("members") or (), left_out=len(facts.more.get("left_out") or ()),
        numbers=_numbers(facts.documents), readers=words.readers(entries),
    ).lstrip() + "\n"  # fmt: skip


def _numbers(papers: Sequence[PaperFacts]) -> dict[str, tuple[int, uuid.UUID]]:
    """Each paper's number on the page, by its id as the log writes it."""
    return {str(paper.id): (number, paper.id) for number, paper in enumerate(papers, start=1)}


class _Words:
    """Codes, days and sizes as this page writes them: Finnish, and English in a span of its own."""

    def __init__(self, names: Names, agencies: Names, numbers: Mapping[str, tuple[int, uuid.UUID]]) -> None:
        self._names, self._agencies, self._numbers = names, agencies, numbers

    def filters(self) -> dict[str, Any]:
        return {
            "name": self.name, "names": self.listed, "agency": self.agency, "act": self.act, "who": self.who,
            "parties": self.parties, "scopes": self.scopes, "first": _first, "day": _day, "time": _time, "size": _size,
        }  # fmt: skip

    def name(self, code: str, language: str = "fi") -> str:
        return self._names.get(code, {}).get(language, code)

    def agency(self, slug: str) -> str:
        return self._agencies.get(slug, {}).get("fi", slug)

    def act(self, code: str) -> Markup:
        known = _ACTS.get(code, {"fi": code, "en": code})
        return _both([known])

    def listed(self, codes: Iterable[str]) -> Markup:
        return _both([self._named(code) for code in codes])

    def who(self, entry: Mapping[str, Any]) -> Markup:
        """An organisation with the role in it, or what kind of actor it was."""
        if not entry.get("agency"):
            return _both([_ACTORS.get(str(entry["actor"]), {"fi": str(entry["actor"])})])
        role = self._named(entry["role"]) if entry.get("role") else _ACTORS.get(str(entry["actor"]), {})
        return Markup("{} ({})").format(self.agency(entry["agency"]), role.get("fi", entry["actor"]))

    def parties(self, recipients: Sequence[Mapping[str, Any]] | None) -> Markup:
        if recipients is None:
            return _both([_EVERYBODY])
        return _both([self._party(one) for one in recipients])

    def scopes(self, documents: Sequence[Mapping[str, Any]] | None) -> Markup:
        if documents is None:
            return _both([_ANYTHING])
        return _both([self._scope(one) for one in documents])

    def readers(self, entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Who opened papers or was refused: how often, for which purposes, when last; those who opened most first."""
        found: dict[Markup, dict[str, Any]] = {}
        for entry in entries:
            if entry["act"] != "open":
                continue
            who = self.who(entry)
            one = found.setdefault(who, {"who": who, "opened": 0, "refused": 0, "purposes": [], "last": ""})
            one["opened" if entry.get("decision") == "permit" else "refused"] += 1
            one["last"] = max(one["last"], entry["at"])
            if entry.get("purpose") and entry["purpose"] not in one["purposes"]:
                one["purposes"].append(entry["purpose"])
        return sorted(found.values(), key=lambda one: (-one["opened"], one["who"]))

    def _named(self, code: str) -> Mapping[str, str]:
        return self._names.get(code) or {"fi": code}

    def _party(self, one: Mapping[str, Any]) -> Mapping[str, str]:
        if one.get("any"):
            return _EVERYBODY
        agency = self._agencies.get(one["agency"], {"fi": one["agency"]})
        role = self._named(one["role"]) if one.get("role") else None
        fi, en = agency["fi"], agency.get("en", agency["fi"])
        return (
            {"fi": f"{fi} ({role['fi']})", "en": f"{en} ({role.get('en', role['fi'])})"}
            if role
            else {"fi": fi, "en": en}
        )

    def _scope(self, one: Mapping[str, Any]) -> Mapping[str, str]:
        if one.get("any"):
            return _ANYTHING
        if one.get("type"):
            return self._named(one["type"])
        number = self._numbers.get(str(one.get("document")), ("?",))[0]
        return {"fi": f"asiakirja {number}", "en": f"paper {number}"}


def _both(named: Sequence[Mapping[str, str]]) -> Markup:
    fi = ", ".join(one.get("fi", "") for one in named)
    en = ", ".join(one.get("en", one.get("fi", "")) for one in named)
    return escape(fi) if fi == en else Markup('{} <span class="en" lang="en">{}</span>').format(fi, en)


def _first(text: str) -> str:
    return text[:1].upper() + text[1:]


def _day(value: str | dt.date | dt.datetime | None) -> str:
    """``2.3.2026``: the day in Finland."""
    if not value:
        return ""
    at = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    day = at.astimezone(_HELSINKI).date() if isinstance(at, dt.datetime) and at.tzinfo else at
    return f"{day.day}.{day.month}.{day.year}"


def _time(value: str | dt.datetime) -> str:
    at = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{_day(at)} {at.astimezone(_HELSINKI):%H.%M}"


def _size(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:
            break
        size /= 1000
    return (f"{size:.0f}" if size >= 10 or unit == "B" else f"{size:.1f}".replace(".", ",")) + f" {unit}"
