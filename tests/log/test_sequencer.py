"""The sequencer on a real database: nothing is lost, doubled or forked, whenever it is killed."""

from __future__ import annotations

import asyncio
import random
import uuid
from pathlib import Path

import pytest

from tests.log.sequencing import Signer, check_whole, drain, sequencer, write, write_many
from tests.support.database import Database
from tests.support.logs import LOG, ORIGIN
from vault import verifier
from vault.adapters.postgres.pool import Pool
from vault.adapters.postgres.sequencer import PostgresLog, PostgresTree
from vault.errors import DatabaseUnavailable, Hidden, IntegrityBroken, SettingsWrong
from vault.formats.tiles import Part
from vault.model import EntryId
from vault.services.sequencer import Sequencer
from vault.services.transparency import Transparency, Waiting

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("vault_db", ["18", "15"], indirect=True)
async def test_p07_the_empty_tree_has_a_signed_checkpoint(vault_db: Database) -> None:
    await drain(vault_db.url("sequencer"))
    pool = Pool(vault_db.url("service"))
    heads = await Transparency(PostgresLog(pool)).checkpoint()
    assert heads.newest
    assert verifier.verify_checkpoint(heads.newest.note, LOG).size == 0
    assert heads.cosigned is None
    assert heads.uncosigned_since
    await pool.close()


@pytest.mark.parametrize("vault_db", ["18", "15"], indirect=True)
async def test_p07_every_entry_gets_a_proof(vault_db: Database) -> None:
    owner, pool = await vault_db.owner(), Pool(vault_db.url("service"))
    transparency = Transparency(PostgresLog(pool))
    with pytest.raises(Hidden):
        await transparency.checkpoint()
    for n in range(300):
        await write(owner, n)
    entries = await owner.fetch("SELECT id, leaf FROM vault.entry")
    assert await transparency.proof(EntryId(entries[0]["id"])) == Waiting()
    await drain(vault_db.url("sequencer"))
    assert await check_whole(await vault_db.as_role("monitor")) == 300
    for entry in random.Random(7).sample(entries, 20):
        proof = await transparency.proof(EntryId(entry["id"]))
        assert isinstance(proof, str)
        assert verifier.verify_proof(proof, entry["leaf"], LOG).size == 300
    assert len(await transparency.tile(0, 0, 256)) == 8192
    assert len(await transparency.tile(0, 1, 40)) == 40 * 32
    for level, n, width in ((0, 1, 45), (0, 2, 1), (1, 0, 2), (9, 0, 1)):
        with pytest.raises(Hidden):
            await transparency.tile(level, n, width)
    with pytest.raises(Hidden):
        await transparency.proof(EntryId(uuid.uuid4()))
    await pool.close()


async def test_p07_two_sequencers_never_fork(vault_db: Database) -> None:
    """The second waits for the lock; when the first one's session dies, it takes over, and the first one's batch fails."""
    url, owner = vault_db.url("sequencer"), await vault_db.owner()
    first, second = PostgresTree(url), PostgresTree(url)
    one, other = sequencer(first), sequencer(second)
    await one.lead()
    await write(owner, 1)
    assert await one.step() == 1
    waiting = asyncio.create_task(other.lead())
    await asyncio.sleep(0.5)
    assert not waiting.done()
    batch = await first.batch(10)
    assert not batch
    await write(owner, 2)
    superuser = await vault_db.as_role("superuser")
    await superuser.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = 7021003"
    )
    await asyncio.wait_for(waiting, 5)
    with pytest.raises(DatabaseUnavailable):
        await one.step()
    assert await other.step() == 1
    # Even a sequencer that believes in an older head cannot append: the head is compared.
    await write(owner, 3)
    stale = sequencer(second)
    with pytest.raises(IntegrityBroken, match="another hand"):
        await stale.step()
    assert await other.step() == 1
    assert await check_whole(await vault_db.as_role("monitor")) == 3
    await first.close()
    await second.close()


