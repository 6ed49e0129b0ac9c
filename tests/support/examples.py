"""Worlds on the edge of every rule, each with one ask: what drawn worlds meet too seldom."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace

from tests.support.strategies import LONG_AGO
from tests.support.worlds import Ask, Prohibition, World
from tests.unit.rules.test_decision_model import (
    ASK,
    DAY,
    FIRST,
    HANDLE,
    JOINED,
    NOON,
    PAPER,
    PERMITTED,
    REFUSED,
    TODAY,
    WORLD,
    beside,
    clause,
    consent,
    deny,
    member,
    paper,
    permit,
    under,
)  # fmt: skip

LATE_TYPE, LATE_TYPE_SINCE = "loppuarvio", NOON
"""The one type that is not old: a database's catalogue is one for all worlds in it."""


def example_worlds() -> Iterator[tuple[World, Ask]]:
    """Every worked example of the model, and the edges of denies, days, units and classes."""
    for name, world in [*PERMITTED.items(), *((name, world) for name, (world, _) in REFUSED.items())]:
        if name != "new type":
            yield _writable(world), ASK
    for world in [*_edges_of_clauses(), *_edges_of_days(), *_edges_of_states()]:
        yield _writable(world), ASK
    own = replace(ASK, agency="kela", unit=None, role="nurse", professional="kela-1")
    for world in (WORLD, under(HANDLE, deny(2)), replace(WORLD, members=(JOINED,)), consent(valid_until=TODAY - DAY)):
        yield _writable(world), own
    yield _writable(replace(paper(retracted=True), deceased_on=None)), own


def _writable(world: World) -> World:
    """The world as it can be written: a row for each member, and no type that is younger than a consent."""
    members = tuple(replace(m, id=uuid.uuid4()) for m in world.members)
    return replace(world, members=members, document_types={d.type: LONG_AGO for d in world.documents})


def _edges_of_clauses() -> Iterator[World]:
    dated, day = PAPER.dated, DAY
    for limits in (
        {"until": str(dated - day)},
        {"until": str(dated)},
        {"from": str(dated + day)},
        {"from": str(dated)},
    ):
        yield under(HANDLE, permit(2), deny(3, dated=limits))
        yield clause(dated=limits)
        yield replace(WORLD, prohibitions=(Prohibition(PAPER.id, deny(dated=limits), ended=False),))
    for person, unit in (("pirha-1", "pirha/miepa"), ("pirha-2", "pirha/tyokyky")):
        for more in ({"professional": person}, {"unit": unit}, {"role": "coach"}, {"role": "nurse"}):
            yield under(HANDLE, permit(2), deny(3, recipients=[{"agency": "pirha"} | more]))
            yield clause(recipients=[{"agency": "pirha"} | more])
    for said in ({"purposes": ["care"]}, {"purposes": ["benefit-decision"]}, {"documents": [{"type": "lausunto"}]},
                 {"documents": [{"type": "muu"}]}, {"documents": [{"document": str(PAPER.id)}]}, {"actions": ["read"]},
                 {"sources": [{"agency": "kela"}]}, {"sources": [{"agency": "kela", "unit": "kela/ita"}]},
                 {"sources": [{"agency": "kela", "unit": "kela/muu"}]}):  # fmt: skip
        yield under(HANDLE, permit(2), deny(3, **said))
    classes = ("genetics", "psychology")
    for named in ([], ["genetics"], [*classes]):
        yield replace(clause(protected_classes=named), documents=(replace(PAPER, protected_classes=classes),))
    for muu in ([{"any": True}], [{"type": "muu"}], [{"document": str(PAPER.id)}]):
        yield replace(clause(documents=muu), documents=(replace(PAPER, type="muu"),))
        yield replace(under(HANDLE, permit(2, documents=[{"document": str(PAPER.id)}]), deny(3, documents=muu)),
                      documents=(replace(PAPER, type="muu"),))  # fmt: skip


def _edges_of_days() -> Iterator[World]:
    day = DAY
    for adult in (TODAY - day, TODAY, TODAY + day):
        for confirmed in (False, True):
            yield replace(consent(capacity="guardian", confirmed=confirmed), adult_on=adult)
        yield replace(consent(capacity="client"), adult_on=adult)
    for until in (None, TODAY - day, TODAY, TODAY + day):
        yield consent(valid_until=until)
        yield member(until=until, from_=TODAY - 2 * day)
        yield replace(beside(provisions=(deny(1),)), consents=(FIRST, replace(FIRST, id=PAPER.id, order=2,
            recorded_at=NOON - 3 * day, valid_until=until, provisions=(deny(1),))))  # fmt: skip
    for start in (TODAY - day, TODAY, TODAY + day):
        yield consent(valid_from=start)
        yield member(from_=start, until=None)


def _edges_of_states() -> Iterator[World]:
    day = DAY
    for dead in (TODAY - day, TODAY, TODAY + day):
        yield replace(WORLD, deceased_on=dead)
        yield replace(under(HANDLE, deny(2)), deceased_on=dead)
        yield replace(WORLD, consents=(), deceased_on=dead)
    for state in ("closing", "closed", "in-transfer", "archived"):
        yield replace(WORLD, case_state=state)
