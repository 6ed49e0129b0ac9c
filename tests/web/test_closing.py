"""A case's end: sign-offs, what closes at once, opening it again, and holds."""

from __future__ import annotations

import secrets
import time
import uuid

import pytest

from tests.support.caller import ANY, EMPLOYMENT, KELA, PURPOSES, Caller, must, new_case, permit
from tests.support.slow import SlowReaders, by_token
from vault.rules.catalogue import PROCESSES

pytestmark = pytest.mark.kinds("directory", "nginx")  # what is stored where changes nothing here

REASON = {"reason": "suunnitelma on toteutunut"}


def shared(caller: Caller, content: bytes = b"feedback") -> tuple[str, str]:
    """A case and a document that Kela may read."""
    case = caller.open_case(members=["kela"])
    document = caller.file(case, content=content)
    caller.consent(case, [permit("kela")])
    return case, document


def close(caller: Caller, case: str) -> dict:
    return must(caller.coordinator.post(f"/v1/cases/{case}/close", REASON))


def test_p06_closing_ends_every_agencys_reading_at_once(caller: Caller) -> None:
    case, document = shared(caller)
    assert caller.by(KELA).read(document).status_code == 200
    assert close(caller, case) == {
        "id": case, "state": "closed", "sign_offs": {"needed": 1, "given": ["pirha"], "missing": 0}}  # fmt: skip
    for acting in (caller.by(KELA), caller.coordinator):
        answer = acting.read(document)
        assert answer.status_code == 403
        assert "case-closed" in answer.json()["reasons"]
    refused = caller.coordinator.post(f"/v1/cases/{case}/documents", {
        "type": "muistio", "title": "t", "language": "fi", "dated": "2026-03-01", "protected_classes": [],
        "filename": "a.txt", "media_type": "text/plain"})  # fmt: skip
    assert refused.status_code == 403
    assert refused.json()["reasons"] == ["case-closed"]
    assert must(caller.coordinator.get(f"/v1/cases/{case}"))["state"] == "closed"
    assert "case-closed" in {
        n["kind"] for n in must(caller.by(KELA).get("/v1/inbox?limit=200"))["items"] if n["case"] == case
    }


