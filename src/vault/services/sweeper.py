"""Finds and clears what crashes leave behind; a whole document is never touched (promise P4).

The order is what makes it safe: an abandoned attempt is marked in the database first, so that its late commit is refused,
and its object is deleted after. Both can be interrupted and repeated.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Protocol

import msgspec

from vault.errors import ObjectTampered
from vault.ports import ObjectStore

ATTEMPT_AGE = dt.timedelta(hours=6)
"""No upload takes longer than this; an older attempt without its commit is abandoned."""
PAGE = 500


class Leftovers(Protocol):
    """The database's side. Raises DatabaseUnavailable within the bounded wait."""

    async def forget_expired(self) -> int:
        """Forget burnt ids and tokens that can no longer matter; how many burnt ids."""
        ...

    async def end_releases(self, *, dry_run: bool) -> int:
        """Write the outcome ``unknown`` for releases whose process is gone; how many."""
        ...

    async def end_attempts(self, older_than: dt.timedelta, *, dry_run: bool) -> list[str]:
        """Mark abandoned attempts as ended; the objects' names."""
        ...

    async def abandoned(self, names: Sequence[str]) -> list[str]:
        """Of these objects, those that no filing and no living attempt names."""
        ...

    async def filed(self, after: str, page_size: int) -> list[str]:
        """Names of objects that documents point to, in order, from after a name."""
        ...


class Swept(msgspec.Struct, frozen=True):
    """What one sweep found (and, unless it was a dry run, cleared)."""

    releases: int
    attempts: int
    objects: int
    forgotten: int
    missing: tuple[str, ...]


class Sweeper:
    """One sweep at a time; several workers may sweep at once without harm."""

    def __init__(self, leftovers: Leftovers, store: ObjectStore) -> None:
        self._leftovers = leftovers
        self._store = store

    async def sweep(self, *, older_than: dt.timedelta = ATTEMPT_AGE, dry_run: bool = False) -> Swept:
        """Clear everything that is older than ``older_than`` and belongs to nothing; says what is missing."""
        releases = await self._leftovers.end_releases(dry_run=dry_run)
        attempts = await self._leftovers.end_attempts(older_than, dry_run=dry_run)
        deleted, present = 0, set()
        batch: list[str] = []
        async for name in self._store.names():
            present.add(name)
            batch.append(name)
            if len(batch) >= PAGE:
                deleted += await self._delete_abandoned(batch, attempts, dry_run=dry_run)
                batch = []
        deleted += await self._delete_abandoned(batch, attempts, dry_run=dry_run)
        forgotten = 0 if dry_run else await self._leftovers.forget_expired()
        missing = await self._missing(present)
        return Swept(releases=releases, attempts=len(attempts), objects=deleted, forgotten=forgotten, missing=missing)

    async def _delete_abandoned(self, names: list[str], attempts: list[str], *, dry_run: bool) -> int:
        if not names:
            return 0
        abandoned = set(await self._leftovers.abandoned(names))
        if dry_run:  # nothing was marked yet: what would have been marked counts as well
            return len(abandoned | (set(attempts) & set(names)))
        for name in abandoned:
            await self._store.delete(name)
        return len(abandoned)

    async def _missing(self, present: set[str]) -> tuple[str, ...]:
        """Objects that documents point to and the store does not have: a person must look."""
        missing, after = [], ""
        while page := await self._leftovers.filed(after, PAGE):
            # Filed after the listing began is not missing: ask the store about each candidate once more.
            missing += [name for name in page if name not in present and not await self._exists(name)]
            after = page[-1]
        return tuple(missing)

    async def _exists(self, name: str) -> bool:
        try:
            await self._store.size(name)
        except ObjectTampered:
            return False
        return True
