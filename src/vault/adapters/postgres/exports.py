"""The worker's claims on exports."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from vault.adapters.postgres.pool import Pool
from vault.model import TokenSecret
from vault.services.export_worker import Taken

_TAKE_UP = "SELECT vault.export_take_up()"
_KEEP = "SELECT vault.export_keep($1, $2, $3, $4, $5)"
_ENTRIES = "SELECT array_agg(e) FROM vault.export_entries($1, $2, $3, $4, $5) AS e"
_OPENINGS = "SELECT vault.export_openings($1, $2, $3, $4, $5)"
_EXPIRE = "SELECT vault.exports_expire()"
_OBJECTS = "SELECT array_agg(o) FROM vault.export_objects($1) AS o"


class PostgresExportClaims:
    """services.export_worker.Claims over the worker role's pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def take_up(self) -> Taken | None:
        found = await self._pool.value(_TAKE_UP)
        if found is None:
            return None
        secret = TokenSecret(bytes.fromhex(found["secret"]))
        return Taken(export=uuid.UUID(found["export"]), secret=secret, tries=int(found["tries"]))

    async def keep(self, taken: Taken, wait: dt.timedelta, documents: int, size: int) -> bool:
        return bool(await self._pool.value(_KEEP, taken.secret, taken.export, wait, documents, size))

    async def entries(self, taken: Taken, as_of: dt.datetime, after: uuid.UUID, limit: int) -> list[dict[str, Any]]:
        return list(await self._pool.value(_ENTRIES, taken.secret, taken.export, as_of, after, limit) or ())

    async def openings(
        self, taken: Taken, as_of: dt.datetime, after: uuid.UUID | None, limit: int
    ) -> list[dict[str, Any]]:
        return list(await self._pool.value(_OPENINGS, taken.secret, taken.export, as_of, after, limit))

    async def expire(self) -> int:
        return int(await self._pool.value(_EXPIRE))

    async def objects(self, removed: Sequence[str]) -> list[str]:
        return list(await self._pool.value(_OBJECTS, list(removed)) or ())
