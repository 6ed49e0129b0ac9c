"""The log's tree: what sequencing costs the releases, and a million entries in one tree.

Releases are the door's call and its outcome over sixteen connections, without HTTP and store: so the log's share is the
largest that it can be. The sequencer is `vault log keep` in a process of its own; paused means SIGSTOP.
"""

from __future__ import annotations

import asyncio
import random
import signal
import statistics
import time
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from benchmarks.figures import Spread, percentile, spread, table
from benchmarks.place import Place
from benchmarks.release import DOOR, END
from benchmarks.world import SIZE, Filed, Token, reader_tokens
from vault import verifier
from vault.adapters.postgres.bootstrap import make_database
from vault.adapters.postgres.pool import Pool
from vault.adapters.postgres.sequencer import PostgresLog, PostgresTree
from vault.formats.merkle import inclusion_ranges
from vault.formats.tiles import tiles_of
from vault.model import EntryId
from vault.services.sequencer import Sequencer
from vault.services.transparency import Transparency

CONNECTIONS = 16
TARGET = 0.8
ORIGIN = "benchmark.example/log"
PROOFS = 300
_FILL = """
INSERT INTO vault.entry_pending (entry, leaf)
SELECT vault.uuid7(vault.clock()), sha256(int4send(n)) FROM generate_series($1::integer, $2::integer - 1) AS n
"""
_BYTES = "SELECT pg_total_relation_size('vault.tree_tile') AS tiles, pg_total_relation_size('vault.entry_position') AS positions"


class Share(msgspec.Struct, frozen=True):
    """Releases a second with sequencing on and paused, pair by pair, and their ratios."""

    on: Spread
    paused: Spread
    ratio: Spread
    middle: tuple[float, float]
    """Between which two the middle half of the ratios lies."""


class Grown(msgspec.Struct, frozen=True):
    """A tree of so many entries: how fast it took the last of them in, and what a proof costs."""

    entries: int
    integrated_per_s: float
    proof_p50_ms: float
    proof_p99_ms: float
    proof_bytes: int
    hashes: int
    tiles_read: float
    tile_bytes_per_entry: float
    position_bytes_per_entry: float


async def measure_log(place: Place, cases: list[Filed], *, seconds: float, pairs: int, entries: int) -> dict[str, Any]:
    """Measure both, print."""
    return {
        "share": await _measure_share(place, cases, seconds, pairs),
        "grown": await _measure_growth(place, entries),
    }


async def _measure_share(place: Place, cases: list[Filed], seconds: float, pairs: int) -> Share:
    tokens, documents = await reader_tokens(place), [document for case in cases for document in case.opened]
    on, paused = [], []
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(place.connection("service")) for _ in range(CONNECTIONS)]
        owner = await stack.enter_async_context(place.connection("owner"))
        keeper = await stack.enter_async_context(place.log_keeper())
        await _release(connections, tokens, documents, seconds)
        for pair in range(pairs):
            # Which of the two comes first changes from pair to pair.
            for is_paused in (pair % 2 == 0, pair % 2 == 1):
                await _drained(owner)
                if is_paused:
                    keeper.send_signal(signal.SIGSTOP)
                rate = await _release(connections, tokens, documents, seconds)
                keeper.send_signal(signal.SIGCONT)
                (paused if is_paused else on).append(rate)
    ratios = [a / b for a, b in zip(on, paused, strict=True)]
    quarters = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
    share = Share(spread(on), spread(paused), spread(ratios), (quarters[0], quarters[2]))
    table(
        f"Sequencing, {pairs} interleaved pairs of {seconds:g} s; the ratio should be at least {TARGET}",
        ("releases/s on", "releases/s paused", "on ÷ paused", "middle half"),
        [
            (
                share.on.show(),
                share.paused.show(),
                share.ratio.show(".2f"),
                f"{share.middle[0]:.2f}–{share.middle[1]:.2f}",
            )
        ],
    )
    return share


