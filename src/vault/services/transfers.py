"""Transfers to the archive: what archivists do, and the worker's steps from approval to shredding (promise P8).

    approved by two → package → send → (the archive's receipt) → read back → shred the keys → remove the objects

Each step is done before it is recorded, is recorded with its log entry, and can be repeated: whoever takes up a transfer
goes on from its recorded state. The keys are destroyed in one transaction, after everything else.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from joserfc.jwk import OKPKey

from vault.errors import Conflict, Hidden, InvalidInput, ObjectTampered, Unavailable, VaultError
from vault.formats.ageformat import Digest, fingerprint_of
from vault.formats.label import (
    LABEL_FORMAT,
    Label,
    LabelRecipient,
    Names,
    encode_label,
    how_to_open,
    label_text,
    seal_descriptor,
)
from vault.formats.receipt import MAX_RECEIPT, Expected, load_public_keys, verify_receipt
from vault.model import Act, TokenSecret
from vault.ports import Door, Keyring, ObjectStore
from vault.services.cases import Page, page_of
from vault.services.packaging import Package

_RENEW_S = 30.0
_CLAIM = dt.timedelta(minutes=2)
POLL = dt.timedelta(minutes=1)
RETRY = dt.timedelta(minutes=5)


class Deposit(Protocol):
    """Where the archive reads packages and leaves receipts. Not trusted: everything is read back.

    Every method raises StoreUnavailable when it does not answer.
    """

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """Store under a name, durable on return; an older one of that name is replaced, by the whole of the new or not."""
        ...

    def fetch(self, name: str) -> AsyncIterator[bytes]:
        """All bytes. Raises: ObjectTampered when there is nothing of that name."""
        ...

    async def read(self, name: str, limit: int) -> bytes | None:
        """At most ``limit`` + 1 bytes of something small, or None when there is nothing of that name."""
        ...


class Claims(Protocol):
    """The worker's side of the database. Raises DatabaseUnavailable within the bounded wait."""

    async def find(self) -> int:
        """Make closed cases due, and stop or release what is held; how many changed."""
        ...

    async def take_up(self) -> Taken | None:
        """Take up one transfer that has work; nobody else takes it up for two minutes."""
        ...

    async def keep(self, taken: Taken, wait: dt.timedelta) -> bool:
        """Stay at it for so long; False when another worker has taken it up."""
        ...

    async def expected(self, secret: TokenSecret, transfer: uuid.UUID) -> dict[str, Any] | None:
        """The newest package, the archive's id and its public keys."""
        ...

    async def objects(self, taken: Taken, removed: Sequence[str]) -> list[str]:
        """Note which objects are gone from the store; up to a thousand of those that are left."""
        ...


class Taken(msgspec.Struct, frozen=True):
    """A transfer taken up: ``secret`` is the job's, under which the door knows the worker."""

    transfer: uuid.UUID
    case: uuid.UUID
    state: str
    secret: TokenSecret


class Transfers:
    """What archivists see and do; ids, sizes and states, no content."""

    def __init__(self, door: Door, claims: Claims, keyring: Keyring) -> None:
        self._door, self._claims, self._keyring = door, claims, keyring

    async def list_transfers(self, secret: TokenSecret, *, after: uuid.UUID | None, limit: int) -> Page:
        """The transfers of the caller's archive, by id."""
        about = {"target": "transfers", "after": after, "limit": limit}
        listed = await self._door.ask(secret, Act.LIST, about=about)
        items = msgspec.convert(listed.facts["items"], list[dict[str, Any]])
        return page_of(items, listed.facts, self._door.promise(listed.entry, listed.leaf, listed.at))

    async def get(self, secret: TokenSecret, transfer: uuid.UUID) -> tuple[dict[str, Any], str]:
        """One transfer with its history, and the promise of the entry."""
        listed = await self._door.ask(secret, Act.LIST, about={"target": "transfer", "transfer": transfer})
        [item] = msgspec.convert(listed.facts["items"], list[dict[str, Any]])
        return item, self._door.promise(listed.entry, listed.leaf, listed.at)

    async def approve(self, secret: TokenSecret, transfer: uuid.UUID) -> tuple[dict[str, Any], str]:
        """Approve it with all that follows, the destruction too; two different archivists must."""
        done = await self._door.act("transfer_approve", secret, transfer)
        return done.facts, done.promise

    async def reject(self, secret: TokenSecret, transfer: uuid.UUID, reason: str) -> tuple[dict[str, Any], str]:
        """Refuse what was sent; the case stays, and approving it anew begins again."""
        if not 0 < len(reason.strip()) <= 4000:
            raise InvalidInput("a reason has 1 to 4000 characters", field="reason")
        sealed = self._keyring.seal_own(f"transfer.rejection|{transfer}", reason.strip().encode())
        done = await self._door.act("transfer_reject", secret, transfer, sealed)
        return done.facts, done.promise

    async def receive(self, secret: TokenSecret, transfer: uuid.UUID, receipt: str) -> tuple[dict[str, Any], str]:
        """Take the archive's receipt. Raises: InvalidInput (``receipt-invalid``, ``receipt-mismatch``), Hidden."""
        await self._door.ask(secret, Act.LIST, about={"target": "transfer", "transfer": transfer})
        known = await self._claims.expected(secret, transfer)
        if known is None:
            raise Hidden("there is nothing here that you may see")
        return await record_receipt(self._door, self._keyring, secret, known, receipt)


