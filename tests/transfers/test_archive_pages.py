"""Two archivists take a transfer to its end on their pages, by forms alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.support.caller import must, personal_code
from tests.support.service import run
from tests.support.sessions import browser, client_session, staff_session
from tests.transfers.conftest import FIRST, SECOND, Scene
from tests.web.test_desk_pages import Desk
from vault.adapters.deposits.directory import DirectoryDeposit
from vault.errors import IntegrityBroken, SettingsWrong, Unavailable, VaultError
from vault.pages.archive.router import HELD, TROUBLES
from vault.pages.words import Words


def test_p08_two_archivists_take_a_transfer_to_its_end(scene: Scene) -> None:
    case, transfer = scene.due(b"one paper", approved=False)
    path = f"/desk/archive/transfers/{transfer}"
    service = scene.service
    with (
        browser(service, staff_session(service, FIRST, "archivist", language="en")) as one,
        browser(service, staff_session(service, SECOND, "archivist", language="en")) as other,
    ):
        first, second = Desk(one), Desk(other)
        assert path in first.get("/desk/archive")
        assert "Nothing has happened yet" in first.get(f"{path}/approve")
        first.post(f"{path}/approve", {})
        assert "Another archivist must approve too" in first.get(path)
        assert scene.work(5) == []  # one approval packages nothing
        second.post(f"{path}/approve", {})
        scene.work(2)
        assert scene.state(transfer) == "sent"
        wrong = first.post(path, {"receipt": "a.b.c"}, f"{path}/receipt", status=422)
        assert 'id="receipt-error"' in wrong
        first.post(path, {"receipt": scene.sign(transfer)}, f"{path}/receipt")
        report = second.get(path)
        assert "payload-manifest" in report
        assert "arkistonhoitaja" in report
        scene.work(5)
        assert scene.state(transfer) == "shredded"
        assert scene.case_keys(case) == 0
        assert "active copy destroyed" in first.get(path)
        assert "Read back and verified" in first.get(path)


def test_a_request_for_what_the_archive_has_is_tracked_at_the_desk(scene: Scene) -> None:
    """Asked by the client on their own pages, answered by the archivist on theirs."""
    code, born = personal_code()
    case = scene.caller.open_case(personal_identity_code=code, born=born)
    scene.caller.file(case, content=b"one paper")
    must(scene.caller.coordinator.post(f"/v1/cases/{case}/close", {"reason": "valmis"}))
    run(scene.find())
    transfer = str(scene.service.one("SELECT id FROM vault.transfer WHERE case_id = $1::uuid", case))
    scene.approve(transfer)
    scene.work(2)
    scene.leave_receipt(transfer)
    scene.work()
    assert scene.state(transfer) == "shredded"
    with browser(scene.service, client_session(scene.service, code)) as http:
        must(http.post("/v1/me/requests", json={"kind": "self-access"}))
    [asked] = scene.service.sql("SELECT id, due_on FROM vault.archive_request WHERE transfer = $1::uuid", transfer)
    path = "/desk/archive/requests"
    with browser(scene.service, staff_session(scene.service, FIRST, "archivist", language="en")) as http:
        desk = Desk(http)
        assert f'href="{path}"' in desk.get("/desk/archive")
        page = desk.get(path)
        assert f"Answer by {Words('en').day(asked['due_on'])}" in page
        assert transfer in page
        opened = Words("en").day(
            scene.service.one("SELECT recorded_at FROM vault.client_case WHERE id = $1::uuid", case)
        )
        assert f"Rehabilitation client cooperation group, opened on {opened}" in page
        assert case not in page, "a case is told by its process and its day"
        answer = f"{path}/{asked['id']}/answer"
        assert "Choose how it was answered." in desk.post(path, {}, answer, status=422)
        desk.post(path, {f"outcome-{asked['id']}": "given"}, answer)
        assert "Given to the person" in desk.get(path)
        assert f"{asked['id']}/answer" not in desk.get(path)
        refused = desk.post("/desk/archive/requests", {f"outcome-{asked['id']}": "refused"}, answer, status=422)
        assert "answered already" in refused


def test_a_rejected_transfer_destroys_nothing_and_may_be_approved_anew(scene: Scene) -> None:
    case, transfer = scene.due(b"one paper")
    scene.work(2)
    path = f"/desk/archive/transfers/{transfer}"
    with browser(scene.service, staff_session(scene.service, FIRST, "archivist", language="en")) as one:
        desk = Desk(one)
        before = desk.get(path)
        assert f'<a class="button quiet" href="{path}/reject">' in before
        assert 'action="' + path + '/reject"' not in before, "a grave act has a page of its own"
        assert "Nothing has happened yet" in desk.get(f"{path}/reject")
        assert 'id="reason-error"' in desk.post(f"{path}/reject", {"reason": ""}, status=422)
        desk.post(f"{path}/reject", {"reason": "the label is torn"})
        assert "Approve anew" in desk.get(path)
        desk.get(f"{path}/reject", 409)
    assert scene.state(transfer) == "rejected"
    assert scene.case_keys(case) > 0


def test_what_stopped_a_transfer_is_told_in_the_readers_language(scene: Scene, tmp_path: Path) -> None:
    """The store's own words stay for the operator, folded away."""
    _, transfer = scene.due(b"one paper")
    scene.work(deposit=lambda _: DirectoryDeposit(tmp_path / "nowhere"))
    assert must(scene.archivist().get(f"/v1/transfers/{transfer}"))["progress"]["trouble_code"] == "settings-wrong"
    for language, told in (
        ("fi", "asetukset ovat väärin"),
        ("sv", "Inställningarna"),
        ("en", "settings of the archive"),
    ):
        with browser(scene.service, staff_session(scene.service, FIRST, "archivist", language=language)) as http:
            page = Desk(http).get(f"/desk/archive/transfers/{transfer}")
        head, folded = page.split('<details class="more">')
        assert told in head
        assert ("is no directory" in head, "is no directory" in folded) == (False, True)
    scene.service.sql("UPDATE vault.transfer_progress SET trouble_code = NULL WHERE transfer = $1::uuid", transfer)
    with browser(scene.service, staff_session(scene.service, FIRST, "archivist", language="en")) as http:
        assert "A step did not succeed." in Desk(http).get(f"/desk/archive/transfers/{transfer}"), (
            "told before it had a code"
        )


def test_every_error_that_can_stop_a_transfer_has_words() -> None:
    classes = [*_below(VaultError)]
    reached = [one.code for one in classes if issubclass(one, Unavailable | IntegrityBroken | SettingsWrong)]
    assert [code for code in reached if code not in {*TROUBLES, "database-unavailable"}] == []
    assert {f"transfer-{code}" for code in HELD} <= set(TROUBLES)


def _below(one: type[VaultError]) -> Iterator[type[VaultError]]:
    for below in one.__subclasses__():
        yield below
        yield from _below(below)
