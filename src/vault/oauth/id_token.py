"""An ID token, verified (OpenID Connect Core 1.0 §3.1.3.7): whose it is, for whom, when, how strongly, in answer to what.

Every failure is one sentence for the person and one code; which check failed stands in the code alone.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Any

import msgspec
from joserfc import jwk, jws
from joserfc.errors import JoseError

from vault.errors import SignInRefused, Unauthenticated
from vault.oauth.jose import PRIVATE_MEMBERS, PUBLIC_MEMBERS, RSA_BITS, decode_b64, parse_object, refuse_tricks
from vault.oauth.jose import StrictRegistry as Registry
from vault.services.tokens import Jwk

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
"""What providers sign with; never ``none``, never a shared secret."""
_KTY = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "OKP", "Ed25519": "OKP"}
LIMIT_BYTES = 16384
LEEWAY_S = 60
_REGISTRY = Registry(algorithms=ALGORITHMS, strict_check_header=False)


class Expected(msgspec.Struct, frozen=True):
    """What the token must say. ``acr``: one of these, or anything when empty; ``identified_after``: seconds since 1970."""

    issuer: str
    client_id: str
    nonce: str
    acr: tuple[str, ...] = ()
    identified_after: int | None = None


def parse_header(compact: str) -> dict[str, Any]:
    """The header, not yet trusted, to choose a key by. Raises: SignInRefused."""
    if not compact.isascii() or len(compact) > LIMIT_BYTES or compact.count(".") != 2:
        raise _refused("malformed")
    try:
        header = parse_object(decode_b64(compact.split(".", maxsplit=1)[0]))
    except ValueError as error:
        raise _refused("malformed") from error
    if header.get("alg") not in ALGORITHMS:
        raise _refused("algorithm")
    return header


def verify_id_token(compact: str, keys: Sequence[Jwk], expected: Expected, now: float) -> dict[str, Any]:
    """The token's claims, all of them checked. Raises: SignInRefused. Source: OpenID Connect Core 1.0 §2, §3.1.3.7."""
    header = parse_header(compact)
    try:
        refuse_tricks(header, "ID token")
    except Unauthenticated as error:
        raise _refused("header") from error
    claims = _verified(compact, header, keys)
    _check_parties(claims, expected)
    _check_times(claims, expected, now)
    if not isinstance(claims.get("sub"), str) or not 0 < len(claims["sub"]) <= 255:
        raise _refused("subject")
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise _refused("nonce")
    if expected.acr and claims.get("acr") not in expected.acr:
        raise SignInRefused(
            "you were not identified strongly enough for this service; choose another way to identify",
            code="acr-too-weak",
        )
    return claims


def _verified(compact: str, header: dict[str, Any], keys: Sequence[Jwk]) -> dict[str, Any]:
    """The payload, once one of the provider's keys of this id and type verifies it."""
    kid, kty = header.get("kid"), _KTY[header["alg"]]
    fitting = [k for k in keys if k.get("kty") == kty and k.get("use", "sig") == "sig" and kid in (None, k.get("kid"))]
    for key in fitting[:4]:
        try:
            found = jws.deserialize_compact(compact, _public(key, kty), registry=_REGISTRY)
            return parse_object(found.payload)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    raise _refused("signature")


def _public(key: Jwk, kty: str) -> jwk.Key:
    if PRIVATE_MEMBERS & key.keys():
        raise ValueError("a published key holds a private part")
    if kty == "RSA" and int.from_bytes(decode_b64(key["n"]), "big").bit_length() not in RSA_BITS:
        raise ValueError("an RSA key must have 2048 to 8192 bits")
    return jwk.import_key({name: key[name] for name in PUBLIC_MEMBERS[kty]})


def _check_parties(claims: dict[str, Any], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise _refused("issuer")
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    # A token for others too is trusted only when it says that we asked for it.
    if not isinstance(audiences, list) or expected.client_id not in audiences:
        raise _refused("audience")
    if claims.get("azp", None if len(audiences) > 1 else expected.client_id) != expected.client_id:
        raise _refused("audience")


def _check_times(claims: dict[str, Any], expected: Expected, now: float) -> None:
    expires, issued = _seconds(claims.get("exp")), _seconds(claims.get("iat"))
    if expires is None or issued is None or now > expires + LEEWAY_S or issued > now + LEEWAY_S or now > issued + 3600:
        raise _refused("expired")
    identified = _seconds(claims.get("auth_time"))
    if identified is not None and identified > now + LEEWAY_S:
        raise _refused("auth-time")
    if expected.identified_after is not None and (
        identified is None or identified < expected.identified_after - LEEWAY_S
    ):
        raise _refused("auth-time")


def _seconds(value: object) -> float | None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 10**11
    return float(value) if fits and isinstance(value, int | float) else None


def _refused(what: str) -> SignInRefused:
    return SignInRefused("the identification could not be verified; begin again", code=f"identification-{what}")
