"""Puts entries into the tree: one sequencer at a time, a batch at a time, and signs what it appended.

    1. elect      a session lock; a second sequencer waits for it
    2. load       the right edge of the stored tree; refused when it does not fit the head or the last checkpoint
    3. append     one transaction: compare and swap the head, entries from pending to positions, tiles grow
    4. sign       after that commit, with a key that the database lacks

If we stop before 3 commits, the entries still wait. If we stop between 3 and 4, the next start signs. Nothing else is
kept outside the database, so there is no other place to stop at. Source: docs/spec/log-tree.md; promise P7.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from vault import verifier
from vault.errors import DatabaseUnavailable, IntegrityBroken, InvalidInput, InvariantViolated, SettingsWrong
from vault.formats.checkpoint import LOG_SIGNATURE, checkpoint_body, encode_note, encode_vkey, signature_line
from vault.formats.merkle import consistency_ranges
from vault.formats.tiles import Edge, Part, edge_tiles, grow
from vault.model import EntryId
from vault.services.transparency import LogReader, read_hashes

logger = logging.getLogger("vault.sequencer")

BATCH = 2048
INTERVAL_S = 0.25
"""How long the sequencer rests when nothing waits; with signing it stays below a second."""


class Tree(LogReader, Protocol):
    """The stored tree under the sequencer's lock. Every method raises DatabaseUnavailable, and then the lock is lost."""

    async def elect(self) -> None:
        """Wait until this process holds the lock."""
        ...

    async def begin(self, origin: str) -> tuple[str, int, bytes]:
        """The stored tree's origin, size and root; an empty tree of this origin when there is none."""
        ...

    async def batch(self, at_most: int) -> Sequence[tuple[EntryId, bytes]]:
        """Entries that wait, with their leaves, in any order."""
        ...

    async def append(
        self,
        old_size: int,
        old_root: bytes,
        new_root: bytes,
        batch: Sequence[tuple[EntryId, bytes]],
        parts: Sequence[Part],
    ) -> bool:
        """Store one batch, wholly or not at all; False when the tree's head is another one by now."""
        ...

    async def publish(self, size: int, root: bytes, note: str) -> bool:
        """Store the signed checkpoint; False when the tree's head is another one by now."""
        ...

    async def close(self) -> None:
        """Give up the lock."""
        ...


class CheckpointSigner(Protocol):
    """The log's key, which the database lacks."""

    def log_public(self) -> bytes: ...

    def sign_checkpoint(self, message: bytes) -> bytes: ...


def log_vkey(signer: CheckpointSigner, origin: str) -> str:
    """The log's verifier key, to be told to everyone who checks."""
    return encode_vkey(origin, LOG_SIGNATURE, signer.log_public())


def sign_checkpoint(signer: CheckpointSigner, origin: str, size: int, root: bytes) -> str:
    """The checkpoint as a note signed by the log."""
    body = checkpoint_body(origin, size, root)
    line = signature_line(origin, LOG_SIGNATURE, signer.log_public(), signer.sign_checkpoint(body.encode()))
    return encode_note(body, line)


class Sequencer:
    """One log's sequencer; ``step`` may be called only after ``lead``."""

    def __init__(self, tree: Tree, signer: CheckpointSigner, origin: str, *, batch: int = BATCH) -> None:
        self._tree = tree
        self._signer = signer
        self._origin = origin
        self._batch = batch
        self._edge = Edge()

    async def run(self, stop: asyncio.Event, *, interval_s: float = INTERVAL_S) -> None:
        """Keep the tree until ``stop`` is set; what goes wrong is logged and tried again."""
        while not stop.is_set():
            try:
                await self._keep(stop, interval_s)
            except DatabaseUnavailable:
                logger.warning("the database is away; the log grows again when it is back")
            except IntegrityBroken as error:
                logger.critical("the log is not appended to: %s", error)
            finally:
                await self._tree.close()
            await _rest(stop, 4 * interval_s)

    async def _keep(self, stop: asyncio.Event, interval_s: float) -> None:
        await self._lead_until(stop)
        while not stop.is_set():
            if await self.step() < self._batch:
                await _rest(stop, interval_s)

    async def _lead_until(self, stop: asyncio.Event) -> None:
        """Lead; one that still waits for its turn when it is told to stop has nothing to finish."""
        leading, stopped = asyncio.ensure_future(self.lead()), asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait((leading, stopped), return_when=asyncio.FIRST_COMPLETED)
            if leading.done():
                leading.result()
        finally:
            for task in (leading, stopped):
                task.cancel()
            await asyncio.gather(leading, stopped, return_exceptions=True)

    async def lead(self) -> None:
        """Become the one sequencer, and sign what a predecessor appended without signing.

        Raises: IntegrityBroken when the stored tree contradicts itself or its last checkpoint; SettingsWrong when it is
        another log's.
        """
        await self._tree.elect()
        origin, size, root = await self._tree.begin(self._origin)
        if origin != self._origin:
            raise SettingsWrong(f"the database holds the log {origin}, not {self._origin}", field="log_origin")
        self._edge = await self._load(size, root)
        newest = await self._check_newest(size, root)
        if newest != size:
            await self._sign()

    async def step(self) -> int:
        """Append and sign one batch; returns how many entries it had."""
        batch = await self._tree.batch(self._batch)
        if not batch:
            return 0
        old, (edge, parts) = self._edge, grow(self._edge, [leaf for _, leaf in batch])
        if not await self._tree.append(old.size, old.root(), edge.root(), batch, parts):
            raise IntegrityBroken("the tree's head was changed by another hand")
        # If we stop here, the batch is in the tree and unsigned; the next start signs it.
        self._edge = edge
        await self._sign()
        return len(batch)

    async def _sign(self) -> None:
        size, root = self._edge.size, self._edge.root()
        note = sign_checkpoint(self._signer, self._origin, size, root)
        if not await self._tree.publish(size, root, note):
            raise IntegrityBroken("the tree's head was changed by another hand")

    async def _load(self, size: int, root: bytes) -> Edge:
        wanted = edge_tiles(size)
        held = await self._tree.tiles([tile for tile, width in wanted if width])
        tiles = tuple(held.get(tile, b"") for tile, _ in wanted)
        edge = Edge(size, tiles)
        if [len(tile) // 32 for tile in tiles] != [width for _, width in wanted] or edge.root() != root:
            raise IntegrityBroken("the stored tiles do not make the tree's root")
        return edge

    async def _check_newest(self, size: int, root: bytes) -> int | None:
        """The newest checkpoint's size, once it is proved to be ours and the tree to begin with it."""
        newest = (await self._tree.heads()).newest
        if newest is None:
            return None
        try:
            key = verifier.parse_vkey(log_vkey(self._signer, self._origin))
            head = verifier.verify_checkpoint(newest.note, key)
            ranges = consistency_ranges(head.size, size)
            verifier.verify_consistency(head.size, head.root, size, root, await read_hashes(self._tree, ranges))
        except (verifier.Unverified, InvalidInput, InvariantViolated) as error:
            raise IntegrityBroken(f"the tree does not continue the last checkpoint: {error}") from None
        return head.size


async def _rest(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
