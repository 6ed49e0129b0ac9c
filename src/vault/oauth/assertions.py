"""Assertions that an agency's application signs: to authenticate itself, or to ask for a professional's token.

RFC 7521 and RFC 7523, narrowed: one audience, at most a minute, one use, no shared secrets. The steps, in this order and
repeated at the code; nothing is believed before step 5, and nothing is burnt before step 6 has passed:

  (1) size and shape          (2) header and algorithm     (3) the application, by the unverified ``iss``
  (4) its key, by ``kid``     (5) the signature            (6) the claims
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any

import msgspec

from vault.errors import Unauthenticated
from vault.oauth import jose
from vault.services.tokens import ApplicationRecord, Jwk

LIMIT_BYTES = 8192
AHEAD_S = 60
LEEWAY_S = 5  # RFC 7519 §4.1.4: their clock may be a little ahead of ours
JTI_CHARS = 128
TEXT_CHARS = 200

# Replicas' and the database's clocks differ too: what was used is remembered a minute longer than it could be accepted.
KEPT_S = 60

# RFC 8725 §3.11: a JWT made for something else (an access token, a DPoP proof) is no assertion.
TYPES = frozenset({"jwt", "client-authentication+jwt", "authorization-grant+jwt"})

# One answer for an unknown application, an unknown key and a wrong signature, so that ids cannot be tried out.
UNVERIFIED = "no registered key verifies this assertion; check iss, kid and the signature"

FindApplication = Callable[[str], Awaitable[ApplicationRecord | None]]
FindKeys = Callable[[ApplicationRecord, str | None], Awaitable[tuple[Jwk, ...]]]


class Use(Enum):
    """What the assertion is for; the value names it in messages."""

    CLIENT = "client assertion"
    GRANT = "grant assertion"


class Person(msgspec.Struct, frozen=True):
    """The professional that a grant assertion names, as the agency says it."""

    sub: str
    name: str
    role: str
    unit: str | None
    purpose: str


class Assertion(msgspec.Struct, frozen=True):
    """A verified assertion. ``replay_digest`` (SHA-256 over ``iss|jti``) is not burnt yet; ``person`` is a grant's."""

    application: ApplicationRecord
    compact: str
    digest: bytes
    replay_digest: bytes
    kept_until: dt.datetime
    person: Person | None


async def verify_assertion(
    compact: str, use: Use, *, issuer: str, application: FindApplication, keys: FindKeys, now: float
) -> Assertion:
    """Verify one assertion in the six steps above.

    Units: ``now`` in seconds since 1970. Order: the caller burns ``replay_digest`` before it acts on the result.
    Raises: Unauthenticated with a sentence for the agency's developer. Source: RFC 7523 §3.
    """
    # (1) size and shape, (2) header and algorithm
    token = jose.parse_compact(compact, use.value, limit=LIMIT_BYTES)
    check_header(token.header, use)
    # (3) the application, by an issuer that is only claimed so far
    found = await application(jose.check_text(token.claims.get("iss"), "iss", use.value, limit=TEXT_CHARS))
    if found is None:
        raise Unauthenticated(UNVERIFIED)
    # (4) its key, by kid, and (5) the signature
    kid = token.header.get("kid")
    verify_by_kid(token, await keys(found, kid), kid)
    # (6) the claims
    person = check_claims(token.claims, use, issuer=issuer, now=now)
    iss, jti, exp = token.claims["iss"], token.claims["jti"], int(token.claims["exp"])
    return Assertion(
        application=found,
        compact=compact,
        digest=hashlib.sha256(compact.encode("ascii")).digest(),
        replay_digest=hashlib.sha256(f"{iss}|{jti}".encode()).digest(),
        kept_until=dt.datetime.fromtimestamp(exp + KEPT_S, dt.UTC),
        person=person,
    )


def check_header(header: dict[str, Any], use: Use) -> None:
    """Step 2: no headers that bring a key, a type that fits, a kid that is text. Raises: Unauthenticated."""
    jose.refuse_tricks(header, use.value)
    typ = header.get("typ", "JWT")
    if not isinstance(typ, str) or typ.lower() not in TYPES:
        raise Unauthenticated(f"the header typ of the {use.value} must be JWT or absent")
    if "kid" in header:
        jose.check_text(header["kid"], "kid", use.value, limit=TEXT_CHARS)


def verify_by_kid(token: jose.Jws, keys: tuple[Jwk, ...], kid: str | None) -> None:
    """Steps 4 and 5: exactly one key may be meant, and it alone is tried. Raises: Unauthenticated."""
    meant = [key for key in keys if kid is None or key.get("kid") == kid]
    if len(meant) != 1:
        raise Unauthenticated(UNVERIFIED)
    try:
        jose.verify_signature(token, jose.import_public(meant[0], token.alg), "assertion")
    except Unauthenticated as error:
        raise Unauthenticated(UNVERIFIED) from error


def check_claims(claims: dict[str, Any], use: Use, *, issuer: str, now: float) -> Person | None:
    """Step 6, for claims whose signature was verified. Raises: Unauthenticated naming the claim."""
    what = use.value
    # draft-ietf-oauth-rfc7523bis §4: the issuer alone, so that no other server can pass the assertion on to us.
    if claims.get("aud") not in (issuer, [issuer]):
        raise Unauthenticated(f"the claim aud of the {what} must be the issuer's URL and nothing else")
    check_times(claims, what, now)
    jose.check_text(claims.get("jti"), "jti", what, limit=JTI_CHARS)
    sub = jose.check_text(claims.get("sub"), "sub", what, limit=TEXT_CHARS)
    if use is Use.CLIENT:
        if sub != claims["iss"]:
            raise Unauthenticated("a client assertion has the client_id as iss and as sub")
        return None
    if sub == claims["iss"]:
        raise Unauthenticated("a grant assertion names the professional in sub, not the application")
    return check_person(claims, sub)


def check_times(claims: dict[str, Any], what: str, now: float) -> None:
    """``iat`` and ``nbf``, when given, not ahead; ``exp`` within the next minute. Raises: Unauthenticated.

    Where ``iat`` shows that the application's clock is a little ahead of ours, the minute is counted by its clock.
    """
    ours = now
    for name in ("iat", "nbf"):
        if name in claims:
            told = jose.check_seconds(claims[name], name, what)
            if told > now + LEEWAY_S:
                raise Unauthenticated(f"the claim {name} of the {what} lies in the future")
            ours = max(ours, told) if name == "iat" else ours
    exp = jose.check_seconds(claims.get("exp"), "exp", what)
    if exp <= now:
        raise Unauthenticated(f"the {what} has expired")
    if exp > ours + AHEAD_S:
        raise Unauthenticated(f"the claim exp of the {what} must be at most {AHEAD_S} seconds ahead")


def check_person(claims: dict[str, Any], sub: str) -> Person:
    """Who the grant assertion is for. Raises: Unauthenticated naming the claim that is missing."""
    text = {
        name: jose.check_text(claims.get(name), name, Use.GRANT.value, limit=TEXT_CHARS)
        for name in ("name", "role", "purpose", "unit")
        if name != "unit" or claims.get("unit") is not None
    }
    return Person(sub=sub, name=text["name"], role=text["role"], unit=text.get("unit"), purpose=text["purpose"])
