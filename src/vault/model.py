"""The nouns that every room shares: ids, closed vocabularies, wrapped keys and the clearance.

The words are those of docs/glossary.md. Ids are NewTypes, so that a case id cannot be given where a document id is due.
"""

from __future__ import annotations

import datetime as dt
import uuid
from enum import StrEnum
from typing import NewType

import msgspec

CaseId = NewType("CaseId", uuid.UUID)
ClientId = NewType("ClientId", uuid.UUID)
DocumentId = NewType("DocumentId", uuid.UUID)
ConsentId = NewType("ConsentId", uuid.UUID)
EntryId = NewType("EntryId", uuid.UUID)
ProfessionalId = NewType("ProfessionalId", uuid.UUID)
AgencySlug = NewType("AgencySlug", str)
TokenSecret = NewType("TokenSecret", bytes)
"""The 32 random bytes that an access token carries as its ``jti``; the database holds only their SHA-256."""


class Act(StrEnum):
    """What the door can be asked for (design: the door's acts)."""

    FILE = "file"
    OPEN = "open"
    LIST = "list"
    FIND = "find"
    EXPORT = "export"
    PACKAGE = "package"
    VERIFY = "verify"
    REPAIR = "repair"
    REWRAP = "rewrap"
    DESTROY = "destroy"


class ActorKind(StrEnum):
    """Who can ask at the door."""

    PROFESSIONAL = "professional"
    SYSTEM = "system"
    CLIENT = "client"
    REPRESENTATIVE = "representative"
    RECORDS_OFFICER = "records-officer"
    WORKER = "worker"
    VISITOR = "visitor"
    """Identified by a provider, not yet looked up; lives a minute."""


class Outcome(StrEnum):
    """How a release ended; written after the last byte."""

    DELIVERED = "delivered"
    CUT = "cut"
    BROKEN = "broken"
    UNKNOWN = "unknown"


class KeyKind(StrEnum):
    """The kinds of wrapped keys; each is wrapped by the one named beside it."""

    EPOCH = "epoch"  # root key
    LOOKUP = "lookup"  # root key
    CASE = "case"  # epoch key
    REGISTER = "register"  # epoch key
    DOCUMENT = "document"  # case key, or register key for signed forms
    EXPORT = "export"  # epoch key; root key for the answer to a person of whom nothing is kept


class WrappedKey(msgspec.Struct, frozen=True):
    """One key as it stands in the database: useless without its parent.

    ``subject`` is what the key is for: an epoch ``YYYY-MM``, the word ``lookup``, or the id of the case, client or
    document as text. ``parent`` is ``kind:subject`` of the key that wraps it, or ``root:<id>``.
    """

    kind: KeyKind
    subject: str
    parent: str
    wrapped: bytes

    @property
    def name(self) -> str:
        """``kind:subject``, the form in which children name it."""
        return f"{self.kind}:{self.subject}"


class Clearance(msgspec.Struct, frozen=True):
    """The database door's permission for one act; every decryption takes one.

    Only ``vault.adapters.postgres.door`` builds it (a lint forbids it elsewhere). ``keys`` are in no particular order and
    chain up to a root key; ``facts`` is what the act needs to know of the thing, as the door's SQL wrote it.
    """

    entry: EntryId
    at: dt.datetime
    leaf: bytes
    act: Act
    basis: str | None
    consent: ConsentId | None
    provision: int | None
    facts: dict[str, object]
    keys: tuple[WrappedKey, ...]

    def key(self, kind: KeyKind, subject: str) -> WrappedKey | None:
        """The wrapped key of that kind and subject, or None when the door gave none."""
        return next((k for k in self.keys if k.kind is kind and k.subject == subject), None)


class StoredObject(msgspec.Struct, frozen=True):
    """What a store says of an object that is now durable."""

    name: str
    size: int
