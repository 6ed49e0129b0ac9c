"""The desks' pages in all their states, and faults that only happen rarely."""

from __future__ import annotations

import uuid
from functools import partial
from typing import Any

from litestar.testing import TestClient
from playwright.sync_api import Page, Route

from tests.browser.archive import archive_of
from tests.browser.scene import aside, make_scene, signed_in, staff
from tests.browser.walk import Walk
from tests.browser.walks import asked
from tests.support.caller import Caller, must, personal_code
from tests.transfers.conftest import FIRST, SECOND
from tests.web.test_withholding import filed_pdf
from vault import wiring
from vault.api.admission import Admission, Limits
from vault.errors import DatabaseUnavailable
from vault.settings import load_settings
from vault.web.session import encode_secret

OFFICER = "pirha-1004"
DESK = "/desk/records"


def empty_desks(walk: Walk) -> None:
    """Before anything has come; where other tests came first, they are not empty, and are looked at all the same."""
    walk.each(staff(walk.caller, FIRST, "archivist"), "/desk/archive", "/desk/archive/requests")
    walk.each(staff(walk.caller, "pirha-1001", "coordinator"), "/desk/coordinator")
    officer = staff(walk.caller, OFFICER, "records-officer")
    walk.each(
        officer,
        DESK,
        *(f"{DESK}/{name}" for name in ("new", "ended", "restrictions", "misfiled", "damaged", "differences")),
    )


def coordinator(walk: Walk) -> None:
    case = f"/desk/coordinator/cases/{walk.scene.case}"
    with walk.person(staff(walk.caller, "pirha-1001", "coordinator")) as page:
        walk.go(page, "/desk/coordinator")
        walk.go(page, case)
        walk.go(page, f"{case}/log")
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        walk.look(page)


def records(walk: Walk) -> None:
    """A client's requests through all their steps, on both sides of the desk."""
    caller = walk.caller
    code, born = personal_code()
    case = caller.open_case(members=["kela"], personal_identity_code=code, born=born, name="⟦Pyytäjä⟧")
    document = filed_pdf(caller, case)
    her = signed_in(caller, code)
    wishes: list[dict[str, str]] = [
        {"kind": "export-review", "document": document}, {"kind": "log-names"}, {"kind": "correction", "text": "⟦a⟧"},
    ]  # fmt: skip
    review, names, correction = (asked(walk, her, "POST", "/requests", wish)["id"] for wish in wishes)
    with walk.person(staff(caller, OFFICER, "records-officer")) as page:
        walk.go(page, DESK)
        _review(walk, page, f"{DESK}/requests/{review}", document)
        for name in ("identify", "extend", "answer", "refuse", "fee"):
            page.goto(f"{DESK}/requests/{correction}/{name}")
            walk.look(page)
            walk.send(page)
        page.goto(f"{DESK}/requests/{correction}/extend")
        walk.send(page, notice="⟦odotamme⟧")
        page.goto(f"{DESK}/requests/{correction}/refuse")
        page.locator("#provision").select_option("gdpr-16")
        walk.send(page, reason="⟦toisen oikeudet⟧")
        walk.go(page, f"{DESK}/requests/{correction}/letter")
        walk.go(page, f"{DESK}/requests/{names}/names")
        walk.go(page, f"{DESK}/requests/{names}/answer")
        walk.go(page, f"{DESK}/ended")
        _on_paper(walk, page, code)
    paths = [f"/my/requests/{one}" for one in (review, names, correction)]
    walk.each(her, "/my/requests", *paths, f"/my/documents/{document}")


def fees(walk: Walk) -> None:
    """A second request within a year, for which a fee is decided, told and accepted."""
    caller = walk.caller
    code, born = personal_code()
    caller.open_case(personal_identity_code=code, born=born, name="⟦Toistuva⟧")
    her = signed_in(caller, code)
    first = asked(walk, her, "POST", "/requests", {"kind": "self-access"})["id"]
    must(caller.by(OFFICER).post(f"/v1/requests/{first}/answer", {"text": "⟦annettu⟧"}))
    second = asked(walk, her, "POST", "/requests", {"kind": "self-access"})["id"]
    with walk.person(staff(caller, OFFICER, "records-officer")) as page:
        page.goto(f"{DESK}/requests/{second}/fee")
        walk.send(page, cents="15", reason="⟦kopio⟧")
    with walk.person(her) as page:
        walk.go(page, f"/my/requests/{first}")
        walk.go(page, f"/my/requests/{second}")
        walk.press(page, "form[action$='/fee'] button")


def _review(walk: Walk, page: Page, path: str, document: str) -> None:
    walk.go(page, path)
    walk.go(page, f"{path}/papers/{document}")
    walk.send(page)
    walk.send(page, reason="⟦tarkistan⟧")
    walk.send(page)
    page.locator("input[value='pages-withheld']").check()
    page.locator("#provision").select_option("621-1999-11")
    walk.send(page, pages="2", decision_reason="⟦toisen tietoja⟧")
    walk.go(page, f"{path}/papers/{document}")
    page.goto(f"{path}/answer")
    walk.send(page, text="⟦Saat kopion.⟧")


def _on_paper(walk: Walk, page: Page, code: str) -> None:
    """A request that came on paper, for a person found by their code and for one of whom nothing is kept."""
    page.goto(f"{DESK}/new")
    walk.send(page)
    walk.send(page, personal_identity_code=personal_code()[0])
    walk.send(page, personal_identity_code=code)
    walk.send(page, received_on="2999-01-01")
    page.locator("input[name=kind]").first.check()
    page.locator("input[name=received_how]").first.check()
    walk.send(page, received_on="2026-01-07")


