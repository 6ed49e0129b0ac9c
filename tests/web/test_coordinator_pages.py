"""The coordinator's pages: their cases, who takes part, and the log without the client's own reading."""

from __future__ import annotations

import re
import uuid

from tests.support.sessions import browser, staff_session
from tests.web.scene import Scene

HOME = "/desk/coordinator"


def test_a_coordinator_sees_their_case_and_its_log(scene: Scene) -> None:
    service = scene.caller.service
    with browser(service, staff_session(service, "pirha-1001", "coordinator", language="en")) as desk:
        listed = desk.get(HOME)
        assert listed.status_code == 200
        assert listed.headers["cache-control"] == "no-store"
        case = desk.get(f"{HOME}/cases/{scene.case}")
        assert (case.status_code, "Who takes part" in case.text) == (200, True)
        assert "Insurance secretary" in case.text
        assert "<strong>kela</strong>" not in case.text  # by its name, not by its id
        for _ in range(2):
            scene.caller.coordinator.get(f"/v1/cases/{scene.case}/documents")
        log = desk.get(f"{HOME}/cases/{scene.case}/log")
        assert re.search(r"<summary>\d+ times</summary>", log.text)  # what was only looked at is one line
        assert (log.status_code, "Recorded a consent" in log.text) == (200, True)
        assert desk.get(f"{HOME}/cases/{uuid.uuid4()}").status_code == 404


def test_p01_nobody_else_sees_a_coordinators_pages(scene: Scene) -> None:
    service = scene.caller.service
    with browser(service) as nobody:
        assert nobody.get(f"{HOME}/cases/{scene.case}").status_code in (303, 401)
    with browser(service, staff_session(service, "pirha-1005", "archivist")) as archivist:
        assert archivist.get(f"{HOME}/cases/{scene.case}").status_code == 404
        assert archivist.get(f"{HOME}/cases/{scene.case}/log").status_code == 404
