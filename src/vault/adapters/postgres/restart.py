"""restart.RestartStore over one connection of the owner that holds the sequencer's lock."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping

import asyncpg

from vault.adapters.postgres.sequencer import LOCK
from vault.errors import Conflict, InvalidInput
from vault.formats.tiles import TileId
from vault.services.restart import Stored

_HEAD = "SELECT origin, size, root FROM vault.tree"
_NOTES = "SELECT note FROM vault.checkpoint WHERE cosigned_at IS NOT NULL ORDER BY size DESC"
_TILES = """
SELECT t.level, t.n, t.hashes FROM unnest($1::integer[], $2::bigint[]) AS w (level, n)
JOIN vault.tree_tile t ON t.level = w.level AND t.n = w.n
"""


class PostgresRestart:
    """Order: ``lead`` first; the lock ends with the connection."""

    def __init__(self, owner: asyncpg.Connection[asyncpg.Record]) -> None:
        self._owner = owner

    async def lead(self) -> None:
        """Take the sequencer's lock. Raises: Conflict when another holds it."""
        if not await self._owner.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
            raise Conflict("a sequencer is running; stop vault log keep first", code="sequencer-running")

    async def stored(self) -> Stored:
        row = await self._owner.fetchrow(_HEAD)
        if row is None:
            raise InvalidInput("the database holds no log yet", field="checkpoint")
        notes = [one["note"] for one in await self._owner.fetch(_NOTES)]
        return Stored(row["origin"], row["size"], row["root"], notes)

    async def tiles(self, wanted: Collection[TileId]) -> Mapping[TileId, bytes]:
        rows = await self._owner.fetch(_TILES, [level for level, _ in wanted], [n for _, n in wanted])
        return {(row["level"], row["n"]): row["hashes"] for row in rows}

    async def restart(self, old: Stored, origin: str, about: str) -> uuid.UUID | None:
        query = "SELECT vault.tree_restart($1, $2, $3, $4, $5)"
        try:
            entry: uuid.UUID | None = await self._owner.fetchval(query, old.origin, old.size, old.root, origin, about)
        except asyncpg.UniqueViolationError:
            raise InvalidInput("the new origin was used before", field="origin") from None
        return entry
