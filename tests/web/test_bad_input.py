"""Whatever a caller gets wrong is a 4xx with a stable code, and leaves nothing behind."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.support.caller import (
    ANY,
    COORDINATOR,
    KELA,
    PLANNING,
    Acting,
    Caller,
    deny,
    must,
    new_case,
    new_consent,
    paper,
    permit,
)
from tests.support.service import Service

# What grows with every request, refused ones included: the log, what tokens leave, uploads that were begun and ended.
GROWING = (
    "entry", "entry_pending", "entry_position", "clearance", "token", "token_end", "assertion", "burnt", "participant", "attempt",
    "attempt_end", "fact_version", "outbox", "known", "migration", "lease",
)  # fmt: skip


def facts(service: Service) -> dict[str, int]:
    """How many rows every table of facts has, the store's objects, and the uploads that nobody ended."""
    tables = [r[0] for r in service.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'vault' ORDER BY 1")]
    kept = [name for name in tables if not name.startswith(GROWING)]
    counts = ", ".join(f"(SELECT count(*) FROM vault.{name}) AS {name}" for name in kept)
    dangling = (
        "SELECT count(*) FROM vault.attempt a WHERE NOT EXISTS (SELECT FROM vault.filing f WHERE f.object = a.object) "
        "AND NOT EXISTS (SELECT FROM vault.attempt_end x WHERE x.object = a.object)"
    )
    return dict(service.sql(f"SELECT {counts}")[0]) | {
        "dangling": service.one(dangling),
        "objects": len(service.box.names()),
    }


@contextmanager
def nothing_left(service: Service) -> Iterator[None]:
    before = facts(service)
    yield
    assert facts(service) == before


def problem(answer: httpx.Response) -> tuple[int, str, str | None]:
    assert answer.headers["content-type"] == "application/problem+json", (answer.status_code, answer.text[:300])
    body = answer.json()
    assert body["type"] == f"urn:vault:problem:{body['code']}"
    assert body["status"] == answer.status_code
    assert body["title"]
    assert body["detail"]
    return answer.status_code, body["code"], body.get("field")


@dataclass
class Scene:
    """One case with a bit of everything in it."""

    caller: Caller
    case: str
    other_case: str
    document: str
    waiting: str
    consent: str
    form: str
    ids: dict[str, str] = field(default_factory=dict)

    def path(self, template: str) -> str:
        return template.format(
            case=self.case,
            document=self.document,
            waiting=self.waiting,
            consent=self.consent,
            unknown=uuid.uuid4(),
            **self.ids,
        )

    @property
    def desk(self) -> Acting:
        return self.caller.coordinator


@pytest.fixture(scope="module")
def scene(caller: Caller) -> Scene:
    case, other = caller.open_case(members=["kela"]), caller.open_case()
    document = caller.file(case)
    consent = caller.consent(case, [permit("kela")])
    waiting = must(caller.coordinator.post(f"/v1/cases/{case}/documents", paper()))["id"]
    ids = {
        "client": must(caller.coordinator.get(f"/v1/cases/{case}"))["client"]["id"],
        "member": must(caller.coordinator.get(f"/v1/cases/{case}"))["members"][0]["id"],
    }
    return Scene(caller, case, other, document, waiting, consent, caller.form(case), ids)


# ---------------------------------------------------------------- bodies, field by field

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


# ---------------------------------------------------------------- the request itself

RAW: list[tuple[str, str, bytes, dict[str, str], int, str]] = [
    ("POST", CASES, b"", {}, 400, "malformed-json"),
    ("POST", CASES, b"{", {}, 400, "malformed-json"),
    ("POST", CASES, b'{"process": "ayr"} trailing', {}, 400, "malformed-json"),
    ("POST", CASES, b'{"process": "\xff\xfe"}', {}, 400, "malformed-json"),
    ("POST", CASES, b'{"process": "\\ud800"}', {}, 400, "malformed-json"),
    ("POST", CASES, b'{"process": "\xed\xa0\x80"}', {}, 400, "malformed-json"),
    ("POST", CASES, b"NaN", {}, 400, "malformed-json"),
    ("POST", CASES, b'{"process": "a\x00b"}', {}, 400, "malformed-json"),
    ("POST", CASES, b"\x00", {}, 400, "malformed-json"),
    ("POST", CASES, b"[" * 100_000, {}, 400, "malformed-json"),
    ("POST", CASES, b'{"a":' * 50_000 + b"1" + b"}" * 50_000, {}, 400, "malformed-json"),
    ("POST", CASES, b'{"process": "' + b"x" * 1_100_000 + b'"}', {}, 413, "too-large"),
    ("POST", CASES, b"process=ayr", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported-media-type"),
    ("POST", CASES, b"{}", {"Content-Type": "text/plain"}, 415, "unsupported-media-type"),
    ("POST", CASES, b"{}", {"Content-Type": "multipart/form-data; boundary=x"}, 415, "unsupported-media-type"),
    ("POST", CASES, b"\x80", {"Content-Type": "application/msgpack"}, 415, "unsupported-media-type"),
    ("POST", CASES, b"{}", {"Content-Encoding": "gzip"}, 415, "unsupported-media-type"),
    ("GET", "/v1/documents/not-a-uuid/content", b"", {}, 404, "not-found"),
    ("GET", "/v1/documents/{document}x/content", b"", {}, 404, "not-found"),
    ("GET", "/v1/cases/%00", b"", {}, 404, "not-found"),
    ("GET", "/v1/cases/{{{case}}}", b"", {}, 404, "not-found"),
    ("GET", "/v1/nothing", b"", {}, 404, "not-found"),
    ("GET", "/v1/cases?cursor=x", b"", {}, 422, "invalid-type"),
    ("GET", "/v1/cases?limit=0", b"", {}, 422, "invalid-type"),
    ("GET", "/v1/cases?limit=201", b"", {}, 422, "invalid-type"),
    ("GET", "/v1/cases?limit=ten", b"", {}, 422, "invalid-type"),
    ("GET", "/v1/cases?limit=99999999999999999999999", b"", {}, 422, "invalid-type"),
    ("GET", "/v1/cases?limit=1&limit=2", b"", {}, 422, "repeated-parameter"),
    ("GET", "/v1/cases?sort=name", b"", {}, 422, "unknown-parameter"),
    ("GET", "/v1/cases/{case}?colour=blue", b"", {}, 422, "unknown-parameter"),
    ("GET", "/v1/cases/{case}/documents?type=novel", b"", {}, 422, "unknown-code"),
    ("GET", "/v1/cases/{case}/documents?type=a%00b", b"", {}, 422, "unknown-code"),
    ("GET", "/v1/cases/{case}/documents?type=" + "x" * 41, b"", {}, 422, "unknown-code"),
    ("GET", "/v1/cases/{case}/documents?type=%ff", b"", {}, 422, "unknown-code"),
    ("GET", "/v1/documents/{document}/content?as=pdf", b"", {}, 422, "unknown-parameter"),
    ("GET", "/v1/documents/{document}/content", b"", {"Vault-Confirm": "x" * 41}, 400, "invalid-input"),
    ("GET", "/v1/documents/{document}/content", b"", {"Vault-Confirm": ",".join("abcdefghijk")}, 400, "invalid-input"),
    ("DELETE", "/v1/cases", b"", {}, 405, "method-not-allowed"),
    ("PUT", "/v1/cases/{case}", b"{}", {}, 405, "method-not-allowed"),
    ("POST", "/v1/documents/{document}/content", b"x", {}, 405, "method-not-allowed"),
    ("PATCH", "/v1/documents/{document}", b"{}", {}, 405, "method-not-allowed"),
    ("TRACE", "/v1/cases", b"", {}, 405, "method-not-allowed"),
    ("PUT", "/v1/documents/not-a-uuid/content", b"x", {}, 404, "not-found"),
    ("PUT", "/v1/documents/{unknown}/content", b"x", {}, 404, "not-found"),
    ("PUT", "/v1/documents/{waiting}/content", b"x", {"Content-Digest": "sha-256=abc"}, 400, "invalid-digest"),
    ("PUT", "/v1/documents/{waiting}/content", b"x", {"Content-Digest": "sha-256=:!!:"}, 400, "invalid-digest"),
    ("PUT", "/v1/documents/{waiting}/content", b"x", {"Content-Digest": "sha-256=:" + base64.b64encode(bytes(32)).decode() + ":"}, 422, "wrong-digest"),
    ("PUT", "/v1/documents/{waiting}/content", b"x", {"Content-Digest": "sha-512=:" + base64.b64encode(bytes(64)).decode() + ":"}, 422, "wrong-digest"),
    ("PUT", "/v1/documents/{waiting}/content", b"x", {"Content-Type": "application/pdf"}, 422, "wrong-media-type"),
    ("PUT", "/v1/documents/{waiting}/content", b"x", {"Content-Encoding": "gzip"}, 415, "unsupported-media-type"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "code"),
    RAW,
    ids=lambda v: str(v)[:60] if not isinstance(v, bytes) else f"{len(v)}b",
)
def test_a_wrong_request_is_refused(
    scene: Scene, method: str, path: str, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    with nothing_left(scene.caller.service):
        sent = (
            {"Content-Type": "application/json" if method != "PUT" else "application/octet-stream"}
            if body or method == "POST"
            else {}
        )
        answer = scene.desk.request(method, scene.path(path), content=body, headers=sent | headers)
        assert problem(answer)[:2] == (status, code), answer.text
    if status == 405:
        assert answer.headers["allow"]


# ---------------------------------------------------------------- uploads


def waiting(scene: Scene) -> str:
    return str(must(scene.desk.post(f"/v1/cases/{scene.case}/documents", paper()))["id"])


def raw_upload(scene: Scene, document: str, head: str, body: bytes, *, close: bool = True) -> bytes:
    """Send exactly these bytes; returns what was answered before the connection ended."""
    with socket.create_connection(("127.0.0.1", scene.caller.service.port), timeout=20) as raw:
        raw.sendall(
            f"PUT /v1/documents/{document}/content HTTP/1.1\r\nHost: vault\r\nAuthorization: Bearer {scene.desk.token}\r\n"
            f"Content-Type: text/plain\r\n{head}\r\n\r\n".encode()
            + body
        )
        if close:
            raw.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := raw.recv(65536):
            answer += piece
    return answer


def settled(service: Service, before: dict[str, int]) -> None:
    """Wait until the service has cleared up after a caller that went away."""
    deadline = time.monotonic() + 10
    while facts(service) != before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert facts(service) == before


@pytest.mark.parametrize("size", [10, 5_000_000])
def test_p04_a_body_that_stops_half_way_leaves_nothing(scene: Scene, size: int) -> None:
    document = waiting(scene)
    before = facts(scene.caller.service)
    raw_upload(scene, document, f"Content-Length: {size * 2}", b"x" * size)
    settled(scene.caller.service, before)
    raw_upload(scene, document, "Transfer-Encoding: chunked", b"5\r\nhello\r\n")
    settled(scene.caller.service, before)
    assert must(scene.desk.get(f"/v1/documents/{document}"))["state"] == "awaiting-content"
    must(scene.desk.upload(document, b"whole"))
    assert scene.desk.read(document).content == b"whole"


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("Content-Length: ten", b"x"),
        ("Content-Length: -1", b"x"),
        ("Content-Length: 1\r\nContent-Length: 2", b"xx"),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked", b"1\r\nx\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", b"zz\r\nx\r\n"),
    ],
)
def test_a_length_that_cannot_be_is_refused(scene: Scene, head: str, body: bytes) -> None:
    document = waiting(scene)
    before = facts(scene.caller.service)
    answer = raw_upload(scene, document, head, body)
    assert b" 200 " not in answer.partition(b"\r\n")[0]
    settled(scene.caller.service, before)


def test_a_filed_document_takes_the_same_bytes_again_and_no_others(scene: Scene) -> None:
    document = scene.caller.file(scene.case, content=b"as filed")
    with nothing_left(scene.caller.service):
        again = must(scene.desk.upload(document, b"as filed"))
        assert (again["state"], again["sha256"]) == ("filed", hashlib.sha256(b"as filed").hexdigest())
        assert problem(scene.desk.upload(document, b"other bytes")) == (409, "already-filed", None)
        assert problem(scene.desk.upload(document, b"as filed!"))[1] == "already-filed"
        assert problem(scene.desk.upload(document, b""))[1] == "already-filed"
    assert scene.desk.read(document).content == b"as filed"


@pytest.mark.parametrize("same", [True, False])
def test_two_uploads_at_once_make_one_document(scene: Scene, same: bool) -> None:
    document = waiting(scene)
    before = facts(scene.caller.service)
    bodies = [b"a" * 3_000_000, (b"a" if same else b"b") * 3_000_000]
    answers: list[httpx.Response] = []
    began = threading.Barrier(2)
    token = scene.desk.token

    def upload(body: bytes) -> None:
        def slowly() -> Iterator[bytes]:
            yield body[:1_000_000]
            began.wait(10)
            yield body[1_000_000:]

        with httpx.Client(base_url=scene.caller.service.url, timeout=30, trust_env=False) as http:
            answers.append(Acting(http, token).upload(document, slowly()))

    threads = [threading.Thread(target=upload, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(a.status_code for a in answers) == ([200, 200] if same else [200, 409])
    settled(scene.caller.service, before | {"filing": before["filing"] + 1, "objects": before["objects"] + 1})
    won = next(a for a in answers if a.status_code == 200)
    assert hashlib.sha256(scene.desk.read(document).content).hexdigest() == won.json()["sha256"]


def test_only_who_registered_a_paper_gives_it_its_content(scene: Scene) -> None:
    document = waiting(scene)
    with nothing_left(scene.caller.service):
        assert problem(scene.caller.by(KELA).upload(document, b"theirs"))[:2] == (404, "not-found")


# ---------------------------------------------------------------- forms and other people's things


def test_a_form_serves_once_must_be_filed_and_of_this_case(scene: Scene) -> None:
    caller = scene.caller
    form = caller.form(scene.case)
    caller.consent(scene.case, [permit("kela")], form=form)
    elsewhere = caller.form(scene.other_case)
    empty = must(scene.desk.post(f"/v1/cases/{scene.case}/documents", paper("suostumus")))["id"]
    path = f"/v1/cases/{scene.case}/consents"
    with nothing_left(caller.service):
        assert problem(scene.desk.post(path, new_consent(form, [permit("kela")])))[:2] == (409, "form-used")
        assert problem(scene.desk.post(path, new_consent(elsewhere, [permit("kela")]))) == (422, "unknown-form", "form")
        assert problem(scene.desk.post(path, new_consent(empty, [permit("kela")]))) == (422, "unknown-form", "form")


def test_a_clause_cannot_name_a_document_of_another_case(scene: Scene) -> None:
    foreign = scene.caller.file(scene.other_case)
    body = new_consent(scene.form, [permit("kela", documents=[{"document": foreign}])])
    with nothing_left(scene.caller.service):
        assert problem(scene.desk.post(f"/v1/cases/{scene.case}/consents", body))[:2] == (422, "unknown-named")
        about = paper(attachment_of=foreign)
        assert problem(scene.desk.post(f"/v1/cases/{scene.case}/documents", about)) == (
            422,
            "unknown-document",
            "attachment_of",
        )
        about = paper(replaces=foreign)
        assert problem(scene.desk.post(f"/v1/cases/{scene.case}/documents", about)) == (
            422,
            "unknown-replaces",
            "replaces",
        )


def test_a_document_that_a_caller_may_not_see_cannot_be_named(scene: Scene) -> None:
    hidden = scene.caller.file(scene.case, "b-lausunto")
    for unseen in (hidden, str(uuid.uuid4())):
        answer = scene.caller.by(KELA).post(f"/v1/cases/{scene.case}/documents", paper(attachment_of=unseen))
        assert problem(answer) == (422, "unknown-document", "attachment_of")


def test_any_scope_that_names_more_than_everything_is_refused(scene: Scene) -> None:
    body = new_consent(scene.form, [permit("kela", sources=[{"any": True, "agency": "kela"}])])
    assert problem(scene.desk.post(f"/v1/cases/{scene.case}/consents", body))[:2] == (422, "invalid-scope")
    assert ANY == [{"any": True}]
    assert scene.caller.demo.find(COORDINATOR)[0].id == "pirha"
