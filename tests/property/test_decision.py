"""The database's decision against the model, in generated worlds: by vault.decide, by the real door, and by vault.explain."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.support import decision_model
from tests.support.agreement import decide_all, expected_row
from tests.support.database import Database, make_vault
from tests.support.postgres import Servers
from tests.support.recorded import Asker, asker_of, insert_token, record_world
from tests.support.strategies import INSTANT, LONG_AGO, professionals, relabelled, worlds_and_asks
from tests.support.worlds import Agency, Ask, Member, World

ASKS = 8
LONG_DECISIONS = 100_000
QUIET = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
WATCHER = "katselija"


class Bench:
    """One database and one loop for many examples."""

    def __init__(self, server: Any) -> None:
        self.runner = asyncio.Runner()
        self.database: Database = self.runner.run(make_vault(server))
        self.owner = self.runner.run(self.database.owner())
        self.runner.run(self.owner.execute("UPDATE vault.catalogue_type SET recorded_at = $1", LONG_AGO))

    def close(self) -> None:
        self.runner.run(self.database.drop())
        self.runner.close()


@pytest.fixture(params=["18", "15"])
def bench(request: pytest.FixtureRequest, postgres_servers: Servers) -> Iterator[Bench]:
    bench = Bench(postgres_servers.server(request.param))
    yield bench
    bench.close()


def agree(bench: Bench, world: World, asks: list[Ask]) -> None:
    rows = bench.runner.run(decide_all(bench.owner, world, asks))
    expected = [expected_row(world, ask) for ask in asks]
    assert rows == expected


@settings(max_examples=130, derandomize=True, **QUIET)
@given(worlds_and_asks(asks=ASKS))
def check_a_thousand(bench: Bench, world_and_asks: tuple[World, list[Ask]]) -> None:
    agree(bench, *world_and_asks)


def test_the_database_decides_as_the_model_does(bench: Bench) -> None:
    check_a_thousand(bench)


def as_recorded(world: World, at: dt.datetime) -> World:
    """What had been recorded of the world by an earlier instant."""
    consents = [
        dataclasses.replace(c, withdrawn_at=c.withdrawn_at if c.withdrawn_at and c.withdrawn_at <= at else None)
        for c in world.consents
        if c.recorded_at <= at
    ]
    return dataclasses.replace(world, consents=tuple(consents))


@settings(max_examples=60, derandomize=True, **QUIET)
@given(worlds_and_asks(asks=2))
def check_the_past(bench: Bench, world_and_asks: tuple[World, list[Ask]]) -> None:
    world, asks = world_and_asks
    recorded = [*(c.recorded_at for c in world.consents), *(c.withdrawn_at for c in world.consents if c.withdrawn_at)]
    instants = [at + step for at in recorded for step in (-INSTANT, 0 * INSTANT)]
    past = [dataclasses.replace(ask, now=at) for ask in asks for at in instants]
    rows = bench.runner.run(decide_all(bench.owner, world, past))
    assert rows == [expected_row(as_recorded(world, ask.now), ask) for ask in past]


def test_the_past_is_decided_from_what_was_recorded_then(bench: Bench) -> None:
    check_the_past(bench)


@pytest.mark.long
def test_p01_a_hundred_thousand_decisions(postgres_servers: Servers) -> None:
    """P1 on 100,000 drawn decisions, other ones at every run."""
    bench = Bench(postgres_servers.server("18"))

    @settings(max_examples=LONG_DECISIONS // ASKS, phases=[Phase.generate, Phase.shrink], **QUIET)
    @given(worlds_and_asks(asks=ASKS))
    def check(world_and_asks: tuple[World, list[Ask]]) -> None:
        agree(bench, *world_and_asks)

    try:
        check()
    finally:
        bench.close()


def watched(world: World) -> tuple[World, Asker]:
    """The world with one more agency, whose coordinator may ask for explanations; it changes no decision."""
    slug = f"{WATCHER}-{world.case.hex[:8]}"
    day = dt.date(2020, 1, 1)
    member = Member(id=world.case, agency=slug, role="coordinator", from_=day, until=None, ended=False)
    agency = Agency(slug, (), LONG_AGO, suspended=False)
    seen = dataclasses.replace(world, agencies=(*world.agencies, agency), members=(*world.members, member))
    return seen, Asker("professional", slug, None, professionals(slug)[0], "coordinator", "care")


async def ask_door(bench: Bench, world: World, ask: Ask) -> Any:
    await bench.database.set_clock(ask.now)
    secret = await insert_token(bench.owner, asker_of(ask), issued_at=ask.now)
    classes = next(d.protected_classes for d in world.documents if d.id == ask.document)
    service = await bench.database.service()
    return await service.fetchrow(
        "CALL vault.door($1, 'open', NULL, $2, $3)", secret, ask.document, {"confirmed": list(classes)}
    )


async def explain(bench: Bench, coordinator: bytes, ask: Ask) -> Any:
    service = await bench.database.service()
    return await service.fetchrow(
        "SELECT * FROM vault.explain($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        coordinator, ask.document, ask.agency, ask.unit, ask.role, ask.professional, ask.action, ask.purpose, ask.now,
    )  # fmt: skip


async def door_and_explanation_agree(bench: Bench, world: World, asks: list[Ask]) -> None:
    world, coordinator = watched(world)
    async with bench.owner.transaction():
        await bench.owner.execute("UPDATE vault.catalogue_type SET recorded_at = $1", LONG_AGO)
        await record_world(bench.owner, world)
    known: set[tuple[str, object]] = {(d.filed_by, d.id) for d in world.documents}
    for ask in asks:
        expected = decision_model.decide(world, ask)
        suspended = any(a.suspended for a in world.agencies if a.slug == ask.agency)
        answer = await ask_door(bench, world, ask)
        permitted = expected.decision == "permit"
        closed = "forbidden" if (ask.agency, ask.document) in known else "hidden"
        assert answer["status"] == ("permit" if permitted else "unauthenticated" if suspended else closed)
        assert bool(answer["keys"]) == permitted
        if not suspended:
            told = (answer["basis"], answer["consent"], answer["provision"], frozenset(answer["reasons"]))
            because = {expected.basis} if permitted else expected.reasons
            assert told == (expected.basis, expected.consent, expected.provision, because)
        if permitted:
            known.add((ask.agency, ask.document))
    # All at once, from the last instant: each is a past instant by now, and answered from what was recorded then.
    secret = await insert_token(bench.owner, coordinator, issued_at=asks[-1].now)
    for ask in asks:
        told = await explain(bench, secret, ask)
        expected = decision_model.decide(world, ask)
        assert told["status"] == "done"
        assert told["facts"]["decision"] == expected.decision
        assert told["facts"]["basis"] == expected.basis
        assert told["facts"]["consent"] == (expected.consent and str(expected.consent))
        assert told["facts"]["provision"] == expected.provision
        assert set(told["facts"]["reasons"]) == ({expected.basis} if expected.basis else expected.reasons)


def check_the_door(bench: Bench, examples: int) -> None:
    @settings(max_examples=examples, derandomize=True, phases=[Phase.generate], **QUIET)
    @given(worlds_and_asks(asks=ASKS))
    def check(world_and_asks: tuple[World, list[Ask]]) -> None:
        bench.runner.run(door_and_explanation_agree(bench, *relabelled(*world_and_asks)))

    check()


def test_p01_the_door_and_the_explanation_decide_as_the_model_does(bench: Bench) -> None:
    check_the_door(bench, 25)


@pytest.mark.long
def test_the_door_agrees_in_many_worlds(bench: Bench) -> None:
    check_the_door(bench, 600)
