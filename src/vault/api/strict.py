"""What a request may look like before anything reads its meaning: only known parameters, one spelling of an id, one JSON
value of exactly the declared shape, text that can be kept.
"""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, NotFoundException
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from vault.api.asking import AnyRequest, keep_to_key
from vault.api.problems import invalid_shape
from vault.errors import InvalidInput

_JSON = ("application/json", "application/json;charset=utf-8")
_NUL = "\0"
LONGEST_NAME = 40
WRITES = ("POST", "PUT", "PATCH", "DELETE")


async def require_plain(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Litestar guard, after the token's: the request's head has nothing that this route does not know.

    Waits for nothing, but the framework would run a plain function in a thread, at every request. Raises: InvalidInput for
    parameters and headers; NotFoundException for an id in another spelling than the one of RFC 9562, which could stand for
    two different things in a log or a cache.
    """
    path = str(connection.scope["path"]).lower()
    for value in connection.path_params.values():
        if isinstance(value, uuid.UUID) and str(value) not in path.split("/"):
            raise NotFoundException
    known = _query_names(handler)
    for name in connection.query_params:
        if name not in known:
            # A person's code that somebody put here by mistake is not repeated.
            told = name if name.isidentifier() and len(name) <= LONGEST_NAME else None
            raise InvalidInput("this path does not know such a query parameter", field=told, code="unknown-parameter")
        if len(connection.query_params.getall(name)) > 1:
            raise InvalidInput("a query parameter is given once", field=name, code="repeated-parameter")
    headers = connection.headers
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise HTTPException(status_code=415)
    given = headers.get("content-type", "").lower().replace(" ", "").replace('"', "")
    if "data" in handler.parsed_fn_signature.parameters and given not in _JSON:
        raise HTTPException(status_code=415)


async def read_strictly(request: AnyRequest) -> None:
    """Litestar ``before_request``: the body is one JSON value of exactly the handler's shape, and a key means one request.

    The framework reads the body once more after this, and would take ``"1"`` for 1 and ``1`` for true.
    Raises: InvalidInput naming the field.
    """
    data = request.route_handler.parsed_fn_signature.parameters.get("data")
    if data is not None:
        _check_shape(await request.body(), data.annotation)
    if "idempotency-key" in request.headers and request.method in WRITES:
        # Raw bytes are streamed; what they are is compared when they are filed.
        await keep_to_key(request, with_body=request.method != "PUT")


def _check_shape(body: bytes, shape: Any) -> None:
    try:
        plain = msgspec.json.decode(body)
        msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise invalid_shape(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        detail = "the body is not one JSON value in UTF-8"
        raise InvalidInput(detail, code="malformed-json", status=400) from None
    # PostgreSQL keeps no NUL, and nobody means one.
    if b"\\u0000" in body and (field := _with_nul(plain, "")) is not None:
        raise InvalidInput("text holds no NUL characters", field=field or None, code="invalid-character")


def _query_names(handler: BaseRouteHandler) -> frozenset[str]:
    parameters = handler.parsed_fn_signature.parameters.items()
    found = ((one.kwarg_definition, name) for name, one in parameters)
    return frozenset(known.name or name for known, name in found if isinstance(known, QueryParameter))


def _with_nul(value: object, where: str) -> str | None:
    """Where a text with a NUL stands, as ``client.name`` or ``provisions[0].recipients``; None when nowhere."""
    if isinstance(value, str):
        return where if _NUL in value else None
    inner: list[tuple[str, object]] = []
    if isinstance(value, dict):
        inner = [(f"{where}.{name}" if where else name, one) for name, one in value.items()]
    elif isinstance(value, list):
        inner = [(f"{where}[{place}]", one) for place, one in enumerate(value)]
    return next((found for place, one in inner if (found := _with_nul(one, place)) is not None), None)
