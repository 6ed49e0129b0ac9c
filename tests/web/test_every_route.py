"""Every route of the application: a new one must be listed here with what it answers to whom."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from tests.support.caller import (
    EMPLOYMENT,
    KELA,
    PLANNING,
    Acting,
    Caller,
    must,
    new_case,
    new_consent,
    paper,
    permit,
    personal_code,
)
from tests.web.test_tokens import minted
from vault import wiring
from vault.settings import load_settings

NOBODY = uuid.UUID(int=0x0190_0000_0000_7000_8000_0000_0000_0000)

# Routes that need no token.
OPEN = {
    "GET /.well-known/oauth-authorization-server", "GET /oauth/jwks", "POST /oauth/token", "POST /oauth/revoke",
    "GET /health/live", "GET /health/ready", "GET /metrics", "GET /schema/openapi.json",
    "GET /v1/log/checkpoint", "GET /v1/log/tile/{tile:path}", "GET /v1/log/proof/{entry:uuid}", "GET /v1/log/restart",
    "GET /static/{name:str}", "GET /language/{code:str}", "GET /about", "GET /accessibility", "GET /feedback", "GET /", "GET /sign-in", "GET /sign-in/staff", "GET /sign-in/to/{provider:str}",
    "GET /sign-in/callback/{provider:str}", "GET /sign-in/keys", "POST /sign-out",
}  # fmt: skip

# Routes that a client's session opens, and no token -> the body to send
SESSIONED: dict[str, Any] = {
    "GET /v1/me/log": None,
    "GET /v1/me": None,
    "GET /v1/me/requests": None,
    "POST /v1/me/requests": {"kind": "log-names"},
    "GET /v1/me/requests/{asked:uuid}": None,
    "POST /v1/me/requests/{asked:uuid}/fee": {"accepted": True},
    "PATCH /v1/me": {"language": "sv"},
    "GET /v1/me/cases": None,
    "GET /v1/me/cases/{case:uuid}": None,
    "GET /v1/me/documents": None,
    "GET /v1/me/documents/{document:uuid}": None,
    "GET /v1/me/documents/{document:uuid}/content": None,
    "GET /v1/me/consents": None,
    "GET /v1/me/consents/{consent:uuid}": None,
    "POST /v1/me/consents/{consent:uuid}/withdraw": {},
    "POST /v1/me/consents/{consent:uuid}/confirm": None,
    "GET /v1/me/readers": None,
    "GET /v1/me/prohibitions": None,
    "POST /v1/me/prohibitions": {},
    "GET /v1/me/prohibitions/{prohibition:uuid}": None,
    "POST /v1/me/prohibitions/{prohibition:uuid}/end": None,
    "GET /v1/me/authorities": None,
    "POST /v1/me/authorities": {
        "representative": {"name": "X", "personal_identity_code": personal_code()[0]},
        "scope": "see",
    },
    "DELETE /v1/me/authorities/{authority:uuid}": None,
    "POST /v1/me/authorities/{authority:uuid}/bar": None,
    "DELETE /v1/me/authorities/{authority:uuid}/bar": None,
    "GET /v1/me/mandates": None,
    "POST /v1/me/exports": {},
    "GET /v1/me/exports": None,
    "GET /v1/me/exports/{export:uuid}": None,
    "DELETE /v1/me/exports/{export:uuid}": None,
    "GET /v1/me/exports/{export:uuid}/content": None,
    "POST /v1/me/pause": None,
    "POST /v1/me/resume": None,
}

# Pages that a session opens, and no token
PAGES = {
    "GET /sign-in/act-for",
    "POST /sign-in/act-for",
    "GET /sign-in/not-known",
    "POST /sign-in/not-known",
    "GET /sign-in/again",
    "GET /sign-in/again/now",
    "POST /sign-in/stay",
    "GET /my", "POST /my/pause", "POST /my/resume", "GET /my/language", "POST /my/language", "GET /my/cases",
    "GET /my/cases/{case:uuid}", "GET /my/documents", "GET /my/documents/{document:uuid}",
    "GET /my/documents/{document:uuid}/read", "GET /my/documents/{document:uuid}/download", "GET /my/consents",
    "GET /my/consents/{consent:uuid}", "GET /my/consents/{consent:uuid}/withdraw",
    "POST /my/consents/{consent:uuid}/withdraw", "POST /my/consents/{consent:uuid}/confirm", "GET /my/prohibitions",
    "GET /my/prohibitions/new", "POST /my/prohibitions/new", "GET /my/prohibitions/{prohibition:uuid}/end",
    "POST /my/prohibitions/{prohibition:uuid}/end", "GET /my/log", "GET /my/requests", "GET /my/requests/{asked:uuid}",
    "POST /my/requests/{asked:uuid}/fee", "POST /my/requests/new", "GET /my/representatives",
    "GET /my/representatives/new", "POST /my/representatives/new", "GET /my/representatives/{authority:uuid}/end",
    "POST /my/representatives/{authority:uuid}/end", "POST /my/representatives/{authority:uuid}/bar",
    "GET /my/requests/new",
    "GET /my/exports", "POST /my/exports", "GET /my/exports/{export:uuid}", "GET /my/exports/{export:uuid}/download",
    "GET /my/exports/{export:uuid}/remove", "POST /my/exports/{export:uuid}/remove",
    "GET /desk/records", "GET /desk/records/ended", "GET /desk/records/new", "POST /desk/records/new",
    "POST /desk/records/new/record", "GET /desk/records/misfiled", "GET /desk/records/misfiled/{document:uuid}",
    "POST /desk/records/misfiled/{document:uuid}", "GET /desk/records/differences",
    "POST /desk/records/differences/{difference:uuid}", "GET /desk/records/requests/{asked:uuid}",
    "POST /desk/records/requests/{asked:uuid}/take-up", "GET /desk/records/requests/{asked:uuid}/names",
    "GET /desk/records/requests/{asked:uuid}/identify", "POST /desk/records/requests/{asked:uuid}/identify",
    "GET /desk/records/requests/{asked:uuid}/extend", "POST /desk/records/requests/{asked:uuid}/extend",
    "GET /desk/records/requests/{asked:uuid}/answer", "POST /desk/records/requests/{asked:uuid}/answer",
    "GET /desk/records/requests/{asked:uuid}/refuse", "POST /desk/records/requests/{asked:uuid}/refuse",
    "GET /desk/records/requests/{asked:uuid}/fee", "POST /desk/records/requests/{asked:uuid}/fee",
    "GET /desk/records/requests/{asked:uuid}/papers/{document:uuid}",
    "POST /desk/records/requests/{asked:uuid}/papers/{document:uuid}/look",
    "GET /desk/records/requests/{asked:uuid}/papers/{document:uuid}/read",
    "POST /desk/records/requests/{asked:uuid}/papers/{document:uuid}/decision", "GET /desk/archive",
    "GET /desk/archive/transfers/{transfer:uuid}", "GET /desk/archive/transfers/{transfer:uuid}/approve",
    "POST /desk/archive/transfers/{transfer:uuid}/approve", "POST /desk/archive/transfers/{transfer:uuid}/receipt",
    "POST /desk/archive/transfers/{transfer:uuid}/reject", "GET /desk/coordinator",
    "GET /desk/coordinator/cases/{case:uuid}", "GET /desk/coordinator/cases/{case:uuid}/log",
}  # fmt: skip

# Route -> (the body to send, what another agency's professional gets, what another agency's system gets)
GUARDED: dict[str, tuple[Any, int, int]] = {
    "POST /v1/cases": (new_case(), 403, 403),
    "GET /v1/cases": (None, 200, 200),
    "GET /v1/cases/{case:uuid}": (None, 404, 404),
    "PATCH /v1/cases/{case:uuid}": ({"your_reference": "x"}, 404, 404),
    "POST /v1/clients/find": ({"personal_identity_code": personal_code()[0]}, 200, 403),
    "PATCH /v1/clients/{client:uuid}": ({"died_on": "2026-01-01"}, 404, 404),
    "POST /v1/cases/{case:uuid}/members": ({"agency": "kela", "role": "expert"}, 404, 404),
    "DELETE /v1/cases/{case:uuid}/members/{member:uuid}": (None, 404, 404),
    "POST /v1/cases/{case:uuid}/documents": (paper(), 404, 404),
    "GET /v1/cases/{case:uuid}/documents": (None, 404, 404),
    "GET /v1/documents/{document:uuid}": (None, 404, 404),
    "PUT /v1/documents/{document:uuid}/content": (b"bytes", 404, 404),
    "GET /v1/documents/{document:uuid}/content": (None, 404, 404),
    "POST /v1/documents/{document:uuid}/retract": (None, 404, 404),
    "POST /v1/documents/{document:uuid}/misfiled": (None, 404, 404),
    "POST /v1/cases/{case:uuid}/consents": (new_consent(str(NOBODY), [permit("kela")]), 404, 404),
    "GET /v1/cases/{case:uuid}/consents": (None, 404, 404),
    "POST /v1/consents/{consent:uuid}/withdraw": ({}, 404, 404),
    "POST /v1/decisions": (
        {"document": "{document}", "agency": "te-palvelut", "action": "read", "purpose": PLANNING},
        404,
        404,
    ),
    "GET /v1/cases/{case:uuid}/authorities": (None, 404, 404),
    "POST /v1/cases/{case:uuid}/authorities": (
        {"representative": {"name": "X", "personal_identity_code": personal_code()[0]}, "scope": "see", "shown": "x"},
        404,
        404,
    ),
    "DELETE /v1/authorities/{authority:uuid}": (None, 404, 404),
    "POST /v1/cases/{case:uuid}/identity": ({"code": "AAAA-BBBB-CCCC"}, 404, 404),
    "POST /v1/cases/{case:uuid}/close": ({"reason": "x"}, 404, 404),
    "POST /v1/cases/{case:uuid}/reopen": ({"reason": "x"}, 404, 404),
    "POST /v1/cases/{case:uuid}/holds": ({"reason": "x"}, 404, 404),
    "DELETE /v1/cases/{case:uuid}/holds/{hold:uuid}": (None, 404, 404),
    "GET /v1/transfers": (None, 403, 403),
    "GET /v1/transfers/{transfer:uuid}": (None, 403, 403),
    "POST /v1/transfers/{transfer:uuid}/approve": (None, 404, 404),
    "POST /v1/transfers/{transfer:uuid}/receipt": ({"receipt": "a.b.c"}, 403, 403),
    "POST /v1/transfers/{transfer:uuid}/reject": ({"reason": "x"}, 404, 404),
    "GET /v1/archive-requests": (None, 403, 403),
    "POST /v1/archive-requests/{asked:uuid}/answer": ({"outcome": "given"}, 404, 404),
    "GET /v1/requests": (None, 403, 403),
    "POST /v1/requests": (
        {"client": str(NOBODY), "kind": "self-access", "received_how": "paper", "received_on": "2026-01-07"},
        403,
        403,
    ),
    "POST /v1/requests/find-client": ({"case": str(NOBODY)}, 403, 403),
    "GET /v1/requests/{asked:uuid}": (None, 403, 403),
    "GET /v1/requests/{asked:uuid}/names": (None, 403, 403),
    "POST /v1/requests/{asked:uuid}/identify": ({"identified_how": "signature"}, 404, 404),
    "POST /v1/requests/{asked:uuid}/take-up": (None, 404, 404),
    "POST /v1/requests/{asked:uuid}/extend": ({"notice": "x"}, 403, 403),
    "POST /v1/requests/{asked:uuid}/answer": ({"text": "x"}, 403, 403),
    "POST /v1/requests/{asked:uuid}/refuse": ({"provision": "gdpr-16", "reason": "x"}, 403, 403),
    "POST /v1/requests/{asked:uuid}/looks": ({"document": "{document}", "reason": "x"}, 403, 403),
    "POST /v1/requests/{asked:uuid}/documents/{document:uuid}/decision": ({"how": "open"}, 403, 403),
    "POST /v1/requests/{asked:uuid}/fee": ({"cents": 1, "reason": "x"}, 403, 403),
    "GET /v1/misfiled": (None, 403, 403),
    "GET /v1/misfiled/{document:uuid}": (None, 403, 403),
    "POST /v1/misfiled/{document:uuid}/decision": ({"decision": "in-place", "reason": "x"}, 404, 404),
    "GET /v1/differences": (None, 403, 403),
    "POST /v1/differences/{difference:uuid}": ({"outcome": "kept"}, 403, 403),
    "GET /v1/inbox": (None, 200, 200),
    "POST /v1/inbox/{item:uuid}/acknowledge": (None, 404, 404),
    "GET /v1/cases/{case:uuid}/log": (None, 404, 404),
}

SECURITY = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'",
}


@pytest.fixture(scope="module")
def app(caller: Caller) -> Litestar:
    return wiring.build_app(wiring.build(load_settings(caller.service.environment())))


def routes_of(app: Litestar) -> set[str]:
    """Every method and path, but for what the framework adds by itself."""
    ours = [
        route
        for route in app.routes
        if isinstance(route, HTTPRoute) and route.path not in ("/schema", "/schema/{path:str}")
    ]
    return {f"{method} {route.path}" for route in ours for method in route.methods if method not in ("OPTIONS", "HEAD")}


def test_every_route_is_listed(app: Litestar) -> None:
    assert routes_of(app) == OPEN | set(SESSIONED) | PAGES | set(GUARDED)


@pytest.mark.parametrize("route", sorted(SESSIONED))
def test_p01_a_clients_own_is_opened_by_no_token(caller: Caller, ids: dict[str, str], route: str) -> None:
    for who in (caller.http, caller.coordinator, caller.system("kela")):
        answer = send(who, route, ids)
        assert answer.status_code == 401, answer.text
        assert not any(value in answer.text for value in ids.values())


@pytest.mark.parametrize("route", sorted(PAGES))
def test_p01_a_page_is_opened_by_no_token(caller: Caller, ids: dict[str, str], route: str) -> None:
    for who in (caller.http, caller.coordinator):
        answer = send(who, route, ids)
        assert answer.status_code == 401, answer.text
        assert "text/html" in answer.headers["content-type"]


@pytest.fixture(scope="module")
def ids(caller: Caller) -> dict[str, str]:
    """One of each thing that really exists, of a case that neither the outsiders nor their systems may see."""
    case = caller.open_case(members=["kela"])
    document = caller.file(case)
    consent = caller.consent(case, [permit("kela")])
    caller.withdraw(consent)
    one = caller.service.one
    return {
        "case": case, "document": document, "consent": consent,
        "member": str(one("SELECT id FROM vault.member WHERE case_id = $1 AND agency = 'kela'", case)),
        "client": str(one("SELECT client FROM vault.client_case WHERE id = $1", case)),
        "transfer": str(NOBODY), "export": str(NOBODY), "authority": str(NOBODY), "prohibition": str(NOBODY), "asked": str(NOBODY),
        "difference": str(NOBODY),
        "hold": str(must(caller.coordinator.post(f"/v1/cases/{case}/holds", {"reason": "x"}))["id"]),
        "item": str(one("SELECT id FROM vault.notice WHERE consent = $1 AND agency = 'kela'", consent)),
    }  # fmt: skip


def send(who: Acting | httpx.Client, route: str, ids: dict[str, str], **headers: str) -> httpx.Response:
    method, _, path = route.partition(" ")
    body = GUARDED[route][0] if route in GUARDED else SESSIONED.get(route)
    for name, value in ids.items():
        path = path.replace(f"{{{name}:uuid}}", value)
    if isinstance(body, bytes):
        return who.request(method, path, content=body, headers=headers)
    if body is None:
        return who.request(method, path, headers=headers)
    text = json.dumps(body).replace("{document}", ids["document"])
    return who.request(method, path, content=text, headers=headers | {"Content-Type": "application/json"})


@pytest.mark.parametrize("route", GUARDED)
def test_p01_without_a_token_in_force_no_route_answers(caller: Caller, ids: dict[str, str], route: str) -> None:
    service = caller.service
    expired = Acting(caller.http, minted(service, now=int(time.time()) - 1000))
    never_recorded = Acting(caller.http, minted(service))
    for answer in (send(caller.http, route, ids), send(expired, route, ids), send(never_recorded, route, ids)):
        assert answer.status_code == 401, answer.text
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"
    basic = send(caller.http, route, ids, Authorization="Basic a2VsYTprZWxh")
    assert basic.status_code == 401
    in_url = caller.http.get(f"/v1/cases?access_token={caller.by(KELA).token}")
    assert in_url.status_code == 401


@pytest.mark.parametrize("route", GUARDED)
def test_p01_another_agency_gets_nothing_of_a_case_that_is_not_its_own(
    caller: Caller, ids: dict[str, str], route: str
) -> None:
    _, professional, system = GUARDED[route]
    for who, status in ((caller.by(EMPLOYMENT), professional), (caller.system("te-palvelut"), system)):
        answer = send(who, route, ids)
        assert answer.status_code == status, answer.text
        assert not any(value in answer.text for value in ids.values())


def test_the_security_headers_stand_on_every_answer(caller: Caller, ids: dict[str, str]) -> None:
    coordinator = caller.coordinator
    answers = [
        send(coordinator, route, ids)
        for route in GUARDED
        if not route.startswith(("DELETE", "PATCH", "POST /v1/cases "))
    ]
    answers += [send(caller.http, route, ids) for route in sorted(OPEN | PAGES | set(GUARDED) | set(SESSIONED))]
    answers += [
        caller.http.get("/nothing"), caller.http.request("OPTIONS", "/v1/cases"),
        caller.http.request("DELETE", "/v1/inbox"), coordinator.read(ids["document"], Range="bytes=1-2"),
        coordinator.read(ids["document"], Range="bytes=99-"), coordinator.post("/v1/cases", content=b"x" * 1_200_000),
    ]  # fmt: skip
    for answer in answers:
        what = f"{answer.request.method} {answer.request.url.path} {answer.status_code}"
        for name, value in SECURITY.items():
            [given] = answer.headers.get_list(name) or [""]
            wanted = "default-src 'none'" if name == "content-security-policy" else value
            if name == "referrer-policy" and "text/html" in answer.headers.get("content-type", ""):
                wanted = "same-origin"  # else a page's forms would say "Origin: null"
            assert wanted in given, f"{what}: {name} is {given!r}"
        [cache] = answer.headers.get_list("cache-control") or [""]
        private = answer.request.url.path not in (
            "/oauth/jwks",
            "/sign-in/keys",
            "/.well-known/oauth-authorization-server",
        ) and "/v1/log/" not in str(answer.url)
        assert not private or "no-store" in cache, f"{what}: cache-control is {cache!r}"
        assert "server" not in answer.headers, what
        assert answer.status_code < 500, f"{what}: {answer.text}"


def plain_of(route: str) -> str:
    """The route as the document writes it: without its parameters' types."""
    return "/".join(part.partition(":")[0] + "}" if part.startswith("{") else part for part in route.split("/"))


