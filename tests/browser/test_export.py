"""A client takes everything home: ordered, fetched, and opened from the disk without a connection."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.scene import DESKTOP, PHONE, Scene, aside, signed_in, window
from tests.browser.test_accessibility import faults_of
from tests.browser.test_journeys import WORDS
from tests.exports.conftest import Scene as Exports
from tests.support.caller import Caller


@pytest.mark.parametrize(
    ("language", "size", "scripts"),
    [
        ("fi", PHONE, True),
        pytest.param("sv", DESKTOP, True, marks=pytest.mark.long),
        pytest.param("en", DESKTOP, False, marks=pytest.mark.long),
    ],
)
def test_p09_a_client_orders_fetches_and_opens_the_export_from_disk(
    caller: Caller, chromium: Browser, scene: Scene, tmp_path: Path, language: str, size: Any, scripts: bool
) -> None:
    say, session = WORDS[language], signed_in(caller, scene.code)
    how: dict[str, Any] = {"session": session, "size": size, "java_script_enabled": scripts, "bypass_csp": True}
    with window(chromium, caller.service.url, language, **how) as (_, page):
        page.goto("/my/exports")
        page.get_by_role("button", name=say("Order the package")).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(say("Your package"))
        found = faults_of(page, "light") if scripts else []
        told = aside(Exports(caller.service, caller).work)
        page.reload()
        fetch = page.get_by_role("link", name=say("Download the package"))
        expect(fetch, str(told)).to_be_visible()
        found += faults_of(page, "light") + faults_of(page, "dark") if scripts else []
        with page.expect_download() as saved:
            fetch.click()
        saved.value.save_as(tmp_path / "package.zip")
        page.goto(page.url + "/remove")
        found += faults_of(page, "dark") if scripts else []
        page.locator("main form button").click()
        expect(page.get_by_role("link", name=say("Download the package"))).to_have_count(0)
    with zipfile.ZipFile(tmp_path / "package.zip") as package:
        assert package.testzip() is None
        assert not any("<" in name or "\u202e" in name or name.startswith("/") for name in package.namelist())
        package.extractall(tmp_path / "home")
    index = next((tmp_path / "home").rglob("index.html"))
    assert found + _opened_from_disk(chromium, index, language, size, scripts) == []


def _opened_from_disk(chromium: Browser, index: Path, language: str, size: Any, scripts: bool) -> list[str]:
    """What axe finds on the page, which asks for nothing but itself and runs no script of a file's name."""
    asked: list[str] = []
    context = chromium.new_context(viewport=size, java_script_enabled=scripts, bypass_csp=True, offline=True)
    try:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: asked.append(dialog.message))
        page.goto(index.as_uri())
        expect(page.locator("html")).to_have_attribute("lang", language)
        expect(page.locator("body")).to_contain_text("⟦Palaute⟧")
        expect(page.locator("body")).to_contain_text("⟦Suunnitelma⟧")
        assert asked == [index.as_uri()]
        if not scripts:
            return []
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        return faults_of(page, "light") + faults_of(page, "dark")
    finally:
        context.close()
