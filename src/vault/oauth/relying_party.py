"""The vault as a relying party: services.sign_in.IdentityProviders over OpenID Connect, with authlib's building blocks.

Authorization code with PKCE (S256), state, nonce and, for clients, the level of identification (acr); private_key_jwt, so
that no secret is shared; a redirect address of its own for each provider and the ``iss`` parameter against mix-up
(RFC 9207). The ID token alone is believed.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import msgspec
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7523 import private_key_jwt_sign
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc.jwk import ECKey, RSAKey
from litestar import Response, Router, get

from vault.errors import KeyringUnavailable, SignInRefused, Unavailable
from vault.oauth.fetching import FAILED, fetch_object
from vault.oauth.id_token import Expected, parse_header, verify_id_token
from vault.oauth.provider_metadata import Metadata, ProviderMetadata
from vault.oauth.remote_keys import HttpRemoteKeys
from vault.oauth.sealed_token import KEY_ALGORITHMS, is_sealed, open_token
from vault.services.sessions import Identified, Provider
from vault.services.sign_in import Pending

CALLBACK = "/sign-in/callback/"
KEYS = "/sign-in/keys"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_S = 60
CLAIMS = {
    "identity": "sub",
    "code": "urn:oid:1.2.246.21",
    "subject": "sub",
    "role": "role",
    "unit": "unit",
    "purpose": "purpose",
}
"""How a provider calls what we ask of it, unless its registration says otherwise."""


class SignInKeys(msgspec.Struct, frozen=True):
    """Our keys at the providers: one signs in our name (ES256), the other opens what is encrypted to us."""

    signing: ECKey
    opening: RSAKey | None

    def public(self) -> dict[str, Any]:
        """The key set that providers fetch."""
        keys: list[dict[str, Any]] = [dict(self.signing.as_dict(private=False)) | {"use": "sig", "alg": "ES256"}]
        if self.opening is not None:
            keys.append(dict(self.opening.as_dict(private=False)) | {"use": "enc", "alg": KEY_ALGORITHMS[0]})
        return {"keys": keys}


class RelyingParty:
    """Speaks with every registered provider in the name that ``keys`` prove."""

    def __init__(
        self,
        issuer: str,
        http: httpx.AsyncClient,
        keys: Callable[[], SignInKeys],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._issuer = issuer
        self._http = http
        self._own = keys
        self._clock = clock
        self._metadata = ProviderMetadata(http)
        self._keys = HttpRemoteKeys(http)

    async def begin(self, provider: Provider, pending: Pending) -> str:
        found = await self._metadata.of(provider.issuer)
        acr = provider.about.get("acr") or ()
        more: dict[str, Any] = {"acr_values": " ".join(acr)} if acr else {}
        if pending.renews:
            more |= {"prompt": "login", "max_age": 0}
        url: str = prepare_grant_uri(
            found.authorization_endpoint, client_id=provider.client_id, response_type="code", redirect_uri=self._back(provider),
            scope=provider.about.get("scope", "openid"), state=pending.state, nonce=pending.nonce,
            code_challenge=create_s256_code_challenge(pending.verifier), code_challenge_method="S256", ui_locales=pending.language, **more,
        )  # fmt: skip
        return url

    async def complete(self, provider: Provider, pending: Pending, answer: Mapping[str, str]) -> Identified:
        found = await self._metadata.of(provider.issuer)
        code = _code_of(answer, found)
        compact = await self._exchange(provider, pending, found, code)
        kid = parse_header(compact).get("kid")
        keys = await self._keys.keys(found.jwks_uri, kid if isinstance(kid, str) else None)
        if not keys:
            raise Unavailable("the identification service cannot be reached; try again in a moment")
        expected = Expected(
            issuer=provider.issuer,
            client_id=provider.client_id,
            nonce=pending.nonce,
            acr=tuple(provider.about.get("acr") or ()),
            identified_after=pending.started_at if pending.renews else None,
        )
        return _identified(provider, verify_id_token(compact, keys, expected, self._clock()), compact)

    async def leave(self, provider: Provider, back: str) -> str | None:
        """RP-initiated logout, without the ID token: that would put the person's code into an address."""
        try:
            found = await self._metadata.of(provider.issuer)
        except Unavailable:
            return None
        if found.end_session_endpoint is None:
            return None
        query = {"client_id": provider.client_id, "post_logout_redirect_uri": self._issuer + back}
        return str(httpx.URL(found.end_session_endpoint).copy_merge_params(query))

    def public_keys(self) -> dict[str, Any]:
        """The key set by which providers know us; empty before `vault provider key` made one."""
        try:
            return self._own().public()
        except KeyringUnavailable:
            return {"keys": []}

    def _back(self, provider: Provider) -> str:
        return f"{self._issuer}{CALLBACK}{provider.id}"

    async def _exchange(self, provider: Provider, pending: Pending, found: Metadata, code: str) -> str:
        """The ID token for the code. Raises: SignInRefused when the provider refuses, Unavailable when it is not there."""
        own, now = self._own(), int(self._clock())
        key = own.signing
        # FAPI and the providers' newer rules name the issuer as the audience; the token endpoint is what all of them accept.
        assertion = private_key_jwt_sign(
            key,
            client_id=provider.client_id,
            token_endpoint=found.token_endpoint,
            alg="ES256",
            claims={"exp": now + ASSERTION_S, "iat": now},
            header={"kid": key.kid},
        )
        form = prepare_token_request(
            "authorization_code", "", code=code, redirect_uri=self._back(provider), code_verifier=pending.verifier,
            client_id=provider.client_id, client_assertion_type=ASSERTION_TYPE, client_assertion=assertion,
        )  # fmt: skip
        try:
            status, answer = await fetch_object(self._http, found.token_endpoint, form=form)
        except FAILED:
            raise Unavailable("the identification service cannot be reached; try again in a moment") from None
        compact = answer.get("id_token")
        if status != 200 or not isinstance(compact, str):
            raise SignInRefused(
                "the identification service did not confirm the sign-in; begin again", code="code-refused"
            )
        if is_sealed(compact) and own.opening is not None:
            return open_token(compact, own.opening)
        if provider.about.get("encrypted"):
            raise SignInRefused(
                "the identification could not be verified; begin again", code="identification-encryption"
            )
        return compact


