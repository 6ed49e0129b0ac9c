"""A request that came on paper, by phone or in person: find the person, then record what came and how."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from vault.errors import Conflict, InvalidInput
from vault.pages.forms import Form, read_form
from vault.pages.records.parts import HOME, WORDS, RecordsParts, faults_of, id_in, secret_of
from vault.pages.shell import redirect, render
from vault.pages.texts import N_
from vault.rules.requests import GROUNDS, IDENTIFIED_HOW, RECEIVED_HOW
from vault.services.desk import DeskClient, Recorded
from vault.services.ids import new_id
from vault.services.requests import today
from vault.web.session import AnyRequest

_ASKED_IN_PERSON = ("self-access", "correction", "restriction", "log-names", "log-older")


def recording_handlers(parts: RecordsParts) -> list[HTTPRouteHandler]:
    desk = parts.desk

    def find_page(request: AnyRequest, errors: dict[str, str], *, nobody: bool = False) -> Response[bytes]:
        return render(
            request, "records/find.html", status_code=422 if errors else 200, errors=errors, nobody=nobody, words=WORDS
        )

    def record_page(request: AnyRequest, person: DeskClient, form: Form, errors: dict[str, str]) -> Response[bytes]:
        return render(
            request, "records/record.html", status_code=422 if errors else 200, person=person, form=form, errors=errors,
            words=WORDS, kinds=_ASKED_IN_PERSON, received_how=RECEIVED_HOW, identified_how=IDENTIFIED_HOW,
            grounds=GROUNDS, press_id=form.text("id") or str(new_id()), day=today().isoformat(),
        )  # fmt: skip

    @get("/new", include_in_schema=False)
    async def start(request: AnyRequest) -> Response[bytes]:
        return find_page(request, {})

    @post("/new", include_in_schema=False)
    async def found(request: AnyRequest) -> Response[bytes]:
        """The code travels in the form and stands in no address."""
        form = await read_form(request)
        try:
            people = await desk.find_client(secret_of(request), form.text("personal_identity_code"))
        except InvalidInput as wrong:
            return find_page(request, faults_of(wrong, "personal_identity_code"))
        if not people:
            return find_page(request, {}, nobody=True)
        return record_page(request, people[0], Form({}), {})

    @post("/new/record", include_in_schema=False)
    async def record(request: AnyRequest) -> Response[Any]:
        form = await read_form(request)
        try:
            made = await desk.record(secret_of(request), id_in(form), recorded_in(form))
        except (InvalidInput, Conflict) as wrong:
            people = await desk.get_client(secret_of(request), id_in(form, "of_case"))
            return record_page(request, people[0], form, faults_of(wrong, "kind"))
        return redirect(request, f"{HOME}/requests/{made.id}", said=N_("The request is recorded. Its clock runs."))

    return [start, found, record]


def recorded_in(form: Form) -> Recorded:
    """The request that a form says. Raises: InvalidInput."""
    return Recorded(
        client=id_in(form, "client"), kind=form.text("kind"), received_how=form.text("received_how"),
        received_on=form.text("received_on"), identified_how=form.text("identified_how") or None,
        case=id_in(form, "case") if form.text("case") else None, ground=form.text("ground") or None, text=form.text("text"), special_reason=form.text("special_reason"),
        from_=form.text("from") or None, until=form.text("until") or None,
    )  # fmt: skip
