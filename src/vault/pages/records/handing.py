"""The package of everything for somebody who cannot sign in: made, downloaded, and its hand-over recorded."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Redirect

from vault.errors import Conflict, Hidden, IdentificationRequired, InvalidInput
from vault.pages.faults import on_vault_error
from vault.pages.forms import Form, read_form
from vault.pages.records.parts import HOME, WORDS, RecordsParts, faults_of, id_in, secret_of
from vault.pages.shell import redirect, render
from vault.pages.texts import N_
from vault.rules.self_access import UNDER_WAY
from vault.services.desk import DeskRequest
from vault.services.handing import DeskExport, DeskOrder, Handing, HandOver
from vault.services.ids import new_id
from vault.services.requests import today
from vault.web.session import AnyRequest

_PATH: Final = "/requests/{asked:uuid}/package"

# Why nothing can be made now, and what to do: in the words of whoever stands at the desk.
_FAULTS: Final[Mapping[str, tuple[str, str]]] = {
    "request-state": (N_("This request has ended"), N_("A package is made only while the request runs. Record a new request if the person asks again.")),
    "not-identified": (N_("The person is not identified yet"), N_("Say first how the person was identified.")),
    "identified-too-weakly": (
        N_("The person is not identified well enough"),
        N_("Everything about a person is handed out only after an identity document was seen, a signed request came, or they asked in person and are known. A phone call is not enough. Ask the person to come, or send them the form to sign; then say how they were identified."),
    ),
    "client-deceased": (
        N_("The person has died"),
        N_("Nobody is handed their package any more. What relatives or the estate may have is decided paper by paper, as a request for documents. Answer this request by a letter that says so."),
    ),
    "fee-not-accepted": (N_("A fee was told and is not accepted"), N_("Ask the person, and note on the request what they said. Nothing is made before that.")),
}  # fmt: skip


_HANDED_FAULTS: Final[Mapping[str, str]] = {
    "how": N_("Choose how it was handed over."),
    "identified_how": N_(
        "Choose how the receiver was identified: for a letter the post's receipt, and only for a letter."
    ),
}


def handing_handlers(parts: RecordsParts) -> list[HTTPRouteHandler]:
    return [*_making(parts), *_one(parts), *_handing_over(parts), _letter(parts), _fee_answer(parts)]


async def _page(
    parts: RecordsParts, request: AnyRequest, asked: uuid.UUID, form: Form, errors: dict[str, str]
) -> Response[bytes]:
    whole, _ = await parts.desk.get(secret_of(request), asked)
    handing, _ = await parts.handing.look(secret_of(request), asked)
    under_way = any(one.export.state in UNDER_WAY for one in handing.exports)
    there = under_way or any(one.export.package and not one.outdated for one in handing.exports)
    return render(
        request, "records/package.html", status_code=422 if errors else 200, whole=whole, asked=whole.request, words=WORDS,
        handing=handing, fault=_FAULTS.get(handing.fault or ""), under_way=under_way, there=there, form=form, errors=errors,
        press_id=form.text("id") or str(new_id()),
    )  # fmt: skip


def _making(parts: RecordsParts) -> list[HTTPRouteHandler]:
    @get(_PATH, include_in_schema=False)
    async def show(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Response[bytes]:
        return await _page(parts, request, asked, Form({}), {})

    @post(_PATH, include_in_schema=False)
    async def order(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Response[Any]:
        """A second press is the same package while one is under way."""
        form = await read_form(request)
        try:
            authority = id_in(form, "authority") if form.text("authority") else None
            new = DeskOrder(without_large=form.text("large") == "without", authority=authority)
            await parts.handing.order(secret_of(request), id_in(form), asked, new)
        except (InvalidInput, Conflict) as wrong:
            return await _page(parts, request, asked, form, faults_of(wrong, "authority"))
        return redirect(request, f"{HOME}/requests/{asked}/package", said=N_("The package is being made."))

    return [show, order]


def _one(parts: RecordsParts) -> list[HTTPRouteHandler]:
    @get(f"{_PATH}/{{export:uuid}}/download", include_in_schema=False)
    async def download(request: AnyRequest, asked: FromPath[uuid.UUID], export: FromPath[uuid.UUID]) -> Response[Any]:
        """The bytes, by the door's own decision; who was identified too long ago does it again and comes back."""
        page = f"{HOME}/requests/{asked}/package"
        try:
            return await parts.sending(parts.exports, request, export, on_error=on_vault_error)
        except Hidden:
            return redirect(request, page)
        except IdentificationRequired:
            again = f"/sign-in/again?after={quote(page, safe='/')}"
            return Redirect(again, status_code=303, headers={"Cache-Control": "no-store"})

    @get(f"{_PATH}/{{export:uuid}}/remove", include_in_schema=False)
    async def what_follows(
        request: AnyRequest, asked: FromPath[uuid.UUID], export: FromPath[uuid.UUID]
    ) -> Response[bytes]:
        whole, one, _ = await _of(parts, request, asked, export)
        return render(request, "records/package-remove.html", whole=whole, asked=whole.request, one=one, words=WORDS)

    @post(f"{_PATH}/{{export:uuid}}/remove", include_in_schema=False)
    async def remove(request: AnyRequest, asked: FromPath[uuid.UUID], export: FromPath[uuid.UUID]) -> Redirect:
        await read_form(request)
        await parts.handing.remove(secret_of(request), export)
        return redirect(request, f"{HOME}/requests/{asked}/package", said=N_("The package was removed."))

    return [download, what_follows, remove]


