"""What the monitor reads: the database's tables, and its own copy of the tree."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from vault.formats.tiles import Edge, Part, TileId

Row = Mapping[str, Any]


class Placed(msgspec.Struct, frozen=True):
    """What the database holds at one leaf index; None where it holds nothing."""

    leaf_index: int
    entry: uuid.UUID | None
    row: Any


class LogDatabase(Protocol):
    """The database as the monitor's role reads it. Every method raises DatabaseUnavailable within its bounded wait."""

    async def cosigned(self) -> str | None:
        """The note of the largest cosigned checkpoint."""
        ...

    async def tree_size(self) -> int: ...

    async def tiles(self, wanted: Collection[TileId]) -> Mapping[TileId, bytes]: ...

    async def entries(self, start: int, end: int) -> Sequence[Placed]:
        """One for each leaf index of the range, in order."""
        ...

    async def strays(self, after: uuid.UUID, at_most: int) -> tuple[Sequence[uuid.UUID], uuid.UUID | None]:
        """Among the next entries by id, those that neither stand in the tree nor wait; and the last id, None at the end."""
        ...

    async def find_leaf(self, leaf: bytes) -> uuid.UUID | None:
        """The entry that stores this leaf, wherever it is; slow."""
        ...

    async def consents(self, entries: Collection[uuid.UUID]) -> Mapping[uuid.UUID, tuple[Row, Sequence[Row]]]:
        """By the entry that recorded it: each consent and its provisions in order."""
        ...

    async def withdrawals(self, consents: Collection[uuid.UUID]) -> Sequence[Row]:
        """All withdrawals of these consents: consent, entry, provisions."""
        ...

    async def unlogged_consents(self) -> Sequence[tuple[uuid.UUID, uuid.UUID]]:
        """Consents that no entry of the log recorded, and the entry that they name."""
        ...

    async def pruned_months(self) -> Collection[str]:
        """The months (YYYY-MM) that entries of the log say were let go. Slow."""
        ...


class Mirror(Protocol):
    """The monitor's own copy of the tree; see adapters/tile_directory.py."""

    def note(self) -> str | None: ...

    def tile(self, tile: TileId, size: int) -> bytes: ...

    def extend(self, old: Edge, parts: Sequence[Part], note: str) -> None: ...
