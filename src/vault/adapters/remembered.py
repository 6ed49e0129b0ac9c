"""A small file that survives: replaced whole and durably, by one process at a time. For the witness and the monitor."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from vault.errors import SettingsWrong


class RememberedFile:
    """witness.Memory, monitor.Memory. Raises: SettingsWrong when another process holds the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Two processes with one memory could each answer what the other must not.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise SettingsWrong(f"{path} is used by another process") from None

    def load(self) -> bytes | None:
        """What was saved last; None when nothing ever was."""
        return self._path.read_bytes() if self._path.exists() else None

    def save(self, content: bytes) -> None:
        """Replace the content; durable when this returns, and never half of it. Blocks for a disk write."""
        draft = self._path.with_name(f".{self._path.name}.draft")
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(fd)
        draft.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._lock)
