"""Documents: registering, filing their content, releasing it. The order of writes is drawn in docs/architecture.md."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from vault.errors import (
    Conflict,
    FactsChanged,
    InvalidInput,
    InvariantViolated,
    Unavailable,
    VaultError,
)
from vault.formats.sealed import ChunkReader, Sealer, sealed_size
from vault.model import Act, CaseId, Clearance, DocumentId, KeyKind, Outcome, TokenSecret
from vault.ports import Done, Door, Keyring, ObjectStore
from vault.rules.catalogue import require_code
from vault.services.cases import Page, page_of, unbase64
from vault.services.incoming import Content, NewDocument, bare_media_type, check_document
from vault.services.leases import Lease, Leases
from vault.services.ranges import ByteRange, parse_range
from vault.services.reading import read_plaintext


class DocumentAbout(msgspec.Struct, frozen=True):
    title: str
    filename: str


class DocumentView(msgspec.Struct, frozen=True):
    """A document's metadata, for who may know of it. ``sha256`` is hex, of the content as filed."""

    id: DocumentId
    case: CaseId
    type: str
    title: str
    filename: str
    media_type: str
    language: str
    dated: str
    state: str
    filed_by: str
    source: str
    series: uuid.UUID
    protected_classes: list[str]
    third_persons: bool
    check_before_client: bool
    original: bool
    registered_at: str
    filed_by_unit: str | None = None
    attachment_of: uuid.UUID | None = None
    replaces: uuid.UUID | None = None
    valid_until: str | None = None
    size: int | None = None
    filed_at: str | None = None
    sha256: str | None = None


class Filed(msgspec.Struct, frozen=True):
    id: DocumentId
    state: str
    size: int
    sha256: str
    log_entry: uuid.UUID
    promise: str


class Release:
    """One permitted release: what its headers say, and its bytes.

    ``chunks`` verifies the last chunk before it yields the first byte. Whoever sends it calls ``begin`` when that byte
    is ready, asks the lease before every piece, and calls ``end`` exactly once, also when nothing was sent, so that the log says what became of it.
    """

    def __init__(
        self, documents: Documents, secret: TokenSecret, clearance: Clearance, document: DocumentId, since: float
    ) -> None:
        self._documents = documents
        self._secret = secret
        self.clearance = clearance
        self.document = document
        self.lease: Lease | None = None
        self._since = since
        facts = clearance.facts
        self.size = _integer(facts["size"])
        self.media_type = str(facts["media_type"])
        self.sha256, self.filename = documents.describe(clearance, document)
        self.promise = documents.door.promise(clearance.entry, clearance.leaf, clearance.at)
        self.start, self.length = 0, self.size
        self.is_partial = False

    @property
    def etag(self) -> str:
        """A strong validator: documents never change (RFC 9110 §8.8.3)."""
        return f'"{self.sha256.hex()[:32]}"'

    def narrow(self, wanted: ByteRange, if_range: str | None) -> None:
        """Release a part only; the whole when ``if_range`` names another content than this (RFC 9110 §13.1.5)."""
        if if_range is None or if_range.strip() == self.etag:
            self.start, self.length = wanted.within(self.size, self.promise)
            self.is_partial = True

    async def begin(self) -> Lease:
        """The lease under which the bytes leave; called when the first of them is ready. Raises: Unavailable."""
        self.lease = await self._documents.leases.begin(self.clearance.entry, self._since)
        return self.lease

    def chunks(self) -> AsyncIterator[bytes]:
        """The plaintext. Raises: ObjectTampered, StoreUnavailable, before the first byte or between two."""
        return self._documents.plaintext(self.clearance, self.document, self.size, self.start, self.length)

    async def end(self, outcome: Outcome, bytes_sent: int) -> None:
        if self.lease is not None:
            self.lease.end()
        await self._documents.door.end_release(self._secret, self.clearance.entry, str(outcome), bytes_sent)


