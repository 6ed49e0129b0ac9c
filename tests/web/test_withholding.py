"""What a records officer decides of papers: pages withheld, papers withheld, papers of the wrong person."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import fpdf
import httpx
import pikepdf
import pytest

from tests.support.caller import ANY, KELA, PURPOSES, Acting, Caller, must, permit, personal_code
from tests.support.sessions import browser, client_session

OFFICER = "pirha-1004"
PHYSICIAN = {"agency": "pirha", "professional": "pirha-1002"}
RIGHTS = {"provision": "621-1999-11", "reason": "sivulla on toisen ihmisen tietoja"}


def pdf(*texts: str) -> bytes:
    """A PDF with one page for each text."""
    paper = fpdf.FPDF()
    paper.set_font("Helvetica", size=12)
    for text in texts:
        paper.add_page()
        paper.cell(0, 10, text)
    return bytes(paper.output())


def words_of(content: bytes) -> list[str]:
    """What stands on each page, as the content streams say it."""
    with pikepdf.open(io.BytesIO(content)) as opened:
        return [page.Contents.read_bytes().decode("latin-1") for page in opened.pages]


class Asking(NamedTuple):
    case: str
    document: str
    request: str
    hers: httpx.Client


@pytest.fixture
def asking(caller: Caller) -> Iterator[Asking]:
    """A client who asked for a paper of three pages that names third persons."""
    code, born = personal_code()
    case = caller.open_case(members=["kela"], personal_identity_code=code, born=born)
    caller.consent(case, [permit({"any": True}, documents=ANY, actions=["handle", "read"], purposes=PURPOSES)])
    document = filed_pdf(caller, case)
    with browser(caller.service, client_session(caller.service, code)) as hers:
        made = must(hers.post("/v1/me/requests", json={"kind": "export-review", "document": document}))["id"]
        yield Asking(case, document, made, hers)


def filed_pdf(caller: Caller, case: str, content: bytes | None = None, media_type: str = "application/pdf") -> str:
    about = {
        "type": "lausunto", "title": "Lausunto", "language": "fi", "dated": "2026-03-01", "protected_classes": [],
        "filename": "lausunto.pdf", "media_type": media_type, "third_persons": True,
    }  # fmt: skip
    document = str(must(caller.coordinator.post(f"/v1/cases/{case}/documents", about))["id"])
    sent = content or pdf("ETUSIVU", "NAAPURIN", "LOPPU")
    must(caller.coordinator.upload(document, sent, **{"Content-Type": media_type}))
    return document


@pytest.fixture
def officer(caller: Caller) -> Acting:
    return caller.by(OFFICER)


def look(officer: Acting, asking: Asking) -> None:
    must(officer.post(f"/v1/requests/{asking.request}/looks", {"document": asking.document, "reason": "tarkistan"}))


def decide(officer: Acting, asking: Asking, **decision: Any) -> httpx.Response:
    return officer.post(f"/v1/requests/{asking.request}/documents/{asking.document}/decision", decision)


def view(caller: Caller, document: str) -> Any:
    return caller.service.sql("SELECT (vault.for_client($1::uuid, vault.clock())).*", document)[0]


def test_12_a_third_persons_page_is_withheld_marked_and_the_rest_is_given(
    caller: Caller, officer: Acting, asking: Asking
) -> None:
    """domain.md §14 no. 12: third-person part redacted and marked (FI 621/1999 § 25), the rest delivered."""
    assert decide(officer, asking, how="open").status_code == 404  # nobody decides what they have not looked at
    look(officer, asking)
    must(decide(officer, asking, how="pages-withheld", pages=[2], **RIGHTS))
    stands = view(caller, asking.document)
    assert (stands["how"], stands["provision"]) == ("pages-withheld", "621-1999-11")
    shown = must(asking.hers.get(f"/v1/me/requests/{asking.request}"))["documents_decided"][0]
    assert (shown["pages"], shown["copy"]) == ([2], str(stands["copy"]))
    assert shown["refusal"]["reason"] == RIGHTS["reason"]
    copy = officer.read(shown["copy"])
    assert copy.headers["content-type"] == "application/pdf"
    first, second, third = words_of(copy.content)
    assert "ETUSIVU" in first
    assert "LOPPU" in third
    assert "Sivu 2 on j" in second
    assert "621/1999" in second
    assert b"NAAPURIN" not in b"".join(
        one.read_bytes() for one in pikepdf.open(io.BytesIO(copy.content)).objects if isinstance(one, pikepdf.Stream)
    )


def test_p01_a_clients_copy_does_not_exist_to_agencies(caller: Caller, officer: Acting, asking: Asking) -> None:
    look(officer, asking)
    must(decide(officer, asking, how="pages-withheld", pages=[2], **RIGHTS))
    copy = str(view(caller, asking.document)["copy"])
    for who in (caller.coordinator, caller.by(KELA), caller.system("pirha")):
        for answer in (who.read(copy), who.get(f"/v1/documents/{copy}"), who.post(f"/v1/documents/{copy}/retract")):
            assert answer.status_code == 404, answer.text
        listed = must(who.get(f"/v1/cases/{asking.case}/documents"))["items"]
        assert copy not in [one["id"] for one in listed]
    assert caller.coordinator.read(asking.document).status_code == 200
    decision = {"document": copy, "agency": "pirha", "action": "read", "purpose": "care"}
    assert caller.coordinator.post("/v1/decisions", decision).status_code == 404


def test_12_danger_to_health_is_a_named_professionals_to_judge(caller: Caller, officer: Acting, asking: Asking) -> None:
    look(officer, asking)
    danger = {"how": "withheld", "provision": "1050-2018-34-health", "reason": "vakava vaara", "told": False}
    answer = decide(officer, asking, **danger)
    assert (answer.status_code, answer.json()["field"]) == (422, "judge")
    for nobody in ({"agency": "pirha", "professional": "pirha-1005"}, {"agency": "kela", "professional": "nobody"}):
        answer = decide(officer, asking, **danger, judge=nobody)
        assert (answer.status_code, answer.json()["field"]) == (422, "judge")
    found = must(officer.get(f"/v1/requests/{asking.request}/judges"))["items"]
    assert [(one["professional"], one["name"], one["roles"]) for one in found] == [
        ("pirha-1002", "Lauri Tammelo", ["physician"]), ("pirha-1003", "Sanna Poutakorpi", ["nurse"]),
    ]  # fmt: skip
    assert caller.by(KELA).get(f"/v1/requests/{asking.request}/judges").status_code == 403
    must(decide(officer, asking, **danger, judge=PHYSICIAN))
    shown = must(asking.hers.get(f"/v1/me/requests/{asking.request}"))["documents_decided"][0]
    assert (shown["how"], shown["decided_by_role"], shown["refusal"]["reason"]) == ("withheld", "physician", None)
    must(officer.post(f"/v1/requests/{asking.request}/answer", {"text": "muut paperit ovat avoinna"}))
    assert officer.get(f"/v1/requests/{asking.request}/judges").status_code == 404, "names are opened for what runs"


def test_a_later_decision_replaces_an_earlier_one(caller: Caller, officer: Acting, asking: Asking) -> None:
    look(officer, asking)
    must(decide(officer, asking, how="withheld", **RIGHTS))
    assert view(caller, asking.document)["how"] == "withheld"
    must(decide(officer, asking, how="pages-withheld", pages=[2, 3], **RIGHTS))
    first = view(caller, asking.document)["copy"]
    must(decide(officer, asking, how="pages-withheld", pages=[2], **RIGHTS))
    second = view(caller, asking.document)["copy"]
    assert (view(caller, str(first))["how"], view(caller, str(second))["how"]) == ("withheld", "open")
    must(decide(officer, asking, how="open"))
    assert view(caller, asking.document)["how"] == "open"
    assert view(caller, str(second))["how"] == "withheld"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"how": "burn"}, "how"), ({"how": "withheld", "reason": "x"}, "provision"), ({"how": "pages-withheld", **RIGHTS}, "pages"),
        ({"how": "pages-withheld", "pages": [4], **RIGHTS}, "pages"), ({"how": "pages-withheld", "pages": [0], **RIGHTS}, "pages"),
        ({"how": "withheld", "provision": "621-1999-11"}, "reason"), ({"how": "withheld", "provision": "gdpr-12-5", "reason": "x"}, "provision"),
        ({"how": "open", "reason": "x"}, "provision"), ({"how": "withheld", "pages": [1], **RIGHTS}, "pages"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_decision_is_named(
    caller: Caller, officer: Acting, asking: Asking, wrong: dict[str, Any], field: str
) -> None:
    look(officer, asking)
    answer = decide(officer, asking, **wrong)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert view(caller, asking.document)["how"] == "waiting"


@pytest.mark.parametrize(
    ("content", "media_type"),
    [(b"%PDF-1.7 nonsense", "application/pdf"), (b"plain", "text/plain"), (b"", "application/pdf")],
)
def test_what_has_no_pages_is_withheld_as_a_whole(
    caller: Caller, officer: Acting, asking: Asking, content: bytes, media_type: str
) -> None:
    document = filed_pdf(caller, asking.case, content or b"x" * 10, media_type)
    made = must(asking.hers.post("/v1/me/requests", json={"kind": "export-review", "document": document}))["id"]
    other = asking._replace(document=document, request=made)
    look(officer, other)
    answer = decide(officer, other, how="pages-withheld", pages=[1], **RIGHTS)
    assert (answer.status_code, answer.json()["code"]) == (422, "not-a-pdf")
    must(decide(officer, other, how="withheld", **RIGHTS))


def test_papers_that_wait_keep_the_answer_back(officer: Acting, asking: Asking) -> None:
    answer = officer.post(f"/v1/requests/{asking.request}/answer", {"text": "valmis"})
    assert (answer.status_code, answer.json()["code"]) == (409, "documents-wait")
    look(officer, asking)
    must(decide(officer, asking, how="open"))
    must(officer.post(f"/v1/requests/{asking.request}/answer", {"text": "valmis"}))


def test_a_correction_is_answered_while_papers_wait(caller: Caller, officer: Acting, asking: Asking) -> None:
    assert view(caller, asking.document)["how"] == "waiting"
    made = must(asking.hers.post("/v1/me/requests", json={"kind": "correction", "text": "väärä päivä"}))["id"]
    must(officer.post(f"/v1/requests/{made}/answer", {"text": "korjattu"}))


def test_p05_no_page_and_no_reason_stands_in_clear(caller: Caller, officer: Acting, asking: Asking) -> None:
    mark = "zyxwvutsrr"
    document = filed_pdf(caller, asking.case, pdf(mark, "toinen"))
    made = must(asking.hers.post("/v1/me/requests", json={"kind": "export-review", "document": document}))["id"]
    other = asking._replace(document=document, request=made)
    look(officer, other)
    must(decide(officer, other, how="pages-withheld", pages=[2], provision="621-1999-11", reason=mark))
    tables = [row[0] for row in caller.service.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'vault'")]
    for table in tables:
        query = f"SELECT count(*) FROM vault.{table} x WHERE to_jsonb(x)::text LIKE '%' || $1 || '%' OR to_jsonb(x)::text LIKE '%' || $2 || '%'"
        assert caller.service.one(query, mark, mark.encode().hex()) == 0, table
    for name in caller.service.box.names():
        assert mark.encode() not in caller.service.box.read(name)
    assert mark not in caller.service.log()


# ---------------------------------------------------------------- misfiled


def test_a_misfiled_paper_is_destroyed_alone_and_who_opened_it_is_listed(
    caller: Caller, officer: Acting, asking: Asking
) -> None:
    kept = filed_pdf(caller, asking.case)
    assert caller.by(KELA).read(asking.document).status_code == 200
    look(officer, asking)
    assert officer.read(asking.document).status_code == 200
    must(caller.coordinator.post(f"/v1/documents/{asking.document}/misfiled"))
    assert officer.read(asking.document).status_code == 404  # closed to everyone, the officer too
    listed = [one["id"] for one in must(officer.get("/v1/misfiled", params={"limit": 200}))["items"]]
    assert asking.document in listed
    shown = must(officer.get(f"/v1/misfiled/{asking.document}"))
    readers = {(one["actor"], one.get("agency"), one.get("name")) for one in shown["opened"]}
    assert readers == {("professional", "kela", "Kaisa Etulahti"), ("records-officer", "pirha", "Tiina Kirjola")}
    assert "title" not in shown
    name = caller.service.object_of(asking.document)
    path = f"/v1/misfiled/{asking.document}/decision"
    assert officer.post(path, {"decision": "destroyed", "reason": " "}).status_code == 422
    for _ in range(2):
        must(officer.post(path, {"decision": "destroyed", "reason": "naapurin paperi"}))
    assert officer.post(path, {"decision": "in-place", "reason": "x"}).status_code == 409
    assert name not in caller.service.box.names()
    assert (
        caller.service.one(
            "SELECT count(*) FROM vault.wrapped_key WHERE kind = 'document' AND subject = $1", asking.document
        )
        == 0
    )
    assert caller.coordinator.read(kept).status_code == 200
    assert caller.service.one("SELECT count(*) FROM vault.filed_objects('', 100000) WHERE object = $1", name) == 0
    again = must(officer.get(f"/v1/misfiled/{asking.document}"))
    assert (again["decision"], len(again["opened"])) == ("destroyed", 2)


def test_a_paper_that_was_not_misfiled_opens_again(caller: Caller, officer: Acting, asking: Asking) -> None:
    must(caller.coordinator.post(f"/v1/documents/{asking.document}/misfiled"))
    assert caller.by(KELA).read(asking.document).status_code in (403, 404)
    must(officer.post(f"/v1/misfiled/{asking.document}/decision", {"decision": "in-place", "reason": "oikea henkilö"}))
    assert caller.by(KELA).read(asking.document).status_code == 200
    assert view(caller, asking.document)["how"] == "waiting"
    again = caller.coordinator.post(f"/v1/documents/{asking.document}/misfiled")
    assert (again.status_code, again.json()["code"]) == (409, "misfiled-decided")


def test_p01_only_the_controllers_records_officer_decides_of_misfiled_papers(caller: Caller, asking: Asking) -> None:
    must(caller.coordinator.post(f"/v1/documents/{asking.document}/misfiled"))
    for who in (caller.coordinator, caller.by(KELA), caller.system("pirha")):
        assert who.get("/v1/misfiled").status_code == 403
        body = {"decision": "destroyed", "reason": "x"}
        assert who.post(f"/v1/misfiled/{asking.document}/decision", body).status_code == 404


def test_a_difference_waits_for_the_desk_and_never_overwrites_by_itself(caller: Caller, officer: Acting) -> None:
    code, born = personal_code()
    caller.open_case(personal_identity_code=code, born=born, name="Ensimmäinen Nimi")
    case = caller.open_case(personal_identity_code=code, born=born, name="Toinen Nimi")
    [found] = [
        one for one in must(officer.get("/v1/differences", params={"limit": 200}))["items"] if one["case"] == case
    ]
    assert (found["fields"], found["registered"]["name"], found["given"]["name"]) == (
        ["name"],
        "Ensimmäinen Nimi",
        "Toinen Nimi",
    )
    assert officer.post(f"/v1/differences/{found['id']}", {"outcome": "burn"}).status_code == 422
    assert caller.coordinator.post(f"/v1/differences/{found['id']}", {"outcome": "kept"}).status_code in (403, 404)
    must(officer.post(f"/v1/differences/{found['id']}", {"outcome": "taken"}))
    [person] = must(officer.post("/v1/requests/find-client", {"personal_identity_code": code}))["items"]
    assert person["name"] == "Toinen Nimi"
    assert officer.post(f"/v1/differences/{found['id']}", {"outcome": "kept"}).status_code == 404
    assert officer.post(f"/v1/differences/{uuid.uuid4()}", {"outcome": "kept"}).status_code == 404
