"""Access tokens: RFC 9068 JWTs that carry the secret id under which the database knows them.

A token's ``jti`` is 32 random bytes; the database holds their SHA-256 only. The signature keeps strangers away from the
database; what a token may do is decided there, at every request. Verifying is done on each request, so it is written for
speed: the protected header is one of a few fixed texts, so it is compared and never parsed.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Sequence

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from vault.errors import SettingsWrong, Unauthenticated, Unavailable
from vault.model import ActorKind, AgencySlug, TokenSecret
from vault.oauth.jose import decode_b64, encode_b64, parse_object
from vault.services.tokens import Jwk

LIMIT_CHARS = 4096
SECRET_BYTES = 32
LOOK_S = 10.0
UNKNOWN_S = 1.0
LONGEST_TTL_S = 300


class Confirmation(msgspec.Struct, frozen=True):
    """``cnf`` (RFC 7800): the thumbprint of the DPoP key that the token is bound to."""

    jkt: str


class Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    """The claims of an access token, as they are written and read."""

    iss: str
    sub: str
    aud: str
    exp: int
    iat: int
    jti: str
    client_id: str
    agency: str
    role: str | None = None
    unit: str | None = None
    purpose: str | None = None
    cnf: Confirmation | None = None


class AccessToken(msgspec.Struct, frozen=True):
    """A token whose signature and expiry were verified; whether it is recorded and not revoked, the database says.

    ``sub`` is the professional's id at the agency, or the client_id for a system. ``exp`` in seconds since 1970.
    ``jkt`` is set when every request must bring a DPoP proof by that key; ``next_nonce`` when the answer to this request
    must hand out a new nonce for the proofs after it (RFC 9449 §8.2).
    """

    secret: TokenSecret
    kind: ActorKind
    sub: str
    client_id: str
    agency: AgencySlug
    role: str | None
    unit: str | None
    purpose: str | None
    jkt: str | None
    exp: int
    next_nonce: str | None = None

    @property
    def secret_sha256(self) -> bytes:
        """What the database knows the token by."""
        return hashlib.sha256(self.secret).digest()


class Minted(msgspec.Struct, frozen=True):
    """A token made but not recorded: it must not leave before the register said RECORDED."""

    jwt: str
    secret_sha256: bytes
    expires_at: dt.datetime


def thumbprint_ed25519(key: Ed25519PublicKey) -> str:
    """RFC 7638 and RFC 8037 §2: base64url of SHA-256 over the key's members in lexical order."""
    members = {"crv": "Ed25519", "kty": "OKP", "x": encode_b64(key.public_bytes_raw())}
    return encode_b64(hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest())


