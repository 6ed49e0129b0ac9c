"""Keys are rotated without touching a document, by the worker's role, through the door; stopped half-way, it goes on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.support.caller import must
from tests.support.service import run
from tests.transfers.conftest import Scene, vault_command
from vault.adapters.keyring import files
from vault.adapters.keyring.file import FileKeyring
from vault.adapters.postgres.door import PostgresDoor
from vault.adapters.postgres.pool import Pool, prepare
from vault.adapters.postgres.rotation import PostgresRotations
from vault.errors import Conflict, DatabaseUnavailable, Hidden, Unauthenticated
from vault.formats import wrapping
from vault.model import Act, KeyKind, TokenSecret
from vault.services.rotation import Rotated, Rotation


class Stop(DatabaseUnavailable):
    pass


@contextlib.asynccontextmanager
async def rotation(scene: Scene, wrap: Any = lambda part: part) -> AsyncIterator[Rotation]:
    pool = Pool(scene.service.database.url("worker"), size=2, wait_s=20)
    owner = await asyncpg.connect(scene.service.database.url())
    await prepare(owner)
    keyring = FileKeyring(scene.service.folder / "keys")
    try:
        yield Rotation(
            wrap(PostgresDoor(pool, pool, keyring)), wrap(PostgresRotations(owner, pool)), wrap(keyring), lambda _: None
        )
    finally:
        await owner.close()
        await pool.close()


async def rotated(scene: Scene, *, wrap: Any = lambda part: part) -> Rotated:
    async with rotation(scene, wrap) as one:
        return await one.run()


def shredded(scene: Scene) -> tuple[str, str]:
    case, transfer = scene.due()
    scene.work(2)
    scene.leave_receipt(transfer)
    scene.work()
    assert scene.state(transfer) == "shredded"
    return case, transfer


def test_p08_a_shredded_case_is_beyond_recovery_once_its_epoch_and_root_are_gone(scene: Scene) -> None:
    lives = scene.caller.open_case()
    paper = scene.caller.file(lives, content=b"what lives on")
    gone, transfer = shredded(scene)
    epoch = scene.service.one("SELECT epoch FROM vault.shredded WHERE case_id = $1::uuid", gone)
    before = scene.service.sql("SELECT kind, subject, parent, wrapped FROM vault.wrapped_key WHERE kind = 'document'")
    done = run(rotated(scene))
    assert done.forgotten >= 1
    assert f"epoch:{epoch}" in done.epochs
    assert len(done.destroyed) == 1
    assert scene.state(transfer) == "beyond-recovery"
    assert scene.service.one("SELECT count(*) FROM vault.wrapped_key WHERE kind = 'epoch' AND subject = $1", epoch) == 0
    # No document's key was touched, and what lives on opens, through the service that ran all the while.
    assert (
        scene.service.sql("SELECT kind, subject, parent, wrapped FROM vault.wrapped_key WHERE kind = 'document'")
        == before
    )
    assert scene.caller.coordinator.read(paper).content == b"what lives on"
    assert must(scene.caller.coordinator.get(f"/v1/cases/{lives}"))["client"]["name"] == "Testi Asiakas"
    another = scene.caller.open_case()
    assert scene.caller.coordinator.read(scene.caller.file(another, content=b"new")).content == b"new"
    assert (
        scene.service.one("SELECT parent FROM vault.wrapped_key WHERE kind = 'case' AND subject = $1", another)
        != f"epoch:{epoch}"
    )
    acts = [
        row["act"]
        for row in scene.service.sql("SELECT act FROM vault.entry WHERE case_id = $1::uuid ORDER BY id", gone)
    ]
    assert acts[-1] == "transfer-forget"


def test_all_epochs_can_be_retired_again_and_again(scene: Scene) -> None:
    case = scene.caller.open_case()
    paper = scene.caller.file(case, content=b"still here")
    for _ in range(3):
        done = run(rotated(scene))
        assert len(done.epochs) == 1
        assert scene.caller.coordinator.read(paper).content == b"still here"
    names = [row["subject"] for row in scene.service.sql("SELECT subject FROM vault.wrapped_key WHERE kind = 'epoch'")]
    assert len(names) == 1
    assert int(names[0].partition(".")[2]) >= 3


class Stopping:
    """Stops the rotation at its n-th call, before or after the call is made."""

    def __init__(self, part: Any, at: int, after: bool, count: list[int]) -> None:
        self._part, self._at, self._after, self._count = part, at, after, count

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._part, name)
        if name not in {"ask", "act", "named", "begin", "take_up", "new_root", "destroy_root"}:
            return real

        def counted() -> bool:
            self._count[0] += 1
            return self._count[0] == self._at

        if not asyncio.iscoroutinefunction(real):

            def plain(*arguments: Any) -> Any:
                mine = counted()
                if mine and not self._after:
                    raise Stop("stopped before")
                answer = real(*arguments)
                if mine:
                    raise Stop("stopped after")
                return answer

            return plain

        async def call(*arguments: Any, **more: Any) -> Any:
            mine = counted()
            if mine and not self._after:
                raise Stop("stopped before")
            answer = await real(*arguments, **more)
            if mine:
                raise Stop("stopped after")
            return answer

        return call


def test_p08_a_rotation_that_is_stopped_anywhere_goes_on(scene: Scene) -> None:
    case = scene.caller.open_case()
    paper = scene.caller.file(case, content=b"through all of it")
    stops = 0
    for after in (False, True):
        for at in range(1, 30):
            count = [0]
            try:
                run(rotated(scene, wrap=lambda part: Stopping(part, at, after, count)))  # noqa: B023
            except Stop:
                stops += 1
            else:
                break
            # In whatever state it was left, everything opens and new cases are opened.
            assert scene.caller.coordinator.read(paper).content == b"through all of it"
            if at % 4 == 0:
                scene.caller.open_case()
            run(rotated(scene))
            state = scene.service.one("SELECT vault.rotation_json()")
            assert (state["ended_at"] is not None, state["left"]) == (True, 0)
    assert stops >= 16
    assert scene.caller.coordinator.read(paper).content == b"through all of it"
    keyring = FileKeyring(scene.service.folder / "keys")
    assert set(keyring.root_ids()) == {keyring.own_root, keyring.current_root.removeprefix("root:")}


def test_nothing_is_wrapped_under_a_retired_key(scene: Scene) -> None:
    scene.caller.open_case()
    run(rotated(scene))
    retired = scene.service.one("SELECT name FROM vault.key_retired LIMIT 1")
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
        scene.service.sql(
            "SELECT vault.store_keys(ARRAY[('case', 'x', $1::text, '\\x00'::bytea)::vault.key_row], now())", retired
        )


def test_p02_only_the_job_of_a_rotation_gets_keys_to_rewrap(scene: Scene) -> None:
    """No archivist, no job of a transfer, and nobody when there is no rotation."""
    _, transfer = scene.due()

    async def attempt() -> None:
        async with scene.worker() as worker:
            await asyncio.to_thread(scene.free)
            taken = await worker._claims.take_up()
            with pytest.raises(Exception, match="do not permit"):
                await worker._door.ask(taken.secret, Act.REWRAP)
            with pytest.raises(Hidden):
                await worker._door.act("epochs_destroy", taken.secret)
            with pytest.raises(Hidden):
                await worker._door.act("rotation_end", taken.secret, [])
            with pytest.raises(Unauthenticated):
                await worker._door.act("epochs_destroy", TokenSecret(bytes(32)))
        async with rotation(scene) as one:
            assert await one._rotations.take_up() is None

    run(attempt())
    assert scene.state(transfer) == "due"


def test_an_epoch_with_keys_under_it_is_not_destroyed(scene: Scene) -> None:
    scene.caller.open_case()

    async def attempt() -> None:
        async with rotation(scene) as one:
            await one._rotations.begin(f"root:{one._keyring.new_root()}")
            secret = await one._rotations.take_up()
            for act, *more in (("epochs_destroy",), ("rotation_end", [])):
                with pytest.raises(Conflict) as refused:
                    await one._door.act(act, secret, *more)
                assert refused.value.narrow == "keys-left"

    run(attempt())
    run(rotated(scene))
    assert scene.service.one("SELECT vault.rotation_json()")["ended_at"] is not None


def test_the_commands_rotate_and_rehearse(scene: Scene, tmp_path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(scene.service.folder / "keys", copy)
    assert "the copy opens" in vault_command(scene, "key", "rehearse", str(copy))
    _, transfer = shredded(scene)
    assert "the operator runs: vault key rotate" in vault_command(scene, "transfer", "status", transfer)
    told = vault_command(scene, "key", "rotate")
    assert "are beyond recovery from now on" in told
    assert "destroy every copy of: root:" in told
    assert "beyond recovery since" in vault_command(scene, "transfer", "status", transfer)
    item = json.loads(vault_command(scene, "transfer", "status", transfer, "--json"))[0]
    assert (item["state"], item["shredded"]["alive"]) == ("beyond-recovery", [])
    with pytest.raises(AssertionError, match="lacks the root key"):
        vault_command(scene, "key", "rehearse", str(copy))


def test_p08_an_export_that_holds_its_papers_keeps_a_case_recoverable(scene: Scene) -> None:
    """An export's key outlives the case's: as long as it can be fetched, what it holds opens, and that is said."""
    gone, transfer = shredded(scene)
    sql = scene.service.sql
    [row] = sql("SELECT d.id, c.client FROM vault.document d JOIN vault.client_case c ON c.id = d.case_id"
                " WHERE d.case_id = $1::uuid AND d.key_parent = 'case' LIMIT 1", gone)  # fmt: skip
    export, keyring = uuid.uuid4(), FileKeyring(scene.service.folder / "keys")
    root = files.load(scene.service.folder / "keys").roots[keyring.current_root.removeprefix("root:")]
    wrapped = wrapping.wrap_key(
        root, bytes(32), kind=KeyKind.EXPORT, subject=str(export), parent=keyring.current_root, nonce=bytes(12)
    )
    sql("INSERT INTO vault.export (id, client, language, without_large, documents, size_bytes, entry, recorded_at)"
        " VALUES ($1, $2, 'fi', false, 1, 1, gen_random_uuid(), now())", export, row["client"])  # fmt: skip
    sql("INSERT INTO vault.export_paper (export, document) VALUES ($1, $2)", export, row["id"])
    sql(
        "INSERT INTO vault.wrapped_key VALUES ('export', $1, $2, $3, now())", str(export), keyring.current_root, wrapped
    )
    run(rotated(scene))
    assert scene.state(transfer) == "shredded"
    assert must(scene.archivist().get(f"/v1/transfers/{transfer}"))["waits_for"] == ["export", "key-rotation"]
    moved = scene.service.one(
        "SELECT parent FROM vault.wrapped_key WHERE kind = 'export' AND subject = $1", str(export)
    )
    assert moved.startswith("epoch:")
    sql("DELETE FROM vault.wrapped_key WHERE kind = 'export' AND subject = $1", str(export))
    run(rotated(scene))
    assert scene.state(transfer) == "beyond-recovery"
