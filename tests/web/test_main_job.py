"""The main job over HTTP: papers filed under a written consent, read by whom it names, for what it names, until it is withdrawn."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import uuid
from typing import Any

import pytest

from tests.support.caller import (
    ANY,
    COACH,
    COORDINATOR,
    EMPLOYMENT,
    KELA,
    KELA_OTHER,
    NURSE,
    PHYSICIAN,
    PLANNING,
    PROVIDER,
    Acting,
    Caller,
    deny,
    must,
    new_case,
    new_consent,
    paper,
    permit,
    personal_code,
)
from vault.formats.promise import parse_promise


def code_of(answer: Any) -> tuple[int, str]:
    """Status and problem code."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["type"] == f"urn:vault:problem:{body['code']}"
    assert body["status"] == answer.status_code
    return answer.status_code, body["code"]


def reasons_of(answer: Any) -> list[str]:
    assert answer.status_code == 403, answer.text
    return list(answer.json()["reasons"])


def shared(
    caller: Caller,
    provision: dict[str, Any],
    *,
    content: bytes = b"feedback",
    members: tuple[str, ...] = ("kela",),
    **about: Any,
) -> tuple[str, str, str]:
    """Case, document and consent of one clause."""
    case = caller.open_case(members=members)
    document = caller.file(case, content=content, **about)
    return case, document, caller.consent(case, [provision])


# ---------------------------------------------------------------- filing and reading


def test_p01_a_permitted_read_gives_exactly_what_was_filed(caller: Caller) -> None:
    content = bytes(range(256)) * 4000
    case = caller.open_case(members=["kela"])
    about = must(
        caller.coordinator.post(f"/v1/cases/{case}/documents", paper(title="Jakson palaute", filename="pälaute ä.txt"))
    )
    assert about["state"] == "awaiting-content"
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    filed = must(caller.coordinator.upload(about["id"], content, **{"Content-Digest": f"sha-256=:{digest}:"}))
    assert (filed["state"], filed["size"], filed["sha256"]) == (
        "filed",
        len(content),
        hashlib.sha256(content).hexdigest(),
    )
    caller.consent(case, [permit("kela")])

    answer = caller.by(KELA).read(about["id"])

    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["content-type"] == "text/plain"
    assert "attachment" in answer.headers["content-disposition"]
    assert "p%C3%A4laute%20%C3%A4.txt" in answer.headers["content-disposition"]
    parse_promise(answer.headers["vault-log-entry"])


@pytest.mark.parametrize("size", [0, 1, 16_384, 65_536, 1_048_576, 3_000_001])
def test_every_size_comes_back(caller: Caller, size: int) -> None:
    content = (hashlib.sha256(str(size).encode()).digest() * (size // 32 + 1))[:size]
    _, document, _ = shared(caller, permit("kela"), content=content)
    answer = caller.by(KELA).read(document)
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, content, str(size))


def test_p01_without_consent_nothing_is_read_not_even_by_the_coordinator(caller: Caller) -> None:
    case = caller.open_case(reading=False, members=["kela"])
    theirs = caller.file(case, by=caller.by(KELA))
    assert code_of(caller.by(KELA).read(caller.file(case))) == (404, "not-found")
    assert code_of(caller.coordinator.read(theirs)) == (404, "not-found")
    caller.consent(case, [permit("pirha")])
    assert caller.coordinator.read(theirs).status_code == 200


def test_a_case_without_handle_takes_only_the_signed_form(caller: Caller) -> None:
    case = caller.open_case(handled=False)
    assert must(caller.coordinator.get(f"/v1/cases/{case}"))["state"] == "awaiting-consent"
    refused = caller.coordinator.post(f"/v1/cases/{case}/documents", paper())
    assert reasons_of(refused) == ["no-consent"]
    caller.form(case)
    caller.consent(case, [{**permit("pirha"), "actions": ["handle"]}])
    assert must(caller.coordinator.get(f"/v1/cases/{case}"))["state"] == "open"
    caller.file(case)


def test_an_agency_reads_back_what_it_filed_itself(caller: Caller) -> None:
    case = caller.open_case(members=["kela"])
    document = caller.file(case, content=b"our own", by=caller.by(KELA))
    assert caller.by(KELA_OTHER).read(document).content == b"our own"
    [entry] = [entry for entry in log_of(caller, case) if entry["act"] == "open"]
    assert (entry["decision"], entry["basis"]) == ("permit", "own-document")


def test_p01_a_member_agencys_system_files_and_opens_nothing(caller: Caller) -> None:
    case = caller.open_case(members=["kela"])
    caller.consent(case, [permit("kela", documents=ANY)])
    system = caller.system("kela")
    own = caller.file(case, by=system, content=b"from a system")
    foreign = caller.file(case)
    known, unknown = system.read(foreign), system.read(str(uuid.uuid4()))
    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())
    assert known.status_code in (403, 404)
    assert system.read(own).status_code in (403, 404)
    # What a person of the agency read does not open the document to its system.
    assert caller.by(KELA).read(foreign).status_code == 200
    assert system.read(foreign).status_code in (403, 404)


