"""The worker's steps of a transfer, from approval to shredding (promise P8).

    approved by two → package → send → (the archive's receipt) → read back → (waiting time) → shred the keys → remove the objects

Each step is done before it is recorded, is recorded with its log entry, and can be repeated: whoever takes up a transfer
goes on from its recorded state. The keys are destroyed in one transaction, after everything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from vault.errors import (
    Conflict,
    DatabaseUnavailable,
    Forbidden,
    IntegrityBroken,
    KeyUnopenable,
    ObjectTampered,
    Unavailable,
    VaultError,
)
from vault.formats.ageformat import Digest, fingerprint_of, new_identity
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
from vault.formats.receipt import MAX_RECEIPT
from vault.model import Act, Clearance
from vault.ports import Door, Keyring, ObjectStore
from vault.rules.days import end_of_day
from vault.services.cases import unbase64
from vault.services.deposit import Deposit, read_back
from vault.services.packaging import Package, Progress
from vault.services.proofs import Prover
from vault.services.transfers import Claims, Taken, expected_of, record_receipt

_TELL_S = 2.0
_RENEW_TURNS = 15
_CLAIM = dt.timedelta(minutes=2)
POLL = dt.timedelta(minutes=1)
RETRY = dt.timedelta(minutes=5)
OWN_KEY = "this transfer's own key (the vault's, until the case is shredded)"
_REFUSED: Mapping[Act, str] = {
    Act.PACKAGE: "nothing was packaged: a hold, a person's request or an upload came in between, or the case was opened again",
    Act.VERIFY: "nothing was read back: the transfer has moved on meanwhile",
    Act.DESTROY: "nothing was destroyed: a hold or a person's request came in between, or the archive's store does not say that the"
    " package is locked to the end of its keeping",
}
_NOT_THE_SAME = "REJECTED: what was read back is not what the archive signed for"


class TransferWorker:
    """Goes on with transfers, one at a time; any number of workers may run."""

    def __init__(
        self, door: Door, claims: Claims, keyring: Keyring, store: ObjectStore, deposit: Deposit, prover: Prover
    ) -> None:
        self._door, self._claims, self._keyring = door, claims, keyring
        self._store, self._deposit, self._prover = store, deposit, prover
        self._progress = Progress()

    async def check(self) -> None:
        """Raise SettingsWrong unless the archive's store keeps what is put into it as it must."""
        await self._deposit.check()

    async def find(self) -> int:
        """Make closed cases due, and stop or release what is held."""
        return await self._claims.find()

    async def step(self) -> str | None:
        """One step of one transfer; what was done, or None when nothing is to be done now.

        An error puts this transfer off for five minutes, or a minute where something could not be reached, and is told to
        the archivists; its state is what it was. Raises: DatabaseUnavailable.
        """
        taken = await self._claims.take_up()
        if taken is None:
            return None
        self._progress = Progress()
        keeping = asyncio.create_task(self._stay(taken))
        wait, trouble = dt.timedelta(), dict[str, str]()
        try:
            done = await self._go_on(taken)
            wait = POLL if done is None else wait
            return f"{taken.transfer}: {done or 'waits for its receipt'}"
        except DatabaseUnavailable:
            raise
        except VaultError as error:
            wait = POLL if isinstance(error, Unavailable) else RETRY
            trouble = {"trouble": str(error), "trouble_code": getattr(error, "narrow", error.code)}
            return f"{taken.transfer}: put off: {error}"
        finally:
            keeping.cancel()
            with contextlib.suppress(DatabaseUnavailable):
                await self._claims.tell(taken, trouble)
                await self._claims.keep(taken, wait)

    async def _stay(self, taken: Taken) -> None:
        """Keep the claim, and tell how far it is; a database that is away is met by the step itself."""
        told: Mapping[str, Any] = {}
        for turn in range(1, 1 << 30):
            await asyncio.sleep(_TELL_S)
            with contextlib.suppress(DatabaseUnavailable):
                if turn % _RENEW_TURNS == 0:
                    await self._claims.keep(taken, _CLAIM)
                if (now := self._progress.told()) and now != told:
                    await self._claims.tell(taken, now)
                    told = now

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

    async def _ask(self, taken: Taken, act: Act) -> Clearance:
        """Ask the door; a refusal is told in words of the transfer, and what it waits for is found within a minute."""
        try:
            return await self._door.ask(taken.secret, act, case=taken.case)
        except Forbidden:
            raise Conflict(
                f"{_REFUSED[act]}; how it stands now says what it waits for", code="transfer-state"
            ) from None

    # ---------------------------------------------------------------- packaging

    async def _package(self, taken: Taken, known: Mapping[str, Any]) -> str:
        """Make the package, or take over the one that lies there already.

        If we stop before it is recorded, whoever comes next finds the draft's key, and with it the package.
        """
        await self._deposit.check()
        cleared = await self._draft(taken)
        facts: Mapping[str, Any] = cleared.facts
        package = Package(
            cleared,
            self._keyring,
            self._store,
            transfer=taken.transfer,
            archive_name=known["archive_name"]["fi"],
            log=await self._prover.items(facts["entries"]),
            progress=self._progress,
        )
        made = await self._found(taken, cleared, package) or await self._made(taken, known, cleared, package)
        await self._door.act("transfer_done", taken.secret, taken.transfer, "package", made)
        return f"packaged, {made['package_size']} bytes"

    async def _draft(self, taken: Taken) -> Clearance:
        """The case's keys and facts as of the draft, which is recorded first where there is none."""
        cleared = await self._ask(taken, Act.PACKAGE)
        if cleared.facts["draft"] is not None:
            return cleared
        identity, recipient = new_identity()
        sealed = self._keyring.seal(
            cleared, f"case:{taken.case}", f"transfer.identity|{taken.transfer}", identity.encode()
        )
        await self._door.act("transfer_prepare", taken.secret, taken.transfer, recipient, sealed)
        return await self._ask(taken, Act.PACKAGE)

    async def _made(
        self, taken: Taken, known: Mapping[str, Any], cleared: Clearance, package: Package
    ) -> dict[str, Any]:
        facts: Mapping[str, Any] = cleared.facts
        recipients = [*(item["recipient"] for item in known["recipients"]), facts["draft"]["recipient"]]
        names = Names(package.facts.transfer)
        await self._deposit.put(names.descriptor, _once(seal_descriptor(package.facts, recipients)))
        version = await self._deposit.put(names.package, self._while_at_it(taken, package.chunks(recipients)))
        if package.sealed is None or package.totals is None:
            raise ObjectTampered("the package was not made to its end")
        totals = package.totals
        return _made(package, package.sealed, totals.tar, totals.files, totals.payload_bytes, version)

    async def _while_at_it(self, taken: Taken, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The pieces, and before the end that nobody else took it up: theirs is not to be replaced by ours."""
        async for piece in chunks:
            yield piece
        if not await self._claims.keep(taken, _CLAIM):
            raise Conflict("another worker has taken it up", code="transfer-state")

    async def _found(self, taken: Taken, cleared: Clearance, package: Package) -> dict[str, Any] | None:
        """The package that an earlier try put there and did not record; any but a whole one of this draft is passed over."""
        names, identities = Names(taken.transfer), self._identities(taken, cleared)
        for version in await self._deposit.versions(names.package):
            try:
                bag, sealed = await read_back(
                    self._deposit.fetch(names.package, version), identities, self._progress.add
                )
            except IntegrityBroken:
                continue
            if package.is_held_by(bag) and await self._deposit.read(names.descriptor, 1) is not None:
                return _made(package, sealed, bag.tar, bag.files, bag.payload_bytes, version)
        return None

    # ---------------------------------------------------------------- sending, receiving, shredding

    async def _send(self, taken: Taken, known: Mapping[str, Any]) -> str:
        """Read back what was put, then say that it is sent; the label comes last, and again if we stop before it."""
        if not await self._is_there(taken, known):
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
        if not await self._is_there(taken, known):
            await self._door.act("transfer_done", taken.secret, taken.transfer, "reject", None)
            return _NOT_THE_SAME
        await self._verified(taken, known)
        return "read back, opened and verified"

    async def _shred(self, taken: Taken, known: Mapping[str, Any]) -> str:
        """Read it back once more, ask the door, destroy the keys; a crash between any two leaves the keys."""
        if not await self._is_there(taken, known):
            await self._door.act("transfer_done", taken.secret, taken.transfer, "reject", None)
            return _NOT_THE_SAME
        await self._verified(taken, known)
        permit = await self._ask(taken, Act.DESTROY)
        done = await self._door.act("case_shred", taken.secret, taken.transfer, permit.entry)
        return f"shredded, {done.facts['keys']} keys"

    async def _verified(self, taken: Taken, known: Mapping[str, Any]) -> None:
        """Only now is it locked to its end: a wrong package must not stay for ten years."""
        names, ends, locks = Names(taken.transfer), known["package"]["retention_ends"], list[dt.datetime | None]()
        if ends is not None:
            until = end_of_day(dt.date.fromisoformat(ends))
            locks.append(await self._deposit.keep(names.package, known["package"]["version"], until))
            for name in (names.descriptor, names.label, names.label_text, names.receipt):
                if await self._deposit.versions(name):
                    locks.append(await self._deposit.keep(name, None, until))
        locked = min((lock for lock in locks if lock is not None), default=None)
        made = None if locked is None else {"locked_until": locked.isoformat()}
        await self._door.act("transfer_done", taken.secret, taken.transfer, "verify", made)

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

    # ---------------------------------------------------------------- reading back

    async def _is_there(self, taken: Taken, known: Mapping[str, Any]) -> bool:
        """Whether what lies in the archive's store is, byte for byte and opened, the package that was made."""
        told, expected = known["package"], expected_of(known)
        cleared = await self._ask(taken, Act.VERIFY)
        self._progress.begin("reading-back", told["size"], 0)
        pieces = self._deposit.fetch(Names(taken.transfer).package, told["version"])
        identities = self._identities(taken, cleared)
        try:
            bag, sealed = await read_back(pieces, identities, self._progress.add)
        except (ObjectTampered, KeyUnopenable):
            return False
        found = (sealed, bag.tar, bag.files, bag.payload_bytes, bag.transfer)
        return found == (expected.package, expected.tar, expected.files, expected.payload_bytes, expected.transfer)

    def _identities(self, taken: Taken, cleared: Clearance) -> list[str]:
        """The identity that was made for this transfer, opened under the case's key."""
        facts: Mapping[str, Any] = cleared.facts
        sealed = unbase64((facts.get("draft") or facts)["identity"])
        return [
            self._keyring.open(cleared, f"case:{taken.case}", f"transfer.identity|{taken.transfer}", sealed).decode()
        ]

    async def _put_label(self, known: Mapping[str, Any]) -> None:
        label = label_of(known)
        names = Names(label.transfer)
        await self._deposit.put(names.label_text, _once(label_text(label).encode()))
        await self._deposit.put(names.label, _once(encode_label(label)))


def _made(
    package: Package, sealed: Digest, tar: Digest, files: int, payload_bytes: int, version: str | None
) -> dict[str, Any]:
    ends = package.facts.retention_ends
    return {
        "made_at": package.facts.made_at.isoformat(), "package_size": sealed.size, "package_sha256": sealed.sha256,
        "tar_size": tar.size, "tar_sha256": tar.sha256, "files": files, "payload_bytes": payload_bytes,
        "retention_ends": ends.isoformat() if ends else None, "version": version,
    }  # fmt: skip


def label_of(known: Mapping[str, Any]) -> Label:
    """The label of the newest package; it names every key that opens it."""
    package, expected = known["package"], expected_of(known)
    ends = package["retention_ends"]
    recipients: Iterable[tuple[str, str]] = [
        *((item["name"], item["recipient"]) for item in known["recipients"]),
        (OWN_KEY, known["recipient"]),
    ]
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
        recipients=tuple(LabelRecipient(name, fingerprint_of(text)) for name, text in recipients),
        how_to_open=how_to_open(expected.transfer),
    )


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
