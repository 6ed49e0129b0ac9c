"""The archive's own journal: who did what with which package and why, one JSON line each, each naming the one before.

``previous`` is the SHA-256 of the line before (without its line feed), so that a line altered or removed is found. A line
is durable before the act it tells of goes on.

Source: docs/spec/archive-package.md §10.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import hashlib
import os
from pathlib import Path
from typing import Any

import msgspec

from vault.errors import ObjectTampered, SettingsWrong
from vault.formats.canonical import encode_canonical

_NONE = "0" * 64


def append_entry(path: Path, act: str, **about: object) -> None:
    """Append one entry durably; safe beside others that append at the same time.

    Values are plain JSON. Raises: SettingsWrong when it cannot be written; then the act must not go on.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "r+b", buffering=0) as file:
            fcntl.flock(fd, fcntl.LOCK_EX)
            lines = _lines(file.readall())
            at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            entry = {"n": len(lines) + 1, "at": at, "act": act, **about, "previous": _digest(lines)}
            file.seek(0, os.SEEK_END)
            _write(file.fileno(), (b"\n" if _torn(path) else b"") + encode_canonical(entry) + b"\n")
            os.fsync(fd)
    except OSError as error:
        raise SettingsWrong(f"the journal {path} cannot be written: {error.strerror}; nothing was opened") from None


def verify_journal(path: Path) -> list[dict[str, Any]]:
    """All entries. Raises: ObjectTampered, naming the first line that does not follow from the one before.

    A line that a crash cut short is skipped: what it would have told of did not happen.
    """
    entries: list[dict[str, Any]] = []
    lines = _lines(path.read_bytes())
    for number, line in enumerate(lines, start=1):
        try:
            entry = msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if entry.get("n") != number or entry.get("previous") != _digest(lines[: number - 1]):
            raise ObjectTampered(f"line {number} of the journal does not follow from the line before")
        entries.append(entry)
    return entries


def _lines(content: bytes) -> list[bytes]:
    return content.split(b"\n")[: None if content and not content.endswith(b"\n") else -1]


def _digest(lines: list[bytes]) -> str:
    return hashlib.sha256(lines[-1]).hexdigest() if lines else _NONE


def _torn(path: Path) -> bool:
    """Whether a crash left half a line at the end; it stays, and the next entry begins on a line of its own."""
    content = path.read_bytes()
    return bool(content) and not content.endswith(b"\n")


def _write(fd: int, content: bytes) -> None:
    while content:
        content = content[os.write(fd, content) :]
