"""P1: with the service's own password a records officer gets an export only on that client's own running, identified request."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest

from tests.desks.conftest import NOTED, OFFICER, OTHER_OFFICER, Desk
from tests.support.recorded import Asker
from tests.support.scene import COORDINATOR, DAY, NOON, PHYSICIAN, TODAY
from vault.rules.requests import HANDED_HOW, IDENTIFIED_ENOUGH, IDENTIFIED_HOW, RECEIVED_HOW

FAR = NOON + 30 * DAY
HOUR = dt.timedelta(hours=1)


class Counter:
    """A request for one's own records, made at the counter, and what is asked of the database on its ground."""

    def __init__(self, desk: Desk, request: uuid.UUID) -> None:
        self.desk, self.request = desk, request
        self.export = uuid.uuid4()

    async def sql(self, text: str, *arguments: object) -> Any:
        return await (await self.desk.owner()).fetchval(text, *arguments)

    async def order(self, secret: bytes, export: uuid.UUID | None = None) -> str:
        service = await self.desk.service()
        row = await service.fetchrow("SELECT * FROM vault.export_order_for($1, $2, $3, NULL, false)", secret, export or uuid.uuid4(), self.request)  # fmt: skip
        return str(row["status"])

    async def ready(self, *, client: uuid.UUID | None = None) -> None:
        """A package as the worker leaves it, with a key; only what is asked of it is not real."""
        noted, name = NOTED, self.export.hex
        await self.desk.database.insert("export", [{"id": self.export, "client": client or self.desk.client, "request": self.request, "language": "fi", "without_large": False, "documents": 0, "size_bytes": 0, **noted}])  # fmt: skip
        await self.desk.database.insert("export_state", [{"export": self.export, "n": 1, "state": "ready", **noted}])
        await self.desk.database.insert("attempt", [{"object": name, "export": self.export, **noted}])
        await self.desk.database.insert("export_package", [{"export": self.export, "object": name, "size_bytes": 10, "sealed_digest": b"\1", "documents": 0, "partial": False, "expires_at": FAR, **noted}])  # fmt: skip
        await self.desk.database.insert("wrapped_key", [{"kind": "export", "subject": str(self.export), "parent": "root:test", "wrapped": b"\1", "recorded_at": NOON - DAY}])  # fmt: skip

    async def fetch(self, secret: bytes) -> Any:
        service = await self.desk.service()
        return await service.fetchrow("CALL vault.door($1, 'export', NULL, $2, $3)", secret, self.export, {"process": str(uuid.uuid4())})  # fmt: skip

    async def hand_over(self, secret: bytes, day: dt.date = TODAY) -> str:
        service = await self.desk.service()
        row = await service.fetchrow("SELECT * FROM vault.export_hand_over($1, $2, 'medium-in-person', $3, 'identity-document')", secret, self.export, day)  # fmt: skip
        return str(row["status"])

    async def officer(self, asker: Asker = OFFICER) -> bytes:
        """A session of somebody who was identified a moment ago."""
        secret = await self.desk.token(asker)
        session = {"secret_sha256": await self.sql("SELECT sha256($1)", secret), "provider": "staff", "identity_mac": bytes(32), "language": "fi", "idle_s": 60, "identified_at": NOON, "ends_at": FAR}  # fmt: skip
        await self.desk.database.insert("session", [session])
        return secret


@pytest.fixture
async def counter(desk: Desk) -> Counter:
    return Counter(desk, await desk.made("self-access", received_how="in-person"))


