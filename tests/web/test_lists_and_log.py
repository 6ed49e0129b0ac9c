"""Lists show what a permit covers, explanations agree with the door, and the log tells what happened."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.caller import (
    COORDINATOR,
    EMPLOYMENT,
    KELA,
    PLANNING,
    PROVIDER,
    Caller,
    deny,
    must,
    new_case,
    new_consent,
    paper,
    permit,
    personal_code,
)
from tests.web.answers import code_of, decision, log_of, reasons_of, shared
from vault.formats.promise import parse_promise

pytestmark = pytest.mark.kinds("directory", "nginx")  # what is stored where changes nothing here


def test_a_list_shows_only_what_a_permit_covers_and_no_titles_of_the_rest(caller: Caller) -> None:
    case, report, _ = shared(caller, permit("kela"), title="Palaute jaksolta", protected_classes=[])
    plan = caller.file(case, "ammatillinen-suunnitelma", title="Salainen suunnitelma")
    own = caller.file(case, "muistio", title="Oma muistio", by=caller.by(KELA))
    listed = caller.by(KELA).get(f"/v1/cases/{case}/documents")
    assert {item["id"] for item in must(listed)["items"]} == {report, own}
    assert "Salainen" not in listed.text
    one = must(caller.by(KELA).get(f"/v1/documents/{report}"))
    assert (one["title"], one["state"], one["size"]) == ("Palaute jaksolta", "filed", len(b"feedback"))
    assert one["sha256"] == hashlib.sha256(b"feedback").hexdigest()
    hidden = caller.by(KELA).get(f"/v1/documents/{plan}")
    assert code_of(hidden) == (404, "not-found")
    assert "Salainen" not in hidden.text
    only = must(caller.by(KELA).get(f"/v1/cases/{case}/documents", params={"type": "muistio"}))["items"]
    assert [item["id"] for item in only] == [own]


def test_lists_are_cut_into_pages_that_miss_and_repeat_nothing(caller: Caller) -> None:
    case, first, _ = shared(caller, permit("kela"))
    documents = {first} | {caller.file(case) for _ in range(4)}
    hidden = {caller.file(case, "b-lausunto") for _ in range(3)}
    seen: list[str] = []
    cursor = None
    for _ in range(10):
        page = must(
            caller.by(KELA).get(
                f"/v1/cases/{case}/documents", params={"limit": 2} | ({"cursor": cursor} if cursor else {})
            )
        )
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == sorted(documents)
    assert not hidden & set(seen)


def test_a_paper_without_its_content_is_seen_by_its_filer_alone(caller: Caller) -> None:
    case = caller.open_case(members=["kela"])
    caller.consent(case, [permit("kela")])
    document = must(caller.coordinator.post(f"/v1/cases/{case}/documents", paper()))["id"]
    assert code_of(caller.by(KELA).read(document)) == (404, "not-found")
    assert must(caller.by(KELA).get(f"/v1/cases/{case}/documents"))["items"] == []
    assert code_of(caller.coordinator.read(document)) == (409, "awaiting-content")
    assert must(caller.coordinator.get(f"/v1/documents/{document}"))["state"] == "awaiting-content"


def test_cases_are_listed_and_found_by_their_members_only(caller: Caller) -> None:
    code, born = personal_code()
    case = caller.open_case(members=["kela"], personal_identity_code=code, born=born, name="Löytyvä Asiakas")
    found = must(caller.by(KELA).post("/v1/clients/find", {"personal_identity_code": code}))["items"]
    assert [item["id"] for item in found] == [case]
    assert found[0]["client"]["name"] == "Löytyvä Asiakas"
    assert must(caller.by(EMPLOYMENT).post("/v1/clients/find", {"personal_identity_code": code}))["items"] == []
    nobody, _ = personal_code()
    assert must(caller.by(KELA).post("/v1/clients/find", {"personal_identity_code": nobody}))["items"] == []
    view = must(caller.by(KELA).get(f"/v1/cases/{case}"))
    assert {member["agency"] for member in view["members"]} == {"pirha", "kela"}
    assert code_of(caller.by(EMPLOYMENT).get(f"/v1/cases/{case}")) == (404, "not-found")


def test_a_reference_is_each_agencys_own(caller: Caller) -> None:
    case = caller.open_case(members=["kela"])
    must(caller.coordinator.patch(f"/v1/cases/{case}", {"your_reference": "PIR-17"}))
    must(caller.by(KELA).patch(f"/v1/cases/{case}", {"your_reference": "KELA-4"}))
    assert must(caller.coordinator.get(f"/v1/cases/{case}"))["your_reference"] == "PIR-17"
    assert must(caller.by(KELA).get(f"/v1/cases/{case}"))["your_reference"] == "KELA-4"
    opened = must(caller.coordinator.post("/v1/cases", new_case() | {"your_reference": "PIR-18"}))["id"]
    assert must(caller.coordinator.get(f"/v1/cases/{opened}"))["your_reference"] == "PIR-18"


def test_an_agencys_own_system_sets_its_reference(caller: Caller) -> None:
    case = caller.open_case(members=["kela"])
    system = caller.system("kela")
    must(system.patch(f"/v1/cases/{case}", {"your_reference": "KELA-5"}))
    assert must(system.get(f"/v1/cases/{case}"))["your_reference"] == "KELA-5"
    assert must(caller.by(KELA).get(f"/v1/cases/{case}"))["your_reference"] == "KELA-5"
    refused = caller.system("te-palvelut").patch(f"/v1/cases/{case}", {"your_reference": "TE-1"})
    assert code_of(refused) == (404, "not-found")


def test_references_set_at_once_are_all_recorded(caller: Caller) -> None:
    case, given = caller.open_case(), [f"PIR-{n}" for n in range(16)]
    with ThreadPoolExecutor(len(given)) as at_once:
        answers = list(
            at_once.map(lambda one: caller.coordinator.patch(f"/v1/cases/{case}", {"your_reference": one}), given)
        )
    assert [answer.status_code for answer in answers] == [200] * len(given)
    assert must(caller.coordinator.get(f"/v1/cases/{case}"))["your_reference"] in given


def test_a_known_code_is_the_same_client_and_nobody_is_told(caller: Caller) -> None:
    code, born = personal_code()
    known = new_case(personal_identity_code=code, born=born)
    first, second = (caller.coordinator.post("/v1/cases", known) for _ in range(2))
    assert sorted(first.json()) == sorted(second.json())
    clients = {must(caller.coordinator.get(f"/v1/cases/{one.json()['id']}"))["client"]["id"] for one in (first, second)}
    assert len(clients) == 1


def test_an_agency_sees_only_the_clauses_that_name_it(caller: Caller) -> None:
    case = caller.open_case(members=["kela", "te-palvelut"])
    consent = caller.consent(case, [permit("kela"), permit("te-palvelut", ["b-lausunto"]), deny("kuntoutus-oy")])
    seen = {
        name: {
            item["id"]: [p["number"] for p in item["provisions"]]
            for item in must(who.get(f"/v1/cases/{case}/consents"))["items"]
        }
        for name, who in {"pirha": caller.coordinator, "kela": caller.by(KELA), "te": caller.by(EMPLOYMENT)}.items()
    }
    assert seen["pirha"][consent] == [1, 2, 3]
    assert seen["kela"][consent] == [1]
    assert seen["te"][consent] == [2]
    assert code_of(caller.by(PROVIDER).get(f"/v1/cases/{case}/consents")) == (404, "not-found")
    named = must(caller.coordinator.get(f"/v1/cases/{case}/consents"))["items"][-1]
    assert named["signed_by"] == {"capacity": "client", "name": "Testi Asiakas"}


def test_the_explanation_agrees_with_the_door(caller: Caller) -> None:
    case, document, consent = shared(caller, permit("kela"))
    assert decision(caller, document) == {
        "decision": "permit",
        "basis": "consent",
        "consent": consent,
        "provision": 1,
        "reasons": [],
    } | {"reasons": decision(caller, document)["reasons"]}
    assert caller.by(KELA).read(document).status_code == 200
    for purpose in ("care", "benefit-decision"):
        explained = decision(caller, document, purpose=purpose)
        assert explained["decision"] == "deny"
        assert explained["reasons"] == reasons_of(caller.by(KELA, purpose).read(document))
    denying = caller.consent(case, [deny("kela")])
    explained = decision(caller, document)
    assert (explained["decision"], explained["consent"], explained["provision"]) == ("deny", denying, 1)
    assert explained["reasons"] == reasons_of(caller.by(KELA).read(document))


def test_a_past_instant_is_explained_from_what_was_recorded_then(caller: Caller) -> None:
    case = caller.open_case(members=["kela"])
    document = caller.file(case)
    before = dt.datetime.now(dt.UTC).isoformat()
    consent = caller.consent(case, [permit("kela")])
    between = dt.datetime.now(dt.UTC).isoformat()
    caller.withdraw(consent)
    asked = [decision(caller, document, **({"at": at} if at else {}))["decision"] for at in (before, between, None)]
    assert asked == ["deny", "permit", "deny"]


def test_who_may_ask_for_an_explanation(caller: Caller) -> None:
    _, document, _ = shared(caller, permit("kela"), members=("kela", "te-palvelut"))
    about_itself = decision(caller, document, by=caller.by(KELA))
    assert about_itself["decision"] == "permit"
    about_others = {"document": document, "agency": "te-palvelut", "action": "read", "purpose": PLANNING}
    assert code_of(caller.by(KELA).post("/v1/decisions", about_others)) == (404, "not-found")
    assert code_of(caller.by(EMPLOYMENT).post("/v1/decisions", about_others)) == (404, "not-found")
    assert code_of(caller.by(PROVIDER).post("/v1/decisions", about_others | {"agency": "kuntoutus-oy"})) == (
        404,
        "not-found",
    )


def test_the_log_folds_openings_and_tells_what_was_asked_and_not_given(caller: Caller) -> None:
    case, document, _ = shared(caller, permit("kela"), content=b"x" * 1000)
    for _ in range(3):
        assert caller.by(KELA).read(document).status_code == 200
    assert caller.by(KELA, "care").read(document).status_code == 403
    assert caller.by(EMPLOYMENT).read(document).status_code == 404
    openings = [entry for entry in log_of(caller, case) if entry["act"] == "open"]
    permits = [entry for entry in openings if entry["decision"] == "permit"]
    # Ten minutes may end between two of the reads.
    assert sum(len(entry["entries"]) for entry in permits) == 3
    assert len(permits) <= 2
    assert sum(entry["bytes"] for entry in permits) == 3000
    assert {(e["agency"], e["role"], e["purpose"], e["basis"], e["outcome"]) for e in permits} == {
        ("kela", "insurance-secretary", PLANNING, "consent", "delivered")
    }
    denials = {(entry["agency"], tuple(entry["reasons"])) for entry in openings if entry["decision"] == "deny"}
    assert ("kela", ("purpose-not-covered",)) in denials
    assert any(agency == "te-palvelut" for agency, _ in denials)
    assert not any("reader" in entry for entry in openings)
    acts = {entry["act"] for entry in log_of(caller, case)}
    assert {"case-open", "document-add", "document-filed", "consent-record", "member-add"} <= acts
    assert code_of(caller.by(KELA).get(f"/v1/cases/{case}/log"))[0] in (403, 404)


def test_the_log_is_asked_by_days_and_by_the_newest_first(caller: Caller) -> None:
    case, document, _ = shared(caller, permit("kela"))
    assert caller.by(KELA).read(document).status_code == 200
    whole = [item["entry"] for item in log_of(caller, case) if item["act"] != "list"]
    newest = must(caller.coordinator.get(f"/v1/cases/{case}/log?newest=true&limit=200"))["items"]
    assert [item["entry"] for item in newest if item["act"] != "list"] == whole[::-1]
    assert must(caller.coordinator.get(f"/v1/cases/{case}/log?until=2001-01-01"))["items"] == []
    for query, field in (
        ("from=2026-02-30", "from"),
        ("until=x", "until"),
        ("from=2026-03-02&until=2026-03-01", "until"),
    ):
        answer = caller.coordinator.get(f"/v1/cases/{case}/log?{query}")
        assert code_of(answer) == (422, "invalid-day")
        assert answer.json()["field"] == field


def test_the_clients_own_reads_are_shown_to_nobody(caller: Caller) -> None:
    case, document, _ = shared(caller, permit("kela"))
    client = caller.service.one("SELECT client FROM vault.client_case WHERE id = $1", case)
    row = caller.service.sql("SELECT * FROM vault.entry WHERE case_id = $1 AND act = 'document-filed' LIMIT 1", case)[0]
    columns = [name for name, value in row.items() if value is not None and name not in ("id", "act", "actor")]
    names = ", ".join(columns)
    caller.service.sql(
        f"INSERT INTO vault.entry (id, act, actor, {names}) SELECT vault.uuid7(vault.clock()), 'open', 'client', {names} "
        "FROM vault.entry WHERE id = $1", row["id"],
    )  # fmt: skip
    assert caller.service.one("SELECT count(*) FROM vault.entry WHERE case_id = $1 AND actor = 'client'", case) == 1
    assert not [entry for entry in log_of(caller, case) if entry["actor"] in ("client", "representative")]
    assert client is not None
    assert document


def test_p02_every_answer_names_an_entry_that_stands_in_the_log(caller: Caller) -> None:
    case, document, _ = shared(caller, permit("kela"))
    answers = [
        caller.by(KELA).read(document), caller.by(KELA, "care").read(document), caller.by(EMPLOYMENT).read(document),
        caller.by(KELA).get(f"/v1/cases/{case}/documents"), caller.by(KELA).get("/v1/inbox"), caller.by(KELA).read(str(uuid.uuid4())),
    ]  # fmt: skip
    for answer in answers:
        promise = parse_promise(answer.headers["vault-log-entry"])
        assert caller.service.one("SELECT count(*) FROM vault.entry WHERE id = $1", promise.entry) == 1


def test_only_a_coordinator_opens_cases_and_records_consents(caller: Caller) -> None:
    assert code_of(caller.by(KELA).post("/v1/cases", new_case())) == (403, "forbidden")
    case = caller.open_case(members=["kela"])
    body = new_consent(caller.form(case), [permit("kela")])
    assert code_of(caller.by(KELA).post(f"/v1/cases/{case}/consents", body)) == (403, "forbidden")
    assert code_of(caller.by(EMPLOYMENT).post(f"/v1/cases/{case}/consents", body)) == (404, "not-found")
    assert caller.demo.find(COORDINATOR)[1].role == "coordinator"
