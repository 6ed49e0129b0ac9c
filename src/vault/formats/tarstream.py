"""The tar inside a package: written deterministically in one pass, read with suspicion as its bytes arrive.

Written: regular files only, mode 0644, owner 0 without names, one time for all; POSIX pax where a name or a size needs
it. Read: the same and nothing else, so that links, devices and folders cannot be smuggled in.

Source: POSIX.1-2017 pax (ustar interchange format); docs/spec/archive-package.md §3.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import tarfile
from typing import Protocol

from vault.errors import ObjectTampered
from vault.formats.ageformat import Digest

BLOCK = 512
RECORD = 20 * BLOCK
MAX_MEMBERS = 200_000
_MAX_PAX = 64 * 1024
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)
_MAX_DEPTH = 8
_PAX_RECORD = re.compile(rb"([1-9][0-9]{0,7}) (path|size)=([^\n\0]*)\n")


class Visitor(Protocol):
    """Told of each file in the order of the tar; whatever it raises ends the reading."""

    def begin(self, path: str, size: int) -> None:
        """A file begins; its path was found safe, and new also without regard to upper and lower case."""
        ...

    def data(self, piece: bytes | memoryview) -> None:
        """Some of the file's bytes, in order."""
        ...

    def end(self) -> None:
        """The file is whole: ``data`` was given exactly ``size`` bytes."""
        ...


def encode_member(path: str, size: int, at: dt.datetime) -> bytes:
    """The header of one regular file: one block, or three and more with a pax record for a long name or a vast size."""
    require_safe_path(path)
    member = tarfile.TarInfo(path)
    member.size = size
    member.mtime = int(at.timestamp())
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def encode_padding(size: int) -> bytes:
    """What follows a file of that size, up to the next block."""
    return bytes(-size % BLOCK)


def encode_end(size: int) -> bytes:
    """What ends a tar of ``size`` bytes so far: two empty blocks, and more up to a full record."""
    return bytes(2 * BLOCK + -(size + 2 * BLOCK) % RECORD)


def require_safe_path(path: str) -> str:
    """Give the path back if it is one that a package may hold.

    Letters, digits, dot, line and underscore; no part begins with a dot or a line; at most eight parts.
    Raises: ObjectTampered, with the path quoted so that a terminal shows it harmlessly.
    """
    parts = path.split("/")
    if len(parts) > _MAX_DEPTH or not all(_NAME.fullmatch(part) for part in parts):
        raise ObjectTampered(f"a path that no package may hold: {path[:200]!a}")
    return path


class TarReader:
    """Takes a tar piece by piece (``write``) and tells a visitor of its files; ``close`` says that it was all.

    Raises: ObjectTampered for whatever this project would not have written.
    """

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._buffer = bytearray()
        self._size = 0
        self._hash = hashlib.sha256()
        self._paths = _Paths()
        self._state = self._header
        self._left = 0
        self._padding = 0
        self._pax: dict[str, str] = {}
        self._collected = bytearray()
        self._closing_blocks = 0

    def write(self, piece: bytes) -> None:
        self._size += len(piece)
        self._hash.update(piece)
        self._buffer += self._after_body(memoryview(piece))
        while self._state():
            pass

    def close(self) -> Digest:
        """Size and digest of the whole tar. Raises: ObjectTampered when it is cut short or lengthened."""
        if self._closing_blocks < 2 or self._buffer:
            raise ObjectTampered("the tar is cut short")
        if self._size % RECORD or self._closing_blocks >= 2 + RECORD // BLOCK:
            raise ObjectTampered("the tar does not end where it should")
        return Digest(self._size, self._hash.hexdigest())

    def _after_body(self, piece: memoryview) -> memoryview:
        """What is left of a piece once the file that it continues, if it does, was given its bytes without a copy."""
        if self._state != self._body or self._buffer or not self._left:
            return piece
        body = piece[: self._left]
        self._left -= len(body)
        self._visitor.data(body)
        return piece[len(body) :]

    # Each state does one step and says whether there may be another with what is in the buffer.

    def _header(self) -> bool:
        if len(self._buffer) < BLOCK:
            return False
        block = self._take(BLOCK)
        if not any(block):
            return self._end_block()
        member = _parse_header(block)
        if member.type == tarfile.XHDTYPE and not self._pax and member.size <= _MAX_PAX:
            self._left, self._padding, self._state = member.size, -member.size % BLOCK, self._pax_body
            return True
        path, size = self._pax.pop("path", member.name), int(self._pax.pop("size", member.size))
        if member.type != tarfile.REGTYPE or member.linkname:
            raise ObjectTampered(f"not a regular file in the tar: {path[:200]!a}")
        self._visitor.begin(self._paths.add(path), size)
        self._left, self._padding, self._state = size, -size % BLOCK, self._body
        return True

    def _pax_body(self) -> bool:
        if len(self._buffer) < self._left:
            return False
        self._pax = _parse_pax(self._take(self._left))
        self._state = self._gap
        return True

    def _body(self) -> bool:
        if self._left:
            if not self._buffer:
                return False
            piece = self._take(min(self._left, len(self._buffer)))
            self._left -= len(piece)
            self._visitor.data(piece)
            return True
        self._visitor.end()
        self._state = self._gap
        return True

    def _gap(self) -> bool:
        if len(self._buffer) < self._padding:
            return False
        if any(self._take(self._padding)):
            raise ObjectTampered("bytes hidden between two files of the tar")
        self._state = self._header
        return True

    def _end_block(self) -> bool:
        self._closing_blocks += 1
        self._state = self._tail
        return True

    def _tail(self) -> bool:
        """Nothing but empty blocks may follow the first one."""
        if len(self._buffer) < BLOCK:
            return False
        if any(self._take(BLOCK)) or self._pax:
            raise ObjectTampered("something follows the end of the tar")
        return self._end_block()

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken


class _Paths:
    """All paths so far, to find one that would overwrite another on some file system."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def add(self, path: str) -> str:
        require_safe_path(path)
        folded = path.casefold()
        folders = {folded[:at] for at, letter in enumerate(folded) if letter == "/"}
        if folded in self._files or folded in self._folders or folders & self._files:
            raise ObjectTampered(f"two files of one name in the tar: {path!a}")
        if len(self._files) >= MAX_MEMBERS:
            raise ObjectTampered(f"more than {MAX_MEMBERS} files in the tar")
        self._files.add(folded)
        self._folders |= folders
        return path


def _parse_header(block: bytes) -> tarfile.TarInfo:
    if block[257:265] != b"ustar\x0000":
        raise ObjectTampered("a damaged header in the tar")
    # The checksum counts its own field as blanks (POSIX.1-2017 pax), which has one spelling here: no byte of a header is free.
    if block[148:156] != b"%06o\0 " % (sum(block[:148]) + 8 * ord(" ") + sum(block[156:])):
        raise ObjectTampered("a damaged header in the tar")
    try:
        member = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeError):
        raise ObjectTampered("a damaged header in the tar") from None
    if member.size < 0:
        raise ObjectTampered("a damaged header in the tar")
    return member


def _parse_pax(body: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(body):
        record = _PAX_RECORD.match(body, at)
        if record is None or int(record[1]) != record.end() - at:
            raise ObjectTampered("a damaged pax header in the tar")
        key, value = record[2].decode(), record[3].decode("ascii", "replace")
        if key in found or (key == "size" and not re.fullmatch(r"[0-9]{1,15}", value)):
            raise ObjectTampered("a damaged pax header in the tar")
        found[key] = value
        at = record.end()
    return found