async def spoil(counter: Counter, how: str) -> str:
    """What takes the ground away, and what the database then says to an order."""
    desk, request = counter.desk, counter.request
    if how in {"answered", "partly-refused", "refused"}:
        await desk.stands(request, how)
        return "request-state"
    if how == "unidentified":
        await counter.sql("UPDATE vault.request_state SET identified_how = NULL WHERE request = $1", request)
        return "not-identified"
    if how == "by phone":
        await counter.sql("UPDATE vault.request SET received_how = 'phone' WHERE id = $1", request)
        await counter.sql("UPDATE vault.request_state SET identified_how = 'known-in-person' WHERE request = $1", request)  # fmt: skip
        return "identified-too-weakly"
    if how == "another kind":
        await counter.sql("UPDATE vault.request SET kind = 'export-review' WHERE id = $1", request)
        return "request-state"
    if how == "another agency's":
        await counter.sql("UPDATE vault.request SET controller = 'kela' WHERE id = $1", request)
        return "hidden"
    if how == "a death":
        await desk.database.insert("client_death", [{"client": desk.client, "died_on": NOON.date(), **NOTED}])
        return "client-deceased"
    officer = await counter.sql("SELECT id FROM vault.professional WHERE agency = 'pirha' LIMIT 1")
    await desk.database.insert("fee", [{"id": uuid.uuid4(), "request": request, "cents": 100, "sealed_reason": b"\1", "professional": officer, **NOTED}])  # fmt: skip
    return "fee-not-accepted"


SPOILT = ("answered", "partly-refused", "refused", "unidentified", "by phone", "another kind", "another agency's", "a death", "a fee")  # fmt: skip


@pytest.mark.parametrize("how", SPOILT)
async def test_p01_without_its_ground_nothing_is_made_fetched_or_handed_over(counter: Counter, how: str) -> None:
    officer = await counter.officer()
    await counter.ready()
    first = await counter.fetch(officer)
    assert (first["status"], first["basis"]) == ("permit", "controller-duty")
    assert [key["kind"] for key in first["keys"]] == ["export"]
    refused = await spoil(counter, how)
    assert await counter.order(officer) == refused
    denied = await counter.fetch(officer)
    assert (denied["status"], denied["keys"]) == ("hidden", None)
    assert await counter.hand_over(officer) in {refused, "hidden"}
    denials = [(e["act"], e["decision"]) for e in await counter.desk.entries() if e["decision"] == "deny"]
    assert sorted(denials) == [("export", "deny"), ("export-hand-over", "deny"), ("export-order", "deny")]
    assert await counter.sql("SELECT count(*) FROM vault.export") == 1


async def test_what_a_person_said_of_a_fee_is_noted_only_while_the_request_runs(counter: Counter) -> None:
    officer, service = await counter.officer(), await counter.desk.service()
    await spoil(counter, "a fee")
    say = "SELECT status FROM vault.fee_answer($1, $2, $3)"
    await counter.desk.stands(counter.request, "answered")
    assert await service.fetchval(say, officer, counter.request, True) == "request-state"
    assert await counter.sql("SELECT count(*) FROM vault.fee_answer") == 0
    await counter.desk.stands(counter.request, "identified")
    for accepted, status in ((True, "done"), (False, "request-state"), (True, "done")):
        assert await service.fetchval(say, officer, counter.request, accepted) == status
    await counter.desk.stands(counter.request, "answered")
    assert await service.fetchval(say, officer, counter.request, True) == "done"  # the same press again


@pytest.mark.parametrize("who", ["another agency's officer", "coordinator", "physician", "client"])
async def test_p01_nobody_else_makes_or_fetches_one(counter: Counter, who: str) -> None:
    askers = {"another agency's officer": OTHER_OFFICER, "coordinator": COORDINATOR, "physician": PHYSICIAN, "client": Asker("client", client=counter.desk.client)}  # fmt: skip
    secret = await counter.officer(askers[who])
    await counter.ready()
    assert await counter.order(secret) == "hidden"
    assert (await counter.fetch(secret))["status"] == "hidden"
    assert await counter.hand_over(secret) == "hidden"
    service = await counter.desk.service()
    removed = await service.fetchrow("SELECT * FROM vault.export_remove($1, $2)", secret, counter.export)
    assert removed["status"] == "hidden"


