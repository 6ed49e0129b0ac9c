"""Routes of consents, withdrawals and decisions (design.md §4)."""

from __future__ import annotations

import uuid
from typing import Any

from litestar import Response, Router, get, post
from litestar.params import FromPath, JSONBody

from vault.api.asking import AnyRequest, Cursor, Limit, Listed, id_for, listed, require_token, secret_of
from vault.api.session import require_token_or_session
from vault.api.strict import read_strictly, require_plain
from vault.model import CaseId, ConsentId
from vault.services.consents import Asking, Consents, ConsentView, Explained, NewConsent, Withdrawing

_BY_TOKEN = [require_token, require_plain]
_BY_ANYBODY = [require_token_or_session, require_plain]


def consents_router(consents: Consents) -> Router:
    """All routes below /v1 that belong to consents and decisions."""

    @post("/cases/{case:uuid}/consents", status_code=201, guards=_BY_TOKEN)
    async def record(
        request: AnyRequest, case: FromPath[uuid.UUID], data: JSONBody[NewConsent]
    ) -> Response[dict[str, Any]]:
        """Record a written consent: its signed form was filed first."""
        made = await consents.record(secret_of(request), CaseId(case), ConsentId(await id_for(request)), data)
        body = {"id": made.id, "recorded_at": made.recorded_at, "log_entry": made.log_entry}
        return Response(body, headers={"Vault-Log-Entry": made.promise})

    @get("/cases/{case:uuid}/consents", guards=_BY_TOKEN)
    async def list_consents(
        request: AnyRequest, case: FromPath[uuid.UUID], cursor: Cursor = None, limit: Limit = 50
    ) -> Response[Listed[ConsentView]]:
        """The coordinator sees every clause, an agency those that name it."""
        return listed(await consents.list_consents(secret_of(request), CaseId(case), after=cursor, limit=limit))

    @post("/consents/{consent:uuid}/withdraw", status_code=200, guards=_BY_ANYBODY)
    async def withdraw(
        request: AnyRequest, consent: FromPath[uuid.UUID], data: JSONBody[Withdrawing]
    ) -> Response[dict[str, Any]]:
        """Record a withdrawal; when this is answered, every later request is denied."""
        body, promise = await consents.withdraw(secret_of(request), ConsentId(consent), await id_for(request), data)
        return Response(body, headers={"Vault-Log-Entry": promise})

    @post("/decisions", status_code=200, guards=_BY_ANYBODY)
    async def decide(request: AnyRequest, data: JSONBody[Asking]) -> Response[Explained]:
        """Explain: which provision of which signed form decides, and every reason against."""
        explained, promise = await consents.explain(secret_of(request), data)
        return Response(explained, headers={"Vault-Log-Entry": promise})

    return Router(
        "/v1",
        before_request=read_strictly,
        tags=["consents"],
        route_handlers=[record, list_consents, withdraw, decide],
    )
