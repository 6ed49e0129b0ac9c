"""Begins the log anew under another origin, after a restored backup lost entries that a witness had cosigned.

The witness rightly refuses to cosign the log as it now is. So it ends at its last cosigned checkpoint, and a new log
begins, whose first leaf is an entry that holds that checkpoint, how many leaves of it the database still holds, and how
many are lost. All entries that are left are put in behind it.

Source: docs/spec/log-tree.md §9; promise P7.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from vault import verifier
from vault.errors import Conflict, IntegrityBroken, InvalidInput
from vault.formats.entry import encode_b64url
from vault.formats.merkle import HASH_SIZE
from vault.formats.tiles import WIDTH, TileId, read_range, tiles_of, width_at
from vault.verifier import Key, Unverified


class Stored(msgspec.Struct, frozen=True):
    """The stored tree's head, and its cosigned checkpoints, largest first."""

    origin: str
    size: int
    root: bytes
    cosigned: Sequence[str]


class RestartStore(Protocol):
    """The database as its owner, holding the sequencer's lock. Raises: Conflict when a sequencer runs."""

    async def stored(self) -> Stored: ...

    async def tiles(self, wanted: Collection[TileId]) -> Mapping[TileId, bytes]: ...

    async def restart(self, old: Stored, origin: str, about: str) -> uuid.UUID | None:
        """Begin anew in one transaction; the first leaf's entry, None when the head is another one by now."""
        ...


class Record(msgspec.Struct, frozen=True):
    """What the first leaf's ``facts`` say, as JSON: the cosigned note (base64url), and leaves of it held and lost."""

    checkpoint: str
    held: int
    lost: int


CopiedTile = Callable[[int], bytes]
"""A level-0 tile of a verified copy of the log that was cosigned."""


async def restart(
    store: RestartStore,
    note: str,
    log: Key,
    witnesses: Sequence[Key],
    origin: str,
    copy: tuple[int, CopiedTile] | None = None,
) -> tuple[uuid.UUID, Record]:
    """Begin the log anew as ``origin``; ``note`` is the last cosigned checkpoint, ``copy`` a copy's size and tiles.

    Raises: IntegrityBroken when the checkpoint is not verified; InvalidInput when it is another log's or the origin is not
    new; Conflict when nothing that it covers was lost.
    """
    try:
        head = verifier.verify_checkpoint(note, log, witnesses, quorum=1)
    except Unverified as error:
        raise IntegrityBroken(f"the last cosigned checkpoint is not verified: {error}") from None
    stored = await store.stored()
    if head.origin != stored.origin:
        raise InvalidInput(f"the database holds the log {stored.origin}, not {head.origin}", field="checkpoint")
    if origin == stored.origin:
        raise InvalidInput("the new origin is the old one", field="origin")
    if head.size <= stored.size and await _root_at(store, head.size) == head.root:
        raise Conflict("the stored log continues this checkpoint; nothing was lost", code="nothing-lost")
    held = await (_held_by_copy(store, stored, *copy) if copy else _held_by_notes(store, stored, log, witnesses))
    held = min(held, head.size)
    record = Record(encode_b64url(note.encode()), held, head.size - held)
    entry = await store.restart(stored, origin, msgspec.json.encode(record).decode())
    if entry is None:
        raise Conflict("the tree's head was changed meanwhile; try again", code="try-again")
    return entry, record


async def _root_at(store: RestartStore, size: int) -> bytes:
    """The root of the stored tree's first leaves. Raises: InvalidInput when tiles are missing."""
    if size == 0:
        return verifier.tree_hash([])
    return read_range(0, size, await store.tiles(tiles_of([(0, size)])))


async def _held_by_copy(store: RestartStore, stored: Stored, size: int, copied: CopiedTile) -> int:
    """How many leaves from the first one on are those of the copy."""
    for n in range(-(-min(size, stored.size) // WIDTH)):
        width = min(width_at(0, n, size), width_at(0, n, stored.size))
        own, held = copied(n), (await store.tiles([(0, n)])).get((0, n), b"")
        for i in range(width):
            place = slice(i * HASH_SIZE, (i + 1) * HASH_SIZE)
            if own[place] != held[place]:
                return n * WIDTH + i
    return min(size, stored.size)


async def _held_by_notes(store: RestartStore, stored: Stored, log: Key, witnesses: Sequence[Key]) -> int:
    """Without a copy: the largest cosigned checkpoint of the restored database that its tiles still make."""
    for note in stored.cosigned:
        try:
            head = verifier.verify_checkpoint(note, log, witnesses, quorum=1)
            if head.size <= stored.size and await _root_at(store, head.size) == head.root:
                return head.size
        except (Unverified, InvalidInput):
            continue
    return 0
