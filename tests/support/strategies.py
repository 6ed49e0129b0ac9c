"""Small but nasty worlds, and asks about them, in which a good share of the asks is permitted.

Everything is healthy by default and now and then odd: a boundary day, the other unit, a class unnamed. Shrinking goes
towards the healthy. All that a world holds was recorded before the first instant of the asks, so any order of asking is
fine. Ids come from one drawn UUID; ``relabelled`` gives fresh ones, so that many worlds fit into one database.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tests.support.worlds import Agency, Ask, Consent, Document, Member, Prohibition, World

T = TypeVar("T")
Clause = dict[str, Any]

HELSINKI = ZoneInfo("Europe/Helsinki")
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
SECOND = dt.timedelta(seconds=1)
INSTANT = dt.timedelta(microseconds=1)
# An ordinary day, the days of 23 and 25 hours, a leap day, and both ends of a year.
BASE_DAYS = [dt.date.fromisoformat(day) for day in
             ("2026-03-02", "2026-03-29", "2026-10-25", "2028-02-29", "2026-12-31", "2027-01-01")]  # fmt: skip
CLOCKS = [dt.time(12), dt.time(0), dt.time(0, 0, 0, 1), dt.time(3, 30), dt.time(22), dt.time(23, 59, 59, 999_999)]
UNITS = {
    "pirha": ("pirha/tyokyky", "pirha/miepa"),
    "kela": ("kela/lansi", "kela/ita"),
    "te-palvelut": ("te-palvelut/nuoret", "te-palvelut/aikuiset"),
}
TYPES = ("lausunto", "b-lausunto", "kuntoutuspalaute", "ammatillinen-suunnitelma", "muu")
ROLES = ("coordinator", "physician", "nurse")
PURPOSES = ("rehabilitation-planning", "care", "benefit-decision")
CLASSES = ("mental-health", "substance-use", "psychology")
STATES = ("closing", "closed", "in-transfer", "archived")
ANY: list[Clause] = [{"any": True}]
# Made once: making a strategy costs more than drawing from it.
PERCENT = st.integers(0, 99)
PLACES = {count: st.integers(0, count - 1) for count in range(2, 50)}


class Dice:
    """Draws for one example; ``odd`` is rare, and shrinks to False."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._seed = draw(st.uuids(version=4))
        self._drawn = 0

    def odd(self, percent: int) -> bool:
        return self._draw(PERCENT) >= 100 - percent

    def one(self, choices: Sequence[T]) -> T:
        return choices[self._draw(PLACES[len(choices)])] if len(choices) > 1 else choices[0]

    def some(self, choices: Sequence[T], most: int = 2) -> list[T]:
        wanted, left = self.number(1, min(most, len(choices))), [*choices]
        return [left.pop(self.number(0, len(left) - 1)) for _ in range(wanted)]

    def number(self, least: int, most: int) -> int:
        return least + self.one(range(most - least + 1))

    def unless(self, usual: T, percent: int, otherwise: Sequence[T]) -> T:
        return self.one(otherwise) if self.odd(percent) else usual

    def id(self) -> uuid.UUID:
        self._drawn += 1
        return uuid.UUID(int=uuid.uuid5(self._seed, str(self._drawn)).int, version=4)


@st.composite
def worlds_and_asks(draw: st.DrawFn, asks: int = 4) -> tuple[World, list[Ask]]:
    """A world and that many asks about it, in order of time, on its base day or the day after."""
    dice = Dice(draw)
    base = dice.one(BASE_DAYS)
    recorded = _consent_instants(dice, base)
    agencies = _agencies(dice, recorded)
    types = {code: _recorded(dice, recorded) for code in TYPES}
    documents = _documents(dice, base, agencies)
    world = World(
        case=dice.id(),
        client=dice.id(),
        case_state=dice.unless(None, 4, STATES),
        adult_on=dice.unless(base - 900 * DAY, 30, [base + 1 * DAY, base, base - 1 * DAY, base + 900 * DAY]),
        deceased_on=dice.unless(None, 3, [base, base - DAY]),
        agencies=agencies,
        document_types=types,
        members=_members(dice, base, agencies),
        documents=documents,
        consents=(),
        prohibitions=_prohibitions(dice, agencies, documents, base),
    )
    world = dataclasses.replace(world, consents=_consents(dice, base, recorded, world))
    drawn = [_ask(dice, base, world) for _ in range(asks)]
    return world, sorted(drawn, key=lambda ask: ask.now)


