"""P9: a client whose closed case is about to leave is told so in time, with the day and the way to a copy free of charge."""

from __future__ import annotations

import datetime as dt
from typing import Any

from tests.support.caller import must, personal_code
from tests.support.service import run
from tests.support.sessions import browser, client_session
from tests.transfers.conftest import ARCHIVE, Scene, registered
from tests.web.test_desk_pages import Desk
from vault.pages.words import Words
from vault.rules.days import HELSINKI

PAGES = ("/my", "/my/cases", "/my/documents")
NAME = {"fi": "Terveyskeskusarkisto", "sv": "Arkivet", "en": "The archive"}
CONTACT = {"fi": "arkisto@example.fi", "sv": "arkisto@example.fi", "en": "arkisto@example.fi"}


def archive_with(scene: Scene, **more: Any) -> None:
    recipients = [{"name": "archive", "recipient": scene.recipient}]
    run(registered(scene, lambda one: one.archive(ARCHIVE, "pirha", NAME, recipients, scene.public, **more)))


def closed_of(scene: Scene) -> tuple[str, str]:
    """A closed case and its client's code."""
    code, born = personal_code()
    case = scene.caller.open_case(personal_identity_code=code, born=born)
    scene.caller.file(case, content=b"a paper")
    must(scene.caller.coordinator.post(f"/v1/cases/{case}/close", {"reason": "valmis"}))
    return case, code


def test_p09_the_client_is_told_until_when_and_offered_a_copy(scene: Scene) -> None:
    archive_with(scene, wait_days=14, contact=CONTACT)
    try:
        case, code = closed_of(scene)
        with browser(scene.service, client_session(scene.service, code)) as http:
            pages = Desk(http)
            assert not any("siirtyvät arkistoon" in pages.get(path) for path in PAGES)
            assert run(scene.find()) == 1
            topics = scene.service.sql(
                "SELECT topic FROM vault.outbox o JOIN vault.client_case c ON o.scope = 'client:' || c.client"
                " WHERE c.id = $1::uuid", case)  # fmt: skip
            assert [row["topic"] for row in topics].count("case-leaves") == 1

            last = dt.datetime.now(HELSINKI).date() + dt.timedelta(days=13)
            leaving = must(http.get(f"/v1/me/cases/{case}"))["leaving"]
            assert (leaving["readable_until"], leaving["archive"]) == (last.isoformat(), ARCHIVE)
            for path in PAGES:
                text = pages.get(path)
                assert "Asiakirjasi siirtyvät arkistoon" in text
                assert Words("fi").day(last) in text
                assert "Terveyskeskusarkisto" in text
                assert 'class="button" href="/my/exports">Ota kaikki kotiin</a>' in text
            assert "maksutonta" in pages.get("/my/exports") or "maksuton" in pages.get("/my/exports")
            # The case is still read, and the copy can still be ordered.
            assert must(http.get("/v1/me/documents"))["items"][0]["state"] == "open"
            # Opened again, it goes nowhere.
            must(scene.caller.coordinator.post(f"/v1/cases/{case}/reopen", {"reason": "uusi tieto"}))
            assert must(http.get(f"/v1/me/cases/{case}"))["leaving"] is None
            assert not any("siirtyvät arkistoon" in pages.get(path) for path in PAGES)
    finally:
        archive_with(scene, wait_days=0)


def test_p09_afterwards_the_client_is_told_where_it_is_and_how_to_reach_it(scene: Scene) -> None:
    archive_with(scene, wait_days=0, contact=CONTACT)
    try:
        case, code = closed_of(scene)
        run(scene.find())
        transfer = str(scene.service.one("SELECT id FROM vault.transfer WHERE case_id = $1::uuid", case))
        with browser(scene.service, client_session(scene.service, code)) as http:
            pages = Desk(http)
            assert must(http.get(f"/v1/me/cases/{case}"))["leaving"]["readable_until"] is None
            assert "milloin tahansa" in pages.get("/my")
            scene.approve(transfer)
            scene.work(2)
            assert must(http.get(f"/v1/me/cases/{case}"))["leaving"]["transfer"] == transfer
            scene.leave_receipt(transfer)
            scene.work()
            view = must(http.get(f"/v1/me/cases/{case}"))
            assert view["leaving"] is None
            assert (view["archived"]["archive"], view["archived"]["transfer"]) == (ARCHIVE, transfer)
            assert view["archived"]["archived_on"] == dt.datetime.now(HELSINKI).date().isoformat()
            # The case, the consents and the log stay; the papers are told of, and are at the archive.
            documents = must(http.get("/v1/me/documents"))["items"]
            assert [one["state"] for one in documents if not one["signed_form"]] == ["archived"]
            assert {one["state"] for one in documents if one["signed_form"]} == {"open"}
            assert must(http.get("/v1/me/consents"))["items"]
            assert must(http.get("/v1/me/log"))["items"]
            text = pages.get("/my/cases")
            assert "arkisto@example.fi" in text
            assert "siirtyvät arkistoon" not in text
    finally:
        archive_with(scene, wait_days=0)
