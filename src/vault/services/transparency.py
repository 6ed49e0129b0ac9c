"""The log as everyone may see it: checkpoints, tiles, and the proof that an entry stands in the tree.

Nothing here is secret: hashes of salted commitments, and positions. Source: docs/spec/log-tree.md; promise P7.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Protocol

import msgspec

from vault.errors import Hidden
from vault.formats.merkle import Range, inclusion_ranges
from vault.formats.tiles import MAX_LEVEL, WIDTH, TileId, read_range, tiles_of, width_at
from vault.formats.tlogproof import encode_proof
from vault.model import EntryId


class Head(msgspec.Struct, frozen=True):
    """A signed checkpoint as stored; ``note`` holds the cosignatures once ``cosigned_at`` is set."""

    size: int
    root: bytes
    note: str
    signed_at: dt.datetime
    cosigned_at: dt.datetime | None = None


class Heads(msgspec.Struct, frozen=True):
    """The newest checkpoint, the newest cosigned one, and since when the tree holds something not cosigned."""

    newest: Head | None = None
    cosigned: Head | None = None
    uncosigned_since: dt.datetime | None = None


class Waiting(msgspec.Struct, frozen=True):
    """The entry exists and no checkpoint covers it yet."""

    retry_after_s: int = 1


class LogReader(Protocol):
    """Reads the stored tree. Every method raises DatabaseUnavailable within the bounded wait."""

    async def heads(self) -> Heads: ...

    async def tiles(self, wanted: Collection[TileId]) -> Mapping[TileId, bytes]:
        """The stored tiles among the wanted ones, each as wide as it is by now."""
        ...

    async def place(self, entry: EntryId) -> tuple[bool, int | None]:
        """Whether the entry exists, and its leaf index once it has one."""
        ...


async def read_hashes(reader: LogReader, ranges: list[Range]) -> list[bytes]:
    """The hashes of a proof's ranges, read with one query. Raises: InvalidInput when a tile is missing."""
    tiles = await reader.tiles(tiles_of(ranges))
    return [read_range(start, end, tiles) for start, end in ranges]


class Transparency:
    """What the routes below /v1/log answer."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader

    async def checkpoint(self) -> Heads:
        """The newest checkpoints. Raises: Hidden while there is none."""
        heads = await self._reader.heads()
        if heads.newest is None:
            raise Hidden("the log has no checkpoint yet")
        return heads

    async def tile(self, level: int, n: int, width: int) -> bytes:
        """``width`` hashes of one tile. Raises: Hidden unless the newest checkpoint's tree has it as wide as that."""
        newest = (await self.checkpoint()).newest
        if newest is None or level > MAX_LEVEL or width_at(level, n, newest.size) < width:
            raise Hidden("the tree has no such tile")
        content = (await self._reader.tiles([(level, n)])).get((level, n), b"")
        return content[: 32 * min(width, WIDTH)]

    async def proof(self, entry: EntryId) -> str | Waiting:
        """The tlog-proof of one entry, against a cosigned checkpoint if one covers it. Raises: Hidden for no entry."""
        exists, index = await self._reader.place(entry)
        if not exists:
            raise Hidden("there is no such entry")
        heads = await self._reader.heads()
        covering = [head for head in (heads.cosigned, heads.newest) if head and index is not None and index < head.size]
        if index is None or not covering:
            return Waiting()
        hashes = await read_hashes(self._reader, inclusion_ranges(index, covering[0].size))
        return encode_proof(index, hashes, covering[0].note)
