"""Forms of the pages: read whole, proved to come from a page of this session, and kept when the session has ended.

A form that cannot prove where it comes from changes nothing: its fields are shown again, to be looked at and sent.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from vault.errors import InvalidInput, SessionEnded, Unauthenticated, VaultError
from vault.web.session import FORM_TOKEN_FIELD, AnyRequest, form_token

MAX_FIELDS: Final = 200
MANY_FIELDS: Final = {"max_fields": 5000}
"""``opt`` of a handler whose form ticks one field for each of somebody's papers, or for each name."""


class Form(msgspec.Struct, frozen=True):
    """What was sent, by field; a field that was not sent is empty."""

    fields: Mapping[str, tuple[str, ...]]

    def text(self, name: str) -> str:
        """One line or text, without blanks at its ends and with plain line breaks."""
        return self.fields.get(name, ("",))[0].replace("\r\n", "\n").strip()

    def many(self, name: str) -> list[str]:
        return [value for value in self.fields.get(name, ()) if value]


class StaleForm(VaultError):
    """Raised when a form's proof is of another session, or missing; ``form`` is what it held."""

    code = "stale-form"

    def __init__(self, form: Form) -> None:
        super().__init__("the form was opened under another session")
        self.form = form


class SignedOut(SessionEnded):
    """Raised when a page is asked for without a session in force; ``form`` is what was sent, to be sent again."""

    def __init__(self, form: Form | None) -> None:
        super().__init__("sign in first")
        self.form = form


async def read_form(request: AnyRequest) -> Form:
    """The form of a session's request. Raises: InvalidInput when it cannot be read; StaleForm without its proof."""
    form = await _form_of(request, request.route_handler)
    session = getattr(request.state, "session", None)
    if session is None:
        return form
    given = form.text(FORM_TOKEN_FIELD)
    if not hmac.compare_digest(given.encode("utf-8"), form_token(session).encode("ascii")):
        raise StaleForm(form)
    return form


async def _form_of(request: Request[Any, Any, Any], handler: BaseRouteHandler) -> Form:
    most = int(handler.opt.get("max_fields", MAX_FIELDS))
    return parse_form(request.headers.get("content-type", ""), await request.body(), most)


def parse_form(content_type: str, body: bytes, max_fields: int = MAX_FIELDS) -> Form:
    """Fields of an ``application/x-www-form-urlencoded`` body. Raises: InvalidInput."""
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise InvalidInput("send a form", code="unsupported-media-type", status=415)
    fields: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=max_fields, encoding="utf-8"
        )
    except ValueError:
        raise InvalidInput("the form cannot be read", code="malformed-request", status=400) from None
    for name, value in pairs:
        if "\x00" in name or "\x00" in value:
            raise InvalidInput("the form holds a character that no text has", code="malformed-request", status=400)
        fields.setdefault(name, []).append(value)
    return Form({name: tuple(values) for name, values in fields.items()})


def page_guard(require_session: Guard) -> Guard:
    """A guard that asks the same, and keeps what was sent when the session has ended meanwhile."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        try:
            if (waiting := require_session(connection, handler)) is not None:
                await waiting
        except Unauthenticated:
            raise SignedOut(await _sent(connection, handler)) from None

    return guard


async def _sent(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> Form | None:
    if not isinstance(connection, Request) or connection.method != "POST":
        return None
    try:
        form = await _form_of(connection, handler)
    except InvalidInput:
        return None
    return Form({name: values for name, values in form.fields.items() if name != FORM_TOKEN_FIELD})
