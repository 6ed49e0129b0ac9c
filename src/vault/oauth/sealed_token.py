"""An ID token that came encrypted to us (a JWE around the signed token), as the Finnish Trust Network has it.

Encryption hides the person's code from what stands between; it proves nothing: the signature inside is verified as ever.
"""

from __future__ import annotations

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from vault.errors import SignInRefused
from vault.oauth.jose import decode_b64, parse_object

KEY_ALGORITHMS = ("RSA-OAEP-256", "RSA-OAEP")
CONTENT_ALGORITHMS = ("A256GCM", "A128GCM", "A256CBC-HS512", "A128CBC-HS256")
LIMIT_BYTES = 32768
_REGISTRY = jwe.JWERegistry(algorithms=[*KEY_ALGORITHMS, *CONTENT_ALGORITHMS], strict_check_header=False)


def is_sealed(compact: str) -> bool:
    """Five parts are a JWE, three a JWS (RFC 7516 §3.1)."""
    return compact.count(".") == 4


def open_token(compact: str, key: RSAKey) -> str:
    """The signed token inside. Raises: SignInRefused, one error for every cause."""
    if len(compact) > LIMIT_BYTES or not compact.isascii():
        raise _refused()
    try:
        header = parse_object(decode_b64(compact.split(".", maxsplit=1)[0]))
    except ValueError as error:
        raise _refused() from error
    # A compressed token could be a hundred times as long as what came.
    if header.get("alg") not in KEY_ALGORITHMS or header.get("enc") not in CONTENT_ALGORITHMS or "zip" in header:
        raise _refused()
    try:
        inside = jwe.decrypt_compact(compact, key, registry=_REGISTRY).plaintext
        return (inside or b"").decode("ascii")
    except (JoseError, ValueError, TypeError) as error:
        raise _refused() from error


def _refused() -> SignInRefused:
    return SignInRefused("the identification could not be verified; begin again", code="identification-encryption")
