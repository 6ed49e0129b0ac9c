"""Routes of authorities: the client's own, and a case's for its coordinator and a records officer."""

from __future__ import annotations

import uuid

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from vault.api.asking import AnyRequest, Cursor, Limit, Listed, id_for, listed, secret_of
from vault.api.session import require_token_or_session
from vault.api.strict import read_strictly, require_plain
from vault.model import CaseId
from vault.services.authorities import Authorities, AuthorityView, Mandate, NewAuthority
from vault.web.session import require_client


class IdentityCodeGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The code that the person was shown after signing in, and gave to the coordinator."""

    code: str


def authorities_router(authorities: Authorities) -> Router:
    """All routes below /v1 that belong to authorities."""
    own = Router("/me", guards=[require_client, require_plain], route_handlers=_own(authorities))
    kept = Router("/", guards=[require_token_or_session, require_plain], route_handlers=_kept(authorities))
    return Router("/v1", before_request=read_strictly, tags=["authorities"], route_handlers=[own, kept])


def _own(authorities: Authorities) -> list[HTTPRouteHandler]:
    @get("/authorities")
    async def mine(request: AnyRequest, cursor: Cursor = None, limit: Limit = 50) -> Response[Listed[AuthorityView]]:
        """Who may act for the client, ended ones too."""
        return listed(await authorities.given(secret_of(request), after=cursor, limit=limit))

    @post("/authorities", status_code=201)
    async def give(request: AnyRequest, data: JSONBody[NewAuthority]) -> Response[AuthorityView]:
        """Let somebody see, or see and act, for the client: in all their cases, or in one."""
        view, promise = await authorities.record(secret_of(request), await id_for(request), data)
        return Response(view, headers={"Vault-Log-Entry": promise})

    @delete("/authorities/{authority:uuid}", status_code=204)
    async def end(request: AnyRequest, authority: FromPath[uuid.UUID]) -> Response[None]:
        """End what the client gave."""
        done = await authorities.end(secret_of(request), authority)
        return Response(None, headers={"Vault-Log-Entry": done.promise})

    @post("/authorities/{authority:uuid}/bar", status_code=204)
    async def bar(request: AnyRequest, authority: FromPath[uuid.UUID]) -> Response[None]:
        """A minor keeps a guardian from seeing."""
        done = await authorities.bar(secret_of(request), authority, barred=True)
        return Response(None, headers={"Vault-Log-Entry": done.promise})

    @delete("/authorities/{authority:uuid}/bar", status_code=204)
    async def unbar(request: AnyRequest, authority: FromPath[uuid.UUID]) -> Response[None]:
        """A minor lets a guardian see again."""
        done = await authorities.bar(secret_of(request), authority, barred=False)
        return Response(None, headers={"Vault-Log-Entry": done.promise})

    @get("/mandates")
    async def mandates(request: AnyRequest) -> Response[Listed[Mandate]]:
        """For whom the person who signed in may act; who acts is chosen on the page /sign-in/act-for."""
        return Response(Listed(await authorities.mandates(secret_of(request)), None))

    return [mine, give, end, bar, unbar, mandates]


def _kept(authorities: Authorities) -> list[HTTPRouteHandler]:
    @get("/cases/{case:uuid}/authorities")
    async def of_case(
        request: AnyRequest, case: FromPath[uuid.UUID], cursor: Cursor = None, limit: Limit = 50
    ) -> Response[Listed[AuthorityView]]:
        """Who may act for the case's client, as far as this case goes."""
        return listed(await authorities.of_case(secret_of(request), CaseId(case), after=cursor, limit=limit))

    @post("/cases/{case:uuid}/authorities", status_code=201)
    async def record(
        request: AnyRequest, case: FromPath[uuid.UUID], data: JSONBody[NewAuthority]
    ) -> Response[AuthorityView]:
        """Record an authority on a document that was shown: for this case, or, by a records officer, for all."""
        view, promise = await authorities.record(secret_of(request), await id_for(request), data, shown_in=CaseId(case))
        return Response(view, headers={"Vault-Log-Entry": promise})

    @delete("/authorities/{authority:uuid}", status_code=204)
    async def end(request: AnyRequest, authority: FromPath[uuid.UUID]) -> Response[None]:
        """End an authority, as one was shown that it has ended."""
        done = await authorities.end(secret_of(request), authority)
        return Response(None, headers={"Vault-Log-Entry": done.promise})

    @post("/cases/{case:uuid}/identity", status_code=204)
    async def link(request: AnyRequest, case: FromPath[uuid.UUID], data: JSONBody[IdentityCodeGiven]) -> Response[None]:
        """The person who gave this code is the case's client: who has no personal identity code signs in so."""
        done = await authorities.link_identity(secret_of(request), CaseId(case), data.code)
        return Response(None, headers={"Vault-Log-Entry": done.promise})

    return [of_case, record, end, link]
