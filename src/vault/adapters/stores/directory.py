"""Objects as files in 256 directories, named by their first two digits: the embedded default store.

    write to a file without a name → fsync the file → give it its name → fsync the directory → acknowledged

The name is given with link(2), which refuses a name that exists. Where the file system knows no files without a name,
a hidden one (``.<name>``) serves until then. Blocking calls run in this store's own threads, many bytes at a time.
"""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from vault.adapters.stores.common import BATCH_SIZE, NAME, PIECE_SIZE, Threads, require_name, require_range
from vault.errors import InvariantViolated, ObjectTampered, StoreUnavailable
from vault.model import StoredObject

_A_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NO_UNNAMED_FILES = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT}

T = TypeVar("T")


class DirectoryStore:
    """ports.ObjectStore over a directory of a local file system; several processes may share it.

    Raises: StoreUnavailable when the directory cannot be made or used.
    """

    def __init__(self, path: Path, *, threads: int = 16) -> None:
        self._path = Path(path)
        self._threads = Threads(threads)
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
        draft = self._draft(require_name(name))
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
        require_range(offset, length)
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
        draft = self._draft("00" + os.urandom(15).hex())
        try:
            await self._run(draft.rehearse)
        finally:
            await self._run(draft.abandon)

    def _draft(self, name: str) -> _Draft:
        return _Draft(os.path.join(self._path, name[:2]), name, self._unnamed)  # noqa: PTH118 - a tenth of the time

    def _file(self, name: str) -> Path:
        return self._path / require_name(name)[:2] / name

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        try:
            return await self._threads.run(work, *arguments)
        except OSError as error:
            raise _unavailable(error) from None


class _Batch(NamedTuple):
    """Some pieces of an upload; ``last`` when no more follow."""

    pieces: list[bytes]
    last: bool


async def _batches(chunks: AsyncIterator[bytes]) -> AsyncIterator[_Batch]:
    """Gather pieces until they are worth a thread hop; always ends with one batch that is ``last``."""
    pieces: list[bytes] = []
    gathered = 0
    async for piece in chunks:
        pieces.append(piece)
        gathered += len(piece)
        if gathered >= BATCH_SIZE:
            yield _Batch(pieces, last=False)
            pieces, gathered = [], 0
    yield _Batch(pieces, last=True)


class _Draft:
    """A file on its way into the store; its methods block, and none runs beside another.

    Every system call costs a hand-over between threads as well, so the directory is opened once and all names are
    relative to it.
    """

    def __init__(self, directory: str, name: str, unnamed: bool) -> None:
        self._path = directory
        self._name = name
        self._hidden = None if unnamed else f".{name}"
        self._directory: int | None = None
        self._fd: int | None = None
        self._hides = False
        self._published = False

    def write(self, pieces: list[bytes]) -> int:
        """Write and return the file's descriptor."""
        fd = self._open()
        view = memoryview(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        while view:
            view = view[os.write(fd, view) :]
        return fd

    def finish(self, pieces: list[bytes]) -> None:
        fd = self.write(pieces)
        os.fsync(fd)
        directory = self._open_directory()
        # A directory's descriptor makes Python call linkat(2), which follows the link that /proc shows.
        with _new_name_only():
            source = os.path.join(self._path, self._hidden) if self._hidden else f"/proc/self/fd/{fd}"  # noqa: PTH118
            os.link(source, self._name, dst_dir_fd=directory, follow_symlinks=True)
        self._published = True
        if self._hidden is not None:
            os.unlink(self._hidden, dir_fd=directory)
            self._hides = False
        os.fsync(directory)
        self._close()

    def rehearse(self) -> None:
        """Write and make durable without giving a name."""
        os.fsync(self.write([b"check"]))
        _names_in(Path(self._path))

    def abandon(self) -> None:
        """Leave nothing behind, whatever was reached. Only a name that this draft itself gave is taken back."""
        if self._hides and self._hidden is not None:
            _unlink(self._hidden, self._open_directory())
        if self._published:
            _unlink(self._name, self._open_directory())
            os.fsync(self._open_directory())
        self._close()

    def _open(self) -> int:
        if self._fd is None:
            directory, flags = self._open_directory(), os.O_WRONLY | os.O_CLOEXEC
            if self._hidden is None:
                self._fd = os.open(".", flags | os.O_TMPFILE, 0o600, dir_fd=directory)
            else:
                with _new_name_only():
                    self._fd = os.open(self._hidden, flags | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=directory)
                self._hides = True
        return self._fd

    def _open_directory(self) -> int:
        if self._directory is None:
            self._directory = os.open(self._path, _A_DIRECTORY)
        return self._directory

    def _close(self) -> None:
        opened, self._fd, self._directory = (self._fd, self._directory), None, None
        for fd in opened:
            if fd is not None:
                os.close(fd)


def _unlink(name: str, directory: int) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)


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
        return self._read(BATCH_SIZE)

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
    return {name for path in directory.iterdir() if NAME.fullmatch(name := path.name.removeprefix("."))}


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
    fd = os.open(path, _A_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _unavailable(error: OSError) -> StoreUnavailable:
    return StoreUnavailable(f"the object store failed: {(error.strerror or 'unknown error').lower()}")
