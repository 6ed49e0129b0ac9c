"""DPoP proofs (RFC 9449): the caller shows, for one request, that they hold the key that a token is bound to.

Pure: the clock is an argument, and the caller burns what was used through the register.
Nonces are stateless: a keyed digest of the time's window, by a key that all processes and replicas hold.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import msgspec

from vault.errors import InvariantViolated, Unauthenticated
from vault.oauth import jose
from vault.oauth.tokens import AccessToken

WHAT = "DPoP proof"
LIMIT_BYTES = 4096
PAST_S = 60
AHEAD_S = 5
KEPT_S = 60  # beyond acceptance, as for assertions: clocks differ
JTI_CHARS = 128
DEFAULT_PORTS = {"https": 443, "http": 80}
UNRESERVED = "-._~"  # RFC 3986 §2.3, beside letters and digits


class ProofRefused(Unauthenticated):
    """Raised when a DPoP proof is missing, doubled or not good."""

    code = "invalid-dpop-proof"


class NonceNeeded(ProofRefused):
    """Raised when the proof must be made again with ``nonce`` (RFC 9449 §8); answer with the DPoP-Nonce header."""

    code = "use-dpop-nonce"

    def __init__(self, nonce: str) -> None:
        super().__init__("make the DPoP proof again with the nonce of the header DPoP-Nonce")
        self.nonce = nonce


class Proof(msgspec.Struct, frozen=True):
    """A verified proof. ``replay_digest`` (SHA-256 over ``jkt|jti``) is not burnt yet.

    ``next_nonce`` is set when the nonce that was used will soon be too old: hand it out with the answer.
    """

    jkt: str
    replay_digest: bytes
    kept_until: dt.datetime
    next_nonce: str | None = None


class Nonces:
    """Server nonces, one per window of time; the current and the one before are accepted.

    Shapes: ``mac`` is a keyed digest under one key on every replica (``Keyring.own_mac``), 32 bytes. Units: a nonce
    works for ``window_s`` to twice that. Source: RFC 9449 §8; docs/spec/keys.md §5.
    """

    def __init__(self, mac: Callable[[bytes], bytes], *, window_s: int = 120) -> None:
        if window_s < 1:
            raise InvariantViolated("a nonce's window is at least a second")
        self._mac = mac
        self._window_s = window_s
        self._made: dict[int, str] = {}  # of this window and the one before: the keyring is asked once a window

    def _at(self, window: int) -> str:
        if window not in self._made:
            kept = {known: nonce for known, nonce in self._made.items() if abs(window - known) <= 1}
            self._made = kept | {window: jose.encode_b64(self._mac(str(window).encode()))}
        return self._made[window]

    def current(self, now: float) -> str:
        """The nonce to hand out now."""
        return self._at(int(now) // self._window_s)

    def accepts(self, nonce: str, now: float) -> bool:
        """Whether this nonce was handed out in this window or the one before."""
        window = int(now) // self._window_s
        return any(hmac.compare_digest(nonce.encode(), self._at(w).encode()) for w in (window, window - 1))


def verify_proof(
    proofs: Sequence[str],
    method: str,
    url: str,
    *,
    now: float,
    access_token: str | None = None,
    nonces: Nonces | None = None,
) -> Proof:
    """Verify the request's one DPoP header, by the list of RFC 9449 §4.3.

    Units: ``now`` in seconds since 1970. ``url`` is the request's as the caller sees it (before any proxy); query and
    fragment do not count. ``access_token`` is the token the request carries, absent at the token endpoint. Order: burn
    ``replay_digest`` before acting. Raises: ProofRefused; NonceNeeded when all else holds but the nonce.
    """
    if len(proofs) != 1:
        raise ProofRefused("exactly one DPoP header is needed")
    try:
        token = jose.parse_compact(proofs[0], WHAT, limit=LIMIT_BYTES)
        jkt = _verify_by_own_key(token)
        jti = jose.check_text(token.claims.get("jti"), "jti", WHAT, limit=JTI_CHARS)
        iat = jose.check_seconds(token.claims.get("iat"), "iat", WHAT)
    except Unauthenticated as error:
        raise ProofRefused(error.detail) from error
    if not now - PAST_S <= iat <= now + AHEAD_S:
        raise ProofRefused(f"the claim iat of the DPoP proof must lie within the last {PAST_S} seconds")
    _check_request(token.claims, method, url)
    _check_token_hash(token.claims, access_token)
    next_nonce = None if nonces is None else _check_nonce(token.claims, nonces, now)
    digest = hashlib.sha256(f"{jkt}|{jti}".encode()).digest()
    return Proof(jkt, digest, dt.datetime.fromtimestamp(iat + PAST_S + KEPT_S, dt.UTC), next_nonce)


def require_proof(
    token: AccessToken,
    access_token: str,
    method: str,
    url: str,
    proofs: Sequence[str],
    *,
    now: float,
    nonces: Nonces | None = None,
) -> Proof:
    """Verify that the request proves the key that ``token`` (the verified ``access_token``) is bound to.

    Order: burn ``replay_digest`` before acting. Raises: ProofRefused, NonceNeeded. Source: RFC 9449 §7.1.
    """
    proof = verify_proof(proofs, method, url, now=now, access_token=access_token, nonces=nonces)
    if token.jkt is None or not hmac.compare_digest(token.jkt, proof.jkt):
        raise ProofRefused("the access token is not bound to the key of the DPoP proof")
    return proof


def _verify_by_own_key(token: jose.Jws) -> str:
    """Verify by the key in the header, which DPoP alone may bring; returns its RFC 7638 thumbprint."""
    if token.header.get("typ") != "dpop+jwt":
        raise ProofRefused("the header typ of the DPoP proof must be dpop+jwt")
    jose.refuse_tricks(token.header, WHAT, allowed=("jwk",))
    own = token.header.get("jwk")
    if not isinstance(own, dict):
        raise ProofRefused("the header jwk of the DPoP proof must be a public key")
    key = jose.import_public(own, token.alg)
    jose.verify_signature(token, key, WHAT)
    return str(key.thumbprint())


def _check_request(claims: dict[str, Any], method: str, url: str) -> None:
    if claims.get("htm") != method:
        raise ProofRefused("the claim htm of the DPoP proof is not this request's method")
    htu = claims.get("htu")
    if not isinstance(htu, str) or normalise_url(htu) != normalise_url(url):
        raise ProofRefused("the claim htu of the DPoP proof is not this request's URL")


def _check_token_hash(claims: dict[str, Any], access_token: str | None) -> None:
    if access_token is None:
        return
    expected = jose.encode_b64(hashlib.sha256(access_token.encode()).digest())
    if claims.get("ath") != expected:
        raise ProofRefused("the claim ath of the DPoP proof is not the hash of this access token")


def _check_nonce(claims: dict[str, Any], nonces: Nonces, now: float) -> str | None:
    """The nonce to use from now on, when that of the proof is the older of the two accepted."""
    nonce, current = claims.get("nonce"), nonces.current(now)
    if not isinstance(nonce, str) or not nonce.isascii() or not nonces.accepts(nonce, now):
        raise NonceNeeded(current)
    return None if nonce == current else current


def normalise_url(url: str) -> str:
    """Scheme, host, port and path in one spelling, without query and fragment (RFC 9449 §4.3, RFC 3986 §6.2.2–6.2.3).

    Raises: ProofRefused for what is no absolute HTTP URL, or one with a login in it.
    """
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError as error:
        raise ProofRefused("the claim htu of the DPoP proof is not a URL") from error
    if scheme not in DEFAULT_PORTS or not host or "@" in parts.netloc:
        raise ProofRefused("the claim htu of the DPoP proof is not an absolute HTTP URL")
    place = f"[{host}]" if ":" in host else host
    if port is not None and port != DEFAULT_PORTS[scheme]:
        place += f":{port}"
    # Only unreserved characters may be decoded: %2F in a path is not the same as a slash.
    path = re.sub(r"%[0-9A-Fa-f]{2}", lambda found: _respell(found.group()), parts.path or "/")
    return f"{scheme}://{place}{path}"


def _respell(escape: str) -> str:
    character = unquote(escape, encoding="latin-1")
    is_unreserved = character.isascii() and (character.isalnum() or character in UNRESERVED)
    return character if is_unreserved else quote(character, safe="", encoding="latin-1")