def relabelled(world: World, asks: Sequence[Ask]) -> tuple[World, list[Ask]]:
    """The same world and asks under fresh ids and agency names; everything that refers to one is renamed with it."""
    tag = uuid.uuid4().hex[:8]
    names: dict[str, str] = {}
    for agency in world.agencies:
        slug = f"{agency.slug}-{tag}"
        names |= {agency.slug: slug} | dict(zip(professionals(agency.slug), professionals(slug), strict=True))
        names |= {unit: unit.replace(agency.slug, slug, 1) for unit in agency.units}
    fresh: dict[uuid.UUID, uuid.UUID] = {}
    return _renamed(world, names, fresh), [_renamed(ask, names, fresh) for ask in asks]


def _renamed(thing: Any, names: Mapping[str, str], fresh: dict[uuid.UUID, uuid.UUID]) -> Any:
    if isinstance(thing, uuid.UUID):
        return fresh.setdefault(thing, uuid.uuid4())
    if isinstance(thing, str):
        known = {str(old): str(new) for old, new in fresh.items()}
        return names.get(thing) or known.get(thing, thing)
    if isinstance(thing, dict):
        return {key: _renamed(value, names, fresh) for key, value in thing.items()}
    if isinstance(thing, (tuple, list)):
        return type(thing)(_renamed(one, names, fresh) for one in thing)
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        values = {f.name: _renamed(getattr(thing, f.name), names, fresh) for f in dataclasses.fields(thing)}
        return dataclasses.replace(thing, **values)
    return thing


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(0), HELSINKI).astimezone(dt.UTC)


def _consent_instants(dice: Dice, base: dt.date) -> list[dt.datetime]:
    """When the consents were recorded, earliest first: 0 to 4, none often enough to be seen."""
    count = dice.unless(dice.number(1, 4), 3, [0])
    last = dice.one([_midnight(base) - 9 * DAY, _midnight(base) - SECOND, _midnight(base - DAY)])
    step = dice.one([5 * DAY, 2 * DAY, SECOND])
    return [last - n * step for n in reversed(range(count))]


def _recorded(dice: Dice, instants: Sequence[dt.datetime]) -> dt.datetime:
    """When an agency or a type became known: long ago, or at, just before or just after a consent."""
    if not instants or not dice.odd(8):
        return LONG_AGO
    return dice.one(instants) + dice.one([INSTANT, 0 * INSTANT, -INSTANT])


def _agencies(dice: Dice, instants: Sequence[dt.datetime]) -> tuple[Agency, ...]:
    slugs = [*UNITS][: dice.number(2, 3)]
    # The one at home is the oldest and never suspended, so that some ask can be permitted.
    return tuple(
        Agency(slug, UNITS[slug], _recorded(dice, instants) if n else LONG_AGO, suspended=n > 0 and dice.odd(5))
        for n, slug in enumerate(slugs)
    )


def _members(dice: Dice, base: dt.date, agencies: Sequence[Agency]) -> tuple[Member, ...]:
    return tuple(
        Member(
            id=dice.id(),
            agency=agency.slug,
            role=role,
            from_=(start := dice.unless(base - 20 * DAY, 5, [base, base + DAY, base - DAY])),
            until=dice.unless(None, 10, [max(start, base + n * DAY) for n in (0, -1, 1)]),
            ended=dice.odd(2),
        )
        for agency in agencies
        for role in (dice.some(ROLES) if dice.odd(35) else ROLES)
    )


