"""A client's own export, from their side: ordered in one press, shown with its clock and progress, fetched, removed.

Source: promise P9; design.md §3.3, §4 (/v1/me/exports), §7; domain.md §9; GDPR Art. 12, 15.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from vault.errors import FactsChanged, InvalidInput, VaultError
from vault.formats.exportindex import LANGUAGES
from vault.formats.sealed import ExportReader, sealed_size
from vault.model import Act, Clearance, Outcome, TokenSecret
from vault.ports import Door, Keyring, ObjectStore
from vault.rules.self_access import UNDER_WAY, Clock, State, percent
from vault.services.cases import Page, page_of, unbase64
from vault.services.leases import Lease, Leases
from vault.services.ranges import ByteRange, parse_range
from vault.services.reading import read_plaintext


class NewExport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order. ``without_large`` leaves out papers above ten mebibytes; ``language`` is that of the page inside."""

    without_large: bool = False
    language: str | None = None


class Amount(msgspec.Struct, frozen=True):
    """How much there is: papers, and their bytes."""

    documents: int
    bytes: int


class Progress(msgspec.Struct, frozen=True):
    """How far the worker has come, of ``of`` bytes in all."""

    documents: int
    bytes: int
    of: int
    percent: int


class Made(msgspec.Struct, frozen=True):
    """The package: ``partial`` when something waits, is withheld, damaged or was left out."""

    size: int
    documents: int
    partial: bool
    ready_at: str
    expires_at: str


class Passed(msgspec.Struct, frozen=True):
    state: State
    at: str


class AtArchive(msgspec.Struct, frozen=True):
    """The same was asked of an archive for a case that is there; ``outcome`` is ``given``, ``refused`` or ``not-found``."""

    case: uuid.UUID
    transfer: uuid.UUID
    archive: str
    name: dict[str, str]
    due_on: str
    outcome: str | None = None
    answered_on: str | None = None


class AtDesk(msgspec.Struct, frozen=True):
    """At whose desk an export was made for somebody who does not sign in, on which request of theirs."""

    request: uuid.UUID
    agency: str
    name: dict[str, str]


class HandedOver(msgspec.Struct, frozen=True):
    """That it was handed over, on which day, and how who received it was identified: codes of rules.requests.HANDED_HOW."""

    how: str
    on: str
    identified_how: str
    at: str


class ExportView(msgspec.Struct, frozen=True):
    """One export. ``size`` is what was told beforehand; ``package`` is there once it is ready.

    One with a ``desk`` is fetched there and nowhere else, and ``handed`` says when it was given out.
    """

    id: uuid.UUID
    state: State
    language: str
    without_large: bool
    ordered_at: str
    clock: Clock
    size: Amount
    history: list[Passed]
    at_archive: list[AtArchive] = []
    progress: Progress | None = None
    package: Made | None = None
    delivered_at: str | None = None
    reason: str | None = None
    desk: AtDesk | None = None
    handed: HandedOver | None = None


class Outlook(msgspec.Struct, frozen=True):
    """How large an export of this moment would be, whole and without large papers."""

    whole: Amount
    without_large: Amount


class ExportPage(msgspec.Struct, frozen=True):
    """A page of the client's exports, and what one of this moment would hold."""

    page: Page[ExportView]
    outlook: Outlook


class ExportRelease:
    """One download of a ready export, or of a part of it; the shape of services.documents.Release."""

    media_type = "application/zip"

    def __init__(
        self, exports: Exports, secret: TokenSecret, clearance: Clearance, export: uuid.UUID, since: float
    ) -> None:
        self._exports, self._secret, self.clearance = exports, secret, clearance
        self.document = export
        self.lease: Lease | None = None
        self._since = since
        facts = msgspec.convert(clearance.facts, dict[str, Any])
        self.size = int(facts["size"])
        self.sha256 = exports.digest(clearance, export)
        self.filename = f"omat-tiedot-{dt.datetime.fromisoformat(facts['made_at']):%Y-%m-%d}.zip"
        self.promise = exports.door.promise(clearance.entry, clearance.leaf, clearance.at)
        self.start, self.length = 0, self.size
        self.is_partial = False

    @property
    def etag(self) -> str:
        """A strong validator: a package never changes (RFC 9110 §8.8.3)."""
        return f'"{self.sha256.hex()[:32]}"'

    def narrow(self, wanted: ByteRange, if_range: str | None) -> None:
        """Send a part only; the whole when ``if_range`` names another package (RFC 9110 §13.1.5)."""
        if if_range is None or if_range.strip() == self.etag:
            self.start, self.length = wanted.within(self.size, self.promise)
            self.is_partial = True

    async def begin(self) -> Lease:
        """The lease under which the bytes leave. Raises: Unavailable."""
        self.lease = await self._exports.leases.begin(self.clearance.entry, self._since)
        return self.lease

    def chunks(self) -> AsyncIterator[bytes]:
        """The ZIP's bytes. Raises: ObjectTampered, StoreUnavailable, before the first byte or between two."""
        return self._exports.plaintext(self.clearance, self.document, self.size, self.start, self.length)

    async def end(self, outcome: Outcome, bytes_sent: int) -> None:
        if self.lease is not None:
            self.lease.end()
        await self._exports.door.end_export(self._secret, self.clearance.entry, str(outcome), self.start, bytes_sent)


