"""After a restored backup the log begins anew: another origin, whose first leaf holds the last cosigned checkpoint."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.log.scene import Scene, Signer
from tests.log.sequencing import check_whole, sequencer, write
from tests.log.test_routes import vault
from tests.support.database import Database, copy_vault
from tests.support.logs import LOG, LOG_VKEY, ORIGIN, WITNESS, WITNESS_SIGNER, WITNESS_VKEY, log_of
from vault import verifier
from vault.adapters.postgres.monitor import PostgresLogDatabase
from vault.adapters.postgres.pool import Pool
from vault.adapters.postgres.sequencer import PostgresLog, PostgresTree
from vault.adapters.remembered import RememberedFile
from vault.adapters.tile_directory import TileDirectory
from vault.errors import SettingsWrong
from vault.formats.entry import parse_b64url
from vault.services.monitor import Monitor
from vault.services.transparency import Transparency
from vault.services.witness import Answer, Publisher, Witness

NEW = "vault.example/log/2"


class Restored:
    """A log of 350 entries, cosigned and copied; and the database restored from a backup of its first 300."""

    def __init__(self, scene: Scene, database: Database, folder: Path) -> None:
        self.scene, self.database, self.folder = scene, database, folder
        self.note = folder / "last-cosigned"
        self.copy = folder / "mirror"

    def command(self, *more: str, origin: str = NEW) -> list[str]:
        return [
            "log",
            "restart",
            "--origin",
            origin,
            "--checkpoint",
            str(self.note),
            "--log",
            LOG_VKEY,
            "--witness",
            WITNESS_VKEY,
            *more,
        ]

    async def vault(self, *arguments: str) -> tuple[int, str, str]:
        urls = {f"VAULT_DATABASE_URL_{role.upper()}": self.database.url(role) for role in ("owner", "sequencer")}
        return await vault({"PATH": os.environ["PATH"], **urls}, *arguments)


@pytest.fixture
async def restored(vault_db: Database, tmp_path: Path) -> AsyncIterator[Restored]:
    scene = Scene(vault_db, tmp_path)
    await scene.grow(300)
    for pool in scene.pools.values():
        await pool.close()
    await vault_db.close()
    backup = await copy_vault(vault_db)
    scene.reopen()
    await scene.grow(50)
    assert (await scene.monitor.round()).findings == ()
    await scene.close()
    made = Restored(scene, backup, tmp_path)
    made.note.write_text(scene.witness.checkpoint(scene.origin_hash).body)
    yield made
    await backup.drop()


async def put_all_in(database: Database, origin: str) -> int:
    tree = PostgresTree(database.url("sequencer"))
    keeper = sequencer(tree, 128, origin)
    try:
        await keeper.lead()
        while await keeper.step():
            pass
    finally:
        await tree.close()
    return await check_whole(await database.as_role("monitor"), log_of(origin))


async def watched(restored: Restored, size: int) -> None:
    """The same witness, told of the new key, cosigns the new log; a monitor with a new memory follows it."""
    memory = RememberedFile(restored.folder / "witness.json")
    witness = Witness(WITNESS, Signer(), [LOG, log_of(NEW)], memory, clock_s=lambda: 1_780_000_000)

    async def submit(request: bytes) -> Answer:
        return witness.add_checkpoint(request)

    pools = {role: Pool(restored.database.url(role), size=2, wait_s=10) for role in ("sequencer", "monitor")}
    mirror = TileDirectory(restored.folder / "new-mirror")
    publisher = Publisher(PostgresLog(pools["sequencer"]), log_of(NEW), {WITNESS_SIGNER: submit})
    assert await publisher.step()
    assert publisher.alarm is None
    monitor = Monitor(PostgresLogDatabase(pools["monitor"]), mirror, log_of(NEW), [WITNESS_SIGNER])
    report = await monitor.round(full=True)
    assert (report.size, report.findings) == (size, ())
    for pool in pools.values():
        await pool.close()
    mirror.close()
    memory.close()


@pytest.mark.parametrize("with_copy", [True, False])
async def test_p07_a_restored_log_begins_anew_and_says_what_was_lost(restored: Restored, with_copy: bool) -> None:
    owner = await restored.database.owner()
    # The service came back before anybody looked: two entries stand where lost ones stood.
    await write(owner, 1)
    await put_all_in(restored.database, ORIGIN)
    await write(owner, 2)
    former = {row["id"] for row in await owner.fetch("SELECT id FROM vault.entry")}
    code, out, err = await restored.vault(*restored.command(*(["--copy", str(restored.copy)] if with_copy else [])))
    assert (code, err.split("\n")[0]) == (0, "300 leaves of the cosigned log are held, 50 are lost"), err
    shown = json.loads(out)
    leaf, fields = verifier.verify_entry(shown)
    assert fields["act"] == "log-restart"
    record = json.loads(str(fields["facts"]))
    assert (record["held"], record["lost"]) == (300, 50)
    last = verifier.verify_checkpoint(
        parse_b64url(record["checkpoint"]).decode(), verifier.parse_vkey(LOG_VKEY), [WITNESS_SIGNER], quorum=1
    )
    assert (last.origin, last.size) == (ORIGIN, 350)
    # Everything that is left is in the new tree, behind that first leaf.
    assert await put_all_in(restored.database, NEW) == len(former) + 1
    assert await owner.fetchval("SELECT entry::text FROM vault.entry_position WHERE leaf_index = 0") == shown["entry"]
    pool = Pool(restored.database.url("service"))
    transparency = Transparency(PostgresLog(pool))
    assert (await transparency.restarted()).entry == shown["entry"]
    for entry in [shown["entry"], *list(former)[:3]]:
        text = await transparency.proof(entry)
        stored = await owner.fetchval("SELECT leaf FROM vault.entry WHERE id = $1", entry)
        assert verifier.verify_proof(str(text), stored, log_of(NEW)).size == len(former) + 1
    index, _, _ = verifier.parse_proof(str(await transparency.proof(shown["entry"])))
    assert (index, leaf) == (
        0,
        await owner.fetchval("SELECT leaf FROM vault.entry WHERE id::text = $1", shown["entry"]),
    )
    await pool.close()
    await watched(restored, len(former) + 1)
    # The old name is over: nobody signs under it again.
    with pytest.raises(SettingsWrong, match="log/2"):
        await put_all_in(restored.database, ORIGIN)


async def test_a_restart_is_refused_unless_something_was_lost(restored: Restored) -> None:
    before = await (await restored.database.owner()).fetchval("SELECT count(*) FROM vault.entry")

    async def refused(*command: str) -> str:
        code, out, err = await restored.vault(*command)
        assert (code, out, err.count("\n")) == (1, "", 1)
        return err

    assert "is the old one" in await refused(*restored.command(origin=ORIGIN))
    assert "no spaces" in await refused(*restored.command(origin="a b"))
    tree = PostgresTree(restored.database.url("sequencer"))
    await tree.elect()
    assert "a sequencer is running" in await refused(*restored.command())
    await tree.close()
    good = restored.note.read_text()
    restored.note.write_text(good.replace("\n350\n", "\n349\n"))
    assert "not verified" in await refused(*restored.command())
    pool = Pool(restored.database.url("sequencer"))
    stored = (await PostgresLog(pool).heads()).cosigned
    assert stored
    restored.note.write_text(stored.note)
    assert "nothing was lost" in await refused(*restored.command())
    await pool.close()
    code, out, _ = await restored.vault("log", "status")
    assert (code, out) == (0, f"{ORIGIN}: 300 entries in the tree, 0 wait for it; cosigned up to 300\n")
    assert await (await restored.database.owner()).fetchval("SELECT count(*) FROM vault.entry") == before


async def test_the_window_of_entries_without_a_cosignature_is_told(restored: Restored) -> None:
    await write(await restored.database.owner(), 1)
    code, out, _ = await restored.vault("log", "status", "--json")
    told: dict[str, Any] = json.loads(out)
    assert (code, told["waiting"], told["cosigned_size"], told["uncosigned_since"]) == (0, 1, 300, None)
    await put_all_in(restored.database, ORIGIN)
    _, out, _ = await restored.vault("log", "status", "--json")
    told = json.loads(out)
    assert (told["waiting"], told["signed_size"], told["cosigned_size"]) == (0, 301, 300)
    assert 0 <= told["uncosigned_s"] < 60
