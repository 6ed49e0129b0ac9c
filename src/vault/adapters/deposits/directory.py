"""Packages for the archive in one directory, which both sides mount; files as docs/spec/archive-package.md §1 names them.

write to a hidden file → fsync → rename to its name → fsync the directory → acknowledged
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import BinaryIO, TypeVar

from vault.adapters.stores.common import PIECE_SIZE, Threads
from vault.errors import ArchiveUnavailable, InvariantViolated, ObjectTampered, SettingsWrong

_NAME = re.compile(r"[0-9a-f-]{36}(\.[a-z]+){1,2}")
T = TypeVar("T")


class DirectoryDeposit:
    """services.deposit.Deposit over a directory, without versions or locks. Files are readable to the owner and the group (the archive's)."""

    def __init__(self, path: Path) -> None:
        self._path = Path(path)
        self._threads = Threads(2)

    async def check(self) -> None:
        if not await self._run(os.access, self._path, os.R_OK | os.W_OK | os.X_OK):
            raise SettingsWrong(
                f"archive_store: {self._path} is no directory that can be written: is it mounted, and does it belong to the worker's"
                " account? nothing was sent",
                field="archive_store",
            )

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> str | None:
        target, draft = self._file(name), self._path / f".{require_deposit_name(name)}.{secrets.token_hex(8)}"
        # What a killed process, or a worker that was overtaken, left under way is of no use any more.
        await self._run(_clear, self._path, f".{name}.")
        file = await self._run(lambda: _new(draft))
        try:
            async for piece in chunks:
                await self._run(file.write, piece)
            await self._run(_publish, file, draft, target)
        except BaseException:
            # If we stop here, nothing stands under the name that was not there before.
            await self._run(_abandon, file, draft)
            raise
        return None

    async def fetch(self, name: str, version: str | None = None) -> AsyncIterator[bytes]:  # noqa: ARG002 (no versions here)
        file = await self._run(_open, self._file(name))
        if file is None:
            raise ObjectTampered(f"the archive's store has no {name}")
        try:
            while piece := await self._run(file.read, PIECE_SIZE):
                yield piece
        finally:
            file.close()

    async def read(self, name: str, limit: int) -> bytes | None:
        file = await self._run(_open, self._file(name))
        if file is None:
            return None
        with file:
            return await self._run(file.read, limit + 1)

    async def versions(self, name: str) -> Sequence[str | None]:
        return [None] if await self._run(self._file(name).is_file) else []

    async def keep(self, name: str, version: str | None, until: dt.datetime) -> dt.datetime | None:  # noqa: ARG002 (no locks here)
        return None

    def _file(self, name: str) -> Path:
        return self._path / require_deposit_name(name)

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        try:
            return await self._threads.run(work, *arguments)
        except OSError as error:
            raise ArchiveUnavailable(
                f"the archive's store cannot be used: {error.strerror}: look at {self._path}; nothing is lost, and it is tried again"
                " by itself"
            ) from None


def require_deposit_name(name: str) -> str:
    """Raises: InvariantViolated for anything but a name of formats.label.Names."""
    if not _NAME.fullmatch(name):
        raise InvariantViolated("a package's files are named by its transfer")
    return name


def _clear(folder: Path, prefix: str) -> None:
    for path in folder.iterdir():
        if path.name.startswith(prefix):
            path.unlink(missing_ok=True)


def _new(draft: Path) -> BinaryIO:
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    return os.fdopen(fd, "wb")


def _publish(file: BinaryIO, draft: Path, target: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
    draft.replace(target)
    fd = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _abandon(file: BinaryIO, draft: Path) -> None:
    with contextlib.suppress(OSError):  # a full disk refuses what is still to be written
        file.close()
    draft.unlink(missing_ok=True)


def _open(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb", buffering=0)
    except FileNotFoundError:
        return None
