"""Every route of the application: a new one must be listed here with what it answers to whom."""

from __future__ import annotations

import json
import time

import httpx
import pytest
from litestar import Litestar, Router, get
from litestar.routes import HTTPRoute

from tests.support.bound import Holder
from tests.support.caller import (
    EMPLOYMENT,
    KELA,
    Acting,
    Caller,
    must,
    permit,
)
from tests.web.routes import GUARDED, NOBODY, OPEN, OWN_SYSTEM, PAGES, SESSIONED
from tests.web.scene import nothing_left
from tests.web.test_tokens import minted
from vault import wiring
from vault.settings import load_settings

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
    assert all(isinstance(route, HTTPRoute) for route in app.routes), "no route that this cannot see"
    ours = [
        route
        for route in app.routes
        if isinstance(route, HTTPRoute) and route.path not in ("/schema", "/schema/{path:str}")
    ]
    return {f"{method} {route.path}" for route in ours for method in route.methods if method not in ("OPTIONS", "HEAD")}


def test_every_route_is_listed(app: Litestar) -> None:
    assert routes_of(app) == OPEN | set(SESSIONED) | PAGES | set(GUARDED)


def test_a_route_that_is_added_is_noticed(caller: Caller, app: Litestar) -> None:
    @get("/v1/everything")
    async def everything() -> None: ...

    more = wiring.build_app(
        wiring.build(load_settings(caller.service.environment())), [Router("/", route_handlers=[everything])]
    )
    assert routes_of(more) - routes_of(app) == {"GET /v1/everything"}


class Wrongly:
    """A member's own professional's token, bound to a key, in every way in which it is worth nothing."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._fetched = 0.0

    def holder(self) -> Holder:
        if time.monotonic() - self._fetched > 60:  # a token and a nonce that do not end meanwhile
            self._kept, self._fetched = Holder(self._caller), time.monotonic()
            self._kept.fetch(KELA)
        return self._kept

    def headers(self, method: str, path: str) -> list[dict[str, str]]:
        holder, stranger = self.holder(), Holder(self._caller)
        stranger.token, stranger.nonce = holder.token, holder.nonce
        proof, bound = holder.proof(method, path), {"Authorization": f"DPoP {holder.token}"}
        return [
            {"Authorization": f"Bearer {holder.token}"},
            {"Authorization": f"Bearer {holder.token}", "DPoP": proof},
            bound,
            bound | {"DPoP": stranger.proof(method, path)},
            bound | {"DPoP": holder.proof("TRACE", path)},
            bound | {"DPoP": holder.proof(method, f"{path}/other")},
        ]


@pytest.fixture(scope="module")
def wrongly(caller: Caller) -> Wrongly:
    return Wrongly(caller)


@pytest.mark.parametrize("route", sorted(SESSIONED))
def test_p01_a_clients_own_is_opened_by_no_token(
    caller: Caller, ids: dict[str, str], wrongly: Wrongly, route: str
) -> None:
    asked = [send(who, route, ids) for who in (caller.http, caller.coordinator, caller.system("kela"))]
    for answer in (*asked, *send_wrongly(caller, wrongly, route, ids)):
        assert answer.status_code == 401, answer.text
        assert not any(value in answer.text for value in ids.values())


@pytest.mark.parametrize("route", sorted(PAGES))
def test_p01_a_page_is_opened_by_no_token(caller: Caller, ids: dict[str, str], wrongly: Wrongly, route: str) -> None:
    asked = [send(who, route, ids) for who in (caller.http, caller.coordinator, caller.system("kela"))]
    for answer in (*asked, *send_wrongly(caller, wrongly, route, ids)[::3]):
        assert answer.status_code == 401, answer.text
        assert "text/html" in answer.headers["content-type"]


@pytest.mark.parametrize("route", sorted(OPEN))
def test_what_needs_no_token_answers_alike_whatever_token_it_is_shown(
    caller: Caller, ids: dict[str, str], wrongly: Wrongly, route: str
) -> None:
    without, expired = send(caller.http, route, ids), Acting(caller.http, minted(caller.service, now=1000))
    shown = [send(who, route, ids) for who in (expired, caller.by(EMPLOYMENT), caller.system("te-palvelut"))]
    for answer in (*shown, *send_wrongly(caller, wrongly, route, ids)):
        if route.startswith("POST /oauth/"):  # who would authenticate with a token there is told how instead
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        else:
            assert answer.status_code == without.status_code
            assert without.status_code < 500


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
    method, path = route.partition(" ")[0], path_of(route, ids)
    body = GUARDED[route][0] if route in GUARDED else SESSIONED.get(route)
    if isinstance(body, bytes):
        return who.request(method, path, content=body, headers=headers)
    if body is None:
        return who.request(method, path, headers=headers)
    text = json.dumps(body).replace("{document}", ids["document"])
    return who.request(method, path, content=text, headers=headers | {"Content-Type": "application/json"})


def path_of(route: str, ids: dict[str, str]) -> str:
    path = route.partition(" ")[2]
    for name, value in ids.items():
        path = path.replace(f"{{{name}:uuid}}", value)
    return path


def send_wrongly(caller: Caller, wrongly: Wrongly, route: str, ids: dict[str, str]) -> list[httpx.Response]:
    """The answers to a bound token in every way in which it is worth nothing."""
    method = route.partition(" ")[0]
    return [send(caller.http, route, ids, **one) for one in wrongly.headers(method, path_of(route, ids))]


@pytest.mark.parametrize("route", GUARDED)
def test_p01_a_bound_token_opens_no_route_without_its_own_proof(
    caller: Caller, ids: dict[str, str], wrongly: Wrongly, route: str
) -> None:
    with nothing_left(caller.service):
        answers = send_wrongly(caller, wrongly, route, ids)
    for answer in answers:
        assert answer.status_code == 401, answer.text
        assert answer.headers["www-authenticate"].startswith("DPoP error=")
        assert answer.headers["content-type"] == "application/problem+json"
        assert not any(value in answer.text for value in ids.values())
    if route.startswith("GET"):
        holder = wrongly.holder()
        rightly = {"Authorization": f"DPoP {holder.token}", "DPoP": holder.proof("GET", path_of(route, ids))}
        assert send(caller.http, route, ids, **rightly).status_code in (200, 403, 404), "with its proof it is a token"


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


@pytest.mark.parametrize("route", GUARDED)
def test_p01_an_agencys_own_system_files_and_lists_and_opens_nothing(
    caller: Caller, ids: dict[str, str], route: str
) -> None:
    answer = send(caller.system("pirha"), route, ids)
    assert answer.status_code in ((OWN_SYSTEM[route],) if route in OWN_SYSTEM else (403, 404)), answer.text
    assert answer.content != b"a paper"


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