async def test_p01_a_request_gives_nothing_of_another_person(counter: Counter, stranger: uuid.UUID) -> None:
    """Also where a row says so that no act wrote."""
    officer = await counter.officer()
    await counter.ready(client=stranger)
    assert (await counter.fetch(officer))["status"] == "hidden"
    # An id that is taken already, on another request, is no way in either.
    other = Counter(counter.desk, await counter.desk.made("self-access", received_how="paper"))
    assert await other.order(officer, counter.export) == "hidden"


async def test_p09_who_was_identified_long_ago_does_so_again_and_what_nobody_fetched_is_not_handed_over(
    counter: Counter,
) -> None:
    await counter.ready()
    stale = await counter.desk.token(OFFICER)
    assert (await counter.fetch(stale))["status"] == "identify"
    assert await counter.hand_over(stale) == "export-not-fetched"
    await counter.desk.database.insert("export_state", [{"export": counter.export, "n": 2, "event": "fetch", "state": "delivered", **NOTED}])  # fmt: skip
    assert await counter.hand_over(stale, TODAY + DAY) == "handed-day"
    assert await counter.hand_over(stale, TODAY - 2 * DAY) == "handed-day"
    assert await counter.hand_over(stale) == "done"
    assert await counter.hand_over(stale) == "done"
    assert await counter.sql("SELECT count(*) FROM vault.export_handover") == 1
    assert await counter.sql("SELECT count(*) FROM vault.wrapped_key WHERE kind = 'export'") == 0
    fetched = await counter.fetch(await counter.officer())
    assert (fetched["status"], fetched["keys"]) == ("hidden", None)


async def test_packages_of_another_desk_do_not_close_this_one_and_the_newest_are_told_by_their_order(
    counter: Counter,
) -> None:
    """A form gives the ids, so they say nothing of which is newer."""
    elsewhere = await counter.desk.made("self-access", received_how="in-person", controller="kela")
    here = sorted((uuid.uuid4() for _ in range(4)), reverse=True)
    for place, request, exports in ((0, counter.request, here), (4, elsewhere, [uuid.uuid4() for _ in range(3)])):
        for age, export in enumerate(exports, place):
            made = Counter(counter.desk, request)
            made.export = export
            await made.ready()
            await counter.sql("UPDATE vault.export SET recorded_at = $2 WHERE id = $1", export, NOON - DAY + age * HOUR)
    assert await counter.sql("SELECT vault.exports_expire()") == 1
    assert await counter.sql("SELECT export FROM vault.export_state WHERE state = 'expired'") == here[0]
    assert await counter.sql("SELECT vault.exports_expire()") == 0


async def test_the_database_identifies_and_hands_over_by_the_same_tables(desk: Desk) -> None:
    owner = await desk.owner()
    for received in ("own-pages", *RECEIVED_HOW):
        for how in (*IDENTIFIED_HOW, None):
            found = await owner.fetchval("SELECT vault.identified_enough($1, $2)", received, how)
            assert found is (how is not None and received in IDENTIFIED_ENOUGH[how]), (received, how)
    seen = {one for each in HANDED_HOW.values() for one in each}
    for how in (*HANDED_HOW, "by-pigeon", None):
        for one in (*seen, None):
            found = await owner.fetchval("SELECT vault.handed_well($1, $2)", how, one)
            assert found is (one in HANDED_HOW.get(how or "", ())), (how, one)


async def test_a_clients_exports_are_found_by_an_index_and_so_are_those_of_a_session_of_whom_nothing_is_kept(
    desk: Desk,
) -> None:
    owner = await desk.owner()
    token = "jsonb_populate_record(NULL::vault.token, '{}')"
    await owner.execute("SET enable_seqscan = off")
    plan = "\n".join(
        row[0] for row in await owner.fetch(f"EXPLAIN SELECT * FROM (SELECT {token} AS t) k, vault.exports_of(k.t) x")
    )
    await owner.execute("RESET enable_seqscan")
    assert "export_client" in plan
    assert "export_session" in plan
    assert "Seq Scan" not in plan
