"""A worker that is killed at any step: nothing half is visible, nothing is left over, and the next one makes the export."""

from __future__ import annotations

import datetime as dt
import io
import signal
import zipfile

import pytest

from tests.exports.conftest import Scene
from tests.exports.killed_worker import STEPS
from tests.support.service import run
from vault.adapters.postgres.pool import Pool
from vault.adapters.postgres.worker import WorkerDatabase
from vault.adapters.stores.directory import DirectoryStore
from vault.services.sweeper import Sweeper

CONTENT = bytes(range(256)) * 20_000
SHORT = {"after the ask", "half-way into the store", "stored", "committed"}
KEYS = "SELECT count(*) FROM vault.wrapped_key WHERE kind = 'export' AND subject = $1"


def sweep(scene: Scene) -> None:
    async def sweeping() -> None:
        pool = Pool(scene.service.database.url("worker"), size=1, wait_s=5)
        try:
            store = DirectoryStore(scene.service.folder / "objects")
            await Sweeper(WorkerDatabase(pool), store).sweep(older_than=dt.timedelta(0))
        finally:
            await pool.close()

    run(sweeping())


def objects(scene: Scene) -> set[str]:
    return {path.name for path in (scene.service.folder / "objects").rglob("*") if path.is_file()}


@pytest.mark.parametrize("step", [pytest.param(one, marks=() if one in SHORT else pytest.mark.long) for one in STEPS])
def test_p04_a_worker_killed_at_any_step_leaves_all_or_nothing(scene: Scene, step: str) -> None:
    her = scene.person(CONTENT)
    sweep(scene)
    before, export = objects(scene), str(her.order()["id"])
    assert scene.in_a_process(step) == (-signal.SIGKILL, "")
    whole = step == "committed"
    found = her.get(export)
    assert (found["state"], found["package"] is not None) == (("ready", True) if whole else ("collecting", False))
    assert scene.service.one(KEYS, export) == int(whole)
    assert her.content(export).status_code == (200 if whole else 409)
    sweep(scene)
    scene.clear()
    assert len(objects(scene) - before) == int(whole)
    assert len(scene.work()) == int(not whole)
    answer = her.content(export)
    package = zipfile.ZipFile(io.BytesIO(answer.content))
    assert package.testzip() is None
    assert CONTENT in {package.read(name) for name in package.namelist() if name.startswith("documents/")}
    assert scene.service.one(KEYS, export) == 1
    sweep(scene)
    assert len(objects(scene) - before) == 1
