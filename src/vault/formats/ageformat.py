"""Encryption to several X25519 recipients in one pass, in bounded memory, as ``age`` does it.

The library (the Rust implementation of age) pulls plaintext and pushes ciphertext through objects that look like files.
It wraps what they raise in errors of its own; here the original is raised again, so that nothing is told twice or lost.

Source: C2SP age.md v1.0.0; docs/spec/archive-package.md §2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import msgspec
import pyrage
from pyrage import x25519

from vault.errors import InvalidInput, KeyUnopenable, ObjectTampered, SettingsWrong

# What is encrypted goes through the library in pieces of 8 KiB; ciphertext is read in pieces of this size.
_PIECE = 256 * 1024


class Reader(Protocol):
    """Gives at most ``size`` bytes, and none only at the end."""

    def read(self, size: int, /) -> bytes: ...


class Writer(Protocol):
    """Takes all bytes of each piece, in order."""

    def write(self, piece: bytes, /) -> object: ...


class Digest(msgspec.Struct, frozen=True):
    """A stream's length in bytes, and its SHA-256 as 64 hex digits."""

    size: int
    sha256: str


def encrypt_stream(source: Iterable[bytes], sink: Writer, recipients: Sequence[str]) -> Digest:
    """Encrypt the pieces of ``source`` to every recipient (``age1…``) and tell size and digest of the ciphertext.

    When ``source`` or ``sink`` raises, so does this, with the same exception; what was written until then opens for
    nobody, because it lacks its last chunk.
    Raises: SettingsWrong for no recipients or a malformed one.
    """
    if not recipients:
        raise SettingsWrong("a package needs at least one recipient")
    keys = [_recipient(text) for text in recipients]
    reader, writer = _Pull(source), _Counted(sink)
    try:
        pyrage.encrypt_io(reader, writer, keys)
    except BaseException as error:  # noqa: BLE001 (the original is raised again, whatever it was)
        raise reader.failure or writer.failure or error from None
    # The library tells nothing of an error in its last writes.
    if writer.failure:
        raise writer.failure
    return writer.digest()


def decrypt_stream(source: Reader, sink: Writer, identities: Sequence[str]) -> Digest:
    """Decrypt with any of the identities (``AGE-SECRET-KEY-1…``); tells size and digest of the ciphertext.

    Every piece given to ``sink`` is authentic, but only a return says that it was all: cut, lengthened or altered input
    ends in an error after pieces were given.
    Raises: KeyUnopenable when no identity is a recipient's; ObjectTampered for anything damaged.
    """
    keys = [_identity(text) for text in identities]
    reader, writer = _Source(source), _Guarded(sink)
    try:
        pyrage.decrypt_io(reader, writer, keys)
    except BaseException as error:
        if failure := reader.failure or writer.failure:
            raise failure from None
        if "No matching keys" in str(error):
            raise KeyUnopenable("none of the given identities opens it") from None
        if isinstance(error, OSError | pyrage.DecryptError):
            raise ObjectTampered("the encrypted file is damaged, cut short or lengthened") from None
        raise
    if writer.failure:
        raise writer.failure
    return reader.digest()


def encrypt_bytes(content: bytes, recipients: Sequence[str]) -> bytes:
    """Encrypt something small."""
    collected = Collected()
    encrypt_stream([content], collected, recipients)
    return bytes(collected.content)


def decrypt_bytes(content: bytes, identities: Sequence[str], *, limit: int = 1 << 20) -> bytes:
    """Decrypt something small. Raises as ``decrypt_stream``, and ObjectTampered beyond ``limit`` bytes of ciphertext."""
    if len(content) > limit:
        raise ObjectTampered(f"it is larger than {limit} bytes")
    collected = Collected()
    decrypt_stream(_Pull([content]), collected, identities)
    return bytes(collected.content)


def new_identity() -> tuple[str, str]:
    """A new random identity: the secret ``AGE-SECRET-KEY-1…`` and the recipient ``age1…`` that belongs to it."""
    identity = x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def recipient_of(identity: str) -> str:
    """The recipient that belongs to an identity. Raises: SettingsWrong when it is malformed."""
    return str(_identity(identity).to_public())


