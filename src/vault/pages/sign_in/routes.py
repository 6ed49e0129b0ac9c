"""The pages around a session: who are you, identify yourself, for whom do you act, signed out.

A provider is reached by a link and not by a form: the content security policy lets our forms go nowhere else.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from litestar import Response, Router, get, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect

from vault.errors import SessionEnded, Unavailable
from vault.model import ActorKind
from vault.pages.faults import HANDLERS
from vault.pages.forms import page_guard, read_form
from vault.pages.shell import language_of, redirect, render
from vault.pages.sign_in.refusals import REFUSALS
from vault.pages.texts import N_
from vault.services.authorities import Authorities
from vault.services.sessions import Provider, Session
from vault.services.sign_in import SignIn, safe_after
from vault.web.session import (
    AnyRequest,
    first_page,
    gate_of,
    read_session,
    require_client,
    require_same_site,
    require_session,
    session_of,
)  # fmt: skip

After = Annotated[str, QueryParameter(name="after", required=False)]
CLEARED = {"Clear-Site-Data": '"cache", "cookies", "storage"'}


def sign_in_routers(sign_in: SignIn, authorities: Authorities) -> list[Router]:
    """The routes: those for anybody, and those of a session."""
    handlers = {**HANDLERS, **REFUSALS}
    anybody = [_start, _staff, *_coming(sign_in, authorities), *_leaving(sign_in)]
    return [
        Router("/", route_handlers=anybody, exception_handlers=handlers, include_in_schema=False),
        Router(
            "/sign-in", guards=[page_guard(require_client)], route_handlers=_acting(authorities),
            exception_handlers=handlers, include_in_schema=False,
        ),
        Router(
            "/sign-in", guards=[page_guard(require_session)], route_handlers=_again(sign_in),
            exception_handlers=handlers, include_in_schema=False,
        ),
    ]  # fmt: skip


@get(["/", "/sign-in"])
async def _start(request: AnyRequest, after: After = "/") -> Response[Any]:
    """Where everybody begins: who are you? A person who is signed in goes on to their own pages."""
    try:
        session = await read_session(request)
    except SessionEnded:
        providers = await gate_of(request).sessions.providers()
        clients = [one for one in providers if one.kind == "client"]
        return render(
            request,
            "sign_in/start.html",
            clients=[(one, _name(one, request)) for one in clients],
            after=_carried(after),
            has_staff=any(one.kind == "staff" for one in providers),
        )
    return redirect(request, safe_after(after) if safe_after(after) != "/" else first_page(session))


@get("/sign-in/staff")
async def _staff(request: AnyRequest, after: After = "/") -> Response[Any]:
    """Professionals choose the agency whose sign-in they use."""
    staff = [one for one in await gate_of(request).sessions.providers() if one.kind == "staff"]
    named = sorted(((one, _name(one, request)) for one in staff), key=lambda pair: pair[1])
    return render(request, "sign_in/staff.html", staff=named, after=_carried(after))


def _coming(sign_in: SignIn, authorities: Authorities) -> list[Any]:
    @get("/sign-in/to/{provider:str}")
    async def to_provider(request: AnyRequest, provider: FromPath[str], after: After = "/") -> Response[Any]:
        """Send the browser to the provider, with a cookie that only this sign-in uses."""
        begun = await sign_in.begin(provider, language_of(request), after)
        return _to(request, begun.url, begun.cookie_name, begun.cookie_value)

    @get("/sign-in/callback/{provider:str}")
    async def back(request: AnyRequest, provider: FromPath[str]) -> Response[Any]:
        """The provider's answer: everything is verified, then the session begins and the one before ends."""
        gate = gate_of(request)
        names = {name: name.removeprefix("__Host-") for name in request.cookies}
        cookies = {plain: request.cookies[name] for name, plain in names.items() if gate.cookie_name(plain) == name}
        answer = {name: values for name, values in request.query_params.items() if isinstance(values, str)}
        session, after = await sign_in.complete(provider, cookies, answer, gate.secret(request))
        going = await _next_page(session, after, authorities)
        told = redirect(request, going)
        told.set_cookie(gate.session_cookie(session))
        for name in names.values():
            if name.startswith("vault-sign-in-"):
                told.set_cookie(gate.cookie("", name=name, max_age_s=0))
        return told

    return [to_provider, back]


