"""P8 under SIGKILL: two workers at once, each killed at a seeded point, until the case has come to its end.

At every instant the vault can still open the case, or it has the archive's verified receipt; never neither.
"""

from __future__ import annotations

import multiprocessing
import random
import time
from multiprocessing.process import BaseProcess

import pytest

from tests.transfers.conftest import ORIGIN, Scene
from tests.transfers.kills import Where, work
from vault.archive.receive import check_package

ROUNDS = 40
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.transfers.kills"])


def where(scene: Scene) -> Where:
    folder = scene.service.folder
    return Where(
        scene.service.database.url("worker"), str(folder / "keys"), str(folder / "objects"), str(scene.deposit), ORIGIN
    )


class Schedule:
    """One case's way under one seed."""

    def __init__(self, scene: Scene, seed: int) -> None:
        self._scene, self._dice = scene, random.Random(seed)
        self.case, self.transfer = scene.due(b"paper", b"x" * 200_000)
        self.killed = 0

    def run(self) -> int:
        """To the end; how many workers were killed on the way."""
        for round_ in range(ROUNDS):
            self._scene.free()
            # The later the round, the likelier it is that a worker lives: every schedule ends.
            fates = [None if self._dice.random() < round_ / 5 else self._dice.randrange(1 << 30) for _ in range(2)]
            workers = [FORKS.Process(target=work, args=(where(self._scene), fate)) for fate in fates]
            for worker in workers:
                worker.start()
            self._watch(workers)
            if self._is_over():
                return self.killed
        raise AssertionError(f"the schedule did not end: {self._scene.state(self.transfer)}")

    def _watch(self, workers: list[BaseProcess]) -> None:
        """Look at the promise again and again while they work; take their claims from them at some moment."""
        overtaken = self._dice.random() < 0.5
        deadline = time.monotonic() + 60
        while any(worker.is_alive() for worker in workers):
            assert time.monotonic() < deadline
            self._hold()
            self._receive()
            if overtaken and self._dice.random() < 0.1:
                overtaken = False
                self._scene.free()
            time.sleep(0.02)
        for worker in workers:
            worker.join()
            assert worker.exitcode in {0, -9}
            self.killed += worker.exitcode == -9
            worker.close()
        self._hold()
        self._receive()

    def _hold(self) -> None:
        keys, receipts = self._scene.service.sql(
            "SELECT (SELECT count(*) FROM vault.wrapped_key WHERE subject = $1 OR parent = 'case:' || $1),"
            " (SELECT count(*) FROM vault.transfer_receipt WHERE transfer = $2::uuid)", self.case, self.transfer)[0]  # fmt: skip
        assert keys == 3 or (keys == 0 and receipts == 1)

    def _receive(self) -> None:
        """The archive signs once, when the label is there."""
        receipt = self._scene.deposit / f"{self.transfer}.receipt.jws"
        if (self._scene.deposit / f"{self.transfer}.label.json").exists() and not receipt.exists():
            self._scene.leave_receipt(self.transfer)

    def _is_over(self) -> bool:
        left = self._scene.service.sql("SELECT vault.shredded_objects($1::uuid)", self.case)
        return self._scene.state(self.transfer) == "shredded" and not left


def check_end(scene: Scene, schedule: Schedule) -> None:
    assert scene.case_keys(schedule.case) == 0
    for table in ("transfer_package", "transfer_receipt", "shredded"):
        assert (
            scene.service.one(f"SELECT count(*) FROM vault.{table} WHERE transfer = $1::uuid", schedule.transfer) == 1
        )
    mine = [path.name for path in scene.deposit.iterdir() if schedule.transfer in path.name]
    assert sorted(mine) == sorted(
        f"{schedule.transfer}.{kind}"
        for kind in ("descriptor.age", "label.json", "label.txt", "receipt.jws", "tar.age")
    )
    check_package(scene.deposit / f"{schedule.transfer}.tar.age", scene.identities, label=None)


@pytest.mark.timeout(300)
def test_p08_killed_anywhere_with_two_workers(scene: Scene) -> None:
    killed = 0
    for seed in range(20):
        schedule = Schedule(scene, seed)
        killed += schedule.run()
        check_end(scene, schedule)
    assert killed > 20


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_p08_killed_anywhere_with_two_workers_two_hundred_times(scene: Scene) -> None:
    killed = 0
    for seed in range(1000, 1200):
        schedule = Schedule(scene, seed)
        killed += schedule.run()
        check_end(scene, schedule)
    assert killed > 200
