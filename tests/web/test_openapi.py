"""What the OpenAPI document says is what the service does: schemathesis asks whatever the document allows, and what it does not.

With a coordinator's token, with a client's session, and with neither: no 5xx, no status, media type, header field or body
that the document does not know, no route that forgets to ask who is there.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.caller import Caller, personal_code
from tests.support.sessions import client_session
from vault.web.session import encode_secret

PROGRAM = Path(sys.executable).with_name("schemathesis")
SEED = 20260302


def schemathesis(caller: Caller, folder: Path, *options: str) -> str:
    """What it says of one run. Raises: AssertionError with it, when anything was found."""
    command = [
        str(PROGRAM), "run", f"{caller.service.url}/schema/openapi.json", "--warnings=off", f"--seed={SEED}", "--no-color",
        # Days, codes and identity codes are wrong in ways that no schema tells: right by the schema is not accepted by the rules.
        "--exclude-checks=positive_data_acceptance", *options,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Traceback" not in caller.service.log()
    return done.stdout


def asked(told: str) -> int:
    found = re.search(r"(\d+) generated", told)
    assert found, told
    return int(found.group(1))


def token(caller: Caller) -> str:
    return f"--header=Authorization: Bearer {caller.coordinator.token}"


def cookie(caller: Caller) -> str:
    code, born = personal_code()
    caller.open_case(personal_identity_code=code, born=born)
    return f"--header=Cookie: vault={encode_secret(client_session(caller.service, code).secret)}"


def test_an_agency_gets_only_documented_answers(caller: Caller, tmp_path: Path) -> None:
    agencies = "--exclude-path-regex=^/v1/me"
    told = schemathesis(caller, tmp_path, token(caller), agencies, "--phases=coverage,stateful", "--max-examples=3")
    assert asked(told) > 500


def test_a_client_gets_only_documented_answers(caller: Caller, tmp_path: Path) -> None:
    own = "--include-path-regex=^/v1/me"
    # The cookie stands in a header of its own making here; who is asked for a session is looked at in test_every_route.
    unseen = "--exclude-checks=positive_data_acceptance,ignored_auth,negative_data_rejection"
    told = schemathesis(caller, tmp_path, cookie(caller), own, unseen, "--phases=coverage,stateful", "--max-examples=3")
    assert asked(told) > 200


def test_nobody_gets_only_documented_answers(caller: Caller, tmp_path: Path) -> None:
    told = schemathesis(caller, tmp_path, "--mode=positive", "--phases=coverage,stateful", "--max-examples=3")
    assert asked(told) > 100


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("who", ["agency", "client", "nobody"])
def test_long_runs_find_nothing_either(caller: Caller, tmp_path: Path, who: str) -> None:
    credentials = {"agency": [token], "client": [cookie], "nobody": []}[who]
    given = [one(caller) for one in credentials]
    told = schemathesis(caller, tmp_path, *given, "--phases=fuzzing,stateful", "--max-examples=100", "--max-time=200")
    assert asked(told) > 2000
