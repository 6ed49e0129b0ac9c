"""P9, item by item: what the database holds of a client is in what the client is shown, and every table says where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.caller import KELA, Caller, deny, must, permit
from tests.support.own import Own, own
from tests.web.answers import code_of

# A table with a column that leads to a client -> where the client finds it. "here": compared row by row below.
FOUND = {
    "client": "here", "client_about": "here", "client_code": "here", "client_death": "GET /v1/me: died_on",
    "former_code": "the log: difference-end",
    "client_identity": "the sign-in itself: a keyed digest of who they are at the provider",
    "client_case": "here", "case_state": "here", "case_reference": "here", "hold": "here", "member": "here", "member_end": "here",
    "sign_off": "the log: case-close", "participant": "the log: the first opening of each", "difference": "GET /v1/me beside what a case was given",
    "document": "here", "filing": "here", "document_mark": "here", "known": "the log: what was opened", "attempt": "the log: an upload",
    "consent": "here", "provision": "here", "consent_confirmation": "here", "withdrawal": "here", "prohibition": "here", "prohibition_end": "here",
    "entry": "GET /v1/me/log, own=true for their own reads",
    "notice": "the log: consent-withdrawn and its like; what the agencies are told", "transfer": "GET /v1/me/cases: archived",
    "authority": "GET /v1/me/authorities", "request": "GET /v1/me/requests", "request_look": "GET /v1/me/requests/{request}",
    "withholding": "GET /v1/me/documents: withheld", "misfiled_decision": "another person's paper, which the client is not shown",
    "export": "GET /v1/me/exports", "export_paper": "GET /v1/me/exports", "export_span": "GET /v1/me/exports",
    "export_damage": "the package itself: a paper that could not be read is named there",
    "token": "the session itself", "clearance": "a permit of a few seconds, which the log keeps", "shredded": "GET /v1/me/cases: archived",
}  # fmt: skip
LEADING = ("client", "case_id", "document", "consent", "prohibition", "member", "form")


@pytest.fixture(scope="module")
def hers(caller: Caller) -> Iterator[Own]:
    """A client of whom there is a bit of everything: received papers, superseded and withdrawn clauses, ended prohibitions."""
    with own(caller, members=["kela", "te-palvelut"]) as hers:
        case, kela = hers.case, caller.by(KELA)
        must(caller.coordinator.patch(f"/v1/cases/{case}", {"your_reference": "PIR-17"}))
        must(kela.patch(f"/v1/cases/{case}", {"your_reference": "KELA-4"}))
        must(caller.coordinator.post(f"/v1/cases/{case}/holds", {"reason": "odottaa"}))
        report = caller.file(case, by=kela, source="kela")
        caller.file(case, "ammatillinen-suunnitelma", attachment_of=report, by=kela)
        caller.file(case, "b-lausunto", protected_classes=["mental-health"])
        caller.file(case, third_persons=True)
        for mark in ("retract", "misfiled"):
            must(caller.coordinator.post(f"/v1/documents/{caller.file(case)}/{mark}"))
        first = caller.consent(case, [permit("kela"), permit("te-palvelut"), deny("kuntoutus-oy")])
        second = caller.consent(case, [permit("kela"), permit("te-palvelut")], replaces=first, valid_until="2081-01-31")
        must(
            kela.post(
                f"/v1/consents/{second}/withdraw",
                {"provisions": [2], "reason": "ei enää", "given_at": "2026-03-03T09:00:00Z"},
            )
        )
        ended = hers.do("/prohibitions", {"recipients": [{"agency": "kela"}], "protected_classes": ["mental-health"]})[
            "id"
        ]
        hers.do(f"/prohibitions/{ended}/end")
        hers.do("/prohibitions", {"case": case, "documents": [{"document": report}]})
        hers.do("/pause")
        [te] = [m for m in must(caller.coordinator.get(f"/v1/cases/{case}"))["members"] if m["agency"] == "te-palvelut"]
        assert caller.coordinator.delete(f"/v1/cases/{case}/members/{te['id']}").status_code == 204
        yield hers


def rows(hers: Own, table: str, where: str) -> list[dict[str, Any]]:
    client = hers.caller.service.one("SELECT client FROM vault.client_case WHERE id = $1", hers.case)
    said = where.format(case=f"'{hers.case}'", client=f"'{client}'")
    query = f"SELECT t.* FROM vault.{table} t WHERE {said}"
    return [dict(row) for row in hers.caller.service.sql(query)]


OF_CASE = "t.case_id = {case}"
OF_DOCUMENT = "t.document IN (SELECT d.id FROM vault.document d WHERE d.case_id = {case})"
OF_CONSENT = "t.consent IN (SELECT c.id FROM vault.consent c WHERE c.case_id = {case})"


def test_p09_every_table_that_holds_something_of_a_client_says_where_they_find_it(caller: Caller) -> None:
    found = caller.service.sql(
        "SELECT DISTINCT c.table_name FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)"
        " WHERE c.table_schema = 'vault' AND t.table_type = 'BASE TABLE' AND c.column_name = ANY ($1::text[])"
        " AND c.table_name !~ '^entry_'", list(LEADING),
    )  # fmt: skip
    assert {row[0] for row in found} - FOUND.keys() == set()


def test_p09_every_paper_is_there_with_what_is_kept_of_it(hers: Own) -> None:
    shown = {d["id"]: d for d in hers.all("/documents", limit=2)}
    kept = {str(row["id"]): row for row in rows(hers, "document", OF_CASE)}
    filed = {str(row["document"]): row for row in rows(hers, "filing", OF_DOCUMENT)}
    marks = {(str(row["document"]), row["mark"]) for row in rows(hers, "document_mark", OF_DOCUMENT)}
    [misfiled] = [d for d, mark in marks if mark == "misfiled"]
    assert shown.keys() == kept.keys() - {misfiled}
    assert code_of(hers.get(f"/documents/{misfiled}")) == (404, "not-found")
    for document, view in shown.items():
        row = kept[document]
        for name in ("type", "language", "media_type", "original", "protected_classes"):
            assert view[name] == row[name], name
        for name in ("attachment_of", "replaces", "series", "dated", "valid_until"):
            assert view[name] == (None if row[name] is None else str(row[name])), name
        assert (view["filed_by"]["agency"], view["source"]["agency"]) == (row["agency"], row["source"])
        assert view["size"] == filed[document]["size_bytes"]
        assert view["retracted"] == ((document, "retracted") in marks)
        assert view["state"] == ("waiting" if row["third_persons"] else "open")
        assert (view["title"] is None) == row["third_persons"]
    assert {d["filed_by"]["agency"] for d in shown.values()} == {"pirha", "kela"}


def test_p09_every_clause_is_there_with_all_that_happened_to_it(hers: Own) -> None:
    shown = {c["id"]: c for c in hers.all("/consents", limit=1)}
    kept = {str(row["id"]): row for row in rows(hers, "consent", OF_CASE)}
    assert shown.keys() == kept.keys()
    clauses = {(str(row["consent"]), row["number"]): row for row in rows(hers, "provision", OF_CONSENT)}
    assert {(c["id"], p["number"]) for c in shown.values() for p in c["provisions"]} == clauses.keys()
    for consent, view in shown.items():
        row = kept[consent]
        for name in ("form", "signed_on", "valid_from", "valid_until", "replaces"):
            assert view[name] == (None if row[name] is None else str(row[name])), name
        assert (view["capacity"], view["verified_how"]) == (row["capacity"], row["verified_how"])
        for clause in view["provisions"]:
            stored = clauses[consent, clause["number"]]
            for name in ("effect", "actions", "purposes", "protected_classes", "future_documents"):
                assert clause[name] == stored[name], name
            given = None if stored["recipients"] is None else [r.get("agency") for r in stored["recipients"]]
            told = clause["recipients"] and [r["party"] and r["party"]["agency"] for r in clause["recipients"]]
            assert told == given
    happened = [(c["id"], e["what"], e["provisions"], e["reason"]) for c in shown.values() for e in c["history"]]
    withdrawn = rows(hers, "withdrawal", OF_CONSENT)
    assert [(str(w["consent"]), w["provisions"]) for w in withdrawn] == [
        (c, p) for c, what, p, _ in happened if what == "withdrawn"
    ]
    assert [reason for _, what, _, reason in happened if what == "withdrawn"] == ["ei enää"]
    assert len([1 for _, what, *_ in happened if what == "superseded"]) == len(
        [1 for row in kept.values() if row["replaces"]]
    )
    assert len([1 for _, what, *_ in happened if what == "confirmed"]) == len(
        rows(hers, "consent_confirmation", OF_CONSENT)
    )


def test_p09_every_prohibition_is_there_ended_ones_too(hers: Own) -> None:
    shown = {p["id"]: p for p in hers.all("/prohibitions", limit=1)}
    kept = {str(row["id"]): row for row in rows(hers, "prohibition", "t.client = {client}")}
    assert shown.keys() == kept.keys()
    ended = {str(row["prohibition"]) for row in rows(hers, "prohibition_end", "true")}
    for prohibition, view in shown.items():
        row = kept[prohibition]
        assert view["in_force"] == (prohibition not in ended)
        assert view["pause"] == row["pause"]
        assert view["case"] == (row["case_id"] and str(row["case_id"]))
        assert view["protected_classes"] == row["protected_classes"]
        assert (view["recipients"] is None) == (row["recipients"] is None)


def test_p09_the_case_and_the_person_are_there_with_all_that_is_kept(hers: Own) -> None:
    [case] = hers.all("/cases")
    [row] = rows(hers, "client_case", "t.id = {case}")
    assert (case["process"], case["language"], case["controller"]["agency"]) == (
        row["process"],
        row["language"],
        row["controller"],
    )
    assert sorted(case["references"]) == sorted(r["agency"] for r in rows(hers, "case_reference", OF_CASE))
    assert case["references"] == {"pirha": "PIR-17", "kela": "KELA-4"}
    members = rows(hers, "member", OF_CASE)
    assert sorted((m["party"]["agency"], m["role"], m["from"]) for m in case["members"]) == sorted(
        (m["agency"], m["role"], m["from_day"].isoformat()) for m in members
    )
    ended = {row["member"] for row in rows(hers, "member_end", "true")}
    assert [m["party"]["agency"] for m in case["members"] if m["ended_at"]] == [
        m["agency"] for m in members if m["id"] in ended
    ]
    assert len(case["history"]) == 1 + len(rows(hers, "case_state", OF_CASE))
    assert case["holds"] == len(rows(hers, "hold", OF_CASE))
    me = hers.one("")
    [about] = rows(hers, "client_about", "t.client = {client}")
    assert (me["language"], me["address_protected"]) == (about["language"], about["address_protected"])
    assert me["client"] == str(rows(hers, "client", "t.id = {client}")[0]["id"])
    assert len(rows(hers, "client_code", "t.client = {client}")) == 1
    assert me["personal_identity_code"]
    assert case["given"] == {
        "name": me["name"],
        "born": me["born"],
        "personal_identity_code": me["personal_identity_code"],
    }


def test_24_there_is_no_address_to_give_away(caller: Caller, hers: Own) -> None:
    """Turvakielto is a mark; no table has room for an address, so no view, release, notice or package can tell one."""
    named = caller.service.sql(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'vault' AND column_name ~ '(address|street|postal|municip)'"
    )
    assert {(row[0], row[1]) for row in named} == {("client_about", "address_protected")}
    told = [hers.get(path).text for path in ("", "/cases", "/documents", "/consents", "/readers")]
    assert [text.count("address") for text in told] == [1, 0, 0, 0, 0]


def test_25_the_consent_points_to_the_very_form_that_was_signed_in_its_language(caller: Caller) -> None:
    with own(caller, language="sv") as hers:
        form = caller.file(hers.case, "suostumus", b"Samtycke, undertecknat", language="sv", filename="samtycke.txt")
        consent = caller.consent(hers.case, [permit("kela")], form=form, language="sv")
        view = hers.one(f"/consents/{consent}")
        paper = hers.one(f"/documents/{view['form']}")
        assert (view["form"], view["language"], paper["language"]) == (form, "sv", "sv")
        assert view["form_sha256"] == paper["sha256"]
        assert hers.get(f"/documents/{form}/content").content == b"Samtycke, undertecknat"
        assert hers.one("")["language"] == "sv"
