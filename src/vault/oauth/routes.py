"""The authorization server over HTTP: two endpoints, the metadata and the key set.

Errors here have OAuth's own form (RFC 6749 §5.2), not the problem documents of the rest of the surface.
"""

from __future__ import annotations

from typing import Any

from litestar import MediaType, Request, Response, Router, get, post

from vault.errors import TooMany, Unavailable
from vault.oauth.faults import Fault, OAuthRefused
from vault.oauth.form import LIMIT_BYTES, Form, parse_form
from vault.oauth.metadata import JWKS_PATH, METADATA_PATH, server_metadata
from vault.oauth.server import REVOKE_PATH, TOKEN_PATH, OAuthParts, issue_token, revoke_token

# RFC 6749 §5.1; Pragma for HTTP/1.0 caches, as the RFC's examples have it.
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
PUBLIC = {"Cache-Control": "public, max-age=300"}

AnyRequest = Request[Any, Any, Any]
Answer = Response[dict[str, Any]]


def oauth_router(parts: OAuthParts) -> Router:
    """The four routes, ready to be registered at the root of the application."""

    @post(TOKEN_PATH, operation_id="issueToken", summary="Ask for an access token", status_code=200)
    async def token(request: AnyRequest) -> Answer:
        try:
            form = await read_form(request)
            answer = await issue_token(parts, form, request.headers.getall("dpop", []))
        except (OAuthRefused, Unavailable, TooMany) as error:
            return refusal(error)
        body = {"access_token": answer.access_token, "token_type": answer.token_type, "expires_in": answer.expires_in}
        return reply(body, headers={"DPoP-Nonce": answer.nonce} if answer.nonce else {})

    @post(REVOKE_PATH, operation_id="revokeToken", summary="End an access token at once", status_code=200)
    async def revoke(request: AnyRequest) -> Answer:
        try:
            await revoke_token(parts, await read_form(request))
        except (OAuthRefused, Unavailable, TooMany) as error:
            return refusal(error)
        return reply({})

    @get(METADATA_PATH, operation_id="oauthMetadata", summary="What the authorization server offers (RFC 8414)")
    async def metadata() -> Answer:
        return Response(server_metadata(parts), media_type=MediaType.JSON, headers=PUBLIC)

    @get(
        JWKS_PATH,
        operation_id="oauthKeys",
        summary="The keys that sign access tokens",
        media_type="application/jwk-set+json",
    )
    async def jwks() -> Answer:
        return Response(dict(parts.keys.public_jwks()), media_type="application/jwk-set+json", headers=PUBLIC)

    return Router(path="/", route_handlers=[token, revoke, metadata, jwks], tags=["oauth"])


async def read_form(request: AnyRequest) -> Form:
    """Read the body into memory, never to a file, and parse it. Raises: OAuthRefused."""
    if "authorization" in request.headers:
        raise OAuthRefused(Fault.INVALID_CLIENT, "authenticate with private_key_jwt, not with an Authorization header")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LIMIT_BYTES:
            raise OAuthRefused(Fault.INVALID_REQUEST, f"the body is longer than {LIMIT_BYTES} bytes", status=413)
    return parse_form(request.headers.get("content-type", ""), bytes(body))


def refusal(error: OAuthRefused | Unavailable | TooMany) -> Answer:
    """The error answer, as RFC 6749 §5.2 shapes it."""
    if isinstance(error, OAuthRefused):
        extra = {"DPoP-Nonce": error.nonce} if error.nonce else {}
        if error.status == 401:
            # RFC 9110 §15.5.2 wants a challenge with every 401; private_key_jwt has no scheme of its own.
            told = f'error="{error.fault}", error_description="{error.detail}"'
            extra["WWW-Authenticate"] = f"private_key_jwt {told}"
        body = {"error": error.fault.value, "error_description": error.detail}
        return reply(body, status=error.status, headers=extra)
    if isinstance(error, TooMany):
        body = {"error": "slow_down", "error_description": "too many requests; try again later"}
        return reply(body, status=429, headers={"Retry-After": str(error.retry_after_s)})
    body = {"error": "temporarily_unavailable", "error_description": "try again in a moment"}
    return reply(body, status=503, headers={"Retry-After": "1"})


def reply(body: dict[str, Any], *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """A JSON answer that nobody may cache."""
    return Response(body, status_code=status, media_type=MediaType.JSON, headers=NO_STORE | (headers or {}))
