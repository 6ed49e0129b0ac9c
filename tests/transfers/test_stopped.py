"""P8: the worker is stopped at any of its calls, and whoever takes it up goes on; nobody else gets the keys."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from tests.support.caller import must
from tests.support.service import run
from tests.transfers.conftest import FIRST, SECOND, Scene
from vault.archive.receive import check_package
from vault.errors import DatabaseUnavailable, Hidden
from vault.model import TokenSecret


class Stop(DatabaseUnavailable):
    pass


class Crashing:
    """Stands before a part and stops the worker at its n-th call, before or after the call is made."""

    def __init__(self, part: Any, at: int, after: bool, count: list[int]) -> None:
        self._part, self._at, self._after, self._count = part, at, after, count

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._part, name)
        if name in {"promise", "fetch", "size", "keep", "take_up", "find", "tell"}:
            return real

        async def call(*arguments: Any, **more: Any) -> Any:
            self._count[0] += 1
            mine = self._count[0]
            if mine == self._at and not self._after:
                raise Stop("stopped before")
            answer = await real(*arguments, **more)
            if mine == self._at and self._after:
                raise Stop("stopped after")
            return answer

        return call


@pytest.mark.parametrize("stride", [9, pytest.param(1, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_p08_stopped_anywhere_it_goes_on_and_holds_the_case_until_the_archive_has_signed(
    stride: int, scene: Scene
) -> None:
    stopped = 0
    for after in (False, True):
        for at in range(1, 60, stride):
            case, transfer = scene.due(b"paper")
            count = [0]
            wrap = {
                name: (lambda part: Crashing(part, at, after, count))  # noqa: B023 (used within this turn)
                for name in ("door", "claims", "store", "deposit")
            }
            signed = False
            crashed = False
            for _ in range(20):
                state = scene.state(transfer)
                if state == "sent" and not signed and (scene.deposit / f"{transfer}.label.json").exists():
                    scene.leave_receipt(transfer)
                    signed = True
                assert scene.case_keys(case) > 0 or signed
                if state == "shredded" and not scene.service.sql("SELECT vault.shredded_objects($1::uuid)", case):
                    break
                try:
                    scene.work(1, **wrap)
                except DatabaseUnavailable:
                    crashed = True
            assert scene.state(transfer) == "shredded"
            assert scene.case_keys(case) == 0
            check_package(scene.deposit / f"{transfer}.tar.age", scene.identities, label=None)
            if not crashed:
                break
            stopped += 1
    assert stopped > 30 // stride


def test_p08_without_two_different_archivists_nothing_is_packaged(scene: Scene) -> None:
    _case, transfer = scene.due(approved=False)
    assert scene.work() == []
    for _ in range(2):
        must(scene.archivist(FIRST).post(f"/v1/transfers/{transfer}/approve"))
    assert scene.work() == []
    assert must(scene.archivist(SECOND).post(f"/v1/transfers/{transfer}/approve"))["approvals"] == 2
    assert "packaged" in scene.work(1)[0]


def test_p08_only_the_worker_at_it_gets_the_keys(scene: Scene) -> None:
    """No archivist, no coordinator, no older job, and no job of another case."""
    from vault.adapters.postgres.pool import Pool

    case, transfer = scene.due()

    async def attempt() -> None:
        async with scene.worker() as worker:
            claims = worker._claims
            first = await claims.take_up()
            await asyncio.to_thread(scene.free)
            second = await claims.take_up()
            assert first.transfer == second.transfer == uuid.UUID(transfer)
            pool = Pool(scene.service.database.url("worker"), size=1, wait_s=20)
            door = "CALL vault.door($1, $2, $3, NULL, '{}')"
            for secret, act, a_case, status in (
                (first.secret, "package", case, "unauthenticated"),
                (second.secret, "package", str(uuid.uuid4()), "forbidden"),
                (second.secret, "destroy", case, "forbidden"),
                (second.secret, "open", case, "hidden"),
                (second.secret, "package", case, "permit"),
            ):
                row = await pool.row(door, secret, act, uuid.UUID(a_case))
                assert row["status"] == status, (act, row["status"])
                assert bool(row["keys"]) == (status == "permit")
            await pool.close()
            with pytest.raises(Hidden):
                await worker._door.act("transfer_done", TokenSecret(second.secret), uuid.uuid4(), "send", None)

    run(attempt())


@pytest.mark.parametrize("event", ["package", "send", "verify", "reject", "receipt", "shred"])
def test_p08_a_worker_that_was_overtaken_can_record_nothing(event: str, scene: Scene) -> None:
    _, transfer = scene.due()

    async def attempt() -> None:
        async with scene.worker() as worker:
            old = await worker._claims.take_up()
            await asyncio.to_thread(scene.free)
            assert await worker._claims.take_up() is not None
            acts: dict[str, tuple[Any, ...]] = {
                "receipt": ("transfer_receive", bytes(32), bytes(32), b"x"), "shred": ("case_shred", uuid.uuid4())}  # fmt: skip
            name, *more = acts.get(event, ("transfer_done", event, {}))
            with pytest.raises(Exception, match="token is not in force"):
                await worker._door.act(name, old.secret, old.transfer, *more)

    run(attempt())
    assert scene.state(transfer) == "due"
