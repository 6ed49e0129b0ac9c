"""Routes at a case's end: close, reopen, holds (design.md §4)."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from litestar import Response, Router, delete, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from vault.api.asking import AnyRequest, id_for, require_token, secret_of
from vault.api.strict import read_strictly, require_plain
from vault.model import CaseId
from vault.services.closing import Closing, ClosingActs


class CloseCase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``final_assessment`` is a filed document of type loppuarvio, of the caller's agency."""

    reason: str
    final_assessment: uuid.UUID | None = None


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: str


def closing_router(acts: ClosingActs) -> Router:
    """All routes below /v1 that end a case or keep it."""
    return Router(
        "/v1",
        guards=[require_token, require_plain],
        before_request=read_strictly,
        tags=["closing"],
        route_handlers=[*_closing_handlers(acts), *_hold_handlers(acts)],
    )


def _closing_handlers(acts: ClosingActs) -> list[HTTPRouteHandler]:
    @post("/cases/{case:uuid}/close", status_code=200)
    async def close_case(
        request: AnyRequest, case: FromPath[uuid.UUID], data: JSONBody[CloseCase]
    ) -> Response[dict[str, Any]]:
        """Begin the closing or sign it off; 202 with what is missing until all sign-offs are in."""
        standing = await acts.close(secret_of(request), CaseId(case), data.reason, data.final_assessment)
        return _answer(case, standing, status=202 if standing.missing else 200)

    @post("/cases/{case:uuid}/reopen", status_code=200)
    async def reopen_case(
        request: AnyRequest, case: FromPath[uuid.UUID], data: JSONBody[Reason]
    ) -> Response[dict[str, Any]]:
        """Open the case again, until its package is sent."""
        return _answer(case, await acts.reopen(secret_of(request), CaseId(case), data.reason), status=200)

    return [close_case, reopen_case]


def _hold_handlers(acts: ClosingActs) -> list[HTTPRouteHandler]:
    @post("/cases/{case:uuid}/holds", status_code=201)
    async def add_hold(
        request: AnyRequest, case: FromPath[uuid.UUID], data: JSONBody[Reason]
    ) -> Response[dict[str, Any]]:
        """Keep the case where it is while something is pending."""
        hold = await id_for(request)
        done = await acts.hold(secret_of(request), CaseId(case), hold, data.reason)
        return Response({"id": hold}, headers={"Vault-Log-Entry": done.promise})

    @delete("/cases/{case:uuid}/holds/{hold:uuid}", status_code=204)
    async def end_hold(request: AnyRequest, case: FromPath[uuid.UUID], hold: FromPath[uuid.UUID]) -> Response[None]:
        done = await acts.end_hold(secret_of(request), CaseId(case), hold)
        return Response(None, headers={"Vault-Log-Entry": done.promise})

    return [add_hold, end_hold]


def _answer(case: uuid.UUID, standing: Closing, *, status: int) -> Response[dict[str, Any]]:
    body = {
        "id": case,
        "state": standing.state,
        "sign_offs": {"needed": standing.needed, "given": standing.signed, "missing": standing.missing},
    }
    return Response(body, status_code=status, headers={"Vault-Log-Entry": standing.promise})
