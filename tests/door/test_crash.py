"""Promise P3 on a server that is killed: the entry of a release was durable before its keys were handed out."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.support.database import Database, make_vault
from tests.support.postgres import bin_dir
from tests.support.scene import Scene, plain_world, set_scene
from vault.adapters.embedded import EmbeddedPostgres

CALL = "CALL vault.door($1, 'open', NULL, $2, '{}')"


@pytest.fixture(params=["18", "15"])
async def durable(request: pytest.FixtureRequest) -> AsyncIterator[tuple[EmbeddedPostgres, Path]]:
    """A server of the test's own, with fsync on."""
    with tempfile.TemporaryDirectory(prefix="vault-crash-") as folder:
        async with EmbeddedPostgres(Path(folder), bin_dir=bin_dir(request.param)) as server:
            yield server, Path(folder)


async def kill(server: EmbeddedPostgres) -> None:
    """SIGKILL to the server and to each of its processes, as when the machine stops."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    for pid in [server.pid, *map(int, children)]:
        os.kill(pid, signal.SIGKILL)
    await server.stop()


async def recovered_entries(server: EmbeddedPostgres, database: Database) -> set[uuid.UUID]:
    await server.start()
    owner = await asyncpg.connect(database.url())
    try:
        return {row["id"] for row in await owner.fetch("SELECT id FROM vault.entry")}
    finally:
        await owner.close()


async def test_p03_the_entry_is_durable_before_its_keys(durable: tuple[EmbeddedPostgres, Path]) -> None:
    server, _ = durable
    database = await make_vault(server)
    owner = await database.owner()
    assert await owner.fetchval("SELECT current_setting('fsync') || current_setting('synchronous_commit')") == "onon"
    scene: Scene = await set_scene(database, plain_world())
    secret, service = await scene.token(), await scene.service()
    released: set[uuid.UUID] = set()
    enough = asyncio.Event()

    async def read() -> None:
        connection = await database.connect("service")
        while True:
            row = await connection.fetchrow(CALL, secret, scene.paper)
            if row["keys"]:
                released.add(uuid.UUID(str(row["entry"])))
            if len(released) >= 20:
                enough.set()

    readers = [asyncio.ensure_future(read()) for _ in range(3)]
    await asyncio.wait_for(enough.wait(), 30)
    last = await service.fetchrow(CALL, secret, scene.paper)
    assert last["keys"]
    await kill(server)
    ended = await asyncio.gather(*readers, return_exceptions=True)
    assert all(isinstance(error, Exception) for error in ended), ended
    released.add(uuid.UUID(str(last["entry"])))
    found = await recovered_entries(server, database)
    assert released <= found
    await database.close()


async def test_a_migration_that_is_killed_leaves_nothing(durable: tuple[EmbeddedPostgres, Path]) -> None:
    """A migration that is killed half way leaves nothing: it is one transaction."""
    server, _ = durable
    database = await make_vault(server)
    owner = await database.owner()
    transaction = owner.transaction()
    await transaction.start()
    await owner.execute("DROP SCHEMA vault CASCADE")
    await kill(server)
    await database.close()
    assert await recovered_entries(server, database) == set()
