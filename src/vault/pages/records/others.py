"""Papers of the wrong person, papers that cannot be read, and differences in what was said of a person."""

from __future__ import annotations

import uuid
from typing import Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Redirect

from vault.errors import Conflict, InvalidInput
from vault.pages.forms import Form, read_form
from vault.pages.records.parts import HOME, WORDS, RecordsParts, faults_of, secret_of
from vault.pages.shell import redirect, render
from vault.pages.texts import N_
from vault.services.desk import require_one, require_text
from vault.web.session import AnyRequest


def other_handlers(parts: RecordsParts) -> list[HTTPRouteHandler]:
    desk = parts.misfiled

    async def page(request: AnyRequest, document: uuid.UUID, form: Form, errors: dict[str, str]) -> Response[bytes]:
        view, _ = await desk.get_misfiled(secret_of(request), document)
        return render(
            request,
            "records/misfiled-one.html",
            status_code=422 if errors else 200,
            paper=view,
            form=form,
            errors=errors,
            words=WORDS,
        )

    @get("/misfiled", include_in_schema=False)
    async def misfiled(request: AnyRequest) -> Response[bytes]:
        found = await desk.list_misfiled(secret_of(request), limit=200)
        return render(request, "records/misfiled.html", papers=found.items, words=WORDS)

    @get("/misfiled/{document:uuid}", include_in_schema=False)
    async def one(request: AnyRequest, document: FromPath[uuid.UUID]) -> Response[bytes]:
        return await page(request, document, Form({}), {})

    @post("/misfiled/{document:uuid}", include_in_schema=False)
    async def decide(request: AnyRequest, document: FromPath[uuid.UUID]) -> Response[Any]:
        """Destroying has a second step that tells what follows; it cannot be taken back."""
        form = await read_form(request)
        try:
            decision = require_one("decision", form.text("decision"), ("in-place", "destroyed"))
            reason = require_text("reason", form.text("reason"))
            if decision == "destroyed" and form.text("sure") != "yes":
                view, _ = await desk.get_misfiled(secret_of(request), document)
                return render(request, "records/misfiled-sure.html", paper=view, reason=reason, words=WORDS)
            await desk.decide(secret_of(request), document, decision, reason)
        except (InvalidInput, Conflict) as wrong:
            return await page(request, document, form, faults_of(wrong, "decision"))
        said = N_("The content is destroyed.") if decision == "destroyed" else N_("The paper is in its place again.")
        return redirect(request, f"{HOME}/misfiled/{document}", said=said)

    @get("/damaged", include_in_schema=False)
    async def damaged(request: AnyRequest) -> Response[bytes]:
        found = await desk.list_damaged(secret_of(request), limit=200)
        return render(request, "records/damaged.html", papers=found.items, words=WORDS)

    @get("/differences", include_in_schema=False)
    async def differences(request: AnyRequest) -> Response[bytes]:
        found = await desk.list_differences(secret_of(request), limit=200)
        return render(request, "records/differences.html", found=found.items, words=WORDS)

    @post("/differences/{difference:uuid}", include_in_schema=False)
    async def end(request: AnyRequest, difference: FromPath[uuid.UUID]) -> Redirect:
        form = await read_form(request)
        await desk.end_difference(secret_of(request), difference, form.text("outcome"))
        return redirect(request, f"{HOME}/differences", said=N_("The difference is settled."))

    return [misfiled, one, decide, damaged, differences, end]
