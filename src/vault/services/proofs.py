"""The proofs that a case's entries stand in the log, for its package: checked offline, in ten years, with the log's key alone.

Source: docs/spec/archive-package.md §5; C2SP tlog-proof; promise P7.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from vault.errors import Conflict
from vault.formats.bag import PackageItem, item_of
from vault.formats.canonical import encode_canonical
from vault.formats.merkle import inclusion_ranges
from vault.formats.tiles import read_range, tiles_of
from vault.formats.tlogproof import encode_proof
from vault.model import EntryId
from vault.services.transparency import Head, LogReader

_POLL_S = 0.25


class Prover:
    """Proves entries against one checkpoint. ``vkey`` is the log's verifier key, ``wait_s`` how long entries may wait."""

    def __init__(self, reader: LogReader, vkey: str, wait_s: float = 30.0) -> None:
        self._reader, self._vkey, self._wait_s = reader, vkey, wait_s

    async def items(self, entries: Sequence[Mapping[str, Any]]) -> list[PackageItem]:
        """The files below ``data/log/``: the entries, each with its proof and disclosures, the checkpoint, the log's key.

        Raises: Conflict when the log's tree does not hold them all in time.
        """
        told = [{name: value for name, value in entry.items() if name != "shown"} for entry in entries]
        items = [item_of("data/log/entries.jsonl", b"".join(encode_canonical(entry) + b"\n" for entry in told))]
        if not entries:
            return items
        head, places = await self._covering([EntryId(uuid.UUID(entry["entry"])) for entry in entries])
        ranges = [inclusion_ranges(index, head.size) for index in places]
        tiles = await self._reader.tiles(tiles_of([one for group in ranges for one in group]))
        for entry, index, group in zip(entries, places, ranges, strict=True):
            hashes = [read_range(start, end, tiles) for start, end in group]
            stem = f"data/log/proofs/{entry['entry']}"
            items.append(item_of(f"{stem}.tlog-proof", encode_proof(index, hashes, head.note).encode()))
            items.append(item_of(f"{stem}.json", encode_canonical(entry["shown"])))
        verifier = (files("vault") / "verifier.py").read_bytes()
        return [
            *items,
            item_of("data/log/checkpoint", head.note.encode()),
            item_of("data/log/log-key.txt", f"{self._vkey}\n".encode()),
            # Not named as a program: nothing in a package runs when it is opened.
            item_of("data/log/verifier.py.txt", verifier),
        ]

    async def _covering(self, entries: Sequence[EntryId]) -> tuple[Head, list[int]]:
        """A checkpoint over all of them, cosigned if there is one, and their places."""
        deadline = time.monotonic() + self._wait_s
        while True:
            places = [(await self._reader.place(entry))[1] for entry in entries]
            heads = await self._reader.heads()
            for head in (heads.cosigned, heads.newest):
                known = [place for place in places if head and place is not None and place < head.size]
                if head and len(known) == len(entries):
                    return head, known
            if time.monotonic() > deadline:
                missing = sum(place is None for place in places)
                raise Conflict(
                    f"{missing} of the case's {len(entries)} log entries are not in the log's tree yet, or its head is"
                    " not signed: is the sequencer running?",
                    code="not-in-tree-yet",
                )
            await asyncio.sleep(_POLL_S)
