"""The first page: who can open my papers now, mental health apart, and one press that pauses everything."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect

from vault.errors import InvalidInput
from vault.pages.forms import read_form
from vault.pages.my.parts import MyParts, everything, id_in, secret_of
from vault.pages.shell import language_of, redirect, render
from vault.pages.texts import COOKIE, N_
from vault.rules.catalogue import LANGUAGES
from vault.services.ids import new_id
from vault.services.mine_views import MyCase, MyReader, MyReaders, Party
from vault.web.session import AnyRequest


class CaseReaders(msgspec.Struct, frozen=True):
    """The readers of one case, apart: ordinary papers, specially protected ones, what each filed itself."""

    case: MyCase
    on_consent: list[MyReader]
    protected: list[MyReader]
    own_only: list[MyReader]
    closed: list[Any]


def by_case(readers: MyReaders, cases: list[MyCase]) -> list[CaseReaders]:
    """Arranged for the page; a case that is archived or where nobody takes part stands there empty."""
    return [
        CaseReaders(
            case=case,
            on_consent=[r for r in readers.readers if r.case == case.id and any(w.basis == "consent" for w in r.ways)],
            protected=[
                r for r in readers.readers if r.case == case.id and any(w.basis == "consent" for w in r.protected)
            ],
            own_only=[r for r in readers.readers if r.case == case.id and own_ways(r)],
            closed=[m for m in readers.closed if m.case == case.id],
        )
        for case in cases
    ]


def own_ways(reader: MyReader) -> list[Any]:
    """What the organisation filed itself, protected or not."""
    return [way for way in itertools.chain(reader.ways, reader.protected) if way.basis == "own-document"]


def parties(readers: Iterable[MyReader]) -> list[Party]:
    """Each organisation once, in the order of the readers, whatever the role and the case."""
    return list({(r.party.agency, r.party.unit): r.party for r in readers}.values())


def home_handlers(parts: MyParts) -> list[HTTPRouteHandler]:
    mine = parts.mine

    @get("/", include_in_schema=False)
    async def first_page(request: AnyRequest) -> Response[bytes]:
        secret = secret_of(request)
        about, _ = await mine.about(secret)
        if not about.kept:
            return render(request, "my/nothing.html")
        readers = await mine.readers(secret, with_documents=False)
        cases = await everything(MyCase, lambda after: mine.cases(secret, after=after))
        groups = by_case(readers, cases)
        return render(
            request,
            "my/home.html",
            about=about,
            readers=readers,
            cases=groups,
            press_id=new_id(),
            able=parties(reader for group in groups for reader in group.on_consent),
            able_protected=parties(reader for group in groups for reader in group.protected),
        )

    @post("/pause", include_in_schema=False)
    async def pause(request: AnyRequest) -> Redirect:
        form = await read_form(request)
        await mine.pause(secret_of(request), id_in(form))
        return redirect(request, "/my", said=N_("Everything is paused. Nobody can open your papers on a consent now."))

    @post("/resume", include_in_schema=False)
    async def resume(request: AnyRequest) -> Redirect:
        await read_form(request)
        await mine.resume(secret_of(request))
        return redirect(request, "/my", said=N_("The pause has ended. Your consents hold again."))

    @get("/language", include_in_schema=False)
    async def language(request: AnyRequest) -> Response[bytes]:
        about, _ = await mine.about(secret_of(request))
        return render(request, "my/language.html", about=about, choices=LANGUAGES, errors={})

    @post("/language", include_in_schema=False)
    async def set_language(request: AnyRequest) -> Redirect:
        form = await read_form(request)
        chosen = form.text("language")
        if chosen not in LANGUAGES:
            raise InvalidInput("choose one of the languages", field="language", code="unknown-language")
        await mine.set_language(secret_of(request), chosen)
        answer = redirect(request, "/my/language", said=N_("Your language was changed."))
        if chosen != language_of(request):
            answer.delete_cookie(COOKIE, path="/")
        return answer

    return [first_page, pause, resume, language, set_language]
