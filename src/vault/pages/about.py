"""Pages that anybody may read: what this service is, how accessible it is, and where feedback goes."""

from __future__ import annotations

import contextlib
from typing import Final

from litestar import Response, Router, get
from litestar.response import Redirect

from vault.errors import SessionEnded
from vault.model import ActorKind
from vault.pages.faults import HANDLERS
from vault.pages.shell import render
from vault.services.sessions import SessionTimes
from vault.web.session import AnyRequest, read_session

STATEMENT_DATED: Final = "2026-11-26"
"""The day on which the accessibility statement was last looked at."""
WARNED_S: Final = 180
"""How long before its end `session.js` warns."""


@get("/about", include_in_schema=False)
async def about(request: AnyRequest) -> Response[bytes]:
    await _whoever(request)
    return render(request, "about.html")


@get("/feedback", include_in_schema=False)
async def feedback(request: AnyRequest) -> Response[bytes] | Redirect:
    """A client's feedback is a request with a clock; anybody else is told where to write."""
    await _whoever(request)
    session = getattr(request.state, "session", None)
    if session is not None and session.actor in (ActorKind.CLIENT, ActorKind.REPRESENTATIVE) and session.client:
        return Redirect("/my/requests/new?kind=feedback", status_code=303)
    return render(request, "feedback.html")


async def _whoever(request: AnyRequest) -> None:
    """The frame shows who is signed in, where somebody is."""
    with contextlib.suppress(SessionEnded):
        await read_session(request)


def about_router(times: SessionTimes) -> Router:
    """The pages; ``times`` are told in the statement, since a session's end is a limit of time (WCAG 2.2, 2.2.1)."""

    @get("/accessibility", include_in_schema=False)
    async def accessibility(request: AnyRequest) -> Response[bytes]:
        await _whoever(request)
        return render(request, "accessibility.html", dated=STATEMENT_DATED, times=times, warned_s=WARNED_S)

    return Router("/", route_handlers=[about, accessibility, feedback], exception_handlers=HANDLERS)
