"""What was permitted ends: by withdrawal, with a membership, a document taken back, the client's death, another consent."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.caller import (
    ANY,
    EMPLOYMENT,
    KELA,
    PROVIDER,
    Acting,
    Caller,
    must,
    paper,
    permit,
)
from tests.support.kinds import KINDS
from tests.web.answers import code_of, pages_of, reasons_of, shared

pytestmark = pytest.mark.kinds(*KINDS)


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
        return [n for n in pages_of(who, "/v1/inbox") if n.get("consent") == consent]

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
