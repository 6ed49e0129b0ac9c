"""Requests and uploads that are wrong in themselves, and things of other people: each a 4xx, and nothing left behind."""

from __future__ import annotations

import base64
import hashlib
import threading
import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests.support.caller import (
    ANY,
    COORDINATOR,
    KELA,
    Acting,
    must,
    new_consent,
    paper,
    permit,
)
from tests.web.scene import Scene, facts, nothing_left, problem, settled

pytestmark = pytest.mark.kinds("directory", "nginx")  # what is stored where changes nothing here

CASES = "/v1/cases"

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
        # nginx does not pass on an address that it cannot read.
        by_nginx = "%00" in path and "?" not in path and scene.caller.tls is not None
        assert problem(answer)[:2] == ((400, "malformed-request") if by_nginx else (status, code)), answer.text
    if status == 405:
        assert answer.headers["allow"]


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
    document = scene.awaiting()
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

        with scene.caller.client() as http:
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
    document = scene.awaiting()
    with nothing_left(scene.caller.service):
        assert problem(scene.caller.by(KELA).upload(document, b"theirs"))[:2] == (404, "not-found")


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


def test_an_idempotency_key_stands_for_one_request(scene: Scene) -> None:
    path, key = f"/v1/cases/{scene.case}/documents", {"Idempotency-Key": f"key-{uuid.uuid4()}"}
    first = must(scene.desk.post(path, paper(), headers=key))
    with nothing_left(scene.caller.service):
        assert must(scene.desk.post(path, paper(), headers=key))["id"] == first["id"]
        other = scene.desk.post(path, paper(title="Toinen"), headers=key)
        assert problem(other)[0] == 422
        for wrong in ("", "k" * 256, "a\tb"):
            answer = scene.desk.post(path, paper(), headers={"Idempotency-Key": wrong})
            assert problem(answer)[:2] == (400, "invalid-idempotency-key")
    theirs = must(scene.caller.by(KELA).post(path, paper(), headers=key))
    assert theirs["id"] != first["id"]