# nginx still gives out what it took before the cut; tests/deploy looks at how much that is.
@pytest.mark.kinds("directory", "bucket")
def test_p06_a_running_download_is_cut_by_closing(caller: Caller) -> None:
    case, document = shared(caller, secrets.token_bytes(24 << 20))
    readers = SlowReaders([by_token(caller.service.url, caller.by(KELA).token, document)])
    time.sleep(0.3)
    close(caller, case)
    acknowledged = time.monotonic()
    [download] = readers.join()
    assert max(download.last_byte_at, download.stood_at) - acknowledged <= 1
    query = "SELECT outcome FROM vault.entry WHERE of_entry = $1::uuid"
    deadline = time.monotonic() + 10
    while not (rows := caller.service.sql(query, download.entry)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [row["outcome"] for row in rows] == ["cut"]


def test_opening_again_gives_back_what_was_permitted(caller: Caller) -> None:
    case, document = shared(caller)
    close(caller, case)
    assert must(caller.coordinator.post(f"/v1/cases/{case}/reopen", {"reason": "uusi tieto"}))["state"] == "open"
    assert caller.by(KELA).read(document).content == b"feedback"
    assert close(caller, case)["sign_offs"]["given"] == ["pirha"]
    states = caller.service.sql("SELECT state FROM vault.case_state WHERE case_id = $1::uuid ORDER BY n", case)
    assert [row["state"] for row in states] == ["closing", "closed", "open", "closing", "closed"]


def test_three_authorities_sign_a_joint_closing_off(caller: Caller) -> None:
    body = new_case() | {"process": "tym"}
    case = must(caller.coordinator.post("/v1/cases", body))["id"]
    caller.consent(case, [permit({"any": True}, documents=ANY, actions=["handle", "read"], purposes=PURPOSES)])
    for agency in ("kela", "te-palvelut"):
        caller.join(case, agency)
    early = caller.by(KELA).post(f"/v1/cases/{case}/close", REASON)
    assert early.status_code == 403
    for acting, status, given in (
        (caller.coordinator, 202, ["pirha"]),
        (caller.coordinator, 202, ["pirha"]),
        (caller.by(KELA), 202, ["kela", "pirha"]),
        (caller.by(EMPLOYMENT), 200, ["kela", "pirha", "te-palvelut"]),
        (caller.by(EMPLOYMENT), 200, ["kela", "pirha", "te-palvelut"]),
    ):
        answer = acting.post(f"/v1/cases/{case}/close", REASON)
        assert answer.status_code == status, answer.text
        assert answer.json()["sign_offs"] == {"needed": 3, "given": given, "missing": 3 - len(given)}
        assert answer.json()["state"] == ("closed" if status == 200 else "closing")
    entries = caller.service.sql(
        "SELECT facts FROM vault.entry WHERE case_id = $1::uuid AND act = 'case-close' ORDER BY id", case
    )
    assert [row["facts"] for row in entries][-2:] == ["closed", None]


def test_a_closing_that_was_given_up_needs_all_sign_offs_anew(caller: Caller) -> None:
    case = must(caller.coordinator.post("/v1/cases", new_case() | {"process": "tym"}))["id"]
    caller.consent(case, [permit({"any": True}, documents=ANY, actions=["handle", "read"], purposes=PURPOSES)])
    caller.join(case, "kela")
    must(caller.coordinator.post(f"/v1/cases/{case}/close", REASON), 202)
    must(caller.by(KELA).post(f"/v1/cases/{case}/close", REASON), 202)
    assert must(caller.coordinator.post(f"/v1/cases/{case}/reopen", REASON))["state"] == "open"
    assert caller.by(KELA).post(f"/v1/cases/{case}/close", REASON).status_code == 403
    assert must(caller.coordinator.post(f"/v1/cases/{case}/close", REASON), 202)["sign_offs"]["given"] == ["pirha"]


def test_a_final_assessment_is_a_filed_paper_of_the_closing_agency(caller: Caller) -> None:
    case, document = shared(caller)
    for wrong in (document, str(uuid.uuid4())):
        answer = caller.coordinator.post(f"/v1/cases/{case}/close", REASON | {"final_assessment": wrong})
        assert answer.status_code == 422
        assert answer.json()["field"] == "final_assessment"
    final = caller.file(case, "loppuarvio")
    must(caller.coordinator.post(f"/v1/cases/{case}/close", REASON | {"final_assessment": final}))


def test_holds_are_added_ended_and_logged(caller: Caller) -> None:
    case, _ = shared(caller)
    hold = must(caller.coordinator.post(f"/v1/cases/{case}/holds", {"reason": "oikaisuvaatimus"}))["id"]
    assert caller.service.one("SELECT vault.is_held($1::uuid)", case)
    assert caller.by(KELA).post(f"/v1/cases/{case}/holds", REASON).status_code == 403
    for _ in range(2):
        assert caller.coordinator.delete(f"/v1/cases/{case}/holds/{hold}").status_code == 204
    assert not caller.service.one("SELECT vault.is_held($1::uuid)", case)
    assert caller.coordinator.delete(f"/v1/cases/{case}/holds/{uuid.uuid4()}").status_code == 404
    acts = caller.service.sql(
        "SELECT act FROM vault.entry WHERE case_id = $1::uuid AND act LIKE 'hold%' ORDER BY id", case
    )
    assert [row["act"] for row in acts] == ["hold-add", "hold-add", "hold-end", "hold-end", "hold-end"]


def test_a_hold_with_an_idempotency_key_is_made_once(caller: Caller) -> None:
    case, _ = shared(caller)
    key = {"Idempotency-Key": uuid.uuid4().hex}
    ids = {must(caller.coordinator.post(f"/v1/cases/{case}/holds", REASON, headers=key))["id"] for _ in range(2)}
    assert len(ids) == 1
    assert caller.service.one("SELECT count(*) FROM vault.hold WHERE case_id = $1::uuid", case) == 1


def test_p05_the_reasons_stand_nowhere_in_clear(caller: Caller) -> None:
    case, _ = shared(caller)
    word = "zyxwvutsyy"
    must(caller.coordinator.post(f"/v1/cases/{case}/holds", {"reason": word}))
    must(caller.coordinator.post(f"/v1/cases/{case}/close", {"reason": word}))
    must(caller.coordinator.post(f"/v1/cases/{case}/reopen", {"reason": word}))
    sealed = [
        *caller.service.sql("SELECT sealed_reason FROM vault.hold WHERE case_id = $1::uuid", case),
        *caller.service.sql("SELECT sealed_reason FROM vault.sign_off WHERE case_id = $1::uuid", case),
        *caller.service.sql(
            "SELECT sealed_reason FROM vault.case_state WHERE case_id = $1::uuid AND state = 'open'", case
        ),
    ]
    assert len(sealed) == 3
    assert all(row[0] and word.encode() not in row[0] for row in sealed)
    assert word not in caller.service.log()


@pytest.mark.parametrize(
    "body", [{}, {"reason": ""}, {"reason": "  "}, {"reason": "x" * 1001}, {"reason": 5}, REASON | {"x": 1}]
)
def test_a_reason_is_asked_for(body: dict, caller: Caller) -> None:
    case, _ = shared(caller)
    for what in ("close", "reopen", "holds"):
        assert caller.coordinator.post(f"/v1/cases/{case}/{what}", body).status_code in {400, 422}


def test_a_case_that_one_may_not_see_answers_as_one_that_is_not(caller: Caller) -> None:
    case, _ = shared(caller)
    for what in ("close", "reopen", "holds"):
        answers = [caller.by(EMPLOYMENT).post(f"/v1/cases/{one}/{what}", REASON) for one in (case, uuid.uuid4())]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].text == answers[1].text


def test_the_database_asks_for_as_many_sign_offs_as_the_catalogue(caller: Caller) -> None:
    for code, process in PROCESSES.items():
        assert caller.service.one("SELECT vault.sign_offs_needed($1)", code) == process.closing.sign_offs