async def record_receipt(
    door: Door, keyring: Keyring, secret: TokenSecret, known: Mapping[str, Any], receipt: str
) -> tuple[dict[str, Any], str]:
    """Verify a receipt against the newest package, and record it sealed (it may name who received)."""
    text, transfer, package = receipt.strip(), uuid.UUID(str(known["transfer"])), known["package"]
    if package is None:
        raise Conflict("nothing has been packaged yet", code="transfer-state")
    verify_receipt(text, _keys(known), expected_of(known))
    sealed = keyring.seal_own(f"transfer.receipt|{transfer}", text.encode())
    done = await door.act(
        "transfer_receive",
        secret,
        transfer,
        bytes.fromhex(package["sha256"]),
        bytes.fromhex(package["tar"]["sha256"]),
        sealed,
    )
    return done.facts, done.promise


def expected_of(known: Mapping[str, Any]) -> Expected:
    """What a receipt must be for."""
    package = known["package"]
    return Expected(
        transfer=uuid.UUID(str(known["transfer"])),
        archive=str(known["archive"]),
        package=Digest(package["size"], package["sha256"]),
        tar=Digest(package["tar"]["size"], package["tar"]["sha256"]),
        files=package["files"],
        payload_bytes=package["payload_bytes"],
    )


class TransferWorker:
    """Goes on with transfers, one at a time; any number of workers may run."""

    def __init__(self, door: Door, claims: Claims, keyring: Keyring, store: ObjectStore, deposit: Deposit) -> None:
        self._door, self._claims, self._keyring = door, claims, keyring
        self._store, self._deposit = store, deposit

    async def find(self) -> int:
        """Make closed cases due, and stop or release what is held."""
        return await self._claims.find()

    async def step(self) -> str | None:
        """One step of one transfer; what was done, or None when nothing is to be done now.

        An error puts this transfer off for five minutes and is told; its state is what it was.
        """
        taken = await self._claims.take_up()
        if taken is None:
            return None
        keeping = asyncio.create_task(self._stay(taken))
        wait = dt.timedelta()
        try:
            done = await self._go_on(taken)
            wait = POLL if done is None else wait
            return f"{taken.transfer}: {done or 'waits for its receipt'}"
        except Unavailable:
            raise
        except VaultError as error:
            wait = RETRY
            return f"{taken.transfer}: put off: {error}"
        finally:
            keeping.cancel()
            await self._claims.keep(taken, wait)

    async def _stay(self, taken: Taken) -> None:
        while True:
            await asyncio.sleep(_RENEW_S)
            await self._claims.keep(taken, _CLAIM)

    async def _go_on(self, taken: Taken) -> str | None:
        known = await self._claims.expected(taken.secret, taken.transfer)
        if known is None:
            raise Conflict("another worker has taken it up", code="transfer-state")
        match taken.state:
            case "due":
                return await self._package(taken, known)
            case "packaged":
                return await self._send(taken, known)
            case "sent":
                return await self._await_receipt(taken, known)
            case "received":
                return await self._verify(taken, known)
            case "verified":
                return await self._shred(taken, known)
            case _:
                return await self._remove(taken)

    async def _package(self, taken: Taken, known: Mapping[str, Any]) -> str:
        """If we stop before it is recorded, the next package replaces this one."""
        cleared = await self._door.ask(taken.secret, Act.PACKAGE, case=taken.case)
        package = Package(
            cleared, self._keyring, self._store, transfer=taken.transfer, archive_name=known["archive_name"]["fi"]
        )
        recipients = [item["recipient"] for item in known["recipients"]]
        names = Names(taken.transfer)
        await self._deposit.put(names.descriptor, _once(seal_descriptor(package.facts, recipients)))
        await self._deposit.put(names.package, package.chunks(recipients))
        if package.sealed is None or package.totals is None:
            raise ObjectTampered("the package was not made to its end")
        made = {
            "made_at": package.facts.made_at.isoformat(), "package_size": package.sealed.size, "package_sha256": package.sealed.sha256,
            "tar_size": package.totals.tar.size, "tar_sha256": package.totals.tar.sha256, "files": package.totals.files,
            "payload_bytes": package.totals.payload_bytes,
            "retention_ends": package.facts.retention_ends.isoformat() if package.facts.retention_ends else None,
        }  # fmt: skip
        await self._door.act("transfer_done", taken.secret, taken.transfer, "package", made)
        return f"packaged, {package.sealed.size} bytes"

    async def _send(self, taken: Taken, known: Mapping[str, Any]) -> str:
        """Read back what was put, then say that it is sent; the label comes last, and again if we stop before it."""
        if not await self._is_there(known):
            return await self._package(taken, known)
        await self._door.act("transfer_done", taken.secret, taken.transfer, "send", None)
        await self._put_label(known)
        return "sent"

    async def _await_receipt(self, taken: Taken, known: Mapping[str, Any]) -> str | None:
        names = Names(taken.transfer)
        if await self._deposit.read(names.label, 1) is None:
            await self._put_label(known)
        receipt = await self._deposit.read(names.receipt, MAX_RECEIPT)
        if receipt is None:
            return None
        await record_receipt(self._door, self._keyring, taken.secret, known, receipt.decode("ascii", "replace"))
        return "the archive has signed for it"

    async def _verify(self, taken: Taken, known: Mapping[str, Any]) -> str:
        if not await self._is_there(known):
            await self._door.act("transfer_done", taken.secret, taken.transfer, "reject", None)
            return "REJECTED: what was read back is not what the archive signed for"
        await self._door.act("transfer_done", taken.secret, taken.transfer, "verify", None)
        return "read back and verified"

    async def _shred(self, taken: Taken, known: Mapping[str, Any]) -> str:
        """Read it back once more, ask the door, destroy the keys; a crash between any two leaves the keys."""
        if not await self._is_there(known):
            await self._door.act("transfer_done", taken.secret, taken.transfer, "reject", None)
            return "REJECTED: what was read back is not what the archive signed for"
        await self._door.act("transfer_done", taken.secret, taken.transfer, "verify", None)
        permit = await self._door.ask(taken.secret, Act.DESTROY, case=taken.case)
        done = await self._door.act("case_shred", taken.secret, taken.transfer, permit.entry)
        return f"shredded, {done.facts['keys']} keys"

    async def _remove(self, taken: Taken) -> str:
        """The objects are noise by now; removing them frees the room."""
        removed = 0
        left = await self._claims.objects(taken, [])
        while left:
            for name in left:
                await self._store.delete(name)
            removed += len(left)
            left = await self._claims.objects(taken, left)
        return f"{removed} objects removed"

    async def _is_there(self, known: Mapping[str, Any]) -> bool:
        """Whether the package that lies in the archive's store is, byte for byte, the one that was made."""
        digest, size = hashlib.sha256(), 0
        try:
            async for piece in self._deposit.fetch(Names(uuid.UUID(str(known["transfer"]))).package):
                digest.update(piece)
                size += len(piece)
        except ObjectTampered:
            return False
        return (size, digest.hexdigest()) == (known["package"]["size"], known["package"]["sha256"])

    async def _put_label(self, known: Mapping[str, Any]) -> None:
        label = _label(known)
        names = Names(label.transfer)
        await self._deposit.put(names.label_text, _once(label_text(label).encode()))
        await self._deposit.put(names.label, _once(encode_label(label)))


def _label(known: Mapping[str, Any]) -> Label:
    package, expected = known["package"], expected_of(known)
    ends = package["retention_ends"]
    return Label(
        format=LABEL_FORMAT,
        transfer=expected.transfer,
        made_at=dt.datetime.fromisoformat(package["made_at"]),
        file=Names(expected.transfer).package,
        package=expected.package,
        tar=expected.tar,
        files=expected.files,
        payload_bytes=expected.payload_bytes,
        retention_ends=dt.date.fromisoformat(ends) if ends else None,
        recipients=tuple(
            LabelRecipient(item["name"], fingerprint_of(item["recipient"])) for item in known["recipients"]
        ),
        how_to_open=how_to_open(expected.transfer),
    )


def _keys(known: Mapping[str, Any]) -> dict[str, OKPKey]:
    return load_public_keys(known["receipt_keys"])


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
