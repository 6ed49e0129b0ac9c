"""Compact JWS as the vault takes it from outside: strict shapes, three algorithms, keys of exactly the right type.

Shared by assertions and DPoP proofs. Everything here raises Unauthenticated with a sentence that tells the developer what
to mend, and nothing of what was sent.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import msgspec
from joserfc import jwk, jws
from joserfc.errors import JoseError

from vault.errors import Unauthenticated
from vault.services.tokens import Jwk

ALGORITHMS = ("EdDSA", "Ed25519", "ES256", "PS256")
"""``EdDSA`` and ``Ed25519`` are two names of one algorithm here (RFC 9864 §4.1.2)."""

KEY_TYPES: dict[str, tuple[str, str | None]] = {
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
    "ES256": ("EC", "P-256"),
    "PS256": ("RSA", None),
}
PUBLIC_MEMBERS = {"OKP": ("kty", "crv", "x"), "EC": ("kty", "crv", "x", "y"), "RSA": ("kty", "n", "e")}
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
RSA_BITS = range(2048, 8193)

# RFC 7515 §4.1.2–4.1.6: headers that would let the sender bring their own key; §4.1.11 and RFC 7797: headers that would
# change what is verified. None of them has a use here, so all are refused rather than ignored.
HEADER_TRICKS = ("jwk", "jku", "x5u", "x5c", "crit", "b64")

LATEST_S = 10**11  # year 5138; keeps infinities and absurd numbers out of every calculation
SEGMENT = re.compile(r"[A-Za-z0-9_-]+")


class Jws(msgspec.Struct, frozen=True):
    """A compact JWS taken apart, not yet verified. ``compact`` is exactly what was received."""

    compact: str
    header: dict[str, Any]
    claims: dict[str, Any]
    alg: str


class StrictRegistry(jws.JWSRegistry):
    """joserfc's registry, with the header's size as ours and EdDSA meaning Ed25519 only (so it needs no warning)."""

    max_header_length = 8192

    def get_alg(self, name: str) -> Any:
        return super().get_alg("Ed25519" if name == "EdDSA" else name)


REGISTRY = StrictRegistry(algorithms=ALGORITHMS, strict_check_header=False)


def encode_b64(raw: bytes) -> str:
    """base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode_b64(text: str) -> bytes:
    """Decode base64url without padding, in its one canonical spelling.

    Raises: ValueError for every other character, for padding and for spare bits that are not zero.
    """
    if not SEGMENT.fullmatch(text):
        raise ValueError("not base64url")
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode_b64(raw) != text:
        raise ValueError("not canonical base64url")
    return raw


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def parse_object(text: bytes) -> dict[str, Any]:
    """Parse one JSON object in UTF-8; names must not occur twice (RFC 8725 §2.4). Raises: ValueError."""
    try:
        found = json.loads(text.decode("utf-8"), object_pairs_hook=_no_twins, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(found, dict):
        raise ValueError("not an object")  # noqa: TRY004 (bad input, one class for all of it)
    return found


def parse_compact(compact: str, what: str, *, limit: int) -> Jws:
    """Take a compact JWS apart without trusting it; ``what`` names it in messages.

    Units: ``limit`` in bytes. Raises: Unauthenticated when it is too long, has not three parts, is not JSON, or names an
    algorithm other than those accepted.
    """
    if not compact.isascii() or len(compact) > limit:
        raise Unauthenticated(f"the {what} is longer than {limit} bytes or not ASCII")
    parts = compact.split(".")
    if len(parts) != 3:
        raise Unauthenticated(f"the {what} is not a compact JWS of three parts")
    try:
        header, claims = parse_object(decode_b64(parts[0])), parse_object(decode_b64(parts[1]))
        decode_b64(parts[2])
    except ValueError as error:
        raise Unauthenticated(f"the {what} is not base64url without padding over JSON objects") from error
    alg = header.get("alg")
    if not isinstance(alg, str) or alg not in ALGORITHMS:
        raise Unauthenticated(f"the {what} must be signed with EdDSA (Ed25519), ES256 or PS256")
    return Jws(compact=compact, header=header, claims=claims, alg=alg)


def refuse_tricks(header: dict[str, Any], what: str, *, allowed: tuple[str, ...] = ()) -> None:
    """Refuse a header that brings its own key or changes how the signature is read."""
    for name in HEADER_TRICKS:
        if name in header and name not in allowed:
            raise Unauthenticated(f"the {what} has the header parameter {name}, which is not accepted")


def import_public(key: Jwk, alg: str) -> jwk.Key:
    """Import a public key for exactly this algorithm.

    Raises: Unauthenticated when its type, curve, size, ``use``, ``key_ops`` or ``alg`` does not fit, or when it holds a
    private or secret member.
    """
    kty, crv = KEY_TYPES[alg]
    fits = key.get("kty") == kty and (crv is None or key.get("crv") == crv) and not PRIVATE_MEMBERS & key.keys()
    if not (fits and _is_for_verifying(key, alg)):
        raise Unauthenticated("the key does not fit the algorithm of the signature")
    try:
        if kty == "RSA" and int.from_bytes(decode_b64(key["n"]), "big").bit_length() not in RSA_BITS:
            raise Unauthenticated("an RSA key must have 2048 to 8192 bits")
        # Only the members that make the key: what its owner wrote beside them was judged above.
        found = jwk.import_key({name: key[name] for name in PUBLIC_MEMBERS[kty]})
        _ = found.public_key  # a point off its curve shows only here
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise Unauthenticated("the key is malformed") from error
    return found


def _is_for_verifying(key: Jwk, alg: str) -> bool:
    operations = key.get("key_ops")
    return (
        key.get("use", "sig") == "sig"
        and (operations is None or (isinstance(operations, list) and "verify" in operations))
        and KEY_TYPES.get(str(key.get("alg", alg))) == KEY_TYPES[alg]
    )


def verify_signature(token: Jws, key: jwk.Key, what: str) -> None:
    """Verify the signature by that key and the header's algorithm. Raises: Unauthenticated."""
    try:
        jws.deserialize_compact(token.compact, key, registry=REGISTRY)
    except (JoseError, ValueError, TypeError) as error:
        raise Unauthenticated(f"the signature of the {what} does not verify") from error


def check_text(value: object, name: str, what: str, *, limit: int) -> str:
    """A claim that must be a non-blank string of printable characters. Raises: Unauthenticated naming the claim."""
    if not isinstance(value, str) or not value.strip() or len(value) > limit or not value.isprintable():
        raise Unauthenticated(f"the claim {name} of the {what} must be printable text of 1 to {limit} characters")
    return value


def check_seconds(value: object, name: str, what: str) -> int:
    """A NumericDate (RFC 7519 §2), cut to whole seconds. Raises: Unauthenticated naming the claim."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LATEST_S:
        raise Unauthenticated(f"the claim {name} of the {what} must be a number of seconds since 1970")
    return int(value)
