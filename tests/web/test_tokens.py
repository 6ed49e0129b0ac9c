"""Access tokens at the vault's door: what is expired, foreign, forged, revoked or suspended is nobody's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.support.caller import COORDINATOR, KELA, PLANNING, Acting, Caller, must, permit
from tests.support.service import Service
from vault.demo.caller import DemoAgency, assertion, professional_form, sign, system_form
from vault.model import AgencySlug
from vault.oauth.tokens import IssuerKeys, mint

pytestmark = pytest.mark.kinds("directory", "nginx")  # what is stored where changes nothing here

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def refused(answer: httpx.Response) -> None:
    assert answer.status_code == 401, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert answer.json()["code"]


def minted(service: Service, keys: IssuerKeys | None = None, **change: Any) -> str:
    """A token that the issuer's own key signed, but that was never recorded."""
    known: dict[str, Any] = {
        "issuer": service.url, "client_id": "kela-app", "agency": AgencySlug("kela"), "sub": KELA, "role": "insurance-secretary",
        "purpose": PLANNING, "now": int(time.time()), "ttl_s": 300,
    }  # fmt: skip
    own = IssuerKeys([key for _, key in service.keyring.issuer_keys()])
    return mint(keys or own, **(known | change)).jwt


BAD: dict[str, Callable[[Service], str]] = {
    "expired": lambda s: minted(s, now=int(time.time()) - 301),
    "for another issuer": lambda s: minted(s, issuer="https://elsewhere.example"),
    "signed by another key": lambda s: minted(s, IssuerKeys.parse(IssuerKeys.generate())),
    "never recorded": minted,
    "no token": lambda _: "x",
    "unsigned": lambda s: minted(s).rpartition(".")[0] + ".",
    "cut": lambda s: minted(s)[:-2],
    "two": lambda s: f"{minted(s)} {minted(s)}",
}


@pytest.mark.parametrize("kind", BAD)
def test_p01_a_token_that_is_not_in_force_opens_nothing(caller: Caller, kind: str) -> None:
    case = caller.open_case(members=["kela"])
    document = caller.file(case)
    caller.consent(case, [permit("kela")])
    who = Acting(caller.http, BAD[kind](caller.service))
    for answer in (
        who.read(document),
        who.get(f"/v1/cases/{case}"),
        who.get("/v1/inbox"),
        who.upload(document, b"x"),
    ):
        refused(answer)


def test_p01_a_token_expires_in_the_database_too(caller: Caller) -> None:
    case = caller.open_case(members=["kela"])
    document = caller.file(case)
    caller.consent(case, [permit("kela")])
    fresh = Acting(caller.http, must(caller.grant(form_of(caller, KELA)))["access_token"])
    assert fresh.read(document).status_code == 200
    caller.service.sql(
        "UPDATE vault.token SET expires_at = vault.clock() WHERE issued_at = (SELECT max(issued_at) FROM vault.token)"
    )
    refused(fresh.read(document))


def form_of(caller: Caller, sub: str, purpose: str = PLANNING, place: int = 0) -> dict[str, str]:
    agency, person = caller.demo.find(sub)
    return professional_form(caller.demo, agency.applications[place], person, purpose)


