"""Requests with clocks, over HTTP: the client asks by session, the records officer answers by a token."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from tests.support.caller import KELA, Acting, Caller, must, permit, personal_code
from tests.support.sessions import browser, client_session, staff_session
from tests.support.terms_model import due_day
from vault.rules.days import helsinki_day

OFFICER = "pirha-1004"
REASON = "tarkistan pyynnön mukaan"
MONTH = 31
MARK = "zyxwvutsqq"


class Somebody(NamedTuple):
    case: str
    code: str
    hers: httpx.Client


@pytest.fixture
def somebody(caller: Caller) -> Iterator[Somebody]:
    code, born = personal_code()
    case = caller.open_case(members=["kela"], personal_identity_code=code, born=born)
    caller.consent(case, [permit("kela")])
    with browser(caller.service, client_session(caller.service, code)) as hers:
        yield Somebody(case, code, hers)


@pytest.fixture
def officer(caller: Caller) -> Acting:
    return caller.by(OFFICER)


def today() -> dt.date:
    return helsinki_day(dt.datetime.now(dt.UTC))


def asked(somebody: Somebody, kind: str, **more: Any) -> dict[str, Any]:
    return must(somebody.hers.post("/v1/me/requests", json={"kind": kind} | more))


@pytest.mark.parametrize(
    ("kind", "more", "due"),
    [
        ("export-review", {}, 1), ("correction", {"text": "väärä päivä"}, 1), ("log-names", {}, 2),
        ("log-older", {"special_reason": "oikeudenkäynti"}, 2), ("self-access", {}, 1),
    ],
)  # fmt: skip
def test_p09_every_request_has_a_clock_that_the_client_sees(
    somebody: Somebody, kind: str, more: dict[str, Any], due: int
) -> None:
    made = asked(somebody, kind, **more)
    assert made["due_on"] == due_day(today(), due).isoformat()
    shown = must(somebody.hers.get(f"/v1/me/requests/{made['id']}"))
    assert (shown["state"], shown["running"], shown["identified_how"]) == ("identified", True, "strong-identification")
    assert shown["received_on"] == today().isoformat()
    assert shown["asked"] == {"text": more.get("text", ""), "special_reason": more.get("special_reason", "")}
    listed = must(somebody.hers.get("/v1/me/requests"))["items"]
    assert [one["id"] for one in listed] == [made["id"]]


def test_a_second_press_is_the_same_request(somebody: Somebody) -> None:
    assert asked(somebody, "log-names")["id"] == asked(somebody, "log-names")["id"]
    assert asked(somebody, "log-names", until="2026-01-01")["id"] != asked(somebody, "log-names")["id"]


def test_10_entries_older_than_two_years_need_a_special_reason_and_a_refusal_is_a_written_decision(
    somebody: Somebody, officer: Acting
) -> None:
    """domain.md §14 no. 10; FI 703/2023 § 11: two months, written decision, the way to the ombudsman."""
    refused = somebody.hers.post("/v1/me/requests", json={"kind": "log-older"})
    assert (refused.status_code, refused.json()["field"]) == (422, "special_reason")
    made = asked(somebody, "log-older", special_reason=f"muuten vain {MARK}")
    assert made["due_on"] == due_day(today(), 2).isoformat()
    assert somebody.hers.get("/v1/me/log", params={"older": "true"}).status_code == 404
    late = officer.post(f"/v1/requests/{made['id']}/extend", {"notice": "kiire"})
    assert (late.status_code, late.json()["code"]) == (409, "no-extension")
    decision = {"provision": "703-2023-11", "reason": f"ei erityistä syytä {MARK}", "told": True}
    must(officer.post(f"/v1/requests/{made['id']}/refuse", decision))
    shown = must(somebody.hers.get(f"/v1/me/requests/{made['id']}"))
    assert (shown["state"], shown["running"]) == ("refused", False)
    written = shown["steps"][-1]["refusal"]
    assert written["law"] == "asiakastietolaki (703/2023) 11 §"
    assert written["reason"] == decision["reason"]
    assert "tietosuojavaltuutetulle" in written["ombudsman"]
    assert somebody.hers.get("/v1/me/log", params={"older": "true"}).status_code == 404
    granted = asked(somebody, "log-older", special_reason="oikeudenkäynti")
    must(officer.post(f"/v1/requests/{granted['id']}/answer", {"text": "Saat lokin."}))
    assert somebody.hers.get("/v1/me/log", params={"older": "true"}).status_code == 200


@pytest.mark.parametrize(
    ("language", "word"), [("fi", "tietosuojavaltuutetulle"), ("sv", "dataombudsmannen"), ("en", "Ombudsman")]
)
def test_a_refusal_is_in_the_clients_language(caller: Caller, officer: Acting, language: str, word: str) -> None:
    code, born = personal_code()
    caller.open_case(personal_identity_code=code, born=born, language=language)
    with browser(caller.service, client_session(caller.service, code, language=language)) as hers:
        made = must(hers.post("/v1/me/requests", json={"kind": "correction", "text": "x"}))
        must(officer.post(f"/v1/requests/{made['id']}/refuse", {"provision": "gdpr-16", "reason": "ei virhettä"}))
        written = must(hers.get(f"/v1/me/requests/{made['id']}"))["steps"][-1]["refusal"]
    assert word in written["ombudsman"]


def test_a_reason_that_may_not_be_told_is_not_told(somebody: Somebody, officer: Acting) -> None:
    made = asked(somebody, "self-access")
    body = {"provision": "1050-2018-34-security", "reason": MARK, "told": False}
    must(officer.post(f"/v1/requests/{made['id']}/refuse", body))
    answer = somebody.hers.get(f"/v1/me/requests/{made['id']}")
    assert MARK not in answer.text
    assert answer.json()["steps"][-1]["refusal"]["reason"] is None
    assert MARK in officer.get(f"/v1/requests/{made['id']}").text


def test_more_time_is_taken_once_and_with_a_notice(caller: Caller, somebody: Somebody, officer: Acting) -> None:
    made = asked(somebody, "correction", text="x")
    assert officer.post(f"/v1/requests/{made['id']}/extend", {"notice": ""}).status_code == 422
    told = must(officer.post(f"/v1/requests/{made['id']}/extend", {"notice": "odotamme tietoa Kelasta"}))
    assert told["due_on"] == due_day(today(), 3).isoformat()
    assert officer.post(f"/v1/requests/{made['id']}/extend", {"notice": "vielä"}).status_code == 409
    shown = must(somebody.hers.get(f"/v1/me/requests/{made['id']}"))
    assert (shown["state"], shown["due_on"]) == ("extended", due_day(today(), 3).isoformat())
    assert shown["steps"][-1]["text"] == "odotamme tietoa Kelasta"
    assert not shown["extendable"]


def test_names_are_opened_for_one_request_and_told_by_its_answer(
    caller: Caller, somebody: Somebody, officer: Acting
) -> None:
    document = caller.file(somebody.case)
    assert caller.by(KELA).read(document).status_code == 200
    assert "Etulahti" not in somebody.hers.get("/v1/me/log").text
    made = asked(somebody, "log-names")
    found = must(officer.get(f"/v1/requests/{made['id']}/names"))["items"]
    kela = next(one for one in found if one["agency"] == "kela")
    assert kela["name"] == "Kaisa Etulahti"
    for wrong in (str(uuid.uuid4()), "x"):
        answer = officer.post(f"/v1/requests/{made['id']}/answer", {"text": "x", "names": [wrong]})
        assert answer.status_code in (400, 422)
    must(officer.post(f"/v1/requests/{made['id']}/answer", {"text": "Tässä nimet.", "names": [kela["id"]]}))
    shown = must(somebody.hers.get(f"/v1/me/requests/{made['id']}"))
    [told] = shown["names"]
    assert (told["name"], told["agency"], told["roles"]) == ("Kaisa Etulahti", "kela", ["insurance-secretary"])
    assert told["agency_name"]["sv"] == "FPA"
    # The names are closed again: the request is answered.
    assert officer.get(f"/v1/requests/{made['id']}/names").status_code == 404
    acts = [row[0] for row in caller.service.sql(
        "SELECT facts FROM vault.entry WHERE act = 'list' AND actor = 'records-officer' AND client = "
        "(SELECT client FROM vault.client_case WHERE id = $1::uuid) ORDER BY id", somebody.case)]  # fmt: skip
    assert "request-names" in acts


def test_a_request_on_paper_is_recorded_with_how_it_came_and_how_the_person_was_identified(
    caller: Caller, somebody: Somebody, officer: Acting
) -> None:
    [person] = must(officer.post("/v1/requests/find-client", {"personal_identity_code": somebody.code}))["items"]
    assert person["name"] == "Testi Asiakas"
    assert [one["id"] for one in person["cases"]] == [somebody.case]
    day = (today() - dt.timedelta(days=3)).isoformat()
    body = {
        "client": person["id"],
        "kind": "self-access",
        "received_how": "paper",
        "received_on": day,
        "text": "kaikki tiedot",
    }
    made = must(officer.post("/v1/requests", body))
    answer = officer.post(f"/v1/requests/{made['id']}/answer", {"text": "x"})
    assert (answer.status_code, answer.json()["code"]) == (409, "not-identified")
    must(officer.post(f"/v1/requests/{made['id']}/identify", {"identified_how": "signature"}))
    must(officer.post(f"/v1/requests/{made['id']}/take-up"))
    must(officer.post(f"/v1/requests/{made['id']}/answer", {"text": "Annettu paperilla."}))
    shown = must(somebody.hers.get(f"/v1/me/requests/{made['id']}"))
    assert (shown["received_how"], shown["received_on"], shown["identified_how"]) == ("paper", day, "signature")
    assert [step["state"] for step in shown["steps"]] == ["received", "identified", "under-way", "answered"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"received_how": "fax"}, "received_how"), ({"received_on": "2999-01-01"}, "received_on"), ({"kind": "gift"}, "kind"),
        ({"received_on": "yesterday"}, "received_on"), ({"identified_how": "guess"}, "identified_how"),
        ({"client": str(uuid.uuid4())}, "client"), ({"case": str(uuid.uuid4())}, "case"), ({"language": "xx"}, "language"),
        ({"from": "2026-02-02", "until": "2026-01-01"}, "until"), ({"text": "x" * 4001}, "text"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_recorded_request_is_named(
    somebody: Somebody, officer: Acting, change: dict[str, Any], field: str
) -> None:
    [person] = must(officer.post("/v1/requests/find-client", {"case": somebody.case}))["items"]
    body = {"client": person["id"], "kind": "self-access", "received_how": "phone", "received_on": "2026-01-07"}
    answer = officer.post("/v1/requests", body | change)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_p01_a_records_officer_gets_no_paper_without_the_clients_own_request(
    caller: Caller, somebody: Somebody, officer: Acting
) -> None:
    document = caller.file(somebody.case)
    other = caller.file(caller.open_case())
    assert officer.read(document).status_code == 404
    assert officer.get(f"/v1/documents/{document}").status_code == 404
    assert officer.get(f"/v1/cases/{somebody.case}/documents").status_code == 404
    made = asked(somebody, "export-review")
    assert officer.read(document).status_code == 404
    assert officer.post(f"/v1/requests/{made['id']}/looks", {"document": other, "reason": REASON}).status_code == 404
    assert officer.post(f"/v1/requests/{made['id']}/looks", {"document": document, "reason": " "}).status_code == 422
    must(officer.post(f"/v1/requests/{made['id']}/looks", {"document": document, "reason": REASON}))
    assert officer.read(document).content == b"a paper"
    assert officer.read(other).status_code == 404
    shown = must(somebody.hers.get(f"/v1/me/requests/{made['id']}"))
    assert [(one["document"], one["reason"]) for one in shown["looks"]] == [(document, REASON)]
    seen = [(one["act"], one.get("basis")) for one in must(somebody.hers.get("/v1/me/log"))["items"]]
    assert ("open", "controller-duty") in seen
    must(officer.post(f"/v1/requests/{made['id']}/answer", {"text": "valmis"}))
    assert officer.read(document).status_code == 404


def test_p01_nobody_else_sees_or_answers_a_request(caller: Caller, somebody: Somebody) -> None:
    made = asked(somebody, "correction", text="x")
    with browser(caller.service, client_session(caller.service, personal_code()[0])) as stranger:
        assert stranger.get(f"/v1/me/requests/{made['id']}").status_code == 404
        assert stranger.post("/v1/me/requests", json={"kind": "log-names"}).status_code == 404
    for who in (caller.coordinator, caller.by(KELA), caller.system("pirha")):
        assert who.get(f"/v1/requests/{made['id']}").status_code == 403
        assert who.post(f"/v1/requests/{made['id']}/answer", {"text": "x"}).status_code == 403
        assert who.get("/v1/requests").status_code == 403


def test_the_queue_shows_the_most_urgent_first_and_who_asked(
    caller: Caller, somebody: Somebody, officer: Acting
) -> None:
    slow = asked(somebody, "log-names")["id"]
    [person] = must(officer.post("/v1/requests/find-client", {"case": somebody.case}))["items"]
    urgent = {
        "client": person["id"],
        "kind": "correction",
        "text": "x",
        "received_how": "paper",
        "received_on": "2026-01-07",
    }
    late = must(officer.post("/v1/requests", urgent))["id"]
    queue = must(officer.get("/v1/requests"))["items"]
    ids = [one["request"]["id"] for one in queue]
    assert ids.index(late) < ids.index(slow)
    first = next(one for one in queue if one["request"]["id"] == late)
    assert (first["request"]["late"], first["request"]["days_left"] < 0) == (True, True)
    assert first["client"]["name"] == "Testi Asiakas"
    with browser(caller.service, staff_session(caller.service, OFFICER, "records-officer")) as desk:
        assert [one["request"]["id"] for one in must(desk.get("/v1/requests"))["items"]] == ids


def test_p05_the_texts_of_requests_stand_nowhere_in_clear(caller: Caller, somebody: Somebody, officer: Acting) -> None:
    made = asked(somebody, "correction", text=MARK)
    must(officer.post(f"/v1/requests/{made['id']}/extend", {"notice": MARK}))
    must(officer.post(f"/v1/requests/{made['id']}/refuse", {"provision": "gdpr-16", "reason": MARK, "text": MARK}))
    tables = [row[0] for row in caller.service.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'vault'")]
    for table in tables:
        found = caller.service.one(
            f"SELECT count(*) FROM vault.{table} x WHERE to_jsonb(x)::text LIKE '%' || $1 || '%'"
            f" OR to_jsonb(x)::text LIKE '%' || encode(convert_to($1, 'UTF8'), 'hex') || '%'", MARK
        )  # fmt: skip
        assert found == 0, table
    assert MARK not in caller.service.log()


def test_a_case_stays_while_somebody_waits_to_be_given_what_is_in_it(
    caller: Caller, somebody: Somebody, officer: Acting
) -> None:
    made = asked(somebody, "export-review")
    assert caller.service.one("SELECT vault.is_held($1::uuid)", somebody.case)
    must(officer.post(f"/v1/requests/{made['id']}/answer", {"text": "valmis"}))
    assert not caller.service.one("SELECT vault.is_held($1::uuid)", somebody.case)


def test_11_a_fee_is_a_persons_decision_with_a_reason_told_beforehand_and_never_the_first(
    somebody: Somebody, officer: Acting
) -> None:
    """domain.md §14 no. 11: default free; a fee path needs a human, a reason and the amount beforehand."""
    first = asked(somebody, "self-access")
    fee = {"cents": 1500, "reason": "kolmas kopio kuukaudessa"}
    answer = officer.post(f"/v1/requests/{first['id']}/fee", fee)
    assert (answer.status_code, answer.json()["code"]) == (409, "fee-not-due")
    must(officer.post(f"/v1/requests/{first['id']}/answer", {"text": "annettu"}))
    second = asked(somebody, "self-access")
    for wrong in ({"cents": 0, "reason": "x"}, {"cents": 100, "reason": ""}, {"cents": 10**9, "reason": "x"}):
        assert officer.post(f"/v1/requests/{second['id']}/fee", wrong).status_code == 422
    must(officer.post(f"/v1/requests/{second['id']}/fee", fee))
    told = must(somebody.hers.get(f"/v1/me/requests/{second['id']}"))["fee"]
    assert (told["cents"], told["reason"], told["accepted"]) == (1500, fee["reason"], None)
    must(somebody.hers.post(f"/v1/me/requests/{second['id']}/fee", json={"accepted": False}))
    assert somebody.hers.post(f"/v1/me/requests/{second['id']}/fee", json={"accepted": True}).status_code == 409


def test_an_explanation_is_asked_for_one_entry(caller: Caller, somebody: Somebody) -> None:
    document = caller.file(somebody.case)
    caller.by(KELA).read(document)
    entry = next(one for one in must(somebody.hers.get("/v1/me/log"))["items"] if one["act"] == "open")["entry"]
    assert somebody.hers.post("/v1/me/requests", json={"kind": "explanation"}).status_code == 422
    other = {"kind": "explanation", "entry": str(uuid.uuid4())}
    assert somebody.hers.post("/v1/me/requests", json=other).json()["field"] == "entry"
    made = asked(somebody, "explanation", entry=entry, text="miksi?")
    shown = must(somebody.hers.get(f"/v1/me/requests/{made['id']}"))
    assert shown["entry"] == entry
    assert (shown["opening"]["party"]["agency"], shown["opening"]["type"]) == ("kela", "kuntoutuspalaute")
    with browser(caller.service, staff_session(caller.service, OFFICER, "records-officer")) as http:
        page = http.get(f"/desk/records/requests/{made['id']}").text
    assert "Kela, vakuutussihteeri: kuntoutuspalaute" in " ".join(page.split()), "no bare id alone"
