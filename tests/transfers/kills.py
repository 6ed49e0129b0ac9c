"""A worker that is killed (SIGKILL) at a seeded point: before or after a call, or in the middle of what it sends or reads."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from vault.adapters.deposits.directory import DirectoryDeposit
from vault.adapters.keyring.file import FileKeyring
from vault.adapters.postgres.door import PostgresDoor
from vault.adapters.postgres.pool import Pool
from vault.adapters.postgres.sequencer import PostgresLog
from vault.adapters.postgres.transfers import PostgresClaims
from vault.adapters.stores.directory import DirectoryStore
from vault.errors import DatabaseUnavailable
from vault.services.proofs import Prover
from vault.services.sequencer import log_vkey
from vault.services.transfer_worker import TransferWorker

COUNTED = {"ask", "act", "find", "take_up", "expected", "objects", "put", "read", "versions", "delete", "items"}
STREAMED = {"fetch", "put"}


class Where(msgspec.Struct, frozen=True):
    """What a worker needs; ``url`` is the worker role's."""

    url: str
    keyring: str
    objects: str
    deposit: str
    origin: str


class Death:
    """Counts down over all parts together; at the end this process is gone."""

    def __init__(self, dice: random.Random | None) -> None:
        self._left = dice.randint(1, 45) if dice else 0

    def near(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Mortal:
    """Stands before a part and may be the last thing that its process does."""

    def __init__(self, part: Any, death: Death) -> None:
        self._part, self._death = part, death

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._part, name)
        if name == "fetch":
            return lambda *arguments, **more: self._stream(real(*arguments, **more))
        if name not in COUNTED:
            return real

        async def call(*arguments: Any, **more: Any) -> Any:
            self._death.near()
            if name == "put":
                arguments = (arguments[0], self._stream(arguments[1]))
            answer = await real(*arguments, **more)
            self._death.near()
            return answer

        return call

    async def _stream(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for piece in pieces:
            self._death.near()
            yield piece


def work(where: Where, seed: int | None) -> None:
    """Go on with transfers until there is nothing to do, or until death."""
    asyncio.run(_work(where, seed))


async def _work(where: Where, seed: int | None) -> None:
    death = Death(random.Random(seed) if seed is not None else None)
    pool = Pool(where.url, size=2, wait_s=20)
    keyring = FileKeyring(Path(where.keyring))
    parts: dict[str, Any] = {
        "door": PostgresDoor(pool, pool, keyring), "claims": PostgresClaims(pool), "keyring": keyring,
        "store": DirectoryStore(Path(where.objects)), "deposit": DirectoryDeposit(Path(where.deposit)),
        "prover": Prover(PostgresLog(pool), log_vkey(keyring, where.origin), wait_s=10),
    }  # fmt: skip
    worker = TransferWorker(
        **{name: part if name == "keyring" else Mortal(part, death) for name, part in parts.items()}
    )
    try:
        while await worker.step() is not None:
            pass
    except DatabaseUnavailable:
        pass
    finally:
        await pool.close()
