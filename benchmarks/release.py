"""Releases of 100 KiB beside the limit that the parts of the same run allow.

A release is an HTTP exchange, a call of the door, a read of the store and an entry of its outcome. Done one after another
by parts that cost nothing more, n releases a second are possible: 1 ÷ (1/HTTP + 1/door + 1/outcome + 1/store). The parts
are measured in turn with the releases, at the same concurrency, so that a busy machine slows all alike.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import msgspec

from benchmarks.caller import Connection, head
from benchmarks.figures import Spread, percentile, spread, table
from benchmarks.place import Place, Service
from benchmarks.world import SIZE, Filed, Token, reader_tokens, rotating
from vault.adapters.postgres.pool import prepare
from vault.adapters.stores.directory import DirectoryStore

CONCURRENCIES = (1, 16, 64)
CONNECTIONS = 16  # the service's own pool has as many
TARGET = 0.5
DOOR = "CALL vault.door($1, $2, $3, $4, $5)"
END = "SELECT vault.end_release($1, $2, $3, $4)"

Once = Callable[[], Awaitable[bool]]
"""Does a piece of work; False when it was refused or cut for want of time (promises P3 and P6), which may happen under load."""


class Round(msgspec.Struct, frozen=True):
    """One repeat: how often a second each part was done, and the milliseconds that releases took."""

    plain: float
    door: float
    outcome: float
    store: float
    release: float
    p50_ms: float
    p99_ms: float
    missed: int

    @property
    def limit(self) -> float:
        return 1 / (1 / self.plain + 1 / self.door + 1 / self.outcome + 1 / self.store)


class Releases(msgspec.Struct, frozen=True):
    """All repeats at one concurrency."""

    concurrency: int
    plain: Spread
    door: Spread
    outcome: Spread
    store: Spread
    limit: Spread
    release: Spread
    p50_ms: Spread
    p99_ms: Spread
    missed: Spread
    ratio: Spread


async def measure_releases(place: Place, cases: list[Filed], *, seconds: float, repeats: int) -> list[Releases]:
    """Measure and print all concurrencies; each part runs for so many seconds in each repeat."""
    async with AsyncExitStack() as stack:
        vault = await stack.enter_async_context(place.service("vault"))
        plain = await stack.enter_async_context(place.service("plain"))
        tokens = await reader_tokens(place)
        bench = _Bench(place, vault, plain, tokens, cases, seconds)
        await stack.enter_async_context(bench)
        for concurrency in CONCURRENCIES:
            await bench.round(concurrency)  # caches and pools are filled before anything counts
        results = [_summary(c, [await bench.round(c) for _ in range(repeats)]) for c in CONCURRENCIES]
    _show(results)
    return results


class _Bench:
    def __init__(
        self, place: Place, vault: Service, plain: Service, tokens: list[Token], cases: list[Filed], seconds: float
    ) -> None:
        self._place, self._vault, self._plain = place, vault, plain
        self._tokens = tokens
        self._documents = [document for case in cases for document in case.opened]
        self._seconds = seconds
        self._pool: list[Any] = []
        self._store = DirectoryStore(place.store)
        self._objects: list[str] = []
        self.missed = 0

    async def __aenter__(self) -> None:
        for _ in range(CONNECTIONS):
            connection = await asyncpg.connect(self._place.url("service"))
            await prepare(connection)
            self._pool.append(connection)
        async with self._place.connection("owner") as owner:
            rows = await owner.fetch("SELECT object FROM vault.filing WHERE document = ANY ($1)", self._documents)
        self._objects = [row["object"] for row in rows]

    async def __aexit__(self, *_: object) -> None:
        for connection in self._pool:
            await connection.close()

    async def round(self, concurrency: int) -> Round:
        plain, _ = await self._over_http(self._plain, [head("GET", "/bytes")], concurrency)
        door, entries = await self._at_the_door(concurrency)
        outcome = await self._outcomes(concurrency, entries)
        store = await self._from_the_store(concurrency)
        heads = [
            head("GET", f"/v1/documents/{document}/content", token=self._tokens[number % len(self._tokens)].jwt)
            for number, document in enumerate(self._documents * 7)
        ]
        self.missed = 0
        release, times = await self._over_http(self._vault, heads, concurrency)
        p50, p99 = percentile(times, 50) * 1000, percentile(times, 99) * 1000
        return Round(plain, door, outcome, store, release, p50, p99, self.missed)

    async def _over_http(self, service: Service, heads: list[bytes], concurrency: int) -> tuple[float, list[float]]:
        connections = [await Connection.open(service.port) for _ in range(concurrency)]
        following, times = rotating(heads), list[float]()

        def caller(connection: Connection) -> Once:
            async def once() -> bool:
                nonlocal connection
                start = time.perf_counter()
                try:
                    answer = await connection.request(following())
                except ConnectionError:
                    connection = await Connection.open(service.port)
                    return False
                if answer.status not in (200, 503):
                    raise RuntimeError(f"the answer was {answer.status} with {answer.size} bytes")
                times.append(time.perf_counter() - start)
                return (answer.status, answer.size) == (200, SIZE)

            return once

        rate = await self._rate([caller(connection) for connection in connections])
        for connection in connections:
            connection.close()
        return rate, times

    async def _at_the_door(self, concurrency: int) -> tuple[float, list[tuple[bytes, Any]]]:
        following, tokens, entries = rotating(self._documents), rotating(self._tokens), list[tuple[bytes, Any]]()

        def caller(connection: Any) -> Once:
            async def once() -> bool:
                secret = tokens().secret
                row = await connection.fetchrow(DOOR, secret, "open", None, following(), {})
                if not row["keys"]:
                    raise RuntimeError(f"the door answered {row['status']}")
                entries.append((secret, row["entry"]))
                return True

            return once

        return await self._rate([caller(connection) for connection in self._pool[:concurrency]]), entries

    async def _outcomes(self, concurrency: int, entries: list[tuple[bytes, Any]]) -> float:
        left = iter(entries)

        async def work(connection: Any) -> None:
            for secret, entry in left:
                await connection.fetchval(END, secret, entry, "delivered", SIZE)

        start = time.perf_counter()
        await asyncio.gather(*[work(connection) for connection in self._pool[:concurrency]])
        return len(entries) / (time.perf_counter() - start)

    async def _from_the_store(self, concurrency: int) -> float:
        following = rotating(self._objects)

        async def once() -> bool:
            size = 0
            async for piece in self._store.fetch(following()):
                size += len(piece)
            return size >= SIZE

        return await self._rate([once] * concurrency)

    async def _rate(self, callers: list[Once]) -> float:
        """How often a second all callers together do their work, each without a pause."""
        end, done = time.perf_counter() + self._seconds, 0

        async def work(once: Once) -> None:
            nonlocal done
            while time.perf_counter() < end:
                if await once():
                    done += 1
                else:
                    self.missed += 1

        start = time.perf_counter()
        await asyncio.gather(*map(work, callers))
        return done / (time.perf_counter() - start)


def _summary(concurrency: int, rounds: list[Round]) -> Releases:
    fields = {name: spread([getattr(one, name) for one in rounds]) for name in Round.__struct_fields__}
    limit, ratio = spread([r.limit for r in rounds]), spread([r.release / r.limit for r in rounds])
    return Releases(concurrency=concurrency, limit=limit, ratio=ratio, **fields)


def _show(results: list[Releases]) -> None:
    parts = ("plain", "door", "outcome", "store", "limit", "release")
    rows = [
        [str(one.concurrency), *[getattr(one, part).show() for part in parts], one.p50_ms.show(".1f"),
         one.p99_ms.show(".1f"), one.missed.show(), one.ratio.show(".2f")]
        for one in results
    ]  # fmt: skip
    names = [
        "callers",
        "plain HTTP/s",
        "door/s",
        "outcome/s",
        "store/s",
        "limit/s",
        "release/s",
        "p50 ms",
        "p99 ms",
        "missed",
    ]
    table(f"Releases of 100 KiB (release ÷ limit should be at least {TARGET} at 16)", [*names, "release ÷ limit"], rows)
