"""What a client sees of their own below /v1/me, by a real session's cookie."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator

import pytest

from tests.support.caller import ANY, KELA, PLANNING, Caller, deny, must, permit, personal_code
from tests.support.own import Own, nobody, own, signed_in
from tests.web.answers import code_of
from vault.formats.promise import parse_promise

READS = ["", "/cases", "/documents", "/consents", "/prohibitions", "/readers", "/log"]


@pytest.fixture
def hers(caller: Caller) -> Iterator[Own]:
    with own(caller, members=["kela"]) as hers:
        yield hers


def test_the_first_screen_says_who_can_open_what_by_which_clause(caller: Caller, hers: Own) -> None:
    plan = caller.file(hers.case, "kuntoutussuunnitelma")
    first, second = (caller.file(hers.case) for _ in range(2))
    consent = caller.consent(hers.case, [permit("kela"), permit({"agency": "pirha", "unit": "pirha/miepa"})])
    told = hers.readers()
    kela = told["kela", None]
    assert kela["party"]["name"]["fi"] == "Kela"
    assert kela["roles"] == ["insurance-secretary"]
    [way] = kela["ways"]
    assert (way["consent"], way["provision"], way["purposes"]) == (consent, 1, [PLANNING])
    assert way["types"] == {"kuntoutuspalaute": 2}
    assert sorted(way["documents"]) == sorted([first, second])
    assert plan not in way["documents"]
    assert kela["protected"] == []
    own_filed = [r for r in hers.one("/readers")["readers"] if not r["roles"]]
    assert [r["party"]["agency"] for r in own_filed] == ["pirha"]
    assert own_filed[0]["ways"][0]["basis"] == "own-document"
    assert hers.one("/readers?documents=false")["readers"][0]["ways"][0]["documents"] == []


def test_mental_health_stands_apart_and_only_where_a_clause_names_it(caller: Caller, hers: Own) -> None:
    plain = caller.file(hers.case, "b-lausunto")
    protected = caller.file(hers.case, "b-lausunto", protected_classes=["mental-health"])
    caller.consent(hers.case, [permit("kela", ["b-lausunto"])])
    kela = hers.readers()["kela", None]
    assert [w["documents"] for w in kela["ways"]] == [[plain]]
    assert kela["protected"] == []
    caller.consent(hers.case, [permit("kela", ["b-lausunto"], protected_classes=["mental-health"])])
    kela = hers.readers()["kela", None]
    [apart] = kela["protected"]
    assert (apart["documents"], apart["protected_classes"]) == ([protected], ["mental-health"])
    assert [w["documents"] for w in kela["ways"]] == [[plain]]


def test_a_unit_that_a_clause_shuts_out_is_told(caller: Caller, hers: Own) -> None:
    caller.file(hers.case)
    must(
        caller.coordinator.post(
            f"/v1/cases/{hers.case}/members", {"agency": "te-palvelut", "role": "employment-officer"}
        )
    )
    assert [m["party"]["agency"] for m in hers.one("/readers")["closed"]] == ["kela", "te-palvelut"]
    caller.consent(hers.case, [permit("kela"), deny("kela", recipients=[{"agency": "kela", "role": "physician"}])])
    told = hers.one("/readers")
    assert [m["party"]["agency"] for m in told["closed"]] == ["te-palvelut"]
    assert told["papers"] == len(hers.all("/documents"))


def test_a_case_tells_who_answers_for_it_and_who_takes_part(caller: Caller, hers: Own) -> None:
    must(caller.coordinator.patch(f"/v1/cases/{hers.case}", {"your_reference": "PIR-17"}))
    caller.file(hers.case, third_persons=True)
    [case] = hers.all("/cases")
    assert case == hers.one(f"/cases/{hers.case}")
    assert (case["state"], case["process"], case["paused"]) == ("open", "ayr", False)
    assert case["controller"]["agency"] == "pirha"
    assert [(m["party"]["agency"], m["role"]) for m in case["contacts"]] == [("pirha", "coordinator")]
    assert {m["party"]["agency"] for m in case["members"]} == {"pirha", "kela"}
    assert case["references"] == {"pirha": "PIR-17"}
    assert case["given"]["name"] == "Testi Asiakas"
    assert (case["documents"], case["waiting"], case["consents"]) == (2, 1, 1)
    assert [step["state"] for step in case["history"]] == ["opened"]


def test_p09_what_waits_says_until_when_and_shows_no_title(caller: Caller, hers: Own) -> None:
    waiting = caller.file(hers.case, third_persons=True, title="Siskon asiat")
    view = hers.one(f"/documents/{waiting}")
    assert view["state"] == "waiting"
    assert view["title"] is None
    today = dt.datetime.now(dt.UTC).date()
    assert today + dt.timedelta(days=26) < dt.date.fromisoformat(view["answered_by"]) < today + dt.timedelta(days=33)
    assert code_of(hers.get(f"/documents/{waiting}/content")) == (404, "not-found")
    assert "Siskon" not in hers.get("/documents").text


def test_a_paper_is_read_whole_and_in_parts(caller: Caller, hers: Own) -> None:
    content = bytes(range(256)) * 1000
    document = caller.file(hers.case, content=content, filename="palaute.txt", title="Palaute")
    view = hers.one(f"/documents/{document}")
    assert (view["state"], view["title"], view["filename"], view["size"]) == (
        "open",
        "Palaute",
        "palaute.txt",
        len(content),
    )
    whole = hers.get(f"/documents/{document}/content")
    assert whole.content == content
    assert whole.headers["content-disposition"].startswith("attachment;")
    begun = hers.get(f"/documents/{document}/content", headers={"Range": "bytes=0-99999"})
    rest = hers.get(
        f"/documents/{document}/content", headers={"Range": "bytes=100000-", "If-Range": begun.headers["etag"]}
    )
    assert (begun.status_code, rest.status_code) == (206, 206)
    assert begun.content + rest.content == content
    assert hers.get(f"/documents/{document}/content", headers={"Range": "bytes=999999-"}).status_code == 416
    entry = parse_promise(whole.headers["vault-log-entry"]).entry
    row = caller.service.sql("SELECT actor, basis, client, outcome FROM vault.entry WHERE id = $1", entry)[0]
    assert (row["actor"], row["basis"]) == ("client", "data-subject")


def test_a_browser_shows_what_runs_nothing_and_saves_the_rest(caller: Caller, hers: Own) -> None:
    shown = {"application/pdf": "a.pdf", "text/plain": "a.txt", "image/png": "a.png"}
    for media_type, name in shown.items():
        document = must(_register(caller, hers, media_type, name))["id"]
        must(caller.coordinator.upload(document, b"x", **{"Content-Type": media_type}))
        inline = hers.get(f"/documents/{document}/content?show=inline")
        assert inline.headers["content-disposition"].startswith("inline;")
        assert inline.headers["content-type"].startswith(media_type)
        assert inline.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in inline.headers["content-security-policy"]
    page = must(_register(caller, hers, "text/html", "a.html"))["id"]
    must(caller.coordinator.upload(page, b"<script>alert(1)</script>", **{"Content-Type": "text/html"}))
    saved = hers.get(f"/documents/{page}/content?show=inline")
    assert saved.headers["content-disposition"].startswith("attachment;")
    assert code_of(hers.get(f"/documents/{page}/content?show=loud"))[0] == 422


def _register(caller: Caller, hers: Own, media_type: str, name: str) -> object:
    about = {
        "type": "muu", "title": "Paperi", "language": "fi", "dated": "2026-03-01", "protected_classes": [], "filename": name,
        "media_type": media_type,
    }  # fmt: skip
    return caller.coordinator.post(f"/v1/cases/{hers.case}/documents", about)


def test_a_retracted_paper_is_the_clients_still_and_a_misfiled_one_nobodys(caller: Caller, hers: Own) -> None:
    retracted, misfiled = (caller.file(hers.case) for _ in range(2))
    must(caller.coordinator.post(f"/v1/documents/{retracted}/retract"))
    must(caller.coordinator.post(f"/v1/documents/{misfiled}/misfiled"))
    assert hers.one(f"/documents/{retracted}")["retracted"]
    assert hers.get(f"/documents/{retracted}/content").status_code == 200
    assert code_of(hers.get(f"/documents/{misfiled}")) == (404, "not-found")
    assert code_of(hers.get(f"/documents/{misfiled}/content")) == (404, "not-found")
    assert misfiled not in [d["id"] for d in hers.all("/documents")]


def test_consents_are_told_in_parts_with_their_history(caller: Caller, hers: Own) -> None:
    consent = caller.consent(hers.case, [permit("kela"), permit("kela", ["b-lausunto"])], valid_until="2080-01-31")
    must(hers.http.post(f"/v1/me/consents/{consent}/withdraw", json={"provisions": [2], "reason": "En halua enää"}))
    view = hers.one(f"/consents/{consent}")
    assert [c["in_force"] for c in view["provisions"]] == [True, False]
    assert view["provisions"][1]["faults"] == ["withdrawn"]
    assert (view["in_force"], view["faults"]) == (True, [])
    assert view["provisions"][0]["recipients"] == [
        {"any": False, "party": view["provisions"][0]["recipients"][0]["party"], "role": None, "one_person": False}
    ]
    assert [(e["what"], e["actor"], e["provisions"], e["reason"]) for e in view["history"]] == [
        ("recorded", "professional", None, None), ("withdrawn", "client", [2], "En halua enää")
    ]  # fmt: skip
    assert view["history"][0]["by"]["agency"] == "pirha"
    assert view["signed_by"] == "Testi Asiakas"
    form = hers.one(f"/documents/{view['form']}")
    assert form["signed_form"]
    assert form["sha256"] == view["form_sha256"]
    newer = caller.consent(hers.case, [permit("kela")], replaces=consent)
    view = hers.one(f"/consents/{consent}")
    assert (view["in_force"], view["faults"], view["replaced_by"]) == (False, ["superseded"], newer)
    assert [e["what"] for e in view["history"]] == ["recorded", "withdrawn", "superseded"]


def test_p01_another_clients_own_answers_as_nothing(caller: Caller, hers: Own) -> None:
    document, consent = caller.file(hers.case), caller.consent(hers.case, [permit("kela")])
    prohibition = hers.do("/prohibitions", {})["id"]
    unknown = str(uuid.uuid4())
    with own(caller) as other:
        for path in ("/cases/{}", "/documents/{}", "/documents/{}/content", "/consents/{}", "/prohibitions/{}"):
            theirs = {"cases": hers.case, "documents": document, "consents": consent, "prohibitions": prohibition}
            real = other.get(path.format(theirs[path.split("/")[1]]))
            none = other.get(path.format(unknown))
            assert code_of(real) == code_of(none) == (404, "not-found")
            assert real.json() == none.json()
            assert real.headers.keys() == none.headers.keys()
        for path in ("/documents", "/consents", "/readers"):
            real, none = other.get(f"{path}?case={hers.case}"), other.get(f"{path}?case={unknown}")
            assert code_of(real) == code_of(none) == (404, "not-found")
        for path in (
            f"/consents/{consent}/withdraw",
            f"/consents/{consent}/confirm",
            f"/prohibitions/{prohibition}/end",
        ):
            assert code_of(other.post(path, {} if path.endswith("withdraw") else None)) == (404, "not-found")
        assert code_of(other.post("/prohibitions", {"case": hers.case})) == (404, "not-found")
    assert hers.one(f"/prohibitions/{prohibition}")["in_force"]
    assert hers.one(f"/consents/{consent}")["in_force"]


def test_a_person_of_whom_nothing_is_kept_is_told_so(caller: Caller) -> None:
    with nobody(caller) as theirs:
        assert theirs.one("") | {"kept": False} == theirs.one("")
        for path in ("/cases", "/documents", "/consents", "/prohibitions"):
            assert theirs.one(path) == {"items": [], "next": None}
        readers = theirs.one("/readers")
        assert (readers["readers"], readers["closed"], readers["papers"]) == ([], [], 0)
        assert code_of(theirs.post("/pause")) == (404, "not-found")
        assert theirs.get(f"/documents/{uuid.uuid4()}/content").status_code == 404


def test_a_person_with_cases_in_three_processes_sees_all(caller: Caller) -> None:
    code, born = personal_code()
    cases = [caller.open_case(personal_identity_code=code, born=born) for _ in range(3)]
    papers = [caller.file(case) for case in cases]
    with signed_in(caller, cases[0], code) as hers:
        assert sorted(c["id"] for c in hers.all("/cases", limit=1)) == sorted(cases)
        assert set(papers) <= {d["id"] for d in hers.all("/documents", limit=2)}
        [one] = [d["id"] for d in hers.all("/documents", case=cases[1]) if not d["signed_form"]]
        assert one == papers[1]
        assert {r["case"] for r in hers.one("/readers")["readers"]} == set(cases)


def test_p09_what_is_registered_is_shown_without_an_address(caller: Caller) -> None:
    code, born = personal_code()
    with own(caller, personal_identity_code=code, born=born, name="Turva Kielto") as hers:
        me = hers.one("")
        assert (me["kept"], me["name"], me["born"], me["personal_identity_code"]) == (True, "Turva Kielto", born, code)
        assert (me["language"], me["cases"], me["is_adult"], me["address_protected"]) == ("fi", 1, True, False)
        must(hers.http.patch("/v1/me", json={"language": "sv"}))
        assert hers.one("")["language"] == "sv"
        assert hers.one("")["name"] == "Turva Kielto"
        assert code_of(hers.http.patch("/v1/me", json={"language": "xx"})) == (422, "unknown-code")


@pytest.mark.parametrize("path", READS)
def test_every_read_is_one_entry_that_no_agency_sees(caller: Caller, hers: Own, path: str) -> None:
    before = caller.service.one("SELECT count(*) FROM vault.entry")
    answer = hers.get(path)
    assert answer.status_code == 200, answer.text
    entry = parse_promise(answer.headers["vault-log-entry"]).entry
    row = caller.service.sql("SELECT * FROM vault.entry WHERE id = $1", entry)[0]
    assert (row["actor"], row["decision"], row["act"]) == ("client", "permit", "list")
    assert caller.service.one("SELECT count(*) FROM vault.entry") == before + 1
    log = must(caller.coordinator.get(f"/v1/cases/{hers.case}/log?newest=true"))
    assert not [one for one in log["items"] if one["actor"] == "client"]


def test_p06_a_pause_is_one_press_and_reversible(caller: Caller, hers: Own) -> None:
    document = caller.file(hers.case)
    caller.consent(hers.case, [permit("kela")])
    caller.consent(hers.case, [permit("pirha", documents=ANY)])
    assert caller.by(KELA).read(document).status_code == 200
    assert hers.do("/pause")["paused"]
    assert caller.by(KELA).read(document).json()["reasons"] == ["prohibited"]
    assert hers.do("/pause")["paused"]
    told = hers.one("/readers")
    assert told["paused"]
    # What an agency filed itself it reads back still; nobody else reads anything.
    assert {w["basis"] for r in told["readers"] for w in r["ways"] + r["protected"]} == {"own-document"}
    assert [p["pause"] for p in hers.all("/prohibitions") if p["in_force"]] == [True]
    kept = hers.do("/prohibitions", {"recipients": [{"agency": "te-palvelut"}]})["id"]
    assert not hers.do("/resume")["paused"]
    assert not hers.do("/resume")["paused"]
    assert caller.by(KELA).read(document).status_code == 200
    assert [p["id"] for p in hers.all("/prohibitions") if p["in_force"]] == [kept]
    acts = [one["act"] for one in hers.one("/log?own=true")["items"]]
    assert acts.count("pause") == 2
    assert acts.count("resume") == 2


def test_p06_every_agency_that_holds_a_paper_is_told_of_a_prohibition_and_of_the_pause(
    caller: Caller, hers: Own
) -> None:
    document = caller.file(hers.case)
    caller.consent(hers.case, [permit("kela")])
    assert caller.by(KELA).read(document).status_code == 200

    def told() -> int:
        items = must(caller.by(KELA).get("/v1/inbox?limit=200"))["items"]
        return len([one for one in items if (one["kind"], one["case"]) == ("prohibition-recorded", hers.case)])

    before = told()
    hers.do("/prohibitions", {"recipients": [{"agency": "te-palvelut"}]})
    assert told() == before, "it does not reach Kela"
    hers.do("/prohibitions", {"recipients": [{"agency": "kela"}], "purposes": ["care"]})
    assert told() == before + 1
    hers.do("/pause")
    hers.do("/pause")
    assert told() == before + 2
    hers.do("/resume")


def test_a_prohibition_is_recorded_shown_and_ended(caller: Caller, hers: Own) -> None:
    document = caller.file(hers.case)
    caller.consent(hers.case, [permit("kela")])
    assert caller.by(KELA).read(document).status_code == 200
    made = hers.do(
        "/prohibitions", {"case": hers.case, "recipients": [{"agency": "kela"}], "documents": [{"document": document}]}
    )
    view = hers.one(f"/prohibitions/{made['id']}")
    assert (view["case"], view["pause"], view["in_force"]) == (hers.case, False, True)
    assert view["recipients"][0]["party"]["agency"] == "kela"
    assert caller.by(KELA).read(document).json()["reasons"] == ["prohibited"]
    assert ("kela", None) not in hers.readers()
    assert hers.do(f"/prohibitions/{made['id']}/end")["id"] == made["id"]
    assert hers.one(f"/prohibitions/{made['id']}")["ended_at"]
    assert caller.by(KELA).read(document).status_code == 200
    again = [hers.post("/prohibitions", {}, headers={"Idempotency-Key": "once"}).json()["id"] for _ in range(2)]
    assert again[0] == again[1]


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"recipients": [{"agency": "nobody"}]}, "unknown-named", "recipients"),
        ({"recipients": [{"any": True, "agency": "kela"}]}, "invalid-scope", "recipients[0].any"),
        ({"documents": [{"document": "0190a0a0-0000-7000-8000-000000000000"}]}, "unknown-named", "documents"),
        ({"actions": ["eat"]}, "unknown-code", "actions[0]"),
        ({"dated": {"from": "2026-02-30"}}, "invalid-day", "dated.from"),
        ({"effect": "permit"}, "unknown-field", "effect"),
    ],
)  # fmt: skip
def test_a_prohibition_that_would_protect_nothing_is_refused(hers: Own, body: object, code: str, field: str) -> None:
    answer = hers.post("/prohibitions", body)
    assert code_of(answer) == (422, code)
    assert answer.json()["field"] == field
    assert hers.all("/prohibitions") == []


def test_decisions_are_explained_to_the_client(caller: Caller, hers: Own) -> None:
    document, consent = caller.file(hers.case), caller.consent(hers.case, [permit("kela")])
    asked = {
        "document": document,
        "agency": "kela",
        "role": "insurance-secretary",
        "action": "read",
        "purpose": PLANNING,
    }
    told = must(hers.http.post("/v1/decisions", json=asked))
    assert (told["decision"], told["consent"], told["provision"]) == ("permit", consent, 1)
    told = must(hers.http.post("/v1/decisions", json=asked | {"agency": "te-palvelut"}))
    assert told["decision"] == "deny"
