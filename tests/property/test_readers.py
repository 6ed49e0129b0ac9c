"""Who could open the client's papers, as they are shown it, against the model of the door's decision on every possible ask."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.support import decision_model
from tests.support.database import Database, make_vault
from tests.support.postgres import Servers
from tests.support.recorded import record_world
from tests.support.strategies import PURPOSES, ROLES, professionals, worlds_and_asks
from tests.support.worlds import Ask, World
from vault.services.mine_readers import arrange
from vault.services.mine_views import MyReaders

Permit = tuple[
    str, str, str | None, str, str, uuid.UUID, str
]  # agency, role, unit, professional, purpose, document, basis
QUIET = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


class Bench:
    """One database and one loop for many examples."""

    def __init__(self, server: Any) -> None:
        self.runner = asyncio.Runner()
        self.database: Database = self.runner.run(make_vault(server))
        self.owner = self.runner.run(self.database.owner())

    def close(self) -> None:
        self.runner.run(self.database.drop())
        self.runner.close()


@pytest.fixture(params=["18", "15"])
def bench(request: pytest.FixtureRequest, postgres_servers: Servers) -> Iterator[Bench]:
    bench = Bench(postgres_servers.server(request.param))
    yield bench
    bench.close()


def possible(world: World, ask: Ask) -> Iterator[Ask]:
    """Every ask that anybody could make at this instant to read one of the world's papers."""
    for agency in world.agencies:
        who = itertools.product(ROLES, (None, *agency.units), professionals(agency.slug), PURPOSES, world.documents)
        for role, unit, professional, purpose, document in who:
            yield Ask(agency.slug, unit, role, professional, purpose, document.id, ask.now)


def permitted(world: World, ask: Ask) -> set[Permit]:
    """What the model permits of it."""
    decided = ((a, decision_model.decide(world, a)) for a in possible(world, ask))
    return {
        (a.agency, a.role, a.unit, a.professional, a.purpose, a.document, str(d.basis))
        for a, d in decided
        if d.decision == "permit"
    }


def told(world: World, ask: Ask, rows: list[Any]) -> set[Permit]:
    """What the rows of readers_of say of the same asks: the narrowest reader speaks for whoever it names."""
    units = {row["unit"] for row in rows}
    persons = {row["one_person"] for row in rows}
    opens: set[Permit] = set()
    for a in possible(world, ask):
        unit = a.unit if a.unit in units else None
        person = a.professional if a.professional in persons else None
        for row in rows:
            own = row["basis"] == "own-document" and row["agency"] == a.agency
            exact = (row["agency"], row["role"], row["unit"], row["one_person"]) == (a.agency, a.role, unit, person)
            if a.document in row["documents"] and (own or (exact and a.purpose in row["purposes"])):
                opens.add((a.agency, a.role, a.unit, a.professional, a.purpose, a.document, row["basis"]))
    return opens


def shown(world: World, ask: Ask, readers: MyReaders) -> set[Permit]:
    """What the arranged rows say of the same asks, where no clause names a single person."""
    opens: set[Permit] = set()
    for a in possible(world, ask):
        mine = [r for r in readers.readers if r.party.agency == a.agency and (not r.roles or a.role in r.roles)]
        of_unit = [r for r in mine if r.party.unit is not None and r.party.unit == a.unit]
        for reader in [r for r in mine if not r.roles] + (
            of_unit or [r for r in mine if r.roles and r.party.unit is None]
        ):
            for way in (*reader.ways, *reader.protected):
                if a.document in way.documents and (not reader.roles or a.purpose in way.purposes):
                    opens.add((a.agency, a.role, a.unit, a.professional, a.purpose, a.document, way.basis))
    return opens


async def ask_readers(bench: Bench, world: World, ask: Ask) -> tuple[list[Any], MyReaders]:
    transaction = bench.owner.transaction()
    await transaction.start()
    try:
        await record_world(bench.owner, world)
        rows = list(await bench.owner.fetch("SELECT * FROM vault.readers_of($1, $2)", world.case, ask.now))
        as_client = (
            "jsonb_populate_record(NULL::vault.token, jsonb_build_object('actor', 'client', 'client', $1::text))"
        )
        facts = await bench.owner.fetchval(
            f"SELECT vault.mine({as_client}, 'my-readers', NULL, NULL, '{{}}', 200, $2)", str(world.client), ask.now
        )
        return rows, arrange(facts, "")
    finally:
        await transaction.rollback()


def agree(bench: Bench, world: World, ask: Ask) -> int:
    rows, readers = bench.runner.run(ask_readers(bench, world, ask))
    papers = {d.id for d in world.documents}
    expected = permitted(world, ask)
    assert told(world, ask, rows) == expected
    assert not any(row["consent"] is None and row["basis"] == "consent" for row in rows)
    if not any(row["one_person"] for row in rows):
        assert shown(world, ask, readers) == expected
    protected = {d.id for d in world.documents if d.protected_classes}
    for reader in readers.readers:
        assert not {d for way in reader.ways for d in way.documents} & protected
        assert {d for way in reader.protected for d in way.documents} & papers <= protected
    return len(expected)


def check_readers(bench: Bench, examples: int) -> int:
    seen: list[int] = []

    @settings(max_examples=examples, derandomize=True, **QUIET)
    @given(worlds_and_asks(asks=1))
    def check(world_and_asks: tuple[World, list[Ask]]) -> None:
        world, asks = world_and_asks
        seen.append(agree(bench, world, asks[0]))

    check()
    return sum(1 for n in seen if n)


def test_p09_who_can_open_my_papers_is_what_the_door_would_decide(bench: Bench) -> None:
    assert check_readers(bench, 60) > 20


@pytest.mark.long
def test_p09_readers_agree_with_the_door_in_many_worlds(bench: Bench) -> None:
    assert check_readers(bench, 3000) > 1000
