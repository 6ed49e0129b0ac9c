"""Whatever a caller gets wrong is a 4xx with a stable code, and leaves nothing behind."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.caller import (
    PLANNING,
    deny,
    new_case,
    new_consent,
    paper,
    permit,
)
from tests.web.scene import Scene, nothing_left, problem

Body = Callable[[Scene], Any]


def given(body: Any, *path: str | int, **change: Any) -> Any:
    """The body with one member changed; a value of ``...`` takes the member away."""
    copy = json.loads(json.dumps(body))
    inner = copy
    for step in path:
        inner = inner[step]
    for name, value in change.items():
        if value is ...:
            inner.pop(name)
        else:
            inner[name.rstrip("_")] = value
    return copy


def case_body(*path: str, **change: Any) -> Body:
    return lambda _: given(new_case(), *path, **change)


def paper_body(**change: Any) -> Body:
    return lambda _: given(paper(), **change)


def consent_body(*path: str | int, **change: Any) -> Body:
    return lambda scene: given(new_consent(scene.form, [permit("kela")]), *path, **change)


def clause(**change: Any) -> Body:
    return lambda scene: new_consent(scene.form, [given(permit("kela"), **change)])


def plain(body: Any) -> Body:
    return lambda _: body


CASES, PAPERS, CONSENTS = "/v1/cases", "/v1/cases/{case}/documents", "/v1/cases/{case}/consents"
MEMBERS, WITHDRAW, DECISIONS = "/v1/cases/{case}/members", "/v1/consents/{consent}/withdraw", "/v1/decisions"
NUL = "a\u0000b"
ASKED = {"agency": "kela", "action": "read", "purpose": PLANNING}


def asked(**change: Any) -> Body:
    return lambda scene: given({"document": scene.document, **ASKED}, **change)


# (method, path, body, status, code, field)
WRONG: list[tuple[str, str, Body, int, str, str | None]] = [
    # -------- cases and clients
    ("POST", CASES, plain([]), 422, "invalid-type", None),
    ("POST", CASES, plain("text"), 422, "invalid-type", None),
    ("POST", CASES, plain(None), 422, "invalid-type", None),
    ("POST", CASES, plain({}), 422, "missing-field", "process"),
    ("POST", CASES, case_body(process="nothing"), 422, "unknown-code", "process"),
    ("POST", CASES, case_body(process=7), 422, "invalid-type", "process"),
    ("POST", CASES, case_body(colour="blue"), 422, "unknown-field", "colour"),
    ("POST", CASES, case_body(client=...), 422, "missing-field", "client"),
    ("POST", CASES, case_body(client=None), 422, "invalid-type", "client"),
    ("POST", CASES, case_body("client", name=...), 422, "missing-field", "client.name"),
    ("POST", CASES, case_body("client", name=""), 422, "invalid-input", "client.name"),
    ("POST", CASES, case_body("client", name="  "), 422, "invalid-input", "client.name"),
    ("POST", CASES, case_body("client", name="n" * 201), 422, "invalid-input", "client.name"),
    ("POST", CASES, case_body("client", name=NUL), 422, "invalid-character", "client.name"),
    ("POST", CASES, case_body("client", nick="M"), 422, "unknown-field", "client.nick"),
    ("POST", CASES, case_body("client", language="xx"), 422, "unknown-code", "client.language"),
    ("POST", CASES, case_body("client", interpreter="i" * 36), 422, "invalid-input", "client.interpreter"),
    ("POST", CASES, case_body("client", interpreter="Maija Tulkki"), 422, "invalid-input", "client.interpreter"),
    ("POST", CASES, case_body("client", interpreter=NUL), 422, "invalid-character", "client.interpreter"),
    ("POST", CASES, case_body("client", born="1999-02-30"), 422, "invalid-day", "client.born"),
    ("POST", CASES, case_body("client", born="30.1.1999"), 422, "invalid-day", "client.born"),
    ("POST", CASES, case_body("client", born="2999-01-01"), 422, "invalid-day", "client.born"),
    ("POST", CASES, case_body("client", born="1999-01-01T00:00:00Z"), 422, "invalid-day", "client.born"),
    ("POST", CASES, case_body("client", born="0001-01-01"), 422, "invalid-day", "client.born"),
    ("POST", CASES, case_body("client", personal_identity_code="010199-999X"), 422, "invalid-identity-code", "client.personal_identity_code"),
    ("POST", CASES, case_body("client", personal_identity_code=NUL), 422, "invalid-character", "client.personal_identity_code"),
    ("POST", CASES, case_body(your_reference="r" * 201), 422, "invalid-input", "your_reference"),
    ("POST", CASES, case_body(your_reference=""), 422, "invalid-input", "your_reference"),
    ("POST", CASES, case_body(your_reference=NUL), 422, "invalid-character", "your_reference"),
    ("PATCH", "/v1/cases/{case}", plain({}), 422, "missing-field", "your_reference"),
    ("PATCH", "/v1/cases/{case}", plain({"your_reference": "r" * 201}), 422, "invalid-input", "your_reference"),
    ("PATCH", "/v1/cases/{case}", plain({"your_reference": NUL}), 422, "invalid-character", "your_reference"),
    ("PATCH", "/v1/cases/{unknown}", plain({"your_reference": "x"}), 404, "not-found", None),
    ("POST", "/v1/clients/find", plain({}), 422, "missing-field", "personal_identity_code"),
    ("POST", "/v1/clients/find", plain({"personal_identity_code": "nobody"}), 422, "invalid-identity-code", "personal_identity_code"),
    ("POST", "/v1/clients/find", plain({"personal_identity_code": NUL}), 422, "invalid-character", "personal_identity_code"),
    ("PATCH", "/v1/clients/{client}", plain({}), 422, "missing-field", "died_on"),
    ("PATCH", "/v1/clients/{client}", plain({"died_on": "2026-02-30"}), 422, "invalid-day", "died_on"),
    ("PATCH", "/v1/clients/{client}", plain({"died_on": "2999-01-01"}), 422, "invalid-day", "died_on"),
    ("PATCH", "/v1/clients/{unknown}", plain({"died_on": "2026-02-03"}), 404, "not-found", None),
    # -------- members
    ("POST", MEMBERS, plain({"agency": "kela"}), 422, "missing-field", "role"),
    ("POST", MEMBERS, plain({"agency": "kela", "role": "king"}), 422, "unknown-code", "role"),
    ("POST", MEMBERS, plain({"agency": "nobody", "role": "expert"}), 422, "unknown-agency", "agency"),
    ("POST", MEMBERS, plain({"agency": NUL, "role": "expert"}), 422, "invalid-character", "agency"),
    ("POST", MEMBERS, plain({"agency": "k" * 5000, "role": "expert"}), 422, "unknown-agency", "agency"),
    ("POST", MEMBERS, plain({"agency": "kela", "role": NUL}), 422, "invalid-character", "role"),
    ("POST", MEMBERS, plain({"agency": "kela", "role": "expert", "from": "2026-13-01"}), 422, "invalid-day", "from"),
    ("POST", MEMBERS, plain({"agency": "kela", "role": "expert", "until": "2020-01-01"}), 422, "invalid-day", "until"),
    ("POST", MEMBERS, plain({"agency": "kela", "role": "expert", "from": "2999-02-01", "until": "2999-01-01"}), 422, "invalid-day", "until"),
    ("POST", MEMBERS, plain({"agency": "kela", "role": "expert", "since": "2026-01-01"}), 422, "unknown-field", "since"),
    ("POST", MEMBERS, plain({"agency": "kela", "role": "insurance-secretary"}), 409, "already-member", None),
    ("DELETE", "/v1/cases/{case}/members/{unknown}", plain(None), 404, "not-found", None),
    ("DELETE", "/v1/cases/{case}/members/{member}", plain(None), 409, "last-coordinator", None),
    # -------- documents
    ("POST", PAPERS, paper_body(type="novel"), 422, "unknown-code", "type"),
    ("POST", PAPERS, paper_body(type=...), 422, "missing-field", "type"),
    ("POST", PAPERS, paper_body(type=None), 422, "invalid-type", "type"),
    ("POST", PAPERS, paper_body(title=""), 422, "invalid-input", "title"),
    ("POST", PAPERS, paper_body(title="t" * 301), 422, "invalid-input", "title"),
    ("POST", PAPERS, paper_body(title=NUL), 422, "invalid-character", "title"),
    ("POST", PAPERS, paper_body(filename="f" * 256), 422, "invalid-input", "filename"),
    ("POST", PAPERS, paper_body(filename="a\nb"), 422, "invalid-input", "filename"),
    ("POST", PAPERS, paper_body(filename=NUL), 422, "invalid-character", "filename"),
    ("POST", PAPERS, paper_body(language="xx"), 422, "unknown-code", "language"),
    ("POST", PAPERS, paper_body(dated="2026-02-29"), 422, "invalid-day", "dated"),
    ("POST", PAPERS, paper_body(dated=20260301), 422, "invalid-type", "dated"),
    ("POST", PAPERS, paper_body(valid_until="2026-02-01"), 422, "invalid-day", "valid_until"),
    ("POST", PAPERS, paper_body(media_type="pdf"), 422, "invalid-input", "media_type"),
    ("POST", PAPERS, paper_body(media_type="text/plain\r\nX: y"), 422, "invalid-input", "media_type"),
    ("POST", PAPERS, paper_body(media_type=NUL), 422, "invalid-character", "media_type"),
    ("POST", PAPERS, paper_body(media_type="text/plain;charset=ä"), 422, "invalid-input", "media_type"),
    ("POST", PAPERS, paper_body(media_type="text/\u007f"), 422, "invalid-input", "media_type"),
    ("POST", PAPERS, paper_body(source="nobody"), 422, "unknown-agency", "source"),
    ("POST", PAPERS, paper_body(source="kela/nothing"), 422, "unknown-agency", "source"),
    ("POST", PAPERS, paper_body(source=NUL), 422, "invalid-character", "source"),
    ("POST", PAPERS, paper_body(source=""), 422, "unknown-agency", "source"),
    ("POST", PAPERS, paper_body(attachment_of="no-uuid"), 422, "invalid-type", "attachment_of"),
    ("POST", PAPERS, paper_body(attachment_of=str(uuid.uuid4())), 422, "unknown-document", "attachment_of"),
    ("POST", PAPERS, paper_body(replaces=str(uuid.uuid4())), 422, "unknown-replaces", "replaces"),
    ("POST", PAPERS, paper_body(type="b-lausunto", protected_classes=...), 422, "protected-classes-missing", "protected_classes"),
    ("POST", PAPERS, paper_body(protected_classes=["secrets"]), 422, "unknown-code", "protected_classes"),
    ("POST", PAPERS, paper_body(protected_classes="genetics"), 422, "invalid-type", "protected_classes"),
    ("POST", PAPERS, paper_body(third_persons="yes"), 422, "invalid-type", "third_persons"),
    ("POST", PAPERS, paper_body(state="filed"), 422, "unknown-field", "state"),
    ("POST", "/v1/cases/{unknown}/documents", paper_body(), 404, "not-found", None),
    ("POST", "/v1/documents/{unknown}/retract", plain(None), 404, "not-found", None),
    # -------- consents
    ("POST", CONSENTS, consent_body(form=str(uuid.uuid4())), 422, "unknown-form", "form"),
    ("POST", CONSENTS, consent_body(form="paper"), 422, "invalid-type", "form"),
    ("POST", CONSENTS, lambda s: new_consent(s.document, [permit("kela")]), 422, "unknown-form", "form"),
    ("POST", CONSENTS, consent_body(signed_on="2999-01-01", valid_from="2999-01-01"), 422, "invalid-day", "signed_on"),
    ("POST", CONSENTS, consent_body(signed_on="2026-02-31"), 422, "invalid-day", "signed_on"),
    ("POST", CONSENTS, consent_body(valid_until="2026-03-01"), 422, "invalid-day", "valid_until"),
    ("POST", CONSENTS, consent_body(valid_from=...), 422, "missing-field", "valid_from"),
    ("POST", CONSENTS, consent_body(language="xx"), 422, "unknown-code", "language"),
    ("POST", CONSENTS, consent_body(replaces=str(uuid.uuid4())), 422, "unknown-replaces", "replaces"),
    ("POST", CONSENTS, consent_body("signed_by", capacity="friend"), 422, "unknown-code", "signed_by.capacity"),
    ("POST", CONSENTS, consent_body("signed_by", name=""), 422, "invalid-input", "signed_by.name"),
    ("POST", CONSENTS, consent_body("signed_by", name="n" * 201), 422, "invalid-input", "signed_by.name"),
    ("POST", CONSENTS, consent_body("signed_by", name=NUL), 422, "invalid-character", "signed_by.name"),
    ("POST", CONSENTS, consent_body("signed_by", capacity="guardian"), 422, "invalid-input", "signed_by.authority"),
    ("POST", CONSENTS, consent_body("signed_by", authority="x"), 422, "invalid-input", "signed_by.authority"),
    ("POST", CONSENTS, consent_body(signed_by={"capacity": "guardian", "name": "N", "authority": NUL}), 422, "invalid-character", "signed_by.authority"),
    ("POST", CONSENTS, consent_body(signed_by={"capacity": "guardian", "name": "N", "authority": "a" * 100_000}), 422, "invalid-input", "signed_by.authority"),
    ("POST", CONSENTS, consent_body(signed_by={"capacity": "guardian", "name": "N", "authority": ""}), 422, "invalid-input", "signed_by.authority"),
    ("POST", CONSENTS, consent_body("verified", how="hearsay"), 422, "unknown-code", "verified.how"),
    ("POST", CONSENTS, consent_body(provisions=[]), 422, "vague-scope", "provisions"),
    ("POST", CONSENTS, consent_body("provisions", 0, effect="allow"), 422, "invalid-type", "provisions[0].effect"),
    ("POST", CONSENTS, consent_body("provisions", 0, when_="always"), 422, "unknown-field", "provisions[0].when"),
    *[("POST", CONSENTS, clause(**{name: value}), 422, "vague-scope", f"provisions[0].{name}")
      for name in ("recipients", "sources", "documents", "actions", "purposes") for value in (..., None, [])],
    ("POST", CONSENTS, clause(recipients=[{}]), 422, "vague-scope", "provisions[0].recipients[0].agency"),
    ("POST", CONSENTS, clause(recipients=[{"agency": "nobody"}]), 422, "unknown-named", "provisions[0].recipients"),
    ("POST", CONSENTS, clause(sources=[{"agency": "nobody"}]), 422, "unknown-named", "provisions[0].sources"),
    ("POST", CONSENTS, clause(recipients=[{"agency": "pirha", "unit": "pirha/none"}]), 422, "unknown-named", "provisions[0].recipients"),
    ("POST", CONSENTS, clause(documents=[{"document": str(uuid.uuid4())}]), 422, "unknown-named", "provisions[0].documents"),
    ("POST", CONSENTS, clause(documents=[{"type": "muu"}]), 422, "vague-scope", "provisions[0].documents[0].type"),
    ("POST", CONSENTS, clause(documents=[{"type": "novel"}]), 422, "unknown-code", "provisions[0].documents[0].type"),
    ("POST", CONSENTS, clause(recipients=[{"any": False}]), 422, "invalid-scope", "provisions[0].recipients[0].any"),
    ("POST", CONSENTS, clause(recipients=[{"agency": NUL}]), 422, "invalid-character", "provisions[0].recipients[0].agency"),
    ("POST", CONSENTS, clause(recipients=[{"agency": "kela", "professional": NUL}]), 422, "invalid-character", "provisions[0].recipients[0].professional"),
    ("POST", CONSENTS, clause(recipients=[{"agency": "kela", "role": NUL}]), 422, "invalid-character", "provisions[0].recipients[0].role"),
    ("POST", CONSENTS, clause(purposes=["everything"]), 422, "unknown-code", "provisions[0].purposes[0]"),
    ("POST", CONSENTS, clause(dated={"from": "2026-02-30"}), 422, "invalid-day", "provisions[0].dated.from"),
    ("POST", CONSENTS, clause(dated={"from": "2026-02-02", "until": "2026-02-01"}), 422, "invalid-scope", "provisions[0].dated"),
    ("POST", CONSENTS, clause(future_documents=1), 422, "invalid-type", "provisions[0].future_documents"),
    ("POST", CONSENTS, lambda s: new_consent(s.form, [deny("nobody")]), 422, "unknown-named", "provisions[0].recipients"),
    ("POST", "/v1/cases/{unknown}/consents", consent_body(), 404, "not-found", None),
    # -------- withdrawals
    ("POST", WITHDRAW, plain({"provisions": []}), 422, "invalid-input", "provisions"),
    ("POST", WITHDRAW, plain({"provisions": [0]}), 422, "invalid-input", "provisions"),
    ("POST", WITHDRAW, plain({"provisions": [2]}), 422, "unknown-provision", "provisions"),
    ("POST", WITHDRAW, plain({"provisions": [10**30]}), 422, "invalid-input", "provisions"),
    ("POST", WITHDRAW, plain({"provisions": [2**40]}), 422, "invalid-input", "provisions"),
    ("POST", WITHDRAW, plain({"provisions": ["1"]}), 422, "invalid-type", "provisions[0]"),
    ("POST", WITHDRAW, plain({"reason": "r" * 4001}), 422, "invalid-input", "reason"),
    ("POST", WITHDRAW, plain({"reason": NUL}), 422, "invalid-character", "reason"),
    ("POST", WITHDRAW, plain({"given_at": "2026-03-02T09:00:00"}), 422, "invalid-time", "given_at"),
    ("POST", WITHDRAW, plain({"given_at": "2999-03-02T09:00:00Z"}), 422, "invalid-time", "given_at"),
    ("POST", WITHDRAW, plain({"given_at": "2026-03-32T09:00:00Z"}), 422, "invalid-type", "given_at"),
    ("POST", WITHDRAW, plain({"given_at": "0001-01-01T00:00:00+14:00"}), 422, "invalid-time", "given_at"),
    ("POST", WITHDRAW, plain({"given_at": "9999-12-31T23:59:59-14:00"}), 422, "invalid-time", "given_at"),
    ("POST", WITHDRAW, plain({"because": "x"}), 422, "unknown-field", "because"),
    ("POST", "/v1/consents/{unknown}/withdraw", plain({}), 404, "not-found", None),
    # -------- decisions and the inbox
    ("POST", DECISIONS, asked(document=...), 422, "missing-field", "document"),
    ("POST", DECISIONS, asked(document=str(uuid.uuid4())), 404, "not-found", None),
    ("POST", DECISIONS, asked(action="steal"), 422, "unknown-code", "action"),
    ("POST", DECISIONS, asked(purpose="fun"), 422, "unknown-code", "purpose"),
    ("POST", DECISIONS, asked(role="king"), 422, "unknown-code", "role"),
    ("POST", DECISIONS, asked(agency="nobody"), 422, "unknown-agency", "agency"),
    ("POST", DECISIONS, asked(agency=NUL), 422, "invalid-character", "agency"),
    ("POST", DECISIONS, asked(unit=NUL), 422, "invalid-character", "unit"),
    ("POST", DECISIONS, asked(professional=NUL), 422, "invalid-character", "professional"),
    ("POST", DECISIONS, asked(at="2026-03-02T09:00:00"), 422, "invalid-time", "at"),
    ("POST", DECISIONS, asked(at="yesterday"), 422, "invalid-type", "at"),
    ("POST", DECISIONS, asked(at="0001-01-01T00:00:00+14:00"), 422, "invalid-time", "at"),
    ("POST", DECISIONS, asked(at="9999-12-31T23:59:59-14:00"), 422, "invalid-time", "at"),
    ("POST", "/v1/inbox/{unknown}/acknowledge", plain(None), 404, "not-found", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "field"), WRONG, ids=lambda v: None if callable(v) else str(v)[:60]
)
def test_a_wrong_body_is_refused_by_its_field(
    scene: Scene, method: str, path: str, body: Body, status: int, code: str, field: str | None
) -> None:
    sent = body(scene)
    with nothing_left(scene.caller.service):
        more = (
            {} if method == "DELETE" else {"content": json.dumps(sent), "headers": {"Content-Type": "application/json"}}
        )
        answer = scene.desk.request(method, scene.path(path), **more)
        assert problem(answer) == (status, code, field), answer.text
    for value in ("Testi Asiakas", NUL, "colour is blue"):
        assert value not in answer.text
