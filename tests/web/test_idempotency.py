"""Every write takes an Idempotency-Key: the same request again is answered again, another one under the same key is not done."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.support.caller import Caller, must
from tests.support.own import own
from tests.web.scene import Scene, problem

REUSED = (422, "idempotency-key-reused", "Idempotency-Key")
DECISION = {"document": "{document}", "agency": "kela", "action": "read", "purpose": "care"}
# Writes that make nothing: method, path, a body, another one
WRITES: list[tuple[str, str, Any, Any]] = [
    ("PATCH", "/v1/cases/{case}", {"your_reference": "A"}, {"your_reference": "B"}),
    ("PATCH", "/v1/clients/{client}", {"language": "fi"}, {"language": "sv"}),
    ("POST", "/v1/clients/find", {"personal_identity_code": "140599-923C"}, {"personal_identity_code": "140599-901N"}),
    ("POST", "/v1/decisions", DECISION, DECISION | {"purpose": "employment-support"}),
    ("POST", "/v1/documents/{waiting}/retract", None, {}),
    ("POST", "/v1/cases/{case}/reopen", {"reason": "a"}, {"reason": "b"}),
]


def filled(scene: Scene, body: Any) -> Any:
    return {k: scene.path(v) if isinstance(v, str) else v for k, v in body.items()} if body else body


@pytest.mark.parametrize(("method", "path", "body", "other"), WRITES)
def test_a_key_stands_for_one_request_whatever_it_asks(
    scene: Scene, method: str, path: str, body: Any, other: Any
) -> None:
    key, place = {"Idempotency-Key": uuid.uuid4().hex}, scene.path(path)
    sent = {} if body is None else {"json": filled(scene, body)}
    first = scene.desk.request(method, place, headers=key, **sent)
    again = scene.desk.request(method, place, headers=key, **sent)
    assert (first.status_code, again.status_code) in ((200, 200), (409, 409)), first.text
    assert first.json() == again.json()
    assert problem(scene.desk.request(method, place, headers=key, json=filled(scene, other))) == REUSED
    assert (
        problem(scene.desk.request("POST", f"/v1/cases/{scene.case}/holds", headers=key, json={"reason": "x"}))
        == REUSED
    )
    assert problem(scene.desk.request(method, place, headers={"Idempotency-Key": "k" * 256}, **sent))[0] == 400


def test_a_key_binds_an_upload_to_its_document_without_reading_ahead(scene: Scene) -> None:
    key, first, second = {"Idempotency-Key": uuid.uuid4().hex}, scene.awaiting(), scene.awaiting()
    must(scene.desk.upload(first, b"bytes", **key))
    must(scene.desk.upload(first, b"bytes", **key))
    assert problem(scene.desk.upload(first, b"other", **key))[:2] == (409, "already-filed")
    assert problem(scene.desk.upload(second, b"bytes", **key)) == REUSED


def test_an_order_sent_again_is_the_same_export_even_when_it_is_gone(caller: Caller) -> None:
    with own(caller) as hers:
        key = {"Idempotency-Key": uuid.uuid4().hex}
        first = must(hers.post("/exports", {}, headers=key), 202)
        assert hers.http.delete(f"/v1/me/exports/{first['id']}").status_code == 204
        again = must(hers.post("/exports", {}, headers=key), 202)
        assert again["id"] == first["id"]
        assert again["state"] != "received"
        assert problem(hers.post("/exports", {"without_large": True}, headers=key)) == REUSED
        assert must(hers.post("/exports", {}), 202)["id"] != first["id"]


def test_what_only_asks_takes_no_key(scene: Scene) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    for path in ("/v1/cases", "/v1/inbox"):
        assert scene.desk.get(path, headers=key).status_code == 200
    assert scene.caller.http.request("OPTIONS", "/v1/decisions", headers=key, json={}).status_code == 204
