"""My case: where it stands, who answers for it, who is my contact person, who takes part."""

from __future__ import annotations

import uuid

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from vault.model import CaseId
from vault.pages.my.parts import MyParts, everything, secret_of
from vault.pages.shell import render
from vault.services.mine_views import MyCase
from vault.web.session import AnyRequest


def case_handlers(parts: MyParts) -> list[HTTPRouteHandler]:
    @get("/cases", include_in_schema=False)
    async def list_cases(request: AnyRequest) -> Response[bytes]:
        secret = secret_of(request)
        cases = await everything(MyCase, lambda after: parts.mine.cases(secret, after=after))
        if len(cases) == 1:
            return render(request, "my/case.html", case=cases[0], alone=True)
        return render(request, "my/cases.html", cases=cases)

    @get("/cases/{case:uuid}", include_in_schema=False)
    async def one_case(request: AnyRequest, case: FromPath[uuid.UUID]) -> Response[bytes]:
        view, _ = await parts.mine.case(secret_of(request), CaseId(case))
        return render(request, "my/case.html", case=view, alone=False)

    return [list_cases, one_case]