# ---------------------------------------------------------------- what a clause covers


def test_attachments_are_covered_apart(caller: Caller) -> None:
    case, report, _ = shared(caller, permit("kela"))
    attached = caller.file(case, "ammatillinen-suunnitelma", attachment_of=report)
    assert caller.by(KELA).read(report).status_code == 200
    assert code_of(caller.by(KELA).read(attached)) == (404, "not-found")

    case, report, _ = shared(caller, permit("kela", ["ammatillinen-suunnitelma"]))
    attached = caller.file(case, "ammatillinen-suunnitelma", attachment_of=report)
    assert caller.by(KELA).read(attached).status_code == 200
    assert code_of(caller.by(KELA).read(report)) == (404, "not-found")


def test_another_purpose_is_refused_with_the_reason_once_the_agency_knows(caller: Caller) -> None:
    _, document, _ = shared(caller, permit("kela"))
    assert code_of(caller.by(KELA, "benefit-decision").read(document)) == (404, "not-found")
    assert caller.by(KELA).read(document).status_code == 200
    assert reasons_of(caller.by(KELA, "benefit-decision").read(document)) == ["purpose-not-covered"]


def test_a_protected_class_must_be_named_and_confirmed(caller: Caller) -> None:
    case = caller.open_case(members=["kela"])
    document = caller.file(case, content=b"protected", protected_classes=["mental-health"])
    caller.consent(case, [permit("kela")])
    reader = caller.by(KELA)
    # A broad permit does not open it, and no confirmation helps.
    assert code_of(reader.read(document)) == (404, "not-found")
    assert code_of(reader.read(document, **{"Vault-Confirm": "mental-health"})) == (404, "not-found")

    caller.consent(case, [permit("kela", protected_classes=["mental-health", "genetics"])])
    asked = reader.read(document)
    assert code_of(asked) == (428, "confirmation-required")
    assert "Vault-Log-Entry" in asked.headers
    assert code_of(reader.read(document, **{"Vault-Confirm": "genetics"})) == (428, "confirmation-required")
    opened = reader.read(document, **{"Vault-Confirm": "mental-health"})
    assert (opened.status_code, opened.content) == (200, b"protected")
    confirmations = [entry.get("confirmation") for entry in log_of(caller, case) if entry["act"] == "open"]
    assert ["asked-to-confirm"] in confirmations
    assert ["mental-health"] in confirmations


def test_p01_a_deny_beats_every_permit(caller: Caller) -> None:
    case, document, _ = shared(caller, permit("kela"))
    assert caller.by(KELA).read(document).status_code == 200
    caller.consent(case, [deny("kela", documents=[{"type": "kuntoutuspalaute"}])])
    assert reasons_of(caller.by(KELA).read(document)) == ["denied-by-provision"]


def test_p01_a_prohibition_beats_every_permit_until_it_ends(caller: Caller) -> None:
    case, document, _ = shared(caller, permit("kela"))
    assert caller.by(KELA).read(document).status_code == 200
    client = caller.service.one("SELECT client FROM vault.client_case WHERE id = $1", case)
    entry, prohibition = uuid.uuid4(), uuid.uuid4()
    caller.service.sql(
        "INSERT INTO vault.prohibition (id, client, recipients, entry, recorded_at) VALUES ($1, $2, $3, $4, vault.clock())",
        prohibition, client, [{"agency": "kela"}], entry,
    )  # fmt: skip
    assert reasons_of(caller.by(KELA).read(document)) == ["prohibited"]
    caller.service.sql(
        "INSERT INTO vault.prohibition_end (prohibition, entry, recorded_at) VALUES ($1, $2, vault.clock())",
        prohibition,
        entry,
    )
    assert caller.by(KELA).read(document).status_code == 200