def _handing_over(parts: RecordsParts) -> list[HTTPRouteHandler]:
    async def page(
        request: AnyRequest, asked: uuid.UUID, export: uuid.UUID, form: Form, errors: dict[str, str]
    ) -> Response[bytes]:
        whole, one, _ = await _of(parts, request, asked, export)
        return render(
            request, "records/hand-over.html", status_code=422 if errors else 200, whole=whole, asked=whole.request, one=one,
            form=form, errors=errors, words=WORDS, day=today().isoformat(),
        )  # fmt: skip

    @get(f"{_PATH}/{{export:uuid}}/hand-over", include_in_schema=False)
    async def show(request: AnyRequest, asked: FromPath[uuid.UUID], export: FromPath[uuid.UUID]) -> Response[bytes]:
        return await page(request, asked, export, Form({}), {})

    @post(f"{_PATH}/{{export:uuid}}/hand-over", include_in_schema=False)
    async def hand_over(request: AnyRequest, asked: FromPath[uuid.UUID], export: FromPath[uuid.UUID]) -> Response[Any]:
        form = await read_form(request)
        if missing := {name: text for name, text in _HANDED_FAULTS.items() if not form.text(name)}:
            return await page(request, asked, export, form, missing)
        handed = HandOver(how=form.text("how"), on=form.text("on"), identified_how=form.text("identified_how"))
        try:
            done = await parts.handing.hand_over(secret_of(request), export, handed)
        except (InvalidInput, Conflict) as wrong:
            faults = faults_of(wrong, "how")
            if isinstance(wrong, InvalidInput):
                faults |= {name: text for name, text in _HANDED_FAULTS.items() if name in faults}
            return await page(request, asked, export, form, faults)
        rest = done.facts.get("rest")
        said = N_("The hand-over is recorded, and the request is answered.")
        more = N_(
            "The hand-over is recorded. Papers are still to come: this request for the rest runs on under the same clock."
        )
        return redirect(request, f"{HOME}/requests/{rest or asked}", said=more if rest else said)

    return [show, hand_over]


def _letter(parts: RecordsParts) -> HTTPRouteHandler:
    @get(f"{_PATH}/{{export:uuid}}/letter", include_in_schema=False)
    async def letter(request: AnyRequest, asked: FromPath[uuid.UUID], export: FromPath[uuid.UUID]) -> Response[bytes]:
        """What goes with the package, to print, in the language of the person who asked."""
        whole, one, handing = await _of(parts, request, asked, export)
        if one.package is None:
            raise Conflict("the package is not made yet", code="export-not-ready")
        for_whom = next((a.representative for a in handing.authorities if a.id == one.authority), "")
        return render(
            request, "records/package-letter.html", whole=whole, asked=whole.request, one=one, words=WORDS, for_whom=for_whom,
            language=one.export.language,
        )  # fmt: skip

    return letter


def _fee_answer(parts: RecordsParts) -> HTTPRouteHandler:
    @post("/requests/{asked:uuid}/fee/answer", include_in_schema=False)
    async def fee_answer(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Response[Any]:
        """What was said cannot be taken back: nothing is taken for a no but a no."""
        answer = (await read_form(request)).text("answer")
        if answer not in {"yes", "no"}:
            whole, _ = await parts.desk.get(secret_of(request), asked)
            return render(
                request, "records/request.html", status_code=422, whole=whole, asked=whole.request, words=WORDS,
                errors={"answer": N_("Say whether the person accepts the fee or not.")},
            )  # fmt: skip
        await parts.desk.answer_fee(secret_of(request), asked, accepted=answer == "yes")
        return redirect(request, f"{HOME}/requests/{asked}", said=N_("What the person said of the fee is noted."))

    return fee_answer


async def _of(
    parts: RecordsParts, request: AnyRequest, asked: uuid.UUID, export: uuid.UUID
) -> tuple[DeskRequest, DeskExport, Handing]:
    """The request with that export of it. Raises: Hidden."""
    whole, _ = await parts.desk.get(secret_of(request), asked)
    handing, _ = await parts.handing.look(secret_of(request), asked)
    one = next((one for one in handing.exports if one.export.id == export), None)
    if one is None:
        raise Hidden
    return whole, one, handing
