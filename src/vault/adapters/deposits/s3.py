"""Packages for the archive in a bucket that locks them: services.deposit.Deposit over `LockedBucket`.

    small:  one PUT → locked for a day → acknowledged
    large:  parts of 16 MiB, at most 2 at once → complete → locked for a day → acknowledged
    after the receipt and the reading back:  locked to the end of the retention, and the lock read back

Such a bucket ignores `If-None-Match`, and puts a second object of a name above the first: a version is read and locked by
its own name, which the database keeps.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import suppress
from typing import Final

from urllib3.response import BaseHTTPResponse

from vault.adapters.deposits.directory import require_deposit_name
from vault.adapters.deposits.locked_bucket import LockedBucket, archive_errors
from vault.adapters.stores.common import BATCH_SIZE, Threads, settled
from vault.adapters.stores.s3_bucket import close
from vault.adapters.stores.s3_http import READ_S
from vault.errors import ObjectTampered, StoreUnavailable
from vault.settings import Secret, StoreBucket

PART_SIZE: Final = 16 * 1024 * 1024
PARTS_AT_ONCE: Final = 2


class BucketDeposit:
    """Raises: SettingsWrong when the bucket's name or the address cannot be one; nothing is sent before the first call."""

    def __init__(
        self,
        where: StoreBucket,
        access_key: Secret,
        secret_key: Secret,
        *,
        region: str = "us-east-1",
        patience_s: float = READ_S,
        part_size: int = PART_SIZE,
    ) -> None:
        self._bucket = LockedBucket(where, access_key, secret_key, region=region, read_s=patience_s)
        self._threads = Threads(PARTS_AT_ONCE + 1)
        self._part_size = part_size

    async def check(self) -> None:
        await self._threads.run(self._bucket.check)

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> str | None:
        require_deposit_name(name)
        parts = _parts(chunks, self._part_size)
        first = await anext(parts)
        if len(first) < self._part_size:
            await parts.aclose()
            return await self._threads.run(self._bucket.put, name, first)
        upload = await self._threads.run(self._bucket.begin, name)
        try:
            digests, size = await self._fill(name, upload, first, parts)
            return await self._threads.run(self._bucket.complete, name, upload, digests, size)
        except BaseException:
            # If this too is lost, the next upload of this name gives it up.
            with suppress(StoreUnavailable):
                await self._threads.run(self._bucket.abort, name, upload)
            raise

    async def _fill(
        self, name: str, upload: str, first: bytes, parts: AsyncGenerator[bytes, None]
    ) -> tuple[list[str], int]:
        under_way: list[asyncio.Future[str]] = []
        digests: list[str] = []
        size = 0
        try:
            number, body = 1, first
            while body:
                if len(under_way) == PARTS_AT_ONCE:
                    digests.append(await under_way.pop(0))
                under_way.append(self._threads.start(self._bucket.put_part, name, upload, number, body))
                size += len(body)
                number, body = number + 1, await anext(parts, b"")
            while under_way:
                digests.append(await under_way.pop(0))
        finally:
            # No part may arrive after its upload was aborted.
            await settled(*under_way)
            await parts.aclose()
        return digests, size

    async def fetch(self, name: str, version: str | None = None) -> AsyncIterator[bytes]:
        answer = await self._threads.run(self._bucket.open, require_deposit_name(name), version)
        try:
            while piece := await self._threads.run(_read, answer, BATCH_SIZE):
                yield piece
        finally:
            close(answer)

    async def read(self, name: str, limit: int) -> bytes | None:
        try:
            answer = await self._threads.run(self._bucket.open, require_deposit_name(name), None, limit + 1)
        except ObjectTampered:
            return None
        try:
            return await self._threads.run(_read, answer, limit + 1)
        finally:
            close(answer)

    async def versions(self, name: str) -> Sequence[str | None]:
        return await self._threads.run(self._bucket.versions, require_deposit_name(name))

    async def keep(self, name: str, version: str | None, until: dt.datetime) -> dt.datetime | None:
        wanted = version or await self._threads.run(self._bucket.newest, require_deposit_name(name))
        return await self._threads.run(self._bucket.lock, name, wanted, until)


def _read(answer: BaseHTTPResponse, most: int) -> bytes:
    """The next bytes, as many as asked for unless the end comes first."""
    with archive_errors():
        gathered = bytearray()
        while len(gathered) < most and (piece := answer.read(most - len(gathered), decode_content=False)):
            gathered += piece
        return bytes(gathered)


async def _parts(chunks: AsyncIterator[bytes], size: int) -> AsyncGenerator[bytes, None]:
    """Gather chunks into parts of ``size``; the last may be shorter, and is given also when it is empty and alone."""
    body, given = bytearray(), 0
    async for chunk in chunks:
        view = memoryview(chunk)
        while view:
            taken = view[: size - len(body)]
            body += taken
            view = view[len(taken) :]
            if len(body) == size:
                given += 1
                yield bytes(body)
                body = bytearray()
    if body or not given:
        yield bytes(body)
