"""A closed case as a bag: which files it holds, and the tar of it, streamed in one pass.

All that must last stands under ``data/``; ``README.txt`` and ``index.html`` above it are for whoever opens the bag.
No file name holds more than numbers and ids.

Source: RFC 8493 (BagIt 1.0); docs/spec/archive-package.md §4 and §5.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from vault.errors import InvariantViolated, ObjectTampered
from vault.formats.ageformat import Digest
from vault.formats.bagindex import index_page
from vault.formats.bagreadme import readme
from vault.formats.canonical import encode_canonical
from vault.formats.casefacts import CaseFacts, ConsentFacts, Listed, PaperFacts
from vault.formats.tarstream import encode_end, encode_member, encode_padding

_T = TypeVar("_T")

BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
CASE_FILE = "data/case.json"
PROOFS = "data/log/proofs/"
CASE_FORMAT = "vault/archived-case/v1"
PAYLOAD_MANIFEST = "manifest-sha512.txt"
TAG_MANIFEST = "tagmanifest-sha512.txt"

# Only what a browser or an office program shows without running anything in it; all else is `.bin`, and the metadata
# beside it says what it is.
_EXTENSIONS = {
    "application/pdf": "pdf",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/tiff": "tif",
    "text/plain": "txt",
    "text/csv": "csv",
    "application/json": "json",
    "application/rtf": "rtf",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/msword": "doc",
}


class PackageItem(msgspec.Struct, frozen=True):
    """One file of the bag. ``size`` in bytes is exact; ``sha256`` (hex), when known, is checked while it streams.

    ``chunks`` is called once, when the file's turn comes.
    """

    path: str
    size: int
    sha256: str | None
    chunks: Callable[[], Iterable[bytes]]


class Totals(msgspec.Struct, frozen=True):
    """What a finished bag came to: the tar, and the number and bytes of the files under ``data/``."""

    tar: Digest
    files: int
    payload_bytes: int


def item_of(path: str, content: bytes) -> PackageItem:
    """A file that is in memory already."""
    return PackageItem(path, len(content), hashlib.sha256(content).hexdigest(), lambda: [content])


def plan_bag(
    facts: CaseFacts,
    content: Callable[[uuid.UUID], Iterable[bytes]],
    *,
    log: Sequence[PackageItem] = (),
    rules: Mapping[str, bytes],
) -> list[PackageItem]:
    """All files under ``data/``, in the order in which they will stream.

    Units: ``content`` gives a paper's bytes by its id, documents and signed forms alike. ``log`` items have paths below
    ``data/log/``. ``rules`` are the rules and code lists that applied, by file name.
    """
    papers = [_paper(f"data/documents/{n:04}-{paper.id}", paper, content) for n, paper in _numbered(facts.documents)]
    forms = [_form(f"data/consents/{n:04}", consent, content) for n, consent in _numbered(facts.consents)]
    items = [item for group in (*papers, *forms) for item in group]
    items += [item_of(f"data/rules/{name}", text) for name, text in rules.items()]
    items += log
    items.append(item_of(CASE_FILE, _case_file(facts, items)))
    return sorted(items, key=lambda item: item.path)


def paper_path(folder: str, number: int, paper: PaperFacts) -> str:
    """Where a paper's bytes stand in the bag."""
    return f"{folder}/{number:04}-{paper.id}.{_EXTENSIONS.get(paper.media_type, 'bin')}"