class IssuerKeys:
    """The issuer's signing keys: the first signs, all of them verify. ``kid`` is the RFC 7638 thumbprint.

    To rotate, add a key, put it first when every replica knows it, and drop the old one a token's lifetime later. ``again`` reads them anew: every
    ``LOOK_S`` seconds, and sooner when a token names a key that is not known here, since another replica may have begun to
    sign with it a moment ago. When that fails, the keys from before stay.
    """

    def __init__(
        self,
        keys: Sequence[Ed25519PrivateKey],
        *,
        again: Callable[[], Sequence[Ed25519PrivateKey]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._again = again
        self._clock = clock
        self._read_at = clock()
        self._take(keys)

    def _take(self, keys: Sequence[Ed25519PrivateKey]) -> None:
        if not keys:
            raise SettingsWrong("the issuer needs at least one Ed25519 signing key")
        self._signer = keys[0]
        self._public = {_header(thumbprint_ed25519(key.public_key())): key.public_key() for key in keys}
        self._head = next(iter(self._public))

    def _look(self, after_s: float) -> None:
        """Read the keys anew when they were read so long ago; a stranger's made-up key ids must not make that often."""
        if self._again is None or self._clock() - self._read_at < after_s:
            return
        self._read_at = self._clock()
        with contextlib.suppress(Unavailable):
            self._take(self._again())

    @classmethod
    def parse(cls, text: str | bytes) -> IssuerKeys:
        """Read a private JWK set (``{"keys": [...]}``, newest first). Raises: SettingsWrong."""
        try:
            found = parse_object(text.encode() if isinstance(text, str) else text)
            return cls([_private(key) for key in found["keys"]])
        except (ValueError, TypeError, KeyError) as error:
            raise SettingsWrong("the issuer's keys must be a JWK set of private Ed25519 keys, newest first") from error

    @classmethod
    def generate(cls) -> str:
        """A new private JWK set of one key, as text for :meth:`parse`; keep it secret."""
        key = Ed25519PrivateKey.generate()
        public = _public_jwk(key.public_key())
        return json.dumps({"keys": [public | {"d": encode_b64(key.private_bytes_raw())}]})

    def public_jwks(self) -> dict[str, list[Jwk]]:
        """The key set for ``/oauth/jwks``, newest first."""
        self._look(LOOK_S)
        return {"keys": [_public_jwk(key) for key in self._public.values()]}

    def sign(self, claims: bytes) -> str:
        """A compact ``at+jwt`` over these claims by the newest key."""
        self._look(LOOK_S)
        message = f"{self._head}.{encode_b64(claims)}"
        return f"{message}.{encode_b64(self._signer.sign(message.encode('ascii')))}"

    def verify(self, jwt: str) -> bytes:
        """The claims' bytes of a compact ``at+jwt`` of ours. Raises: Unauthenticated."""
        head, _, rest = jwt.partition(".")
        body, _, signature = rest.partition(".")
        self._look(LOOK_S if head in self._public else UNKNOWN_S)
        key = self._public.get(head)
        if key is None or len(jwt) > LIMIT_CHARS:
            raise Unauthenticated("the access token is not one of this issuer")
        try:
            key.verify(decode_b64(signature), f"{head}.{body}".encode("ascii"))
            return decode_b64(body)
        except (InvalidSignature, ValueError) as error:
            raise Unauthenticated("the access token does not verify") from error


def _header(kid: str) -> str:
    # RFC 9068 §2.1. EdDSA rather than Ed25519: resource servers' libraries know the older name.
    return encode_b64(json.dumps({"typ": "at+jwt", "alg": "EdDSA", "kid": kid}, separators=(",", ":")).encode())


def _public_jwk(key: Ed25519PublicKey) -> Jwk:
    members = {"kty": "OKP", "crv": "Ed25519", "x": encode_b64(key.public_bytes_raw())}
    return members | {"kid": thumbprint_ed25519(key), "use": "sig", "alg": "EdDSA"}


def _private(key: Jwk) -> Ed25519PrivateKey:
    if key["kty"] != "OKP" or key["crv"] != "Ed25519":
        raise ValueError("not an Ed25519 key")
    return Ed25519PrivateKey.from_private_bytes(decode_b64(key["d"]))


def mint(
    keys: IssuerKeys,
    *,
    issuer: str,
    client_id: str,
    agency: AgencySlug,
    sub: str,
    role: str | None = None,
    unit: str | None = None,
    purpose: str | None = None,
    jkt: str | None = None,
    now: int,
    ttl_s: int,
) -> Minted:
    """Make one access token; a system's token has the client_id as ``sub`` and no role or purpose.

    Units: ``now`` in seconds since 1970. Order: record it before it is handed out. Source: RFC 9068 §2.2.
    """
    secret = secrets.token_bytes(SECRET_BYTES)
    claims = Claims(
        iss=issuer, sub=sub, aud=issuer, exp=now + ttl_s, iat=now, jti=encode_b64(secret), client_id=client_id,
        agency=agency, role=role, unit=unit, purpose=purpose, cnf=Confirmation(jkt) if jkt else None,
    )  # fmt: skip
    return Minted(
        jwt=keys.sign(msgspec.json.encode(claims)),
        secret_sha256=hashlib.sha256(secret).digest(),
        expires_at=dt.datetime.fromtimestamp(claims.exp, dt.UTC),
    )


class TokenVerifier:
    """Verifies access tokens of one issuer; safe to share, holds nothing per request."""

    def __init__(self, keys: IssuerKeys, issuer: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._decoder = msgspec.json.Decoder(Claims)

    def read(self, jwt: str) -> AccessToken:
        """A token of ours, expired or not (a revocation may come late). Raises: Unauthenticated."""
        try:
            claims = self._decoder.decode(self._keys.verify(jwt))
            secret = decode_b64(claims.jti)
        except (ValueError, msgspec.MsgspecError) as error:
            raise Unauthenticated("the access token is malformed") from error
        if (claims.iss, claims.aud) != (self._issuer, self._issuer) or len(secret) != SECRET_BYTES:
            raise Unauthenticated("the access token is not one of this issuer")
        return AccessToken(
            secret=TokenSecret(secret),
            # An application's own token has itself as subject; a grant assertion never has (design: sub ≠ iss).
            kind=ActorKind.SYSTEM if claims.sub == claims.client_id else ActorKind.PROFESSIONAL,
            sub=claims.sub, client_id=claims.client_id, agency=AgencySlug(claims.agency), role=claims.role,
            unit=claims.unit, purpose=claims.purpose, jkt=claims.cnf.jkt if claims.cnf else None, exp=claims.exp,
        )  # fmt: skip

    def verify_access_token(self, jwt: str, now: float) -> AccessToken:
        """A token of ours that has not expired.

        Units: ``now`` in seconds since 1970. Raises: Unauthenticated. Source: RFC 9068 §4.
        """
        token = self.read(jwt)
        if token.exp <= now:
            raise Unauthenticated("the access token has expired")
        return token