class Exports:
    """What a client does with their exports; ``door`` decides each by who the session says is asking."""

    def __init__(self, door: Door, keyring: Keyring, store: ObjectStore, leases: Leases) -> None:
        self.door, self._keyring, self._store, self.leases = door, keyring, store, leases

    async def order(self, secret: TokenSecret, export: uuid.UUID, new: NewExport) -> tuple[ExportView, str]:
        """Order an export; while one is under way, that one is the answer. Always served, always free."""
        language = "fi" if new.language is None else new.language
        if language not in LANGUAGES:
            allowed = ", ".join(LANGUAGES)
            raise InvalidInput(f"unknown language; allowed are: {allowed}", field="language", code="unknown-code")
        done = await self.door.act("export_order", secret, export, language, new.without_large)
        return export_view(done.facts), done.promise

    async def list_exports(self, secret: TokenSecret, *, after: uuid.UUID | None = None, limit: int = 50) -> ExportPage:
        """The client's exports, by id, and how large one of this moment would be."""
        about = {"target": "my-exports", "after": after, "limit": limit}
        listed = await self.door.ask(secret, Act.LIST, about=about)
        items = [export_view(item) for item in msgspec.convert(listed.facts["items"], list[dict[str, Any]])]
        promise = self.door.promise(listed.entry, listed.leaf, listed.at)
        return ExportPage(page_of(items, listed.facts, promise), outlook_of(listed.facts))

    async def get(self, secret: TokenSecret, export: uuid.UUID) -> tuple[ExportView, str]:
        """One export. Raises: Hidden for one that is not theirs, or that they removed."""
        listed = await self.door.ask(secret, Act.LIST, about={"target": "my-export", "export": export})
        item = msgspec.convert(listed.facts["items"], list[dict[str, Any]])[0]
        return export_view(item), self.door.promise(listed.entry, listed.leaf, listed.at)

    async def remove(self, secret: TokenSecret, export: uuid.UUID) -> str:
        """Remove an export: its key is destroyed at once, a running download is cut. Raises: Hidden."""
        return (await self.door.act("export_remove", secret, export)).promise

    async def open(
        self, secret: TokenSecret, export: uuid.UUID, *, range_header: str | None = None, if_range: str | None = None
    ) -> ExportRelease:
        """Decide one download; its entry is durable when this returns.

        Raises: Hidden for another's, an expired or a removed one; Conflict (``export-not-ready``, ``export-changed``);
        IdentificationRequired.
        """
        wanted = parse_range(range_header)
        since = asyncio.get_running_loop().time()
        about = {"process": self.leases.process, "range": None if wanted is None else str(wanted)}
        cleared = await self.door.ask(secret, Act.EXPORT, document=export, about=about)
        if not cleared.keys:
            raise FactsChanged("the facts changed while this was decided; ask again")
        try:
            release = ExportRelease(self, secret, cleared, export, since)
            if wanted is not None:
                release.narrow(wanted, if_range)
        except VaultError as error:
            # Permitted, but nothing was sent: the range lies outside, or the package's own digest does not open.
            outcome = Outcome.DELIVERED if isinstance(error, InvalidInput) else Outcome.BROKEN
            await self.door.end_export(secret, cleared.entry, str(outcome), 0, 0)
            raise
        return release

    def digest(self, cleared: Clearance, export: uuid.UUID) -> bytes:
        """The SHA-256 of a package that may be sent."""
        sealed = unbase64(str(cleared.facts["digest"]))
        return self._keyring.open(cleared, f"export:{export}", f"export.digest|{export}", sealed)

    async def plaintext(
        self, cleared: Clearance, export: uuid.UUID, size: int, start: int, length: int
    ) -> AsyncIterator[bytes]:
        reader = ExportReader(self._keyring.export_key(cleared, str(export)), export, sealed_size(size))
        async for piece in read_plaintext(self._store, str(cleared.facts["object"]), reader, start, length):
            yield piece


def export_view(item: Mapping[str, Any]) -> ExportView:
    """One export as the door listed it."""
    state, told = State(item["state"]), Amount(item["documents"], item["size"])
    progress = item.get("progress")
    return ExportView(
        id=uuid.UUID(item["id"]), state=state, language=item["language"], without_large=item["without_large"],
        ordered_at=item["ordered_at"], clock=msgspec.convert(item["clock"], Clock), size=told,
        history=msgspec.convert(item["history"], list[Passed]), at_archive=msgspec.convert(item["at_archive"], list[AtArchive]), reason=item["reason"], delivered_at=item["delivered_at"],
        progress=Progress(progress["documents"], progress["bytes"], told.bytes, percent(progress["bytes"], told.bytes))
        if progress and state in UNDER_WAY else None,
        package=msgspec.convert(item["package"], Made) if item["package"] and state in _THERE else None,
        desk=msgspec.convert(item["desk"], AtDesk) if item["desk"] else None,
        handed=msgspec.convert(item["handed"], HandedOver) if item["handed"] else None,
    )  # fmt: skip


_THERE = frozenset({State.READY, State.DELIVERED})


def outlook_of(facts: Mapping[str, Any]) -> Outlook:
    """How large an export would be, as the door listed it."""
    return msgspec.convert({"whole": facts["estimate"], "without_large": facts["without_large"]}, Outlook)
