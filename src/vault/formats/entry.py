"""One log entry as committed bytes: field by field, so that fields can be shown one by one and forgotten.

The door makes all of this in SQL; here it is once more, so that anyone can check. Each field has a salt of its own:

    disclosure = base64url(["<salt>","<name>",<value>])     RFC 9901 §4.2.1, without spaces
    digest     = SHA-256 over the ASCII of the disclosure
    leaf data  = 0x01 | entry id (16) | digest of the first field (32) | … | digest of the last field
    leaf hash  = SHA-256(0x00 | leaf data)                  RFC 9162 §2.1.1

Erasing an entry's salts leaves digests that tell nothing, and the leaf as it was.

Source: docs/spec/log-entry.md.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence

from vault.errors import IntegrityBroken, InvalidInput, InvariantViolated
from vault.model import EntryId

FieldValue = str | int | None | Sequence[str]

FIELDS = (
    "at", "act", "actor", "agency", "unit", "application", "professional", "role", "purpose", "assertion", "client",
    "case", "document", "document_type", "source", "action", "decision", "basis", "consent", "provision",
    "provisions_digest", "reasons", "confirmation", "delivery", "meeting", "opening", "of", "outcome", "bytes", "range",
    "facts",
)  # fmt: skip
"""The names of an entry's fields, in the order of their digests; a field that says nothing is null, never absent."""

VERSION = b"\x01"
SALT_SIZE = 16
DIGEST_SIZE = 32
_B64URL = re.compile(r"[A-Za-z0-9_-]*")


def disclosure(salt: bytes, name: str, value: FieldValue) -> str:
    """The text that shows one field to whoever holds the entry's digests.

    Shapes: salt is 16 bytes; the result is base64url without padding.
    Source: RFC 9901 §4.2.1; docs/spec/log-entry.md.
    """
    if len(salt) != SALT_SIZE or name not in FIELDS:
        raise InvariantViolated("a disclosure has a salt of 16 bytes and the name of a field")
    parts = json.dumps([encode_b64url(salt), name, _plain(value)], ensure_ascii=False, separators=(",", ":"))
    return encode_b64url(parts.encode())


def parse_disclosure(text: str) -> tuple[bytes, str, FieldValue]:
    """Salt, name and value of a disclosure.

    Raises: InvalidInput when it is malformed.
    Source: RFC 9901 §4.2.1.
    """
    try:
        salt, name, value = json.loads(parse_b64url(text))
        return parse_b64url(salt), str(name), _plain(value)
    except (ValueError, TypeError, InvariantViolated):
        raise InvalidInput("a disclosure is malformed", field="disclosure") from None


def disclosure_digest(text: str) -> bytes:
    """SHA-256 over the ASCII of a disclosure.

    Source: RFC 9901 §4.2.3.
    """
    return hashlib.sha256(text.encode("ascii")).digest()


def commitments(salts: Sequence[bytes], values: Mapping[str, FieldValue]) -> tuple[bytes, ...]:
    """The digests of all fields; ``salts`` in the order of FIELDS, a value that is missing is null.

    Source: docs/spec/log-entry.md.
    """
    if len(salts) != len(FIELDS) or not values.keys() <= set(FIELDS):
        raise InvariantViolated("an entry has one salt per field and no other fields")
    pairs = zip(salts, FIELDS, strict=True)
    return tuple(disclosure_digest(disclosure(salt, name, values.get(name))) for salt, name in pairs)


def leaf_data(entry: EntryId, digests: Sequence[bytes]) -> bytes:
    """What the tree's leaf is made of: version, entry id, digests in the order of FIELDS.

    Source: docs/spec/log-entry.md.
    """
    if len(digests) != len(FIELDS) or any(len(digest) != DIGEST_SIZE for digest in digests):
        raise InvariantViolated("an entry has one digest of 32 bytes per field")
    return VERSION + entry.bytes + b"".join(digests)


def leaf_hash(data: bytes) -> bytes:
    """The tree's leaf, 32 bytes.

    Source: RFC 9162 §2.1.1.
    """
    return hashlib.sha256(b"\x00" + data).digest()


def verify_leaf(leaf: bytes, entry: EntryId, digests: Sequence[bytes], disclosures: Sequence[str] = ()) -> None:
    """Check that the entry's digests make the leaf, and that every disclosure is one of them under its own name.

    Raises: IntegrityBroken when not; InvalidInput when a disclosure is malformed.
    Source: docs/spec/log-entry.md.
    """
    if len(digests) != len(FIELDS) or any(len(digest) != DIGEST_SIZE for digest in digests):
        raise IntegrityBroken("the entry does not have one digest per field")
    if not hmac.compare_digest(leaf_hash(leaf_data(entry, digests)), leaf):
        raise IntegrityBroken("the entry's digests do not make its leaf")
    for text in disclosures:
        _, name, _ = parse_disclosure(text)
        if name not in FIELDS or disclosure_digest(text) != digests[FIELDS.index(name)]:
            raise IntegrityBroken("a disclosed field is not the one that was committed")


def encode_b64url(content: bytes) -> str:
    """Base64url without padding.

    Source: RFC 4648 §5.
    """
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def parse_b64url(text: str) -> bytes:
    """The bytes of unpadded base64url, which has only one spelling for them.

    Raises: ValueError for any other spelling.
    Source: RFC 4648 §5, §3.5.
    """
    if not _B64URL.fullmatch(text):
        raise ValueError("not base64url")
    content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode_b64url(content) != text:
        raise ValueError("not the canonical base64url")
    return content


def _plain(value: object) -> FieldValue:
    """The value as JSON may hold it here: a string, an integer, null or a list of strings."""
    if value is None or isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return list(value)
    raise InvariantViolated("an entry's value is a string, an integer, null or a list of strings")
