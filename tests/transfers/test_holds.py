"""P8: a hold, and a case that is opened again, stop a transfer at any point, and the archivist is told by whom and why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.caller import must
from tests.support.service import run
from tests.support.sessions import browser, staff_session
from tests.transfers.conftest import FIRST, Scene, vault_command
from tests.web.test_desk_pages import Desk
from vault.adapters.postgres.pool import Pool
from vault.demo import cast

STATES = ["due", "packaged", "sent", "received", "verified", "shredded"]


@pytest.mark.parametrize("when", ["due", "packaged", "sent", "received", "verified"])
def test_p08_a_hold_stops_it_and_nothing_is_destroyed(when: str, scene: Scene) -> None:
    case, transfer = scene.due()
    scene.work(min(STATES.index(when), 2))
    if when in {"received", "verified"}:
        must(scene.hand_in(transfer, scene.sign(transfer)))
        scene.work(1 if when == "verified" else 0)
    assert scene.state(transfer) == when
    hold = must(scene.caller.coordinator.post(f"/v1/cases/{case}/holds", {"reason": "oikaisuvaatimus"}))["id"]
    if when == "sent":
        scene.leave_receipt(transfer)
    for _ in range(3):
        scene.work(4)
    assert scene.state(transfer) == ("on-hold" if when in {"due", "packaged"} else "retained")
    assert scene.case_keys(case) == 3
    assert scene.caller.coordinator.delete(f"/v1/cases/{case}/holds/{hold}").status_code == 204
    scene.work(0)
    if when in {"due", "packaged"}:
        assert scene.state(transfer) == "due"
        scene.approve(transfer)
        scene.work(2)
        scene.leave_receipt(transfer)
    scene.work()
    assert scene.state(transfer) == "shredded"


class Before:
    """Does something right before the worker's n-th step of that name reaches the database."""

    def __init__(self, door: Any, name: str, event: str | None, work: Callable[[], Any]) -> None:
        self._door, self._name, self._event, self._work = door, name, event, work

    def __getattr__(self, name: str) -> Any:
        return getattr(self._door, name)

    async def act(self, name: str, *arguments: Any) -> Any:
        if name == self._name and self._event in {None, *map(str, arguments[2:3])}:
            await asyncio.to_thread(self._work)
        return await self._door.act(name, *arguments)


def hold(scene: Scene, case: str, reason: str) -> str:
    return str(must(scene.caller.coordinator.post(f"/v1/cases/{case}/holds", {"reason": reason}))["id"])


def test_p08_a_hold_between_the_doors_permit_and_the_shredding_wins(scene: Scene) -> None:
    case, transfer = scene.due()
    scene.work(2)
    must(scene.hand_in(transfer, scene.sign(transfer)))
    scene.work(1)
    told = scene.work(1, door=lambda door: Before(door, "case_shred", None, lambda: hold(scene, case, "viime hetki")))
    assert "put off: a hold keeps the case here" in told[0]
    assert scene.case_keys(case) == 3


