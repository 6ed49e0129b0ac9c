"""What I ask for: ask why, names, older entries, a correction, a check of a paper, feedback; each with its clock."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Annotated, Final, NamedTuple

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect

from vault.errors import Hidden, InvalidInput
from vault.pages.forms import Form, read_form
from vault.pages.my.parts import MyParts, everything, id_in, secret_of
from vault.pages.shell import language_of, redirect, render
from vault.pages.texts import N_
from vault.rules.requests import RequestKind
from vault.services.ids import new_id
from vault.services.mine_views import MyCase
from vault.services.request_views import RequestView
from vault.services.requests import MAX_TEXT, NewRequest
from vault.web.session import AnyRequest


class Question(NamedTuple):
    """How one kind is asked for on its page; ``required`` says that the text may not be empty."""

    title: str
    lead: str
    label: str
    required: bool = False
    days: bool = False


QUESTIONS: Final[Mapping[str, Question]] = {
    RequestKind.EXPLANATION: Question(
        N_("Ask why"),
        N_("The organisation must tell you on what ground the paper was opened, and whether it was lawful."),
        N_("Do you want to add something? (optional)"),
    ),
    RequestKind.CORRECTION: Question(
        N_("Ask for a correction"),
        N_("If something about you is wrong, you can ask for it to be put right."),
        N_("What is wrong, and what is right?"),
        required=True,
    ),
    RequestKind.EXPORT_REVIEW: Question(
        N_("Ask for a paper that waits"),
        N_("A records officer checks the papers that wait, and you get what you may get."),
        N_("Do you want to add something? (optional)"),
    ),
    RequestKind.LOG_NAMES: Question(
        N_("Ask who they were by name"),
        N_("The log shows organisations and roles. A records officer answers who the persons were."),
        N_("Do you want to add something? (optional)"),
        days=True,
    ),
    RequestKind.LOG_OLDER: Question(
        N_("Ask for older entries of the log"),
        N_("Entries older than two years are given only for a special reason."),
        N_("What is your special reason?"),
        required=True,
        days=True,
    ),
    RequestKind.FEEDBACK: Question(
        N_("Give feedback"),
        N_("Tell us what does not work, or what you cannot use or understand. You can also ask for something in a form that you can use."),
        N_("What do you want to tell?"),
        required=True,
    ),
}  # fmt: skip

_LONG: Final = N_("The text is too long. Shorten it to 4,000 characters.")
_FAULTS: Final[Mapping[str, str]] = {
    "case": N_("Choose which case you mean."),
    "from": N_("Write the first day as day, month and year."),
    "until": N_("Write the last day as day, month and year, not before the first."),
    "text": N_("Write what you want to tell."),
}

Kind = Annotated[str, QueryParameter(name="kind")]
Entry = Annotated[uuid.UUID | None, QueryParameter(name="entry", required=False)]
Document = Annotated[uuid.UUID | None, QueryParameter(name="document", required=False)]


class Draft(msgspec.Struct, frozen=True):
    """A request as it is being written."""

    kind: str
    entry: uuid.UUID | None = None
    document: uuid.UUID | None = None
    case: str = ""
    text: str = ""
    first: str = ""
    last: str = ""

    @property
    def question(self) -> Question:
        """Raises: Hidden for a kind that cannot be asked for here."""
        found = QUESTIONS.get(self.kind)
        if found is None:
            raise Hidden
        return found

    def made(self) -> NewRequest:
        older = self.kind == RequestKind.LOG_OLDER
        return NewRequest(
            kind=self.kind, entry=self.entry, document=self.document, case=_uuid(self.case, "case"), text="" if older else self.text,
            special_reason=self.text if older else "", from_=self.first or None, until=self.last or None,
        )  # fmt: skip


def _uuid(text: str, field: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        raise InvalidInput("not an id", field=field) from None


def draft_of(form: Form) -> Draft:
    """What was sent. Raises: InvalidInput."""
    return Draft(
        kind=form.text("kind"),
        entry=_uuid(form.text("entry"), "entry"),
        document=_uuid(form.text("document"), "document"),
        case=form.text("case"),
        text=form.text("text"),
        first=form.text("from"),
        last=form.text("until"),
    )


def request_handlers(parts: MyParts) -> list[HTTPRouteHandler]:
    @get("/requests", include_in_schema=False)
    async def list_requests(request: AnyRequest) -> Response[bytes]:
        secret = secret_of(request)
        found = await everything(RequestView, lambda after: parts.requests.list_mine(secret, after=after))
        found.sort(key=lambda one: (one.running, str(one.id)), reverse=True)
        return render(request, "my/requests.html", requests=found, questions=QUESTIONS)

    @get("/requests/{asked:uuid}", include_in_schema=False)
    async def one_request(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Response[bytes]:
        view, _ = await parts.requests.get_mine(secret_of(request), asked)
        return render(request, "my/request.html", asked=view, question=QUESTIONS.get(view.kind))

    @post("/requests/{asked:uuid}/fee", include_in_schema=False)
    async def answer_fee(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Redirect:
        answer = (await read_form(request)).text("answer")
        if answer not in {"yes", "no"}:
            raise InvalidInput("yes or no", field="answer", code="unknown-code")
        await parts.requests.answer_fee(secret_of(request), asked, accepted=answer == "yes")
        return redirect(request, f"/my/requests/{asked}", said=N_("Your answer was recorded."))

    return [list_requests, one_request, answer_fee, *_making(parts)]


def _making(parts: MyParts) -> list[HTTPRouteHandler]:
    @get("/requests/new", include_in_schema=False)
    async def begin(request: AnyRequest, kind: Kind, entry: Entry = None, document: Document = None) -> Response[bytes]:
        return await _ask(parts, request, Draft(kind=kind, entry=entry, document=document), {})

    @post("/requests/new", include_in_schema=False)
    async def make(request: AnyRequest) -> Redirect | Response[bytes]:
        form = await read_form(request)
        draft = draft_of(form)
        errors = _errors(draft)
        if errors:
            return await _ask(parts, request, draft, errors)
        try:
            made = await parts.requests.make(secret_of(request), id_in(form), draft.made(), language_of(request))
        except InvalidInput as wrong:
            field = {"special_reason": "text"}.get(wrong.field or "", wrong.field or "text")
            return await _ask(parts, request, draft, {field: _FAULTS.get(field, _FAULTS["text"])})
        return redirect(
            request,
            f"/my/requests/{made.id}",
            said=N_("We have your request. You see below by which day you get an answer."),
        )

    return [begin, make]


def _errors(draft: Draft) -> dict[str, str]:
    if draft.question.required and not draft.text:
        return {"text": _FAULTS["text"]}
    return {"text": _LONG} if len(draft.text) > MAX_TEXT else {}


async def _ask(parts: MyParts, request: AnyRequest, draft: Draft, errors: Mapping[str, str]) -> Response[bytes]:
    secret, question = secret_of(request), draft.question
    cases: list[MyCase] = []
    if draft.entry is None and draft.document is None:
        cases = await everything(MyCase, lambda after: parts.mine.cases(secret, after=after))
    return render(
        request, "my/request-new.html", status_code=422 if errors else 200, draft=draft, question=question, cases=cases,
        errors=errors, press_id=new_id(), max_text=MAX_TEXT,
    )  # fmt: skip
