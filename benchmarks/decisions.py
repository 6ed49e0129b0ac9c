"""Decisions among 10, 1,000 and 100,000 cases: how long one takes must not depend on how many others there are.

A case that came through the front door is copied in SQL, row by row and under new ids, into databases of their own. They
are measured in turn, so that a busy machine slows all alike. Whether a table is read through an index is told twice:
EXPLAIN of the decision's own statements, and PostgreSQL's count of sequential scans during all measured asks.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, Self

import msgspec

from benchmarks.copies import copy_case
from benchmarks.figures import Spread, spread, table
from benchmarks.place import READER, READERS, Place
from benchmarks.release import DOOR, END
from benchmarks.world import OPENED, PURPOSE, SIZE, Filed, Token, reader_tokens
from vault.adapters.postgres.bootstrap import make_database

SIZES = (10, 1_000, 100_000)
QUICK_SIZES = (10, 1_000, 10_000)
SMALL_TABLE_ROWS = 1_000
TARGET = 1.5
DECIDE = f"SELECT vault.decide($1, '{READER.id}', NULL, '{READER.member_role}', '{READERS[0]}', 'read', '{PURPOSE}', vault.clock())"


class Decisions(msgspec.Struct, frozen=True):
    """Median milliseconds among so many cases, and how they stand to those among the fewest."""

    cases: int
    door_ms: Spread
    door_ratio: Spread
    decide_ms: Spread
    decide_ratio: Spread
    sequential_scans: dict[str, int]


async def measure_decisions(
    place: Place, case: Filed, *, sizes: Sequence[int], asks: int, repeats: int
) -> list[Decisions]:
    """Make the databases, measure them in turn, print."""
    await _read_once(place, case)
    async with AsyncExitStack() as stack:
        worlds = [await stack.enter_async_context(_World(place, case, size)) for size in sizes]
        for world in worlds:
            await world.round(asks)
            await world.begin_counting()
        rounds = [[await world.round(asks) for world in worlds] for _ in range(repeats)]
        results = []
        for number, world in enumerate(worlds):
            results.append(
                _summary(world.size, [r[number] for r in rounds], [r[0] for r in rounds], await world.scans())
            )
        plans = await worlds[-1].plans()
    _show(results, plans)
    return results


async def _read_once(place: Place, case: Filed) -> None:
    """Let the reading agency open the documents, as it has in most cases of a vault that is in use."""
    (token, *_) = await reader_tokens(place)
    async with place.connection("service") as service:
        for document in case.opened:
            row = await service.fetchrow(DOOR, token.secret, "open", None, document, {})
            await service.fetchval(END, token.secret, row["entry"], "delivered", SIZE)


class _World:
    """One database of so many cases."""

    def __init__(self, place: Place, case: Filed, size: int) -> None:
        self.size = size
        self._place = place
        self._case = case
        self._database = f"cases_{size}"
        self._stack = AsyncExitStack()
        self._service: Any = None
        self._owner: Any = None
        self._documents: list[Any] = []
        self._tokens: list[Token] = []
        self._asked = 0

    async def __aenter__(self) -> Self:
        await make_database(self._place.postgres.superuser_url, self._database, template="vault")
        start = time.perf_counter()
        await copy_case(self._place, self._database, self._case.case, self.size - 1)
        print(f"  {self.size:,} cases made in {time.perf_counter() - start:.0f} s", flush=True)
        self._tokens = await reader_tokens(self._place, self._database)
        self._service = await self._stack.enter_async_context(self._place.connection("service", self._database))
        self._owner = await self._stack.enter_async_context(self._place.connection("owner", self._database))
        found = await self._owner.fetch(
            "SELECT id FROM vault.document WHERE type = $1 ORDER BY md5(id::text) LIMIT 20000", OPENED
        )
        self._documents = [row["id"] for row in found]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def round(self, asks: int) -> tuple[float, float]:
        """Median milliseconds of the door's call and of the decision alone."""
        door, decide = [], []
        for _ in range(asks):
            document, token = self._documents[self._asked % len(self._documents)], self._tokens[self._asked % 64]
            self._asked += 1
            start = time.perf_counter()
            row = await self._service.fetchrow(DOOR, token.secret, "open", None, document, {})
            door.append(time.perf_counter() - start)
            if not row["keys"]:
                raise RuntimeError(f"the door answered {row['status']}")
            await self._service.fetchval(END, token.secret, row["entry"], "delivered", SIZE)
            start = time.perf_counter()
            await self._owner.fetchval(DECIDE, document)
            decide.append(time.perf_counter() - start)
        return statistics.median(door) * 1000, statistics.median(decide) * 1000

    async def begin_counting(self) -> None:
        await self._owner.execute("SELECT pg_stat_force_next_flush()")
        await self._service.execute("SELECT 1")
        self._before = await self._counts()

    async def scans(self) -> dict[str, int]:
        """Sequential scans, since counting began, of the tables that are not small."""
        await self._owner.execute("SELECT pg_stat_force_next_flush()")
        await self._service.close()  # a session that ends tells the rest of its counts
        after = await self._counts()
        return {
            name: count - self._before.get(name, 0)
            for name, count in after.items()
            if count > self._before.get(name, 0)
        }

    async def _counts(self) -> dict[str, int]:
        rows = await self._owner.fetch(
            "SELECT s.relname, s.seq_scan FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid WHERE c.reltuples > $1",
            SMALL_TABLE_ROWS,
        )
        return {row["relname"]: row["seq_scan"] for row in rows}

    async def plans(self) -> list[str]:
        """The scans of big tables in the plan of the decision's clauses, with what they cost."""
        case = await self._owner.fetchval("SELECT case_id FROM vault.document WHERE id = $1", self._documents[0])
        rows = await self._owner.fetch(f"EXPLAIN (ANALYZE, BUFFERS) SELECT * FROM vault.provisions_at('{case}', now())")
        return [
            row[0].strip().removeprefix("->").strip() for row in rows if " Scan" in row[0] or "Execution Time" in row[0]
        ]


def _summary(
    size: int, rounds: list[tuple[float, float]], fewest: list[tuple[float, float]], scans: dict[str, int]
) -> Decisions:
    return Decisions(
        cases=size, door_ms=spread([door for door, _ in rounds]), decide_ms=spread([decide for _, decide in rounds]),
        door_ratio=spread([one[0] / few[0] for one, few in zip(rounds, fewest, strict=True)]),
        decide_ratio=spread([one[1] / few[1] for one, few in zip(rounds, fewest, strict=True)]),
        sequential_scans=scans,
    )  # fmt: skip


def _show(results: list[Decisions], plans: list[str]) -> None:
    rows = [
        [f"{one.cases:,}", one.door_ms.show(".2f"), one.door_ratio.show(".2f"), one.decide_ms.show(".2f"),
         one.decide_ratio.show(".2f"), ", ".join(f"{name} {count}×" for name, count in one.sequential_scans.items()) or "none"]
        for one in results
    ]  # fmt: skip
    names = ["cases", "door p50 ms", "÷ fewest", "decision p50 ms", "÷ fewest", "big tables read without an index"]
    table(
        f"Decisions by one caller (p50 among the most cases should be at most {TARGET} × that among the fewest)",
        names,
        rows,
    )
    print("  the clauses of a case, among the most:")
    for line in plans:
        print(f"    {line}")