async def _drained(owner: Any) -> None:
    async with asyncio.timeout(120):
        while await owner.fetchval("SELECT EXISTS (SELECT FROM vault.entry_pending)"):  # noqa: ASYNC110 - in the database
            await asyncio.sleep(0.05)


async def _release(connections: list[Any], tokens: list[Token], documents: list[Any], seconds: float) -> float:
    """How many releases a second."""
    done, end = 0, time.perf_counter() + seconds

    async def work(number: int, connection: Any) -> None:
        nonlocal done
        dice = random.Random(number)
        while time.perf_counter() < end:
            token = tokens[number % len(tokens)]
            row = await connection.fetchrow(DOOR, token.secret, "open", None, dice.choice(documents), {})
            if row["keys"]:
                await connection.fetchval(END, token.secret, row["entry"], "delivered", SIZE)
                done += 1

    start = time.perf_counter()
    await asyncio.gather(*(work(number, connection) for number, connection in enumerate(connections)))
    return done / (time.perf_counter() - start)


async def _measure_growth(place: Place, entries: int) -> list[Grown]:
    """One tree, looked at each time that it is ten times as large."""
    database = "log_growth"
    await make_database(place.postgres.superuser_url, database, template="vault")
    sizes = [size for size in (1_000, 10_000, 100_000, 1_000_000) if size <= entries]
    results: list[Grown] = []
    tree, pool = PostgresTree(place.url("sequencer", database), wait_s=60), Pool(place.url("service", database))
    sequencer = Sequencer(tree, place.keyring, ORIGIN)
    async with place.connection("owner", database) as owner:
        await owner.execute(
            "TRUNCATE vault.entry_pending, vault.entry_position, vault.tree, vault.tree_tile, vault.checkpoint"
        )
        await sequencer.lead()
        held = 0
        for size in sizes:
            await owner.execute(_FILL, held, size, timeout=300)
            start = time.perf_counter()
            while await sequencer.step():
                pass
            rate = (size - held) / (time.perf_counter() - start)
            held = size
            results.append(await _proofs(owner, pool, size, rate))
    await tree.close()
    await pool.close()
    table(
        "A tree of so many entries",
        ("entries", "integrated/s", "proof p50 ms", "p99 ms", "bytes", "hashes", "tiles read", "tile B/entry", "position B/entry"),
        [
            (f"{g.entries:,}", f"{g.integrated_per_s:,.0f}", f"{g.proof_p50_ms:.1f}", f"{g.proof_p99_ms:.1f}", f"{g.proof_bytes:,}", str(g.hashes),
             f"{g.tiles_read:.1f}", f"{g.tile_bytes_per_entry:.1f}", f"{g.position_bytes_per_entry:.1f}")
            for g in results
        ],
    )  # fmt: skip
    return results


async def _proofs(owner: Any, pool: Pool, size: int, rate: float) -> Grown:
    transparency, times, texts, tiles = Transparency(PostgresLog(pool)), [], [], []
    dice = random.Random(size)
    for _ in range(PROOFS):
        index = dice.randrange(size)
        entry = await owner.fetchval("SELECT entry FROM vault.entry_position WHERE leaf_index = $1", index)
        start = time.perf_counter()
        texts.append(str(await transparency.proof(EntryId(entry))))
        times.append((time.perf_counter() - start) * 1000)
        tiles.append(len(tiles_of(inclusion_ranges(index, size))))
    stored = await owner.fetchrow(_BYTES)
    hashes = max(len(verifier.parse_proof(text)[1]) for text in texts)
    return Grown(
        entries=size, integrated_per_s=rate, proof_p50_ms=percentile(times, 50), proof_p99_ms=percentile(times, 99),
        proof_bytes=max(len(text) for text in texts), hashes=hashes, tiles_read=statistics.fmean(tiles),
        tile_bytes_per_entry=stored["tiles"] / size, position_bytes_per_entry=stored["positions"] / size,
    )  # fmt: skip
