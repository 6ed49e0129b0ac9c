"""Signing in by a certified OpenID provider: clients strongly, professionals by their agency, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.support.caller import Caller, personal_code
from tests.support.provider import LOA3, Browser, OpenIdProvider, openid_provider, person, register
from tests.support.sessions import with_sessions
from vault.services.sessions import Session
from vault.web.session import decode_secret

MAIJA, BORN = personal_code()
NEVER, _ = personal_code()
PEOPLE = {
    "maija": person("Maija", code=MAIJA),
    "never": person("Nobody known", code=NEVER),
    "weak": person("Weak", code=MAIJA, acr="password"),
    "eidas": person("From elsewhere"),
    "broken": person("Broken", code="010190-9999"),
    "pirha-1001": person("Aino", role="coordinator"),
    "pirha-1004": person("Tiina", role="records-officer"),
    "pirha-1005": person("Arvo"),
    "pirha-9999": person("Unknown", role="coordinator"),
    "pirha-1006": person("Helmi", role="physician"),
}


@pytest.fixture(scope="module")
def provider(caller: Caller) -> Iterator[OpenIdProvider]:
    caller.open_case(personal_identity_code=MAIJA, born=BORN)
    with openid_provider(caller.service, PEOPLE) as running:
        yield running


@pytest.fixture
def browser(caller: Caller, provider: OpenIdProvider) -> Iterator[Browser]:
    fresh = Browser(caller.service)
    yield fresh
    fresh.close()


def session_in(caller: Caller, browser: Browser) -> Session:
    secret = decode_secret(browser.session or "")
    assert secret is not None
    return with_sessions(caller.service, lambda sessions: sessions.read(secret))


def test_the_first_page_offers_each_way_to_sign_in(browser: Browser) -> None:
    page = browser.get("/")
    assert page.status_code == 200
    assert "/sign-in/to/suomi-fi" in page.text
    assert "/sign-in/to/pirha" in browser.get("/sign-in/staff").text


def test_a_client_signs_in_with_pkce_state_nonce_and_a_strong_level(caller: Caller, browser: Browser) -> None:
    sent = browser.get("/sign-in/to/suomi-fi")
    assert sent.status_code == 303
    asked = parse_qs(urlsplit(sent.headers["location"]).query)
    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["acr_values"] == [LOA3]
    assert len(asked["state"][0]) == len(asked["nonce"][0]) == len(asked["code_challenge"][0]) == 43
    assert MAIJA not in sent.headers["location"]
    browser.press(browser.follow(sent), "maija", until=f"{browser.url}/my")
    session = session_in(caller, browser)
    assert (session.actor, session.acr, session.provider) == ("client", LOA3, "suomi-fi")
    assert session.client is not None
    assert not any(MAIJA in address for address in browser.seen)


def test_a_person_of_whom_nothing_is_kept_comes_in_too(caller: Caller, browser: Browser) -> None:
    browser.identify("never", until=f"{browser.url}/my")
    assert session_in(caller, browser).client is None


def test_a_person_without_a_code_is_connected_once_and_found_from_then_on(caller: Caller, browser: Browser) -> None:
    """Test 13 of the domain's list: an identity from another country, without a personal identity code."""
    browser.identify("eidas", until=f"{browser.url}/my")
    assert session_in(caller, browser).client is None
    page = browser.get("/sign-in/not-known")
    token = page.text.split('name="form_token" value="')[1].split('"')[0]
    shown = browser.post("/sign-in/not-known", form_token=token)
    code = shown.text.split('<p class="big">')[1].split("<")[0]
    case = caller.open_case(personal_identity_code=None)
    assert caller.coordinator.post(f"/v1/cases/{case}/identity", {"code": "AAAA-BBBB-CCCC"}).status_code == 422
    assert caller.by("kela-2001").post(f"/v1/cases/{case}/identity", {"code": code}).status_code == 404
    assert caller.coordinator.post(f"/v1/cases/{case}/identity", {"code": code}).status_code == 204
    browser.identify("eidas", until=f"{browser.url}/my")
    assert session_in(caller, browser).client == caller.service.one(
        "SELECT client FROM vault.client_case WHERE id = $1", case
    )


@pytest.mark.parametrize(
    ("who", "actor", "first"),
    [
        ("pirha-1001", "professional", "/desk/coordinator"),
        ("pirha-1004", "records-officer", "/desk/records"),
        ("pirha-1005", "professional", "/desk/archive"),
    ],
)
def test_professionals_sign_in_by_their_agency(
    caller: Caller, browser: Browser, who: str, actor: str, first: str
) -> None:
    browser.identify(who, "pirha", until=browser.url + first)
    session = session_in(caller, browser)
    assert (session.actor, session.subject, session.agency) == (actor, who, "pirha")


@pytest.mark.parametrize(
    ("who", "way", "said"),
    [
        ("pirha-9999", "pirha", "ei ole vielä rekisteröinyt sinua"), ("pirha-1006", "pirha", "ei ole vielä rekisteröinyt rooliasi"),
        ("broken", "suomi-fi", "Tunnistautumista ei voitu viedä loppuun"), ("nobody", "suomi-fi", "Poistuit tunnistautumisesta"),
    ],
)  # fmt: skip
def test_who_is_not_let_in_is_told_why(browser: Browser, who: str, way: str, said: str) -> None:
    answer = browser.identify(who, way)
    assert answer.status_code == 403
    assert said in answer.text
    assert browser.session is None


def test_p01_a_client_who_was_identified_weakly_is_not_let_in(browser: Browser) -> None:
    answer = browser.identify("weak")
    assert answer.status_code == 403
    assert "vahvan tunnistautumisen" in answer.text
    assert browser.session is None


