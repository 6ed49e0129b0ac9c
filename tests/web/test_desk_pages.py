"""The records officer's and the archivist's pages, by the forms that stand on them, without scripts."""

from __future__ import annotations

import html
import re
import uuid
from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest

from tests.support.caller import KELA, Caller, must, personal_code
from tests.support.sessions import browser, client_session, staff_session
from tests.web.test_withholding import filed_pdf

OFFICER = "pirha-1004"
DESK = "/desk/records"


class Desk:
    """A browser of the staff's: follows what the pages say."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def get(self, path: str, status: int = 200) -> str:
        answer = self.http.get(path)
        assert answer.status_code == status, (path, answer.status_code, answer.text[:1500])
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        return html.unescape(answer.text)

    def post(self, page: str, fields: dict[str, str], action: str = "", status: int = 303) -> str:
        """Send a form of a page with its hidden fields and these; where it leads, or the page that comes back."""
        text = self.http.get(page).text
        known = dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">', text))
        answer = self.http.post(action or page, data=known | fields)
        assert answer.status_code == status, (page, answer.status_code, answer.text[:1500])
        return answer.headers["location"] if status == 303 else html.unescape(answer.text)


class Asking(NamedTuple):
    case: str
    code: str
    document: str
    request: str
    hers: Desk


@pytest.fixture
def officer(caller: Caller) -> Iterator[Desk]:
    with browser(caller.service, staff_session(caller.service, OFFICER, "records-officer")) as http:
        yield Desk(http)


@pytest.fixture
def asking(caller: Caller) -> Iterator[Asking]:
    code, born = personal_code()
    case = caller.open_case(members=["kela"], personal_identity_code=code, born=born)
    document = filed_pdf(caller, case)
    with browser(caller.service, client_session(caller.service, code)) as http:
        made = must(http.post("/v1/me/requests", json={"kind": "export-review", "document": document}))["id"]
        yield Asking(case, code, document, made, Desk(http))


def test_a_records_officer_withholds_a_page_and_the_client_sees_the_provision(officer: Desk, asking: Asking) -> None:
    path = f"{DESK}/requests/{asking.request}"
    assert f"{DESK}/requests/{asking.request}" in officer.get(DESK)
    assert "Testi Asiakas" in officer.get(path)
    assert '<a href="/desk/records" aria-current="true">' in officer.get(path)  # the menu says where one is
    paper = f"{path}/papers/{asking.document}"
    assert "Miksi" in officer.get(paper)
    assert "Lauri Tammelo" not in officer.get(paper), "names are opened where they are chosen from"
    officer.get(f"{paper}/read", 404)
    refused = officer.post(paper, {"reason": ""}, f"{paper}/look", status=422)
    assert 'id="reason-error"' in refused
    officer.post(paper, {"reason": "tarkistan"}, f"{paper}/look")
    assert officer.http.get(f"{paper}/read").content.startswith(b"%PDF")
    assert '<option value="pirha pirha-1002">Lauri Tammelo, lääkäri</option>' in officer.get(paper)
    wrong = {"how": "pages-withheld", "pages": "9", "provision": "621-1999-11", "decision_reason": "sivullinen"}
    assert 'id="pages-error"' in officer.post(paper, wrong, f"{paper}/decision", status=422)
    officer.post(paper, wrong | {"pages": "2"}, f"{paper}/decision")
    assert "621/1999" in officer.get(paper)
    assert "621/1999" in asking.hers.get(f"/my/documents/{asking.document}")
    officer.post(f"{path}/answer", {"text": "Saat kopion."})
    assert "Saat kopion." in officer.get(path)
    assert path in officer.get(f"{DESK}/ended")


def test_a_request_is_refused_by_a_written_decision(officer: Desk, asking: Asking) -> None:
    path = f"{DESK}/requests/{asking.request}"
    for step in ("identify", "extend", "answer", "refuse", "fee"):
        assert "<h1>" in officer.get(f"{path}/{step}")
    assert 'id="provision-error"' in officer.post(f"{path}/refuse", {"reason": "x"}, status=422)
    officer.post(f"{path}/extend", {"notice": "odotamme tietoa"})
    assert officer.post(f"{path}/fee", {"cents": "12,50", "reason": "kopio"}, status=422)
    officer.post(path, {}, f"{path}/take-up", status=409)  # more time was taken: it is under way already
    fields = {
        "provision": "1050-2018-34-rights",
        "reason": "toisen oikeudet",
        "partly": "no",
        "untold": "no",
        "text": "",
    }
    officer.post(f"{path}/refuse", fields)
    text = officer.get(path)
    assert "tietosuojalaki (1050/2018) 34 §" in text
    assert "toisen oikeudet" in text
    assert f"{path}/letter" in text


def test_the_queue_shows_requests_of_every_kind(officer: Desk, asking: Asking) -> None:
    for more in ({"kind": "feedback"}, {"kind": "correction"}, {"kind": "restriction", "ground": "claim"},
                 {"kind": "log-older", "special_reason": "x"}, {"kind": "log-names"}, {"kind": "self-access"}):  # fmt: skip
        made = must(asking.hers.http.post("/v1/me/requests", json={"text": "x", **more}))["id"]
        assert made in officer.get(DESK), more
        officer.get(f"{DESK}/requests/{made}")


def test_p01_names_of_those_who_may_judge_are_opened_only_where_health_can_decide(
    caller: Caller, officer: Desk, asking: Asking
) -> None:
    said = "Lauri Tammelo, lääkäri"
    assert said in officer.get(f"{DESK}/requests/{asking.request}/refuse")
    opened = "SELECT count(*) FROM vault.entry WHERE act = 'list' AND facts LIKE 'judges%'"
    before = caller.service.one(opened)
    assert before > 0
    for kind in ("correction", "feedback"):
        made = must(asking.hers.http.post("/v1/me/requests", json={"kind": kind, "text": "x"}))["id"]
        page = officer.get(f"{DESK}/requests/{made}/refuse")
        assert said not in page
        assert 'name="judge"' not in page
        assert 'value="gdpr-12-5"' in page
        assert 'value="1050-2018-34' not in page, "it restricts the right to see, and nothing else"
    assert caller.service.one(opened) == before


def test_the_decision_is_a_letter_in_the_persons_language_with_the_way_to_the_ombudsman(
    caller: Caller, officer: Desk, asking: Asking
) -> None:
    path = f"{DESK}/new/record"
    assert caller.by(KELA).read(caller.file(asking.case)).status_code == 404
    officer.get(f"{DESK}/requests/{asking.request}/letter", 409)  # not answered yet
    client = officer.http.post("/v1/requests/find-client", json={"case": asking.case}).json()["items"][0]["id"]
    known = hidden(officer, f"{DESK}/new") | {"id": str(uuid.uuid4()), "client": client, "of_case": asking.case}
    sent = {"kind": "log-names", "received_how": "phone", "received_on": "2026-01-07", "identified_how": "known-in-person", "from": "2026-01-01"}  # fmt: skip
    assert officer.http.post(path, data=known | sent | {"case": "no-id"}).status_code == 422
    assert 'id="until-error"' in officer.http.post(path, data=known | sent | {"until": "2025-12-31"}).text
    made = officer.http.post(path, data=known | sent | {"until": "2026-12-31"})
    assert made.status_code == 303, made.text[:1000]
    caller.service.sql("UPDATE vault.request SET language = 'sv' WHERE id = $1::uuid", made.headers["location"].rpartition("/")[2])  # fmt: skip
    one = made.headers["location"]
    names = re.findall(r'name="names" value="([^"]+)"', officer.get(f"{one}/refuse"))
    assert names
    refusal = {"provision": "703-2023-11", "reason": "voisi vaarantaa jonkun", "partly": "yes", "untold": "yes", "text": "En av dem", "names": names[0]}  # fmt: skip
    officer.post(f"{one}/refuse", refusal)
    letter = officer.get(f"{one}/letter")
    assert '<html lang="sv">' in letter
    assert "<h1>Beslut om din begäran</h1>" in letter
    assert "kunduppgiftslagen (703/2023) 11 §" in letter
    assert "dataombudsmannen: tietosuoja.fi" in letter
    assert "En av dem" in letter
    assert "Vilka de var" in letter
    # The officer may see the reason that the person is not told; the letter that goes out must not hold it.
    assert "voisi vaarantaa jonkun" not in letter


def test_a_request_on_paper_is_recorded_for_the_person_of_a_code(officer: Desk, asking: Asking) -> None:
    assert 'id="personal_identity_code-error"' in officer.post(
        f"{DESK}/new", {"personal_identity_code": "x"}, status=422
    )
    assert officer.post(f"{DESK}/new", {"personal_identity_code": personal_code()[0]}, status=200)
    page = officer.http.post(
        f"{DESK}/new", data=hidden(officer, f"{DESK}/new") | {"personal_identity_code": asking.code}
    )
    assert page.status_code == 200
    assert asking.code not in str(page.url)
    known = dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">', page.text))
    sent = {
        "kind": "self-access",
        "received_how": "paper",
        "received_on": "2026-01-07",
        "identified_how": "signature",
        "text": "kaikki",
    }
    wrong = officer.http.post(f"{DESK}/new/record", data=known | sent | {"received_on": "2999-01-01"})
    assert (wrong.status_code, 'id="received_on-error"' in wrong.text) == (422, True)
    made = officer.http.post(f"{DESK}/new/record", data=known | sent)
    assert made.status_code == 303, made.text[:1000]
    assert "Allekirjoitus" in officer.get(made.headers["location"])


def hidden(desk: Desk, page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">', desk.http.get(page).text))


def test_names_are_looked_at_and_told(caller: Caller, officer: Desk, asking: Asking) -> None:
    must(caller.coordinator.get(f"/v1/cases/{asking.case}"))
    made = must(asking.hers.http.post("/v1/me/requests", json={"kind": "log-names"}))["id"]
    path = f"{DESK}/requests/{made}"
    assert "Aino Saarivuo" in officer.get(f"{path}/names")
    text = officer.get(f"{path}/answer")
    chosen = re.search(r'name="names" value="([0-9a-f-]{36})"', text)
    assert chosen is not None
    officer.post(f"{path}/answer", {"text": "Tässä nimet.", "names": chosen[1]})
    told = must(asking.hers.http.get(f"/v1/me/requests/{made}"))["names"]
    assert [one["name"] for one in told] == ["Aino Saarivuo"]


def test_destroying_a_misfiled_paper_has_a_second_step(caller: Caller, officer: Desk, asking: Asking) -> None:
    must(caller.coordinator.post(f"/v1/documents/{asking.document}/misfiled"))
    path = f"{DESK}/misfiled/{asking.document}"
    listed, one = officer.get(f"{DESK}/misfiled"), officer.get(path)
    assert path in listed
    for page in (listed, one):
        assert "Pirkanmaan hyvinvointialue" in page
        assert "Kuntoutuksen asiakasyhteistyöryhmä, avattu" in page
    assert ">pirha<" not in one
    fields = {"decision": "destroyed", "reason": "naapurin"}
    assert 'name="sure"' in officer.post(path, fields, status=200)
    assert (
        caller.service.one("SELECT count(*) FROM vault.misfiled_decision WHERE document = $1::uuid", asking.document)
        == 0
    )
    officer.post(path, fields | {"sure": "yes"})
    assert (
        caller.service.one("SELECT decision FROM vault.misfiled_decision WHERE document = $1::uuid", asking.document)
        == "destroyed"
    )
    assert "<h1>" in officer.get(path)


def test_a_difference_is_settled(caller: Caller, officer: Desk, asking: Asking) -> None:
    code, day = personal_code()
    caller.open_case(personal_identity_code=code, born=day, name="Ensimmäinen Nimi")
    caller.open_case(personal_identity_code=code, born=day, name="Toinen Nimi")
    text = officer.get(f"{DESK}/differences")
    assert "Toinen Nimi" in text
    client = must_client(caller, code)
    [row] = caller.service.sql("SELECT id FROM vault.difference WHERE client = $1::uuid", client)
    officer.post(f"{DESK}/differences", {"outcome": "kept"}, f"{DESK}/differences/{row['id']}")
    assert "Toinen Nimi" not in officer.get(f"{DESK}/differences")


def must_client(caller: Caller, code: str) -> str:
    found = must(caller.by(OFFICER).post("/v1/requests/find-client", {"personal_identity_code": code}))["items"]
    return str(found[0]["id"])


def test_p01_the_desks_pages_are_closed_to_everybody_else(caller: Caller, asking: Asking) -> None:
    paths = [
        DESK, f"{DESK}/ended", f"{DESK}/requests/{asking.request}", f"{DESK}/misfiled", f"{DESK}/differences",
        f"{DESK}/requests/{asking.request}/papers/{asking.document}", "/desk/archive", f"/desk/archive/transfers/{uuid.uuid4()}",
    ]  # fmt: skip
    with browser(caller.service, staff_session(caller.service, "pirha-1001", "coordinator")) as http:
        for path in paths:
            assert http.get(path).status_code in (403, 404), path
    for path in paths:
        assert asking.hers.http.get(path).status_code in (403, 404), path
    with browser(caller.service) as nobody:
        for path in paths:
            assert nobody.get(path).status_code == 401, path
    assert caller.by(KELA).get(f"/v1/requests/{asking.request}").status_code == 403


def test_an_archivist_sees_the_list_and_nothing_of_an_unknown_transfer(caller: Caller) -> None:
    with browser(caller.service, staff_session(caller.service, "pirha-1005", "archivist")) as http:
        desk = Desk(http)
        assert "<h1>" in desk.get("/desk/archive")
        desk.get(f"/desk/archive/transfers/{uuid.uuid4()}", 404)
        desk.get(DESK, 403)