def _documents(dice: Dice, base: dt.date, agencies: Sequence[Agency]) -> tuple[Document, ...]:
    documents: list[Document] = []
    for _ in range(dice.number(1, 3)):
        filer = dice.one(agencies)
        source = dice.unless(filer, 25, agencies)
        documents.append(
            Document(
                id=dice.id(),
                type=dice.one(TYPES[:-1]) if not dice.odd(6) else "muu",
                filed_by=filer.slug,
                filer_unit=dice.unless(None, 40, filer.units),
                source_agency=source.slug,
                source_unit=dice.unless(None, 50, source.units),
                dated=base - dice.one([40, 40, 11, 10, 9, 5, 1, 0]) * DAY,
                protected_classes=tuple(dice.some(CLASSES)) if dice.odd(18) else (),
                retracted=dice.odd(2),
                misfiled=dice.odd(2),
                attachment_of=dice.one(documents).id if documents and dice.odd(40) else None,
            )
        )
    return tuple(documents)


def _prohibitions(
    dice: Dice, agencies: Sequence[Agency], documents: Sequence[Document], base: dt.date
) -> tuple[Prohibition, ...]:
    if not dice.odd(15):
        return ()
    scope = _deny(dice, 1, agencies, sorted({d.type for d in documents}), documents, base)
    return (Prohibition(dice.id(), scope, ended=dice.odd(30)),)


def _consents(dice: Dice, base: dt.date, instants: Sequence[dt.datetime], world: World) -> tuple[Consent, ...]:
    consents: list[Consent] = []
    for order, at in enumerate(instants, start=1):
        on_paper = at.astimezone(HELSINKI).date()
        signed = on_paper - dice.one([0, 1, 3]) * DAY
        start = dice.unless(signed, 8, [base, base + DAY, base - DAY])
        consents.append(
            Consent(
                id=dice.id(),
                order=order,
                signed_on=signed,
                recorded_at=at,
                valid_from=start,
                valid_until=dice.unless(None, 16, [max(start, base + n * DAY) for n in (365, 0, 1, -1)]),
                capacity=(capacity := dice.unless("client", 14, ["guardian", "guardian", "authorised"])),
                confirmed=capacity == "guardian" and world.adult_on <= base and dice.odd(40),
                withdrawn_at=_midnight(base) - INSTANT if dice.odd(4) else None,
                withdrawn_provisions=tuple(n for n in (1, 2, 3) if dice.odd(2)),
                replaces=dice.one(consents).id if consents and dice.odd(5) else None,
                provisions=_provisions(dice, base, at, world, first=order == 1),
            )
        )
    return tuple(
        dataclasses.replace(c, withdrawn_provisions=tuple(n for n in c.withdrawn_provisions if n <= len(c.provisions)))
        for c in consents
    )


def _provisions(dice: Dice, base: dt.date, at: dt.datetime, world: World, *, first: bool) -> tuple[Clause, ...]:
    # What a consent names was known when it was recorded; only {"any": true} is left to reach for what came later.
    agencies = [a for a in world.agencies if a.recorded_at <= at]
    types = [code for code in TYPES[:-1] if world.document_types[code] <= at] or [TYPES[0]]
    clauses: list[Clause] = []
    for n in range(1, dice.number(1, 3) + 1):
        if dice.odd(3 if n == 1 else 10):
            clauses.append(_deny(dice, n, agencies, types, world.documents, base))
        else:
            clauses.append(_permit(dice, n, agencies, types, world.documents, base))
        if first and n == 1 and clauses[0]["effect"] == "permit" and not dice.odd(4):
            clauses[0]["actions"] = dice.one([["handle", "read"], ["handle"], ["handle", "obtain", "read"]])
    return tuple(clauses)


def _permit(dice: Dice, number: int, agencies: Sequence[Agency], types: Sequence[str], documents: Sequence[Document],
            base: dt.date) -> Clause:  # fmt: skip
    return {
        "number": number,
        "effect": "permit",
        "recipients": ANY if dice.odd(40) else _unique([_recipient(dice, agencies) for _ in range(dice.number(1, 3))]),
        "sources": _sources(dice, agencies) if dice.odd(18) else ANY,
        "documents": _scopes(dice, types, documents) if dice.odd(28) else ANY,
        "actions": dice.unless(["read"], 12, [["handle"], ["handle", "read"], ["deliver"], ["opinion", "read"]]),
        "purposes": dice.some(PURPOSES, 3),
        "dated": _dated(dice, base) if dice.odd(18) else None,
        "protected_classes": dice.some(CLASSES, 3) if dice.odd(60) else [],
        "future_documents": not dice.odd(25),
    }


