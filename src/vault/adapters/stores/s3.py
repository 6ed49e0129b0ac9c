"""Objects in one S3 bucket: the store for a service that runs on several machines.

    small:  one PUT → acknowledged
    large:  begin → parts of 8 MiB, at most 3 at once → complete → size asked → acknowledged

The digest of each part is compared with the store's. A name is used once: where the store honours `If-None-Match`, it
refuses the second itself; a bucket with versions may ignore that (then nothing is overwritten, the older version
stays), so there, and before an upload in parts, the name is looked up first. Names are random 128-bit numbers, so the
race that this leaves between two processes is one that does not happen.

The SDK blocks, so it runs in this store's own threads, a mebibyte or a part at a time. When the store does not answer,
what is left of an upload cannot be cleared at once: `names` shows it, and `abort_unfinished` clears it later.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Final, TypeVar, cast

from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from vault.adapters.stores.common import BATCH_SIZE, PIECE_SIZE, Threads, require_name, require_range, settled
from vault.adapters.stores.s3_bucket import Bucket, close
from vault.adapters.stores.s3_errors import SHORTER, store_errors
from vault.errors import InvariantViolated, ObjectTampered, StoreUnavailable
from vault.model import StoredObject
from vault.settings import Secret, StoreBucket

PART_SIZE: Final = 8 * 1024 * 1024
PARTS_AT_ONCE: Final = 3
CLEARING_S: Final = 3.0

T = TypeVar("T")


class S3Store:
    """ports.ObjectStore over one bucket, which it does not create; several processes may share it.

    Raises: SettingsWrong when the bucket's name or the address cannot be one. Nothing is sent before the first call.
    """

    def __init__(
        self,
        where: StoreBucket,
        access_key: Secret,
        secret_key: Secret,
        *,
        region: str = "us-east-1",
        threads: int = 32,
    ) -> None:
        self._threads = Threads(threads)
        self._bucket = Bucket(where, access_key, secret_key, region, at_once=threads)
        # Whoever is cancelled waits for the clearing, so a store that hangs gets less time for it.
        self._clearing = Bucket(where, access_key, secret_key, region, at_once=threads, read_s=CLEARING_S, retries=0)
        self._under_way: set[str] = set()

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> StoredObject:
        if require_name(name) in self._under_way:
            raise InvariantViolated("an object of that name is being stored")
        self._under_way.add(name)
        draft = _Draft(self._bucket, self._clearing, name)
        try:
            await self._fill(draft, chunks)
        except BaseException:
            # If we stop here, nobody was told of the object: nothing may stand under its name.
            await self._threads.run(draft.abandon)
            raise
        finally:
            self._under_way.discard(name)
        return StoredObject(name=name, size=draft.size)

    async def _fill(self, draft: _Draft, chunks: AsyncIterator[bytes]) -> None:
        uploads: set[asyncio.Future[None]] = set()
        number = 0
        async with aclosing(_parts(chunks)) as parts:
            try:
                async for part in parts:
                    number += 1
                    if part.last and number == 1:
                        await self._threads.run(draft.put, part.body)
                        return
                    if number == 1:
                        await self._threads.run(draft.begin)
                    uploads = await _room(uploads)
                    uploads.add(self._threads.start(draft.put_part, number, part.body))
            finally:
                await settled(*uploads)
        for upload in uploads:
            upload.result()
        await self._threads.run(draft.complete)

    async def fetch(self, name: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        require_range(offset, length)
        reading = _Reading(self._bucket, require_name(name), offset, length)
        ahead = self._threads.start(reading.begin)
        try:
            while pieces := await asyncio.shield(ahead):
                # The next mebibyte is read while this one is used.
                ahead = self._threads.start(reading.more)
                for piece in pieces:
                    yield piece
        finally:
            if reading.stop():
                await settled(ahead)
            if ahead.done() and not ahead.cancelled():
                ahead.exception()

    async def size(self, name: str) -> int:
        return await self._threads.run(self._bucket.size, require_name(name))

    async def delete(self, name: str) -> None:
        await self._threads.run(self._bucket.delete, require_name(name))

    async def names(self) -> AsyncIterator[str]:
        """Yield every object's name, also when only older versions or a delete marker are left, and every upload's."""
        unfinished = {upload.name for upload in await self._threads.run(lambda: list(self._bucket.unfinished()))}
        for name in unfinished:
            yield name
        pages = self._bucket.versions()
        last = ""
        while page := await self._threads.run(next, pages, []):
            for version in page:
                if version.name != last and version.name not in unfinished:
                    yield version.name
                last = version.name

    async def abort_unfinished(self, older_than_s: float) -> int:
        """Abort the uploads in parts that began so long ago, by the store's clock, and return how many there were.

        For the sweeper: an age well above the longest upload, a day for instance, cuts none that still runs.
        """
        return await self._threads.run(self._abort_unfinished, dt.timedelta(seconds=older_than_s))

    def _abort_unfinished(self, age: dt.timedelta) -> int:
        limit = dt.datetime.now(dt.UTC) - age
        old = [upload for upload in self._bucket.unfinished() if upload.begun <= limit]
        for upload in old:
            self._bucket.abort(upload.name, upload.upload)
        return len(old)

    async def check(self) -> None:
        """Write, list and read without ever making an object: where a bucket locks objects, none could be removed."""
        await self._threads.run(self._check)

    def _check(self) -> None:
        name = os.urandom(16).hex()
        upload = self._bucket.begin(name)
        try:
            self._bucket.put_part(name, upload, 1, b"check")
        finally:
            self._clearing.abort(name, upload)
        self._bucket.delete(name)
        try:
            close(self._bucket.open(name, 0, None))
        except ObjectTampered:
            return
        raise InvariantViolated("an object of that name exists")
