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
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import Final, NamedTuple, cast

from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from vault.adapters.stores.common import BATCH_SIZE, PIECE_SIZE, Threads, require_name, require_range, settled
from vault.adapters.stores.s3_bucket import Bucket, close
from vault.adapters.stores.s3_errors import SHORTER, store_errors
from vault.adapters.stores.s3_http import READ_S
from vault.errors import InvariantViolated, ObjectTampered, StoreUnavailable
from vault.model import StoredObject
from vault.settings import Secret, StoreBucket

PART_SIZE: Final = 8 * 1024 * 1024
PARTS_AT_ONCE: Final = 3
CLEARING_S: Final = 3.0


class S3Store:
    """ports.ObjectStore over one bucket, which it does not create; several processes may share it.

    Units: ``patience_s`` is how long the store may be silent; a call gives up soon after (`s3_http`).
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
        patience_s: float = READ_S,
    ) -> None:
        self._threads = Threads(threads)
        self._bucket = Bucket(where, access_key, secret_key, region, at_once=threads, read_s=patience_s)
        # Whoever is cancelled waits for the clearing, so a store that hangs gets less time for it.
        self._clearing = Bucket(
            where, access_key, secret_key, region, at_once=threads, read_s=min(patience_s, CLEARING_S), retries=0
        )
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
                    if number == 1 and part.last:
                        await self._threads.run(draft.put, part.body)
                        return
                    if number == 1:
                        await self._threads.run(draft.begin)
                    uploads = await _room(uploads)
                    uploads.add(self._threads.start(draft.put_part, number, part.body))
            finally:
                # No part may arrive after its upload was aborted: it would stay, unseen and paid for.
                await settled(*uploads)
        for upload in uploads:
            upload.result()
        await self._threads.run(draft.complete)

    async def fetch(self, name: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        require_range(offset, length)
        reading = _Reading(self._bucket, require_name(name), offset, length)
        ahead: asyncio.Future[list[bytes]] | None = self._threads.start(reading.begin)
        try:
            while ahead is not None:
                pieces = await asyncio.shield(ahead)
                # The next mebibyte is read while this one is used.
                ahead = self._threads.start(reading.more) if reading.left else None
                for piece in pieces:
                    yield piece
        finally:
            # Whoever cuts a download does not wait for a store that hangs: `begin` then clears up after itself.
            if reading.stop() and ahead is not None:
                await settled(ahead)
            reading.close()

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
        while (page := await self._threads.run(next, pages, None)) is not None:
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


class _Draft:
    """An object on its way into the store; its methods block, and only `put_part` runs beside itself."""

    def __init__(self, bucket: Bucket, clearing: Bucket, name: str) -> None:
        self._bucket = bucket
        self._clearing = clearing
        self._name = name
        self._upload: str | None = None
        self._parts: dict[int, tuple[str, int]] = {}
        self._may_be_there = False
        self.size = 0

    def put(self, body: bytearray) -> None:
        self._may_be_there = True
        try:
            self._bucket.put(self._name, cast("bytes", body))
        except InvariantViolated:
            # The object of that name is another's and must not be cleared away.
            self._may_be_there = False
            raise
        self.size = len(body)

    def begin(self) -> None:
        self._bucket.require_new(self._name)
        self._may_be_there = True
        self._upload = self._bucket.begin(self._name)

    def put_part(self, number: int, body: bytearray) -> None:
        digest = self._bucket.put_part(self._name, self._require_upload(), number, cast("bytes", body))
        self._parts[number] = digest, len(body)

    def complete(self) -> None:
        parts = [self._parts[number] for number in sorted(self._parts)]
        size = sum(length for _, length in parts)
        try:
            self._bucket.complete(self._name, self._require_upload(), [digest for digest, _ in parts], size)
        except StoreUnavailable:
            # Its answer may have been lost after the object was made.
            if self._bucket.size_if_there(self._name) != size:
                raise
        self.size = size

    def abandon(self) -> None:
        """Leave nothing behind, as far as the store answers; the rest is shown by `names`."""
        with suppress(StoreUnavailable):
            if self._upload is not None:
                self._clearing.abort(self._name, self._upload)
            if self._may_be_there:
                self._clearing.delete(self._name)

    def _require_upload(self) -> str:
        if self._upload is None:
            raise InvariantViolated("a part was sent before its upload began")
        return self._upload


class _Reading:
    """An object being read; `left` is how many bytes are still wanted. One call at a time, apart from `stop`."""

    def __init__(self, bucket: Bucket, name: str, offset: int, length: int | None) -> None:
        self._bucket = bucket
        self._name = name
        self._offset = offset
        self._length = length
        self._answer: BaseHTTPResponse | None = None
        self._stopped = False
        self._guard = threading.Lock()
        self.left = 0

    def begin(self) -> list[bytes]:
        """Ask for the bytes, check that they are all there, and read the first piece; a small object whole."""
        answer = self._open()
        if answer is None:
            return []
        with self._guard:
            self._answer = answer
            stopped = self._stopped
        if stopped:
            self.close()
            return []
        self.left = int(answer.headers["Content-Length"])
        return self._read(BATCH_SIZE if self.left <= BATCH_SIZE else PIECE_SIZE)

    def more(self) -> list[bytes]:
        return self._read(BATCH_SIZE)

    def stop(self) -> bool:
        """Make a read that is under way end at once; False when none can be told, since it has not begun."""
        with self._guard:
            self._stopped = True
            if self._answer is None:
                return False
            with suppress(ValueError, RuntimeError, OSError):  # its connection has been given back just now
                self._answer.shutdown()
            return True

    def close(self) -> None:
        with self._guard:
            answer, self._answer = self._answer, None
        if answer is not None:
            close(answer)

    def _open(self) -> BaseHTTPResponse | None:
        """None when there is nothing to read, which S3 has no range for."""
        if self._length == 0:
            if self._bucket.size(self._name) < self._offset:
                raise ObjectTampered(SHORTER)
            return None
        try:
            return self._bucket.open(self._name, self._offset, self._length)
        except ObjectTampered:
            if self._length is None and self._offset and self._bucket.size(self._name) == self._offset:
                return None
            raise

    def _read(self, most: int) -> list[bytes]:
        answer, pieces = self._answer, list[bytes]()
        with store_errors():
            while self.left and most > 0 and answer is not None:
                piece = answer.read(min(self.left, PIECE_SIZE), decode_content=False)
                if not piece:
                    raise HTTPError
                pieces.append(piece)
                self.left -= len(piece)
                most -= len(piece)
        if not self.left:
            self.close()
        return pieces


class _Part(NamedTuple):
    body: bytearray
    last: bool


async def _parts(chunks: AsyncIterator[bytes]) -> AsyncGenerator[_Part, None]:
    """Gather chunks into parts; always ends with one that is ``last``, which alone may be shorter."""
    body = bytearray()
    async for chunk in chunks:
        view = memoryview(chunk)
        while view:
            if len(body) == PART_SIZE:
                yield _Part(body, last=False)
                body = bytearray()
            taken = view[: PART_SIZE - len(body)]
            body += taken
            view = view[len(taken) :]
    yield _Part(body, last=True)


async def _room(uploads: set[asyncio.Future[None]]) -> set[asyncio.Future[None]]:
    """Those still under way, once there is room for one more. Raises what a part that failed raised."""
    while len(uploads) >= PARTS_AT_ONCE:
        done, uploads = await asyncio.wait(uploads, return_when=asyncio.FIRST_COMPLETED)
        for upload in done:
            upload.result()
    return uploads
