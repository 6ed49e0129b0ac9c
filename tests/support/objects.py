"""What the tests of the object stores share."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Final

from vault.adapters.stores.common import PIECE_SIZE
from vault.ports import ObjectStore

MEBIBYTE: Final = 1024 * 1024


def new_name() -> str:
    return secrets.token_hex(16)


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


async def fetched(store: ObjectStore, name: str, offset: int = 0, length: int | None = None) -> bytes:
    found = [piece async for piece in store.fetch(name, offset=offset, length=length)]
    assert all(0 < len(piece) <= PIECE_SIZE for piece in found)
    return b"".join(found)


async def all_names(store: ObjectStore) -> list[str]:
    return sorted([name async for name in store.names()])
