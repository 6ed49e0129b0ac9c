"""The queue with its clocks, and one request: who asks, until when, what was done, and the next step."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Redirect

from vault.errors import Conflict, InvalidInput
from vault.pages.forms import MANY_FIELDS, Form, read_form
from vault.pages.records.parts import HOME, WORDS, RecordsParts, faults_of, id_in, judge_in, secret_of
from vault.pages.shell import redirect, render
from vault.pages.texts import N_
from vault.rules.requests import IDENTIFIED_HOW, provisions_for
from vault.services.desk import JudgeFound, NameFound
from vault.services.ids import new_id
from vault.web.session import AnyRequest

Answer = Response[bytes] | Redirect


def request_handlers(parts: RecordsParts) -> list[HTTPRouteHandler]:
    desk = parts.desk

    @get("/", include_in_schema=False)
    async def queue(request: AnyRequest) -> Response[bytes]:
        running = (await desk.queue(secret_of(request))).items
        misfiled = await parts.misfiled.list_misfiled(secret_of(request), limit=200)
        damaged = await parts.misfiled.list_damaged(secret_of(request), limit=200)
        differences = await parts.misfiled.list_differences(secret_of(request), limit=200)
        return render(
            request,
            "records/queue.html",
            running=running,
            misfiled=len(misfiled.items),
            damaged=len(damaged.items),
            differences=len(differences.items),
            words=WORDS,
        )

    @get("/ended", include_in_schema=False)
    async def ended(request: AnyRequest) -> Response[bytes]:
        items = (await desk.queue(secret_of(request), running=False)).items
        return render(request, "records/ended.html", ended=items, words=WORDS)

    @get("/requests/{asked:uuid}", include_in_schema=False)
    async def one(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Response[bytes]:
        whole, _ = await desk.get(secret_of(request), asked)
        return render(request, "records/request.html", whole=whole, asked=whole.request, words=WORDS, errors={})

    @post("/requests/{asked:uuid}/take-up", include_in_schema=False)
    async def take_up(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Redirect:
        await read_form(request)
        await desk.take_up(secret_of(request), asked)
        return redirect(request, f"{HOME}/requests/{asked}", said=N_("You are working on this request now."))

    return [queue, ended, one, take_up, *_steps(parts), *_names(parts), *_letter(parts)]


def _steps(parts: RecordsParts) -> list[HTTPRouteHandler]:
    """The steps that need words; each has a page of its own, and shows its faults there."""
    desk = parts.desk

    async def identify(request: AnyRequest, asked: uuid.UUID, form: Form) -> str:
        await desk.identify(secret_of(request), asked, form.text("identified_how"))
        return N_("How the person was identified is recorded.")

    async def extend(request: AnyRequest, asked: uuid.UUID, form: Form) -> str:
        await desk.extend(secret_of(request), asked, form.text("notice"))
        return N_("More time is taken, and the person is told why.")

    async def answer(request: AnyRequest, asked: uuid.UUID, form: Form) -> str:
        await desk.answer(secret_of(request), asked, form.text("text"), _ids(form.many("names")))
        return N_("The request is answered.")

    async def refuse(request: AnyRequest, asked: uuid.UUID, form: Form) -> str:
        await desk.refuse(
            secret_of(request), asked, provision=form.text("provision"), reason=form.text("reason"),
            told=form.text("untold") != "yes", partly=form.text("partly") == "yes", text=form.text("text"),
            names=_ids(form.many("names")), judge=judge_in(form), papers=_ids(form.many("papers"), "papers") if form.text("partly") == "yes" else [],
        )  # fmt: skip
        return N_("The decision is made, and the person can read it with the way to the ombudsman.")

    async def fee(request: AnyRequest, asked: uuid.UUID, form: Form) -> str:
        await desk.set_fee(secret_of(request), id_in(form), asked, _cents(form.text("cents")), form.text("reason"))
        return N_("The fee is told to the person with its reason. Nothing is made before they accept it.")

    return [
        *_step(parts, "identify", "identified_how", identify),
        *_step(parts, "extend", "notice", extend),
        *_step(parts, "answer", "text", answer),
        *_step(parts, "refuse", "reason", refuse),
        *_step(parts, "fee", "cents", fee),
    ]


def _step(
    parts: RecordsParts, name: str, first_field: str, act: Callable[[AnyRequest, uuid.UUID, Form], Awaitable[str]]
) -> list[HTTPRouteHandler]:
    async def page(request: AnyRequest, asked: uuid.UUID, form: Form, errors: dict[str, str]) -> Response[bytes]:
        whole, _ = await parts.desk.get(secret_of(request), asked)
        names: list[NameFound] = []
        if name in ("answer", "refuse") and whole.request.kind == "log-names" and whole.request.running:
            names, _ = await parts.desk.names(secret_of(request), asked)
        provisions = provisions_for(whole.request.kind, whole.processes)
        judges: list[JudgeFound] | None = None
        if name == "refuse" and whole.request.running and any(one.judged for one in provisions.values()):
            judges, _ = await parts.desk.judges(secret_of(request), asked)
        return render(
            request, f"records/{name}.html", status_code=422 if errors else 200, whole=whole, asked=whole.request,
            form=form, errors=errors, words=WORDS, provisions=provisions, identified_how=IDENTIFIED_HOW, names=names,
            judges=judges,
            press_id=form.text("id") or str(new_id()),
        )  # fmt: skip

    @get(f"/requests/{{asked:uuid}}/{name}", name=f"records-{name}", include_in_schema=False)
    async def show(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Response[bytes]:
        return await page(request, asked, Form({}), {})

    @post(f"/requests/{{asked:uuid}}/{name}", name=f"records-{name}-done", opt=MANY_FIELDS, include_in_schema=False)
    async def done(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Response[Any]:
        form = await read_form(request)
        try:
            said = await act(request, asked, form)
        except (InvalidInput, Conflict) as wrong:
            return await page(request, asked, form, faults_of(wrong, first_field))
        return redirect(request, f"{HOME}/requests/{asked}", said=said)

    return [show, done]


def _letter(parts: RecordsParts) -> list[HTTPRouteHandler]:
    @get("/requests/{asked:uuid}/letter", include_in_schema=False)
    async def letter(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Response[bytes]:
        """The answer or the written decision as a letter to print, in the language of the person who asked."""
        whole, _ = await parts.desk.get(secret_of(request), asked)
        if whole.request.running:
            raise Conflict("the request has not been answered yet", code="request-state")
        return render(
            request,
            "records/letter.html",
            whole=whole,
            asked=whole.request,
            words=WORDS,
            language=whole.request.language,
        )

    return [letter]


def _names(parts: RecordsParts) -> list[HTTPRouteHandler]:
    @get("/requests/{asked:uuid}/names", include_in_schema=False)
    async def names(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Response[bytes]:
        whole, _ = await parts.desk.get(secret_of(request), asked)
        found, _ = await parts.desk.names(secret_of(request), asked)
        return render(request, "records/names.html", whole=whole, asked=whole.request, names=found, words=WORDS)

    return [names]


def _ids(texts: list[str], field: str = "names") -> list[uuid.UUID]:
    try:
        return [uuid.UUID(text) for text in texts]
    except ValueError:
        raise InvalidInput("an id", field=field) from None


def _cents(text: str) -> int:
    """Euros as people write them: ``12``, ``12,50``, ``12.50``. Raises: InvalidInput."""
    euros, _, cents = text.replace(".", ",").partition(",")
    if not euros.isdecimal() or (cents and not (cents.isdecimal() and len(cents) == 2)):
        raise InvalidInput("euros and cents", field="cents")
    return int(euros[:6]) * 100 + int(cents or 0)
