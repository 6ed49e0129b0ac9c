"""The session of a request: its cookie, its guard, and what keeps another site from using it.

Both the JSON surface and the pages stand on this; it knows neither.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.handlers import BaseRouteHandler

from vault.errors import InvalidInput, SessionEnded
from vault.model import ActorKind, TokenSecret
from vault.services.sessions import SECRET_SIZE, Session, Sessions

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FORM_TOKEN_FIELD = "form_token"  # noqa: S105 - a field's name
_FORM_LABEL = b"vault/form-token/v1"
_NAME_LABEL = b"vault/session-name/v1"

AnyConnection = ASGIConnection[Any, Any, Any, Any]
AnyRequest = Request[Any, Any, Any]


class _Admission(Protocol):
    def admit(self, client_id: str, sub: str) -> None: ...


class SessionGate(msgspec.Struct, frozen=True):
    """What reads a request's session; stands in ``app.state.sessions``. ``issuer`` is the service's public address."""

    sessions: Sessions
    issuer: str

    @property
    def is_secure(self) -> bool:
        return self.issuer.startswith("https:")

    @property
    def origin(self) -> str:
        """The origin that our own pages send (RFC 6454)."""
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"

    def cookie_name(self, name: str = "vault") -> str:
        """The prefix binds a cookie to this host and to TLS; over plain http, on the machine itself, browsers refuse it."""
        return f"__Host-{name}" if self.is_secure else name

    def cookie(self, value: str, *, name: str = "vault", max_age_s: int | None = None) -> Cookie:
        """A cookie that scripts cannot read. Lax, since the sign-in comes back from another site."""
        return Cookie(
            key=self.cookie_name(name), value=value, httponly=True, secure=self.is_secure, samesite="lax", path="/", max_age=max_age_s
        )  # fmt: skip

    def session_cookie(self, session: Session) -> Cookie:
        """The cookie of a session; it ends with the browser, or when the session does."""
        return self.cookie(encode_secret(session.secret))

    def no_session_cookie(self) -> Cookie:
        return self.cookie("", max_age_s=0)

    def secret(self, connection: AnyConnection) -> TokenSecret | None:
        """The secret in the request's cookie; None when there is none, or no such thing."""
        return decode_secret(connection.cookies.get(self.cookie_name(), ""))


def encode_secret(secret: TokenSecret) -> str:
    """A session's secret as its cookie carries it: base64url without padding."""
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def decode_secret(text: str) -> TokenSecret | None:
    """The secret in a cookie's value; None for anything else."""
    try:
        secret = base64.b64decode(text + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return TokenSecret(secret) if len(secret) == SECRET_SIZE else None


def gate_of(connection: AnyConnection) -> SessionGate:
    gate: SessionGate = connection.app.state.sessions
    return gate


async def read_session(connection: AnyConnection) -> Session:
    """The request's session, alive now; also kept in ``connection.state.session``.

    Raises: SessionEnded; InvalidInput (``cross-site``) for a request that another site makes the browser send; TooMany.
    """
    gate = gate_of(connection)
    secret = gate.secret(connection)
    if secret is None:
        raise SessionEnded("you are not signed in; sign in first")
    require_same_site(connection)
    admission: _Admission = connection.app.state.admission
    person = f"session {hashlib.sha256(secret).hexdigest()}"
    admission.admit(person, person)
    session = await gate.sessions.read(secret)
    connection.state.session = session
    return session


async def require_session(connection: AnyConnection, _: BaseRouteHandler) -> None:
    """Litestar guard: the request has a session that is alive, or is refused with 401."""
    await read_session(connection)


async def require_client(connection: AnyConnection, _: BaseRouteHandler) -> None:
    """Litestar guard: the session is a client's, or a representative's."""
    session = await read_session(connection)
    if session.actor not in (ActorKind.CLIENT, ActorKind.REPRESENTATIVE):
        raise InvalidInput(
            "this is the clients' own; you are signed in as a professional", code="not-a-client", status=403
        )


def session_of(request: AnyRequest) -> Session:
    """The session that the guard read."""
    session: Session = request.state.session
    return session


def require_same_site(connection: AnyConnection) -> None:
    """Refuse what changes something and was begun by another site's page; a browser says so, other programs say nothing."""
    if str(dict(connection.scope).get("method")) in SAFE:
        return
    site, origin = connection.headers.get("sec-fetch-site"), connection.headers.get("origin")
    if (site is not None and site not in ("same-origin", "none")) or (
        origin is not None and origin != gate_of(connection).origin
    ):
        raise InvalidInput("another site's page began this request; begin it here", code="cross-site", status=403)


def form_token(session: Session) -> str:
    """The hidden field of every form: good for this session alone, so that a form of another person's tab is refused."""
    return hmac.new(session.secret, _FORM_LABEL, hashlib.sha256).hexdigest()


def session_name(session: Session) -> str:
    """What tells this session's pages from another's in the same browser, and tells nobody its secret."""
    return hmac.new(session.secret, _NAME_LABEL, hashlib.sha256).hexdigest()


def require_form_token(session: Session, given: str | None) -> None:
    """Raises: InvalidInput (``form-of-another-session``) unless the form was made for this session."""
    if given is None or not hmac.compare_digest(form_token(session).encode(), given.encode()):
        raise InvalidInput(
            "this form was opened in another session; open the page again, and look as whom you are signed in",
            field=FORM_TOKEN_FIELD,
            code="form-of-another-session",
            status=403,
        )


FIRST_PAGES = {
    "coordinator": "/desk/coordinator", "records-officer": "/desk/records", "archivist": "/desk/archive",
}  # fmt: skip


def first_page(session: Session) -> str:
    """Where a person begins after signing in."""
    return "/my" if session.role is None else FIRST_PAGES.get(session.role, "/")