def test_the_openapi_document_tells_every_route(caller: Caller, app: Litestar) -> None:
    answer = caller.http.get("/schema/openapi.json")
    assert answer.status_code == 200
    told = answer.json()
    assert told["openapi"].startswith("3.1.")
    documented = {
        f"{method.upper()} {path}" for path, item in told["paths"].items() for method in item if method != "parameters"
    }
    for route in (*GUARDED, *SESSIONED):
        assert plain_of(route) in documented
    assert told["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    asking = {
        f"{method.upper()} {path}": [*operation.get("security", [{}])[0]]
        for path, item in told["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    }
    assert {route for route, who in asking.items() if who == ["token"]} == {plain_of(route) for route in GUARDED}
    assert {route for route, who in asking.items() if who == ["session"]} == {plain_of(route) for route in SESSIONED}
    assert "NewConsent" in json.dumps(told["components"]["schemas"])


def test_pages_that_would_fetch_scripts_from_elsewhere_are_not_there(caller: Caller) -> None:
    for page in ("swagger", "redoc", "elements", "rapidoc", "scalar"):
        answer = caller.http.get(f"/schema/{page}")
        assert answer.status_code == 404
        assert "<script" not in answer.text


def test_health_tells_each_part(caller: Caller) -> None:
    assert caller.http.get("/health/live").json() == {"status": "ok"}
    ready = caller.http.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json()["parts"] == {"database": "ok", "store": "ok"}
