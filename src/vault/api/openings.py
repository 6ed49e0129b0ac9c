"""Routes of the log as people see it: a case's for its coordinator, a client's own for the client (design.md §4)."""

from __future__ import annotations

import uuid
from typing import Annotated

import msgspec
from litestar import Response, Router, get
from litestar.params import FromPath, QueryParameter

from vault.api.asking import AnyRequest, Cursor, Limit, Listed, listed, require_token, secret_of
from vault.api.strict import read_strictly, require_plain
from vault.model import CaseId
from vault.services.openings import Looking, Opening, Openings
from vault.web.session import require_client, session_of

FromDay = Annotated[str | None, QueryParameter(name="from", required=False)]
UntilDay = Annotated[str | None, QueryParameter(name="until", required=False)]
OfCase = Annotated[uuid.UUID | None, QueryParameter(name="case", required=False)]
Own = Annotated[bool, QueryParameter(name="own", required=False)]
Older = Annotated[bool, QueryParameter(name="older", required=False)]
Newest = Annotated[bool, QueryParameter(name="newest", required=False)]


def openings_router(openings: Openings) -> Router:
    """The case's log."""

    @get("/cases/{case:uuid}/log")
    async def log(
        request: AnyRequest,
        case: FromPath[uuid.UUID],
        *,
        from_day: FromDay = None,
        until_day: UntilDay = None,
        newest: Newest = False,
        cursor: Cursor = None,
        limit: Limit = 100,
    ) -> Response[Listed[Opening]]:
        """Openings and other acts on the case, for the coordinator."""
        looking = Looking(from_day=from_day, until_day=until_day, newest=newest, after=cursor, limit=limit)
        return listed(await openings.of_case(secret_of(request), CaseId(case), looking))

    return Router(
        "/v1", guards=[require_token, require_plain], before_request=read_strictly, tags=["log"], route_handlers=[log]
    )


class MyLogPage(msgspec.Struct, frozen=True):
    """A page of the client's log, which begins on the day ``since``; ``older`` says that there is more before it."""

    items: tuple[Opening, ...]
    next: uuid.UUID | None
    since: str
    older: bool


def my_log_router(openings: Openings) -> Router:
    """The signed-in client's log."""

    @get("/log")
    async def my_log(
        request: AnyRequest,
        *,
        case: OfCase = None,
        from_day: FromDay = None,
        until_day: UntilDay = None,
        own: Own = False,
        older: Older = False,
        newest: Newest = False,
        cursor: Cursor = None,
        limit: Limit = 100,
    ) -> Response[MyLogPage]:
        """Who opened what of yours, and what was asked and not given; your own reads with `own=true`.

        It reaches back two years (`since`); `older` says that there is more, which is given on request (FI 703/2023 §11).
        """
        looking = Looking(from_day=from_day, until_day=until_day, newest=newest, after=cursor, limit=limit)
        of_case = CaseId(case) if case else None
        seen = await openings.mine(
            secret_of(request), looking, case=of_case, own=own, older=older, language=session_of(request).language
        )
        body = MyLogPage(seen.items, seen.next, seen.since, older=seen.older)
        return Response(body, headers={"Vault-Log-Entry": seen.promise})

    return Router(
        "/v1/me",
        guards=[require_client, require_plain],
        before_request=read_strictly,
        tags=["me"],
        route_handlers=[my_log],
    )