def test_a_clause_that_names_a_unit_covers_only_that_unit(caller: Caller) -> None:
    case = caller.open_case(reading=False, members=["kela"])
    caller.join(case, "pirha", "physician")
    caller.join(case, "pirha", "nurse")
    document = caller.file(case, by=caller.by(KELA))
    caller.consent(case, [permit({"agency": "pirha", "unit": "pirha/tyokyky"})])
    assert code_of(caller.by(NURSE).read(document)) == (404, "not-found")
    assert code_of(caller.coordinator.read(document)) == (404, "not-found")
    assert caller.by(PHYSICIAN).read(document).status_code == 200


def test_a_clause_that_names_a_role_covers_only_that_role(caller: Caller) -> None:
    case = caller.open_case(members=["te-palvelut"])
    caller.join(case, "te-palvelut", "coach")
    document = caller.file(case)
    caller.consent(case, [permit({"agency": "te-palvelut", "role": "coach"})])
    assert code_of(caller.by(EMPLOYMENT).read(document)) == (404, "not-found")
    assert caller.by(COACH).read(document).status_code == 200
    assert reasons_of(caller.by(EMPLOYMENT).read(document)) == ["recipient-not-covered"]


def test_a_clause_that_names_a_professional_covers_only_that_person(caller: Caller) -> None:
    _, document, _ = shared(caller, permit({"agency": "kela", "professional": KELA_OTHER}))
    assert code_of(caller.by(KELA).read(document)) == (404, "not-found")
    assert caller.by(KELA_OTHER).read(document).status_code == 200
    assert reasons_of(caller.by(KELA).read(document)) == ["recipient-not-covered"]


def test_a_clause_on_one_document_covers_that_document_alone(caller: Caller) -> None:
    case = caller.open_case(members=["kela"])
    named, other = caller.file(case, "muu"), caller.file(case, "muu")
    caller.consent(case, [permit("kela", documents=[{"document": named}])])
    later = caller.file(case, "muu", replaces=named)
    assert caller.by(KELA).read(named).status_code == 200
    assert code_of(caller.by(KELA).read(other)) == (404, "not-found")
    assert code_of(caller.by(KELA).read(later)) == (404, "not-found")


def test_a_clause_on_a_type_covers_later_versions_and_dates_bind(caller: Caller) -> None:
    case = caller.open_case(members=["kela"])
    days = {"early": "2025-12-31", "first": "2026-01-01", "last": "2026-01-31", "late": "2026-02-01"}
    dated = {name: caller.file(case, dated=day) for name, day in days.items()}
    caller.consent(case, [permit("kela", dated={"from": "2026-01-01", "until": "2026-01-31"})])
    version = caller.file(case, dated="2026-01-15", replaces=dated["first"])
    opened = {name for name, document in dated.items() if caller.by(KELA).read(document).status_code == 200}
    assert opened == {"first", "last"}
    assert caller.by(KELA).read(version).status_code == 200


def test_documents_dated_after_the_signature_need_future_documents(caller: Caller) -> None:
    case = caller.open_case(members=["kela"])
    before, after = caller.file(case, dated="2026-03-02"), caller.file(case, dated="2026-03-03")
    caller.consent(case, [permit("kela", future_documents=False)])
    assert caller.by(KELA).read(before).status_code == 200
    assert code_of(caller.by(KELA).read(after)) == (404, "not-found")
    caller.consent(case, [permit("kela", future_documents=True)])
    assert caller.by(KELA).read(after).status_code == 200


def test_sources_bind(caller: Caller) -> None:
    case = caller.open_case(members=["kela", "te-palvelut"])
    ours, theirs = caller.file(case), caller.file(case, by=caller.by(EMPLOYMENT))
    caller.consent(case, [permit("kela", sources=[{"agency": "te-palvelut"}])])
    assert caller.by(KELA).read(theirs).status_code == 200
    assert code_of(caller.by(KELA).read(ours)) == (404, "not-found")


