"""The database as the monitor's role reads it: tables, not the functions that a superuser could have replaced."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from vault.adapters.postgres.pool import Pool
from vault.formats.tiles import TileId
from vault.services.monitor_ports import Placed

_COSIGNED = "SELECT note FROM vault.checkpoint WHERE cosigned_at IS NOT NULL ORDER BY size DESC LIMIT 1"
_TREE_SIZE = "SELECT size FROM vault.tree"
_TILES = """
SELECT t.level, t.n, t.hashes FROM unnest($1::integer[], $2::bigint[]) AS w (level, n)
JOIN vault.tree_tile t ON t.level = w.level AND t.n = w.n
"""
_ENTRIES = """
SELECT g.leaf_index AS at_index, p.entry AS at_entry, e.*
FROM generate_series($1::bigint, $2::bigint - 1) AS g (leaf_index)
LEFT JOIN vault.entry_position p ON p.leaf_index = g.leaf_index
LEFT JOIN vault.entry e ON e.id = p.entry
ORDER BY g.leaf_index
"""
# One statement, so one snapshot: an entry leaves the pending set in the commit that gives it a position.
_STRAYS = """
SELECT e.id, EXISTS (SELECT FROM vault.entry_position p WHERE p.entry = e.id)
    OR EXISTS (SELECT FROM vault.entry_pending w WHERE w.entry = e.id) AS logged
FROM (SELECT x.id FROM vault.entry x WHERE x.id > $1 ORDER BY x.id LIMIT $2) e
"""
_PRUNED = "SELECT facts FROM vault.entry WHERE act = 'log-prune' AND facts IS NOT NULL"
_FIND = "SELECT id FROM vault.entry WHERE leaf = $1 LIMIT 1"
_CONSENTS = "SELECT id, entry, provisions_digest FROM vault.consent WHERE entry = ANY($1::uuid[])"
_PROVISIONS = "SELECT * FROM vault.provision WHERE consent = ANY($1::uuid[]) ORDER BY consent, number"
_WITHDRAWALS = "SELECT consent, entry, provisions FROM vault.withdrawal WHERE consent = ANY($1::uuid[])"
_UNLOGGED = """
SELECT c.id, c.entry FROM vault.consent c
WHERE NOT EXISTS (SELECT FROM vault.entry e WHERE e.id = c.entry AND (e.consent = c.id OR e.salts IS NULL))
"""


class PostgresLogDatabase:
    """monitor.LogDatabase over a pool of the monitor's role."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def cosigned(self) -> str | None:
        note: str | None = await self._pool.value(_COSIGNED)
        return note

    async def tree_size(self) -> int:
        return int(await self._pool.value(_TREE_SIZE) or 0)

    async def tiles(self, wanted: Collection[TileId]) -> Mapping[TileId, bytes]:
        rows = await self._pool.rows(_TILES, [level for level, _ in wanted], [n for _, n in wanted])
        return {(row["level"], row["n"]): row["hashes"] for row in rows}

    async def entries(self, start: int, end: int) -> Sequence[Placed]:
        rows = await self._pool.rows(_ENTRIES, start, end)
        return [Placed(row["at_index"], row["at_entry"], row if row["id"] else None) for row in rows]

    async def strays(self, after: uuid.UUID, at_most: int) -> tuple[Sequence[uuid.UUID], uuid.UUID | None]:
        rows = await self._pool.rows(_STRAYS, after, at_most)
        return [row["id"] for row in rows if not row["logged"]], max(r["id"] for r in rows) if rows else None

    async def find_leaf(self, leaf: bytes) -> uuid.UUID | None:
        found: uuid.UUID | None = await self._pool.value(_FIND, leaf)
        return found

    async def consents(self, entries: Collection[uuid.UUID]) -> Mapping[uuid.UUID, tuple[Any, Sequence[Any]]]:
        consents = await self._pool.rows(_CONSENTS, list(entries))
        provisions = await self._pool.rows(_PROVISIONS, [row["id"] for row in consents])
        return {c["entry"]: (c, [p for p in provisions if p["consent"] == c["id"]]) for c in consents}

    async def withdrawals(self, consents: Collection[uuid.UUID]) -> Sequence[Any]:
        return await self._pool.rows(_WITHDRAWALS, list(consents))

    async def unlogged_consents(self) -> Sequence[tuple[uuid.UUID, uuid.UUID]]:
        return [(row["id"], row["entry"]) for row in await self._pool.rows(_UNLOGGED)]

    async def pruned_months(self) -> Collection[str]:
        return {row["facts"] for row in await self._pool.rows(_PRUNED)}