def _deny(dice: Dice, number: int, agencies: Sequence[Agency], types: Sequence[str], documents: Sequence[Document],
          base: dt.date) -> Clause:  # fmt: skip
    """A clause that says several things, mostly; one that says nothing denies everything."""
    return {
        "number": number,
        "effect": "deny",
        "recipients": dice.one([None, ANY]) if dice.odd(30) else [_recipient(dice, agencies)],
        "sources": dice.one([ANY, _sources(dice, agencies)]) if dice.odd(30) else None,
        "documents": dice.one([None, ANY]) if dice.odd(30) else _scopes(dice, [*types, "muu"], documents),
        "actions": dice.unless(None, 40, [["read"], ["handle", "read"], ["deliver"], ["handle"]]),
        "purposes": dice.some(PURPOSES) if dice.odd(30) else None,
        "dated": _dated(dice, base) if dice.odd(20) else None,
        "protected_classes": dice.some(CLASSES) if dice.odd(20) else None,
        "future_documents": dice.odd(50),
    }


def _recipient(dice: Dice, agencies: Sequence[Agency]) -> Clause:
    agency = dice.one(agencies)
    said: Clause = {"agency": agency.slug}
    if dice.odd(20):
        said["unit"] = dice.one(agency.units)
    if dice.odd(20):
        said["role"] = dice.one(ROLES)
    if dice.odd(8):
        said["professional"] = dice.one(professionals(agency.slug))
    return said


def professionals(slug: str) -> tuple[str, str]:
    """The ids of an agency's two professionals; each may ask in every one of ROLES, for every unit."""
    return f"{slug}-1", f"{slug}-2"


def _sources(dice: Dice, agencies: Sequence[Agency]) -> list[Clause]:
    named = [(agency, dice.odd(40)) for agency in dice.some(agencies)]
    return [{"agency": a.slug} | ({"unit": dice.one(a.units)} if narrow else {}) for a, narrow in named]


def _scopes(dice: Dice, types: Sequence[str], documents: Sequence[Document]) -> list[Clause]:
    return dice.some([{"type": t} for t in dict.fromkeys(types)] + [{"document": str(d.id)} for d in documents], 3)


def _dated(dice: Dice, base: dt.date) -> Clause:
    start, end = base - dice.one([50, 40, 10]) * DAY, base - dice.one([0, 1, 10]) * DAY
    return dice.one([{"from": str(start)}, {"until": str(end)}, {"from": str(start), "until": str(end)}])


def _unique(clauses: list[Clause]) -> list[Clause]:
    return [c for n, c in enumerate(clauses) if c not in clauses[:n]]


def _ask(dice: Dice, base: dt.date, world: World) -> Ask:
    """Mostly an ask that some permit has in mind, seldom the filer's own, sometimes anything at all."""
    now = dt.datetime.combine(base + (DAY if dice.odd(15) else 0 * DAY), dice.one(CLOCKS), HELSINKI).astimezone(dt.UTC)
    document = dice.one(world.documents)
    filer = document.filed_by
    readable = [p for c in world.consents for p in c.provisions if p["effect"] == "permit" and "read" in p["actions"]]
    aims = [(p, entry) for p in readable for entry in p["recipients"] if entry.get("agency") != filer]
    meant, wanted = dice.one(aims) if aims and not dice.odd(12) else (None, {})
    others = [a.slug for a in world.agencies if a.slug != filer]
    slug = wanted.get("agency") or dice.unless(dice.one(others), 35, [filer])
    units = next(a.units for a in world.agencies if a.slug == slug)
    joined = [m.role for m in world.members if m.agency == slug]
    return Ask(
        agency=slug,
        unit=wanted.get("unit") or dice.unless(None, 50, units),
        role=wanted.get("role") or dice.unless(dice.one(joined), 10, ROLES),
        professional=wanted.get("professional") or dice.one(professionals(slug)),
        purpose=dice.unless(dice.one(meant["purposes"] if meant else PURPOSES), 8, PURPOSES),
        document=document.id,
        now=now,
    )
