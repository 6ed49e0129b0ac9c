"""A person's session: what it opens, what it does not, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.caller import KELA, PLANNING, Caller, permit, personal_code
from tests.support.sessions import browser, client_session, staff_session, with_sessions
from vault.services.sessions import Session


@pytest.fixture
def somebody(caller: Caller) -> Iterator[tuple[str, str, httpx.Client]]:
    """A client's case, a consent for Kela in it, and her own browser."""
    code, born = personal_code()
    case = caller.open_case(members=["kela"], personal_identity_code=code, born=born)
    with browser(caller.service, client_session(caller.service, code)) as hers:
        yield case, caller.consent(case, [permit("kela")]), hers


def test_a_client_withdraws_and_the_agency_is_refused_at_once(
    caller: Caller, somebody: tuple[str, str, httpx.Client]
) -> None:
    case, consent, hers = somebody
    document = caller.file(case)
    assert caller.by(KELA).read(document).status_code == 200
    answer = hers.post(f"/v1/consents/{consent}/withdraw", json={})
    assert answer.status_code == 200, answer.text
    assert "vault-log-entry" in answer.headers
    assert caller.by(KELA).read(document).status_code == 403


def test_a_client_asks_what_may_be_read_and_why(caller: Caller, somebody: tuple[str, str, httpx.Client]) -> None:
    case, _, hers = somebody
    asked = {
        "document": caller.file(case),
        "agency": "kela",
        "role": "insurance-secretary",
        "action": "read",
        "purpose": PLANNING,
    }
    assert hers.post("/v1/decisions", json=asked).json()["decision"] == "permit"
    with browser(caller.service, client_session(caller.service, personal_code()[0])) as stranger:
        assert stranger.post("/v1/decisions", json=asked).status_code == 404


def test_p01_another_client_withdraws_nothing(caller: Caller, somebody: tuple[str, str, httpx.Client]) -> None:
    _, consent, _ = somebody
    with browser(caller.service, client_session(caller.service, personal_code()[0])) as stranger:
        assert stranger.post(f"/v1/consents/{consent}/withdraw", json={}).status_code == 404


def test_two_people_whose_codes_differ_only_in_the_sign_stay_two(caller: Caller) -> None:
    code, born = personal_code()
    other = code.replace("-", "Y")
    caller.open_case(personal_identity_code=code, born=born)
    caller.open_case(personal_identity_code=other, born=born)
    first, second = client_session(caller.service, code), client_session(caller.service, other)
    assert None not in {first.client, second.client}
    assert first.client != second.client


def test_a_person_of_whom_nothing_is_kept_has_a_session(caller: Caller) -> None:
    session = client_session(caller.service, personal_code()[0])
    assert session.client is None
    with browser(caller.service, session) as theirs:
        answer = theirs.post(
            "/v1/decisions",
            json={
                "document": str(caller.file(caller.open_case())),
                "agency": "kela",
                "action": "read",
                "purpose": PLANNING,
            },
        )
        assert answer.status_code == 404


def test_a_person_without_a_code_has_a_session(caller: Caller) -> None:
    assert client_session(caller.service, None, subject="FR/FI/somebody").client is None


def test_a_session_ends_at_once_and_is_worth_nothing_after(
    caller: Caller, somebody: tuple[str, str, httpx.Client]
) -> None:
    _, consent, hers = somebody
    from vault.web.session import decode_secret

    secret = decode_secret(hers.cookies["vault"])
    assert secret is not None
    with_sessions(caller.service, lambda sessions: sessions.end(secret))
    assert hers.post(f"/v1/consents/{consent}/withdraw", json={}).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_another_sites_page_cannot_use_a_session(
    caller: Caller, somebody: tuple[str, str, httpx.Client], headers: dict[str, str]
) -> None:
    _, consent, hers = somebody
    answer = hers.post(f"/v1/consents/{consent}/withdraw", json={}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "cross-site")
    own = {"Sec-Fetch-Site": "same-origin", "Origin": caller.service.url}
    assert hers.post(f"/v1/consents/{consent}/withdraw", json={}, headers=own).status_code == 200


@pytest.mark.parametrize("cookie", ["", "x", "a" * 43, "A" * 42 + "=", "%00" * 11, "é" * 43])
def test_a_cookie_that_is_none_of_ours_is_no_session(caller: Caller, cookie: str) -> None:
    headers = {"Cookie": f"vault={cookie}".encode()}
    answer = httpx.post(f"{caller.service.url}/v1/decisions", json={}, headers=headers, trust_env=False)  # type: ignore[arg-type]
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("subject", "role"), [("pirha-1001", "coordinator"), ("pirha-1004", "records-officer"), ("pirha-1005", "archivist")]
)
def test_professionals_have_sessions_of_their_role(caller: Caller, subject: str, role: str) -> None:
    session: Session = staff_session(caller.service, subject, role)
    assert (session.role, session.agency, session.subject, session.client) == (role, "pirha", subject, None)
    assert session.actor == ("records-officer" if role == "records-officer" else "professional")
    with browser(caller.service, session) as theirs:
        # The agencies' routes take no session: they stand for an application's token.
        assert theirs.get("/v1/cases").status_code == 401
