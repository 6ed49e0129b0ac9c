"""A client's journey in a real Chromium: in each language, on a phone and a desk, with scripts and without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import newcomer
from tests.browser.scene import Scene, aside, make_scene, window
from tests.browser.steps import WORDS, menu, opened_from_disk, said, sign_in, ways
from tests.exports.conftest import Scene as Exports
from tests.support.caller import EMPLOYMENT, KELA, Caller


@ways("fi-phone-scripts", "sv-desktop-scripts", "en-phone-plain", "fi-desktop-plain")
def test_p09_a_client_sees_decides_is_obeyed_at_once_and_takes_everything_home(
    caller: Caller, chromium: Browser, tmp_path: Path, language: str, size: Any, scripts: bool
) -> None:
    say = WORDS[language]
    who, code, born = newcomer()
    scene = make_scene(caller, code, born)
    with window(chromium, caller.service.url, language, size=size, java_script_enabled=scripts) as (_, page):
        sign_in(page, who)
        expect(page.get_by_role("heading", level=1)).to_have_text(say("Who can open my papers now"))
        _read(page, say)
        _who_looked(page, say, scene)
        _withdraw_one_clause(page, say, scene, caller)
        _pause_and_resume(page, say, scene, caller)
        _take_home(page, say, caller, tmp_path / "package.zip", scripts=scripts)
        page.get_by_role("button", name=say("Sign out")).click()
        page.goto("/my")
        expect(page.get_by_role("heading", level=1)).to_have_text(say("Please sign in"))
    opened_from_disk(chromium, tmp_path / "package.zip", language, size, scripts=scripts)


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
    expect(page.locator("main form button.danger")).to_be_visible()
    assert caller.by(KELA).read(scene.feedback).status_code == 200, "nothing has happened yet"
    page.locator("main form button.danger").click()
    said(page, say("You have withdrawn the clause. It opens nothing to anybody any more."))
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


def _take_home(page: Page, say: Any, caller: Caller, package: Path, *, scripts: bool) -> None:
    menu(page, say("Take everything home"))
    page.get_by_role("button", name=say("Order the package")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(say("Your package"))
    told = aside(Exports(caller.service, caller).work)
    if not scripts:
        page.get_by_role("link", name=say("Show the latest")).click()
    fetch = page.get_by_role("link", name=say("Download the package"))
    expect(fetch, str(told)).to_be_visible()
    with page.expect_download() as saved:
        fetch.click()
    saved.value.save_as(package)
