"""What people do in the journeys, by the roles and names of what they press; and in which ways each journey is gone."""

from __future__ import annotations

import itertools
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.scene import DESKTOP, PHONE
from tests.browser.walk import faults_of
from vault.pages.texts import load_catalogues

WORDS = {language: catalogue.gettext for language, catalogue in load_catalogues().items()}
SIZES = {"phone": PHONE, "desktop": DESKTOP}


def ways(*daily: str) -> Any:
    """Each language at each width, with scripts and without; what is not named here (``fi-phone-scripts``) is long."""
    found = []
    for language, size, scripts in itertools.product(WORDS, SIZES, ("scripts", "plain")):
        name = f"{language}-{size}-{scripts}"
        marks = () if name in daily else (pytest.mark.long,)
        found.append(pytest.param(language, SIZES[size], scripts == "scripts", id=name, marks=marks))
    assert set(daily) <= {one.id for one in found}
    return pytest.mark.parametrize(("language", "size", "scripts"), found)


def sign_in(page: Page, who: str) -> None:
    """A client, at the certified provider."""
    page.goto("/")
    page.locator("a[href^='/sign-in/to/suomi-fi']").click()
    page.get_by_role("button", name=who, exact=True).click()
    page.wait_for_url("**/my")


def sign_in_at_work(page: Page, who: str, say: Any) -> None:
    """A professional, at their agency's own provider."""
    page.goto("/")
    page.get_by_role("link", name=re.compile(re.escape(say("Sign in as a professional")))).click()
    page.locator("a[href^='/sign-in/to/pirha']").click()
    page.get_by_role("button", name=who, exact=True).click()
    page.wait_for_url("**/desk/**")


def menu(page: Page, text: str) -> None:
    """Go on by the menu, which is folded on a phone."""
    if page.viewport_size is not None and page.viewport_size["width"] < 700:
        page.locator("details.menu-phone > summary").click()
    page.locator("nav:visible").get_by_role("link", name=text, exact=True).click()


def said(page: Page, text: str) -> None:
    """What the page tells after a press."""
    expect(page.get_by_role("status")).to_contain_text(text)


def opened_from_disk(chromium: Browser, package: Path, language: str, size: Any, *, scripts: bool) -> None:
    """The package's page asks for nothing but itself, runs no file's name, and shows what is kept; axe finds nothing."""
    with zipfile.ZipFile(package) as opened:
        assert opened.testzip() is None
        assert not any("<" in name or "\u202e" in name or name.startswith("/") for name in opened.namelist())
        opened.extractall(package.parent / "home")
    index = next((package.parent / "home").rglob("index.html"))
    asked: list[str] = []
    failed: list[str] = []
    context = chromium.new_context(viewport=size, java_script_enabled=scripts, bypass_csp=True, offline=True)
    try:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("requestfailed", lambda request: failed.append(request.url))
        page.on("dialog", lambda dialog: asked.append(dialog.message))
        page.goto(index.as_uri())
        expect(page.locator("html")).to_have_attribute("lang", language)
        expect(page.locator("body")).to_contain_text("⟦Palaute⟧")
        expect(page.locator("body")).to_contain_text("⟦Suunnitelma⟧")
        assert asked == [index.as_uri()]
        if scripts:
            page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
            assert faults_of(page, "light") + faults_of(page, "dark") == []
        # The contents lead to the paper, and the paper's name opens what was filed.
        page.locator("nav a[href='#papers']").click()
        paper = page.locator("#papers ~ .card").get_by_role("link", name=re.compile("⟦Palaute⟧"))
        expect(paper).to_be_in_viewport()
        paper.click()
        expect(page.locator("body")).to_have_text("Kuntoutus on edennyt.")
        assert [request for request in asked if not request.startswith(index.parent.as_uri())] == []
        assert failed == []
    finally:
        context.close()
