"""A request for restriction of processing (GDPR Art. 18): which papers, on which ground, in the person's words, what follows.

Each screen carries the answers of those before it; only the last press asks for anything.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from litestar.response import Redirect

from vault.errors import InvalidInput
from vault.model import DocumentId
from vault.pages.forms import Form, read_form
from vault.pages.my.parts import MyParts, everything, id_in, secret_of
from vault.pages.shell import language_of, redirect, render
from vault.pages.texts import N_
from vault.rules.requests import GROUNDS, NO_RESTRICTION, RequestKind
from vault.services.ids import new_id
from vault.services.mine_views import MyCase
from vault.services.requests import MAX_TEXT, NewRequest
from vault.web.session import AnyRequest

ALL: Final = "all"
ONE_CASE: Final = "one-case"
"""The step after a send that could not be made, since several organisations answer for the cases."""
_LONG: Final = N_("The text is too long. Shorten it to 4,000 characters.")
_NOTES: Final[Mapping[str, str]] = {
    "accuracy": N_("The restriction lasts while it is checked"),
    "unlawful": N_("The restriction takes the place of erasing"),
    "claim": N_("Also where nobody else needs the information any more"),
    "objection": N_("The restriction lasts until it is decided"),
}
Document = Annotated[uuid.UUID | None, QueryParameter(name="document", required=False)]


class Wish(msgspec.Struct, frozen=True):
    """What the person has said so far; ``case`` is an id or ``all``, and does not count where a ``document`` is meant."""

    document: uuid.UUID | None = None
    case: str = ""
    ground: str = ""
    text: str = ""

    def made(self) -> NewRequest:
        """Raises: InvalidInput."""
        case = None if self.document or self.case in ("", ALL) else _uuid(self.case, "case")
        return NewRequest(
            kind=RequestKind.RESTRICTION, document=self.document, case=case, ground=self.ground, text=self.text
        )


def _uuid(text: str, field: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        raise InvalidInput("not an id", field=field) from None


def wish_in(form: Form) -> Wish:
    """What was sent. Raises: InvalidInput."""
    return Wish(_uuid(form.text("document"), "document"), form.text("case"), form.text("ground"), form.text("text"))


def restriction_handlers(parts: MyParts) -> list[HTTPRouteHandler]:
    @get("/requests/restriction", include_in_schema=False)
    async def begin(request: AnyRequest, document: Document = None) -> Response[bytes]:
        return await _go_on(parts, request, Wish(document=document), "")

    @post("/requests/restriction", include_in_schema=False)
    async def go_on(request: AnyRequest) -> Redirect | Response[bytes]:
        form = await read_form(request)
        wish, step = wish_in(form), form.text("step")
        if step != "send":
            return await _go_on(parts, request, wish, step)
        try:
            made = await parts.requests.make(secret_of(request), id_in(form), wish.made(), language_of(request))
        except InvalidInput as wrong:
            if wrong.field == "case":
                wish = msgspec.structs.replace(wish, case="")
            return await _go_on(parts, request, wish, _missed(wrong))
        said = N_("We have your request. You see below by which day you get an answer.")
        return redirect(request, f"/my/requests/{made.id}", said=said)

    return [begin, go_on]


def _missed(wrong: InvalidInput) -> str:
    """The step that must be answered anew."""
    if wrong.narrow == "which-case":
        return ONE_CASE
    return wrong.field if wrong.field in ("case", "ground") else "text"


async def _go_on(parts: MyParts, request: AnyRequest, wish: Wish, step: str) -> Response[bytes]:
    """The first question that has no answer yet; ``step`` is the one that was just answered, or left without an answer."""
    cases = await everything(MyCase, lambda after: parts.mine.cases(secret_of(request), after=after))
    # One request goes to one organisation: where several answer, the papers of all cases cannot be meant at once.
    several = step == ONE_CASE or len({case.controller.agency for case in cases}) > 1
    chosen = wish.case if not (several and wish.case == ALL) else ""
    if (len(cases) > 1 or step in ("case", ONE_CASE)) and not wish.document and not chosen:
        missed = step in ("case", ONE_CASE) or bool(wish.case)
        errors = {"case": N_("Choose which papers you mean.")} if missed else {}
        return _show(request, "which", wish, errors, cases, several=several)
    if wish.ground not in GROUNDS:
        return _show(request, "why", wish, {"ground": N_("Choose one.")} if step == "ground" else {}, cases)
    if step != "text":
        return _show(request, "words", wish, {}, cases)
    errors = {"text": _LONG} if len(wish.text) > MAX_TEXT else {}
    if wish.ground == "accuracy" and not wish.text:
        errors = {"text": N_("Write what is not right, so that it can be checked.")}
    if errors:
        return _show(request, "words", wish, errors, cases)
    document = None
    if wish.document:
        document, _ = await parts.mine.document(secret_of(request), DocumentId(wish.document))
    meant = [case for case in cases if case.id == (document.case if document else case.id)]
    meant = [case for case in meant if wish.document or wish.case in ("", ALL, str(case.id))]
    excepted = any(case.process == NO_RESTRICTION[0] for case in meant)
    return _show(request, "send", wish, {}, cases, document=document, meant=meant, excepted=excepted)


def _show(
    request: AnyRequest, page: str, wish: Wish, errors: Mapping[str, str], cases: list[MyCase], **more: Any
) -> Response[bytes]:
    return render(
        request, f"my/restriction-{page}.html", status_code=422 if errors else 200, wish=wish, errors=errors, cases=cases,
        grounds=GROUNDS, notes=_NOTES, all_cases=ALL, max_text=MAX_TEXT, press_id=new_id(), **more,
    )  # fmt: skip
