"""One paper of a request: the reason to open it, its content, and what the client gets of it."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from vault.errors import Conflict, Hidden, InvalidInput
from vault.model import DocumentId
from vault.pages.faults import on_vault_error
from vault.pages.forms import Form, read_form
from vault.pages.records.parts import HOME, WORDS, RecordsParts, faults_of, id_in, judge_in, pages_in, secret_of
from vault.pages.shell import redirect, render
from vault.pages.texts import N_
from vault.rules.requests import PROVISIONS
from vault.services.desk import JudgeFound
from vault.services.ids import new_id
from vault.services.withholding import DocumentDecision
from vault.web.session import AnyRequest

_PATH = "/requests/{asked:uuid}/papers/{document:uuid}"


def paper_handlers(parts: RecordsParts) -> list[HTTPRouteHandler]:
    desk, withholding = parts.desk, parts.withholding

    async def page(
        request: AnyRequest, asked: uuid.UUID, document: uuid.UUID, form: Form, errors: dict[str, str]
    ) -> Response[bytes]:
        whole, _ = await desk.get(secret_of(request), asked)
        paper = next((one for one in whole.documents if one.id == document), None)
        if paper is None:
            raise Hidden
        looks = [one for one in whole.request.looks or [] if one.document == document]
        decided = [one for one in whole.request.documents_decided or [] if one.document == document]
        judges: list[JudgeFound] = []
        if looks and whole.request.running:
            judges, _ = await desk.judges(secret_of(request), asked)
        return render(
            request, "records/paper.html", status_code=422 if errors else 200, whole=whole, asked=whole.request,
            paper=paper, looks=looks, judges=judges, decided=decided[-1] if decided else None, form=form, errors=errors, words=WORDS,
            provisions={code: one for code, one in PROVISIONS.items() if one.documents}, press_id=str(new_id()),
        )  # fmt: skip

    @get(_PATH, include_in_schema=False)
    async def paper(request: AnyRequest, asked: FromPath[uuid.UUID], document: FromPath[uuid.UUID]) -> Response[bytes]:
        return await page(request, asked, document, Form({}), {})

    @post(f"{_PATH}/look", include_in_schema=False)
    async def look(request: AnyRequest, asked: FromPath[uuid.UUID], document: FromPath[uuid.UUID]) -> Response[Any]:
        form = await read_form(request)
        try:
            await desk.look(secret_of(request), id_in(form), asked, document, form.text("reason"))
        except (InvalidInput, Conflict) as wrong:
            return await page(request, asked, document, form, faults_of(wrong, "reason"))
        said = N_("You may open the paper for a day. The client sees your reason.")
        return redirect(request, f"{HOME}/requests/{asked}/papers/{document}", said=said)

    @get(f"{_PATH}/read", include_in_schema=False)
    async def read(request: AnyRequest, asked: FromPath[uuid.UUID], document: FromPath[uuid.UUID]) -> Response[Any]:
        """The paper, or the client's copy of it, by the door's own decision."""
        del asked
        who = f"session {hashlib.sha256(secret_of(request)).hexdigest()}"
        return await parts.releasing(
            request, parts.documents, DocumentId(document), who=who, inline=True, on_error=on_vault_error
        )

    @post(f"{_PATH}/decision", include_in_schema=False)
    async def decide(request: AnyRequest, asked: FromPath[uuid.UUID], document: FromPath[uuid.UUID]) -> Response[Any]:
        form = await read_form(request)
        try:
            decision = decision_in(form)
            await withholding.decide(secret_of(request), id_in(form), asked, DocumentId(document), decision)
        except (InvalidInput, Conflict) as wrong:
            return await page(request, asked, document, form, faults_of(wrong, "how"))
        said = N_("The decision is made. The client sees it now.")
        return redirect(request, f"{HOME}/requests/{asked}", said=said)

    return [paper, look, read, decide]


def decision_in(form: Form) -> DocumentDecision:
    """The decision that a form says; what does not belong to it is left out. Raises: InvalidInput."""
    how = form.text("how")
    if how == "open":
        return DocumentDecision(how=how)
    return DocumentDecision(
        how=how,
        provision=form.text("provision") or None,
        reason=form.text("decision_reason"),
        told=form.text("untold") != "yes",
        pages=pages_in(form.text("pages")) if how == "pages-withheld" else [],
        judge=judge_in(form),
    )
