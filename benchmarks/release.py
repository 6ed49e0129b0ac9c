"""Releases of 100 KiB beside the limit that the parts of the same run allow.

A release is an HTTP exchange, a call of the door, a read of the store, the opening of what was read, and an entry of its
outcome. Done one after another by parts that cost nothing more, n releases a second are possible: 1 ÷ (1/HTTP + 1/door +
1/outcome + 1/store + 1/opening). The parts are measured in turn with the releases, at the same concurrency, so that a
busy machine slows all alike.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import msgspec

from benchmarks.caller import head
from benchmarks.figures import Spread, after_one_another, ratio, spread, table
from benchmarks.load import Once, Target, closed_loop, rate_of
from benchmarks.place import Place, Service
from benchmarks.world import SIZE, Filed, Token, reader_tokens, rotating
from vault.adapters.postgres.pool import prepare
from vault.adapters.stores.directory import DirectoryStore
from vault.formats.sealed import ChunkReader, Sealer
from vault.model import CaseId, DocumentId

CONCURRENCIES = (1, 16, 64)
CONNECTIONS = 16  # the service's own pool has as many
TARGET = 0.5
DOOR = "CALL vault.door($1, $2, $3, $4, $5)"
END = "SELECT vault.end_release($1, $2, $3, $4)"

Read = Callable[[str], Awaitable[int]]
"""Reads the whole object of that name, and says how many bytes it has."""


class Round(msgspec.Struct, frozen=True):
    """One repeat: how often a second each part was done, and the milliseconds that releases took."""

    plain: float
    door: float
    outcome: float
    store: float
    opening: float
    release: float
    p50_ms: float
    p99_ms: float
    missed: int

    @property
    def limit(self) -> float:
        return after_one_another(self.plain, self.door, self.outcome, self.store, self.opening)


class Releases(msgspec.Struct, frozen=True):
    """All repeats at one concurrency."""

    concurrency: int
    plain: Spread
    door: Spread
    outcome: Spread
    store: Spread
    opening: Spread
    limit: Spread
    release: Spread
    p50_ms: Spread
    p99_ms: Spread
    missed: Spread
    ratio: Spread


async def measure_releases(
    place: Place,
    cases: list[Filed],
    *,
    seconds: float,
    repeats: int,
    read: Read | None = None,
    where: str = "a directory",
) -> list[Releases]:
    """Measure and print all concurrencies; each part runs for so many seconds in each repeat.

    ``read`` is the bare read of the store; without one, the directory's.
    """
    async with AsyncExitStack() as stack:
        vault = await stack.enter_async_context(place.service("vault"))
        plain = await stack.enter_async_context(place.service("plain"))
        tokens = await reader_tokens(place)
        bench = _Bench(place, vault, plain, tokens, cases, seconds, read or _from_directory(place))
        await stack.enter_async_context(bench)
        for concurrency in CONCURRENCIES:
            await bench.round(concurrency)  # caches and pools are filled before anything counts
        results = [_summary(c, [await bench.round(c) for _ in range(repeats)]) for c in CONCURRENCIES]
    _show(results, where)
    return results


def content_heads(tokens: list[Token], documents: list[uuid.UUID]) -> tuple[bytes, ...]:
    """Requests for the documents' content, by one reader after another."""
    return tuple(
        head("GET", f"/v1/documents/{document}/content", token=tokens[number % len(tokens)].jwt)
        for number, document in enumerate(documents * 7)
    )


def _from_directory(place: Place) -> Read:
    store = DirectoryStore(place.store)

    async def read(name: str) -> int:
        return sum([len(piece) async for piece in store.fetch(name)])

    return read


class _Bench:
    def __init__(
        self,
        place: Place,
        vault: Service,
        plain: Service,
        tokens: list[Token],
        cases: list[Filed],
        seconds: float,
        read: Read,
    ) -> None:
        self._place, self._vault, self._plain = place, vault, plain
        self._tokens = tokens
        self._documents = [document for case in cases for document in case.opened]
        self._seconds = seconds
        self._pool: list[Any] = []
        self._read = read
        self._objects: list[str] = []

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
        plain = await closed_loop(
            Target((self._plain.port,), (head("GET", "/bytes"),), SIZE), concurrency, self._seconds
        )
        door, entries = await self._at_the_door(concurrency)
        outcome = await self._outcomes(concurrency, entries)
        store = await self._from_the_store(concurrency)
        opening = await self._opening(concurrency)
        heads = content_heads(self._tokens, self._documents)
        release = await closed_loop(Target((self._vault.port,), heads, SIZE), concurrency, self._seconds)
        return Round(
            plain=plain.rate, door=door, outcome=outcome, store=store, opening=opening, release=release.rate,
            p50_ms=release.p(50), p99_ms=release.p(99), missed=release.missed,
        )  # fmt: skip

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
            return await self._read(following()) >= SIZE

        return await self._rate([once] * concurrency)

    async def _opening(self, concurrency: int) -> float:
        """Opening a sealed paper that is in memory, in the event loop as the service does it."""
        key, case, document = os.urandom(32), CaseId(uuid.uuid4()), DocumentId(uuid.uuid4())
        sealer = Sealer(key, case, document)
        sealed = sealer.update(os.urandom(SIZE)) + sealer.finalize()

        async def once() -> bool:
            opened = ChunkReader(key, case, document, len(sealed)).open_whole(sealed)
            await asyncio.sleep(0)
            return len(opened) == SIZE

        return await self._rate([once] * concurrency)

    async def _rate(self, callers: list[Once]) -> float:
        return (await rate_of(callers, self._seconds))[0]


def _summary(concurrency: int, rounds: list[Round]) -> Releases:
    fields = {name: spread([getattr(one, name) for one in rounds]) for name in Round.__struct_fields__}
    limit, reached = spread([r.limit for r in rounds]), spread([ratio(r.release, r.limit) for r in rounds])
    return Releases(concurrency=concurrency, limit=limit, ratio=reached, **fields)


def _show(results: list[Releases], where: str) -> None:
    parts = ("plain", "door", "outcome", "store", "opening", "limit", "release")
    rows = [
        [str(one.concurrency), *[getattr(one, part).show() for part in parts], one.p50_ms.show(".1f"),
         one.p99_ms.show(".1f"), one.missed.show(), one.ratio.show(".2f")]
        for one in results
    ]  # fmt: skip
    names = ["callers", "plain HTTP/s", *[f"{part}/s" for part in parts[1:]], "p50 ms", "p99 ms", "missed"]
    title = f"Releases of 100 KiB from {where} (release ÷ limit should be at least {TARGET} at 16)"
    table(title, [*names, "release ÷ limit"], rows)
