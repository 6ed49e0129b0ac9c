"""The database's side of a rotation of keys: begun by the owner, done by a job of the worker's role."""

from __future__ import annotations

from typing import Any

import asyncpg

from vault.adapters.postgres.pool import Pool
from vault.model import TokenSecret

_ALONE = "SELECT pg_try_advisory_lock(7021011)"
_NAMED = """
SELECT ARRAY(SELECT DISTINCT k.parent FROM vault.wrapped_key k WHERE k.parent LIKE 'root:%') AS roots, vault.rotation_json() AS state
"""
_BEGIN = "SELECT vault.rotation_begin($1)"
_TAKE_UP = "SELECT vault.rotation_take_up()"


class PostgresRotations:
    """services.rotation.Rotations over an owner's connection and the worker's pool."""

    def __init__(self, owner: asyncpg.Connection[asyncpg.Record], worker: Pool) -> None:
        self._owner, self._worker = owner, worker

    async def alone(self) -> bool:
        """The lock is the connection's: the database lets it go when its process is gone, however it went."""
        return bool(await self._owner.fetchval(_ALONE))

    async def named(self) -> dict[str, Any]:
        return dict(await self._owner.fetchrow(_NAMED))

    async def begin(self, root: str) -> None:
        await self._owner.fetchval(_BEGIN, root)

    async def take_up(self) -> TokenSecret | None:
        secret = await self._worker.value(_TAKE_UP)
        return None if secret is None else TokenSecret(bytes.fromhex(secret))
