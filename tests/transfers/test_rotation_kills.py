"""P8 under SIGKILL: a rotation of root and epoch keys, killed at any step, again and again, and then let to its end.

At every instant what lives on opens with the keyring as it lies on the disk; a case is called beyond recovery only when
nothing that was ever in a backup opens it; and running the rotation again completes it.
"""

from __future__ import annotations

import multiprocessing
import random

import pytest

from tests.transfers.conftest import Scene
from tests.transfers.rotation_kills import Where, work
from tests.transfers.thief import Thief, roots_in
from vault.adapters.keyring import files
from vault.formats import wrapping
from vault.model import KeyKind

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.transfers.kills", "tests.transfers.rotation_kills"])
STEPS = 20
"""Fewer than a rotation of a few keys has from its beginning (27), so that the first of a schedule is always killed."""


class Dying:
    """A shredded case, one that lives, and rotations that are killed."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._keyring = scene, scene.service.folder / "keys"
        living = scene.caller.open_case()
        self._paper = scene.caller.file(living, content=b"through all of it")
        self._thief = Thief(self._keyring)
        case, self._transfer = scene.due(b"gone")
        self._case = case
        self._back_up()
        scene.work(2)
        scene.leave_receipt(self._transfer)
        scene.work()
        assert scene.state(self._transfer) == "shredded"
        assert self._opens()

    def _back_up(self) -> None:
        """What a backup of this moment would hold of the shredded case's chain of keys."""
        rows = self._scene.service.sql(
            "SELECT kind, subject, wrapped FROM vault.wrapped_key WHERE kind = 'epoch' OR subject = $1 OR parent = 'case:' || $1",
            self._case,
        )
        self._thief.know((row["kind"], row["subject"]) for row in rows)
        self._thief.wrapped |= {row["wrapped"] for row in rows}

    def _opens(self) -> bool:
        return f"case:{self._case}" in self._thief.opened()

    def rotate(self, step: int) -> bool:
        """One rotation, in a process of its own that is killed at that step; whether it came to its end."""
        database = self._scene.service.database
        where = Where(database.url(), database.url("worker"), str(self._keyring))
        process = FORKS.Process(target=work, args=(where, step))
        process.start()
        process.join(60)
        code = process.exitcode
        process.close()
        assert code in {0, -9}, f"step {step}: {code}"
        self._hold()
        return code == 0

    def _hold(self) -> None:
        self._back_up()
        roots = {f"root:{name}": key for name, key in files.load(self._keyring).roots.items()}
        rows = self._scene.service.sql(
            "WITH RECURSIVE up AS (SELECT * FROM vault.wrapped_key WHERE kind = 'document' AND subject = $1"
            " UNION ALL SELECT k.* FROM up JOIN vault.wrapped_key k ON up.parent = k.kind || ':' || k.subject)"
            " SELECT kind, subject, parent, wrapped FROM up", self._paper)  # fmt: skip
        assert [row["kind"] for row in rows] == ["document", "case", "epoch"]
        known = dict(roots)
        for row in reversed(rows):
            known[f"{row['kind']}:{row['subject']}"] = wrapping.unwrap_key(
                known[row["parent"]],
                row["wrapped"],
                kind=KeyKind(row["kind"]),
                subject=row["subject"],
                parent=row["parent"],
            )
        assert self._scene.state(self._transfer) == "shredded" or not self._opens()

    def check_end(self) -> None:
        """Run once more without a killer, it is whole; what lives on opens, and what does not, does not."""
        assert self.rotate(0)
        state = self._scene.service.one("SELECT vault.rotation_json()")
        assert (state["ended_at"] is not None, state["left"], state["alive"]) == (True, 0, [])
        assert self._scene.state(self._transfer) == "beyond-recovery"
        assert not self._opens()
        retired = {row["name"] for row in self._scene.service.sql("SELECT name FROM vault.key_retired")}
        assert not {f"root:{name}" for name in roots_in(self._keyring)} & retired
        acting = self._scene.caller.coordinator
        assert acting.read(self._paper).content == b"through all of it"
        new = self._scene.caller.file(self._scene.caller.open_case(), content=b"filed afterwards")
        assert acting.read(new).content == b"filed afterwards"


def schedule(scene: Scene, seed: int) -> int:
    """Kills at seeded steps, until a rotation outlives its step; how many there were."""
    dice, dying, killed = random.Random(seed), Dying(scene), 0
    while not dying.rotate(dice.randint(1, STEPS)):
        killed += 1
    dying.check_end()
    return killed


@pytest.mark.timeout(300)
def test_p08_a_rotation_killed_at_seeded_steps_is_completed_by_the_next(scene: Scene) -> None:
    assert sum(schedule(scene, seed) for seed in range(3)) >= 3


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_p08_a_rotation_killed_at_every_step_is_completed_by_the_next(scene: Scene) -> None:
    for step in range(1, 200):
        dying = Dying(scene)
        ended = dying.rotate(step)
        dying.check_end()
        if ended:
            assert step > STEPS
            return
    raise AssertionError("a rotation has more steps than that")


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_p08_a_rotation_killed_at_many_seeded_steps(scene: Scene) -> None:
    assert sum(schedule(scene, seed) for seed in range(100, 150)) > 50


def test_p08_two_rotations_at_once_are_refused(scene: Scene) -> None:
    """Two would each make a root key, and one that died then could not be completed."""

    from tests.support.service import run
    from tests.transfers.test_rotation import rotated, rotation
    from vault.errors import Conflict

    async def attempt() -> None:
        async with rotation(scene) as first, rotation(scene) as second:
            assert await first._rotations.alone()
            with pytest.raises(Conflict, match="another rotation of keys is running"):
                await second.run()

    run(attempt())
    assert run(rotated(scene)).root
