"""What a package tells of a closed case, apart from the papers' bytes.

Every struct has ``more``: whatever else is known, as plain JSON values, that goes into the package unread.

Source: docs/spec/archive-package.md §5.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import msgspec


class ClientFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Whose case it is, as given with this case."""

    name: str
    personal_identity_code: str | None
    born: dt.date | None
    language: str


class PaperFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One document or signed form. ``filed_by`` is an agency's slug; ``size`` in bytes; ``sha256`` is hex, of its filing."""

    id: uuid.UUID
    type: str
    title: str
    language: str
    dated: dt.date
    filed_at: dt.datetime
    filed_by: str
    filename: str
    media_type: str
    size: int
    sha256: str
    more: dict[str, Any] = {}


class ConsentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One consent; ``more`` holds its provisions as recorded; ``form`` is None where the form itself was destroyed."""

    id: uuid.UUID
    signed_on: dt.date
    valid_from: dt.date | None
    valid_until: dt.date | None
    withdrawn_at: dt.datetime | None
    form: PaperFacts | None
    more: dict[str, Any] = {}


class CaseFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One closed case and its transfer.

    ``made_at`` is the transfer's time, and the time of every file in the package; ``retention_ends`` is the last day of
    keeping. ``controller_from`` and ``controller_to`` are names of organisations.
    """

    transfer: uuid.UUID
    made_at: dt.datetime
    case: uuid.UUID
    process: str
    client: ClientFacts
    opened_at: dt.datetime
    closed_at: dt.datetime
    closing_reason: str
    retention_ends: dt.date | None
    retention_source: str
    secrecy_source: str
    controller_from: str
    controller_to: str
    documents: tuple[PaperFacts, ...]
    consents: tuple[ConsentFacts, ...]
    more: dict[str, Any] = {}


class Listed(msgspec.Struct, frozen=True):
    """One file of the package as ``data/case.json`` lists it; ``sha256`` is hex."""

    path: str
    size: int
    sha256: str | None
