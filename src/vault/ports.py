"""What the services need from outside; each docstring is the contract that every adapter keeps."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from vault.model import Act, Clearance, EntryId, KeyKind, StoredObject, TokenSecret, WrappedKey


class Done(msgspec.Struct, frozen=True):
    """An act that wrote facts, and the entry that was written with them."""

    entry: EntryId
    at: dt.datetime
    promise: str
    facts: dict[str, Any]


class Door(Protocol):
    """The database's door: every key, and every fact, passes here with its log entry.

    Every method raises DatabaseUnavailable within the bounded wait, and Unauthenticated, Hidden, Forbidden,
    ConfirmationRequired, InvalidInput or Conflict as the database decided; an error of the rules carries the promise of
    the entry that logged it.
    """

    async def ask(
        self,
        secret: TokenSecret,
        act: Act,
        *,
        case: uuid.UUID | None = None,
        document: uuid.UUID | None = None,
        about: Mapping[str, object] | None = None,
    ) -> Clearance:
        """Decide one act anew and return its clearance; its entry is durable when this returns."""
        ...

    async def act(self, name: str, secret: TokenSecret, *arguments: object) -> Done:
        """Do one act that writes facts: they and their entry are durable when this returns, or neither is."""
        ...

    async def end_release(self, secret: TokenSecret, entry: EntryId, outcome: str, bytes_sent: int) -> None:
        """Log how a release ended; a second call for the same entry changes nothing."""
        ...

    async def end_export(
        self, secret: TokenSecret, entry: EntryId, outcome: str, first_byte: int, bytes_sent: int
    ) -> None:
        """The same for a download of an export, from its first byte; once all of it was sent, the export is delivered."""
        ...

    async def reserve(self, secret: TokenSecret, key: bytes, request_mac: bytes, subject: uuid.UUID) -> uuid.UUID:
        """The id under which an application's Idempotency-Key (its SHA-256) does its act: ``subject`` the first time.

        Raises: InvalidInput (``idempotency-key-reused``) when the key stood for another request within 24 hours.
        """
        ...

    async def renew(self, process: uuid.UUID, entries: Sequence[EntryId]) -> frozenset[EntryId]:
        """Of these running releases, those that are still permitted now; the others must be cut at once."""
        ...

    async def give_up(self, name: str) -> bool:
        """Refuse any later commit of this upload; True when its object may now be deleted."""
        ...

    async def check(self) -> None:
        """Raise DatabaseUnavailable unless the database answers."""
        ...

    def promise(self, entry: uuid.UUID, leaf: bytes, at: dt.datetime) -> str:
        """The value of the header Vault-Log-Entry."""
        ...


class ObjectStore(Protocol):
    """Ciphertext by random name. Not trusted: who can change it can at most make a document unreadable.

    Every method raises StoreUnavailable when the store does not answer. Names are 32 lower-case hex digits; any other
    name is a bug and raises InvariantViolated.
    """

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> StoredObject:
        """Store the chunks' bytes under a new name.

        Order: returns only when the bytes and the name are durable; an error or cancellation, also one raised by
        ``chunks``, leaves no object under that name. Bounded memory. A name that exists already is refused
        (InvariantViolated), never overwritten.
        """
        ...

    def fetch(self, name: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes from ``offset``, ``length`` of them or to the end, in pieces of at most 256 KiB.

        Raises: ObjectTampered when the object is missing or shorter than asked. An empty object, or a length of 0,
        yields nothing. The iterator is closed early without harm.
        """
        ...

    async def size(self, name: str) -> int:
        """The object's size in bytes. Raises: ObjectTampered when there is none."""
        ...

    async def delete(self, name: str) -> None:
        """Remove the object, with all its versions; no object under that name is no error."""
        ...

    def names(self) -> AsyncIterator[str]:
        """Yield every object's name, in any order; also of unfinished uploads where the store shows them."""
        ...

    async def check(self) -> None:
        """Raise StoreUnavailable unless the store can be read and written now; leaves nothing behind."""
        ...


class Keyring(Protocol):
    """Holds the root keys; opens and wraps everything else. Case, register and epoch keys never leave it.

    Keys inside a clearance chain up to a root key by their ``parent``. Raises KeyUnopenable for every wrapped key or
    sealed value that does not open, whatever the cause, and KeyringUnavailable when the keyring cannot be used.
    All methods are quick, pure CPU and safe to call from several threads.
    """

    def create(
        self,
        clearance: Clearance,
        kind: KeyKind,
        subject: str,
        *,
        parent: str | None = None,
        beside: Sequence[WrappedKey] = (),
    ) -> WrappedKey:
        """Make a new random 32-byte key, wrapped under ``parent`` (``kind:subject``; None means the root key).

        ``parent`` is looked for among ``beside`` (keys made a moment ago) and then among the clearance's keys.
        """
        ...

    def document_key(self, clearance: Clearance, document: str, *, beside: Sequence[WrappedKey] = ()) -> bytes:
        """The 32-byte key of one document; it and an export's are the only keys that leave the keyring."""
        ...

    def export_key(self, clearance: Clearance, export: str, *, beside: Sequence[WrappedKey] = ()) -> bytes:
        """The 32-byte key of one export's package."""
        ...

    def seal(
        self, clearance: Clearance, key: str, context: str, plaintext: bytes, *, beside: Sequence[WrappedKey] = ()
    ) -> bytes:
        """Seal a small field under a key derived from ``key`` (``case:<id>`` or ``register:<id>``).

        ``context`` is ``purpose|row``, e.g. ``document.about|<document id>``: the purpose derives the key (HKDF), the
        whole is bound as associated data. The result begins with a version byte.
        """
        ...

    def open(
        self, clearance: Clearance, key: str, context: str, sealed: bytes, *, beside: Sequence[WrappedKey] = ()
    ) -> bytes:
        """Open what ``seal`` made with the same key and context."""
        ...

    def seal_own(self, context: str, plaintext: bytes) -> bytes:
        """Seal a field that belongs to no case or client (an assertion, a professional's name) under the root key."""
        ...

    def open_own(self, context: str, sealed: bytes) -> bytes:
        """Open what ``seal_own`` made with the same context, under any root key that the keyring holds."""
        ...

    def lookup(self, clearance: Clearance, label: str, text: str) -> bytes:
        """HMAC-SHA-256 under the lookup key over ``label`` and ``text``: finds a client without holding the code."""
        ...

    def rewrap(
        self, clearance: Clearance, key: WrappedKey, *, parent: str | None = None, beside: Sequence[WrappedKey] = ()
    ) -> WrappedKey:
        """Wrap the same key under another parent (None: the current root key)."""
        ...

    def own_mac(self, label: str, data: bytes) -> bytes:
        """HMAC-SHA-256 under a key derived from the root key: a digest that the database cannot guess from."""
        ...

    def sign_promise(self, message: bytes) -> tuple[str, bytes]:
        """Sign with the log-promise key (Ed25519): key id and 64-byte signature."""
        ...
