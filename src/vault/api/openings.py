"""Routes of the log as people see it: a case's for its coordinator (design.md §4)."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from litestar import Response, Router, get
from litestar.params import FromPath, QueryParameter

from vault.api.asking import AnyRequest, Cursor, Limit, listed, require_token, secret_of
from vault.api.strict import read_strictly, require_plain
from vault.model import CaseId
from vault.services.openings import Looking, Openings

FromDay = Annotated[str | None, QueryParameter(name="from", required=False)]
UntilDay = Annotated[str | None, QueryParameter(name="until", required=False)]
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
    ) -> Response[dict[str, Any]]:
        """Openings and other acts on the case, for the coordinator."""
        looking = Looking(from_day=from_day, until_day=until_day, newest=newest, after=cursor, limit=limit)
        return listed(await openings.of_case(secret_of(request), CaseId(case), looking))

    return Router(
        "/v1", guards=[require_token, require_plain], before_request=read_strictly, tags=["log"], route_handlers=[log]
    )
