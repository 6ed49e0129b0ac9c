"""Routes of the JSON surface that an agency's token opens, or a person's session."""

from __future__ import annotations

from litestar.handlers import BaseRouteHandler

from vault.api.asking import require_token
from vault.web.session import AnyConnection, gate_of, read_session


async def require_token_or_session(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Litestar guard: an access token, or, without an Authorization header, a session's cookie."""
    if "authorization" in connection.headers or gate_of(connection).secret(connection) is None:
        await require_token(connection, handler)
    else:
        await read_session(connection)
