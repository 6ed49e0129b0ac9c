"""Keys wrapped under keys, and small fields sealed under keys: AES-256-GCM behind a version byte.

    wrapped key      = 0x01 | nonce (12) | ciphertext (32) | tag (16)
    sealed field     = 0x01 | nonce (12) | ciphertext | tag (16)
    own sealed field = 0x01 | root id (4) | nonce (12) | ciphertext | tag (16)

What a value is for stands in its associated data, so that no value opens in another's place. Nonces are arguments: this
module has no source of randomness, the keyring has.

Source: NIST SP 800-38D (GCM), RFC 5869 (HKDF); docs/spec/keys.md.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vault.errors import InvariantViolated, KeyUnopenable
from vault.model import KeyKind

VERSION = b"\x01"
KEY_SIZE = 32
NONCE_SIZE = 12
TAG_SIZE = 16
ROOT_ID_SIZE = 4
WRAPPED_KEY_SIZE = len(VERSION) + NONCE_SIZE + KEY_SIZE + TAG_SIZE

_UNOPENABLE = "a wrapped key or sealed value does not open"


def wrap_key(parent_key: bytes, key: bytes, *, kind: KeyKind, subject: str, parent: str, nonce: bytes) -> bytes:
    """Wrap one key so that only its parent opens it, and only as this kind of key for this subject.

    Shapes: both keys are 32 bytes, the result 61. ``parent`` is ``kind:subject`` or ``root:<id>``. ``nonce`` is 12
    bytes, never used twice with the same parent key.
    Source: docs/spec/keys.md §2.
    """
    _require_sizes(parent_key, nonce)
    if len(key) != KEY_SIZE:
        raise InvariantViolated("a key has 32 bytes")
    return VERSION + nonce + AESGCM(parent_key).encrypt(nonce, key, _key_aad(kind, subject, parent))


def unwrap_key(parent_key: bytes, wrapped: bytes, *, kind: KeyKind, subject: str, parent: str) -> bytes:
    """Open what ``wrap_key`` made with the same arguments.

    Raises: KeyUnopenable, whatever the cause.
    Source: docs/spec/keys.md §2.
    """
    if len(wrapped) != WRAPPED_KEY_SIZE:
        raise KeyUnopenable(_UNOPENABLE)
    return _open(parent_key, VERSION, wrapped, _key_aad(kind, subject, parent))


def seal_field(parent_key: bytes, context: str, plaintext: bytes, *, nonce: bytes) -> bytes:
    """Seal a small field; ``context`` is ``purpose|row``: the purpose derives the key, the whole is bound.

    Shapes: the result is 29 bytes longer than the plaintext.
    Source: docs/spec/keys.md §3.
    """
    _require_sizes(parent_key, nonce)
    key = _derive(parent_key, b"vault/field/v1|", context)
    return VERSION + nonce + AESGCM(key).encrypt(nonce, plaintext, context.encode())


def open_field(parent_key: bytes, context: str, sealed: bytes) -> bytes:
    """Open what ``seal_field`` made with the same key and context.

    Raises: KeyUnopenable, whatever the cause.
    Source: docs/spec/keys.md §3.
    """
    return _open(_derive(parent_key, b"vault/field/v1|", context), VERSION, sealed, context.encode())


def seal_own_field(root_key: bytes, root_id: bytes, context: str, plaintext: bytes, *, nonce: bytes) -> bytes:
    """Seal a field that belongs to no case or client; the root key's id stands in front of it.

    Shapes: ``root_id`` is 4 bytes; the result is 33 bytes longer than the plaintext.
    Source: docs/spec/keys.md §4.
    """
    _require_sizes(root_key, nonce)
    if len(root_id) != ROOT_ID_SIZE:
        raise InvariantViolated("a root key's id has 4 bytes")
    prefix = VERSION + root_id
    key = _derive(root_key, b"vault/own/v1|", context)
    return prefix + nonce + AESGCM(key).encrypt(nonce, plaintext, prefix + context.encode())


def root_id_of(sealed: bytes) -> bytes:
    """The 4-byte id of the root key that an own sealed field asks for.

    Raises: KeyUnopenable when it is too short or of another version.
    Source: docs/spec/keys.md §4.
    """
    if sealed[:1] != VERSION or len(sealed) < 1 + ROOT_ID_SIZE + NONCE_SIZE + TAG_SIZE:
        raise KeyUnopenable(_UNOPENABLE)
    return sealed[1 : 1 + ROOT_ID_SIZE]


def open_own_field(root_key: bytes, context: str, sealed: bytes) -> bytes:
    """Open what ``seal_own_field`` made with the same key and context.

    Raises: KeyUnopenable, whatever the cause.
    Source: docs/spec/keys.md §4.
    """
    prefix = VERSION + root_id_of(sealed)
    return _open(_derive(root_key, b"vault/own/v1|", context), prefix, sealed, prefix + context.encode())


def own_mac_key(root_key: bytes, label: str) -> bytes:
    """The key for keyed digests of one kind, derived from the root key.

    Source: docs/spec/keys.md §4 (HKDF per purpose).
    """
    return _derive(root_key, b"vault/mac/v1|", f"{label}|")


def _open(key: bytes, prefix: bytes, sealed: bytes, aad: bytes) -> bytes:
    start = len(prefix) + NONCE_SIZE
    if not sealed.startswith(prefix) or len(sealed) < start + TAG_SIZE or len(key) != KEY_SIZE:
        raise KeyUnopenable(_UNOPENABLE)
    try:
        return AESGCM(key).decrypt(sealed[len(prefix) : start], sealed[start:], aad)
    except InvalidTag:
        raise KeyUnopenable(_UNOPENABLE) from None


def _derive(parent_key: bytes, label: bytes, context: str) -> bytes:
    """HKDF-SHA256 without a salt (the parent is random already) for the context's purpose, its part before the bar."""
    purpose, bar, _ = context.partition("|")
    if not (purpose and bar):
        raise InvariantViolated("a context is purpose|row")
    return HKDF(SHA256(), KEY_SIZE, salt=None, info=label + purpose.encode()).derive(parent_key)


def _key_aad(kind: KeyKind, subject: str, parent: str) -> bytes:
    # A bar inside a part would let two different keys have the same associated data.
    if "|" in subject or "|" in parent:
        raise InvariantViolated("no key's name holds a bar")
    return f"vault/key/v1|{kind}|{subject}|{parent}".encode()


def _require_sizes(key: bytes, nonce: bytes) -> None:
    if len(key) != KEY_SIZE or len(nonce) != NONCE_SIZE:
        raise InvariantViolated("a key has 32 bytes and a nonce 12")