async def test_p07_both_run_at_once_under_load(vault_db: Database) -> None:
    stop, url = asyncio.Event(), vault_db.url("sequencer")
    running = [asyncio.create_task(sequencer(PostgresTree(url), 8).run(stop, interval_s=0.01)) for _ in range(2)]
    written = sum(await asyncio.gather(*(write_many(vault_db.url(), 40, seed) for seed in range(4))))
    owner = await vault_db.owner()
    async with asyncio.timeout(10):
        while await owner.fetchval("SELECT count(*) FROM vault.entry_pending"):  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.05)
    stop.set()
    await asyncio.gather(*running)
    assert await check_whole(await vault_db.as_role("monitor")) == written


async def test_p07_a_tree_that_was_tampered_with_is_not_continued(vault_db: Database) -> None:
    owner, superuser, url = await vault_db.owner(), await vault_db.as_role("superuser"), vault_db.url("sequencer")
    for n in range(5):
        await write(owner, n)
    await drain(url)
    note = await owner.fetchrow("SELECT * FROM vault.checkpoint")
    await superuser.execute("UPDATE vault.tree_tile SET hashes = overlay(hashes PLACING '\\x00'::bytea FROM 7)")
    with pytest.raises(IntegrityBroken, match="stored tiles"):
        await drain(url)
    # A tree that fits itself, but not the checkpoint that was signed.
    forged = b"".join(verifier.leaf_hash(b"%d" % n) for n in range(6))
    root = verifier.tree_hash([forged[i : i + 32] for i in range(0, len(forged), 32)])
    await superuser.execute("UPDATE vault.tree_tile SET hashes = $1", forged)
    await superuser.execute("UPDATE vault.tree SET size = 6, root = $1", root)
    with pytest.raises(IntegrityBroken, match="does not continue"):
        await drain(url)
    await superuser.execute("UPDATE vault.checkpoint SET note = replace(note, '\n5\n', '\n4\n')")
    with pytest.raises(IntegrityBroken, match="not that of"):
        await drain(url)
    assert note["size"] == 5


async def test_a_log_of_another_name_is_refused(vault_db: Database) -> None:
    await drain(vault_db.url("sequencer"))
    tree = PostgresTree(vault_db.url("sequencer"))
    with pytest.raises(SettingsWrong, match=ORIGIN):
        await Sequencer(tree, Signer(), "other.example/log").lead()
    await tree.close()


@pytest.mark.parametrize("role", ["service", "tokens", "worker", "monitor"])
async def test_p07_only_the_sequencer_appends(vault_db: Database, role: str) -> None:
    connection = await vault_db.as_role(role)
    for call in (
        "vault.tree_begin('x')", "vault.tree_batch(1)", "vault.checkpoint_publish(0, '', '')", "vault.checkpoint_cosign(0, '', '')",
        "vault.tree_append(0, '', '', '{}', '{}', '{}', '{}', '{}', '{}')",
        "vault.entry_erase('00000000-0000-0000-0000-000000000000')",
    ):  # fmt: skip
        with pytest.raises(Exception, match="permission denied"):
            await connection.execute(f"SELECT {call}")
    for table in ("tree", "tree_tile", "checkpoint", "entry_position", "entry_pending", "entry"):
        with pytest.raises(Exception, match="permission denied"):
            await connection.execute(f"DELETE FROM vault.{table}")


async def test_the_database_refuses_a_batch_that_does_not_fit(vault_db: Database) -> None:
    owner, tree = await vault_db.owner(), PostgresTree(vault_db.url("sequencer"))
    await tree.elect()
    _, size, root = await tree.begin(ORIGIN)
    await write(owner, 1)
    ((entry, leaf),) = await tree.batch(5)
    for batch, parts in (
        ([(entry, bytes(32))], [Part(0, 0, 0, bytes(32))]),
        ([(entry, leaf), (entry, leaf)], [Part(0, 0, 0, leaf + leaf)]),
        ([(entry, leaf)], [Part(0, 0, 0, bytes(32))]),
        ([(entry, leaf)], [Part(0, 0, 1, leaf)]),
        ([(entry, leaf)], []),
    ):
        with pytest.raises(IntegrityBroken, match="refused the batch"):
            await tree.append(size, root, leaf, batch, parts)
    assert (await tree.begin(ORIGIN))[1] == 0
    assert await tree.append(size, root, leaf, [(entry, leaf)], [Part(0, 0, 0, leaf)])
    await tree.close()
