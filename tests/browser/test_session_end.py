"""A session's end: told beforehand, put off by one press, and nothing that somebody wrote is lost by it."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import newcomer
from tests.browser.scene import PHONE, Scene, aside, make_scene, signed_in, window
from tests.browser.steps import WORDS, sign_in
from tests.browser.walk import faults_of
from tests.support.caller import Caller
from vault.services.sessions import Session
from vault.web.session import encode_secret

CORRECTION = "/my/requests/new?kind=correction"


def ends_in(caller: Caller, session: Session, seconds: int) -> None:
    """Let the session's idle end lie so many seconds ahead; below nought it has passed."""
    aside(
        caller.service.sql, "UPDATE vault.token SET expires_at = vault.clock() + make_interval(secs => $2) WHERE secret_sha256 = $1",
        hashlib.sha256(session.secret).digest(), float(seconds),
    )  # fmt: skip


def left_s(caller: Caller, session: Session) -> float:
    found = aside(
        caller.service.one, "SELECT extract(epoch FROM expires_at - vault.clock())::float8 FROM vault.token WHERE secret_sha256 = $1",
        hashlib.sha256(session.secret).digest(),
    )  # fmt: skip
    return float(found)


def told(page: Page, when: str) -> Any:
    return page.locator(f"#session [data-when={when}]")


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_the_end_is_told_beforehand_and_one_press_puts_it_off(
    caller: Caller, chromium: Browser, scene: Scene, language: str
) -> None:
    say, session = WORDS[language], signed_in(caller, scene.code)
    with window(chromium, caller.service.url, language, session=session, bypass_csp=True) as (_, page):
        page.clock.install()
        page.goto(CORRECTION)
        expect(told(page, "calm")).to_be_visible()
        page.locator("#text").fill("kesken")
        page.clock.fast_forward("13:00")
        expect(told(page, "soon")).to_be_visible()
        expect(told(page, "calm")).to_be_hidden()
        expect(page.locator("#session-said")).to_have_text(told(page, "soon").inner_text())
        assert faults_of(page, "light") + faults_of(page, "dark") == []
        ends_in(caller, session, 60)
        page.get_by_role("button", name=say("Stay signed in")).click()
        expect(told(page, "calm")).to_be_visible()
        expect(page.locator("#text")).to_have_value("kesken")
        assert left_s(caller, session) > 800
        page.clock.fast_forward("11:00")
        expect(told(page, "calm")).to_be_visible()


def test_when_it_has_ended_nothing_is_shown_any_more_and_what_was_written_stays(
    caller: Caller, chromium: Browser, scene: Scene
) -> None:
    session = signed_in(caller, scene.code)
    with window(chromium, caller.service.url, "en", session=session) as (context, page):
        page.clock.install()
        page.goto("/my/documents")
        writing = context.new_page()
        writing.clock.install()
        writing.goto(CORRECTION)
        writing.locator("#text").fill("the day is wrong")
        ends_in(caller, session, -1)
        writing.clock.fast_forward("16:00")
        expect(told(writing, "over")).to_be_visible()
        expect(writing.locator("#text")).to_have_value("the day is wrong")
        page.clock.fast_forward("16:00")
        expect(page.get_by_role("heading", level=1)).to_have_text("Please sign in")
        assert "⟦Palaute⟧" not in page.content()


def test_another_window_that_is_used_puts_the_end_off_in_all(caller: Caller, chromium: Browser, scene: Scene) -> None:
    with window(chromium, caller.service.url, "en", session=signed_in(caller, scene.code)) as (context, page):
        page.clock.install()
        page.goto("/my/language")
        page.clock.fast_forward("13:00")
        expect(told(page, "soon")).to_be_visible()
        context.new_page().goto("/my/log")
        expect(told(page, "calm")).to_be_visible()