def _acting(authorities: Authorities) -> list[Any]:
    @get("/act-for")
    async def choose(request: AnyRequest) -> Response[Any]:
        """For whom do you act? It is the person's own choice, after every sign-in."""
        session = session_of(request)
        mandates = await authorities.mandates(session.secret)
        return render(request, "sign_in/act_for.html", mandates=mandates, chosen=session.authority)

    @post("/act-for", status_code=303)
    async def chosen(request: AnyRequest) -> Response[Any]:
        """A session for this choice, with a secret of its own, in the place of the old one."""
        gate, session = gate_of(request), session_of(request)
        wanted = (await read_form(request)).text("authority")
        try:
            authority = None if wanted == "self" else uuid.UUID(wanted)
        except ValueError:
            mandates = await authorities.mandates(session.secret)
            return render(
                request,
                "sign_in/act_for.html",
                status_code=422,
                mandates=mandates,
                chosen=session.authority,
                errors={"authority": N_("Choose for whom you act")},
            )
        acting = await gate.sessions.act_for(session, authority)
        told = redirect(request, first_page(acting))
        told.set_cookie(gate.session_cookie(acting))
        return told

    @get("/not-known")
    async def not_known(request: AnyRequest) -> Response[Any]:
        """Nothing is kept about this person; who has no personal identity code may have to be connected first."""
        return render(request, "sign_in/not_known.html", code=None)

    @post("/not-known", status_code=200)
    async def offer(request: AnyRequest) -> Response[Any]:
        """A code for the contact person, who looks at the person's papers."""
        await read_form(request)
        code = await authorities.offer_identity(session_of(request).secret)
        return render(request, "sign_in/not_known.html", code=code)

    return [choose, chosen, not_known, offer]


def _again(sign_in: SignIn) -> list[Any]:
    @get("/again")
    async def again(request: AnyRequest, after: After = "/") -> Response[Any]:
        """Before something weighty, a person who is signed in is identified once more."""
        return render(request, "sign_in/again.html", after=_carried(after))

    @get("/again/now")
    async def now(request: AnyRequest, after: After = "/") -> Response[Any]:
        """To the same provider, which must ask again."""
        begun = await sign_in.begin(session_of(request).provider, language_of(request), after, renews=True)
        return _to(request, begun.url, begun.cookie_name, begun.cookie_value)

    @post("/stay", status_code=200)
    async def stay(request: AnyRequest) -> Response[Any]:
        """The guard has put the session's end off already; the page says until when."""
        await read_form(request)
        return render(request, "sign_in/stay.html", to=first_page(session_of(request)))

    return [again, now, stay]


def _leaving(sign_in: SignIn) -> list[Any]:
    @post("/sign-out", status_code=200)
    async def sign_out(request: AnyRequest) -> Response[Any]:
        """End the session here, tell the browser to forget, and show the way out of the provider too."""
        require_same_site(request)
        gate, elsewhere = gate_of(request), None
        secret = gate.secret(request)
        if secret is not None:
            try:
                session = await gate.sessions.read(secret)
            except SessionEnded:
                pass  # it has ended already: what the person wants is done
            else:
                elsewhere = await _elsewhere(sign_in, session)
                await gate.sessions.end(secret)
        answer = render(request, "sign_in/signed_out.html", elsewhere=elsewhere)
        answer.headers.update(CLEARED)
        answer.set_cookie(gate.no_session_cookie())
        return answer

    return [sign_out]


async def _elsewhere(sign_in: SignIn, session: Session) -> str | None:
    try:
        return await sign_in.leave(session.provider, "/")
    except Unavailable:
        return None


def _to(request: AnyRequest, url: str, name: str, value: str) -> Response[Any]:
    gate = gate_of(request)
    answer = Redirect(url, status_code=303, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
    answer.set_cookie(gate.cookie(value, name=name, max_age_s=600))
    return answer


async def _next_page(session: Session, after: str, authorities: Authorities) -> str:
    """Where a person goes who has just been identified; who may act for others is asked for whom."""
    if after != "/":
        return after
    if session.actor is ActorKind.CLIENT and await authorities.mandates(session.secret):
        return "/sign-in/act-for"
    return first_page(session)


def _carried(after: str) -> str:
    """What a link to the provider carries on, as a query; nothing for the first page."""
    path = safe_after(after)
    return "" if path == "/" else f"?after={path}"


def _name(provider: Provider, request: AnyRequest) -> str:
    names = provider.about.get("name") or provider.agency_name or {}
    return str(names.get(language_of(request)) or names.get("fi") or provider.id)
