"""A transfer and a request at the archive, as archivists' software is answered: states, ids, sizes and names, no content.

Source: design.md §4 (/v1/transfers).
"""

from __future__ import annotations

import uuid

import msgspec

Names = dict[str, str]
"""A name in each of the three languages."""


class TransferHold(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who holds the case here; ``reason`` where the door gives the case's key."""

    id: uuid.UUID
    since: str
    agency: str
    agency_name: Names
    role: str | None
    name: str
    unit: str | None
    reason: str | None = None


class TransferWait(msgspec.Struct, frozen=True):
    """What a transfer waits for, in a sentence, and what somebody can do about it."""

    code: str
    what: str
    do: str


class TransferProgress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far the worker is, and what stopped it."""

    at: str
    phase: str | None = None
    documents: int | None = None
    documents_all: int | None = None
    bytes: int | None = None
    bytes_all: int | None = None
    percent: int | None = None
    seconds_left: int | None = None
    trouble: str | None = None
    trouble_code: str | None = None
    trouble_at: str | None = None


class TransferTar(msgspec.Struct, frozen=True):
    """The tar inside the encrypted package."""

    size: int
    sha256: str


class TransferPackage(msgspec.Struct, frozen=True):
    """The newest package: what was sent, and until when it is kept."""

    made_at: str
    size: int
    sha256: str
    tar: TransferTar
    files: int
    payload_bytes: int
    retention_ends: str | None
    version: str | None


class TransferStep(msgspec.Struct, frozen=True):
    """A state, and when it was reached."""

    state: str
    at: str


class TransferView(msgspec.Struct, frozen=True):
    """One transfer. ``waits_for`` are codes, ``waits`` the same in sentences."""

    id: uuid.UUID
    case: uuid.UUID
    process: str
    case_opened_at: str
    archive: str
    archive_name: Names
    state: str
    held: bool
    holds: list[TransferHold]
    closed_at: str | None
    approvals: int
    approved_by_you: bool
    waits_for: list[str]
    waits: list[TransferWait]
    shred_from: str | None
    progress: TransferProgress | None
    locked_until: str | None
    package: TransferPackage | None
    history: list[TransferStep]


class TransferReceipt(msgspec.Struct, frozen=True):
    """What the archive signed; verified anew."""

    received_by: str
    received_at: str
    checks: list[str]


class WholeTransfer(TransferView, frozen=True):
    """One transfer, with the archive's receipt."""

    receipt: TransferReceipt | None


class ArchiveRequestView(msgspec.Struct, frozen=True):
    """What a person asked for that an archive has by now; ``outcome`` once the archive has answered."""

    id: uuid.UUID
    transfer: uuid.UUID
    case: uuid.UUID
    process: str
    case_opened_at: str
    archive: str
    archive_name: Names
    received_on: str
    due_on: str
    outcome: str | None
    answered_on: str | None
