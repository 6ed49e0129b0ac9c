"""Routes of restrictions of processing at the records officer's desk: which bind, the notice before one ends, and its end."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from vault.api.asking import AnyRequest, Listed, listed, secret_of
from vault.services.desk import DeskRequest
from vault.services.restrictions import Restrictions


class EndingNotice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``ends_from`` is the first day on which it may end, at least a week ahead; ``text`` tells the person why."""

    ends_from: str
    text: str


def restriction_handlers(restrictions: Restrictions) -> list[HTTPRouteHandler]:
    @get("/restrictions")
    async def list_restrictions(request: AnyRequest) -> Response[Listed[DeskRequest]]:
        """Restrictions that bind now, the oldest first, at most 200."""
        return listed(await restrictions.in_force(secret_of(request)))

    @post("/requests/{asked:uuid}/restriction/notice", status_code=200)
    async def tell_end(
        request: AnyRequest, asked: FromPath[uuid.UUID], data: JSONBody[EndingNotice]
    ) -> Response[dict[str, Any]]:
        """Tell the person that the restriction will end (GDPR Art. 18(3)); it binds until it is ended after that day."""
        done = await restrictions.tell(secret_of(request), asked, data.ends_from, data.text)
        return Response({"id": asked, "ends_from": done.facts["ends_from"]}, headers={"Vault-Log-Entry": done.promise})

    @post("/requests/{asked:uuid}/restriction/end", status_code=200)
    async def end_restriction(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Response[dict[str, Any]]:
        """End it; what consents permit is permitted again, and those who hold the papers are told."""
        done = await restrictions.end(secret_of(request), asked)
        return Response({"id": asked}, headers={"Vault-Log-Entry": done.promise})

    return [list_restrictions, tell_end, end_restriction]
