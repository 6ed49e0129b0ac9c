"""A rotation of keys in a process of its own, killed (SIGKILL) at its n-th step: before or after a call to the database, or
before the kernel opens, renames or removes a file of the keyring."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from vault.adapters.keyring.file import FileKeyring
from vault.adapters.postgres.door import PostgresDoor
from vault.adapters.postgres.pool import Pool, prepare
from vault.adapters.postgres.rotation import PostgresRotations
from vault.services.rotation import Rotation

CALLS = {"ask", "act", "alone", "named", "begin", "take_up"}
EVENTS = {"open", "os.rename", "os.remove"}


class Where(msgspec.Struct, frozen=True):
    """What a rotation needs: the owner's and the worker's addresses, and the keyring."""

    owner: str
    worker: str
    keyring: str


class Death:
    """Counts the steps of this process; at its own, the process is gone. Step 0 never comes."""

    def __init__(self, step: int) -> None:
        self._left = step

    def near(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Mortal:
    """Stands before a part, and may be the last thing that its process does."""

    def __init__(self, part: Any, death: Death) -> None:
        self._part, self._death = part, death

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._part, name)
        if name not in CALLS:
            return real

        async def call(*arguments: Any, **more: Any) -> Any:
            self._death.near()
            answer = await real(*arguments, **more)
            self._death.near()
            return answer

        return call


def work(where: Where, step: int) -> None:
    """Rotate to the end, or to death."""
    asyncio.run(_work(where, step))


async def _work(where: Where, step: int) -> None:
    death = Death(step)
    pool = Pool(where.worker, size=2, wait_s=20)
    owner = await asyncpg.connect(where.owner)
    await prepare(owner)
    keyring = FileKeyring(Path(where.keyring))

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in EVENTS and str(arguments[0]).startswith(where.keyring) and _changes(event, arguments):
            death.near()

    sys.addaudithook(watch)
    try:
        door, rotations = (
            Mortal(PostgresDoor(pool, pool, keyring), death),
            Mortal(PostgresRotations(owner, pool), death),
        )
        await Rotation(door, rotations, keyring, lambda _: None).run()
    finally:
        await owner.close()
        await pool.close()


def _changes(event: str, arguments: tuple[Any, ...]) -> bool:
    return event != "open" or bool(int(arguments[2]) & (os.O_WRONLY | os.O_RDWR))
