"""Opening a stored object's plaintext, in bounded memory; its end is verified before its first byte is given out."""

from __future__ import annotations

from collections.abc import AsyncIterator

from vault.errors import ObjectTampered
from vault.formats.sealed import ChunkReader
from vault.ports import ObjectStore

SMALL = 1024 * 1024
"""Objects up to this size are read and opened whole."""


async def read_plaintext(
    store: ObjectStore, name: str, reader: ChunkReader, start: int, length: int
) -> AsyncIterator[bytes]:
    """The bytes of a range. Raises: ObjectTampered, StoreUnavailable, before the first byte or between two."""
    if reader.sealed_size <= SMALL:
        whole = b"".join([piece async for piece in store.fetch(name)])
        if plain := reader.open_whole(whole)[start : start + length]:
            yield plain
        return
    if await store.size(name) != reader.sealed_size:
        raise ObjectTampered("the stored object has another size than was filed")
    reader.begin(await _span(store, name, reader.header_span()))
    reader.open_last(await _span(store, name, reader.last_span()))
    opener = reader.opener(start, length)
    offset, sealed = reader.span(start, length)
    async for piece in store.fetch(name, offset=offset, length=sealed):
        if plain := opener.update(piece):
            yield plain
    opener.finalize()


async def _span(store: ObjectStore, name: str, span: tuple[int, int]) -> bytes:
    return b"".join([piece async for piece in store.fetch(name, offset=span[0], length=span[1])])
