"""One export as a ZIP that ordinary programs open, made in one stream: nothing of it is ever whole in memory or in clear at rest.

    log/… · documents/… · data/*.json · index.html

The page and the data come last, because they tell what became of everything before them: a paper whose object does not open is
left out and told. Papers are stored as they are (most are compressed
already), texts are deflated; Zip64 where a size needs it. Source: docs/spec/export.md.
"""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from importlib.resources import files
from typing import Any

from zipstream import ZipStream

from vault.errors import IntegrityBroken, ObjectTampered
from vault.formats.exportacts import Looked
from vault.formats.exportdata import Paper
from vault.formats.exportindex import index_page
from vault.formats.exportreadme import log_readme
from vault.formats.exportschema import encode, schema
from vault.services.export_facts import Facts
from vault.services.export_log import LogKeys, LogPart
from vault.services.piping import Pipe, gathered, packed, pulled

_DEFLATED = zipfile.ZIP_DEFLATED


class DamagedPapers(ObjectTampered):
    """Raised when a paper's object broke off after its first bytes had gone in; the export is made again without these."""

    code = "object-damaged"

    def __init__(self, papers: frozenset[str]) -> None:
        super().__init__("a paper of an export does not open")
        self.papers = papers


class ExportZip:
    """The package; ``chunks`` once. ``documents`` and ``bytes`` say how far it has come."""

    def __init__(
        self,
        facts: Facts,
        log: LogPart,
        keys: LogKeys,
        *,
        papers: Callable[[Paper], AsyncIterator[bytes]],
        openings: Callable[[], Awaitable[list[Looked]]],
    ) -> None:
        self._facts, self._log, self._keys = facts, log, keys
        self._papers, self._openings = papers, openings
        self.documents = self.bytes = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        """The ZIP in pieces of about a mebibyte. Raises: DamagedPapers, StoreUnavailable, DatabaseUnavailable."""
        loop = asyncio.get_running_loop()

        def pack(pipe: Pipe) -> None:
            for piece in self._zip(loop):
                self.bytes += len(piece)
                pipe.write(piece)

        async for piece in packed(pack):
            yield piece

    def _zip(self, loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
        """Runs in the packing thread."""
        made = ZipStream(compress_type=zipfile.ZIP_STORED)

        def one(name: str, content: Any, **how: Any) -> Iterator[bytes]:
            made.add(content, name, **how)
            yield from made.file()

        openings = asyncio.run_coroutine_threadsafe(_awaited(self._openings), loop).result()
        if self._facts.client is not None:
            for name, content in self._log_files(loop):
                yield from one(f"log/{name}", content, compress_type=_DEFLATED)
        for paper in self._facts.here():
            if (pieces := self._begun(paper, loop)) is None:
                self._facts.lose(paper.id)
                continue
            yield from one(str(paper.file), pieces, size=paper.size)
            self.documents += 1
        answer = self._facts.answer(self._log.unproved)
        for name, content in self._data(openings).items():
            yield from one(f"data/{name}.json", content, compress_type=_DEFLATED)
        yield from one("data/export.json", encode(answer), compress_type=_DEFLATED)
        yield from one("data/schema.json", schema(), compress_type=_DEFLATED)
        page = index_page(
            self._facts.words, answer, self._facts.person, cases=self._facts.cases, papers=self._facts.papers,
            consents=self._facts.consents, prohibitions=self._facts.prohibitions, openings=openings,
            requests=self._facts.requests, authorities=self._facts.authorities,
        )  # fmt: skip
        yield from one("index.html", page, compress_type=_DEFLATED)
        yield from made.finalize()

    def _data(self, openings: list[Looked]) -> dict[str, bytes]:
        facts = self._facts
        parts = {
            "client": facts.person, "cases": facts.cases, "documents": facts.papers, "consents": facts.consents,
            "prohibitions": facts.prohibitions, "notices": facts.notices, "differences": facts.differences,
            "exports": facts.exports, "openings": openings, "requests": facts.requests, "authorities": facts.authorities,
        }  # fmt: skip
        return {name: encode(content) for name, content in parts.items()}

    def _log_files(self, loop: asyncio.AbstractEventLoop) -> Iterator[tuple[str, bytes]]:
        yield from pulled(self._log.files(), loop)
        if self._log.head is not None:
            yield "checkpoint", self._log.head.note.encode()
        yield "log.vkey", f"{self._keys.log}\n".encode()
        if self._keys.witness is not None:
            yield "witness.vkey", f"{self._keys.witness}\n".encode()
        yield "verifier.py", (files("vault") / "verifier.py").read_bytes()
        yield (
            "README.txt",
            log_readme(self._facts.language, self._keys.witness is not None, self._log.unproved).encode(),
        )

    def _begun(self, paper: Paper, loop: asyncio.AbstractEventLoop) -> Iterator[bytes] | None:
        """The paper's bytes once the first of them have come; None when they do not open."""
        pieces = pulled(gathered(self._papers(paper)), loop)
        try:
            first = next(pieces, b"")
        except IntegrityBroken:
            return None
        return self._rest(first, pieces, paper)

    @staticmethod
    def _rest(first: bytes, pieces: Iterator[bytes], paper: Paper) -> Iterator[bytes]:
        yield first
        try:
            yield from pieces
        except IntegrityBroken:
            raise DamagedPapers(frozenset({paper.id})) from None


async def _awaited(make: Callable[[], Awaitable[list[Looked]]]) -> list[Looked]:
    return await make()
