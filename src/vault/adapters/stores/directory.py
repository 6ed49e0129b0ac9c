"""Objects as files in 256 directories, named by their first two digits: the embedded default store.

    write to a file without a name → fsync the file → give it its name → fsync the directory → acknowledged

The name is given with link(2), which refuses a name that exists. Where the file system knows no files without a name,
a hidden one (``.<name>``) serves until then. Blocking calls run in this store's own threads, many bytes at a time.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from vault.errors import InvariantViolated, ObjectTampered, StoreUnavailable
from vault.model import StoredObject

PIECE_SIZE = 256 * 1024
_BATCH_SIZE = 1024 * 1024
_NAME = re.compile(r"[0-9a-f]{32}")
_NO_UNNAMED_FILES = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT}

T = TypeVar("T")


class DirectoryStore:
    """ports.ObjectStore over a directory of a local file system; several processes may share it.

    Raises: StoreUnavailable when the directory cannot be made or used.
    """

    def __init__(self, path: Path, *, threads: int = 16) -> None:
        self._path = Path(path)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="store")
        try:
            self._prepare()
        except OSError as error:
            raise _unavailable(error) from None

    def _prepare(self) -> None:
        """Make what is missing; all 256 at once, so that no upload has to make a directory durable first."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(256):
            (self._path / f"{number:02x}").mkdir(mode=0o700, exist_ok=True)
        _sync_directory(self._path)
        _sync_directory(self._path.parent)
        self._unnamed = _supports_unnamed_files(self._path / "00")

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> StoredObject:
        draft = _Draft(self._file(name), self._unnamed)
        size = 0
        try:
            async for batch in _batches(chunks):
                # The last batch is written in the same hop that publishes, so a small object costs one hop.
                size += sum(map(len, batch.pieces))
                step = draft.finish if batch.last else draft.write
                await self._run(step, batch.pieces)
        except BaseException:
            # If we stop here, nobody was told of the object: nothing may stand under its name.
            await self._run(draft.abandon)
            raise
        return StoredObject(name=name, size=size)

    async def fetch(self, name: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        if offset < 0 or (length is not None and length < 0):
            raise InvariantViolated("a range does not begin or end below zero")
        source = _Source(self._file(name), offset, length)
        try:
            pieces = await self._run(source.begin)
            while pieces:
                for piece in pieces:
                    yield piece
                pieces = await self._run(source.more) if source.left else []
        finally:
            source.close()

    async def size(self, name: str) -> int:
        path = self._file(name)
        return await self._run(lambda: _require_object(path).st_size)

    async def delete(self, name: str) -> None:
        path = self._file(name)
        await self._run(lambda: _remove(path))

    async def names(self) -> AsyncIterator[str]:
        for number in range(256):
            directory = self._path / f"{number:02x}"
            for name in await self._run(lambda directory=directory: _names_in(directory)):
                yield name

    async def check(self) -> None:
        draft = _Draft(self._path / "00" / os.urandom(16).hex(), self._unnamed)
        try:
            await self._run(draft.rehearse)
        finally:
            await self._run(draft.abandon)

    def _file(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise InvariantViolated("an object's name is 32 lower-case hex digits")
        return self._path / name[:2] / name

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        """Run in a thread. When cancelled, wait for the thread first: it uses a file that we are about to close."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)
        cancelled: asyncio.CancelledError | None = None
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            future.exception()  # seen, so that the loop does not report it a second time
            raise cancelled
        try:
            return future.result()
        except OSError as error:
            raise _unavailable(error) from None


class _Batch:
    """Some pieces of an upload; ``last`` when no more follow."""

    def __init__(self, pieces: list[bytes], *, last: bool) -> None:
        self.pieces = pieces
        self.last = last


async def _batches(chunks: AsyncIterator[bytes]) -> AsyncIterator[_Batch]:
    """Gather pieces until they are worth a thread hop; always ends with one batch that is ``last``."""
    pieces: list[bytes] = []
    gathered = 0
    async for piece in chunks:
        pieces.append(piece)
        gathered += len(piece)
        if gathered >= _BATCH_SIZE:
            yield _Batch(pieces, last=False)
            pieces, gathered = [], 0
    yield _Batch(pieces, last=True)


class _Draft:
    """A file on its way into the store; its methods block, and none runs beside another."""

    def __init__(self, target: Path, unnamed: bool) -> None:
        self._target = target
        self._hidden = None if unnamed else target.with_name(f".{target.name}")
        self._fd: int | None = None
        self._hides = False
        self._published = False

    def write(self, pieces: list[bytes]) -> None:
        if self._fd is None:
            self._fd = self._open()
        view = memoryview(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        while view:
            view = view[os.write(self._fd, view) :]

    def finish(self, pieces: list[bytes]) -> None:
        self.write(pieces)
        if self._fd is None:
            raise InvariantViolated("a draft was finished before it was opened")
        os.fsync(self._fd)
        self._publish(self._fd)
        if self._hidden is not None:
            self._hidden.unlink()
            self._hides = False
        _sync_directory(self._target.parent)
        self._close()

    def rehearse(self) -> None:
        """Write and make durable without giving a name."""
        self.write([b"check"])
        if self._fd is not None:
            os.fsync(self._fd)
        _names_in(self._target.parent)

    def abandon(self) -> None:
        """Leave nothing behind, whatever was reached. Only a name that this draft itself gave is taken back."""
        self._close()
        if self._hides and self._hidden is not None:
            self._hidden.unlink(missing_ok=True)
        if self._published:
            self._target.unlink(missing_ok=True)
            _sync_directory(self._target.parent)

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CLOEXEC
        if self._hidden is None:
            return os.open(self._target.parent, flags | os.O_TMPFILE, 0o600)
        with _new_name_only():
            fd = os.open(self._hidden, flags | os.O_CREAT | os.O_EXCL, 0o600)
        self._hides = True
        return fd

    def _publish(self, fd: int) -> None:
        """Give the file its name. A directory's fd makes Python call linkat(2), which follows /proc's link."""
        source = self._hidden or Path(f"/proc/self/fd/{fd}")
        directory = os.open(self._target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with _new_name_only():
                os.link(source, self._target.name, dst_dir_fd=directory, follow_symlinks=True)
        finally:
            os.close(directory)
        self._published = True

    def _close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)


@contextmanager
def _new_name_only() -> Iterator[None]:
    """Turn the refusal of a name that exists into what it is: our bug, for names are random and used once."""
    try:
        yield
    except FileExistsError:
        raise InvariantViolated("an object of that name exists") from None


class _Source:
    """A file being read; ``left`` is how many bytes are still wanted."""

    def __init__(self, path: Path, offset: int, length: int | None) -> None:
        self._path = path
        self._offset = offset
        self._length = length
        self._fd: int | None = None
        self.left = 0

    def begin(self) -> list[bytes]:
        """Open, check the size before the first byte is given, and read the first piece."""
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise ObjectTampered("the stored object is missing") from None
        beyond = os.fstat(self._fd).st_size - self._offset
        self.left = beyond if self._length is None else self._length
        if beyond < self.left or beyond < 0:
            raise ObjectTampered("the stored object is shorter than it was")
        return self._read(PIECE_SIZE)

    def more(self) -> list[bytes]:
        return self._read(_BATCH_SIZE)

    def close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)

    def _read(self, most: int) -> list[bytes]:
        pieces: list[bytes] = []
        while self.left and most and self._fd is not None:
            piece = os.pread(self._fd, min(self.left, most, PIECE_SIZE), self._offset)
            if not piece:
                raise ObjectTampered("the stored object is shorter than it was")
            pieces.append(piece)
            self._offset += len(piece)
            self.left -= len(piece)
            most -= len(piece)
        if not self.left:
            self.close()
        return pieces


def _require_object(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except FileNotFoundError:
        raise ObjectTampered("the stored object is missing") from None


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_name(f".{path.name}").unlink(missing_ok=True)
    _sync_directory(path.parent)


def _names_in(directory: Path) -> set[str]:
    """Names of objects and of unfinished uploads; whatever else lies there is not ours."""
    return {name for path in directory.iterdir() if _NAME.fullmatch(name := path.name.removeprefix("."))}


def _supports_unnamed_files(directory: Path) -> bool:
    if not hasattr(os, "O_TMPFILE") or not Path("/proc/self/fd").is_dir():
        return False
    try:
        os.close(os.open(directory, os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o600))
    except OSError as error:
        if error.errno in _NO_UNNAMED_FILES:
            return False
        raise
    return True


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _unavailable(error: OSError) -> StoreUnavailable:
    return StoreUnavailable(f"the object store failed: {(error.strerror or 'unknown error').lower()}")
