"""The archive's files: read with suspicion, written whole, durable and for its owner alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from vault.errors import Conflict, SettingsWrong

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_MAX_SECRET = 64 * 1024


def read_secret(path: Path) -> str:
    """A key file's text. Raises: SettingsWrong when it cannot be read, or others than its owner could."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            mode = stat.S_IMODE(os.fstat(fd).st_mode)
            if mode & _OTHERS:
                raise SettingsWrong(f"{path} has mode {mode:04o}, others could use it; run: chmod 600 {path}")
            return file.read(_MAX_SECRET).decode("ascii", errors="replace")
    except OSError as error:
        raise SettingsWrong(f"{path} cannot be read: {error.strerror}") from None


def read_small(path: Path, limit: int) -> bytes:
    """At most ``limit`` + 1 bytes of a file. Raises: SettingsWrong when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise SettingsWrong(f"{path} cannot be read: {error.strerror}") from None


def write_new(path: Path, content: bytes) -> None:
    """Write a new file of mode 0600 durably. Raises: Conflict when something of that name is there already."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise Conflict(f"{path} is there already; nothing was overwritten") from None
    except OSError as error:
        raise SettingsWrong(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(fd)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a folder's names durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
