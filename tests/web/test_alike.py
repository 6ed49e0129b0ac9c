"""What a caller may not see answers exactly as what does not exist: the same status, body and header names, the same log."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.caller import (
    COORDINATOR,
    EMPLOYMENT,
    KELA,
    PLANNING,
    Acting,
    Caller,
    new_consent,
    paper,
    permit,
)

pytestmark = pytest.mark.kinds("directory", "nginx")  # what is stored where changes nothing here


@dataclass(frozen=True)
class Things:
    """One of each thing of a case, of which the asker may see nothing; or ids of nothing."""

    case: str
    document: str
    member: str
    consent: str
    client: str
    notice: str


def nothing() -> Things:
    return Things(*(str(uuid.uuid4()) for _ in range(6)))


@dataclass(frozen=True)
class Stage:
    caller: Caller
    theirs: Things
    own_case: str  # of the outsider
    own_form: str


@pytest.fixture(scope="module")
def stage(caller: Caller) -> Stage:
    case = caller.open_case(members=["kela"])
    document = caller.file(case)
    consent = caller.consent(case, [permit("kela", purposes=["care"])])
    ended = caller.consent(case, [permit("kuntoutus-oy")])
    caller.withdraw(ended)
    rows = caller.service.sql
    [member] = rows("SELECT id FROM vault.member WHERE case_id = $1 AND agency = 'kela'", case)
    [client] = rows("SELECT client FROM vault.client_case WHERE id = $1", case)
    [notice] = rows("SELECT id FROM vault.notice WHERE consent = $1 AND agency = 'kela'", ended)
    own = caller.open_case(members=["te-palvelut"])
    return Stage(
        caller, Things(case, document, str(member[0]), consent, str(client[0]), str(notice[0])), own, caller.form(own)
    )


Send = Callable[[Acting, Things, Stage], httpx.Response]


def decision(agency: str) -> Send:
    asked = {"agency": agency, "action": "read", "purpose": PLANNING}
    return lambda who, it, _: who.post("/v1/decisions", {"document": it.document} | asked)


def consent_of(form: str) -> dict[str, Any]:
    return new_consent(form, [permit("kela")])


# By somebody whose agency has no place in the case.
OUTSIDE: dict[str, Send] = {
    "case": lambda who, it, _: who.get(f"/v1/cases/{it.case}"),
    "reference": lambda who, it, _: who.patch(f"/v1/cases/{it.case}", {"your_reference": "x"}),
    "documents": lambda who, it, _: who.get(f"/v1/cases/{it.case}/documents"),
    "register": lambda who, it, _: who.post(f"/v1/cases/{it.case}/documents", paper()),
    "register a form": lambda who, it, _: who.post(f"/v1/cases/{it.case}/documents", paper("suostumus")),
    "register an opinion": lambda who, it, _: who.post(f"/v1/cases/{it.case}/documents", paper("kannanotto")),
    "members": lambda who, it, _: who.post(f"/v1/cases/{it.case}/members", {"agency": "kela", "role": "expert"}),
    "member of nobody": lambda who, it, _: who.post(
        f"/v1/cases/{it.case}/members", {"agency": "nobody", "role": "expert"}
    ),
    "end member": lambda who, it, _: who.delete(f"/v1/cases/{it.case}/members/{it.member}"),
    "consents": lambda who, it, _: who.get(f"/v1/cases/{it.case}/consents"),
    "record": lambda who, it, _: who.post(f"/v1/cases/{it.case}/consents", consent_of(it.document)),
    "log": lambda who, it, _: who.get(f"/v1/cases/{it.case}/log"),
    "withdraw": lambda who, it, _: who.post(f"/v1/consents/{it.consent}/withdraw", {}),
    "withdraw a provision": lambda who, it, _: who.post(f"/v1/consents/{it.consent}/withdraw", {"provisions": [9]}),
    "death": lambda who, it, _: who.patch(f"/v1/clients/{it.client}", {"died_on": "2026-01-02"}),
    "death to come": lambda who, it, _: who.patch(f"/v1/clients/{it.client}", {"died_on": "2999-01-02"}),
    "name": lambda who, it, _: who.patch(f"/v1/clients/{it.client}", {"name": "x", "address_protected": True}),
    "acknowledge": lambda who, it, _: who.post(f"/v1/inbox/{it.notice}/acknowledge"),
}
# By somebody to whom no consent opens the document, member or not.
UNREADABLE: dict[str, Send] = {
    "content": lambda who, it, _: who.read(it.document),
    "content confirmed": lambda who, it, _: who.read(it.document, **{"Vault-Confirm": "mental-health"}),
    "content range": lambda who, it, _: who.read(it.document, Range="bytes=0-0"),
    "content beyond": lambda who, it, _: who.read(it.document, Range="bytes=99999999-"),
    "metadata": lambda who, it, _: who.get(f"/v1/documents/{it.document}"),
    "upload": lambda who, it, _: who.upload(it.document, b"x"),
    "upload of another type": lambda who, it, _: who.upload(it.document, b"x", **{"Content-Type": "image/png"}),
    "retract": lambda who, it, _: who.post(f"/v1/documents/{it.document}/retract"),
    "misfiled": lambda who, it, _: who.post(f"/v1/documents/{it.document}/misfiled"),
    "decision about itself": decision("kela"),
    "decision about others": decision("te-palvelut"),
    "decision about nobody": decision("nobody"),
}
# Naming somebody else's thing in one's own case, as its coordinator.
NAMING: dict[str, Send] = {
    "attachment": lambda who, it, at: who.post(f"/v1/cases/{at.own_case}/documents", paper(attachment_of=it.document)),
    "replaces": lambda who, it, at: who.post(f"/v1/cases/{at.own_case}/documents", paper(replaces=it.document)),
    "form": lambda who, it, at: who.post(f"/v1/cases/{at.own_case}/consents", consent_of(it.document)),
    "consent replaces": lambda who, it, at: who.post(
        f"/v1/cases/{at.own_case}/consents", consent_of(at.own_form) | {"replaces": it.consent}
    ),
    "clause": lambda who, it, at: who.post(
        f"/v1/cases/{at.own_case}/consents", new_consent(at.own_form, [permit("kela", documents=[{"document": it.document}])])
    ),
    "member": lambda who, it, at: who.delete(f"/v1/cases/{at.own_case}/members/{it.member}"),
}  # fmt: skip


def told(answer: httpx.Response) -> tuple[int, Any, list[str], dict[str, str]]:
    """All that a caller can tell by the answer: its values too, but for the entry's own and the time."""
    values = {k: v for k, v in answer.headers.items() if k not in ("vault-log-entry", "x-request-id", "date")}
    return answer.status_code, answer.json(), sorted(answer.headers), values


