"""Restriction of processing (GDPR Art. 18): granted, it binds at the door until a records officer ends it, after a notice."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest

from tests.desks.conftest import NOTED, OFFICER, OTHER_OFFICER, Desk
from tests.support.authorities import acting, insert_authority
from tests.support.scene import COORDINATOR, DAY, NOON, NURSE, PHYSICIAN

REFUSED = {"provision": "gdpr-18", "told": True}


async def wished(desk: Desk, **more: Any) -> uuid.UUID:
    """A running request of the client for restriction, with somebody identified."""
    request = await desk.made("restriction", ground="accuracy", **more)
    await desk.stands(request, "identified")
    return request


async def step(desk: Desk, request: uuid.UUID, what: str = "answer", about: Any = None, asker: Any = OFFICER) -> str:
    service = await desk.service()
    query = "SELECT (vault.request_step($1, $2, $3, $4, $5, $6)).status"
    return str(
        await service.fetchval(query, await desk.token(asker), request, what, about or {}, b"\1text", b"\1reason")
    )


async def act(desk: Desk, name: str, *more: Any, asker: Any = OFFICER) -> str:
    service = await desk.service()
    places = ", ".join(f"${n}" for n in range(1, len(more) + 2))
    return str(await service.fetchval(f"SELECT (vault.{name}({places})).status", await desk.token(asker), *more))


async def reads(desk: Desk) -> tuple[str, list[str]]:
    answer = await desk.door(await desk.token(NURSE))
    return answer["status"], answer["reasons"]


async def tell(desk: Desk, request: uuid.UUID, day: dt.date) -> str:
    return await act(desk, "restriction_notice", request, day, b"\1why")


async def test_p01_granted_it_closes_the_paper_to_who_reads_on_consent_and_to_nobody_else(desk: Desk) -> None:
    assert (await reads(desk))[0] == "permit"
    request = await wished(desk)
    assert (await reads(desk))[0] == "permit", "asking alone restricts nothing"
    assert await step(desk, request) == "done"
    assert await reads(desk) == ("forbidden", ["prohibited"])
    # Storage, the client's own reading, and what an agency filed itself go on (Art. 18(2)).
    assert (await desk.door(await desk.client_secret()))["status"] == "permit"
    own = await desk.door(await desk.token(PHYSICIAN))
    assert (own["status"], own["basis"]) == ("permit", "own-document")
    readers = await (await desk.owner()).fetch("SELECT * FROM vault.readers_of($1, $2)", desk.case, desk.now)
    assert {row["basis"] for row in readers} == {"own-document"}


async def test_p06_what_was_permitted_before_it_was_granted_is_not_taken_after(desk: Desk) -> None:
    request, secret = await wished(desk), await desk.token(NURSE)
    entry = await desk.ask(secret)
    assert await step(desk, request) == "done"
    assert await desk.take(secret, entry) == []


async def test_p06_neither_the_client_nor_a_pauses_end_ends_it_and_an_officer_only_after_a_notice(desk: Desk) -> None:
    request = await wished(desk)
    await step(desk, request)
    [bound] = await (await desk.owner()).fetch("SELECT id FROM vault.prohibition WHERE request = $1", request)
    client = await desk.client_secret()
    service = await desk.service()
    assert await service.fetchval("SELECT (vault.prohibition_end($1, $2)).status", client, bound["id"]) == (
        "officers-to-end"
    )
    assert await service.fetchval("SELECT (vault.pause($1, gen_random_uuid())).status", client) == "done"
    assert await service.fetchval("SELECT (vault.resume($1)).status", client) == "done"
    assert await act(desk, "restriction_end", request) == "notice-first"
    assert await tell(desk, request, (NOON + 6 * DAY).date()) == "ends-too-soon"
    for stranger in (OTHER_OFFICER, COORDINATOR):
        assert await act(desk, "restriction_end", request, asker=stranger) == "hidden"
    assert await tell(desk, request, (NOON + 7 * DAY).date()) == "done"
    await desk.set_now(NOON + 6 * DAY)
    assert await act(desk, "restriction_end", request) == "notice-first"
    assert await reads(desk) == ("hidden", ["prohibited"])
    await desk.set_now(NOON + 7 * DAY)
    assert await act(desk, "restriction_end", request) == "done"
    assert (await reads(desk))[0] == "permit"
    assert await tell(desk, request, (NOON + 20 * DAY).date()) == "restriction-ended"


async def test_every_agency_that_has_the_paper_is_told_of_it_and_of_its_end(desk: Desk) -> None:
    """GDPR Art. 19: Kela filed it, pirha has opened it; te-palvelut, which has neither, is told nothing."""
    await reads(desk)
    request = await wished(desk, document=desk.paper, case_id=desk.case)
    await step(desk, request)
    await tell(desk, request, (NOON + 7 * DAY).date())
    await desk.set_now(NOON + 8 * DAY)
    await act(desk, "restriction_end", request)
    told = await (await desk.owner()).fetch("SELECT kind, agency FROM vault.notice ORDER BY kind, agency")
    assert [tuple(row) for row in told] == [
        ("processing-restricted", "kela"), ("processing-restricted", "pirha"),
        ("restriction-ended", "kela"), ("restriction-ended", "pirha"),
    ]  # fmt: skip


@pytest.mark.parametrize(("scope", "status"), [("see", "hidden"), ("act", "done")])
async def test_a_representative_who_may_act_asks_for_it_and_one_who_may_see_does_not(
    desk: Desk, scope: str, status: str
) -> None:
    asker = acting(desk, await insert_authority(desk, scope=scope))
    about = {"ground": "claim", "language": "fi"}
    query = "SELECT (vault.request_make($1, $2, 'restriction', NULL, NULL, $3, NULL, $4, $5)).status"
    service = await desk.service()
    for ground, said in (("claim", status), ("because", "hidden" if scope == "see" else "unknown-ground")):
        given = [await desk.token(asker), uuid.uuid4(), desk.paper, about | {"ground": ground}, b"\1text"]
        assert await service.fetchval(query, *given) == said


async def test_a_part_that_is_refused_leaves_the_named_papers_restricted(desk: Desk) -> None:
    request = await wished(desk)
    assert await step(desk, request, "refuse-part", REFUSED) == "unknown-paper"
    assert await step(desk, request, "refuse-part", REFUSED | {"papers": [str(uuid.uuid4())]}) == "unknown-paper"
    assert await step(desk, request, "answer", {"papers": [str(desk.paper)]}) == "unknown-paper"
    assert await step(desk, request, "refuse-part", REFUSED | {"papers": [str(desk.paper)]}) == "done"
    bound = await (await desk.owner()).fetchrow("SELECT * FROM vault.prohibition WHERE request = $1", request)
    assert bound["documents"] == [{"document": str(desk.paper)}]
    assert await reads(desk) == ("hidden", ["prohibited"])


async def alike(desk: Desk, table: str, key: str, of: uuid.UUID, changes: dict[str, Any]) -> None:
    """Another row like one that is there, but for these columns."""
    changed = {name: str(value) for name, value in changes.items()}
    copied = (
        f"INSERT INTO vault.{table} SELECT (jsonb_populate_record(x, $2)).* FROM vault.{table} x WHERE x.{key} = $1"
    )
    await (await desk.owner()).execute(copied, of, changed)


async def test_a_signed_form_of_an_archived_case_is_no_paper_that_can_be_restricted(desk: Desk) -> None:
    """Else a decision that restricts it would be recorded, and bind nothing."""
    request, form, other = await wished(desk), uuid.uuid4(), uuid.uuid4()
    await alike(desk, "client_case", "id", desk.case, {"id": other})
    about = {"id": form, "series": form, "case_id": other, "key_parent": "register"}
    await alike(desk, "document", "id", desk.paper, about)
    for table in ("attempt", "filing"):
        await alike(desk, table, "document", desk.paper, {"document": form, "object": form.hex})
    row = {"case_id": other, "n": 9, "state": "archived", "entry": uuid.UUID(int=0), "recorded_at": NOON - DAY}
    await desk.database.insert("case_state", [row])
    assert await step(desk, request, "refuse-part", REFUSED | {"papers": [str(form)]}) == "unknown-paper"
    assert await step(desk, request, "refuse-part", REFUSED | {"papers": [str(form), str(desk.paper)]}) == (
        "unknown-paper"
    )
    assert await (await desk.owner()).fetchval("SELECT count(*) FROM vault.prohibition") == 0


async def test_p08_what_is_restricted_is_neither_handed_to_the_archive_nor_destroyed(desk: Desk) -> None:
    owner = await desk.owner()

    async def pending() -> list[str]:
        return list(await owner.fetchval("SELECT vault.pending($1)", desk.case))

    request = await wished(desk)
    assert await pending() == ["open-request"]
    await step(desk, request)
    assert await pending() == ["restriction"]
    await tell(desk, request, (NOON + 7 * DAY).date())
    await desk.set_now(NOON + 7 * DAY)
    await act(desk, "restriction_end", request)
    assert await pending() == []


async def test_p08_a_misfiled_paper_that_is_restricted_is_not_destroyed_before_the_restriction_ends(desk: Desk) -> None:
    """The client's page says that nothing of it is destroyed; a paper that the restriction does not name may be."""
    await desk.database.insert("document_mark", [{"document": desk.paper, "mark": "misfiled", **NOTED}])
    request = await wished(desk)
    await step(desk, request)

    async def decide(decision: str) -> str:
        return await act(desk, "misfiled_decide", desk.paper, decision, b"\1why")

    owner = await desk.owner()
    narrowed = "UPDATE vault.prohibition SET documents = $2 WHERE request = $1"
    for papers, binds in ((None, True), (uuid.uuid4(), False), (desk.paper, True)):
        await owner.execute(narrowed, request, papers and [{"document": str(papers)}])
        assert await owner.fetchval("SELECT vault.keeps_restricted($1, $2)", desk.paper, desk.case) is binds
    assert await decide("destroyed") == "misfiled-restricted"
    kept = "SELECT count(*) FROM vault.misfiled_decision UNION ALL SELECT count(*) FROM vault.object_end"
    assert [row["count"] for row in await owner.fetch(kept)] == [0, 0]
    await tell(desk, request, (NOON + 7 * DAY).date())
    await desk.set_now(NOON + 7 * DAY)
    await act(desk, "restriction_end", request)
    assert await decide("destroyed") == "done"


async def test_what_the_archive_has_is_not_restricted_here(desk: Desk) -> None:
    request = await wished(desk)
    row = {"case_id": desk.case, "n": 9, "state": "archived", "entry": uuid.UUID(int=0), "recorded_at": NOON - DAY}
    await desk.database.insert("case_state", [row])
    assert await step(desk, request) == "nothing-to-restrict"
