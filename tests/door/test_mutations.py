"""The agreement between database and model is worth what it catches: each of these wrong rules must be caught by it.

Every mutation is one small change of the text of sql/rules.sql, applied in a database of its own: a copy of one that holds
the edges of every rule and worlds drawn from a fixed seed.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.support.agreement import Row, decide_recorded, expected_row
from tests.support.database import Database, copy_vault, make_vault
from tests.support.examples import LATE_TYPE, LATE_TYPE_SINCE, example_worlds
from tests.support.postgres import Servers
from tests.support.recorded import record_world
from tests.support.strategies import LONG_AGO, relabelled, worlds_and_asks
from tests.support.worlds import Ask, World

WORLDS = 150

MUTATIONS: dict[str, tuple[str, str]] = {
    "no deny denies": ("against := against || 'denied-by-provision'::text;", "NULL;"),
    "a deny of an expired consent denies": ("ELSIF p.faults = '{}' AND denying IS NULL", "ELSIF denying IS NULL"),
    "the last day is no day": ("today.day > c.valid_until", "today.day >= c.valid_until"),
    "the first day is no day": ("today.day < c.valid_from", "today.day <= c.valid_from"),
    "days are days in UTC": ("AT TIME ZONE 'Europe/Helsinki'", "AT TIME ZONE 'UTC'"),
    "a single provision is never withdrawn": (
        "(w.provisions IS NULL OR p.number = ANY (w.provisions))",
        "(w.provisions IS NULL)",
    ),
    "any withdrawal is of the whole": ("(w.provisions IS NULL OR p.number = ANY (w.provisions))", "true"),
    "protected classes are like others": ("NOT d.protected_classes <@ p.protected_classes", "false"),
    "one named class opens all": (
        "NOT d.protected_classes <@ p.protected_classes",
        "NOT (d.protected_classes && p.protected_classes OR d.protected_classes = '{}')",
    ),
    "any role of the agency will do": (
        "IF NOT vault.is_member(d.case_id, an_agency, a_role, as_of)",
        "IF NOT vault.is_member(d.case_id, an_agency, NULL, as_of)",
    ),
    "an ended member stays": ("e.member = m.id AND e.recorded_at <= as_of", "false"),
    "a unit covers its agency": ("AND ((r ->> 'unit') IS NULL OR unit = '*' OR (r ->> 'unit') = unit)", ""),
    "a professional covers all": ("AND ((r ->> 'professional') IS NULL OR (r ->> 'professional') = subject)", ""),
    "later documents are covered": ("d.dated > p.signed_on AND NOT p.future_documents", "false"),
    "later agencies are covered": ("(r ->> 'any') = 'true' AND agency_since <= recorded_at", "(r ->> 'any') = 'true'"),
    "later types are covered": ("type <> 'muu' AND type_since <= recorded_at", "type <> 'muu'"),
    "other papers are covered": ("AND type <> 'muu' AND type_since", "AND type_since"),
    "what was replaced still permits": ("later.replaces = c.id AND later.recorded_at <= as_of", "false"),
    "a guardian's word never lapses": (
        "c.capacity = 'guardian' AND today.day >= (SELECT cl.adult_on FROM vault.client cl WHERE cl.id = cc.client)",
        "false",
    ),
    "a guardian's word lapses a day late": ("today.day >= (SELECT cl.adult_on", "today.day > (SELECT cl.adult_on"),
    "the client's confirmation is not heard": ("f.consent = c.id AND f.recorded_at <= as_of", "false"),
    "prohibitions are overlooked": ("against := against || 'prohibited'::text;", "NULL;"),
    "an ended prohibition stands": ("e.prohibition = b.id AND e.recorded_at <= as_of", "false"),
    "any purpose will do": ("CASE WHEN NOT a_purpose = ANY (p.purposes) THEN 'purpose-not-covered' END", "NULL::text"),
    "reading needs no handling": ("against || coalesce(handle, '{no-consent}') ||", "against ||"),
    "what is denied is denied to its filer": ("against <@ '{denied-by-provision}'", "against = '{}'"),
    "the filer needs no place in the case": (
        "AND vault.is_member(d.case_id, an_agency, NULL, as_of) THEN",
        "THEN",
    ),
    "a retracted document opens": ("IF d.retracted THEN", "IF false THEN"),
    "a closing case opens": ("d.state IN ('closing', 'closed')", "d.state IN ('closed')"),
    "a suspended agency reads": ("IF vault.is_suspended(an_agency, NULL, as_of)", "IF false"),
    "the last permit is told": ("IF faults = '{}' AND permitting IS NULL THEN", "IF faults = '{}' THEN"),
    "the last day of the dated is outside": ("d.dated > p.dated_until", "d.dated >= p.dated_until"),
    "a deny's dates are overlooked": ("AND (dated_until IS NULL OR dated <= dated_until)", ""),
    "a deny of a class denies all": ("OR protected_classes && classes", "OR true"),
    "a source's unit is overlooked": ("AND ((s ->> 'unit') IS NULL OR (s ->> 'unit') = source_unit)", ""),
}  # fmt: skip


IN_EVERY_RUN = {
    "no deny denies", "the last day is no day", "days are days in UTC", "a single provision is never withdrawn",
    "protected classes are like others", "any role of the agency will do", "a unit covers its agency",
    "later documents are covered", "what was replaced still permits", "prohibitions are overlooked",
    "reading needs no handling", "a guardian's word lapses a day late",
}  # fmt: skip


def drawn_worlds() -> list[tuple[World, list[Ask]]]:
    worlds: list[tuple[World, list[Ask]]] = []

    @settings(
        max_examples=WORLDS, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(worlds_and_asks(asks=8))
    def draw(world_and_asks: tuple[World, list[Ask]]) -> None:
        worlds.append(world_and_asks)

    draw()
    return worlds


class Agreement:
    """One database with all worlds in it, and what the model says of every ask."""

    def __init__(self, server: Any) -> None:
        self.runner = asyncio.Runner()
        self.asks: list[Ask] = []
        self.expected: list[Row] = []
        self.database: Database = self.runner.run(make_vault(server))
        self.runner.run(self._record())

    async def _record(self) -> None:
        owner = await self.database.owner()
        one_each = [(world, [ask]) for world, ask in example_worlds()]
        async with owner.transaction():
            await owner.execute("UPDATE vault.catalogue_type SET recorded_at = $1", LONG_AGO)
            await owner.execute(
                "UPDATE vault.catalogue_type SET recorded_at = $2 WHERE code = $1", LATE_TYPE, LATE_TYPE_SINCE
            )
            for world, asks in [*one_each, *drawn_worlds(), late_type()]:
                await self._add(owner, *relabelled(world, asks))
        await owner.execute("ANALYZE")
        await self.database.close()

    async def _add(self, owner: Any, world: World, asks: list[Ask]) -> None:
        types = {
            code: LATE_TYPE_SINCE if code == LATE_TYPE else LONG_AGO for code in [*world.document_types, LATE_TYPE]
        }
        world = dataclasses.replace(world, document_types=types)
        await record_world(owner, world, for_release=False)
        self.asks += asks
        self.expected += [expected_row(world, ask) for ask in asks]

    async def disagreements(self, script: str | None) -> list[tuple[Row, Row, Ask]]:
        """What the database decides, under the rules of this script, and the model otherwise, and of which ask."""
        copy = await copy_vault(self.database)
        try:
            owner = await copy.owner()
            if script is not None:
                await owner.execute(script)
            rows = await decide_recorded(owner, self.asks)
            return [pair for pair in zip(rows, self.expected, self.asks, strict=True) if pair[0] != pair[1]]
        finally:
            await copy.drop()


def late_type() -> tuple[World, list[Ask]]:
    """A document of a type that the catalogue did not know when the consent was recorded."""
    world, ask = next(example_worlds())
    documents = tuple(dataclasses.replace(d, type=LATE_TYPE) for d in world.documents)
    return dataclasses.replace(world, documents=documents), [ask]


@pytest.fixture(scope="module")
def agreement(postgres_servers: Servers) -> Iterator[Agreement]:
    agreement = Agreement(postgres_servers.server("18"))
    yield agreement
    agreement.runner.run(agreement.database.drop())
    agreement.runner.close()


@pytest.mark.parametrize(
    "name", [n if n in IN_EVERY_RUN else pytest.param(n, marks=pytest.mark.long) for n in MUTATIONS]
)
def test_p01_a_wrong_rule_is_caught(name: str, agreement: Agreement) -> None:
    right, wrong = MUTATIONS[name]
    rules = (resources.files("vault.adapters.postgres") / "sql" / "rules.sql").read_text("utf-8")
    assert right in rules, "the mutation no longer finds its rule"
    assert agreement.runner.run(agreement.disagreements(rules.replace(right, wrong)))


def test_p01_the_right_rules_agree(agreement: Agreement) -> None:
    assert len(agreement.asks) > 1000
    assert agreement.runner.run(agreement.disagreements(None)) == []
