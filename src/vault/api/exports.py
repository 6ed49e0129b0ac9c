"""Routes of the client's own export, by session (design.md §4)."""

from __future__ import annotations

import hashlib
import uuid
from typing import Annotated, Any

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter

from vault.api.admission import idle_s_of
from vault.api.asking import id_for
from vault.api.problems import on_vault_error
from vault.api.release import OnError, ReleaseResponse
from vault.api.running import Running
from vault.api.strict import read_strictly, require_plain
from vault.services.exports import Exports, ExportView, NewExport, Outlook
from vault.web.session import AnyRequest, require_client, session_of

Cursor = Annotated[uuid.UUID | None, QueryParameter(name="cursor", required=False)]
Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=200)]
ZIP = {200: ResponseSpec(None, description="The ZIP", media_type="application/zip", generate_examples=False)}


class ExportList(msgspec.Struct, frozen=True):
    """The client's exports; ``estimate`` is how large one of this moment would be."""

    items: list[ExportView]
    next: str | None
    estimate: Outlook


def exports_router(exports: Exports) -> Router:
    """All routes below /v1/me/exports."""
    return Router(
        "/v1/me/exports",
        guards=[require_client, require_plain],
        before_request=read_strictly,
        tags=["me"],
        route_handlers=[*_handlers(exports), _content(exports)],
    )


def _handlers(exports: Exports) -> list[HTTPRouteHandler]:
    @post("/", status_code=202)
    async def order_export(request: AnyRequest, data: JSONBody[NewExport]) -> Response[ExportView]:
        """Order everything about yourself; while one is under way, that one is the answer."""
        session = session_of(request)
        chosen = data if data.language else msgspec.structs.replace(data, language=session.language)
        view, promise = await exports.order(session.secret, await id_for(request), chosen)
        return Response(view, headers={"Vault-Log-Entry": promise, "Location": f"/v1/me/exports/{view.id}"})

    @get("/")
    async def list_exports(request: AnyRequest, cursor: Cursor = None, limit: Limit = 50) -> Response[ExportList]:
        """Your exports, and how large one of this moment would be."""
        found = await exports.list_exports(session_of(request).secret, after=cursor, limit=limit)
        body = ExportList(found.page.items, found.page.next, found.outlook)
        return Response(body, headers={"Vault-Log-Entry": found.page.promise})

    @get("/{export:uuid}")
    async def get_export(request: AnyRequest, export: FromPath[uuid.UUID]) -> Response[ExportView]:
        """One export: its state, its clock, how far it is."""
        view, promise = await exports.get(session_of(request).secret, export)
        return Response(view, headers={"Vault-Log-Entry": promise})

    @delete("/{export:uuid}", status_code=204)
    async def remove_export(request: AnyRequest, export: FromPath[uuid.UUID]) -> Response[None]:
        """Remove an export: its key is destroyed at once."""
        promise = await exports.remove(session_of(request).secret, export)
        return Response(None, headers={"Vault-Log-Entry": promise})

    return [order_export, list_exports, get_export, remove_export]


def _content(exports: Exports) -> HTTPRouteHandler:
    @get("/{export:uuid}/content", responses=ZIP)
    async def get_export_content(request: AnyRequest, export: FromPath[uuid.UUID]) -> ReleaseResponse:
        """The package, whole or from where a broken download stopped (Range, If-Range)."""
        return await send_export(exports, request, export)

    return get_export_content


async def send_export(
    exports: Exports, request: AnyRequest, export: uuid.UUID, *, on_error: OnError = on_vault_error
) -> ReleaseResponse:
    """Answer with an export's bytes; the pages' download is this one, too."""
    secret = session_of(request).secret
    headers: Any = request.headers
    running = await Running.begin(
        request,
        f"session {hashlib.sha256(secret).hexdigest()}",
        lambda: exports.open(secret, export, range_header=headers.get("range"), if_range=headers.get("if-range")),
    )
    return ReleaseResponse(running, idle_s=idle_s_of(request), on_error=on_error)
