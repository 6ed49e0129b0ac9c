"""What the OpenAPI document says is what the service does, to a client in their own session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.caller import Caller, permit, personal_code
from tests.support.contract import COVERAGE, UNSAID, fuzzing, schemathesis, stateful
from tests.support.sessions import client_session
from vault.web.session import encode_secret

OWN = "--include-path-regex=^/v1/me"
# The cookie stands in a header of its own making here; who is asked for a session is looked at in test_every_route.
UNSEEN = f"{UNSAID},ignored_auth,negative_data_rejection"

pytestmark = pytest.mark.timeout(400)  # a run is a whole tour of the surface


def signed_in(caller: Caller) -> tuple[str, dict[str, str]]:
    """A new client's cookie, and one of each thing that they have."""
    code, born = personal_code()
    case = caller.open_case(personal_identity_code=code, born=born, members=["kela"])
    document, consent = caller.file(case), caller.consent(case, [permit("kela")])
    cookie = f"--header=Cookie: vault={encode_secret(client_session(caller.service, code).secret)}"
    return cookie, {"case": case, "document": document, "consent": consent}


def test_a_client_gets_only_documented_answers(caller: Caller, tmp_path: Path) -> None:
    cookie, _ = signed_in(caller)
    assert schemathesis(caller, tmp_path, cookie, OWN, *COVERAGE, unseen=UNSEEN).requests > 300


def test_a_client_who_follows_the_links_gets_only_documented_answers(caller: Caller, tmp_path: Path) -> None:
    cookie, ids = signed_in(caller)
    told = schemathesis(caller, tmp_path, cookie, OWN, *stateful(30), ids=ids, unseen=UNSEEN)
    assert told.links >= 5, told
    assert len(told.answered) >= 6, told


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_a_long_run_finds_nothing_either(caller: Caller, tmp_path: Path) -> None:
    cookie, ids = signed_in(caller)
    told = schemathesis(caller, tmp_path, cookie, OWN, *fuzzing(100, 200), ids=ids, unseen=UNSEEN, timeout_s=900)
    assert told.requests > 300
