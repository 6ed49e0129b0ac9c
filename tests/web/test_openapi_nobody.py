"""What the OpenAPI document says is what the service does, to somebody who has no token."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.caller import Caller
from tests.support.contract import fuzzing, schemathesis

KNOCKING = ("--mode=positive", "--phases=coverage,stateful", "--max-examples=10")

pytestmark = pytest.mark.timeout(400)  # a run is a whole tour of the surface


def test_nobody_gets_only_documented_answers(caller: Caller, tmp_path: Path) -> None:
    told = schemathesis(caller, tmp_path, *KNOCKING)
    assert told.requests > 300
    assert told.answered <= {
        "GET /.well-known/oauth-authorization-server", "GET /oauth/jwks", "GET /sign-in/keys", "GET /health/live", "GET /health/ready",
        "GET /v1/log/checkpoint", "GET /v1/log/tile/{tile}", "GET /v1/log/proof/{entry}",
    }  # fmt: skip


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_a_long_run_finds_nothing_either(caller: Caller, tmp_path: Path) -> None:
    assert schemathesis(caller, tmp_path, *fuzzing(100, 200), timeout_s=900).requests > 300
