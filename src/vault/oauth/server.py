"""What the token and revocation endpoints do, without HTTP.

The order within one token request, each step named again at the code:

  (1) the request asks for something that exists here      (2) the assertion or assertions are verified
  (3) a DPoP proof, where there is one, is verified        (4) what may work once is burnt, and the token recorded
  (5) only then does the token leave
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from vault.errors import SettingsWrong, Unauthenticated
from vault.model import ActorKind
from vault.oauth import tokens
from vault.oauth.assertions import Assertion, Use, verify_assertion
from vault.oauth.dpop import NonceNeeded, Nonces, Proof, ProofRefused, verify_proof
from vault.oauth.faults import Fault, OAuthRefused
from vault.oauth.form import Form, require
from vault.oauth.tokens import IssuerKeys, Minted, TokenVerifier
from vault.ports import Keyring
from vault.services.tokens import (
    ApplicationRecord,
    Jwk,
    NewToken,
    RecordOutcome,
    RemoteKeys,
    TokenRegister,
    assertion_context,
    name_context,
)

CLIENT_CREDENTIALS = "client_credentials"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CLIENT_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TOKEN_PATH, REVOKE_PATH = "/oauth/token", "/oauth/revoke"

USED_BEFORE = "the jti of the assertion was used before"
REFUSALS: dict[RecordOutcome, str] = {
    RecordOutcome.REPLAYED: USED_BEFORE,
    RecordOutcome.UNKNOWN_PROFESSIONAL: "no professional with this sub is registered for the agency",
    RecordOutcome.ROLE_NOT_REGISTERED: "this role is not registered for the professional",
    RecordOutcome.UNIT_NOT_REGISTERED: "this unit is not registered for the professional",
    RecordOutcome.SUSPENDED: "the agency or the application is suspended",
    RecordOutcome.UNKNOWN_APPLICATION: "the application is no longer registered",
}


class OAuthParts(msgspec.Struct, frozen=True):
    """Everything that the authorization server is made of.

    ``issuer`` is the identifier that assertions name as ``aud``; ``base_url`` is where callers reach the endpoints, the
    issuer when empty. Both without a trailing slash. ``purposes`` are the codes that a token may be asked for. With
    ``nonces``, every DPoP proof must carry one. ``clock`` gives seconds since 1970.
    """

    issuer: str
    keys: IssuerKeys
    register: TokenRegister
    keyring: Keyring
    purposes: frozenset[str]
    base_url: str = ""
    ttl_s: int = tokens.LONGEST_TTL_S
    nonces: Nonces | None = None
    remote_keys: RemoteKeys | None = None
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        if not 1 <= self.ttl_s <= tokens.LONGEST_TTL_S:
            raise SettingsWrong(f"a token's lifetime must be 1 to {tokens.LONGEST_TTL_S} seconds")
        if self.issuer.endswith("/") or self.base_url.endswith("/"):
            raise SettingsWrong("the issuer and the base URL are written without a trailing slash")

    def url(self, path: str) -> str:
        """The public URL of a path."""
        return (self.base_url or self.issuer) + path


class TokenAnswer(msgspec.Struct, frozen=True):
    """The successful answer of the token endpoint (RFC 6749 §5.1); ``token_type`` is Bearer or DPoP.

    ``nonce`` comes with a bound token, so that the next request needs no second try (RFC 9449 §8.2).
    """

    access_token: str
    token_type: str
    expires_in: int
    nonce: str | None = None


async def issue_token(parts: OAuthParts, form: Form, dpop_proofs: Sequence[str] = ()) -> TokenAnswer:
    """Answer one token request; ``dpop_proofs`` are the values of its DPoP headers.

    Raises: OAuthRefused; DatabaseUnavailable and KeyringUnavailable. Source: RFC 6749 §4.4, RFC 7523, RFC 9449 §5.
    """
    # (1) the request asks for something that exists here
    now = parts.clock()
    grant_type = require(form, "grant_type")
    if grant_type not in (CLIENT_CREDENTIALS, JWT_BEARER):
        raise OAuthRefused(Fault.UNSUPPORTED_GRANT_TYPE, f"the grant types are {CLIENT_CREDENTIALS} and {JWT_BEARER}")
    _check_extras(parts, form)
    # (2) the assertion or assertions are verified
    client = await _authenticate(parts, form, now) if _needs_client(form, grant_type) else None
    grant = await _verify_grant(parts, form, client, now) if grant_type == JWT_BEARER else None
    asked = grant or client
    if asked is None:
        raise OAuthRefused(Fault.INVALID_CLIENT, "a client assertion is needed")
    # (3) a DPoP proof, where there is one, is verified
    proof = _check_proof(parts, asked.application, dpop_proofs, now)
    # (4) what may work once is burnt, and the token recorded
    if proof is not None and not await parts.register.burn("dpop", proof.replay_digest, proof.kept_until):
        raise OAuthRefused(Fault.INVALID_DPOP_PROOF, "the jti of the DPoP proof was used before")
    if grant is not None and client is not None:
        await _burn_client(parts, client)
    minted = _mint(parts, asked, proof, int(now))
    await _record(parts, asked, minted, proof)
    # (5) only then does the token leave
    nonce = parts.nonces.current(now) if parts.nonces and proof else None
    return TokenAnswer(minted.jwt, "DPoP" if proof else "Bearer", parts.ttl_s, nonce)


async def revoke_token(parts: OAuthParts, form: Form) -> None:
    """Answer one revocation request; a token that is not ours, or another application's, is no error.

    Raises: OAuthRefused; DatabaseUnavailable. Source: RFC 7009 §2.
    """
    client = await _authenticate(parts, form, parts.clock())
    jwt = require(form, "token")
    await _burn_client(parts, client)
    try:
        token = TokenVerifier(parts.keys, parts.issuer).read(jwt)
    except Unauthenticated:
        return  # RFC 7009 §2.2: the purpose is met already
    await parts.register.revoke(token.secret_sha256, client.application.client_id)


def _check_extras(parts: OAuthParts, form: Form) -> None:
    """Refuse what would change the meaning of the request if it were ignored."""
    if "scope" in form:
        raise OAuthRefused(Fault.INVALID_SCOPE, "there are no scopes here; what a token opens is decided per request")
    if form.get("resource", parts.issuer) != parts.issuer:
        raise OAuthRefused(Fault.INVALID_TARGET, "tokens are for this issuer only")  # RFC 8707 §2
    if "client_secret" in form:
        raise OAuthRefused(Fault.INVALID_CLIENT, "there are no shared secrets here; use private_key_jwt")


def _needs_client(form: Form, grant_type: str) -> bool:
    # RFC 7521 §4.1: client authentication is optional with an assertion grant, but once given it must hold.
    return grant_type == CLIENT_CREDENTIALS or "client_assertion" in form or "client_assertion_type" in form


async def _authenticate(parts: OAuthParts, form: Form, now: float) -> Assertion:
    """Authenticate the application by private_key_jwt (RFC 7523 §2.2); the assertion is not burnt yet."""
    if "client_assertion" not in form:
        raise OAuthRefused(Fault.INVALID_CLIENT, "a client assertion (private_key_jwt) is needed")
    if form.get("client_assertion_type") != CLIENT_ASSERTION_TYPE:
        raise OAuthRefused(Fault.INVALID_CLIENT, f"client_assertion_type must be {CLIENT_ASSERTION_TYPE}")
    return await _verify(parts, form["client_assertion"], Use.CLIENT, Fault.INVALID_CLIENT, form, now)


async def _verify_grant(parts: OAuthParts, form: Form, client: Assertion | None, now: float) -> Assertion:
    """Verify the grant assertion; whoever also authenticated must be the same application."""
    grant = await _verify(parts, require(form, "assertion"), Use.GRANT, Fault.INVALID_GRANT, form, now)
    if client is not None and client.application.client_id != grant.application.client_id:
        raise OAuthRefused(Fault.INVALID_GRANT, "the grant and the client assertion are of two applications")
    if grant.person is None or grant.person.purpose not in parts.purposes:
        raise OAuthRefused(Fault.INVALID_GRANT, "the claim purpose of the grant assertion is no known purpose")
    return grant


async def _verify(parts: OAuthParts, compact: str, use: Use, fault: Fault, form: Form, now: float) -> Assertion:
    async def keys(application: ApplicationRecord, kid: str | None) -> tuple[Jwk, ...]:
        if application.jwks_url is None or parts.remote_keys is None:
            return application.keys
        return application.keys + await parts.remote_keys.keys(application.jwks_url, kid)

    try:
        found = await verify_assertion(
            compact, use, issuer=parts.issuer, application=parts.register.application, keys=keys, now=now
        )
    except Unauthenticated as error:
        raise OAuthRefused(fault, error.detail) from error
    if form.get("client_id", found.application.client_id) != found.application.client_id:
        raise OAuthRefused(Fault.INVALID_CLIENT, "client_id is not the one that signed the assertion")
    if found.application.suspended:
        raise OAuthRefused(fault, REFUSALS[RecordOutcome.SUSPENDED])
    return found


def _check_proof(parts: OAuthParts, application: ApplicationRecord, proofs: Sequence[str], now: float) -> Proof | None:
    """The DPoP proof that the token will be bound to; None when none was sent and none is required."""
    if not proofs and not application.dpop_required:
        return None
    try:
        return verify_proof(proofs, "POST", parts.url(TOKEN_PATH), now=now, nonces=parts.nonces)
    except NonceNeeded as error:
        raise OAuthRefused(Fault.USE_DPOP_NONCE, error.detail, nonce=error.nonce) from error
    except ProofRefused as error:
        raise OAuthRefused(Fault.INVALID_DPOP_PROOF, error.detail) from error


async def _burn_client(parts: OAuthParts, client: Assertion) -> None:
    """Burn a client assertion that no recorded token will burn."""
    if not await parts.register.burn("assertion", client.replay_digest, client.kept_until):
        raise OAuthRefused(Fault.INVALID_CLIENT, USED_BEFORE)


def _mint(parts: OAuthParts, asked: Assertion, proof: Proof | None, now: int) -> Minted:
    person, application = asked.person, asked.application
    return tokens.mint(
        parts.keys,
        issuer=parts.issuer,
        client_id=application.client_id,
        agency=application.agency,
        sub=person.sub if person else application.client_id,
        role=person.role if person else None,
        unit=person.unit if person else None,
        purpose=person.purpose if person else None,
        jkt=proof.jkt if proof else None,
        now=now,
        ttl_s=parts.ttl_s,
    )


async def _record(parts: OAuthParts, asked: Assertion, minted: Minted, proof: Proof | None) -> None:
    """Burn the assertion and record the token in one call. If we stop after it, a token exists that nobody holds."""
    person, application, seal = asked.person, asked.application, parts.keyring.seal_own
    outcome = await parts.register.record(
        NewToken(
            secret_sha256=minted.secret_sha256,
            kind=ActorKind.PROFESSIONAL if person else ActorKind.SYSTEM,
            client_id=application.client_id,
            sub=person.sub if person else None,
            role=person.role if person else None,
            unit=person.unit if person else None,
            purpose=person.purpose if person else None,
            assertion_digest=asked.digest,
            sealed_assertion=seal(assertion_context(asked.digest), asked.compact.encode("ascii")),
            sealed_name=seal(name_context(application.agency, person.sub), person.name.encode()) if person else None,
            issuer_jti_digest=asked.replay_digest,
            assertion_expires_at=asked.kept_until,
            expires_at=minted.expires_at,
            jkt=proof.jkt if proof else None,
        )
    )
    if outcome is not RecordOutcome.RECORDED:
        raise OAuthRefused(Fault.INVALID_GRANT if person else Fault.INVALID_CLIENT, REFUSALS[outcome])
