"""What the OpenAPI document says is what the service does, to an agency's professionals.

No 5xx, no status, media type, header field or body that the document does not know, no route that forgets to ask who is there.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.caller import ANY, Caller, must, paper, permit
from tests.support.contract import COVERAGE, fuzzing, schemathesis, stateful

AGENCIES = "--exclude-path-regex=^/v1/me"
SPINE = "--include-path-regex=^/v1/(cases|clients|documents|consents|decisions|inbox|log)"
OFFICER, ARCHIVIST = "pirha-1004", "pirha-1005"

pytestmark = pytest.mark.timeout(400)  # a run is a whole tour of the surface


def token(caller: Caller, who: str | None = None) -> str:
    return f"--header=Authorization: Bearer {(caller.by(who) if who else caller.coordinator).token}"


@pytest.fixture(scope="module")
def ids(caller: Caller) -> dict[str, str]:
    """One of each thing that a coordinator has: what is filed, what awaits its content, a notice in the inbox."""
    case = caller.open_case(members=["kela"])
    document = caller.file(case)
    consent = caller.consent(case, [permit("pirha", documents=ANY), permit("kela")])
    caller.withdraw(caller.consent(case, [permit("kela")]))
    view = must(caller.coordinator.get(f"/v1/cases/{case}"))
    waiting = must(caller.coordinator.post(f"/v1/cases/{case}/documents", paper()))["id"]
    hold = must(caller.coordinator.post(f"/v1/cases/{case}/holds", {"reason": "odottaa"}))["id"]
    return {
        "case": case, "document": document, "consent": consent, "client": view["client"]["id"], "member": view["members"][1]["id"],
        "hold": hold, "waiting": waiting,
    }  # fmt: skip


def test_an_agency_gets_only_documented_answers(caller: Caller, tmp_path: Path) -> None:
    assert schemathesis(caller, tmp_path, token(caller), AGENCIES, *COVERAGE).requests > 1000


def test_whoever_follows_the_links_gets_only_documented_answers(
    caller: Caller, tmp_path: Path, ids: dict[str, str]
) -> None:
    told = schemathesis(caller, tmp_path, token(caller), SPINE, *stateful(30), ids=ids)
    assert told.links >= 5, told
    assert len(told.answered) >= 6, told


@pytest.mark.long
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("who", [None, OFFICER, ARCHIVIST])
def test_long_runs_find_nothing_either(caller: Caller, tmp_path: Path, ids: dict[str, str], who: str | None) -> None:
    told = schemathesis(caller, tmp_path, token(caller, who), AGENCIES, *fuzzing(100, 200), ids=ids, timeout_s=900)
    assert told.requests > 300
