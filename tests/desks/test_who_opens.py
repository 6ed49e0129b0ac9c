"""What waits for the client, and what a records officer may open: only for that client's own running request."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest

from tests.desks.conftest import NOTED, OFFICER, OTHER_OFFICER, Desk
from tests.support.scene import COORDINATOR, DAY, NOON, NURSE

HOUR = dt.timedelta(hours=1)


async def test_a_paper_without_flags_is_open_to_the_client(desk: Desk) -> None:
    assert (await desk.view())["how"] == "open"
    assert (await desk.door(await desk.client_secret()))["status"] == "permit"


async def test_an_unknown_document_has_no_view(desk: Desk) -> None:
    assert (await desk.view(uuid.uuid4())) is None or (await desk.view(uuid.uuid4()))["how"] is None


async def test_p09_a_flagged_paper_waits_and_the_client_is_told_until_when(desk: Desk) -> None:
    await desk.flag()
    view = await desk.view()
    assert (view["how"], view["requested"], view["answered_by"]) == ("waiting", False, dt.date(2026, 4, 2))
    assert (await desk.door(await desk.client_secret()))["status"] == "hidden"
    await desk.made()
    view = await desk.view()
    assert (view["how"], view["requested"], view["answered_by"]) == ("waiting", True, (NOON + 29 * DAY).date())


async def test_what_was_checked_is_open(desk: Desk) -> None:
    await desk.flag()
    await desk.database.insert("document_mark", [{"document": desk.paper, "mark": "checked", **NOTED}])
    assert (await desk.view())["how"] == "open"
    assert (await desk.door(await desk.client_secret()))["status"] == "permit"


async def test_p01_a_records_officer_without_a_request_gets_nothing(desk: Desk) -> None:
    for officer in (OFFICER, OTHER_OFFICER):
        answer = await desk.door(await desk.token(officer))
        assert (answer["status"], answer["keys"]) == ("hidden", None)
    await desk.made()  # a request alone is no reason given
    assert (await desk.door(await desk.token(OFFICER)))["status"] == "hidden"


async def test_p01_a_records_officer_opens_for_the_clients_own_request_with_a_reason(desk: Desk) -> None:
    await desk.look(await desk.made())
    answer = await desk.door(await desk.token(OFFICER))
    assert (answer["status"], answer["basis"]) == ("permit", "controller-duty")
    assert answer["keys"]
    for other in (OTHER_OFFICER, OFFICER._replace(professional="pirha-2")):
        assert (await desk.door(await desk.token(other)))["status"] == "hidden"
    owner = await desk.owner()
    assert await owner.fetchval("SELECT count(*) FROM vault.participant") == 0
    assert await owner.fetchval("SELECT count(*) FROM vault.known") == 0


async def test_p01_another_clients_request_opens_nothing(desk: Desk, stranger: uuid.UUID) -> None:
    await desk.look(await desk.made(client=stranger))
    assert (await desk.door(await desk.token(OFFICER)))["status"] == "hidden"


@pytest.mark.parametrize("state", ["answered", "partly-refused", "refused"])
async def test_p01_an_answered_request_opens_nothing_more(desk: Desk, state: str) -> None:
    request = await desk.made()
    await desk.look(request)
    await desk.stands(request, state)
    assert (await desk.door(await desk.token(OFFICER)))["status"] == "hidden"


async def test_p01_a_reason_holds_for_a_day(desk: Desk) -> None:
    await desk.look(await desk.made())
    secret = await desk.token(OFFICER)
    await desk.look(await desk.made(), recorded_at=NOON - 25 * HOUR)
    assert (await desk.door(secret))["status"] == "permit"
    await desk.set_now(NOON + 25 * HOUR)
    assert (await desk.door(await desk.token(OFFICER)))["status"] == "hidden"


async def test_p01_nobody_opens_the_wrong_persons_paper(desk: Desk) -> None:
    await desk.look(await desk.made())
    await desk.database.insert("document_mark", [{"document": desk.paper, "mark": "misfiled", **NOTED}])
    assert (await desk.view())["how"] == "misfiled"
    for secret in (await desk.token(OFFICER), await desk.client_secret()):
        assert (await desk.door(secret))["status"] == "hidden"
    owner = await desk.owner()
    officer = await owner.fetchval("SELECT id FROM vault.professional LIMIT 1")
    decided = {
        "document": desk.paper,
        "decision": "in-place",
        "sealed_reason": b"\1r",
        "professional": officer,
        **NOTED,
    }
    await desk.database.insert("misfiled_decision", [decided])
    assert (await desk.view())["how"] == "open"
    assert (await desk.door(await desk.token(COORDINATOR)))["status"] == "permit"


async def test_p09_the_log_leads_to_the_reason_for_which_a_records_officer_looked(desk: Desk) -> None:
    request = await desk.made()
    await desk.look(request)
    opened = await desk.door(await desk.token(OFFICER))
    service = await desk.service()
    log = await service.fetchrow(
        "CALL vault.door($1, 'list', NULL, NULL, '{\"target\": \"my-log\"}')", await desk.client_secret()
    )
    (item,) = [one for one in log["facts"]["items"] if one["act"] == "open"]
    assert (item["entry"], item["actor"], item["basis"]) == (
        str(opened["entry"]),
        "records-officer",
        "controller-duty",
    )
    assert item["request"] == str(request)


async def test_p01_at_most_a_page_of_those_who_may_judge_is_named_who_worked_in_the_case_first(desk: Desk) -> None:
    owner, request, officer = await desk.owner(), await desk.made(), await desk.token(OFFICER)

    async def judges(at_most: int) -> list[str]:
        query = "SELECT vault.request_list(vault.live_asker($1, $2), 'judges', $3, $2, $4) -> 'items'"
        found = await owner.fetchval(query, officer, desk.now, {"request": str(request)}, at_most)
        return [one["subject"] for one in found]

    first, last = await judges(200)
    assert await judges(1) == [first]
    await desk.door(await desk.token(NURSE._replace(professional=last)))
    assert await judges(1) == [last]
    assert await judges(200) == [last, first]