def require_recipient(text: str, field: str) -> str:
    """Give the recipient back in its one written form. Raises: InvalidInput, naming the field."""
    try:
        return str(x25519.Recipient.from_str(text.strip()))
    except pyrage.RecipientError:
        raise InvalidInput("an age recipient begins with age1 and is copied whole", field=field) from None


def fingerprint_of(recipient: str) -> str:
    """SHA-256 (hex) of a recipient's text, as ``printf %s age1… | sha256sum`` tells it."""
    return hashlib.sha256(recipient.encode("ascii")).hexdigest()


def parse_identities(text: str) -> list[str]:
    """The identities in an identity file: one per line; empty lines and lines that begin with # say nothing.

    Raises: SettingsWrong when there is none or one is malformed; the message never repeats a line.
    """
    found = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not found:
        raise SettingsWrong("the identity file holds no identity")
    for line in found:
        _identity(line)
    return found


class Collected:
    """A sink that keeps what it is given; for small things only."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, piece: bytes) -> None:
        self.content += piece


class _Pull:
    """Lets the library read from an iterable, and remembers what the iterable raised."""

    def __init__(self, source: Iterable[bytes]) -> None:
        self._pieces: Iterator[bytes] = iter(source)
        self._piece = memoryview(b"")
        self.failure: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        while not self._piece:
            try:
                self._piece = memoryview(next(self._pieces))
            except StopIteration:
                return b""
            except BaseException as error:
                self.failure = error
                raise
        taken = self._piece[:size] if size >= 0 else self._piece
        self._piece = self._piece[len(taken) :]
        return bytes(taken)


class _Source:
    """Reads ciphertext in larger pieces, and counts and hashes it."""

    def __init__(self, source: Reader) -> None:
        self._source = source
        self._piece = memoryview(b"")
        self._size = 0
        self._hash = hashlib.sha256()
        self.failure: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        if not self._piece:
            self._refill()
        taken = self._piece[:size] if size >= 0 else self._piece
        self._piece = self._piece[len(taken) :]
        return bytes(taken)

    def _refill(self) -> None:
        try:
            piece = self._source.read(_PIECE)
        except BaseException as error:
            self.failure = error
            raise
        self._size += len(piece)
        self._hash.update(piece)
        self._piece = memoryview(piece)

    def digest(self) -> Digest:
        """What was read, which must be all. Raises: ObjectTampered when something follows the last chunk."""
        if self._piece or self.read(1):
            raise ObjectTampered("something follows the end of the encrypted file")
        return Digest(self._size, self._hash.hexdigest())


class _Guarded:
    """Remembers what the sink raised; from then on it writes no more."""

    def __init__(self, sink: Writer) -> None:
        self._sink = sink
        self.failure: BaseException | None = None

    def write(self, piece: bytes) -> int:
        # The library writes what it still holds even after a write has failed.
        if self.failure:
            raise self.failure
        try:
            self._sink.write(piece)
        except BaseException as error:
            self.failure = error
            raise
        return len(piece)

    def flush(self) -> None:
        """The library asks for it; flushing is the caller's business."""


class _Counted(_Guarded):
    """Counts and hashes what is written, too."""

    def __init__(self, sink: Writer) -> None:
        super().__init__(sink)
        self._size = 0
        self._hash = hashlib.sha256()

    def write(self, piece: bytes) -> int:
        super().write(piece)
        self._size += len(piece)
        self._hash.update(piece)
        return len(piece)

    def digest(self) -> Digest:
        return Digest(self._size, self._hash.hexdigest())


def _recipient(text: str) -> x25519.Recipient:
    try:
        return x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise SettingsWrong("an age recipient begins with age1 and is copied whole") from None


def _identity(text: str) -> x25519.Identity:
    try:
        return x25519.Identity.from_str(text)
    except pyrage.IdentityError:
        raise SettingsWrong("an age identity begins with AGE-SECRET-KEY-1 and is copied whole") from None
