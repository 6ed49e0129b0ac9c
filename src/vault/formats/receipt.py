"""The archive's receipt: a compact JWS over exactly the package that was sent and the checks that were made.

Source: docs/spec/archive-receipt.md; RFC 7515 (JWS), RFC 8037 (EdDSA), RFC 7638 (key ids).
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from vault.errors import InvalidInput, SettingsWrong
from vault.formats.ageformat import Digest
from vault.formats.bagcheck import CHECKS
from vault.formats.canonical import encode_canonical

TYPE = "vault-archive-receipt"
FORMAT = "vault/archive-receipt/v1"
# Each receipt was checked for at least these: what is in the package, and that label and package belong together.
REQUIRED_CHECKS = (*CHECKS, "label")
MAX_RECEIPT = 16 * 1024


class _Registry(jws.JWSRegistry):
    """EdDSA here means Ed25519 and nothing else (RFC 9864 §4.1.2); that is the name that other software knows."""

    def get_alg(self, name: str) -> Any:
        return super().get_alg("Ed25519" if name == "EdDSA" else name)


_REGISTRY = _Registry(algorithms=["EdDSA", "Ed25519"])


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent, as its sender knows it; ``archive`` is the id of the archive that it was sent to."""

    transfer: uuid.UUID
    archive: str
    package: Digest
    tar: Digest
    files: int
    payload_bytes: int


class Receipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the archive signs; times are aware and of UTC, ``checks`` are the codes of the checks that were passed."""

    format: str
    transfer: uuid.UUID
    archive: str
    package: Digest
    tar: Digest
    files: int
    payload_bytes: int
    checks: tuple[str, ...]
    received_by: str
    received_at: dt.datetime


def sign_receipt(receipt: Receipt, key: OKPKey) -> str:
    """The compact JWS. ``key`` is the archive's Ed25519 key, private; its id is its thumbprint."""
    header = {"alg": "EdDSA", "typ": TYPE, "kid": key.thumbprint()}
    return jws.serialize_compact(header, encode_canonical(msgspec.to_builtins(receipt)), key, registry=_REGISTRY)


def parse_receipt(text: str, keys: Mapping[str, OKPKey]) -> Receipt:
    """The receipt, after its signature was verified with one of the archive's public keys (by thumbprint).

    Raises: InvalidInput (``receipt-invalid``).
    """
    if len(text) > MAX_RECEIPT:
        raise _invalid("it is too long")
    try:
        known = keys.get(str(jws.extract_compact(text.encode("ascii")).headers().get("kid")))
        if known is None:
            raise _invalid("it is signed with a key that is not registered for the archive, or that was retired")
        signed = jws.deserialize_compact(text, known, registry=_REGISTRY)
    except (JoseError, ValueError, KeyError, TypeError):
        raise _invalid("its signature is not good") from None
    if signed.headers().get("typ") != TYPE:
        raise _invalid("it is a signature over something else")
    try:
        receipt = msgspec.json.decode(signed.payload, type=Receipt)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _invalid("what it signs cannot be read") from None
    if receipt.format != FORMAT:
        raise _invalid(f"it is not of the format {FORMAT}")
    return receipt


def verify_receipt(text: str, keys: Mapping[str, OKPKey], expected: Expected) -> None:
    """Return only when the archive has signed for exactly the package that was sent.

    Raises: InvalidInput: ``receipt-invalid`` when the signature is not the archive's, ``receipt-mismatch`` with the name
    of each value that is another than what was sent.
    """
    receipt = parse_receipt(text, keys)
    differing = [name for name in expected.__struct_fields__ if getattr(receipt, name) != getattr(expected, name)]
    if not set(REQUIRED_CHECKS) <= set(receipt.checks):
        differing.append("checks")
    if differing:
        raise InvalidInput(
            f"the receipt is for something else than what was sent: {', '.join(differing)}; take the receipt of this transfer and of"
            " its newest package; nothing was destroyed",
            field=differing[0],
            code="receipt-mismatch",
        )


def load_public_keys(jwks: object) -> dict[str, OKPKey]:
    """An archive's public keys by thumbprint, from one JWK or a JWK set as plain values.

    Raises: SettingsWrong for anything but public Ed25519 keys.
    """
    listed = jwks.get("keys", [jwks]) if isinstance(jwks, dict) else None
    try:
        keys = [OKPKey.import_key(key) for key in listed or []]
    except (JoseError, ValueError, KeyError, TypeError, AttributeError):
        keys = []
    if not keys or any(key.is_private or key.curve_name != "Ed25519" for key in keys):
        raise SettingsWrong("an archive's receipt keys are public Ed25519 keys as JWK")
    return {key.thumbprint(): key for key in keys}


def _invalid(why: str) -> InvalidInput:
    told = f"the receipt is not valid: {why}; receive the package anew with the archive's present key; nothing was destroyed"
    return InvalidInput(told, field="receipt", code="receipt-invalid")
