"""A client's journey in a real Chromium: in each language, on a phone and a desk, with scripts and without."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PEOPLE
from tests.browser.scene import DESKTOP, PHONE, Scene, make_scene, signed_in, window
from tests.support.caller import EMPLOYMENT, KELA, Caller
from vault.pages.texts import load_catalogues

WORDS = {language: catalogue.gettext for language, catalogue in load_catalogues().items()}
JOURNEYS = [
    ("fi", PHONE, True), ("sv", PHONE, True), ("en", PHONE, True), ("fi", DESKTOP, True), ("sv", DESKTOP, True),
    ("en", DESKTOP, True), ("fi", PHONE, False), ("en", DESKTOP, False),
]  # fmt: skip


def menu(page: Page, text: str) -> None:
    """Go on by the menu, which is folded on a phone."""
    if page.viewport_size is not None and page.viewport_size["width"] < 700:
        page.locator("details.menu-phone > summary").click()
    page.locator("nav:visible").get_by_role("link", name=text, exact=True).click()


@pytest.mark.parametrize("number", range(len(JOURNEYS)))
def test_p09_a_client_sees_decides_and_is_obeyed_at_once(caller: Caller, chromium: Browser, number: int) -> None:
    language, size, scripts = JOURNEYS[number]
    say = WORDS[language]
    code, born = PEOPLE[f"person-{number}"]
    scene = make_scene(caller, code, born)
    with window(chromium, caller.service.url, language, size=size, java_script_enabled=scripts) as (_, page):
        _sign_in(page, f"person-{number}")
        expect(page.get_by_role("heading", level=1)).to_have_text(say("Who can open my papers now"))
        _read(page, say)
        _who_looked(page, say, scene)
        _withdraw_one_clause(page, say, scene, caller)
        _pause_and_resume(page, say, scene, caller)
        page.get_by_role("button", name=say("Sign out")).click()
        page.goto("/my")
        expect(page.get_by_role("heading", level=1)).to_have_text(say("Please sign in"))


def _sign_in(page: Page, who: str) -> None:
    page.goto("/")
    page.locator("a[href^='/sign-in/to/suomi-fi']").click()
    page.get_by_role("button", name=who, exact=True).click()
    page.wait_for_url("**/my")


def _read(page: Page, say: Any) -> None:
    menu(page, say("My papers"))
    page.get_by_role("link", name="⟦Palaute⟧").click()
    page.get_by_role("link", name=say("Read"), exact=True).click()
    expect(page.locator("body")).to_contain_text("Kuntoutus on edennyt.")
    page.goto("/my")


def _who_looked(page: Page, say: Any, scene: Scene) -> None:
    menu(page, say("Who has looked"))
    clause = say("Clause %(number)s of your consent") % {"number": 2}
    opened = page.locator(".timeline > .event", has=page.locator(f"a[href='/my/documents/{scene.feedback}']")).first
    expect(opened.get_by_role("link", name=clause)).to_be_visible()
    denied = page.locator("details.more").first
    expect(denied.locator(".event").first).not_to_be_visible()


def _withdraw_one_clause(page: Page, say: Any, scene: Scene, caller: Caller) -> None:
    assert caller.by(KELA).read(scene.feedback).status_code == 200
    menu(page, say("My consents"))
    page.locator(f"a[href='/my/consents/{scene.consent}']").click()
    page.locator("a[href$='withdraw?clause=2']").click()
    expect(page.locator("main .card").first).to_be_visible()
    assert caller.by(KELA).read(scene.feedback).status_code == 200, "nothing has happened yet"
    page.locator("main form button.danger").click()
    expect(page.get_by_role("status")).to_contain_text(
        say("You have withdrawn the clause. It opens nothing to anybody any more.")
    )
    assert caller.by(KELA).read(scene.feedback).status_code == 403


def _pause_and_resume(page: Page, say: Any, scene: Scene, caller: Caller) -> None:
    employment = caller.by(EMPLOYMENT, "employment-support")
    assert employment.read(scene.plan).status_code == 200
    menu(page, say("Who can open my papers"))
    page.get_by_role("button", name=say("Pause everything")).click()
    expect(page.get_by_role("button", name=say("End the pause"))).to_be_visible()
    assert employment.read(scene.plan).status_code == 403
    page.get_by_role("button", name=say("End the pause")).click()
    expect(page.get_by_role("button", name=say("Pause everything"))).to_be_visible()
    assert employment.read(scene.plan).status_code == 200


def test_the_back_button_after_signing_out_shows_nothing(caller: Caller, chromium: Browser, scene: Scene) -> None:
    with window(chromium, caller.service.url, "fi", session=signed_in(caller, scene.code)) as (_, page):
        page.goto("/my/documents")
        expect(page.locator("main")).to_contain_text("⟦Palaute⟧")
        page.get_by_role("button", name=WORDS["fi"]("Sign out")).click()
        page.wait_for_url("**/sign-out")
        page.go_back()
        expect(page.get_by_role("heading", level=1)).to_have_text(WORDS["fi"]("Please sign in"))
        assert "⟦Palaute⟧" not in page.content()


def test_a_form_of_one_person_does_nothing_in_the_session_of_another(
    caller: Caller, chromium: Browser, scene: Scene
) -> None:
    first, other = signed_in(caller, scene.code), make_scene(caller)
    with window(chromium, caller.service.url, "en", session=first) as (context, page):
        page.goto("/my")
        from vault.web.session import encode_secret

        second = encode_secret(signed_in(caller, other.code).secret)
        context.add_cookies([{"name": "vault", "value": second, "url": caller.service.url}])
        page.get_by_role("button", name="Pause everything").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Please send this again")
        assert caller.by(KELA).read(other.feedback).status_code == 200
        assert caller.by(KELA).read(scene.feedback).status_code == 200


def test_a_hostile_file_name_is_text_and_its_content_is_only_saved(
    caller: Caller, chromium: Browser, scene: Scene
) -> None:
    said: list[str] = []
    with window(chromium, caller.service.url, "en", session=signed_in(caller, scene.code)) as (_, page):
        page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        page.goto(f"/my/documents/{scene.hostile}")
        expect(page.locator("main")).to_contain_text("<script>alert(1)</script>")
        with page.expect_download() as saved:
            page.get_by_role("link", name=re.compile("Download")).click()
        assert "/" not in saved.value.suggested_filename
        assert page.get_by_role("link", name="Read", exact=True).count() == 0
    assert said == []


def test_pages_are_small_and_ask_nobody_else(caller: Caller, chromium: Browser, scene: Scene) -> None:
    with window(chromium, caller.service.url, "fi", session=signed_in(caller, scene.code)) as (_, page):
        for path in ("/my", "/my/log", "/my/documents", f"/my/consents/{scene.consent}"):
            sizes: list[int] = []
            page.on("response", lambda answer, sizes=sizes: sizes.append(len(answer.body())))
            page.on(
                "request", lambda asked: None if asked.url.startswith(caller.service.url) else pytest.fail(asked.url)
            )
            page.goto(path, wait_until="networkidle")
            assert 0 < sum(sizes) <= 150_000, path
            # 400 % zoom of a desktop is a window of 320 pixels: nothing runs out of it.
            page.set_viewport_size({"width": 320, "height": 600})
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
