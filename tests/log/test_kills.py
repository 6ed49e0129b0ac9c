"""SIGKILL of sequencer, service, witness and database at each step, two sequencers and two services at once: one log.

The log, its witness and its monitor are the same through all schedules, so that what one of them forked another would see.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import random
import signal
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.log.killing import SEQUENCER, SERVICE, WITNESSES, Fate, Place, Player
from tests.log.sequencing import check_whole, write_many
from tests.support.database import Database, make_vault
from tests.support.logs import LOG, WITNESS_SIGNER
from tests.support.recorded import insert_token, record_world
from tests.support.scene import NURSE, plain_world
from tests.support.service import run
from vault.adapters.embedded import EmbeddedPostgres
from vault.adapters.postgres.monitor import PostgresLogDatabase
from vault.adapters.postgres.pool import Pool
from vault.adapters.tile_directory import TileDirectory
from vault.model import DocumentId
from vault.services.monitor import Monitor

SCHEDULES = 20
FATES_S, FIRST_FATE_S, WHOLE_S = 2.5, 20.0, 30.0
"""How long fates may take to come true, the first of them on a busy machine, and how long the log may take to be whole again:
longer is a hang."""


class Arena:
    """One durable server, one vault in it, and what the processes share."""

    def __init__(self, folder: Path) -> None:
        self.server = EmbeddedPostgres(folder / "pg")
        self.folder = folder
        self.database: Database
        self.place: Place
        self.schedules = 0

    async def open(self) -> None:
        await self.server.start()
        self.database = await make_vault(self.server)
        owner, world = await self.database.owner(), plain_world()
        await record_world(owner, world)
        now = dt.datetime.now(dt.UTC)
        secret = await insert_token(owner, NURSE, issued_at=now)
        await owner.execute("UPDATE vault.token SET expires_at = $1", now + dt.timedelta(hours=3))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = int(listener.getsockname()[1])
        urls = {role: self.database.url(role) for role in ("sequencer", "service", "monitor", "owner")}
        self.place = Place(urls, secret, DocumentId(world.documents[0].id), port, self.folder)
        await self.database.close()

    async def close(self) -> None:
        await self.server.stop()

    async def mend(self) -> bool:
        """Start the server again if it was killed."""
        if Path(f"/proc/{self.server.pid}/stat").read_text().split()[2] != "Z":
            return False
        await self.server.stop()
        await self.server.start()
        return True


@pytest.fixture(scope="module")
def arena() -> Iterator[Arena]:
    with tempfile.TemporaryDirectory(prefix="vault-kills-") as folder:
        made = Arena(Path(folder))
        run(made.open())
        yield made
        run(made.close())


def players_of(arena: Arena, seed: int) -> list[Player]:
    """Each role's steps by turns, so that twenty schedules reach every one; the dice say at which time of a step."""
    dice = random.Random(seed)

    def fate(steps: list[str], at: int, *, database: bool = False) -> Fate:
        point = steps[at % len(steps)]
        nth = 1 if point.startswith(("elect", "begin")) else dice.randint(1, 4)
        return Fate(point, nth, arena.server.pid if database else 0)

    second = fate(SEQUENCER, seed // 2, database=True) if seed % 4 == 0 else fate(SEQUENCER, seed * 5 + 3)
    third = fate(SERVICE, seed // 4, database=True) if seed % 4 == 2 else None
    return [
        Player("witness", arena.place, fate(WITNESSES, seed)), Player("sequencer", arena.place, fate(SEQUENCER, seed)),
        Player("sequencer", arena.place, second), Player("service", arena.place, fate(SERVICE, seed)),
        Player("service", arena.place, third),
    ]  # fmt: skip


async def live_through(arena: Arena, players: list[Player], seed: int) -> int:
    """Until everyone has met their fate; who was spared is killed then, at as good a moment as any. Deaths by fate."""
    writer = asyncio.create_task(write_many(arena.place.urls["owner"], 15, seed))
    deaths, began = 0, time.monotonic()
    database_dies = any(player.fate and player.fate.database for player in players)
    while time.monotonic() - began < (FATES_S if deaths else FIRST_FATE_S):
        if not database_dies and not any(player.is_fated() for player in players):
            break
        if database_dies and await arena.mend():
            database_dies, deaths = False, deaths + 1
        deaths += sum(player.revive() for player in players)
        await asyncio.sleep(0.005)
    await asyncio.gather(writer, return_exceptions=True)  # it dies with the database
    for player in players:
        if player.fate is not None:  # also one that would kill the database later, when nobody mends it any more
            player.kill()
            player.revive()
    await arena.mend()
    return deaths


async def become_whole(arena: Arena, players: list[Player]) -> None:
    """No more asks: what is committed comes into the tree and under the witness's signature, within a bounded time."""
    for player in players:
        if player.role == "service":
            player.kill()
    whole = (
        "SELECT t.size = (SELECT max(size) FROM vault.checkpoint WHERE cosigned_at IS NOT NULL) "
        "AND NOT EXISTS (SELECT FROM vault.entry_pending) FROM vault.tree t"
    )
    owner = await asyncpg.connect(arena.place.urls["owner"])
    try:
        async with asyncio.timeout(WHOLE_S):
            while not await owner.fetchval(whole):
                for player in players:
                    if player.role != "service":
                        player.revive()
                await asyncio.sleep(0.02)
    finally:
        await owner.close()


async def check(arena: Arena) -> None:
    """No gap, no duplicate, no fork, no byte without its entry; witness and monitor agree."""
    monitor = await asyncpg.connect(arena.place.urls["monitor"])
    try:
        await check_whole(monitor)
        permits = {
            row["id"]
            for row in await monitor.fetch("SELECT id FROM vault.entry WHERE act = 'open' AND decision = 'permit'")
        }
    finally:
        await monitor.close()
    released = {uuid.UUID(line) for line in arena.place.released.read_text().split()}
    assert released
    assert released <= permits
    alarm = arena.folder / "alarm"
    assert not alarm.exists(), alarm.read_text()
    pool, mirror = Pool(arena.place.urls["monitor"], size=2, wait_s=10), TileDirectory(arena.folder / "mirror")
    try:
        report = await Monitor(PostgresLogDatabase(pool), mirror, LOG, [WITNESS_SIGNER]).round(full=True)
        # The world's consent was written past every function, so no entry speaks of it.
        assert [one for one in report.findings if one.kind != "consent-unlogged"] == []
    finally:
        await pool.close()
        mirror.close()


async def run_schedule(arena: Arena, seed: int) -> int:
    players = players_of(arena, seed)
    try:
        deaths = await live_through(arena, players, seed)
        await become_whole(arena, players)
    finally:
        for player in players:
            player.kill()
    await check(arena)
    return deaths


async def stop_and_resume(arena: Arena, seed: int, stops: int) -> None:
    """Every process but the database stands still at some moment, one or two at once, and goes on as if nothing had been."""
    dice = random.Random(seed)
    roles = ("witness", "sequencer", "sequencer", "service", "service")
    players = [Player(role, arena.place) for role in roles]
    try:
        writer = asyncio.create_task(write_many(arena.place.urls["owner"], 15, seed))
        for n in range(stops):
            chosen = {players[n % len(players)], dice.choice(players)}
            for player in chosen:
                os.kill(player.pid, signal.SIGSTOP)
            await asyncio.sleep(dice.uniform(0.05, 0.4))
            for player in chosen:
                os.kill(player.pid, signal.SIGCONT)
            await asyncio.sleep(dice.uniform(0.05, 0.15))
        await writer
        await become_whole(arena, players)
    finally:
        for player in players:
            player.kill()
    await check(arena)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 12))])
async def test_p07_stopped_and_resumed_at_any_moment_there_is_one_whole_log(arena: Arena, seed: int) -> None:
    await stop_and_resume(arena, seed, 10 if seed == 1 else 30)


@pytest.mark.parametrize("seed", range(SCHEDULES))
async def test_p07_killed_at_any_step_there_is_one_whole_log(arena: Arena, seed: int) -> None:
    assert await run_schedule(arena, seed) >= 1


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 1200))
async def test_p07_killed_at_any_step_many_times(arena: Arena, seed: int) -> None:
    assert await run_schedule(arena, seed) >= 1