def _code_of(answer: Mapping[str, str], found: Metadata) -> str:
    """The code of an answer that is this provider's."""
    # RFC 9207 §2.4: an answer without the issuer that its provider promises, or with another, is not this provider's.
    said = answer.get("iss")
    if (said is None and found.authorization_response_iss_parameter_supported) or said not in (None, found.issuer):
        raise SignInRefused(
            "the answer is not that of the identification service you chose; begin again", code="mix-up"
        )
    if "error" in answer:
        if answer["error"] in ("access_denied", "login_required", "interaction_required"):
            raise SignInRefused("the identification was not completed; nothing was changed", code="sign-in-cancelled")
        raise SignInRefused("the identification service refused the sign-in", code="provider-error")
    if not answer.get("code"):
        raise SignInRefused("the identification service gave no answer that can be used; begin again", code="no-code")
    return answer["code"]


def _identified(provider: Provider, claims: dict[str, Any], compact: str) -> Identified:
    names = CLAIMS | dict(provider.about.get("claims") or {})
    is_client = provider.kind == "client"
    subject = _text(claims, names["identity" if is_client else "subject"])
    if subject is None:
        raise SignInRefused("the identification service does not say who you are", code="identification-subject")
    return Identified(
        provider=provider.id,
        issuer=provider.issuer,
        subject=subject,
        assertion=compact.encode(),
        identified_at=dt.datetime.fromtimestamp(claims.get("auth_time", claims["iat"]), dt.UTC),
        acr=_text(claims, "acr"),
        code=_text(claims, names["code"]) if is_client else None,
        role=None if is_client else _text(claims, names["role"]),
        unit=None if is_client else _text(claims, names["unit"]),
        purpose=None if is_client else _text(claims, names["purpose"]) or provider.about.get("purpose"),
    )


def _text(claims: dict[str, Any], name: str) -> str | None:
    """A claim's text. Raises: SignInRefused when it is there and is none that a person could be known by."""
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= 255 or not value.isprintable():
        raise SignInRefused(
            "the identification service says something that cannot be read", code="identification-malformed"
        )
    return value


def keys_router(relying: RelyingParty) -> Router:
    """Where providers fetch the key that signs in our name."""

    @get(
        KEYS,
        media_type="application/jwk-set+json",
        operation_id="signInKeys",
        summary="The key by which identity providers know the vault",
    )
    async def keys() -> Response[dict[str, Any]]:
        headers = {"Cache-Control": "public, max-age=300"}
        return Response(relying.public_keys(), media_type="application/jwk-set+json", headers=headers)

    return Router("/", route_handlers=[keys], tags=["oauth"])
