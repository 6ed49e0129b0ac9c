"""Restrictions of processing that bind: the list, the notice before one ends, and its end."""

from __future__ import annotations

import uuid
from typing import Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from vault.errors import Conflict, InvalidInput
from vault.pages.forms import Form, read_form
from vault.pages.records.parts import HOME, WORDS, RecordsParts, faults_of, secret_of
from vault.pages.shell import redirect, render
from vault.pages.texts import N_
from vault.web.session import AnyRequest

_PATH = "/requests/{asked:uuid}/restriction"


def restriction_handlers(parts: RecordsParts) -> list[HTTPRouteHandler]:
    @get("/restrictions", include_in_schema=False)
    async def in_force(request: AnyRequest) -> Response[bytes]:
        found = await parts.restrictions.in_force(secret_of(request))
        return render(request, "records/restrictions.html", found=found.items, words=WORDS)

    return [in_force, *_ending(parts)]


def _ending(parts: RecordsParts) -> list[HTTPRouteHandler]:
    async def page(
        request: AnyRequest, name: str, asked: uuid.UUID, form: Form, errors: dict[str, str]
    ) -> Response[bytes]:
        whole, _ = await parts.desk.get(secret_of(request), asked)
        if whole.request.restriction is None or whole.request.restriction.ended_at is not None:
            raise Conflict("no restriction of this request binds now", code="restriction-ended")
        return render(
            request, f"records/restriction-{name}.html", status_code=422 if errors else 200, whole=whole, asked=whole.request,
            form=form, errors=errors, words=WORDS,
        )  # fmt: skip

    @get(f"{_PATH}/notice", include_in_schema=False)
    async def telling(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Response[bytes]:
        return await page(request, "notice", asked, Form({}), {})

    @post(f"{_PATH}/notice", include_in_schema=False)
    async def tell(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Response[Any]:
        form = await read_form(request)
        try:
            await parts.restrictions.tell(secret_of(request), asked, form.text("ends_from"), form.text("text"))
        except (InvalidInput, Conflict) as wrong:
            return await page(request, "notice", asked, form, faults_of(wrong, "text"))
        return redirect(request, f"{HOME}/requests/{asked}", said=N_("The person reads it now. It still binds."))

    @get(f"{_PATH}/end", include_in_schema=False)
    async def ending(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Response[bytes]:
        return await page(request, "end", asked, Form({}), {})

    @post(f"{_PATH}/end", include_in_schema=False)
    async def end(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Response[Any]:
        form = await read_form(request)
        try:
            await parts.restrictions.end(secret_of(request), asked)
        except Conflict as wrong:
            return await page(request, "end", asked, form, faults_of(wrong, "end"))
        return redirect(request, f"{HOME}/requests/{asked}", said=N_("The restriction has ended."))

    return [telling, tell, ending, end]
