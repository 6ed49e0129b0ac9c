"""The main job over HTTP: papers filed under a written consent, read by whom it names, for what it names, until it is withdrawn."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import uuid
from zoneinfo import ZoneInfo

import pytest

from tests.support.caller import (
    ANY,
    COACH,
    EMPLOYMENT,
    KELA,
    KELA_OTHER,
    NURSE,
    PHYSICIAN,
    Caller,
    deny,
    must,
    paper,
    permit,
)
from tests.support.kinds import KINDS
from tests.web.answers import code_of, decision, log_of, reasons_of, shared
from vault.formats.promise import parse_promise

pytestmark = pytest.mark.kinds(*KINDS)


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
    case = caller.open_case(members=["kela"])
    document = caller.file(case)
    caller.consent(case, [permit("kela")], signed_on="2026-01-01", valid_from=days[0], valid_until=days[1])
    assert code_of(caller.by(KELA).read(document)) == (404, "not-found")
    explained = decision(caller, document)
    assert (explained["decision"], explained["reasons"]) == ("deny", [reason])
    caller.consent(case, [permit("kela")])
    assert caller.by(KELA).read(document).status_code == 200


def test_a_consent_holds_on_its_last_day_and_not_on_the_next(caller: Caller) -> None:
    case = caller.open_case(members=["kela"])
    document = caller.file(case)
    today = dt.datetime.now(ZoneInfo("Europe/Helsinki")).date()
    caller.consent(case, [permit("kela")], valid_until=today.isoformat())
    assert decision(caller, document)["decision"] == "permit"
    caller.consent(case, [permit("te-palvelut")], valid_until=(today - dt.timedelta(days=1)).isoformat())
    caller.join(case, "te-palvelut")
    explained = decision(caller, document, agency="te-palvelut", role="employment-officer", professional=EMPLOYMENT)
    assert (explained["decision"], explained["reasons"]) == ("deny", ["expired"])


def test_media_types_are_compared_without_their_parameters(caller: Caller) -> None:
    case = caller.open_case(members=["kela"])
    caller.consent(case, [permit("kela")])
    body = json.dumps(paper(media_type="Text/Plain; charset=utf-8"))
    said = {"Content-Type": 'Application/JSON; charset="UTF-8"'}
    document = must(caller.coordinator.post(f"/v1/cases/{case}/documents", None, content=body, headers=said))["id"]
    must(caller.coordinator.upload(document, "ä".encode(), **{"Content-Type": "text/plain;charset=iso-8859-1"}))
    answer = caller.by(KELA).read(document)
    assert (answer.headers["content-type"], answer.text) == ("Text/Plain; charset=utf-8", "ä")
