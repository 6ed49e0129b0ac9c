"""Everything about me, taken home: ordered in one press with its size told first, watched, downloaded, removed."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import quote

from litestar import Response, Router, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.types import Guard

from vault.errors import Hidden, IdentificationRequired
from vault.pages.common import Sending
from vault.pages.faults import HANDLERS, on_vault_error
from vault.pages.forms import page_guard, read_form
from vault.pages.handed_words import HANDED
from vault.pages.shell import language_of, redirect, render
from vault.pages.texts import N_
from vault.rules.self_access import UNDER_WAY
from vault.services.exports import Exports, ExportView, NewExport
from vault.services.ids import new_id
from vault.web.session import AnyRequest, session_of


def export_pages(exports: Exports, sending: Sending, require_client: Guard) -> Router:
    """Everything under ``/my/exports``."""
    return Router(
        "/my/exports",
        route_handlers=[*_ordering(exports), *_one(exports), _download(exports, sending)],
        guards=[page_guard(require_client)],
        exception_handlers=HANDLERS,
        include_in_schema=False,
    )


def _ordering(exports: Exports) -> list[HTTPRouteHandler]:
    @get("/")
    async def list_exports(request: AnyRequest) -> Response[bytes]:
        session = session_of(request)
        try:
            found = await exports.list_exports(session.secret, limit=200)
        except Hidden:
            if session.actor != "representative":
                raise
            # An authority to see lets nobody order; said, since the menu leads here.
            return render(request, "exports/only_see.html", status_code=403)
        views = [one for one in found.page.items if isinstance(one, ExportView)]
        views.sort(key=lambda one: one.ordered_at, reverse=True)
        under_way = next((one for one in views if one.state in UNDER_WAY and one.desk is None), None)
        return render(request, "exports/list.html", exports=views, outlook=found.outlook, under_way=under_way)

    @post("/")
    async def order(request: AnyRequest) -> Redirect:
        """A second press, here or in another window, is the same export while one is under way."""
        form = await read_form(request)
        wish = NewExport(without_large=form.text("large") == "without", language=language_of(request))
        view, _ = await exports.order(session_of(request).secret, new_id(), wish)
        return redirect(request, f"/my/exports/{view.id}", said=N_("Your order has been received."))

    return [list_exports, order]


def _one(exports: Exports) -> list[HTTPRouteHandler]:
    @get("/{export:uuid}")
    async def one(request: AnyRequest, export: FromPath[uuid.UUID]) -> Response[bytes]:
        view, _ = await exports.get(session_of(request).secret, export)
        return render(request, "exports/one.html", export=view, under_way=view.state in UNDER_WAY, handed_words=HANDED)

    @get("/{export:uuid}/remove")
    async def what_follows(request: AnyRequest, export: FromPath[uuid.UUID]) -> Response[bytes]:
        view, _ = await exports.get(session_of(request).secret, export)
        return render(request, "exports/remove.html", export=view)

    @post("/{export:uuid}/remove")
    async def remove(request: AnyRequest, export: FromPath[uuid.UUID]) -> Redirect:
        await read_form(request)
        await exports.remove(session_of(request).secret, export)
        return redirect(request, "/my/exports", said=N_("The package was removed."))

    return [one, what_follows, remove]


def _download(exports: Exports, sending: Sending) -> HTTPRouteHandler:
    @get("/{export:uuid}/download")
    async def download(request: AnyRequest, export: FromPath[uuid.UUID]) -> Response[Any]:
        """The bytes; who was identified too long ago is sent to identify themselves, and comes back to the export.

        What is there no more is told by the export's own page, which knows nothing of what was never theirs.
        """
        try:
            return await sending(exports, request, export, on_error=on_vault_error)
        except Hidden:
            return redirect(request, f"/my/exports/{export}")
        except IdentificationRequired:
            back = quote(f"/my/exports/{export}", safe="/")
            return Redirect(f"/sign-in/again?after={back}", status_code=303, headers={"Cache-Control": "no-store"})

    return download
