"""The accessibility statement tells the times that the settings and the script keep, not times written by hand."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

from litestar import Litestar
from litestar.testing import TestClient

from vault.pages.about import WARNED_S, about_router
from vault.pages.shell import Shell
from vault.services.sessions import SessionTimes


class Nobody:
    """A gate at which nobody is signed in."""

    def secret(self, _: Any) -> None:
        return None


def test_the_statement_tells_how_long_a_session_lasts_as_it_is_set() -> None:
    app = Litestar([about_router(SessionTimes(idle_s=420, client_s=2700, staff_s=4 * 3600))], openapi_config=None)
    app.state.shell, app.state.sessions = Shell(secure=False), Nobody()
    with TestClient(app) as client:
        told = client.get("/accessibility", headers={"accept-language": "en"}).text
    assert re.findall(r"<dd>(\d+ (?:minute|hour)s?)</dd>", told) == ["7 minutes", "45 minutes", "4 hours", "3 minutes"]


def test_the_script_warns_when_the_statement_says() -> None:
    script = (files("vault.pages") / "static" / "session.js").read_text("utf-8")
    assert f"WARN_MS = {WARNED_S // 60} * 60 * 1000;" in script
