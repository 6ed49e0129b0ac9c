"""The token and revocation endpoints through HTTP: successes, forms, replays, what the register answers."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from authlib.oauth2.rfc6749 import errors as rfc6749
from litestar import Litestar
from litestar.testing import TestClient

from tests.support.signing import ED, OTHER_ED, P256, public_jwk
from tests.unit.oauth import world as w
from tests.unit.oauth.world import NOW, World, claims, client_claims, client_fields, signed
from vault.errors import DatabaseUnavailable, SettingsWrong, TooMany
from vault.model import ActorKind
from vault.oauth.faults import Fault
from vault.oauth.routes import oauth_router
from vault.oauth.server import CLIENT_ASSERTION_TYPE, CLIENT_CREDENTIALS, JWT_BEARER, REFUSALS, OAuthParts
from vault.oauth.tokens import TokenVerifier
from vault.services.tokens import Jwk, RecordOutcome, assertion_context, name_context

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def test_a_professional_gets_a_token_that_is_recorded(world: World) -> None:
    compact = signed(claims(unit="kela/kuntoutus"))
    answer = world.grant(compact)
    body = answer.json()
    assert answer.status_code == 200
    assert set(body) == {"access_token", "token_type", "expires_in"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 300)
    assert answer.headers["cache-control"] == "no-store"
    token = TokenVerifier(world.parts.keys, w.ISSUER).verify_access_token(body["access_token"], NOW)
    (new,) = world.register.tokens
    assert new.secret_sha256 == hashlib.sha256(token.secret).digest()
    assert (new.kind, new.client_id, new.sub, new.role) == (
        ActorKind.PROFESSIONAL,
        w.CLIENT_ID,
        "kela-0042",
        w.PERSON["role"],
    )
    assert (new.unit, new.purpose, new.jkt) == ("kela/kuntoutus", w.PURPOSE, None)
    assert new.expires_at.timestamp() == NOW + 300 == token.exp
    assert world.keyring.sealed[assertion_context(new.assertion_digest)] == compact.encode()
    assert world.keyring.sealed[name_context("kela", "kela-0042")].decode() == w.PERSON["name"]


def test_a_system_gets_a_token_without_a_person(world: World) -> None:
    answer = world.client(signed(client_claims()))
    assert answer.status_code == 200
    token = TokenVerifier(world.parts.keys, w.ISSUER).verify_access_token(answer.json()["access_token"], NOW)
    assert (token.kind, token.sub, token.role, token.purpose) == (ActorKind.SYSTEM, w.CLIENT_ID, None, None)
    (new,) = world.register.tokens
    assert (new.kind, new.sub, new.role, new.sealed_name) == (ActorKind.SYSTEM, None, None, None)


def test_no_name_stands_in_the_token(world: World) -> None:
    jwt = world.grant(signed(claims())).json()["access_token"]
    payload = world.parts.keys.verify(jwt)
    assert b"Testi" not in payload
    assert "name" not in json.loads(payload)


def test_a_jti_works_once(world: World) -> None:
    compact = signed(claims(jti="once"))
    assert world.grant(compact).status_code == 200
    for again in (compact, signed(claims(jti="once", role="physician")), signed(claims(jti="once"), P256)):
        answer = world.grant(again)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
        assert "used before" in answer.json()["error_description"]
    assert len(world.register.tokens) == 1


def test_a_jti_is_one_across_both_kinds_of_assertion(world: World) -> None:
    assert world.client(signed(client_claims(jti="once"))).status_code == 200
    assert world.grant(signed(claims(jti="once"))).json()["error"] == "invalid_grant"
    answer = world.client(signed(client_claims(jti="once")))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_two_applications_may_use_the_same_jti(world: World) -> None:
    world.add("app-other")
    assert world.grant(signed(claims(jti="once"))).status_code == 200
    assert world.grant(signed(claims(jti="once", iss="app-other"))).status_code == 200


def test_a_wrong_signature_burns_nothing_for_the_rightful_sender(world: World) -> None:
    assert world.grant(signed(claims(jti="mine"), OTHER_ED)).status_code == 400
    assert world.grant(signed(claims(jti="mine"))).status_code == 200


@pytest.mark.parametrize("outcome", [o for o in RecordOutcome if o is not RecordOutcome.RECORDED])
def test_what_the_register_refuses_is_told(world: World, outcome: RecordOutcome) -> None:
    world.register.refuse = outcome
    grant, client = world.grant(signed(claims())), world.client(signed(client_claims()))
    assert (grant.status_code, grant.json()) == (
        400,
        {"error": "invalid_grant", "error_description": REFUSALS[outcome]},
    )
    assert (client.status_code, client.json()["error"]) == (401, "invalid_client")


def test_a_suspended_application_is_told_only_after_its_signature(world: World) -> None:
    world.add(w.CLIENT_ID, suspended=True)
    assert "suspended" in world.grant(signed(claims())).json()["error_description"]
    assert "suspended" in world.client(signed(client_claims())).json()["error_description"]
    assert "suspended" not in world.grant(signed(claims(), OTHER_ED)).text
    assert world.register.burnt == set()


def test_a_grant_may_come_with_client_authentication(world: World) -> None:
    client = signed(client_claims(jti="c1"))
    assert world.grant(signed(claims()), **client_fields(client)).status_code == 200
    answer = world.grant(signed(claims()), **client_fields(client))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), "its jti was burnt too"


def test_client_authentication_with_a_grant_must_hold_and_be_the_same_application(world: World) -> None:
    world.add("app-other")
    other = signed(client_claims(iss="app-other", sub="app-other"))
    assert world.grant(signed(claims()), **client_fields(other)).json()["error"] == "invalid_grant"
    bad = signed(client_claims(), OTHER_ED)
    assert world.grant(signed(claims()), **client_fields(bad)).json()["error"] == "invalid_client"
    assert world.register.burnt == set()


FORMS: dict[str, tuple[dict[str, str], int, str]] = {
    "nothing": ({}, 400, "invalid_request"),
    "no grant type": ({"assertion": "x"}, 400, "invalid_request"),
    "grant type empty": ({"grant_type": ""}, 400, "invalid_request"),
    "grant type password": ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    "grant type odd": ({"grant_type": 'ä"\\'}, 400, "unsupported_grant_type"),
    "no assertion": ({"grant_type": JWT_BEARER}, 400, "invalid_request"),
    "no client assertion": ({"grant_type": CLIENT_CREDENTIALS}, 401, "invalid_client"),
    "no client assertion but an id": ({"grant_type": CLIENT_CREDENTIALS, "client_id": w.CLIENT_ID}, 401, "invalid_client"),
    "a shared secret": ({"grant_type": CLIENT_CREDENTIALS, "client_secret": "s"}, 401, "invalid_client"),
    "a type without an assertion": (
        {"grant_type": JWT_BEARER, "assertion": "x", "client_assertion_type": CLIENT_ASSERTION_TYPE}, 401, "invalid_client",
    ),
    "a scope": ({"grant_type": JWT_BEARER, "assertion": "x", "scope": "read"}, 400, "invalid_scope"),
    "another resource": ({"grant_type": JWT_BEARER, "assertion": "x", "resource": "https://x.example"}, 400, "invalid_target"),
}  # fmt: skip


@pytest.mark.parametrize("case", FORMS)
def test_a_form_is_refused(world: World, case: str) -> None:
    form, status, error = FORMS[case]
    answer = world.post(form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["error_description"].isascii()


@pytest.mark.parametrize(
    "more", [{"client_assertion_type": "saml"}, {"client_assertion_type": ""}, {"client_id": "app-x"}]
)
def test_a_client_assertion_must_be_labelled_rightly(world: World, more: dict[str, str]) -> None:
    answer = world.client(signed(client_claims()), **more)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("more", [{"scope": ""}, {"resource": w.ISSUER}, {"client_id": w.CLIENT_ID}, {"foo": "bar"}])
def test_what_changes_nothing_is_accepted(world: World, more: dict[str, str]) -> None:
    assert world.grant(signed(claims()), **more).status_code == 200
    assert world.client(signed(client_claims()), **more).status_code == 200


RAW: dict[str, tuple[bytes, dict[str, str], int]] = {
    "a parameter twice": (b"grant_type=a&grant_type=b", FORM, 400),
    "a parameter twice, once empty": (b"grant_type=a&grant_type=", FORM, 400),
    "json": (b'{"grant_type": "client_credentials"}', {"Content-Type": "application/json"}, 400),
    "no content type": (b"grant_type=client_credentials", {}, 400),
    "multipart": (b"--x\r\n\r\n--x--", {"Content-Type": "multipart/form-data; boundary=x"}, 400),
    "latin-1": (b"grant_type=%E4", FORM, 400),
    "raw bytes": (b"grant_type=\xff", FORM, 400),
    "no pairs": (b"grant_type", FORM, 400),
    "another charset": (b"a=b", {"Content-Type": "application/x-www-form-urlencoded; charset=utf-16"}, 400),
    "too many": (b"&".join(b"p%d=1" % n for n in range(40)), FORM, 400),
    "too long": (b"a=" + b"x" * 65536, FORM, 413),
}


@pytest.mark.parametrize("case", RAW)
@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke"])
def test_a_body_is_refused(world: World, path: str, case: str) -> None:
    body, headers, status = RAW[case]
    answer = world.http.post(path, content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (status, "invalid_request")
    assert answer.headers["cache-control"] == "no-store"


def test_a_charset_of_utf_8_may_be_said(world: World) -> None:
    headers = {"Content-Type": 'application/x-www-form-urlencoded; charset="UTF-8"'}
    answer = world.http.post("/oauth/token", content=b"grant_type=password", headers=headers)
    assert answer.json()["error"] == "unsupported_grant_type"


def test_basic_authentication_is_refused_with_a_challenge(world: World) -> None:
    answer = world.post({"grant_type": CLIENT_CREDENTIALS}, Authorization="Basic YTpi")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert "www-authenticate" in answer.headers


def test_only_post(world: World) -> None:
    assert world.http.get("/oauth/token").status_code == 405
    assert world.http.get("/oauth/revoke").status_code == 405


@pytest.mark.parametrize(("error", "status"), [(DatabaseUnavailable("down"), 503), (TooMany("slow"), 429)])
def test_trouble_is_told_as_json_with_retry_after(world: World, error: Exception, status: int) -> None:
    async def broken(_: str) -> None:
        raise error

    world.register.application = broken  # type: ignore[method-assign,assignment]
    answer = world.grant(signed(claims()))
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "1")
    assert "error" in answer.json()


def test_our_codes_are_those_of_the_rfc() -> None:
    theirs = {getattr(found, "error", None) for found in vars(rfc6749).values()}
    ours = {f.value for f in Fault} - {"invalid_target", "invalid_dpop_proof", "use_dpop_nonce"}
    assert ours <= theirs


def test_revoking_ends_the_token_of_this_application(world: World) -> None:
    jwt = world.grant(signed(claims())).json()["access_token"]
    world.now = NOW + 1
    answer = world.post(
        {"token": jwt, "token_type_hint": "x", **client_fields(signed(client_claims()))}, "/oauth/revoke"
    )
    assert (answer.status_code, answer.json()) == (200, {})
    (new,) = world.register.tokens
    assert world.register.revoked == [(new.secret_sha256, w.CLIENT_ID)]


def test_an_expired_token_can_be_revoked(world: World) -> None:
    jwt = world.grant(signed(claims())).json()["access_token"]
    world.now = NOW + 4000
    form = {"token": jwt, **client_fields(signed(client_claims(iat=NOW + 4000, exp=NOW + 4050)))}
    assert world.post(form, "/oauth/revoke").status_code == 200
    assert len(world.register.revoked) == 1


@pytest.mark.parametrize("token", ["nothing", "a.b.c", "..", "ä"])
def test_revoking_what_is_no_token_is_no_error(world: World, token: str) -> None:
    answer = world.post({"token": token, **client_fields(signed(client_claims()))}, "/oauth/revoke")
    assert answer.status_code == 200
    assert world.register.revoked == []


def test_revoking_needs_the_application_and_a_token(world: World) -> None:
    jwt = world.grant(signed(claims())).json()["access_token"]
    assert world.post({"token": jwt}, "/oauth/revoke").status_code == 401
    assert (
        world.post({"token": jwt, **client_fields(signed(client_claims(), OTHER_ED))}, "/oauth/revoke").status_code
        == 401
    )
    assert world.post(client_fields(signed(client_claims())), "/oauth/revoke").json()["error"] == "invalid_request"
    used = client_fields(signed(client_claims()))
    assert world.post({"token": jwt, **used}, "/oauth/revoke").status_code == 200
    assert world.post({"token": jwt, **used}, "/oauth/revoke").status_code == 401


class FakeRemote:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []

    async def keys(self, url: str, kid: str | None) -> tuple[Jwk, ...]:
        self.asked.append((url, kid))
        return (public_jwk(ED, kid="ed"),)


def test_an_application_may_publish_its_keys(world: World) -> None:
    url, remote = "https://kela.example/jwks", FakeRemote()
    world.add(w.CLIENT_ID, keys=(), jwks_url=url)
    assert world.grant(signed(claims())).json()["error"] == "invalid_grant"
    parts = OAuthParts(
        **{name: getattr(world.parts, name) for name in world.parts.__struct_fields__} | {"remote_keys": remote}
    )
    with TestClient(Litestar([oauth_router(parts)])) as http:
        form = {"grant_type": JWT_BEARER, "assertion": signed(claims())}
        assert http.post("/oauth/token", data=form).status_code == 200
    assert remote.asked == [(url, "ed")]


@pytest.mark.parametrize(
    "wrong", [{"ttl_s": 301}, {"ttl_s": 0}, {"issuer": "https://v.example/"}, {"base_url": "http://v/"}]
)
def test_wrong_settings_are_refused(world: World, wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsWrong):
        OAuthParts(**{name: getattr(world.parts, name) for name in world.parts.__struct_fields__} | wrong)
