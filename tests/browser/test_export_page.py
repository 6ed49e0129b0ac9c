"""The page of an export, in each language, from the disk and without a connection; in Finnish daily by a journey."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.scene import PHONE, Scene, aside, signed_in
from tests.browser.steps import opened_from_disk
from tests.exports.conftest import Scene as Exports
from tests.support.caller import Caller, must
from tests.support.sessions import browser


@pytest.mark.parametrize("language", ["sv", pytest.param("fi", marks=pytest.mark.long), "en"])
def test_p09_the_page_opens_from_disk_in_every_language(
    caller: Caller, chromium: Browser, scene: Scene, tmp_path: Path, language: str
) -> None:
    session = signed_in(caller, scene.code)
    with browser(caller.service, session) as http:
        export = must(http.post("/v1/me/exports", json={"language": language}), 202)["id"]
        told = aside(Exports(caller.service, caller).work)
        content = http.get(f"/v1/me/exports/{export}/content")
        assert content.status_code == 200, told
        (tmp_path / "package.zip").write_bytes(content.content)
        must(http.delete(f"/v1/me/exports/{export}"), 204)
    opened_from_disk(chromium, tmp_path / "package.zip", language, PHONE, scripts=True)
