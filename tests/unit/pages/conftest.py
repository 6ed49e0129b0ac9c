"""The shell alone: a small application with one area of its own, without a vault behind it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from litestar import Litestar, Router, get, post
from litestar.testing import TestClient

from vault.errors import Hidden, Unauthenticated, Unavailable
from vault.pages.common import common_routers
from vault.pages.faults import HANDLERS
from vault.pages.forms import page_guard, read_form
from vault.pages.shell import Shell, redirect
from vault.web.session import AnyRequest, form_token

SECRETS = {"one": b"1" * 32, "two": b"2" * 32}


def token(who: str) -> str:
    session: Any = SimpleNamespace(secret=SECRETS[who])
    return form_token(session)


async def require_session(connection: Any, _: Any) -> None:
    who = connection.cookies.get("vault", "")
    if who not in SECRETS:
        raise Unauthenticated("no session")
    connection.state.session = SimpleNamespace(
        secret=SECRETS[who], language="sv", actor="client", left_s=900, is_last=False, idle_ends_at="2026-03-02T10:15:00Z"
    )  # fmt: skip


@get("/hidden")
async def hidden() -> None:
    raise Hidden


@get("/down")
async def down() -> None:
    raise Unavailable("the database did not answer")


@get("/bug")
async def bug() -> None:
    raise RuntimeError("Maija Mallikas, 140599-923X")


@post("/act")
async def act(request: AnyRequest) -> Any:
    form = await read_form(request)
    request.app.state.acts.append(form.text("words"))
    return redirect(request, "/hidden", said="Send")


@pytest.fixture
def pages() -> Iterator[TestClient[Litestar]]:
    shell = Shell(secure=False)
    mine = Router(
        "/", route_handlers=[hidden, down, bug, act], guards=[page_guard(require_session)], exception_handlers=HANDLERS
    )
    app = Litestar([*common_routers(shell), mine], openapi_config=None, debug=False)
    app.state.shell, app.state.acts = shell, []
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client
