"""My prohibitions: what stands, a new one in one question a screen, and ending one."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect

from vault.errors import Conflict, InvalidInput
from vault.model import DocumentId
from vault.pages.forms import Form, read_form
from vault.pages.my.parts import MyParts, everything, id_in, secret_of
from vault.pages.shell import redirect, render
from vault.pages.texts import N_
from vault.rules.catalogue import DOCUMENT_TYPES, PROTECTED_CLASSES
from vault.rules.consent import DocumentScope, Recipient
from vault.services.ids import new_id
from vault.services.mine import NewProhibition
from vault.services.mine_views import MyCase, MyDocument, MyProhibition, Party
from vault.web.session import AnyRequest

ANYBODY = "anybody"
EVERYTHING = "everything"
Document = Annotated[uuid.UUID | None, QueryParameter(name="document", required=False)]


class Wish(msgspec.Struct, frozen=True):
    """What the person has chosen so far; ``what`` is ``everything``, ``type:…``, ``class:…`` or ``document:…``."""

    who: str = ""
    what: str = ""

    def made(self) -> NewProhibition:
        """The prohibition that is meant. Raises: InvalidInput."""
        recipients = None if self.who == ANYBODY else [Recipient(agency=self.who)]
        kind, _, value = self.what.partition(":")
        if kind == "type" and value in DOCUMENT_TYPES:
            return NewProhibition(recipients=recipients, documents=[DocumentScope(type=value)])
        if kind == "class" and value in PROTECTED_CLASSES:
            return NewProhibition(recipients=recipients, protected_classes=[value])
        if kind == "document":
            return NewProhibition(recipients=recipients, documents=[DocumentScope(document=str(_uuid(value)))])
        if self.what == EVERYTHING:
            return NewProhibition(recipients=recipients)
        raise InvalidInput("choose what is meant", field="what", code="missing-field")


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise InvalidInput("choose what is meant", field="what", code="missing-field") from None


def prohibition_handlers(parts: MyParts) -> list[HTTPRouteHandler]:
    mine = parts.mine

    @get("/prohibitions", include_in_schema=False)
    async def list_prohibitions(request: AnyRequest) -> Response[bytes]:
        secret = secret_of(request)
        found = await everything(MyProhibition, lambda after: mine.prohibitions(secret, after=after))
        found.sort(key=lambda one: (one.in_force, one.recorded_at), reverse=True)
        cases = await everything(MyCase, lambda after: mine.cases(secret, after=after))
        return render(request, "my/prohibitions.html", prohibitions=found, cases={case.id: case for case in cases})

    @get("/prohibitions/{prohibition:uuid}/end", include_in_schema=False)
    async def ask_end(request: AnyRequest, prohibition: FromPath[uuid.UUID]) -> Response[bytes]:
        view, _ = await mine.prohibition(secret_of(request), prohibition)
        if not view.in_force or view.request is not None:
            raise Conflict("it has ended")
        return render(request, "my/prohibition-end.html", prohibition=view)

    @post("/prohibitions/{prohibition:uuid}/end", include_in_schema=False)
    async def end(request: AnyRequest, prohibition: FromPath[uuid.UUID]) -> Redirect:
        await read_form(request)
        await mine.end_prohibition(secret_of(request), prohibition)
        return redirect(request, "/my/prohibitions", said=N_("The prohibition has ended."))

    return [list_prohibitions, ask_end, end, *_making(parts)]


def _making(parts: MyParts) -> list[HTTPRouteHandler]:
    @get("/prohibitions/new", include_in_schema=False)
    async def begin(request: AnyRequest, document: Document = None) -> Response[bytes]:
        return await _ask_who(parts, request, Wish(what=f"document:{document}" if document else ""), {})

    @post("/prohibitions/new", include_in_schema=False)
    async def go_on(request: AnyRequest) -> Redirect | Response[bytes]:
        """Each screen carries the answers of those before it; only the last press changes anything."""
        form = await read_form(request)
        wish = Wish(who=form.text("who"), what=form.text("what"))
        if not wish.who:
            return await _ask_who(parts, request, wish, {"who": N_("Choose whom you mean.")})
        step = form.text("step")
        if not wish.what:
            errors = {"what": N_("Choose what you mean.")} if step == "what" else {}
            return await _ask_what(parts, request, wish, errors)
        if step != "record":
            return await _tell(parts, request, wish)
        return await _record(parts, request, wish, form)

    return [begin, go_on]


async def _record(parts: MyParts, request: AnyRequest, wish: Wish, form: Form) -> Redirect:
    await parts.mine.prohibit(secret_of(request), id_in(form), wish.made())
    return redirect(request, "/my/prohibitions", said=N_("The prohibition holds from now on."))


async def _ask_who(parts: MyParts, request: AnyRequest, wish: Wish, errors: Mapping[str, str]) -> Response[bytes]:
    agencies = await _agencies(parts, request)
    return render(
        request,
        "my/prohibition-who.html",
        status_code=422 if errors else 200,
        wish=wish,
        agencies=agencies,
        errors=errors,
    )


async def _ask_what(parts: MyParts, request: AnyRequest, wish: Wish, errors: Mapping[str, str]) -> Response[bytes]:
    secret = secret_of(request)
    documents = await everything(MyDocument, lambda after: parts.mine.documents(secret, after=after))
    types = [code for code in DOCUMENT_TYPES if any(d.type == code and not d.signed_form for d in documents)]
    classes = [code for code in PROTECTED_CLASSES if any(code in d.protected_classes for d in documents)]
    return render(
        request, "my/prohibition-what.html", status_code=422 if errors else 200, wish=wish, types=types, classes=classes, errors=errors
    )  # fmt: skip


async def _tell(parts: MyParts, request: AnyRequest, wish: Wish) -> Response[bytes]:
    wish.made()
    kind, _, value = wish.what.partition(":")
    document = None
    if kind == "document":
        document, _ = await parts.mine.document(secret_of(request), DocumentId(_uuid(value)))
    agencies = await _agencies(parts, request)
    return render(
        request, "my/prohibition-new.html", wish=wish, kind=kind, value=value, document=document,
        party=agencies.get(wish.who), press_id=new_id(),
    )  # fmt: skip


async def _agencies(parts: MyParts, request: AnyRequest) -> dict[str, Party]:
    """The organisations that take part in the person's cases today, and those behind the papers."""
    secret = secret_of(request)
    cases = await everything(MyCase, lambda after: parts.mine.cases(secret, after=after))
    return {m.party.agency: Party(m.party.agency, m.party.name) for case in cases for m in case.members}
