"""Twelve years later: a month's partition is detached, and no proof of the rest breaks, nor does the monitor cry."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

from tests.log.scene import Scene
from tests.log.test_routes import vault
from tests.support.database import Database
from tests.support.logs import LOG, WITNESS_SIGNER
from vault import verifier
from vault.adapters.postgres.pool import Pool
from vault.adapters.postgres.sequencer import PostgresLog
from vault.services.transparency import Transparency

OLD = dt.datetime(2013, 5, 20, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize("vault_db", ["18", "15"], indirect=True)
async def test_p07_an_old_month_goes_and_every_proof_of_the_rest_stays(vault_db: Database, tmp_path: Path) -> None:
    owner, scene = await vault_db.owner(), Scene(vault_db, tmp_path)
    await owner.fetchval("SELECT vault.make_partitions($1, 2)", OLD.date())
    await vault_db.set_clock(OLD)
    await scene.grow(200)
    await vault_db.set_clock()
    await scene.grow(200)
    assert (await scene.monitor.round(full=True)).findings == ()
    rest = await owner.fetch("SELECT id, leaf FROM vault.entry WHERE at > '2014-01-01' ORDER BY id")
    gone = await owner.fetch("SELECT id, leaf FROM vault.entry WHERE at < '2014-01-01' ORDER BY id")
    assert (len(gone), len(rest)) == (200, 200)
    env = {"PATH": os.environ["PATH"], "VAULT_DATABASE_URL_OWNER": vault_db.url("owner")}
    for month, said in (
        (f"{dt.datetime.now(dt.UTC):%Y-%m}", "twelve years of this month are not over"),
        ("2012-01", "no partition of this month"),
        ("2013-13", "a day that exists"),
    ):
        code, _, err = await vault(env, "log", "prune", month)
        assert (code, said in err, err.count("\n")) == (1, True, 1), err
    assert await vault(env, "log", "prune", "2013-05") == (0, "200 entries of 2013-05 were let go\n", "")
    await owner.execute("DROP TABLE vault.entry_pruned_201305")
    assert await owner.fetchval("SELECT count(*) FROM vault.entry WHERE at < '2014-01-01'") == 0
    await scene.grow(10)
    pool = Pool(vault_db.url("service"))
    transparency = Transparency(PostgresLog(pool))
    for entry in [*rest[:5], *gone[:5]]:  # who kept an old entry can still prove it
        proof = str(await transparency.proof(entry["id"]))
        assert verifier.verify_proof(proof, entry["leaf"], LOG, [WITNESS_SIGNER], quorum=1).size == 411
    await pool.close()
    assert (await scene.monitor.round(full=True)).findings == ()
    assert (await scene.new_monitor().round(full=True)).findings == ()
    assert verifier.verify_directory(tmp_path / "mirror", LOG, [WITNESS_SIGNER], quorum=1).size == 411
    # A month of ours that a superuser let go in the same manner is not excused by saying so.
    entry = await scene.entry_at(250)
    await scene.sabotage("DELETE FROM vault.entry WHERE id = $1", entry)
    await owner.execute("SELECT vault.registry_entry('log-prune', NULL, NULL, NULL, to_char(now(), 'YYYY-MM'))")
    await scene.grow(1)
    first = (await scene.monitor.round(full=True)).first
    assert first
    assert (first.kind, first.leaf_index) == ("entry-missing", 250)
    await scene.close()
