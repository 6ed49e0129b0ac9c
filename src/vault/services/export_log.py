"""The log's part of an export: each entry with its disclosures, and the proof that it stands in the tree.

Read page by page, so that a long log needs no memory. Source: docs/spec/export.md §5; docs/spec/log-tree.md; promise P7.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from collections.abc import AsyncIterator
from typing import Any, Protocol

import msgspec

from vault.formats.merkle import inclusion_ranges
from vault.formats.tiles import read_range, tiles_of
from vault.formats.tlogproof import encode_proof
from vault.model import EntryId
from vault.services.transparency import Head, LogReader

PAGE = 200
_LOOK_S = 0.25


class Entries(Protocol):
    """The entries about one client, as the worker that is at the export may read them, by id, each page from after an id."""

    async def entries(self, as_of: dt.datetime, after: uuid.UUID, limit: int) -> list[dict[str, Any]]: ...


class LogKeys(msgspec.Struct, frozen=True):
    """The verifier keys of the log and, where there is one, of its witness."""

    log: str
    witness: str | None = None


class LogPart:
    """The files below ``log/`` of one export. ``unproved`` counts the entries that no checkpoint held yet."""

    def __init__(self, entries: Entries, reader: LogReader, as_of: dt.datetime, head: Head | None) -> None:
        self._entries, self._reader, self._as_of = entries, reader, as_of
        self.head = head
        self.count = self.unproved = 0

    async def files(self) -> AsyncIterator[tuple[str, bytes]]:
        """Name and content: ``entries/<id>.json``, and ``proofs/<id>.txt`` for all that the checkpoint holds."""
        after = uuid.UUID(int=0)
        while page := await self._entries.entries(self._as_of, after, PAGE):
            proofs = await self._proofs(page)
            for item in page:
                entry = item["entry"]
                shown = {"entry": entry, "digests": item["digests"], "disclosures": item["disclosures"]}
                yield f"entries/{entry}.json", msgspec.json.encode(shown) + b"\n"
                if entry in proofs:
                    yield f"proofs/{entry}.txt", proofs[entry].encode()
            self.count += len(page)
            self.unproved += len(page) - len(proofs)
            after = uuid.UUID(page[-1]["entry"])

    async def _proofs(self, page: list[dict[str, Any]]) -> dict[str, str]:
        head = self.head
        if head is None:
            return {}
        held = {
            item["entry"]: item["index"] for item in page if item["index"] is not None and item["index"] < head.size
        }
        ranges = {entry: inclusion_ranges(index, head.size) for entry, index in held.items()}
        tiles = await self._reader.tiles(tiles_of(one for wanted in ranges.values() for one in wanted))
        return {
            entry: encode_proof(held[entry], [read_range(start, end, tiles) for start, end in wanted], head.note)
            for entry, wanted in ranges.items()
        }


async def covering_head(reader: LogReader, entry: EntryId, patience_s: float) -> Head | None:
    """A checkpoint that holds the entry, cosigned if that comes in time; else the newest there is."""
    loop = asyncio.get_running_loop()
    until = loop.time() + patience_s
    while True:
        heads = await reader.heads()
        _, index = await reader.place(entry)
        cosigned, newest = heads.cosigned, heads.newest
        if index is not None and cosigned is not None and index < cosigned.size:
            return cosigned
        if index is not None and cosigned is None and newest is not None and index < newest.size:
            return newest
        if loop.time() >= until:
            return newest
        await asyncio.sleep(_LOOK_S)
