"""Puts the routes together: one application, one table of errors, the same header fields on every answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from litestar import Litestar, Request, Response, Router
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.routes import HTTPRoute
from litestar.types import ControllerRouterHandler, ExceptionHandlersMap, Message, Scope

from vault.api.admission import Admission, Gate, Limits
from vault.api.asking import Authenticate, Token
from vault.api.even import Even
from vault.api.logs import Observed
from vault.api.metrics import Metrics
from vault.api.problems import on_any_error, on_http_exception, on_vault_error
from vault.api.told import CompletedDocument
from vault.errors import Unauthenticated, VaultError
from vault.services.idempotency import Idempotency

SECURITY_HEADERS: Mapping[str, str] = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
_FOR_SOFTWARE = ("/v1/", "/oauth/", "/health/", "/metrics", "/schema", "/.well-known/")
_SECURITY = [(name.encode("ascii"), value.encode("ascii")) for name, value in SECURITY_HEADERS.items()]


def create_app(
    routers: Sequence[Router | ControllerRouterHandler],
    *,
    authenticate: Authenticate,
    idempotency: Idempotency,
    limits: Limits,
    metrics: Metrics,
    challenge_headers: Callable[[Unauthenticated, str | None], dict[str, str]],
    max_json_bytes: int,
    version: str,
    for_people: ExceptionHandlersMap | None = None,
    on_startup: Sequence[Callable[[], Any]] = (),
    on_shutdown: Sequence[Callable[[], Any]] = (),
) -> Litestar:
    """The application. ``authenticate`` and ``challenge_headers`` come from the authorization server's side.

    ``for_people`` answers a browser with a page where no route answers; software gets a problem document.
    """
    app = Litestar(
        route_handlers=list(routers),
        exception_handlers=_handlers(for_people or {}),
        request_max_body_size=max_json_bytes,
        before_send=[_add_headers],
        middleware=[Gate(limits)],
        on_startup=list(on_startup),
        on_shutdown=list(on_shutdown),
        openapi_config=OpenAPIConfig(
            title="Consent-gated record vault", version=version, path="/schema", use_handler_docstrings=True,
            # Only the document itself: the pages that show it would fetch their scripts from somebody else's server.
            render_plugins=[CompletedDocument()],
            components=Components(security_schemes={
                "token": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT", description="RFC 9068, from /oauth/token"),
                "session": SecurityScheme(
                    type="apiKey", security_scheme_in="cookie", name="__Host-vault", description="A signed-in person's cookie"
                ),
            }),
        ),
        logging_config=None,
    )  # fmt: skip
    # Outside of the routing, so that what no route answers is counted and told too.
    app.asgi_handler = Observed(Even(app.asgi_handler), metrics)
    app.state.authenticate = authenticate
    app.state.admission = Admission(limits)
    app.state.idempotency = idempotency
    app.state.challenge_headers = challenge_headers
    app.state.methods = {one.path_format: one.methods for one in app.routes if isinstance(one, HTTPRoute)}
    return app


def _handlers(for_people: ExceptionHandlersMap) -> ExceptionHandlersMap:
    def on_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
        page = for_people.get(HTTPException)
        told: Response[Any] = (page if page and _asked_by_people(request) else on_http_exception)(request, error)
        return told

    return {VaultError: on_vault_error, HTTPException: on_http, Exception: on_any_error}


def _asked_by_people(request: Request[Any, Any, Any]) -> bool:
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(_FOR_SOFTWARE)


async def _add_headers(message: Message, scope: Scope) -> None:
    """Add what is missing, on every answer: a release's and the framework's own refusals too."""
    if message["type"] == "http.response.start":
        headers = list(message["headers"])
        if dict(scope).get("method") == "OPTIONS" and message["status"] == 204:
            # The framework names the methods of the handler that it met first on this path.
            methods = scope["litestar_app"].state.methods[scope["path_template"]]
            headers = [one for one in headers if one[0] != b"allow"] + [(b"allow", ", ".join(sorted(methods)).encode())]
        headers += _next_nonce(scope)
        given = {name.lower() for name, _ in headers}
        message["headers"] = headers + [one for one in _SECURITY if one[0] not in given]


def _next_nonce(scope: Scope) -> list[tuple[bytes, bytes]]:
    """The nonce for the caller's next proof, on whatever the answer to this request is (RFC 9449 §8.2)."""
    whole: dict[str, Any] = dict(scope)
    token: Token | None = (whole.get("state") or {}).get("token")
    return [(b"dpop-nonce", token.next_nonce.encode("ascii"))] if token and token.next_nonce else []
