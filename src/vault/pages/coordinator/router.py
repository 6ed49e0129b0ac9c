"""A coordinator's own cases; papers are opened in the agency's own system, not here."""

from __future__ import annotations

import uuid
from typing import Annotated, Final

import msgspec
from litestar import Response, Router, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter
from litestar.types import Guard

from vault.errors import Forbidden
from vault.model import CaseId
from vault.pages.faults import HANDLERS
from vault.pages.folding import days_of, folded
from vault.pages.forms import page_guard
from vault.pages.shell import language_of, render
from vault.services.authorities import Authorities, AuthorityView
from vault.services.cases import Cases, CaseView
from vault.services.openings import Looking, Openings
from vault.web.session import AnyRequest

HOME: Final = "/desk/coordinator"
PAGE: Final = 30
LOG_PAGE: Final = 60
After = Annotated[uuid.UUID | None, QueryParameter(name="after", required=False)]


class CoordinatorParts(msgspec.Struct, frozen=True):
    """The services behind the coordinator's pages."""

    cases: Cases
    openings: Openings
    authorities: Authorities


def coordinator_router(parts: CoordinatorParts, require_session: Guard) -> Router:
    """Everything under ``/desk/coordinator``."""
    handlers = [*_lists(parts), *_one(parts)]
    return Router(HOME, route_handlers=handlers, guards=[page_guard(require_session)], exception_handlers=HANDLERS)


def _lists(parts: CoordinatorParts) -> list[HTTPRouteHandler]:
    @get("/", include_in_schema=False)
    async def every(request: AnyRequest, after: After = None) -> Response[bytes]:
        page = await parts.cases.list_cases(request.state.session.secret, after=after, limit=PAGE)
        return render(request, "coordinator/cases.html", cases=page.items, next=page.next, first=after is None)

    return [every]


def _one(parts: CoordinatorParts) -> list[HTTPRouteHandler]:
    @get("/cases/{case:uuid}", include_in_schema=False)
    async def one(request: AnyRequest, case: FromPath[uuid.UUID]) -> Response[bytes]:
        view, standing = await _case(parts, request, CaseId(case))
        return render(request, "coordinator/case.html", case=view, authorities=standing)

    @get("/cases/{case:uuid}/log", include_in_schema=False)
    async def log(request: AnyRequest, case: FromPath[uuid.UUID], after: After = None) -> Response[bytes]:
        looking = Looking(newest=True, after=after, limit=LOG_PAGE)
        secret = request.state.session.secret
        found, following = await parts.openings.told_of_case(secret, CaseId(case), looking, language_of(request))
        days = [(day, folded(items)) for day, items in days_of(found)]
        return render(request, "coordinator/log.html", case=case, days=days, next=following, first=after is None)

    return [one, log]


async def _case(
    parts: CoordinatorParts, request: AnyRequest, case: CaseId
) -> tuple[CaseView, list[AuthorityView] | None]:
    """The case, and who may act for its client where that is the reader's to know."""
    secret = request.state.session.secret
    view, _ = await parts.cases.get_case(secret, case)
    try:
        page = await parts.authorities.of_case(secret, case)
    except Forbidden:
        return view, None
    return view, [one for one in page.items if isinstance(one, AuthorityView)]
