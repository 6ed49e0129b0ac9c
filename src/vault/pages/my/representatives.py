"""Who may act for me: what stands, giving an authority in one question a screen, ending one, keeping a guardian out."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Redirect

from vault.errors import Conflict, Hidden, InvalidInput
from vault.pages.forms import Form, read_form
from vault.pages.my.parts import MyParts, everything, id_in, secret_of
from vault.pages.shell import redirect, render
from vault.pages.texts import N_
from vault.rules.catalogue import PROTECTED_CLASSES
from vault.rules.days import parse_day
from vault.rules.identity_code import parse_identity_code
from vault.services.authorities import SCOPES, AuthorityView, NewAuthority, Representative
from vault.services.ids import new_id
from vault.services.mine_views import MyCase
from vault.web.session import AnyRequest

_NAME: Final = N_("Write the person's name.")
_CODE: Final = N_("Check the personal identity code. It looks like this: 010190-999K")
_SCOPE: Final = N_("Choose what the person may do.")
_UNTIL: Final = N_("Write the last day as day, month and year.")


class Draft(msgspec.Struct, frozen=True):
    """An authority as it is being given; each screen carries what was written on those before it."""

    name: str = ""
    code: str = ""
    scope: str = ""
    case: str = ""
    classes: tuple[str, ...] = ()
    until: str = ""

    def about_person(self) -> dict[str, str]:
        """What is wrong with the first screen."""
        errors = {} if 0 < len(self.name) <= 200 else {"name": _NAME}
        try:
            parse_identity_code(self.code)
        except InvalidInput:
            errors["code"] = _CODE
        return errors

    def about_scope(self) -> dict[str, str]:
        """What is wrong with the second screen."""
        errors = {} if self.scope in SCOPES else {"scope": _SCOPE}
        try:
            if self.until:
                parse_day(self.until, "until")
        except InvalidInput:
            errors["until"] = _UNTIL
        return errors

    def made(self) -> NewAuthority:
        case = uuid.UUID(self.case) if self.case else None
        return NewAuthority(
            representative=Representative(name=self.name, personal_identity_code=self.code),
            scope=self.scope,
            case=case,
            protected_classes=list(self.classes),
            until=self.until or None,
        )


def draft_of(form: Form) -> Draft:
    """What was sent, with nothing in it that no page of ours offers."""
    classes = tuple(code for code in PROTECTED_CLASSES if code in form.many("classes"))
    try:
        case = str(uuid.UUID(form.text("case"))) if form.text("case") else ""
    except ValueError:
        case = ""
    return Draft(form.text("name"), form.text("code"), form.text("scope"), case, classes, form.text("until"))


def representative_handlers(parts: MyParts) -> list[HTTPRouteHandler]:
    @get("/representatives", include_in_schema=False)
    async def list_representatives(request: AnyRequest) -> Response[bytes]:
        secret = secret_of(request)
        found = await _all(parts, request)
        about, _ = await parts.mine.about(secret)
        return render(request, "my/representatives.html", authorities=found, minor=about.kept and not about.is_adult)

    @get("/representatives/{authority:uuid}/end", include_in_schema=False)
    async def ask_end(request: AnyRequest, authority: FromPath[uuid.UUID]) -> Response[bytes]:
        return render(request, "my/representative-end.html", authority=await _one(parts, request, authority))

    @post("/representatives/{authority:uuid}/end", include_in_schema=False)
    async def end(request: AnyRequest, authority: FromPath[uuid.UUID]) -> Redirect:
        await read_form(request)
        await parts.authorities.end(secret_of(request), authority)
        return redirect(request, "/my/representatives", said=N_("That person cannot act for you any more."))

    @post("/representatives/{authority:uuid}/bar", include_in_schema=False)
    async def bar(request: AnyRequest, authority: FromPath[uuid.UUID]) -> Redirect:
        barred = (await read_form(request)).text("barred") == "yes"
        await parts.authorities.bar(secret_of(request), authority, barred=barred)
        closed, opened = N_("Your guardian cannot see your papers now."), N_("Your guardian can see your papers again.")
        return redirect(request, "/my/representatives", said=closed if barred else opened)

    return [list_representatives, ask_end, end, bar, *_giving(parts)]


def _giving(parts: MyParts) -> list[HTTPRouteHandler]:
    @get("/representatives/new", include_in_schema=False)
    async def begin(request: AnyRequest) -> Response[bytes]:
        return render(request, "my/representative-who.html", draft=Draft(), errors={})

    @post("/representatives/new", include_in_schema=False)
    async def go_on(request: AnyRequest) -> Redirect | Response[bytes]:
        """Only the last press changes anything."""
        form = await read_form(request)
        draft, step = draft_of(form), form.text("step")
        if errors := draft.about_person():
            return render(request, "my/representative-who.html", status_code=422, draft=draft, errors=errors)
        if step == "who":
            return await _ask_what(parts, request, draft, {})
        if errors := draft.about_scope():
            return await _ask_what(parts, request, draft, errors)
        if step != "record":
            cases = await _cases(parts, request)
            return render(request, "my/representative-new.html", draft=draft, cases=cases, press_id=new_id())
        try:
            await parts.authorities.record(secret_of(request), id_in(form), draft.made())
        except InvalidInput as wrong:
            errors = {"until": _UNTIL} if wrong.field in ("until", "from") else {"scope": _SCOPE}
            return await _ask_what(parts, request, draft, errors)
        return redirect(request, "/my/representatives", said=N_("The person may act for you from now on."))

    return [begin, go_on]


async def _ask_what(parts: MyParts, request: AnyRequest, draft: Draft, errors: Mapping[str, str]) -> Response[bytes]:
    cases = await _cases(parts, request)
    return render(
        request,
        "my/representative-what.html",
        status_code=422 if errors else 200,
        draft=draft,
        errors=errors,
        cases=cases,
        classes=list(PROTECTED_CLASSES),
    )


async def _cases(parts: MyParts, request: AnyRequest) -> list[MyCase]:
    secret = secret_of(request)
    return await everything(MyCase, lambda after: parts.mine.cases(secret, after=after))


async def _all(parts: MyParts, request: AnyRequest) -> list[AuthorityView]:
    secret = secret_of(request)
    found = await everything(AuthorityView, lambda after: parts.authorities.given(secret, after=after))
    return sorted(found, key=lambda one: (one.in_force, one.recorded_at), reverse=True)


async def _one(parts: MyParts, request: AnyRequest, authority: uuid.UUID) -> AuthorityView:
    for one in await _all(parts, request):
        if one.id == authority:
            if one.ended_at is not None:
                raise Conflict("it has ended")
            return one
    raise Hidden