def _damage(caller: Caller, document: str) -> None:
    """As an export leaves it that could not read this paper."""
    export = str(uuid.uuid4())
    caller.service.sql(
        "INSERT INTO vault.export (id, client, language, without_large, documents, size_bytes, entry, recorded_at)"
        " SELECT $1::uuid, c.client, 'fi', false, 0, 0, $1::uuid, now() FROM vault.document d JOIN vault.client_case c ON c.id = d.case_id"
        " WHERE d.id = $2::uuid", export, document,
    )  # fmt: skip
    caller.service.sql("INSERT INTO vault.export_damage VALUES ($1::uuid, $2::uuid, now())", export, document)


def wrong_persons_papers(walk: Walk) -> None:
    """A paper of the wrong person, read meanwhile; and a person who was given otherwise than registered."""
    caller = walk.caller
    scene = make_scene(caller)
    must(caller.coordinator.post(f"/v1/documents/{scene.feedback}/misfiled"))
    code, born = personal_code()
    for name in ("⟦Ensimmäinen⟧", "⟦Toinen⟧"):
        caller.open_case(personal_identity_code=code, born=born, name=name)
    aside(_damage, caller, scene.plan)
    path = f"{DESK}/misfiled/{scene.feedback}"
    with walk.person(staff(caller, OFFICER, "records-officer")) as page:
        for one in (DESK, f"{DESK}/misfiled", f"{DESK}/damaged", f"{DESK}/differences", path):
            walk.go(page, one)
        walk.send(page)
        page.locator("input[name=decision][value=destroyed]").check()
        walk.send(page, reason="⟦naapurin⟧")
        walk.send(page)


def archivists(walk: Walk) -> None:
    """Transfers in every state that the desk shows, and what their client and coordinator see afterwards."""
    caller, archive = walk.caller, archive_of(walk.caller, walk.folder)
    code, born = personal_code()
    case, transfer = archive.due_of(code, born, b"one paper")
    path = f"/desk/archive/transfers/{transfer}"
    with walk.person(staff(caller, FIRST, "archivist")) as page:
        walk.go(page, "/desk/archive")
        walk.go(page, path)
        walk.go(page, f"{path}/approve")
        walk.send(page)
        hold = must(caller.coordinator.post(f"/v1/cases/{case}/holds", {"reason": "⟦kantelu⟧"}))["id"]
        must(caller.by(SECOND).post(f"/v1/transfers/{transfer}/approve"))
        walk.go(page, path)
        must(caller.coordinator.delete(f"/v1/cases/{case}/holds/{hold}"), 200, 204)
        for progress in (
            {"phase": "packaging", "bytes": 1000, "bytes_all": 3000},
            {"trouble": "the archive's store failed"},
        ):
            archive.tell(transfer, **progress)
            walk.go(page, path)
        archive.work(2)
        walk.go(page, path)
        walk.send(page, "form[action$='/receipt'] button", receipt="a.b.c")
        walk.go(page, f"{path}/reject")
        walk.send(page)
        walk.send(page, reason="⟦repeytynyt⟧")
        archive.approve(transfer)
        archive.work(2)
        archive.leave_receipt(transfer)
        archive.work(1)
        walk.go(page, path)
        archive.work(5)
        walk.go(page, path)
        walk.go(page, "/desk/archive")
    archive.stop()
    asked(walk, signed_in(caller, code), "POST", "/requests", {"kind": "self-access"})
    with walk.person(staff(caller, FIRST, "archivist")) as page:
        walk.go(page, "/desk/archive/requests")
        walk.send(page)
        page.locator("main input[value=given]").check()
        walk.send(page)
    walk.each(staff(caller, "pirha-1001", "coordinator"), f"/desk/coordinator/cases/{case}")
    walk.each(
        signed_in(caller, code), "/my", "/my/cases", f"/my/cases/{case}", "/my/documents", "/my/consents", "/my/log",
        "/my/exports",
    )  # fmt: skip


def rare_faults(walk: Walk) -> None:
    """Too many requests, a database that does not answer, our own bug: made in this process, shown at the real address."""
    cookie = encode_secret(signed_in(walk.caller, walk.scene.code).secret)
    with walk.person(None) as page:
        for status, body in aside(_faulty, walk, cookie).items():
            page.route("**/my", partial(_answer, status, body))
            walk.go(page, "/my", status)
            page.unroute("**/my")


def _answer(status: int, body: str, route: Route) -> None:
    route.fulfill(status=status, body=body, content_type="text/html; charset=utf-8")


def _faulty(walk: Walk, cookie: str) -> dict[int, str]:
    """The pages that the application answers with when that goes wrong, by their status."""
    service = walk.caller.service
    app = wiring.build_app(wiring.build(load_settings(service.environment())))
    cookies = {"vault": cookie, "vault-language": walk.language}
    found: dict[int, str] = {}
    with TestClient(app, base_url=service.url, cookies=cookies, raise_server_exceptions=False) as client:
        gate = app.state.sessions
        for error in (DatabaseUnavailable("away"), KeyError("bug")):
            app.state.sessions = _Wrong(gate, error)
            answer = client.get("/my", headers={"accept": "text/html"})
            found[answer.status_code] = answer.text
        app.state.admission = Admission(Limits(rate_per_application=0.001, rate_per_person=0.001))
        answer = [client.get("/my", headers={"accept": "text/html"}) for _ in range(2)][-1]
        found[answer.status_code] = answer.text
    assert set(found) == {429, 500, 503}
    return found


class _Wrong:
    """A gate whose sessions cannot be read."""

    def __init__(self, gate: Any, error: Exception) -> None:
        self._gate, self._error, self.sessions = gate, error, self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gate, name)

    async def read(self, _: Any) -> Any:
        raise self._error
