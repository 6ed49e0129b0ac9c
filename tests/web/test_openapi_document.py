"""What the OpenAPI document tells beforehand: codes and days, examples that work as they stand, and where an answer leads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.caller import KELA, Acting, Caller, must, permit
from tests.support.own import own
from vault.rules.catalogue import DOCUMENT_TYPES, PROCESSES

Document = dict[str, Any]


@pytest.fixture(scope="module")
def told(caller: Caller) -> Document:
    return must(caller.http.get("/schema/openapi.json"))


def operations(told: Document) -> Iterator[tuple[str, Document]]:
    for path, item in told["paths"].items():
        for method, operation in item.items():
            yield f"{method} {path}", operation


def example(told: Document, named: str, place: int = 0) -> Document:
    examples = dict(operations(told))[named]["requestBody"]["content"]["application/json"]["examples"]
    return dict([*examples.values()][place]["value"])


def test_codes_and_days_are_told(told: Document) -> None:
    schemas = told["components"]["schemas"]
    assert schemas["OpenCase"]["properties"]["process"]["enum"] == [*PROCESSES]
    assert schemas["NewDocument"]["properties"]["type"]["enum"] == [*DOCUMENT_TYPES]
    assert schemas["NewDocument"]["properties"]["dated"]["format"] == "date"
    [until, _] = schemas["NewConsent"]["properties"]["valid_until"]["oneOf"]
    assert until == {"type": "string", "format": "date"}
    [actions, _] = schemas["Provision"]["properties"]["actions"]["oneOf"]
    assert "read" in actions["items"]["enum"]
    # What is answered is not what is asked: an old case may carry a code that nobody may ask for any more.
    assert "enum" not in schemas["CaseView"]["properties"]["process"]


def test_what_a_client_may_ask_like_an_agency_is_told(caller: Caller, told: Document) -> None:
    either = [name for name, operation in operations(told) if len(operation.get("security", ())) == 2]
    assert sorted(either) == ["post /v1/consents/{consent}/withdraw", "post /v1/decisions"]
    with own(caller) as hers:
        document = caller.file(hers.case)
        consent = caller.consent(hers.case, [permit("kela")])
        asked = example(told, "post /v1/decisions") | {"document": document}
        assert must(hers.http.post("/v1/decisions", json=asked))["reasons"]
        must(hers.http.post(f"/v1/consents/{consent}/withdraw", json={}))
        assert hers.one(f"/consents/{consent}")["in_force"] is False


def test_the_logs_answers_are_told_as_what_they_are(told: Document) -> None:
    kinds = {
        path: [*told["paths"][f"/v1/log/{path}"]["get"]["responses"]["200"]["content"]]
        for path in ("checkpoint", "proof/{entry}", "tile/{tile}")
    }
    assert kinds == {
        "checkpoint": ["text/plain"], "proof/{entry}": ["text/plain"], "tile/{tile}": ["application/octet-stream"],
    }  # fmt: skip


def test_every_write_takes_an_idempotency_key(told: Document) -> None:
    for name, operation in operations(told):
        taken = "Idempotency-Key" in {one["name"] for one in operation.get("parameters", [])}
        assert taken == (name.startswith(("post /v1/", "put /v1/", "patch /v1/", "delete /v1/"))), name


def test_every_list_tells_the_shape_of_its_items(told: Document) -> None:
    schemas = told["components"]["schemas"]
    lists = 0
    for name, operation in operations(told):
        for status in ("200", "201"):
            content = operation["responses"].get(status, {}).get("content", {}).get("application/json", {})
            schema = schemas.get(
                content.get("schema", {}).get("$ref", "").rpartition("/")[2], content.get("schema", {})
            )
            if "items" in schema.get("properties", {}):
                lists += 1
                item = schema["properties"]["items"]["items"]["$ref"].rpartition("/")[2]
                assert schemas[item]["properties"], name
    assert lists > 25


def test_every_link_leads_to_an_operation_with_all_that_its_path_needs(told: Document) -> None:
    known = {operation["operationId"]: operation for _, operation in operations(told)}
    links = [
        (name, link)
        for name, operation in operations(told)
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    ]
    assert len(links) > 100
    for name, link in links:
        target = known[link["operationId"]]
        assert {one["name"] for one in target.get("parameters", []) if one["in"] == "path"} == set(
            link["parameters"]
        ), name
        mine = name.split()[1].startswith("/v1/me/")
        assert link["description"].split()[1].startswith("/v1/me/") == mine, name


def send(who: Acting, told: Document, named: str, place: int = 0, **filled: str) -> Document:
    method, _, path = named.partition(" ")
    body = example(told, named, place) | {k: v for k, v in filled.items() if f"{{{k}}}" not in path}
    return must(who.request(method.upper(), path.format(**filled), json=body))


def test_the_examples_of_the_main_job_work_as_they_stand(caller: Caller, told: Document) -> None:
    who = caller.coordinator
    case = send(who, told, "post /v1/cases")["id"]
    form = send(who, told, "post /v1/cases/{case}/documents", 1, case=case)["id"]
    must(who.upload(form, b"signed by hand"))
    consent = send(who, told, "post /v1/cases/{case}/consents", case=case, form=form)["id"]
    send(who, told, "post /v1/cases/{case}/members", case=case)
    document = send(who, told, "post /v1/cases/{case}/documents", case=case)["id"]
    must(who.upload(document, b"a report"))
    decided = send(who, told, "post /v1/decisions", document=document)
    assert (decided["decision"], decided["consent"], decided["provision"]) == ("permit", consent, 2)
    assert caller.by(KELA).read(document).content == b"a report"
    send(who, told, "patch /v1/cases/{case}", case=case)
    client = must(who.get(f"/v1/cases/{case}"))["client"]["id"]
    send(who, told, "patch /v1/clients/{client}", client=client)
    send(who, told, "post /v1/consents/{consent}/withdraw", 1, consent=consent)
    send(who, told, "post /v1/cases/{case}/holds", case=case)