def oauth_error(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, answer.json()["error"]


def test_an_assertion_works_once(caller: Caller) -> None:
    form = form_of(caller, KELA)
    assert caller.grant(form).status_code == 200
    assert oauth_error(caller.grant(form)) == (400, "invalid_grant")
    system = system_form(caller.demo, caller.agency("kela").applications[0])
    assert caller.grant(system).status_code == 200
    assert oauth_error(caller.grant(system)) == (401, "invalid_client")


def grant_of(caller: Caller, agency: DemoAgency, by: str | None = None, **claims: Any) -> httpx.Response:
    application = caller.agency(by or agency.id).applications[0]
    who = {"sub": KELA, "name": "Kaisa Etulahti", "role": "insurance-secretary", "purpose": PLANNING}
    signed = assertion(caller.demo.issuer, application, {k: v for k, v in (who | claims).items() if v is not ...})
    return caller.grant({"grant_type": JWT_BEARER, "assertion": signed})


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://elsewhere.example"}, {"exp": 1}, {"exp": 4_000_000_000}, {"iss": "nobody"}, {"iss": "te-palvelut-app"},
        {"sub": "nobody"}, {"sub": COORDINATOR}, {"role": "coordinator"}, {"role": "king"}, {"unit": "pirha/miepa"}, {"purpose": "fun"},
        {"purpose": ...}, {"role": ...}, {"name": ...}, {"jti": ""}, {"exp": "soon"}, {"exp": 1e300}, {"sub": "a\0b"}, {"role": "a\0b"},
        {"unit": "a\0b"}, {"name": "a\0b"}, {"jti": "a\0b"}, {"purpose": "a\0b"}, {"iss": "a\0b"}, {"sub": ["x"]}, {"name": "n" * 100_000},
    ],
    ids=lambda claims: str(claims)[:40],
)  # fmt: skip
def test_an_assertion_that_is_wrong_gives_no_token(caller: Caller, claims: dict[str, Any]) -> None:
    before = caller.service.one("SELECT count(*) FROM vault.token")
    answer = grant_of(caller, caller.agency("kela"), **claims)
    # What is too large is refused by whoever stands in front, in the form of its own.
    status, error = oauth_error(answer) if "error" in answer.json() else (answer.status_code, "invalid_request")
    assert (status, error) in ((400, "invalid_grant"), (400, "invalid_request"), (413, "invalid_request"))
    assert caller.service.one("SELECT count(*) FROM vault.token") == before


def test_an_assertion_signed_by_another_agency_gives_no_token(caller: Caller) -> None:
    theirs = caller.agency("te-palvelut").applications[0]
    claims = {"iss": "kela-app", "sub": KELA, "aud": caller.demo.issuer, "exp": int(time.time()) + 50, "jti": "x", "name": "K",
              "role": "insurance-secretary", "purpose": PLANNING}  # fmt: skip
    forged = sign(theirs.private_jwk, claims)
    assert oauth_error(caller.grant({"grant_type": JWT_BEARER, "assertion": forged})) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "form",
    [
        {}, {"grant_type": "password"}, {"grant_type": "client_credentials"}, {"grant_type": JWT_BEARER}, {"grant_type": "\0"},
        {"grant_type": JWT_BEARER, "assertion": "x"}, {"grant_type": JWT_BEARER, "assertion": "\0.\0.\0"},
        {"grant_type": "client_credentials", "client_id": "\0", "client_assertion": "x", "client_assertion_type": "y"},
    ],
)  # fmt: skip
def test_a_token_request_that_is_wrong_says_so(caller: Caller, form: dict[str, str]) -> None:
    assert oauth_error(caller.grant(form))[0] in (400, 401)


def test_a_revoked_token_dies_at_once(caller: Caller) -> None:
    token = must(caller.grant(form_of(caller, KELA)))["access_token"]
    who = Acting(caller.http, token)
    assert who.get("/v1/cases").status_code == 200
    client = system_form(caller.demo, caller.application(KELA))
    form = {"token": token} | {k: v for k, v in client.items() if k != "grant_type"}
    assert caller.http.post("/oauth/revoke", data=form).status_code == 200
    refused(who.get("/v1/cases"))


@pytest.fixture
def suspended(caller: Caller) -> Iterator[Callable[[str, str | None], None]]:
    done: list[tuple[str, str | None]] = []

    def suspend(agency: str, application: str | None) -> None:
        done.append((agency, application))
        caller.service.operate(lambda registry: registry.suspend(agency, application, suspended=True))

    yield suspend
    for agency, application in done:
        caller.service.operate(lambda registry: registry.suspend(agency, application, suspended=False))  # noqa: B023
    caller.forget()


@pytest.mark.parametrize("application", [None, "kela-app"])
def test_p06_a_suspended_agencys_tokens_die_at_once(
    caller: Caller, suspended: Callable[[str, str | None], None], application: str | None
) -> None:
    case = caller.open_case(members=["kela"])
    document = caller.file(case)
    caller.consent(case, [permit("kela")])
    who, system = caller.by(KELA), caller.system("kela")
    assert who.read(document).status_code == 200
    suspended("kela", application)
    for answer in (
        who.read(document),
        who.get(f"/v1/documents/{document}"),
        who.get("/v1/cases"),
        system.get("/v1/inbox"),
    ):
        refused(answer)
    assert oauth_error(caller.grant(form_of(caller, KELA)))[0] in (400, 401)
