"""Transfers to the archive: what archivists see and do, and how a receipt is taken (promise P8)."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec
from joserfc.jwk import OKPKey

from vault.errors import Conflict, Hidden, InvalidInput
from vault.formats.ageformat import Digest
from vault.formats.receipt import Expected, load_public_keys, parse_receipt, verify_receipt
from vault.model import Act, Clearance, KeyKind, TokenSecret
from vault.ports import Door, Keyring
from vault.rules.transfer import State, waits
from vault.services.cases import Page, page_of, unbase64
from vault.services.tokens import name_context

_OUTCOMES = ("given", "refused", "not-found")


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

    async def tell(self, taken: Taken, told: Mapping[str, Any]) -> None:
        """Say how far it is, or what stopped it, to the people who look; nothing rests on it."""
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

    async def list_transfers(self, secret: TokenSecret, *, after: uuid.UUID | None, limit: int) -> Page[dict[str, Any]]:
        """The transfers of the caller's archive, by id."""
        about = {"target": "transfers", "after": after, "limit": limit}
        listed = await self._door.ask(secret, Act.LIST, about=about)
        items = msgspec.convert(listed.facts["items"], list[dict[str, Any]])
        for item in items:
            del item["receipt"]
            self._explain(listed, item)
        return page_of(items, listed.facts, self._door.promise(listed.entry, listed.leaf, listed.at))

    async def get(self, secret: TokenSecret, transfer: uuid.UUID) -> tuple[dict[str, Any], str]:
        """One transfer with its history, and the promise of the entry."""
        listed = await self._door.ask(secret, Act.LIST, about={"target": "transfer", "transfer": transfer})
        [item] = msgspec.convert(listed.facts["items"], list[dict[str, Any]])
        self._explain(listed, item)
        item["receipt"] = await self._receipt(secret, transfer, item["receipt"])
        return item, self._door.promise(listed.entry, listed.leaf, listed.at)

    def _explain(self, listed: Clearance, item: dict[str, Any]) -> None:
        """What it waits for and what to do; of each hold who set it and when, and why where the door gave the case's key."""
        item["waits"] = [wait._asdict() for wait in waits(State(item["state"]), item["waits_for"])]
        case, key = item["case"], listed.key(KeyKind.CASE, item["case"])
        for hold in item["holds"]:
            name, reason = hold.pop("sealed_name"), hold.pop("sealed_reason")
            hold["name"] = self._keyring.open_own(
                name_context(hold["agency"], hold.pop("subject")), unbase64(name)
            ).decode()
            if key is not None:
                hold["reason"] = self._keyring.open(listed, key.name, f"case.hold|{case}", unbase64(reason)).decode()

    async def _receipt(self, secret: TokenSecret, transfer: uuid.UUID, sealed: str | None) -> dict[str, Any] | None:
        """What the archive signed: who received the package, when, and which checks it passed; verified anew."""
        known = None if sealed is None else await self._claims.expected(secret, transfer)
        if sealed is None or known is None:
            return None
        text = self._keyring.open_own(f"transfer.receipt|{transfer}", unbase64(sealed)).decode()
        receipt = parse_receipt(text, _keys(known))
        return {
            "received_by": receipt.received_by,
            "received_at": receipt.received_at.isoformat(),
            "checks": list(receipt.checks),
        }

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

    async def list_requests(self, secret: TokenSecret, *, after: uuid.UUID | None, limit: int) -> Page[dict[str, Any]]:
        """What people asked for that the caller's archive has by now, by id."""
        about = {"target": "archive-requests", "after": after, "limit": limit}
        listed = await self._door.ask(secret, Act.LIST, about=about)
        items = msgspec.convert(listed.facts["items"], list[dict[str, Any]])
        return page_of(items, listed.facts, self._door.promise(listed.entry, listed.leaf, listed.at))

    async def answer_request(self, secret: TokenSecret, request: uuid.UUID, outcome: str) -> tuple[dict[str, Any], str]:
        """Note how the archive answered: ``given``, ``refused`` or ``not-found``; once."""
        if outcome not in _OUTCOMES:
            raise InvalidInput(f"an outcome is one of {', '.join(_OUTCOMES)}", field="outcome", code="unknown-code")
        done = await self._door.act("archive_request_answer", secret, request, outcome)
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


def _keys(known: Mapping[str, Any]) -> dict[str, OKPKey]:
    return load_public_keys(known["receipt_keys"])
