"""The archive's own keys: identities that open packages, and the key that signs receipts. The vault holds neither.

Source: docs/spec/archive-package.md §2; docs/spec/archive-receipt.md §3; C2SP age.md.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from vault.archive.files import read_secret, write_new
from vault.errors import SettingsWrong
from vault.formats.ageformat import new_identity, parse_identities

IDENTITY_FILE = "identity.txt"
SIGNING_FILE = "receipt-key.pem"
PUBLIC_FILE = "receipt-key.public.json"
RECIPIENT_FILE = "recipient.txt"


class NewKeys(msgspec.Struct, frozen=True):
    """What is given to the vault's operator: the recipient, and the public receipt key with its id."""

    recipient: str
    key_id: str
    folder: Path


def make_keys(folder: Path) -> NewKeys:
    """Make an identity and a receipt key in a folder of mode 0700; an existing file is never touched.

    Raises: Conflict when one is there already.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsWrong(f"{folder} cannot be made: {error.strerror}") from None
    secret, recipient = new_identity()
    signing = OKPKey.generate_key("Ed25519")
    made = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
    write_new(folder / IDENTITY_FILE, f"# created: {made}\n# public key: {recipient}\n{secret}\n".encode())
    write_new(folder / RECIPIENT_FILE, f"{recipient}\n".encode())
    write_new(folder / SIGNING_FILE, signing.as_pem(private=True))
    public = {**signing.as_dict(private=False), "kid": signing.thumbprint(), "use": "sig"}
    write_new(folder / PUBLIC_FILE, msgspec.json.format(msgspec.json.encode({"keys": [public]})) + b"\n")
    return NewKeys(recipient, signing.thumbprint(), folder)


def load_identities(paths: list[Path]) -> list[str]:
    """The identities in the archive's identity files. Raises: SettingsWrong."""
    return [identity for path in paths for identity in parse_identities(read_secret(path))]


def load_signing_key(path: Path) -> OKPKey:
    """The key that signs receipts. Raises: SettingsWrong when it is no private Ed25519 key in PEM."""
    try:
        key = OKPKey.import_key(read_secret(path))
    except (JoseError, ValueError, TypeError, KeyError):
        raise SettingsWrong(f"{path} is no private Ed25519 key in PEM") from None
    if not key.is_private or key.curve_name != "Ed25519":
        raise SettingsWrong(f"{path} is no private Ed25519 key in PEM")
    return key
