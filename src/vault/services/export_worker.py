"""The worker's side of exports: collect, pack, seal, store; and clear away what has expired or was removed.

    ordered → collecting → (all facts from the door → ZIP → sealed → store) → ready

If it stops anywhere before the last step's commit, nothing is visible: the attempt's object is cleared by its recorded name,
its key was kept nowhere, and whoever takes the export up begins again. Source: promises P4, P5, P9; design.md §3.1.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import secrets
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

import msgspec

from vault.errors import Conflict, Hidden, IntegrityBroken, Unavailable, VaultError
from vault.formats.exportacts import Looked
from vault.formats.exportdata import Paper
from vault.formats.sealed import ChunkReader, ExportSealer, sealed_size
from vault.model import Act, CaseId, Clearance, DocumentId, KeyKind, TokenSecret, WrappedKey
from vault.ports import Door, Keyring, ObjectStore
from vault.services.export_facts import Facts
from vault.services.export_log import LogKeys, LogPart, covering_head
from vault.services.export_packing import DamagedPapers, ExportZip
from vault.services.openings import tell
from vault.services.reading import SMALL, read_plaintext
from vault.services.transparency import LogReader

_CLAIM = dt.timedelta(minutes=2)
_AGAIN = dt.timedelta(seconds=30)
_PROGRESS_S = 1.0
_OPENINGS = 200
TRIES = 5
"""An export that could not be made so many times has failed; the client is told and may order another."""


class Taken(msgspec.Struct, frozen=True):
    """An export taken up, for the n-th time: ``secret`` is the job's, under which the door knows the worker."""

    export: uuid.UUID
    secret: TokenSecret
    tries: int


class Claims(Protocol):
    """The worker's side of the database. Raises DatabaseUnavailable within the bounded wait."""

    async def take_up(self) -> Taken | None:
        """Take up one export that waits; nobody else takes it up for two minutes."""
        ...

    async def keep(self, taken: Taken, wait: dt.timedelta, documents: int, size: int) -> bool:
        """Stay at it for so long, and say how far it is; False when it is another's by now, or the client's no more."""
        ...

    async def entries(self, taken: Taken, as_of: dt.datetime, after: uuid.UUID, limit: int) -> list[dict[str, Any]]:
        """A page of the entries about the client, by id."""
        ...

    async def openings(
        self, taken: Taken, as_of: dt.datetime, after: uuid.UUID | None, limit: int
    ) -> list[dict[str, Any]]:
        """A page of the openings about the client, by their first entries' ids."""
        ...

    async def expire(self) -> int:
        """Close the exports that are past their last day; how many."""
        ...

    async def objects(self, removed: Sequence[str]) -> list[str]:
        """Note which objects are gone from the store; up to a thousand of those that are left to remove."""
        ...


