"""The worker's side of the database: what was left behind, found and cleared."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from vault.adapters.postgres.pool import Pool

_FORGET = "SELECT vault.forget_expired()"
_RELEASES = "SELECT vault.sweep_releases($1)"
_ATTEMPTS = "SELECT array_agg(a) FROM vault.sweep_attempts($1, $2) AS a"
_ABANDONED = "SELECT vault.objects_abandoned($1)"
_FILED = "SELECT array_agg(f.object ORDER BY f.object) FROM vault.filed_objects($1, $2) AS f"


class WorkerDatabase:
    """services.sweeper.Leftovers over the worker role's pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def forget_expired(self) -> int:
        return int(await self._pool.value(_FORGET))

    async def end_releases(self, *, dry_run: bool) -> int:
        return int(await self._pool.value(_RELEASES, dry_run))

    async def end_attempts(self, older_than: dt.timedelta, *, dry_run: bool) -> list[str]:
        return list(await self._pool.value(_ATTEMPTS, older_than, dry_run) or ())

    async def abandoned(self, names: Sequence[str]) -> list[str]:
        return list(await self._pool.value(_ABANDONED, list(names)))

    async def filed(self, after: str, page_size: int) -> list[str]:
        return list(await self._pool.value(_FILED, after, page_size) or ())