@pytest.mark.parametrize(
    ("days", "reason"),
    [
        (("2026-01-02", "2026-01-31"), "expired"),
        ((f"{dt.datetime.now(dt.UTC) + dt.timedelta(days=2):%Y-%m-%d}", None), "not-yet-valid"),
    ],
)
def test_p01_a_consent_outside_its_days_permits_nothing(
    caller: Caller, days: tuple[str, str | None], reason: str
) -> None:
    case, document, _ = shared(caller, permit("kela", purposes=["care"]))
    assert caller.by(KELA, "care").read(document).status_code == 200
    caller.consent(
        case,
        [permit("kela", purposes=["benefit-decision"])],
        signed_on="2026-01-01",
        valid_from=days[0],
        valid_until=days[1],
    )
    refused = caller.by(KELA, "benefit-decision").read(document)
    assert reason in reasons_of(refused) or reasons_of(refused) == ["purpose-not-covered"]
    asked = decision(caller, document, purpose="benefit-decision")
    assert asked["decision"] == "deny"


# ---------------------------------------------------------------- withdrawing, ending, taking back


def test_p06_a_withdrawal_bites_the_next_request(caller: Caller) -> None:
    _, document, consent = shared(caller, permit("kela"))
    assert caller.by(KELA).read(document).status_code == 200
    answer = caller.withdraw(consent, reason="asiakas pyysi", given_at="2026-04-01T09:00:00+03:00")
    assert answer["given_at"].startswith("2026-04-01T06:00:00")
    refused = caller.by(KELA).read(document)
    assert reasons_of(refused) == ["withdrawn"]
    assert "Vault-Log-Entry" in refused.headers
    # Once more changes nothing and is answered alike.
    caller.withdraw(consent)
    assert reasons_of(caller.by(KELA).read(document)) == ["withdrawn"]


def test_one_provision_is_withdrawn_and_the_others_stay(caller: Caller) -> None:
    case = caller.open_case(members=["kela"])
    report, plan = caller.file(case), caller.file(case, "ammatillinen-suunnitelma")
    consent = caller.consent(case, [permit("kela"), permit("kela", ["ammatillinen-suunnitelma"])])
    assert [caller.by(KELA).read(one).status_code for one in (report, plan)] == [200, 200]
    assert caller.withdraw(consent, provisions=[2])["provisions"] == [2]
    assert caller.by(KELA).read(report).status_code == 200
    assert "withdrawn" in reasons_of(caller.by(KELA).read(plan))
    shown = must(caller.coordinator.get(f"/v1/cases/{case}/consents"))["items"][-1]["provisions"]
    assert [one["withdrawn_at"] is not None for one in shown] == [False, True]


def test_p06_withdrawing_handle_stops_reading_and_filing(caller: Caller) -> None:
    case = caller.open_case(handled=False)
    handling = caller.consent(case, [{**permit("pirha"), "recipients": ANY, "documents": ANY, "actions": ["handle"]}])
    caller.join(case, "kela")
    document = caller.file(case)
    caller.consent(case, [permit("kela")])
    assert caller.by(KELA).read(document).status_code == 200
    caller.withdraw(handling)
    assert "withdrawn" in reasons_of(caller.by(KELA).read(document))
    assert reasons_of(caller.coordinator.post(f"/v1/cases/{case}/documents", paper())) == ["withdrawn"]
    assert must(caller.coordinator.get(f"/v1/cases/{case}"))["state"] == "awaiting-consent"


def test_a_member_agency_records_the_withdrawal_that_the_client_gave_it(caller: Caller) -> None:
    _, document, consent = shared(caller, permit("kela"))
    must(caller.by(KELA).post(f"/v1/consents/{consent}/withdraw", {}))
    assert code_of(caller.by(KELA).read(document)) == (404, "not-found")
    assert code_of(caller.by(PROVIDER).post(f"/v1/consents/{consent}/withdraw", {})) == (404, "not-found")


def test_the_other_agencies_are_told_and_acknowledge(caller: Caller) -> None:
    case = caller.open_case(members=["kela", "kuntoutus-oy"])
    consent = caller.consent(case, [permit("kela")])
    caller.withdraw(consent)

    def notices(who: Acting) -> list[dict[str, Any]]:
        return [n for n in must(who.get("/v1/inbox"))["items"] if n["consent"] == consent]

    assert notices(caller.coordinator) == []  # who recorded it knows
    for who in (caller.by(KELA), caller.system("kuntoutus-oy")):
        [notice] = notices(who)
        assert (notice["kind"], notice["case"]) == ("consent-withdrawn", case)
        assert code_of(caller.by(EMPLOYMENT).post(f"/v1/inbox/{notice['id']}/acknowledge")) == (404, "not-found")
        must(who.post(f"/v1/inbox/{notice['id']}/acknowledge"))
        must(who.post(f"/v1/inbox/{notice['id']}/acknowledge"))
        assert notices(who) == []


