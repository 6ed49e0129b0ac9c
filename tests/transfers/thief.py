"""Somebody who has every file in hand: they read bytes, not answers, and try what they find with every key that survives."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from uuid import UUID

from vault.errors import KeyUnopenable
from vault.formats import wrapping
from vault.formats.sealed import ChunkReader
from vault.model import CaseId, DocumentId, KeyKind

WRAPPED_SIZE = 61
# A value of 61 bytes in a row of PostgreSQL begins with this length byte, and a wrapped key with its version.
_MARK = b"\x7d\x01"
_WAL_PAGE, _WAL_HEADER, _WAL_FIRST_HEADER = 8192, 24, 40
_ROOT = re.compile(r"vault-root-key/v1 ([0-9a-f]{8})\n([A-Za-z0-9_-]{43})\n")
Name = tuple[str, str]


class Thief:
    """``wrapped`` are all that looks like a wrapped key; ``names`` are the kinds and subjects that the tables show in clear."""

    def __init__(self, keyring: Path) -> None:
        self._keyring = keyring
        self.wrapped: set[bytes] = set()
        self.names: set[Name] = set()

    def know(self, names: Iterable[Name]) -> None:
        """Ids that stand in the tables in clear: whoever has a dump knows them."""
        self.names |= set(names)

    def scan(self, *folders: Path) -> None:
        """Every file below, byte by byte: tables, indexes, write-ahead log, whatever lies there."""
        for folder in folders:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    content = path.read_bytes()
                    self.wrapped |= set(_candidates(content))
                    if path.parent.name == "pg_wal":
                        self.wrapped |= set(_candidates(_without_page_headers(content)))

    def opened(self) -> dict[str, set[bytes]]:
        """Every key that opens, by name, beginning at the root keys that survive; each try is an authenticated one."""
        known = {f"root:{root}": {key} for root, key in roots_in(self._keyring).items()}
        new = set(known)
        while new:
            found: set[str] = set()
            for kind, subject in self.names:
                for parent in new:
                    for key in known[parent]:
                        if self._open(kind, subject, parent, key, known):
                            found.add(f"{kind}:{subject}")
            new = found
        return known

    def _open(self, kind: str, subject: str, parent: str, key: bytes, known: dict[str, set[bytes]]) -> bool:
        if not _may_stand_under(kind, parent):
            return False
        before = len(known.get(f"{kind}:{subject}", ()))
        for wrapped in self.wrapped:
            try:
                plain = wrapping.unwrap_key(key, wrapped, kind=KeyKind(kind), subject=subject, parent=parent)
            except KeyUnopenable:
                continue
            known.setdefault(f"{kind}:{subject}", set()).add(plain)
        return len(known.get(f"{kind}:{subject}", ())) > before


def roots_in(keyring: Path) -> dict[str, bytes]:
    """Every root key that some file of the keyring holds, whatever the file's name."""
    found = {}
    for path in keyring.iterdir():
        for root, text in _ROOT.findall(path.read_text("latin-1")):
            found[root] = base64.urlsafe_b64decode(f"{text}=")
    return found


def fields(keys: Iterable[bytes], sealed: Mapping[str, bytes]) -> set[str]:
    """The contexts of the sealed fields that one of these keys opens."""
    found = set()
    for key in keys:
        for context, content in sealed.items():
            try:
                wrapping.open_field(key, context, content)
            except KeyUnopenable:
                continue
            found.add(context)
    return found


def plain(keys: Iterable[bytes], document: str, case: str, path: Path) -> bytes:
    """What an object opens to under one of these document keys; nothing when there is none."""
    content = path.read_bytes()
    for key in keys:
        return ChunkReader(key, CaseId(UUID(case)), DocumentId(UUID(document)), len(content)).open_whole(content)
    return b""


def holds(secrets: Iterable[bytes], *folders: Path) -> set[bytes]:
    """Which of these bytes stand in clear in some file below the folders."""
    left, found = set(secrets), set()
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                found |= {secret for secret in left - found if secret in content}
    return found


def _candidates(content: bytes) -> Iterator[bytes]:
    at = content.find(_MARK)
    while at >= 0:
        if at + 1 + WRAPPED_SIZE <= len(content):
            yield content[at + 1 : at + 1 + WRAPPED_SIZE]
        at = content.find(_MARK, at + 1)


def _may_stand_under(kind: str, parent: str) -> bool:
    above = parent.partition(":")[0]
    return above in {
        "epoch": {"root"}, "lookup": {"root"}, "case": {"epoch"}, "register": {"epoch"}, "export": {"epoch", "root"},
        "document": {"case", "register"},
    }[kind]  # fmt: skip


def _without_page_headers(segment: bytes) -> bytes:
    """A record of the write-ahead log goes on over a page's end: the headers between are cut out."""
    starts = range(0, len(segment), _WAL_PAGE)
    return b"".join(segment[at + (_WAL_HEADER if at else _WAL_FIRST_HEADER) : at + _WAL_PAGE] for at in starts)