def test_another_person_in_the_same_browser_says_nothing_of_this_ones_end(
    caller: Caller, chromium: Browser, scene: Scene
) -> None:
    who, other = signed_in(caller, scene.code), signed_in(caller, None, "another")
    with window(chromium, caller.service.url, "en", session=who) as (context, page):
        page.clock.install()
        page.goto(CORRECTION)
        page.locator("#text").fill("the day is wrong")
        page.clock.fast_forward("13:00")
        expect(told(page, "soon")).to_be_visible()
        page.evaluate(
            "() => { window.heard = []; new BroadcastChannel('vault-session').onmessage = (e) => window.heard.push(e.data); }"
        )
        context.add_cookies([{"name": "vault", "value": encode_secret(other.secret), "url": caller.service.url}])
        context.new_page().goto("/my/language")
        page.wait_for_function("window.heard.length === 1")
        assert encode_secret(other.secret) not in str(page.evaluate("window.heard"))
        expect(told(page, "soon")).to_be_visible()
        page.get_by_role("button", name="Stay signed in").click()
        expect(told(page, "over")).to_be_visible()
        expect(page.locator("#text")).to_have_value("the day is wrong")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_a_form_survives_the_end_of_its_session(caller: Caller, chromium: Browser, scene: Scene, scripts: bool) -> None:
    session = signed_in(caller, scene.code)
    how: dict[str, Any] = {"size": PHONE, "java_script_enabled": scripts}
    with window(chromium, caller.service.url, "en", session=session, **how) as (context, page):
        page.goto(CORRECTION)
        page.locator("#text").fill("the day is wrong")
        ends_in(caller, session, -1)
        page.locator("main form button[type=submit]").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Please send this again")
        again = encode_secret(signed_in(caller, scene.code).secret)
        context.add_cookies([{"name": "vault", "value": again, "url": caller.service.url}])
        page.get_by_role("button", name="Send", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Please send this again")
        page.get_by_role("button", name="Send", exact=True).click()
        expect(page.locator("main")).to_contain_text("the day is wrong")
        expect(page).to_have_url(f"{caller.service.url}/my/requests/" + page.url.rpartition("/")[2])


def test_without_scripts_the_press_opens_a_window_of_its_own(caller: Caller, chromium: Browser, scene: Scene) -> None:
    session = signed_in(caller, scene.code)
    with window(chromium, caller.service.url, "sv", session=session, java_script_enabled=False) as (context, page):
        page.goto(CORRECTION)
        page.locator("#text").fill("fel dag")
        ends_in(caller, session, 60)
        with context.expect_page() as opened:
            page.get_by_role("button", name=WORDS["sv"]("Stay signed in")).click()
        expect(opened.value.get_by_role("heading", level=1)).to_have_text(WORDS["sv"]("You stay signed in"))
        expect(page.locator("#text")).to_have_value("fel dag")
        assert left_s(caller, session) > 800


def test_at_the_last_end_a_person_identifies_again_in_a_new_window_and_sends_what_was_written(
    caller: Caller, chromium: Browser
) -> None:
    say = WORDS["sv"]
    who, code, born = newcomer()
    make_scene(caller, code, born)
    with window(chromium, caller.service.url, "sv") as (context, page):
        sign_in(page, who)
        last = "UPDATE vault.session SET ends_at = vault.clock() + interval '2 minutes' WHERE ends_at > vault.clock()"
        aside(caller.service.sql, last)
        aside(caller.service.sql, "UPDATE vault.token SET expires_at = vault.clock() + interval '2 minutes' WHERE actor = 'client' AND expires_at > vault.clock()")  # fmt: skip
        page.goto(CORRECTION)
        page.locator("#text").fill("fel dag")
        expect(told(page, "soon")).to_be_visible()
        expect(page.get_by_role("button", name=say("Stay signed in"))).to_have_count(0)
        with context.expect_page() as opened:
            page.get_by_role("link", name=say("Identify yourself again in a new window")).click()
        opened.value.get_by_role("button", name=who, exact=True).click()
        opened.value.wait_for_url("**/my")
        page.get_by_role("button", name=say("Send the request")).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(say("Please send this again"))
        page.get_by_role("button", name=say("Send"), exact=True).click()
        expect(page.locator("main")).to_contain_text("fel dag")
        page.wait_for_url("**/my/requests/*")
