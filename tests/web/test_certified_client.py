"""A certified OAuth client, `openid-client`, at the running service: discovery, tokens, DPoP with nonces, reading, revocation."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.caller import KELA, PLANNING, Caller, permit
from tests.support.provider import NODE
from tests.support.signing import ED, P256, RSA, private_jwk, public_jwk

CLIENT_ID = "kela-app-dpop"
BOUND = ["dpop", 300]


def own_key(caller: Caller, alg: str) -> Mapping[str, Any]:
    """The application's key of that algorithm; another than its own is registered first."""
    [own] = [one.private_jwk for one in caller.agency("kela").applications if one.client_id == CLIENT_ID]
    if {"OKP": "EdDSA", "EC": "ES256"}[own["kty"]] == alg:
        return own
    key, kid = {"EdDSA": ED, "ES256": P256, "PS256": RSA}[alg], f"kid-{alg}"
    caller.service.operate(lambda registry: registry.application_key(CLIENT_ID, public_jwk(key, kid=kid)))
    return private_jwk(key, kid=kid)


def a_days_work(caller: Caller, document: str, alg: str, ahead_s: int) -> dict[str, Any]:
    """What the client did and got. Raises: AssertionError with what it says, when it stopped."""
    _, person = caller.demo.find(KELA)
    setup = {
        "issuer": caller.demo.issuer, "client_id": CLIENT_ID, "private_jwk": own_key(caller, alg), "alg": alg, "ahead_s": ahead_s,
        "document": document, "grant": {"sub": KELA, "name": person.name, "role": person.role, "purpose": PLANNING},
        "question": {"document": document, "agency": "kela", "action": "read", "purpose": PLANNING},
    }  # fmt: skip
    node = shutil.which("node")
    assert node is not None
    done = subprocess.run(
        [node, "application.mjs"], cwd=NODE, input=json.dumps(setup), capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(("alg", "ahead_s"), [("EdDSA", 0), ("ES256", 4), ("PS256", -4)])
def test_a_certified_client_does_a_days_work(caller: Caller, alg: str, ahead_s: int) -> None:
    case = caller.open_case(members=["kela"])
    document = caller.file(case, content=b"for the holder of the key")
    caller.consent(case, [permit("kela")])
    told = a_days_work(caller, document, alg, ahead_s)
    assert told["answers"] == {
        "system": [*BOUND, 200],
        "person": BOUND,
        "paper": [200, "for the holder of the key"],
        "found": [200, "permit"],
        "another key": [401, "invalid_dpop_proof"],
        "no key": [401, "invalid_dpop_proof"],
        "no such purpose": [400, "invalid_grant"],
        "a client that is not known": [401, "invalid_client"],
        "revoked": [401, "invalid_token"],
        "the other token": 200,
    }
    # The client asked once without a nonce, was told one, and used it from then on; a handle that knew none was told too.
    token, content = ("POST", "/oauth/token"), ("GET", f"/v1/documents/{document}/content")
    made = [(method, path, status) for method, path, status, _ in told["requests"]]
    assert made[:9] == [
        ("GET", "/.well-known/oauth-authorization-server", 200), (*token, 400), (*token, 200), ("GET", "/v1/inbox", 200), (*token, 200),
        (*content, 200), ("POST", "/v1/decisions", 200), (*content, 401), (*content, 401),
    ]  # fmt: skip
    assert [told["requests"][asked][3] for asked in (1, 7, 8)] == [True, True, False]
    assert told["metadata"]["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert alg in told["metadata"]["dpop_signing_alg_values_supported"]
