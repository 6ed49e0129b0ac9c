"""Restriction of processing (GDPR Art. 18), from the client's pages to the written decision and to its end."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx
import pytest

from tests.support.caller import ANY, KELA, PURPOSES, Acting, Caller, must, new_case, permit, personal_code
from tests.support.sessions import browser, client_session, staff_session
from tests.support.terms_model import due_day
from tests.web.test_desk_pages import Desk, hidden
from vault.rules.days import helsinki_day

OFFICER = "pirha-1004"
WORDS = "osoite on väärä zyxwvutsqq"


class Somebody(NamedTuple):
    case: str
    paper: str
    code: str
    http: httpx.Client
    pages: Desk


@pytest.fixture
def hers(caller: Caller) -> Iterator[Somebody]:
    """A client of whom Kela may read one paper on consent."""
    code, born = personal_code()
    case = caller.open_case(members=["kela"], personal_identity_code=code, born=born)
    caller.consent(case, [permit("kela")])
    paper = caller.file(case)
    with browser(caller.service, client_session(caller.service, code)) as http:
        yield Somebody(case, paper, code, http, Desk(http))


@pytest.fixture
def officer(caller: Caller) -> Iterator[Desk]:
    with browser(caller.service, staff_session(caller.service, OFFICER, "records-officer")) as http:
        yield Desk(http)


@pytest.fixture
def deciding(caller: Caller) -> Acting:
    return caller.by(OFFICER)


def in_days(days: int) -> str:
    return (helsinki_day(dt.datetime.now(dt.UTC)) + dt.timedelta(days=days)).isoformat()


def wished(http: httpx.Client, **more: Any) -> str:
    body = {"kind": "restriction", "ground": "accuracy", "text": WORDS} | more
    return str(must(http.post("/v1/me/requests", json=body))["id"])


def test_p06_a_client_asks_one_question_a_screen_and_what_is_granted_binds_at_once_until_an_officer_ends_it(
    caller: Caller, hers: Somebody, officer: Desk
) -> None:
    assert caller.by(KELA).read(hers.paper).status_code == 200
    start = f"/my/requests/restriction?document={hers.paper}"
    assert start.partition("?")[0] in hers.pages.get("/my/requests")
    assert start in hers.pages.get(f"/my/documents/{hers.paper}")
    flow = "/my/requests/restriction"
    assert 'id="ground-error"' in hers.pages.post(start, {}, flow, status=422)
    asked = {"document": hers.paper, "ground": "accuracy"}
    assert 'id="text-error"' in hers.pages.post(start, asked | {"step": "text", "text": " "}, flow, status=422)
    told = hers.pages.post(start, asked | {"step": "text", "text": WORDS}, flow, status=200)
    assert WORDS in told
    assert must(hers.http.get("/v1/me/requests"))["items"] == [], "nothing is asked before the last press"
    sent = dict(asked, step="send", text=WORDS, id="01990000-0000-7000-8000-00000000abcd")
    place = hers.pages.post(start, sent, flow)
    assert hers.pages.post(start, sent, flow) == place, "a double press asks once"
    made = must(hers.http.get(f"/v1/me/requests/{place.rpartition('/')[2]}"))
    due = due_day(helsinki_day(dt.datetime.now(dt.UTC)), 1).isoformat()
    assert (made["kind"], made["ground"], made["document"], made["due_on"]) == (
        "restriction",
        "accuracy",
        hers.paper,
        due,
    )
    assert caller.by(KELA).read(hers.paper).status_code == 200, "asking alone restricts nothing"

    at_desk = f"/desk/records/requests/{made['id']}"
    assert WORDS in officer.get(at_desk)
    assert "rajo" in officer.get(f"{at_desk}/answer")
    officer.post(f"{at_desk}/answer", {"text": "Rajoitamme, kunnes osoite on tarkistettu."})
    refused = caller.by(KELA).read(hers.paper)
    assert (refused.status_code, refused.json()["reasons"]) == (403, ["prohibited"])
    kinds = [
        one["kind"] for one in must(caller.by(KELA).get("/v1/inbox?limit=200"))["items"] if one["case"] == hers.case
    ]
    assert "processing-restricted" in kinds
    # She reads and sees what binds; her own buttons do not end it.
    assert hers.http.get(f"/v1/me/documents/{hers.paper}/content").status_code == 200
    [binding] = must(hers.http.get("/v1/me/readers"))["restrictions"]
    assert (binding["request"], binding["ends_from"]) == (made["id"], None)
    for page in ("/my", "/my/prohibitions", place):
        assert "säilytetään" in hers.pages.get(page), page
    hers.pages.get(f"/my/prohibitions/{binding['id']}/end", 409)
    answer = hers.http.post(f"/v1/me/prohibitions/{binding['id']}/end")
    assert (answer.status_code, answer.json()["code"]) == (409, "officers-to-end")
    must(hers.http.post("/v1/me/pause"))
    must(hers.http.post("/v1/me/resume"))
    assert caller.by(KELA).read(hers.paper).status_code == 403

    assert at_desk in officer.get("/desk/records/restrictions")
    assert "restriction/notice" in officer.get(f"{at_desk}/restriction/end"), "the person is told first"
    officer.post(f"{at_desk}/restriction/end", {}, status=422)
    soon = {"ends_from": in_days(6), "text": "osoite on tarkistettu"}
    assert 'id="ends_from-error"' in officer.post(f"{at_desk}/restriction/notice", soon, status=422)
    officer.post(f"{at_desk}/restriction/notice", soon | {"ends_from": in_days(7)})
    assert "osoite on tarkistettu" in hers.pages.get(place)
    officer.post(f"{at_desk}/restriction/end", {}, status=422)
    caller.service.sql(
        "UPDATE vault.restriction_notice SET ends_from = current_date - 1 WHERE request = $1::uuid", made["id"]
    )
    officer.post(f"{at_desk}/restriction/end", {})
    assert caller.by(KELA).read(hers.paper).status_code == 200
    assert must(hers.http.get("/v1/me/readers"))["restrictions"] == []
    officer.get(f"{at_desk}/restriction/notice", 409)
    assert at_desk not in officer.get("/desk/records/restrictions")


@pytest.mark.parametrize(
    ("language", "law", "meaning", "ombudsman"),
    [
        ("fi", "asiakastietolaki (703/2023) 12 §", "vaarantaa vakavasti terveyttäsi", "tietosuojavaltuutetulle"),
        ("sv", "kunduppgiftslagen (703/2023) 12 §", "allvarligt äventyra din hälsa", "dataombudsmannen"),
        ("en", "Client Data Act (703/2023) § 12", "seriously endanger your health", "Ombudsman"),
    ],
)
def test_a_refusal_is_a_written_decision_with_the_exception_in_the_clients_language(
    caller: Caller, officer: Desk, language: str, law: str, meaning: str, ombudsman: str
) -> None:
    code, born = personal_code()
    caller.open_case(personal_identity_code=code, born=born, language=language)
    with browser(caller.service, client_session(caller.service, code, language=language)) as http:
        made = wished(http, ground="objection")
        path = f"/desk/records/requests/{made}"
        fields = {
            "provision": "703-2023-12-health",
            "judge": "pirha pirha-1002",
            "reason": "syy zyxwvutsqq",
            "partly": "no",
            "untold": "no",
            "text": "",
        }
        assert 'value="703-2023-12-health"' in officer.get(f"{path}/refuse")
        assert 'value="381-2023-12"' not in officer.get(f"{path}/refuse"), "the exception of another act"
        assert 'id="judge-error"' in officer.post(f"{path}/refuse", fields | {"judge": ""}, status=422)
        officer.post(f"{path}/refuse", fields)
        assert must(http.get(f"/v1/me/requests/{made}"))["steps"][-1]["decided_by_role"] == "physician"
        letter = officer.get(f"{path}/letter")
        page = Desk(http).get(f"/my/requests/{made}")
    for said in (law, meaning, ombudsman, "syy zyxwvutsqq"):
        assert said in letter
        assert said in page


def test_22_in_tym_the_wish_is_answered_with_the_exception_of_the_act(caller: Caller, officer: Desk) -> None:
    """domain.md §14 no. 22: GDPR Art. 18 does not apply there (FI 381/2023 § 12); the client is told so before asking."""
    code, born = personal_code()
    body = new_case(personal_identity_code=code, born=born) | {"process": "tym"}
    case = str(must(caller.coordinator.post("/v1/cases", body))["id"])
    caller.consent(case, [permit({"any": True}, documents=ANY, actions=["handle"], purposes=PURPOSES)])
    with browser(caller.service, client_session(caller.service, code)) as http:
        hers, flow = Desk(http), "/my/requests/restriction"
        told = hers.post(flow, {"ground": "claim", "step": "text"}, status=200)
        assert "(381/2023) 12 §" in told
        made = wished(http, ground="claim")
        assert "(381/2023) 12 §" in officer.get(f"/desk/records/requests/{made}/answer")
        assert '<option value="381-2023-12" selected>' in officer.get(f"/desk/records/requests/{made}/refuse")
        decision = {"provision": "381-2023-12", "reason": "oikeutta ei ole", "partly": "no", "untold": "no", "text": ""}
        officer.post(f"/desk/records/requests/{made}/refuse", decision)
        refusal = must(http.get(f"/v1/me/requests/{made}"))["steps"][-1]["refusal"]
    assert refusal["law"] == "laki työllistymisen monialaisesta edistämisestä (381/2023) 12 §"
    assert "rajoittamiseen" in refusal["meaning"]
    assert "tietosuoja.fi" in refusal["ombudsman"]


def test_a_part_is_refused_and_the_chosen_papers_are_restricted(caller: Caller, hers: Somebody, officer: Desk) -> None:
    other = caller.file(hers.case)
    made = wished(hers.http)
    path = f"/desk/records/requests/{made}/refuse"
    part = {"provision": "gdpr-18", "reason": "muut ovat oikein", "partly": "yes", "untold": "no", "text": "Osa."}
    assert 'id="papers-error"' in officer.post(path, part, status=422)
    officer.post(path, part | {"papers": hers.paper})
    assert (caller.by(KELA).read(hers.paper).status_code, caller.by(KELA).read(other).status_code) == (404, 200)
    assert must(hers.http.get(f"/v1/me/requests/{made}"))["restriction"]["papers"] == [hers.paper]


def test_a_decision_on_more_papers_than_a_form_else_has_fields_is_taken_and_kept_when_signed_out(
    caller: Caller, hers: Somebody, officer: Desk
) -> None:
    made = wished(hers.http)
    path = f"/desk/records/requests/{made}/refuse"
    ticked = [("papers", hers.paper)] * 400
    fields = {"provision": "gdpr-18", "reason": "x", "partly": "yes", "untold": "no", "text": "rajoitamme nämä"}
    sent = urlencode([*hidden(officer, path).items(), *fields.items(), *ticked])
    form = {"content-type": "application/x-www-form-urlencoded"}
    with browser(caller.service) as nobody:
        kept = nobody.post(path, content=sent, headers=form)
    assert (kept.status_code, kept.text.count(f'name="papers" value="{hers.paper}"')) == (401, 400)
    answer = officer.http.post(path, content=sent, headers=form)
    assert answer.status_code == 303, answer.text[:1000]
    [binding] = must(hers.http.get("/v1/me/readers"))["restrictions"]
    assert binding["request"] == made
    too_many = urlencode([*hidden(officer, "/desk/records/new").items(), *ticked])
    assert officer.http.post("/desk/records/new", content=too_many, headers=form).status_code == 400


def test_where_two_organisations_answer_one_case_is_chosen_and_no_answer_is_lost(
    caller: Caller, hers: Somebody
) -> None:
    """The papers of all cases would go to nobody: one request has one controller."""
    flow = "/my/requests/restriction"
    caller.open_case(personal_identity_code=hers.code, born=f"1999-{hers.code[2:4]}-{hers.code[:2]}")
    assert 'value="all"' in hers.pages.get(flow)
    caller.service.sql("UPDATE vault.client_case SET controller = 'kela' WHERE id = $1::uuid", hers.case)
    shown = hers.pages.get(flow)
    assert 'value="all"' not in shown
    assert "Asiasi kuuluvat eri organisaatioille" in shown
    assert ", Kela" in shown
    sent = {"case": "all", "ground": "claim", "text": WORDS, "step": "send", "id": str(uuid.uuid4())}
    again = hers.pages.post(flow, sent, flow, status=422)
    assert 'id="case-error"' in again
    assert 'value="all"' not in again
    assert f'name="text" value="{WORDS}"' in again, "what was written is kept"
    place = hers.pages.post(flow, sent | {"case": hers.case}, flow)
    made = must(hers.http.get(f"/v1/me/requests/{place.rpartition('/')[2]}"))
    assert (made["case"], made["ground"]) == (hers.case, "claim")


def test_one_that_came_by_phone_is_recorded_with_its_ground(
    caller: Caller, hers: Somebody, officer: Desk, deciding: Acting
) -> None:
    found = must(deciding.post("/v1/requests/find-client", {"case": hers.case}), 200)["items"][0]
    fields = {"id": "01990000-0000-7000-8000-00000000bcde", "client": found["id"], "of_case": hers.case, "case": hers.case,
              "kind": "restriction", "received_how": "phone", "received_on": "2026-01-07", "identified_how": "known-in-person"}  # fmt: skip
    path = "/desk/records/new"
    assert 'id="ground-error"' in officer.post(path, fields, f"{path}/record", status=422)
    place = officer.post(path, fields | {"ground": "unlawful"}, f"{path}/record")
    shown = must(deciding.get(f"/v1/requests/{place.rpartition('/')[2]}"))["request"]
    assert (shown["ground"], shown["received_how"], shown["due_on"]) == ("unlawful", "phone", "2026-02-09")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "restriction"}, "ground"), ({"kind": "restriction", "ground": "because"}, "ground"),
        ({"kind": "correction", "text": "x", "ground": "accuracy"}, "ground"),
        ({"kind": "restriction", "ground": "claim", "text": "x" * 4001}, "text"),
    ],
)  # fmt: skip
def test_a_wish_that_says_no_ground_of_the_law_is_refused(hers: Somebody, body: dict[str, str], field: str) -> None:
    answer = hers.http.post("/v1/me/requests", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_bad_decisions_are_refused_and_change_nothing(caller: Caller, hers: Somebody, deciding: Acting) -> None:
    made = wished(hers.http)
    path = f"/v1/requests/{made}"
    for body, field in (
        ({"provision": "381-2023-12", "reason": "x"}, "provision"),
        ({"provision": "gdpr-16", "reason": "x"}, "provision"),
        ({"provision": "gdpr-18", "reason": "x", "papers": [hers.paper]}, "papers"),
        ({"provision": "gdpr-18", "reason": "x", "partly": True, "text": "x", "papers": [hers.case]}, "papers"),
    ):
        answer = deciding.post(f"{path}/refuse", body)
        assert (answer.status_code, answer.json()["field"]) == (422, field), body
    other = must(hers.http.post("/v1/me/requests", json={"kind": "correction", "text": "x"}))["id"]
    answer = deciding.post(f"/v1/requests/{other}/refuse", {"provision": "gdpr-18", "reason": "x"})
    assert (answer.status_code, answer.json()["field"]) == (422, "provision")
    for name, body in (("notice", {"ends_from": in_days(9), "text": "x"}), ("end", None)):
        assert deciding.post(f"{path}/restriction/{name}", body).status_code == 404, "none is in force"
        assert caller.by(KELA).post(f"{path}/restriction/{name}", body).status_code in (403, 404)
    assert must(hers.http.get(f"/v1/me/requests/{made}"))["running"] is True
