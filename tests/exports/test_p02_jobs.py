"""P2: with the service's own password and any SQL nobody makes an export's job, nor has an export's key without an ask."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from tests.exports.conftest import Scene
from tests.support.service import run
from vault.adapters.postgres.pool import prepare

JOBS = {
    "take up": "SELECT vault.export_take_up()",
    "keep": "SELECT vault.export_keep($1, $2, interval '1 hour', 0, 0)",
    "entries": "SELECT vault.export_entries($1, $2, now(), $2, 10)",
    "openings": "SELECT vault.export_openings($1, $2, now(), NULL, 10)",
    "complete": "SELECT vault.export_made($1, $2, repeat('a', 32), 1, $1, NULL, '{}')",
    "fail": "SELECT vault.export_failed($1, $2, 'no-reason')",
    "expire": "SELECT vault.exports_expire()",
    "objects": "SELECT vault.export_objects('{}')",
    "step": "SELECT vault.export_step($2, 'make', NULL, $2, now())",
    "close": "SELECT vault.export_close($2, now())",
    "an order": "INSERT INTO vault.export (id) VALUES ($2)",
    "a claim": "UPDATE vault.export_claim SET secret_sha256 = sha256($1) WHERE export = $2",
    "a job's token": "INSERT INTO vault.token (secret_sha256, actor, acts) VALUES ($1, 'worker', '{export}')",
    "a key": "SELECT wrapped FROM vault.wrapped_key WHERE subject = $2::text",
}


def by(scene: Scene, role: str, work: Callable[[Any], Awaitable[None]]) -> None:
    """That role's own connection."""

    async def working() -> None:
        connection = await asyncpg.connect(scene.service.database.url(role))
        try:
            await prepare(connection)
            await work(connection)
        finally:
            await connection.close()

    run(working())


@pytest.mark.parametrize("job", JOBS)
def test_p02_the_service_makes_no_job_of_an_export(scene: Scene, job: str) -> None:
    statement = JOBS[job]
    known = (b"s" * 32, uuid.uuid4())
    # A statement takes the arguments that it names.
    text = statement.replace("$1", f"'\\x{known[0].hex()}'::bytea").replace("$2", f"'{known[1]}'::uuid")

    async def attack(service: Any) -> None:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(text)

    by(scene, "service", attack)


def test_p02_an_exports_key_needs_an_ask_that_is_kept(scene: Scene) -> None:
    her, another = scene.person(), scene.person()
    waiting, ready = uuid.UUID(her.order()["id"]), uuid.UUID(scene.ready(another))
    scene.work()
    hers, theirs = her.session.secret, another.session.secret
    ask = "SELECT entry FROM vault.ask($1, 'export', NULL, $2, '{}')"
    take = "SELECT * FROM vault.take($1, $2)"

    async def attack(service: Any) -> None:
        assert await service.fetch(take, theirs, uuid.uuid4()) == []
        # Another's export: the ask is refused, and there is nothing to take.
        assert await service.fetch(take, hers, await service.fetchval(ask, hers, ready)) == []
        # The owner's, rolled back; within its own transaction; in one statement.
        transaction = service.transaction()
        await transaction.start()
        entry = await service.fetchval(ask, theirs, ready)
        assert await service.fetch(take, theirs, entry) == []
        await transaction.rollback()
        assert await service.fetch(take, theirs, entry) == []
        both = "SELECT k.* FROM vault.ask($1, 'export', NULL, $2, '{}') a CROSS JOIN LATERAL vault.take($1, a.entry) k"
        assert await service.fetch(both, theirs, ready) == []
        # The way that is open, taken by somebody else first.
        entry = await service.fetchval(ask, theirs, ready)
        assert await service.fetch(take, hers, entry) == []
        assert "export" in {row["kind"] for row in await service.fetch(take, theirs, entry)}

    by(scene, "service", attack)
    assert scene.service.one("SELECT count(*) FROM vault.entry WHERE act = 'export' AND facts = $1", f"fetch {ready}")
    assert her.get(str(waiting))["state"] == "ready"


def test_p02_a_clients_session_is_no_job(scene: Scene) -> None:
    """With the worker's password as well: what the order's owner may do is not what the job may."""
    her = scene.person()
    export = uuid.UUID(her.order()["id"])
    secret = her.session.secret

    async def attack(worker: Any) -> None:
        asked = await worker.fetchrow("SELECT * FROM vault.ask($1, 'export', NULL, $2, '{}')", secret, export)
        assert await worker.fetch("SELECT * FROM vault.take($1, $2)", secret, asked["entry"]) == []
        assert (
            await worker.fetchval("SELECT vault.export_keep($1, $2, $3, 0, 0)", secret, export, dt.timedelta(1))
            is False
        )
        far = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
        assert (
            await worker.fetch("SELECT vault.export_entries($1, $2, $3, $4, 10)", secret, export, far, uuid.UUID(int=0))
            == []
        )
        done = await worker.fetchrow(
            "SELECT * FROM vault.export_made($1, $2, $3, 1, $1, NULL, '{}')", secret, export, "a" * 32
        )
        assert done["status"] == "hidden"

    by(scene, "worker", attack)
    assert her.get(str(export))["state"] == "received"
