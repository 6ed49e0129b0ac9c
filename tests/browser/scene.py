"""One client with papers of every kind, and a Chromium to look at them with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.caller import EMPLOYMENT, KELA, Caller, must, paper, permit, personal_code
from tests.support.sessions import client_session, staff_session
from vault.services.sessions import Session
from vault.web.session import encode_secret

PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1280, "height": 900}
HOSTILE = '"><script>alert(1)</script>\u202etxt.exe'
T = TypeVar("T")


class Scene(NamedTuple):
    """A client's case: Kela reads one paper on clause 2, the employment services another on clause 3."""

    case: str
    code: str
    consent: str
    feedback: str
    plan: str
    waiting: str
    hostile: str


def make_scene(caller: Caller, code: str = "", born: str = "", name: str = "⟦Maija Mallikas⟧") -> Scene:
    if not code:
        code, born = personal_code()
    case = caller.open_case(personal_identity_code=code, born=born, name=name, handled=False, members=[])
    consent = caller.consent(
        case, [
            {"effect": "permit", "recipients": [{"any": True}], "sources": [{"any": True}], "documents": [{"any": True}],
             "actions": ["handle"], "purposes": ["rehabilitation-planning"]},
            permit("kela"), permit("te-palvelut", ["ammatillinen-suunnitelma"], purposes=["employment-support"]),
        ], signed_by={"capacity": "client", "name": name},
    )  # fmt: skip
    for agency in ("kela", "te-palvelut"):
        caller.join(case, agency)
    feedback = caller.file(case, content=b"Kuntoutus on edennyt.", title="⟦Palaute⟧", filename="⟦palaute⟧.txt")
    plan = caller.file(case, "ammatillinen-suunnitelma", title="⟦Suunnitelma⟧", filename="⟦suunnitelma⟧.txt")
    caller.file(case, "b-lausunto", title="⟦B⟧", filename="⟦b⟧.txt", protected_classes=["mental-health"])
    waiting = caller.file(case, third_persons=True, title="⟦Sisko⟧", filename="⟦sisko⟧.txt")
    page = paper("muu", title="⟦Nimi⟧", filename=HOSTILE, media_type="text/html")
    hostile = str(must(caller.coordinator.post(f"/v1/cases/{case}/documents", page))["id"])
    must(caller.coordinator.upload(hostile, b"<script>alert(1)</script>", **{"Content-Type": "text/html"}))
    caller.by(KELA).read(feedback)
    caller.by(KELA).read(plan)
    caller.by(EMPLOYMENT, "employment-support").read(plan)
    return Scene(case, code, consent, feedback, plan, waiting, hostile)


def aside(work: Callable[..., T], *arguments: Any) -> T:
    """Do something that runs a loop of its own: the browser's driver has one in this thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work, *arguments).result()


def signed_in(caller: Caller, code: str | None, subject: str = "somebody") -> Session:
    return aside(client_session, caller.service, code, subject)


def staff(caller: Caller, subject: str, role: str) -> Session:
    return aside(staff_session, caller.service, subject, role)


@contextmanager
def window(
    browser: Browser, url: str, language: str, *, session: Session | None = None, size: Any = None, **more: Any
) -> Iterator[tuple[BrowserContext, Page]]:
    """A browser window of its own in that language; with the session's cookie when one is given."""
    context = browser.new_context(viewport=size or PHONE, base_url=url, locale=language, **more)
    context.set_default_timeout(60_000)
    try:
        cookies: list[Any] = [{"name": "vault-language", "value": language, "url": url}]
        if session is not None:
            cookies.append({"name": "vault", "value": encode_secret(session.secret), "url": url})
        context.add_cookies(cookies)
        yield context, context.new_page()
    finally:
        context.close()