def test_p08_a_hold_between_packaged_and_sent_is_told_with_who_and_why(scene: Scene) -> None:
    case, transfer = scene.due()
    scene.work(1)
    reason, made = "valitus on hallinto-oikeudessa", []
    setting = lambda: made.append(hold(scene, case, reason))  # noqa: E731 (given to the door below)
    [told] = scene.work(1, door=lambda door: Before(door, "transfer_done", "send", setting))
    said = "a hold keeps the case here: nothing is sent or destroyed until who set it ends it"
    assert said in told
    assert must(scene.archivist().get(f"/v1/transfers/{transfer}"))["progress"]["trouble"].startswith(said)
    assert not (scene.deposit / f"{transfer}.label.json").exists()  # nothing that the archive would take up

    assert scene.work() == []
    seen = must(scene.archivist().get(f"/v1/transfers/{transfer}"))
    [one], [wait] = seen["holds"], seen["waits"]
    assert (seen["state"], seen["waits_for"], wait["code"]) == ("on-hold", ["hold"], "hold")
    assert (one["name"], one["role"], one["agency"]) == (cast.COORDINATOR.name, "coordinator", "pirha")
    assert (one["id"], one["reason"]) == (made[0], reason)
    assert "two archivists approve the transfer, and the package is made anew" in wait["do"]
    assert "trouble" not in (seen["progress"] or {})
    listed = scene.archivist().get("/v1/transfers?limit=200").text
    assert cast.COORDINATOR.name in listed
    assert reason not in listed
    refused = scene.archivist().post(f"/v1/transfers/{transfer}/approve")
    assert (refused.status_code, refused.json()["code"]) == (409, "transfer-hold")
    assert "who set it ends it" in refused.json()["detail"]

    # The operator sees that it is held, since when and by which organisation, and never what was written.
    told = vault_command(scene, "transfer", "status", transfer)
    assert "waits: a hold keeps the case here" in told
    assert "by pirha (coordinator)" in told
    assert reason not in told + vault_command(scene, "transfer", "status", transfer, "--json")
    with browser(scene.service, staff_session(scene.service, FIRST, "archivist")) as http:
        page = Desk(http).get(f"/desk/archive/transfers/{transfer}")
    for text in (
        "Asian siirto on estetty toistaiseksi",
        cast.COORDINATOR.name,
        reason,
        "Mitään ei lähetetä eikä hävitetä",
        "Kysy siltä, joka esti siirron",
    ):
        assert text in page

    assert scene.caller.coordinator.delete(f"/v1/cases/{case}/holds/{made[0]}").status_code == 204
    assert scene.work() == []
    seen = must(scene.archivist().get(f"/v1/transfers/{transfer}"))
    assert (seen["state"], seen["holds"], seen["approvals"]) == ("due", [], 0)
    assert [wait["code"] for wait in seen["waits"]] == ["approvals"]


def test_p02_an_archivist_gets_a_cases_key_only_for_the_reason_of_a_hold(scene: Scene) -> None:
    """Nothing but the case's own key, and only while a hold is set: no paper's key, no other case's, none in lists."""
    case, transfer = scene.due()
    _, other = scene.due()

    secret = staff_session(scene.service, FIRST, "archivist").secret

    async def keys(target: str, one: str) -> set[str]:
        """The names of all keys that the door gives; a case's key comes with the epoch's that wraps it."""
        pool = Pool(scene.service.database.url("service"), size=1, wait_s=20)
        try:
            about = {"target": target, "transfer": one}
            row = await pool.row("CALL vault.door($1, 'list', NULL, NULL, $2)", secret, about)
            assert row["status"] == "permit"
            return {f"{key['kind']}:{key['subject']}" for key in row["keys"] or () if key["kind"] != "epoch"}
        finally:
            await pool.close()

    assert run(keys("transfer", transfer)) == set()
    set_hold = hold(scene, case, "kesken")
    assert run(keys("transfer", transfer)) == {f"case:{case}"}
    assert run(keys("transfers", transfer)) == run(keys("transfer", other)) == set()
    assert scene.caller.coordinator.delete(f"/v1/cases/{case}/holds/{set_hold}").status_code == 204
    assert run(keys("transfer", transfer)) == set()


def test_a_case_opened_again_before_it_was_sent_cancels_its_transfer(scene: Scene) -> None:
    case, transfer = scene.due()
    scene.work(1)
    assert must(scene.caller.coordinator.post(f"/v1/cases/{case}/reopen", {"reason": "uusi tieto"}))["state"] == "open"
    assert scene.state(transfer) == "cancelled"
    assert scene.work() == []
    must(scene.caller.coordinator.post(f"/v1/cases/{case}/close", {"reason": "nyt"}))
    assert run(scene.find()) == 1
    assert scene.service.one("SELECT count(*) FROM vault.transfer WHERE case_id = $1::uuid", case) == 2


def test_a_case_that_was_sent_cannot_be_opened_again(scene: Scene) -> None:
    case, _ = scene.due()
    scene.work(2)
    answer = scene.caller.coordinator.post(f"/v1/cases/{case}/reopen", {"reason": "uusi tieto"})
    assert answer.status_code == 403
    assert answer.json()["reasons"] == ["case-archived"]