def entries(stage: Stage) -> int:
    return int(stage.caller.service.one("SELECT count(*) FROM vault.entry"))


def assert_alike(stage: Stage, send: Send, who: Acting, *statuses: int) -> None:
    before = entries(stage)
    hidden = send(who, stage.theirs, stage)
    between = entries(stage)
    unknown = send(who, nothing(), stage)
    assert told(hidden) == told(unknown)
    assert hidden.status_code in statuses, hidden.text
    # An unknown id is logged too, and both leave the same number of entries.
    assert entries(stage) - between == between - before > 0
    for name in ("case", "document", "member", "consent", "client", "notice"):
        assert getattr(stage.theirs, name) not in hidden.text


@pytest.mark.parametrize("what", [*OUTSIDE, *UNREADABLE])
def test_p10_an_outsider_cannot_tell_hidden_from_unknown(stage: Stage, what: str) -> None:
    assert_alike(stage, (OUTSIDE | UNREADABLE)[what], stage.caller.by(EMPLOYMENT), 404)


@pytest.mark.parametrize("what", UNREADABLE)
def test_p10_a_member_without_a_permit_cannot_tell_hidden_from_unknown(stage: Stage, what: str) -> None:
    assert_alike(stage, UNREADABLE[what], stage.caller.by(KELA), 404)


@pytest.mark.parametrize("agency", ["te-palvelut", "kela"])
@pytest.mark.parametrize("what", UNREADABLE)
def test_p10_a_system_cannot_tell_hidden_from_unknown(stage: Stage, what: str, agency: str) -> None:
    assert_alike(stage, UNREADABLE[what], stage.caller.system(agency), 404)


@pytest.mark.parametrize("what", OUTSIDE)
def test_p10_an_outsiders_system_cannot_tell_hidden_from_unknown(stage: Stage, what: str) -> None:
    assert_alike(stage, OUTSIDE[what], stage.caller.system("te-palvelut"), 404, 403)


@pytest.mark.parametrize("what", NAMING)
def test_p10_what_is_named_is_hidden_or_unknown_alike(stage: Stage, what: str) -> None:
    assert_alike(stage, NAMING[what], stage.caller.by(COORDINATOR), 404, 422)


def test_p10_a_list_counts_and_pages_nothing_that_is_hidden(stage: Stage) -> None:
    who = stage.caller.by(KELA)
    first = who.get(f"/v1/cases/{stage.theirs.case}/documents", params={"limit": 1})
    assert first.json() == {"items": [], "next": None}
    assert stage.theirs.case not in stage.caller.by(EMPLOYMENT).get("/v1/cases").text
    assert stage.theirs.notice not in stage.caller.by(EMPLOYMENT).get("/v1/inbox").text