class BagStream:
    """The tar of one bag. Iterating yields its bytes, once; afterwards ``totals`` says what it came to.

    Raises while iterating: ObjectTampered when a file is not as long as told or not the one that was filed.
    """

    def __init__(
        self,
        facts: CaseFacts,
        payload: Sequence[PackageItem],
        names: Mapping[str, Mapping[str, str]],
        entries: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._root = str(facts.transfer)
        self._at = facts.made_at
        self._files = len(payload)
        self._bytes = sum(item.size for item in payload)
        self._proofs = any(item.path.startswith(PROOFS) for item in payload)
        self._items = sorted([*payload, *self._tags(facts, names, entries)], key=lambda item: item.path)
        self._size = 0
        self._hash = hashlib.sha256()
        self._done = False

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces():
            self._size += len(piece)
            self._hash.update(piece)
            yield piece
        self._done = True

    @property
    def totals(self) -> Totals:
        if not self._done:
            raise InvariantViolated("the totals of a bag are known when it was streamed to its end")
        return Totals(Digest(self._size, self._hash.hexdigest()), self._files, self._bytes)

    def _tags(
        self, facts: CaseFacts, names: Mapping[str, Mapping[str, str]], entries: Sequence[Mapping[str, Any]]
    ) -> list[PackageItem]:
        info = (
            f"External-Identifier: {facts.transfer}\n"
            f"Bagging-Date: {facts.made_at.astimezone(dt.UTC):%Y-%m-%d}\n"
            f"Payload-Oxum: {self._bytes}.{self._files}\n"
            "Bag-Software-Agent: consent-vault\n"
        )
        return [
            item_of("bagit.txt", BAGIT),
            item_of("bag-info.txt", info.encode()),
            item_of("README.txt", readme(facts).encode()),
            item_of("index.html", index_page(facts, names, _places(facts), entries, proofs=self._proofs).encode()),
        ]

    def _pieces(self) -> Iterator[bytes]:
        payload, tags = _Manifest(), _Manifest()
        for item in self._items:
            yield from self._file(item, payload if item.path.startswith("data/") else tags)
        yield from self._file(item_of(PAYLOAD_MANIFEST, payload.encode()), tags)
        yield from self._file(item_of(TAG_MANIFEST, tags.encode()), _Manifest())
        yield encode_end(self._size)

    def _file(self, item: PackageItem, manifest: _Manifest) -> Iterator[bytes]:
        yield encode_member(f"{self._root}/{item.path}", item.size, self._at)
        filed, listed, size = hashlib.sha256(), hashlib.sha512(), 0
        for piece in item.chunks():
            size += len(piece)
            if size > item.size:
                break
            filed.update(piece)
            listed.update(piece)
            yield piece
        if size != item.size or item.sha256 not in {None, filed.hexdigest()}:
            raise ObjectTampered(f"{item.path} is not what was filed: nothing of this package is of use")
        manifest.add(item.path, listed.hexdigest())
        yield encode_padding(size)


class _Manifest:
    """The lines of a manifest, in the order of the files."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, path: str, sha512: str) -> None:
        self._lines.append(f"{sha512}  {path}\n")

    def encode(self) -> bytes:
        return "".join(self._lines).encode("ascii")


def _paper(stem: str, paper: PaperFacts, content: Callable[[uuid.UUID], Iterable[bytes]]) -> list[PackageItem]:
    """A paper's bytes as they came, and what is known of it beside them."""
    suffix = _EXTENSIONS.get(paper.media_type, "bin")
    about = encode_canonical(_plain({**paper.more, **_own(paper)}))
    paper_bytes = PackageItem(f"{stem}.{suffix}", paper.size, paper.sha256, lambda: content(paper.id))
    return [paper_bytes, item_of(f"{stem}.about.json", about)]


def _form(stem: str, consent: ConsentFacts, content: Callable[[uuid.UUID], Iterable[bytes]]) -> list[PackageItem]:
    about = encode_canonical(_plain({**consent.more, **_own(consent)}))
    form = _paper(f"{stem}-{consent.form.id}", consent.form, content) if consent.form else []
    return [item_of(f"{stem}-{consent.id}.consent.json", about), *form]


def _case_file(facts: CaseFacts, items: Sequence[PackageItem]) -> bytes:
    """The case as data, with every other file under ``data/``, its size and SHA-256."""
    files = [Listed(item.path, item.size, item.sha256) for item in sorted(items, key=lambda item: item.path)]
    case = {**facts.more, **_own(facts), "format": CASE_FORMAT, "files": files}
    return encode_canonical(_plain(case))


def _places(facts: CaseFacts) -> dict[uuid.UUID, str]:
    """Each paper's path, for the links of the index."""
    papers = {paper.id: paper_path("data/documents", n, paper) for n, paper in _numbered(facts.documents)}
    forms = {c.form.id: paper_path("data/consents", n, c.form) for n, c in _numbered(facts.consents) if c.form}
    return papers | forms


def _own(struct: msgspec.Struct) -> dict[str, Any]:
    """The struct's own fields, without those that hold more of the same."""
    return {name: getattr(struct, name) for name in struct.__struct_fields__ if name != "more"}


def _plain(value: object) -> object:
    """The value as plain JSON: ids, days and times become text."""
    return msgspec.to_builtins(value, str_keys=True)


def _numbered(things: Sequence[_T]) -> Iterator[tuple[int, _T]]:
    return enumerate(things, start=1)