class ExportWorker:
    """Makes exports, one at a time; any number of workers may run."""

    def __init__(
        self,
        door: Door,
        claims: Claims,
        keyring: Keyring,
        store: ObjectStore,
        log: LogReader,
        keys: LogKeys,
        *,
        keep_days: int,
        patience_s: float = 10.0,
    ) -> None:
        self._door, self._claims, self._keyring, self._store = door, claims, keyring, store
        self._log, self._keys = log, keys
        self._keep_days, self._patience_s = keep_days, patience_s

    async def clear(self) -> tuple[int, int]:
        """Close what has expired, and remove the objects of what is closed: how many exports, how many objects."""
        closed, removed = await self._claims.expire(), 0
        left = await self._claims.objects([])
        while left:
            for name in left:
                await self._store.delete(name)
            removed += len(left)
            left = await self._claims.objects(left)
        return closed, removed

    async def step(self) -> str | None:
        """Make one export; what was done, or None when none waits. An error puts it off, or ends it after some tries."""
        taken = await self._claims.take_up()
        if taken is None:
            return None
        making = _Making(self, taken)
        try:
            return f"{taken.export}: {await making.run()}"
        except Unavailable:
            await self._put_off(taken)
            raise
        except VaultError as error:
            return f"{taken.export}: {await self._fail(taken, error)}"

    async def _put_off(self, taken: Taken) -> None:
        with contextlib.suppress(VaultError):
            await self._claims.keep(taken, _AGAIN, 0, 0)

    async def _fail(self, taken: Taken, error: VaultError) -> str:
        if isinstance(error, Hidden):
            return "was removed, or is another worker's"
        if isinstance(error, Conflict) and taken.tries < TRIES:
            await self._claims.keep(taken, dt.timedelta(), 0, 0)
            return "begun again: a paper in it changed"
        if not isinstance(error, IntegrityBroken) and taken.tries < TRIES:
            await self._put_off(taken)
            return f"put off: {error}"
        await self._door.act("export_failed", taken.secret, taken.export, error.code)
        return f"FAILED: {error}"

    # ---------------------------------------------------------------- what one making needs

    async def make(self, taken: Taken, damaged: frozenset[str], making: _Making) -> str:
        """Collect, pack, seal and store; the last call makes it visible. Raises: DamagedPapers."""
        name = secrets.token_hex(16)
        # (1) The attempt's random name is recorded with the entry of the ask.
        cleared = await self._door.ask(taken.secret, Act.EXPORT, document=taken.export, about={"object": name})
        facts = Facts(cleared, self._keyring, damaged)
        # Under the epoch's key, not the register's, which never changes: what it held is beyond recovery once it is rotated.
        register = cleared.key(KeyKind.REGISTER, str(facts.client)) if facts.client else None
        key = self._keyring.create(
            cleared, KeyKind.EXPORT, str(taken.export), parent=register.parent if register else None
        )
        package = await self._package(taken, cleared, facts)
        making.package = package
        sealing = _Sealing(self._keyring.export_key(cleared, str(taken.export), beside=[key]), taken.export)
        try:
            # (2) The ciphertext is durable when put returns.
            await self._store.put(name, sealing.chunks(package.chunks()))
            # (3) The row, with the key and what is inside; the database looks at every paper once more.
            await self._commit(taken, cleared, facts, name, key, sealing)
        except Unavailable:
            raise  # whether the row was committed may be unknown: the sweeper decides, with the database in hand
        except BaseException as error:
            if await self._door.give_up(name):
                await self._store.delete(name)
            if isinstance(error, DamagedPapers):
                raise DamagedPapers(error.papers | await self._unreadable(cleared, facts)) from None
            raise
        lost = f"; papers that can NOT BE READ: {', '.join(facts.lost())}" if facts.lost() else ""
        return f"ready, {sealing.size} bytes, {len(facts.here())} documents{lost}"

    async def _unreadable(self, cleared: Clearance, facts: Facts) -> frozenset[str]:
        """Every paper that breaks off after its beginning, found in one reading rather than one by one."""
        found: set[str] = set()
        for paper in facts.here():
            if paper.size > SMALL:
                try:
                    async for _ in self._plaintext(cleared, facts, paper):
                        pass
                except IntegrityBroken:
                    found.add(paper.id)
        return frozenset(found)

    async def _package(self, taken: Taken, cleared: Clearance, facts: Facts) -> ExportZip:
        head = None
        if facts.client is not None:
            head = await covering_head(self._log, cleared.entry, self._patience_s)
        log = LogPart(_Entries(self._claims, taken), self._log, facts.as_of, head)

        async def openings() -> list[Looked]:
            return await self._openings(taken, facts)

        return ExportZip(
            facts, log, self._keys, papers=lambda paper: self._plaintext(cleared, facts, paper), openings=openings
        )

    async def _openings(self, taken: Taken, facts: Facts) -> list[Looked]:
        told: list[Looked] = []
        after: uuid.UUID | None = None
        while facts.client is not None:
            page = await self._claims.openings(taken, facts.as_of, after, _OPENINGS)
            told += [msgspec.convert(msgspec.to_builtins(tell(item, facts.language)), Looked) for item in page]
            if len(page) < _OPENINGS:
                break
            after = uuid.UUID(told[-1].entry)
        return told

    async def _plaintext(self, cleared: Clearance, facts: Facts, paper: Paper) -> AsyncIterator[bytes]:
        key = self._keyring.document_key(cleared, paper.id)
        reader = ChunkReader(
            key, CaseId(uuid.UUID(paper.case)), DocumentId(uuid.UUID(paper.id)), sealed_size(paper.size)
        )
        async for piece in read_plaintext(self._store, facts.objects[paper.id], reader, 0, paper.size):
            yield piece

    async def _commit(
        self, taken: Taken, cleared: Clearance, facts: Facts, name: str, key: WrappedKey, sealing: _Sealing
    ) -> None:
        digest = self._keyring.seal(
            cleared, key.name, f"export.digest|{taken.export}", sealing.digest.digest(), beside=[key]
        )
        made = {
            "papers": [paper.id for paper in facts.here()],
            "damaged": facts.lost(),
            "partial": facts.partial,
            "keep_days": self._keep_days,
        }
        row = (str(key.kind), key.subject, key.parent, key.wrapped)
        await self._door.act("export_made", taken.secret, taken.export, name, sealing.size, digest, row, made)

    async def stay(self, taken: Taken, making: _Making) -> None:
        """Keep the claim and tell the progress, until somebody else has it: then the making ends."""
        while True:
            await asyncio.sleep(_PROGRESS_S)
            package = making.package
            done = (package.documents, package.bytes) if package else (0, 0)
            with contextlib.suppress(Unavailable):
                if not await self._claims.keep(taken, _CLAIM, *done):
                    making.stop()
                    return


class _Making:
    """One export being made; made again without the papers that turn out to be damaged half-way."""

    def __init__(self, worker: ExportWorker, taken: Taken) -> None:
        self._worker, self._taken = worker, taken
        self.package: ExportZip | None = None
        self._work: asyncio.Task[str] | None = None
        self._stopped = False

    async def run(self) -> str:
        staying = asyncio.create_task(self._worker.stay(self._taken, self))
        try:
            return await self._until_whole()
        finally:
            staying.cancel()

    async def _until_whole(self) -> str:
        damaged: frozenset[str] = frozenset()
        while True:
            self._work = asyncio.create_task(self._worker.make(self._taken, damaged, self))
            try:
                return await self._work
            except DamagedPapers as error:
                damaged |= error.papers
            except asyncio.CancelledError:
                if not self._stopped:
                    raise
                raise Hidden("the export is not this worker's any more") from None

    def stop(self) -> None:
        """It was removed, or taken up by another worker: nothing more is read for it."""
        self._stopped = True
        if self._work is not None:
            self._work.cancel()


class _Entries:
    """export_log.Entries of one export."""

    def __init__(self, claims: Claims, taken: Taken) -> None:
        self._claims, self._taken = claims, taken

    async def entries(self, as_of: dt.datetime, after: uuid.UUID, limit: int) -> list[dict[str, Any]]:
        return await self._claims.entries(self._taken, as_of, after, limit)


class _Sealing:
    """Seals the ZIP on its way to the store; afterwards its size and digest are known."""

    def __init__(self, key: bytes, export: uuid.UUID) -> None:
        self._sealer = ExportSealer(key, export)
        self.size = 0
        self.digest = hashlib.sha256()

    async def chunks(self, plain: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for piece in plain:
            self.size += len(piece)
            self.digest.update(piece)
            if sealed := self._sealer.update(piece):
                yield sealed
        yield self._sealer.finalize()
