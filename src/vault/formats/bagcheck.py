"""Checking a bag as its tar streams by: fixity, the set of files both ways, structure, and nothing besides.

The checker keeps digests and paths, never content, apart from the few small files that say what the bag should hold.

Source: RFC 8493 §3; docs/spec/archive-package.md §7.
"""

from __future__ import annotations

import hashlib
import re
import uuid

import msgspec

from vault.errors import ObjectTampered
from vault.formats.ageformat import Digest
from vault.formats.bag import BAGIT, CASE_FILE, CASE_FORMAT, PAYLOAD_MANIFEST, TAG_MANIFEST
from vault.formats.casefacts import Listed
from vault.formats.tarstream import TarReader, Visitor

# What a whole package that passed was checked for, in this order; a receipt repeats these codes.
CHECKS = ("decryption", "tar", "paths", "bagit", "payload-manifest", "tag-manifest", "file-set", "oxum", "structure")
_READ = {"bagit.txt", "bag-info.txt", CASE_FILE, PAYLOAD_MANIFEST, TAG_MANIFEST}
_REQUIRED = _READ | {"README.txt", "index.html"}
_MAX_READ = 64 << 20
_LINE = re.compile(r"(?P<digest>[0-9a-f]{128})  (?P<path>[^\s]+)")
_MAX_TOLD = 50


class Member(msgspec.Struct, frozen=True):
    """One file of a bag that was read: its path below the bag's own folder, its bytes, and its digests in hex."""

    path: str
    size: int
    sha256: str
    sha512: str


class Bag(msgspec.Struct, frozen=True):
    """A bag that passed every check; ``files`` and ``payload_bytes`` count what stands under ``data/``."""

    transfer: uuid.UUID
    members: tuple[Member, ...]
    files: int
    payload_bytes: int
    tar: Digest


class _CaseFile(msgspec.Struct, frozen=True):
    format: str
    transfer: uuid.UUID
    files: list[Listed]


class BagChecker:
    """Takes the tar of a bag piece by piece; ``close`` tells what it is, or everything that is wrong with it.

    A second visitor, when given, is told of every file as well.
    Raises: ObjectTampered; its ``reasons`` name each fault found and the file it was found in.
    """

    def __init__(self, beside: Visitor | None = None) -> None:
        self._tar = TarReader(self)
        self._beside = beside
        self._root: str | None = None
        self._path = ""
        self._size = 0
        self._sha256 = hashlib.sha256()
        self._sha512 = hashlib.sha512()
        self._kept: dict[str, bytearray] = {}
        self._members: dict[str, Member] = {}

    def write(self, piece: bytes) -> None:
        self._tar.write(piece)

    def begin(self, path: str, size: int) -> None:
        root, _, rest = path.partition("/")
        if not rest or root != (self._root or root):
            raise ObjectTampered(f"a file outside of the bag's own folder: {path!a}")
        self._root, self._path, self._size = root, rest, size
        self._sha256, self._sha512 = hashlib.sha256(), hashlib.sha512()
        if rest in _READ:
            if size > _MAX_READ:
                raise ObjectTampered(f"{rest} is too large")
            self._kept[rest] = bytearray()
        if self._beside:
            self._beside.begin(path, size)

    def data(self, piece: bytes | memoryview) -> None:
        self._sha256.update(piece)
        self._sha512.update(piece)
        if self._path in self._kept:
            self._kept[self._path] += piece
        if self._beside:
            self._beside.data(piece)

    def end(self) -> None:
        member = Member(self._path, self._size, self._sha256.hexdigest(), self._sha512.hexdigest())
        self._members[self._path] = member
        if self._beside:
            self._beside.end()

    def close(self) -> Bag:
        tar = self._tar.close()
        faults = [f"missing: {path}" for path in sorted(_REQUIRED - self._members.keys())]
        faults = faults or self._faults()
        if faults:
            raise ObjectTampered(
                f"the package is not whole: {'; '.join(faults[:3])}", reasons=tuple(faults[:_MAX_TOLD])
            )
        payload = [member for path, member in self._members.items() if path.startswith("data/")]
        members = tuple(self._members.values())
        return Bag(uuid.UUID(self._root), members, len(payload), sum(member.size for member in payload), tar)

    def _faults(self) -> list[str]:
        payload = {path for path in self._members if path.startswith("data/")}
        tags = self._members.keys() - payload - {TAG_MANIFEST}
        return [
            *([] if self._kept["bagit.txt"] == BAGIT else ["bagit.txt is not that of BagIt 1.0"]),
            *self._manifest_faults(PAYLOAD_MANIFEST, payload),
            *self._manifest_faults(TAG_MANIFEST, tags),
            *self._info_faults(payload),
            *self._structure_faults(payload),
        ]

    def _manifest_faults(self, manifest: str, held: set[str]) -> list[str]:
        """The manifest against the files both ways; a manifest that cannot be read is one fault."""
        lines = self._kept[manifest].decode("ascii", "replace").splitlines()
        matches = [_LINE.fullmatch(line) for line in lines]
        listed = {match["path"]: match["digest"] for match in matches if match}
        if len(listed) != len(lines):
            return [f"malformed or double lines: {manifest}"]
        return [
            *(f"missing: {path!a}" for path in sorted(listed.keys() - held)),
            *(f"not in {manifest}: {path}" for path in sorted(held - listed.keys())),
            *(
                f"altered: {path}"
                for path in sorted(listed.keys() & held)
                if self._members[path].sha512 != listed[path]
            ),
        ]

    def _info_faults(self, payload: set[str]) -> list[str]:
        lines = self._kept["bag-info.txt"].decode("utf-8", "replace").splitlines()
        info = dict(line.split(": ", 1) for line in lines if ": " in line)
        oxum = f"{sum(self._members[path].size for path in payload)}.{len(payload)}"
        return [
            *([] if info.get("Payload-Oxum") == oxum else ["Payload-Oxum in bag-info.txt is another"]),
            *([] if info.get("External-Identifier") == self._root else ["the folder's name is not the transfer's id"]),
        ]

    def _structure_faults(self, payload: set[str]) -> list[str]:
        """``data/case.json`` against the files both ways."""
        try:
            case = msgspec.json.decode(self._kept[CASE_FILE], type=_CaseFile)
        except (msgspec.DecodeError, ValueError):
            return [f"unreadable: {CASE_FILE}"]
        held = {(m.path, m.size, m.sha256) for path, m in self._members.items() if path in payload - {CASE_FILE}}
        listed = {(file.path, file.size, file.sha256 or self._digest_of(file.path)) for file in case.files}
        own = case.format == CASE_FORMAT and str(case.transfer) == self._root
        return [
            *([] if own else [f"{CASE_FILE} is of another transfer or format"]),
            *([] if len(listed) == len(case.files) else [f"double files: {CASE_FILE}"]),
            *(f"not as {CASE_FILE} tells: {path!a}" for path in sorted({file[0] for file in held ^ listed})),
        ]

    def _digest_of(self, path: str) -> str:
        """The digest as found, for a file whose digest was not known when the case file was written."""
        member = self._members.get(path)
        return member.sha256 if member else ""
