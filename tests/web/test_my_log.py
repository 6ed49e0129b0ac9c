"""The signed-in client's log over HTTP: who opened what of theirs, in their language, by days and apart from their own."""

from __future__ import annotations

import httpx

from tests.support.caller import KELA, Caller, must, permit, personal_code
from tests.support.sessions import browser, client_session
from tests.web.answers import code_of
from vault.formats.promise import parse_promise


def shared_with_kela(caller: Caller) -> tuple[str, str, str]:
    """A client's code, their case, and a document in it that Kela has read, and was once refused."""
    code, born = personal_code()
    case = caller.open_case(members=["kela"], personal_identity_code=code, born=born)
    document = caller.file(case)
    caller.consent(case, [permit("kela")])
    assert caller.by(KELA).read(document).status_code == 200
    assert caller.by(KELA, "care").read(document).status_code == 403
    return code, case, document


def opened(answer: httpx.Response) -> list[dict[str, object]]:
    return [item for item in must(answer)["items"] if item["act"] == "open"]


def test_p09_the_client_sees_who_opened_what_in_their_language(caller: Caller) -> None:
    code, case, document = shared_with_kela(caller)
    with browser(caller.service, client_session(caller.service, code, language="sv")) as hers:
        answer = hers.get("/v1/me/log")
        permitted, denied = opened(answer)
        assert (permitted["agency"], permitted["organisation"], permitted["document"]) == ("kela", "FPA", document)
        assert (permitted["case"], permitted["provision"], permitted["outcome"]) == (case, 1, "delivered")
        words = permitted["words"]
        assert isinstance(words, dict)
        assert words["basis"] == "Ett skriftligt samtycke tillåter detta."
        assert {"role", "purpose", "document_type"} <= words.keys()
        assert denied["decision"] == "deny"
        assert not {"reader", "professional", "name"} & permitted.keys()
        body = must(answer)
        assert (body["next"], body["older"]) == (None, False)
        promise = parse_promise(answer.headers["vault-log-entry"])
        logged = caller.service.sql("SELECT act, facts, actor FROM vault.entry WHERE id = $1", promise.entry)[0]
        assert tuple(logged) == ("list", "my-log", "client")
        assert opened(hers.get(f"/v1/me/log?case={case}&newest=true")) == [denied, permitted]
        assert opened(hers.get("/v1/me/log?until=2001-01-01")) == []
        own = must(hers.get("/v1/me/log?own=true"))["items"]
        assert {item["actor"] for item in own} == {"client"}


def test_09_the_clients_log_tells_the_ground_and_the_very_version_of_the_consent(caller: Caller) -> None:
    """domain.md §14 no. 9: basis and consent version; each release repeats the digest of the consent that permitted it."""
    code, case, document = shared_with_kela(caller)
    first = caller.service.one("SELECT id FROM vault.consent WHERE case_id = $1::uuid ORDER BY id DESC LIMIT 1", case)
    newer = caller.consent(case, [permit("kela"), permit("te-palvelut")], replaces=str(first))
    assert caller.by(KELA).read(document).status_code == 200
    with browser(caller.service, client_session(caller.service, code)) as hers:
        permitted = [one for one in opened(hers.get("/v1/me/log")) if one["decision"] == "permit"]
        earlier, later = sorted(permitted, key=lambda one: str(one["at"]))
        assert (earlier["basis"], earlier["consent"], earlier["provision"]) == ("consent", str(first), 1)
        assert (later["basis"], later["consent"], later["provision"]) == ("consent", newer, 1)
        assert must(hers.get(f"/v1/me/consents/{newer}"))["replaces"] == str(first)
    same = (
        "SELECT count(*) FROM vault.entry e JOIN vault.consent c ON c.id = e.consent"
        " WHERE e.document = $1::uuid AND e.decision = 'permit' AND e.act = 'open' AND e.provisions_digest = c.provisions_digest"
    )
    assert caller.service.one(same, document) == 2


def test_what_is_not_theirs_answers_as_nothing(caller: Caller) -> None:
    code, case, _ = shared_with_kela(caller)
    with browser(caller.service, client_session(caller.service, personal_code()[0])) as stranger:
        assert must(stranger.get("/v1/me/log"))["items"] == []
        assert code_of(stranger.get(f"/v1/me/log?case={case}")) == (404, "not-found")
    with browser(caller.service, client_session(caller.service, code)) as hers:
        assert code_of(hers.get("/v1/me/log?older=true")) == (404, "not-found")
        assert code_of(hers.get("/v1/me/log?from=yesterday")) == (422, "invalid-day")
    with browser(caller.service) as nobody:
        assert nobody.get("/v1/me/log").status_code == 401
    assert caller.by(KELA).get("/v1/me/log").status_code in (401, 403)
