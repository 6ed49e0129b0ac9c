"""The header ``Vault-Log-Entry``: the vault's signed promise that this entry stands in the log.

    <entry id>; leaf="<base64url>"; at="<RFC 3339>"; key="<key id>"; sig="<base64url>"

The signing key is one that the database lacks. Whoever keeps the header can later demand a proof that the leaf is in
the tree; a log that has no such leaf is caught by its own signature.

Source: docs/spec/log-entry.md; Ed25519 as RFC 8032.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from vault.errors import IntegrityBroken, InvalidInput, InvariantViolated
from vault.formats.entry import encode_b64url, parse_b64url
from vault.model import EntryId

HEADER = "Vault-Log-Entry"
_FORM = re.compile(
    r"(?P<entry>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    r'; leaf="(?P<leaf>[A-Za-z0-9_-]{43})"'
    r'; at="(?P<at>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z)"'
    r'; key="(?P<key>[A-Za-z0-9._~+/=-]{1,128})"'
    r'; sig="(?P<signature>[A-Za-z0-9_-]{86})"'
)


class Promise(msgspec.Struct, frozen=True):
    """A parsed header; only ``verify_promise`` says whether it is true."""

    entry: EntryId
    leaf: bytes
    at: dt.datetime
    key: str
    signature: bytes


def promise_message(entry: EntryId, leaf: bytes, at: dt.datetime) -> bytes:
    """The bytes that the promise key signs.

    Shapes: leaf is 32 bytes; ``at`` is aware.
    Source: docs/spec/log-entry.md.
    """
    if len(leaf) != 32:
        raise InvariantViolated("a leaf has 32 bytes")
    return f"vault/log-entry-promise/v1\n{entry}\n{encode_b64url(leaf)}\n{_time(at)}\n".encode("ascii")


def encode_promise(entry: EntryId, leaf: bytes, at: dt.datetime, key: str, signature: bytes) -> str:
    """The header's value; ``key`` and ``signature`` as the keyring gave them for ``promise_message``.

    Source: docs/spec/log-entry.md.
    """
    value = f'{entry}; leaf="{encode_b64url(leaf)}"; at="{_time(at)}"; key="{key}"; sig="{encode_b64url(signature)}"'
    if not _FORM.fullmatch(value):
        raise InvariantViolated("a promise has a leaf of 32 bytes, a plain key id and a signature of 64 bytes")
    return value


def parse_promise(header: str) -> Promise:
    """Read a header's value.

    Raises: InvalidInput for any other spelling than ``encode_promise`` has.
    Source: docs/spec/log-entry.md.
    """
    form = _FORM.fullmatch(header)
    if form is None:
        raise InvalidInput("the log entry's promise is malformed", field=HEADER)
    try:
        return Promise(
            entry=EntryId(uuid.UUID(form["entry"])),
            leaf=parse_b64url(form["leaf"]),
            at=dt.datetime.fromisoformat(form["at"]),
            key=form["key"],
            signature=parse_b64url(form["signature"]),
        )
    except ValueError:
        raise InvalidInput("the log entry's promise is malformed", field=HEADER) from None


def verify_promise(header: str, public_key: bytes) -> None:
    """Check a promise's signature; ``public_key`` is the 32 raw bytes of the key that it names.

    Raises: IntegrityBroken when the signature is not that key's; InvalidInput when the header is malformed.
    Source: docs/spec/log-entry.md; RFC 8032.
    """
    promise = parse_promise(header)
    message = promise_message(promise.entry, promise.leaf, promise.at)
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(promise.signature, message)
    except (InvalidSignature, ValueError):
        raise IntegrityBroken("the log entry's promise is not signed by that key") from None


def _time(at: dt.datetime) -> str:
    if at.tzinfo is None:
        raise InvariantViolated("a time has a zone")
    return at.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