def _callback(browser: Browser, who: str = "maija") -> str:
    """The address that brings the provider's answer back, not yet followed."""
    answer = browser.identify(who, until=f"{browser.url}/sign-in/callback")
    return str(answer.headers["location"])


def test_an_answer_works_once_and_in_its_own_browser_alone(caller: Caller, browser: Browser) -> None:
    back = _callback(browser)
    thief = httpx.get(back, trust_env=False)
    assert (thief.status_code, "set-cookie" in thief.headers) == (403, False)
    cookies = dict(browser.http.cookies)
    first = browser.get(back)
    assert first.status_code == 303
    again = browser.get(back)
    assert (again.status_code, "aloitettiin toisessa selaimessa" in again.text) == (403, True)
    # The very cookie, kept by a thief: the provider gives nothing for a code that was used.
    copied = httpx.get(back, cookies=cookies, trust_env=False)
    assert copied.status_code == 403


@pytest.mark.parametrize("change", ["state", "iss", "without iss", "provider", "without code"])
def test_an_answer_that_was_changed_is_refused(browser: Browser, change: str) -> None:
    back = _callback(browser)
    parts = urlsplit(back)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    path = parts.path
    if change == "state":
        query["state"] = "A" * 43
    elif change == "iss":
        query["iss"] = "https://evil.example"
    elif change == "without iss":
        del query["iss"]
    elif change == "without code":
        del query["code"]
    else:
        path = "/sign-in/callback/pirha"
    answer = browser.http.get(browser.url + path, params=query)
    assert answer.status_code == 403
    assert browser.session is None


def test_the_session_before_ends_when_another_begins(caller: Caller, browser: Browser) -> None:
    """Two people at one browser: the form of the first one's tab is worth nothing in the second one's session."""
    browser.identify("maija", until=f"{browser.url}/my")
    first = browser.session
    form = browser.get("/sign-in/act-for").text.split('name="form_token" value="')[1].split('"')[0]
    browser.identify("never", until=f"{browser.url}/my")
    assert browser.session != first
    with httpx.Client(base_url=browser.url, cookies={"vault": first or ""}, trust_env=False) as old:
        assert old.get("/v1/me/mandates").status_code == 401
    answer = browser.post("/sign-in/act-for", authority="self", form_token=form)
    assert answer.status_code == 409


def test_signing_out_ends_everything_and_the_back_button_shows_nothing(caller: Caller, browser: Browser) -> None:
    browser.identify("maija", until=f"{browser.url}/my")
    kept = browser.session
    page = browser.get("/sign-in/act-for")
    assert page.headers["cache-control"] == "no-store"
    answer = browser.post("/sign-out")
    assert answer.status_code == 200
    assert answer.headers["clear-site-data"] == '"cache", "cookies", "storage"'
    assert "/session/end?" in answer.text
    assert "id_token_hint" not in answer.text
    assert browser.session is None
    assert browser.get("/sign-in/act-for").status_code == 401
    assert httpx.get(f"{browser.url}/v1/me/mandates", cookies={"vault": kept or ""}, trust_env=False).status_code == 401
    assert browser.post("/sign-out").status_code == 200


def test_renewed_identification_asks_again_and_says_when(caller: Caller, browser: Browser) -> None:
    browser.identify("maija", until=f"{browser.url}/my")
    before = session_in(caller, browser)
    assert "/sign-in/again/now?after=/my/exports" in browser.get("/sign-in/again?after=/my/exports").text
    sent = browser.get("/sign-in/again/now?after=/my/exports")
    asked = parse_qs(urlsplit(sent.headers["location"]).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
    page = browser.follow(sent)  # the provider asks again, although its own session is alive
    answer = browser.press(page, "maija", until=f"{browser.url}/my")
    assert answer.headers["location"] == "/my/exports"
    after = session_in(caller, browser)
    assert after.secret != before.secret
    assert after.identified_at >= before.identified_at


@pytest.mark.parametrize(
    "after",
    ["https://evil.example/", "//evil.example", "/my?x=1", "/\\evil.example", "/my/../x", "javascript:alert(1)"],
)
def test_nobody_is_led_elsewhere_after_signing_in(browser: Browser, after: str) -> None:
    sent = browser.http.get(browser.url + "/sign-in/to/suomi-fi", params={"after": after})
    answer = browser.press(browser.follow(sent), "maija", until=f"{browser.url}/my")
    assert answer.headers["location"] == "/my"


def test_a_provider_that_cannot_be_reached_is_a_page_and_no_wait(caller: Caller, browser: Browser) -> None:
    register(caller.service, "away", "http://127.0.0.1:9")
    assert browser.get("/sign-in/to/away").status_code == 503
    assert browser.get("/sign-in/to/nobody").status_code == 403


def test_the_keys_by_which_providers_know_us_are_public(browser: Browser) -> None:
    signing, opening = browser.get("/sign-in/keys").json()["keys"]
    assert (signing["kty"], signing["crv"], signing["use"]) == ("EC", "P-256", "sig")
    assert (opening["kty"], opening["use"]) == ("RSA", "enc")
    assert not {"d", "p", "q"} & {*signing, *opening}


def test_a_provider_that_encrypts_to_us_lets_in_too(caller: Caller, browser: Browser) -> None:
    browser.identify("maija", "sealed", until=f"{browser.url}/my")
    assert session_in(caller, browser).provider == "sealed"


def test_the_demos_people_are_offered_nowhere_but_in_the_demo(browser: Browser) -> None:
    for path in ("/demo/sign-in/x", "/demo/identify/demo-clients"):
        assert browser.get(path).status_code == 404
