"""Every route asked by every kind of person and by a system: refused or answered, and nothing breaks."""

from __future__ import annotations

import pytest

from tests.support.caller import COORDINATOR, PHYSICIAN, Caller
from tests.web.test_every_route import GUARDED, ids, send

__all__ = ["ids"]
OFFICER, ARCHIVIST, SECURITY = "pirha-1004", "pirha-1005", "pirha-1007"
ENDING = ("DELETE", "POST /v1/cases/{case:uuid}/close", "POST /v1/documents/{document:uuid}/misfiled", "POST /v1/documents/{document:uuid}/retract")  # fmt: skip


@pytest.mark.parametrize("who", [OFFICER, ARCHIVIST, SECURITY, PHYSICIAN, "pirha", COORDINATOR])
def test_no_role_breaks_a_route(caller: Caller, ids: dict[str, str], who: str) -> None:
    acting = caller.system(who) if who == "pirha" else caller.by(who)
    routes = sorted(GUARDED, key=lambda route: route.startswith(ENDING))
    answers = {route: send(acting, route, ids) for route in routes}
    assert {route: answer.text for route, answer in answers.items() if answer.status_code >= 500} == {}
    refused = [answer for answer in answers.values() if answer.status_code >= 400]
    assert all(answer.headers["content-type"] == "application/problem+json" for answer in refused)


def test_who_may_not_open_a_case_is_refused_and_logged(caller: Caller, ids: dict[str, str]) -> None:
    for who in (OFFICER, ARCHIVIST, PHYSICIAN):
        answer = send(caller.by(who), "POST /v1/cases", ids)
        assert (answer.status_code, answer.json()["reasons"]) == (403, ["recipient-not-covered"])
        entry = answer.headers["vault-log-entry"].partition(";")[0]
        assert (
            caller.service.one("SELECT act || ' ' || decision FROM vault.entry WHERE id = $1", entry)
            == "case-open deny"
        )
