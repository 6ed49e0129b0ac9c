"""The stored tree: read by anyone through a pool, appended to by the one connection that holds the sequencer's lock."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import asyncpg

from vault.adapters.postgres.pool import GONE, Pool
from vault.errors import DatabaseUnavailable, IntegrityBroken
from vault.formats.entry import encode_b64url
from vault.formats.tiles import Part, TileId, split_hashes
from vault.model import EntryId
from vault.services.transparency import Head, Heads, Shown, Window

LOCK = 7021003
"""The session advisory lock of the one sequencer; it needs a direct connection, not a pooler's."""

ELECTION_S = 0.2
_HEADS = "SELECT * FROM vault.log_checkpoints()"
_TILES = "SELECT level, n, hashes FROM vault.log_tiles($1, $2)"
_RESTARTED = "SELECT entry, digests, disclosures FROM vault.log_restarted()"
_WINDOW = "SELECT * FROM vault.log_window()"
_PLACE = "SELECT leaf_index FROM vault.log_place($1)"
_TRY = "SELECT pg_try_advisory_lock($1)"
_BEGIN = "SELECT origin, size, root FROM vault.tree_begin($1)"
_BATCH = "SELECT entry, leaf FROM vault.tree_batch($1)"
_APPEND = "SELECT vault.tree_append($1, $2, $3, $4, $5, $6, $7, $8, $9)"
_PUBLISH = "SELECT vault.checkpoint_publish($1, $2, $3)"
_COSIGN = "SELECT vault.checkpoint_cosign($1, $2, $3)"


def heads_of(rows: Sequence[Any]) -> Heads:
    """The rows of vault.log_checkpoints(), smallest first."""
    heads = [Head(r["size"], r["root"], r["note"], r["signed_at"], r["cosigned_at"]) for r in rows]
    cosigned = [head for head in heads if head.cosigned_at]
    return Heads(
        newest=heads[-1] if heads else None,
        cosigned=cosigned[-1] if cosigned else None,
        uncosigned_since=rows[-1]["uncosigned_since"] if rows else None,
    )


def shown_of(row: Any) -> Shown | None:
    """The row of vault.log_restarted(), if there is one."""
    if row is None:
        return None
    digests = [encode_b64url(one) for one in split_hashes(row["digests"])]
    return Shown(str(row["entry"]), digests, list(row["disclosures"]))


class PostgresLog:
    """transparency.LogReader, and the publisher's store, over a pool of the service or the sequencer."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def heads(self) -> Heads:
        return heads_of(await self._pool.rows(_HEADS))

    async def tiles(self, wanted: Collection[TileId]) -> Mapping[TileId, bytes]:
        rows = await self._pool.rows(_TILES, [level for level, _ in wanted], [n for _, n in wanted])
        return {(row["level"], row["n"]): row["hashes"] for row in rows}

    async def place(self, entry: EntryId) -> tuple[bool, int | None]:
        row = await self._pool.row(_PLACE, entry)
        return row is not None, row["leaf_index"] if row else None

    async def restarted(self) -> Shown | None:
        return shown_of(await self._pool.row(_RESTARTED))

    async def window(self) -> Window | None:
        row = await self._pool.row(_WINDOW)
        if row is None:
            return None
        since = row["uncosigned_since"]
        return Window(
            row["origin"], row["size"], row["waiting"], row["signed_size"], row["cosigned_size"], row["cosigned_at"], since,
            (row["now"] - since).total_seconds() if since else 0.0,
        )  # fmt: skip

    async def cosign(self, size: int, root: bytes, note: str) -> None:
        await self._pool.row(_COSIGN, size, root, note)


class PostgresTree:
    """sequencer.Tree: one connection, whose session holds the lock."""

    def __init__(self, url: str, *, wait_s: float = 5.0) -> None:
        self._url = url
        self._wait_s = wait_s
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def elect(self) -> None:
        # Asked again and again rather than waited for: a session that waits inside the server cannot be told to stop.
        while not await self._value(_TRY, LOCK):  # noqa: ASYNC110 - the event is in the database
            await asyncio.sleep(ELECTION_S)

    async def begin(self, origin: str) -> tuple[str, int, bytes]:
        (row,) = await self._rows(_BEGIN, origin)
        return row["origin"], row["size"], row["root"]

    async def batch(self, at_most: int) -> Sequence[tuple[EntryId, bytes]]:
        return [(EntryId(row["entry"]), row["leaf"]) for row in await self._rows(_BATCH, at_most)]

    async def append(
        self,
        old_size: int,
        old_root: bytes,
        new_root: bytes,
        batch: Sequence[tuple[EntryId, bytes]],
        parts: Sequence[Part],
    ) -> bool:
        entries, leaves = [entry for entry, _ in batch], [leaf for _, leaf in batch]
        columns = [p.level for p in parts], [p.n for p in parts], [p.at for p in parts], [p.hashes for p in parts]
        try:
            return bool(await self._value(_APPEND, old_size, old_root, new_root, entries, leaves, *columns))
        except asyncpg.IntegrityConstraintViolationError as error:
            raise IntegrityBroken(f"the database refused the batch: {error.sqlstate}") from None

    async def publish(self, size: int, root: bytes, note: str) -> bool:
        return bool(await self._value(_PUBLISH, size, root, note))

    async def heads(self) -> Heads:
        return heads_of(await self._rows(_HEADS))

    async def tiles(self, wanted: Collection[TileId]) -> Mapping[TileId, bytes]:
        rows = await self._rows(_TILES, [level for level, _ in wanted], [n for _, n in wanted])
        return {(row["level"], row["n"]): row["hashes"] for row in rows}

    async def place(self, entry: EntryId) -> tuple[bool, int | None]:
        rows = await self._rows(_PLACE, entry)
        return bool(rows), rows[0]["leaf_index"] if rows else None

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _value(self, query: str, *arguments: object) -> Any:
        rows = await self._rows(query, *arguments)
        return rows[0][0] if rows else None

    async def _rows(self, query: str, *arguments: object) -> Sequence[Any]:
        try:
            return await asyncio.wait_for(self._fetch(query, arguments), self._wait_s)
        except TimeoutError:
            await self.close()
            raise DatabaseUnavailable("the database did not answer in time") from None
        except GONE as error:
            await self.close()
            raise DatabaseUnavailable("the database cannot be reached") from error

    async def _fetch(self, query: str, arguments: tuple[object, ...]) -> Sequence[Any]:
        if self._connection is None:
            if query != _TRY:
                # A new session would not hold the lock, so only an election may begin one.
                raise DatabaseUnavailable("the sequencer's connection is gone")
            self._connection = await asyncpg.connect(self._url)
        rows: Sequence[Any] = await self._connection.fetch(query, *arguments)
        return rows