class Documents:
    """The acts on documents; ``door`` decides each."""

    def __init__(self, door: Door, keyring: Keyring, store: ObjectStore, *, max_bytes: int) -> None:
        self.door = door
        self._keyring = keyring
        self._store = store
        self._max_bytes = max_bytes
        self.leases = Leases(door)

    async def register(
        self, secret: TokenSecret, case: CaseId, document: DocumentId, new: NewDocument
    ) -> tuple[DocumentId, str]:
        """Register a document's metadata and make its key; its content comes with :meth:`file`."""
        about = check_document(new)
        cleared = await self.door.ask(secret, Act.FILE, case=case, about={"type": new.type, "for": "document-add"})
        parent = f"register:{cleared.facts['client']}" if new.type == "suostumus" else f"case:{case}"
        key = self._keyring.create(cleared, KeyKind.DOCUMENT, str(document), parent=parent)
        sealed = self._keyring.seal(
            cleared,
            parent,
            f"document.about|{document}",
            msgspec.json.encode(DocumentAbout(title=new.title.strip(), filename=new.filename)),
        )
        done = await self.door.act(
            "document_add", secret, case, document, about, sealed, (str(key.kind), key.subject, key.parent, key.wrapped)
        )
        return document, done.promise

    async def file(
        self,
        secret: TokenSecret,
        document: DocumentId,
        body: AsyncIterator[bytes],
        *,
        length: int | None = None,
        digests: dict[str, bytes] | None = None,
        media_type: str | None = None,
    ) -> Filed:
        """Store a document's content. Acknowledged only when its ciphertext is durable and its row is committed.

        ``digests`` are those that the caller promised (RFC 9530), by algorithm ``sha-256`` and ``sha-512``.
        Raises: Conflict when other content is filed already; the same content again is answered as filed.
        """
        # What says of itself that it is too long is not asked for: nothing is left of it.
        content = Content(body, limit=self._max_bytes, length=length, digests=digests or {})
        name = secrets.token_hex(16)
        # (1) The attempt and its object's name are recorded with the entry. A crash from here on leaves a name in
        #     vault.attempt that no filing points to; the sweeper finds it.
        cleared = await self.door.ask(secret, Act.FILE, document=document, about={"for": "content", "object": name})
        if media_type is not None and media_type != bare_media_type(str(cleared.facts["media_type"])):
            await self.door.give_up(name)
            raise InvalidInput(
                "the Content-Type is not the registered media_type", field="Content-Type", code="wrong-media-type"
            )
        if cleared.facts["object"] is not None:
            return await self._same_again(cleared, document, content)
        try:
            # (2) The ciphertext; the store returns when it is durable. A crash leaves an object without a row.
            await self._store.put(name, self._sealed(cleared, document, content))
            content.check()
            # (3) The row; the database decides again. Committed means filed.
            return await self._commit(secret, cleared, document, name, content)
        except Unavailable:
            raise  # whether the row was committed may be unknown: the sweeper decides, with the database in hand
        except BaseException:
            if await self.door.give_up(name):
                await self._store.delete(name)
            raise

    async def _commit(
        self, secret: TokenSecret, cleared: Clearance, document: DocumentId, name: str, content: Content
    ) -> Filed:
        sealed = self._keyring.seal(cleared, _parent(cleared), f"document.digest|{document}", content.sha256.digest())
        try:
            done = await self.door.act("document_filed", secret, document, name, content.size, sealed)
        except Conflict as conflict:
            if conflict.narrow != "already-filed":
                raise
            # Two uploads ran at once and the other one came first: the same bytes are filed, others are refused.
            again = await self.door.ask(secret, Act.FILE, document=document, about={"for": "content"})
            if self._filed_digest(again, document) != content.sha256.digest():
                raise
            await self._store.delete(name) if await self.door.give_up(name) else None
            return self._answer(again, document, content)
        return Filed(
            id=document,
            state="filed",
            size=content.size,
            sha256=content.sha256.hexdigest(),
            log_entry=done.entry,
            promise=done.promise,
        )

    async def _same_again(self, cleared: Clearance, document: DocumentId, content: Content) -> Filed:
        async for _ in content:
            pass
        content.check()
        if content.sha256.digest() != self._filed_digest(cleared, document):
            raise Conflict(
                "the document is filed with other content; register a new one that replaces it", code="already-filed"
            )
        return self._answer(cleared, document, content)

    def _answer(self, cleared: Clearance, document: DocumentId, content: Content) -> Filed:
        return Filed(
            id=document,
            state="filed",
            size=content.size,
            sha256=content.sha256.hexdigest(),
            log_entry=cleared.entry,
            promise=self.door.promise(cleared.entry, cleared.leaf, cleared.at),
        )

    def _filed_digest(self, cleared: Clearance, document: DocumentId) -> bytes:
        sealed = unbase64(str(cleared.facts["digest"]))
        return self._keyring.open(cleared, _parent(cleared), f"document.digest|{document}", sealed)

    async def _sealed(self, cleared: Clearance, document: DocumentId, content: Content) -> AsyncIterator[bytes]:
        case = CaseId(uuid.UUID(str(cleared.facts["case"])))
        sealer = Sealer(self._keyring.document_key(cleared, str(document)), case, document)
        async for chunk in content:
            sealed = sealer.update(chunk)
            if sealed:
                yield sealed
        # What was promised is checked before the last bytes are made: a wrong body never becomes a whole object.
        content.check()
        yield sealer.finalize()

    async def open(
        self,
        secret: TokenSecret,
        document: DocumentId,
        *,
        confirmed: list[str],
        range_header: str | None = None,
        if_range: str | None = None,
    ) -> Release:
        """Decide one release; the entry is durable when this returns. The bytes follow from :meth:`Release.chunks`."""
        wanted = parse_range(range_header)
        since = asyncio.get_running_loop().time()
        about = {
            "confirmed": confirmed,
            "process": self.leases.process,
            "range": None if wanted is None else str(wanted),
        }
        cleared = await self.door.ask(secret, Act.OPEN, document=document, about=about)
        if not cleared.keys:
            raise FactsChanged("the facts changed while this was decided; ask again")
        try:
            release = Release(self, secret, cleared, document, since)
            if wanted is not None:
                release.narrow(wanted, if_range)
        except VaultError as error:
            # Permitted, but nothing was sent: the range lies outside, or the document's own metadata does not open.
            outcome = Outcome.DELIVERED if isinstance(error, InvalidInput) else Outcome.BROKEN
            await self.door.end_release(secret, cleared.entry, str(outcome), 0)
            raise
        return release

    def describe(self, cleared: Clearance, document: DocumentId) -> tuple[bytes, str]:
        """The SHA-256 and the file name of a document that may be released."""
        about = self._about(cleared, _parent(cleared), document, str(cleared.facts["about"]))
        return self._filed_digest(cleared, document), about.filename

    async def plaintext(
        self, cleared: Clearance, document: DocumentId, size: int, start: int, length: int
    ) -> AsyncIterator[bytes]:
        name, case = str(cleared.facts["object"]), CaseId(uuid.UUID(str(cleared.facts["case"])))
        reader = ChunkReader(self._keyring.document_key(cleared, str(document)), case, document, sealed_size(size))
        async for piece in read_plaintext(self._store, name, reader, start, length):
            yield piece

    async def get(self, secret: TokenSecret, document: DocumentId) -> tuple[DocumentView, str]:
        """One document's metadata, and the promise of the entry."""
        listed = await self.door.ask(secret, Act.LIST, document=document, about={"target": "document"})
        view = self._view(listed, msgspec.convert(listed.facts["items"], list[dict[str, Any]])[0])
        return view, self.door.promise(listed.entry, listed.leaf, listed.at)

    async def list_documents(
        self, secret: TokenSecret, case: CaseId, *, after: uuid.UUID | None, limit: int, kind: str | None
    ) -> Page[DocumentView]:
        """The documents of a case that the caller may read, and those it filed itself; what it may not see is not counted."""
        if kind is not None:
            require_code("document-type", kind, "type")
        about = {"target": "documents", "after": after, "limit": limit, "type": kind}
        listed = await self.door.ask(secret, Act.LIST, case=case, about=about)
        items = msgspec.convert(listed.facts["items"], list[dict[str, Any]])
        views = [self._view(listed, item) for item in items]
        return page_of(views, listed.facts, self.door.promise(listed.entry, listed.leaf, listed.at))

    async def mark(self, secret: TokenSecret, document: DocumentId, mark: str) -> Done:
        """Retract a document, or say that it is misfiled; it closes at once."""
        return await self.door.act("document_mark", secret, document, mark)

    def _view(self, listed: Clearance, item: dict[str, Any]) -> DocumentView:
        document = DocumentId(uuid.UUID(item["id"]))
        parent = f"case:{item['case']}" if item["key_parent"] == "case" else f"register:{item['client']}"
        about = self._about(listed, parent, document, item["about"])
        sha256 = None
        if item["digest"] is not None:
            sha256 = self._keyring.open(listed, parent, f"document.digest|{document}", unbase64(item["digest"])).hex()
        known = {name: item[name] for name in DocumentView.__struct_fields__ if name in item}
        return msgspec.convert(
            known | {"title": about.title, "filename": about.filename, "sha256": sha256}, DocumentView
        )

    def _about(self, cleared: Clearance, parent: str, document: DocumentId, sealed: str) -> DocumentAbout:
        opened = self._keyring.open(cleared, parent, f"document.about|{document}", unbase64(sealed))
        return msgspec.json.decode(opened, type=DocumentAbout)


def _parent(cleared: Clearance) -> str:
    facts = cleared.facts
    return f"case:{facts['case']}" if facts["key_parent"] == "case" else f"register:{facts['client']}"


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise InvariantViolated("the door gave no size")
    return value