def test_p06_an_ended_membership_permits_nothing(caller: Caller) -> None:
    case = caller.open_case()
    member = caller.join(case, "kela")
    document = caller.file(case)
    caller.consent(case, [permit("kela")])
    assert caller.by(KELA).read(document).status_code == 200
    ended = caller.coordinator.delete(f"/v1/cases/{case}/members/{member}")
    assert (ended.status_code, ended.content) == (204, b"")
    assert reasons_of(caller.by(KELA).read(document)) == ["not-a-member"]
    assert code_of(caller.by(KELA).get(f"/v1/cases/{case}")) == (404, "not-found")


def test_sharing_a_case_is_not_enough_and_membership_rests_on_consent(caller: Caller) -> None:
    case = caller.open_case(handled=False)
    refused = caller.coordinator.post(f"/v1/cases/{case}/members", {"agency": "kela", "role": "insurance-secretary"})
    assert reasons_of(refused) == ["no-consent"]
    caller.consent(case, [{**permit("pirha"), "actions": ["handle"]}])
    refused = caller.coordinator.post(f"/v1/cases/{case}/members", {"agency": "kela", "role": "insurance-secretary"})
    assert reasons_of(refused) == ["recipient-not-covered"]
    caller.consent(case, [{**permit("kela"), "actions": ["handle"]}])
    caller.join(case, "kela")
    again = caller.coordinator.post(f"/v1/cases/{case}/members", {"agency": "kela", "role": "insurance-secretary"})
    assert code_of(again) == (409, "already-member")
    assert code_of(caller.by(KELA).read(caller.file(case))) == (404, "not-found")


def test_p06_a_retracted_or_misfiled_document_opens_to_no_agency(caller: Caller) -> None:
    for mark, reason in (("retract", "document-retracted"), ("misfiled", "document-misfiled")):
        _, document, _ = shared(caller, permit("kela"))
        assert caller.by(KELA).read(document).status_code == 200
        must(caller.coordinator.post(f"/v1/documents/{document}/{mark}"))
        assert reason in reasons_of(caller.by(KELA).read(document))
        assert reason in reasons_of(caller.coordinator.read(document))


def test_the_clients_death_ends_every_consent(caller: Caller) -> None:
    case, document, _ = shared(caller, permit("kela"))
    assert caller.by(KELA).read(document).status_code == 200
    client = must(caller.coordinator.get(f"/v1/cases/{case}"))["client"]["id"]
    assert code_of(caller.by(KELA).patch(f"/v1/clients/{client}", {"died_on": "2026-05-01"})) == (404, "not-found")
    must(caller.coordinator.patch(f"/v1/clients/{client}", {"died_on": "2026-05-01"}))
    assert "client-deceased" in reasons_of(caller.by(KELA).read(document))


def test_a_new_consent_that_replaces_the_old_one_takes_its_place(caller: Caller) -> None:
    case, document, consent = shared(caller, permit("kela"))
    assert caller.by(KELA).read(document).status_code == 200
    caller.consent(case, [permit("kela", ["b-lausunto"])], replaces=consent)
    assert "superseded" in reasons_of(caller.by(KELA).read(document))


# ---------------------------------------------------------------- lists and titles


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


# ---------------------------------------------------------------- explanations and the log


def decision(caller: Caller, document: str, by: Acting | None = None, **asked: Any) -> dict[str, Any]:
    known = {
        "document": document,
        "agency": "kela",
        "role": "insurance-secretary",
        "professional": KELA,
        "action": "read",
        "purpose": PLANNING,
    }
    return must((by or caller.coordinator).post("/v1/decisions", known | asked))


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


def log_of(caller: Caller, case: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = must(
            caller.coordinator.get(
                f"/v1/cases/{case}/log", params={"limit": 200} | ({"cursor": cursor} if cursor else {})
            )
        )
        items += page["items"]
        cursor = page["next"]
        if cursor is None:
            return items


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
