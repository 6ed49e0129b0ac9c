"""axe-core finds nothing on any page, in both themes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.scene import DESKTOP, PHONE, Scene, signed_in, staff, window
from tests.support.caller import Caller, personal_code

AXE = Path(__file__).parents[1] / "node/node_modules/axe-core/axe.min.js"
RUN = """async () => (await axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}))
    .violations.map(v => `${v.id}: ${v.nodes.map(n => n.target.join(" ")).join(", ")}`)"""

ANYBODY = ["/", "/sign-in/staff", "/about", "/accessibility", "/feedback", "/nothing-here"]
STAFF = [("pirha-1001", "coordinator", "/desk/coordinator"), ("pirha-1004", "records-officer", "/desk/records"),
         ("pirha-1005", "archivist", "/desk/archive")]  # fmt: skip


def mine(scene: Scene) -> list[str]:
    """Every page of the client's that a link leads to."""
    consent = f"/my/consents/{scene.consent}"
    papers = [f"/my/documents/{one}" for one in (scene.feedback, scene.waiting, scene.hostile)]
    asks = [f"/my/requests/new?kind={kind}" for kind in ("correction", "log-names", "log-older", "feedback")]
    return [
        "/my", "/my/log", "/my/log?show=own", "/my/cases", "/my/documents", *papers, "/my/consents", consent,
        f"{consent}/withdraw", f"{consent}/withdraw?clause=2", "/my/prohibitions", "/my/prohibitions/new", "/my/requests",
        *asks, "/my/representatives", "/my/representatives/new", "/my/language", "/my/exports", "/sign-in/act-for",
    ]  # fmt: skip


def faults_of(page: Page, theme: Any) -> list[str]:
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    page.evaluate(AXE.read_text("utf-8"))
    return [f"{theme} {page.url.partition('127.0.0.1')[2]}: {one}" for one in page.evaluate(RUN)]


def look(caller: Caller, chromium: Browser, scene: Scene, language: str, size: Any) -> list[str]:
    found: list[str] = []
    url = caller.service.url

    def visit(session: Any, paths: list[str]) -> None:
        with window(chromium, url, language, session=session, size=size, bypass_csp=True) as (_, page):
            for path in paths:
                answer = page.goto(path)
                assert answer is not None
                assert answer.status in (200, 404), f"{path}: {answer.status}"
                for theme in ("light", "dark"):
                    found.extend(faults_of(page, theme))
            if session is not None and paths[0] == "/my":
                found.extend(_states(page))

    visit(None, ANYBODY)
    visit(signed_in(caller, scene.code), mine(scene))
    visit(signed_in(caller, personal_code()[0], "nobody"), ["/my"])
    for subject, role, path in STAFF:
        more = [f"{path}/cases/{scene.case}", f"{path}/cases/{scene.case}/log"] if role == "coordinator" else []
        visit(staff(caller, subject, role), [path, *more])
    return found


def _states(page: Page) -> list[str]:
    """What shows only after a press: a form with faults, the pause, an unfolded menu and log."""
    found: list[str] = []
    page.goto("/my/prohibitions/new")
    page.locator("main button[type=submit]").click()
    assert page.locator("#error-summary").is_visible()
    found += faults_of(page, "light") + faults_of(page, "dark")
    page.locator("#error-summary a").first.click()
    assert page.evaluate("document.activeElement.id") == "who"
    page.locator("#who").check()
    page.locator("main button[type=submit]").click()
    found += faults_of(page, "light")
    page.locator("#what").check()
    page.locator("main button[type=submit]").click()
    found += faults_of(page, "light")
    page.goto("/my/log")
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    return found + faults_of(page, "light") + faults_of(page, "dark")


def test_axe_finds_nothing_in_either_theme(caller: Caller, chromium: Browser, scene: Scene) -> None:
    assert look(caller, chromium, scene, "fi", PHONE) == []


@pytest.mark.long
@pytest.mark.parametrize("language", ["fi", "sv", "en"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_axe_finds_nothing_in_any_language_at_any_width(
    caller: Caller, chromium: Browser, scene: Scene, language: str, size: Any
) -> None:
    assert look(caller, chromium, scene, language, size) == []


def test_the_keyboard_alone_reaches_the_content_and_shows_where_it_is(
    caller: Caller, chromium: Browser, scene: Scene
) -> None:
    with window(chromium, caller.service.url, "fi", session=signed_in(caller, scene.code), size=DESKTOP) as (_, page):
        page.goto("/my")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        small = page.evaluate(
            "[...document.querySelectorAll('button, .menu-wide a, .choices a, .languages a')].filter(e => e.offsetParent)"
            ".filter(e => e.getBoundingClientRect().height < 24).map(e => e.textContent)"
        )
        assert small == []
