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


class NoCheckpoint(Hidden):
    """Raised when the log has not been signed yet."""

    code = "no-checkpoint-yet"


class TileOutOfRange(Hidden):
    """Raised for a tile, or a width of one, that the newest checkpoint's tree does not have."""

    code = "tile-out-of-range"


class UnknownEntry(Hidden):
    """Raised for an id that is no entry's. Ids are random, and the log's routes tell nothing else of an entry."""

    code = "unknown-entry"


class NeverBegunAnew(Hidden):
    """Raised when a log still has its first origin."""

    code = "never-begun-anew"


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


class Window(msgspec.Struct, frozen=True):
    """How far the log is: ``waiting`` entries are in no tree yet; those from ``cosigned_size`` on have only a promise.

    ``uncosigned_s`` is since how many seconds the tree holds something that no witness has cosigned; 0 when it does not.
    """

    origin: str
    size: int
    waiting: int
    signed_size: int | None
    cosigned_size: int | None
    cosigned_at: dt.datetime | None
    uncosigned_since: dt.datetime | None
    uncosigned_s: float


class Shown(msgspec.Struct, frozen=True):
    """An entry as anyone may verify it (docs/spec/log-tree.md §8)."""

    entry: str
    digests: list[str]
    disclosures: list[str]


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


class PublicLog(LogReader, Protocol):
    """What else is told to everyone."""

    async def restarted(self) -> Shown | None:
        """The first leaf of a log that was begun anew after a restore."""
        ...

    async def window(self) -> Window | None:
        """How far the log is; None before its first start."""
        ...


async def read_hashes(reader: LogReader, ranges: list[Range]) -> list[bytes]:
    """The hashes of a proof's ranges, read with one query. Raises: InvalidInput when a tile is missing."""
    tiles = await reader.tiles(tiles_of(ranges))
    return [read_range(start, end, tiles) for start, end in ranges]


class Transparency:
    """What the routes below /v1/log answer."""

    def __init__(self, reader: PublicLog) -> None:
        self._reader = reader

    async def checkpoint(self) -> Heads:
        """The newest checkpoints. Raises: NoCheckpoint while there is none."""
        heads = await self._reader.heads()
        if heads.newest is None:
            raise NoCheckpoint("the log has no checkpoint yet")
        return heads

    async def restarted(self) -> Shown:
        """The entry that a log begun anew starts with. Raises: NeverBegunAnew."""
        shown = await self._reader.restarted()
        if shown is None:
            raise NeverBegunAnew("this log was never begun anew")
        return shown

    async def tile(self, level: int, n: int, width: int) -> bytes:
        """``width`` hashes of one tile. Raises: TileOutOfRange unless the newest checkpoint's tree has it as wide as that."""
        newest = (await self.checkpoint()).newest
        if newest is None or level > MAX_LEVEL or width_at(level, n, newest.size) < width:
            raise TileOutOfRange(f"the tree has {newest.size if newest else 0} entries, and no such tile of that width")
        content = (await self._reader.tiles([(level, n)])).get((level, n), b"")
        return content[: 32 * min(width, WIDTH)]

    async def proof(self, entry: EntryId) -> str | Waiting:
        """The tlog-proof of one entry, against a cosigned checkpoint if one covers it. Raises: UnknownEntry."""
        exists, index = await self._reader.place(entry)
        if not exists:
            raise UnknownEntry("the log has no such entry")
        heads = await self._reader.heads()
        covering = [head for head in (heads.cosigned, heads.newest) if head and index is not None and index < head.size]
        if index is None or not covering:
            return Waiting()
        hashes = await read_hashes(self._reader, inclusion_ranges(index, covering[0].size))
        return encode_proof(index, hashes, covering[0].note)
