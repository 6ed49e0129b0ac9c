"""Writers, and the check that the stored log is whole."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import asyncpg

from tests.support.logs import LOG, LOG_KEY, ORIGIN, public
from vault import verifier
from vault.adapters.postgres.sequencer import PostgresTree
from vault.services.sequencer import Sequencer
from vault.verifier import Key


class Signer:
    """The log's key of the tests."""

    def log_public(self) -> bytes:
        return public(LOG_KEY)

    def sign_checkpoint(self, message: bytes) -> bytes:
        return LOG_KEY.sign(message)


def sequencer(tree: PostgresTree, batch: int = 64, origin: str = ORIGIN) -> Sequencer:
    return Sequencer(tree, Signer(), origin, batch=batch)


async def write(owner: Any, n: int) -> None:
    await owner.execute("SELECT vault.registry_entry('unit-register', 'kela', NULL, NULL, $1)", f"n{n}")


async def write_many(url: str, count: int, seed: int) -> int:
    """Entries in transactions short and long, some rolled back; returns how many were committed."""
    dice, committed = random.Random(seed), 0
    connection = await asyncpg.connect(url)
    try:
        for n in range(count):
            transaction, entries = connection.transaction(), dice.choice([1, 1, 1, 5])
            await transaction.start()
            for _ in range(entries):
                await write(connection, n)
            if dice.random() < 0.2:
                await asyncio.sleep(dice.random() / 20)
            if dice.random() < 0.1:
                await transaction.rollback()
                continue
            await transaction.commit()
            committed += entries
    finally:
        await connection.close()
    return committed


async def drain(url: str) -> None:
    """Sequence whatever waits, with a sequencer that lives."""
    tree = PostgresTree(url)
    keeper = sequencer(tree, 256)
    try:
        await keeper.lead()
        while await keeper.step():
            pass
    finally:
        await tree.close()


async def check_whole(monitor: Any, log: Key = LOG) -> int:
    """Every entry stands in the tree once, or waits; tiles, head and checkpoint belong to these entries. The tree's size."""
    rows = await monitor.fetch(
        "SELECT p.leaf_index, e.id, e.leaf FROM vault.entry_position p LEFT JOIN vault.entry e ON e.id = p.entry ORDER BY 1"
    )
    assert [row["leaf_index"] for row in rows] == list(range(len(rows)))
    waiting = {row["entry"] for row in await monitor.fetch("SELECT entry FROM vault.entry_pending")}
    placed = {row["id"] for row in rows}
    entries = {row["id"] for row in await monitor.fetch("SELECT id FROM vault.entry")}
    assert len(placed) == len(rows)
    assert placed | waiting == entries
    assert not placed & waiting
    leaves = [row["leaf"] for row in rows]
    tree = await monitor.fetchrow("SELECT * FROM vault.tree")
    tiles = await monitor.fetch("SELECT n, hashes FROM vault.tree_tile WHERE level = 0 ORDER BY n")
    assert b"".join(tile["hashes"] for tile in tiles) == b"".join(leaves)
    assert (tree["size"], tree["root"]) == (len(leaves), verifier.tree_hash(leaves))
    for row in await monitor.fetch("SELECT * FROM vault.checkpoint"):
        head = verifier.verify_checkpoint(row["note"], log)
        assert (head.size, head.root) == (row["size"], verifier.tree_hash(leaves[: head.size]))
    return len(leaves)
