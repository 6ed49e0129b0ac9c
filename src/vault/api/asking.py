"""Who asks: the verified token of a request, put into its state before any body is read."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Generic, Protocol, TypeVar

import msgspec
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from vault.api.admission import Admission
from vault.errors import InvalidInput
from vault.model import TokenSecret
from vault.services.cases import Page
from vault.services.idempotency import Idempotency
from vault.services.sessions import Session

AnyRequest = Request[Any, Any, Any]
T = TypeVar("T")


class Token(Protocol):
    """What a route needs of an access token."""

    @property
    def secret(self) -> TokenSecret: ...
    @property
    def client_id(self) -> str: ...
    @property
    def sub(self) -> str: ...
    @property
    def next_nonce(self) -> str | None: ...


Authenticate = Callable[[str | None, str, str, Sequence[str]], Awaitable[Token]]
"""(Authorization header, method, raw path, DPoP headers) -> token. Raises: Unauthenticated."""

Cursor = Annotated[uuid.UUID | None, QueryParameter(name="cursor", required=False)]
Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=200)]


async def require_token(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Litestar guard: the request's token is verified, or the request is refused with 401."""
    authenticate: Authenticate = connection.app.state.authenticate
    headers = connection.headers
    scope: dict[str, Any] = dict(connection.scope)
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    token = await authenticate(
        headers.get("authorization"), scope["method"], path.decode("latin-1"), headers.getall("dpop", [])
    )
    admission: Admission = connection.app.state.admission
    admission.admit(token.client_id, token.sub)
    connection.state.token = token


def secret_of(request: AnyRequest) -> TokenSecret:
    """The secret id by which the database knows the asker: an access token's, or a session's."""
    asker: Token | Session = request.state.get("session") or request.state.token
    return asker.secret


async def id_for(request: AnyRequest) -> uuid.UUID:
    """The id under which this write does its act: fresh, or the one of its Idempotency-Key."""
    kept: uuid.UUID | None = request.state.get("act_id")
    return kept or await keep_to_key(request, with_body=True)


async def keep_to_key(request: AnyRequest, *, with_body: bool) -> uuid.UUID:
    """Bind the request to its Idempotency-Key, if it has one; ``with_body`` False for a body that is streamed.

    Raises: InvalidInput for a malformed key (400), or one that stood for another request (422).
    """
    key = request.headers.get("idempotency-key")
    body = await request.body() if key is not None and with_body else b""
    idempotency: Idempotency = request.app.state.idempotency
    found = await idempotency.id_for(secret_of(request), key, request.method, request.url.path, body)
    request.state.act_id = found
    return found


class Listed(msgspec.Struct, Generic[T], frozen=True):
    """A page of a list; ``next`` is the ``cursor`` of the page after it."""

    items: list[T]
    next: str | None


def listed(page: Page[T]) -> Response[Listed[T]]:
    """A list's answer."""
    return Response(Listed(page.items, page.next), headers={"Vault-Log-Entry": page.promise})


def confirmed_classes(request: AnyRequest) -> list[str]:
    """The protected classes that the reader confirms, from Vault-Confirm: codes apart by commas."""
    header = request.headers.get("vault-confirm", "")
    classes = [c.strip() for c in header.split(",") if c.strip()]
    if len(classes) > 10 or any(len(c) > 40 for c in classes):
        raise InvalidInput("name the protected classes that you mean to open", field="Vault-Confirm", status=400)
    return classes
