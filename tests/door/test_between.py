"""Between ask and take: whatever the decision rested on and has changed since, there is no key. Promise P6."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from tests.support.recorded import Asker
from tests.support.scene import COORDINATOR, NOON, NURSE, PHYSICIAN, Scene

BOTH = pytest.mark.parametrize("vault_db", ["18", "15"], indirect=True)
SECOND = dt.timedelta(seconds=1)
Change = Callable[[Scene], Awaitable[None]]


async def act(scene: Scene, asker: Asker, call: str, *arguments: object) -> None:
    service = await scene.service()
    done = await service.fetchrow(f"SELECT * FROM vault.{call}", await scene.token(asker), *arguments)
    assert done["status"] == "done", done


async def withdraw_all(scene: Scene) -> None:
    await act(scene, COORDINATOR, "consent_withdraw($1, $2, $3, NULL, NULL, NULL)", uuid.uuid4(), scene.consent)


async def withdraw_reading(scene: Scene) -> None:
    await act(scene, PHYSICIAN, "consent_withdraw($1, $2, $3, '{2}', NULL, NULL)", uuid.uuid4(), scene.consent)


async def end_member(scene: Scene) -> None:
    member = next(m.id for m in scene.world.members if m.role == "nurse")
    await act(scene, COORDINATOR, "member_end($1, $2, $3)", scene.case, member)


async def suspend_agency(scene: Scene) -> None:
    await (await scene.owner()).execute("SELECT vault.suspend('pirha', NULL, true)")


async def suspend_application(scene: Scene) -> None:
    await (await scene.owner()).execute("SELECT vault.suspend('pirha', 'app-pirha', true)")


async def prohibit(scene: Scene) -> None:
    client = Asker("client", client=scene.client)
    await act(
        scene, client, "prohibition_record($1, $2, NULL, $3)", uuid.uuid4(), {"recipients": [{"agency": "pirha"}]}
    )


async def retract(scene: Scene) -> None:
    await act(scene, PHYSICIAN, "document_mark($1, $2, 'retracted')", scene.paper)


async def misfile(scene: Scene) -> None:
    await act(scene, PHYSICIAN, "document_mark($1, $2, 'misfiled')", scene.paper)


async def die(scene: Scene) -> None:
    await act(scene, COORDINATOR, "client_died($1, $2, $3)", scene.client, NOON.date())


async def end_role(scene: Scene) -> None:
    await (await scene.owner()).execute("SELECT vault.professional_role_end('pirha', 'pirha-1', 'nurse')")


CHANGES: list[Change] = [
    withdraw_all, withdraw_reading, end_member, suspend_agency, suspend_application, prohibit, retract, misfile, die, end_role,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
async def test_p06_a_change_between_ask_and_take(scene: Scene, change: Change) -> None:
    secret = await scene.token()
    entry = await scene.ask(secret)
    await change(scene)
    assert await scene.take(secret, entry) == []
    answer = await scene.door(secret)
    assert (answer["status"], answer["keys"]) != ("permit", None)
    assert answer["status"] in {"hidden", "forbidden", "unauthenticated"}


async def test_p06_a_revoked_token_takes_nothing(scene: Scene) -> None:
    secret = await scene.token()
    entry = await scene.ask(secret)
    tokens = await scene.database.as_role("tokens")
    assert await tokens.fetchval("SELECT vault.token_revoke(sha256($1), 'app-pirha')", secret)
    assert await scene.take(secret, entry) == []
    assert (await scene.door(secret))["status"] == "unauthenticated"


@BOTH
@pytest.mark.parametrize(("later", "taken"), [(5 * SECOND, True), (5.000001 * SECOND, False), (6 * SECOND, False),
                                              (-2 * SECOND, False)])  # fmt: skip
async def test_p02_a_permit_lives_five_seconds(scene: Scene, later: dt.timedelta, taken: bool) -> None:
    secret = await scene.token()
    entry = await scene.ask(secret)
    await scene.set_now(NOON + later)
    assert bool(await scene.take(secret, entry)) == taken


@BOTH
@pytest.mark.parametrize("midnight", ["2026-03-02T22:00:00Z", "2026-03-29T21:00:00Z"], ids=["winter", "summer"])
async def test_p06_a_permit_ends_at_midnight_in_helsinki(scene: Scene, midnight: str) -> None:
    at = dt.datetime.fromisoformat(midnight)
    await scene.set_now(at - SECOND)
    secret = await scene.token()
    late, early = await scene.ask(secret), await scene.ask(secret)
    await scene.set_now(at - SECOND / 1000)
    assert await scene.take(secret, early)
    await scene.set_now(at)
    assert await scene.take(secret, late) == []
    assert (await scene.door(secret))["keys"]


async def test_p06_a_consent_ends_with_its_last_day_in_helsinki(scene: Scene) -> None:
    owner = await scene.owner()
    await owner.execute("UPDATE vault.consent SET valid_until = $1", NOON.date())
    midnight = dt.datetime(2026, 3, 2, 22, tzinfo=dt.UTC)
    await scene.set_now(midnight - SECOND / 1_000_000)
    secret = await scene.token()
    assert (await scene.door(secret))["keys"]
    await scene.set_now(midnight)
    assert (await scene.door(secret))["reasons"] == ["expired"]


WAITING_CLOCK = """
CREATE OR REPLACE FUNCTION vault.clock() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $clock$
DECLARE
    now timestamptz := clock_timestamp();
BEGIN
    IF current_setting('application_name') = 'waits' THEN
        PERFORM pg_advisory_lock_shared(4711), pg_advisory_unlock_shared(4711);
    END IF;
    RETURN now;
END
$clock$
"""


@BOTH
async def test_p06_an_ask_that_began_before_a_withdrawal_and_decides_after_it(scene: Scene) -> None:
    """However long an ask is held up between reading the clock and deciding, it sees what was acknowledged meanwhile."""
    owner = await scene.owner()
    await scene.database.set_clock()
    scene.now = dt.datetime.now(dt.UTC)
    await owner.execute(WAITING_CLOCK)
    secret = await scene.token()
    slow, gate = await scene.database.connect("service"), await scene.database.connect("superuser")
    await slow.execute("SET application_name = 'waits'")
    await gate.execute("SELECT pg_advisory_lock(4711)")
    asking = asyncio.ensure_future(slow.fetchrow("CALL vault.door($1, 'open', NULL, $2, '{}')", secret, scene.paper))
    await wait_for_lock(gate)
    await withdraw_all(scene)
    await gate.execute("SELECT pg_advisory_unlock(4711)")
    answer = await asking
    assert (answer["status"], answer["keys"]) == ("hidden", None)


async def wait_for_lock(connection: Any) -> None:
    for _ in range(500):
        if await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            return
        await asyncio.sleep(0.01)
    pytest.fail("nobody waited")


@BOTH
async def test_p06_many_withdrawals_and_releases_at_once(scene: Scene) -> None:
    """No door that is called after a withdrawal was acknowledged gives a key, however they are mixed."""
    await scene.database.set_clock()
    scene.now = dt.datetime.now(dt.UTC)
    secret = await scene.token()
    acknowledged = asyncio.Event()

    async def read(connection: Any) -> list[bool]:
        given = []
        for _ in range(60):
            after = acknowledged.is_set()
            row = await connection.fetchrow("CALL vault.door($1, 'open', NULL, $2, '{}')", secret, scene.paper)
            given.append(bool(row["keys"]) and after)
        return given

    async def stop() -> list[bool]:
        await asyncio.sleep(0.05)
        await withdraw_all(scene)
        acknowledged.set()
        return []

    readers = [await scene.database.connect("service") for _ in range(6)]
    results = await asyncio.gather(stop(), *(read(connection) for connection in readers))
    assert not any(late for result in results for late in result)
    assert (await scene.door(secret))["keys"] is None


async def test_p03_a_locked_log_is_no_release_and_no_hang(scene: Scene) -> None:
    secret = await scene.token()
    owner = await scene.owner()
    began = asyncio.get_running_loop().time()
    async with owner.transaction():
        await owner.execute("LOCK TABLE vault.entry IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await scene.door(secret)
    assert asyncio.get_running_loop().time() - began < 10
    assert await scene.entries() == []
    assert (await scene.door(secret))["keys"]


async def test_p10_without_a_clock_there_is_no_key(scene: Scene) -> None:
    secret = await scene.token()
    owner = await scene.owner()
    await owner.execute(
        "CREATE OR REPLACE FUNCTION vault.clock() RETURNS timestamptz LANGUAGE sql VOLATILE RETURN NULL::timestamptz"
    )
    answer = await scene.door(secret)
    assert (answer["status"], answer["keys"]) == ("unauthenticated", None)


async def test_p10_a_log_that_refuses_gives_no_key(scene: Scene) -> None:
    """The disk is full, a constraint fails: whatever stops the entry stops the release."""
    secret = await scene.token(NURSE)
    await (await scene.owner()).execute(
        "ALTER TABLE vault.entry ADD CONSTRAINT full_disk CHECK (act <> 'open') NOT VALID"
    )
    with pytest.raises(asyncpg.CheckViolationError):
        await scene.door(secret)
    assert await scene.entries() == []
    assert await (await scene.owner()).fetchval("SELECT count(*) FROM vault.clearance") == 0


@BOTH
async def test_an_upload_that_is_asked_again_is_one_attempt(scene: Scene) -> None:
    """Facts that change between ask and take make the service ask once more, under the name that the object has already."""
    document, name = uuid.uuid4(), uuid.uuid4().hex
    about = {
        "type": "saate", "language": "fi", "dated": "2026-03-01", "protected_classes": [], "third_persons": False,
        "check_before_client": False, "original": True, "media_type": "text/plain",
    }  # fmt: skip
    key = ("document", str(document), f"case:{scene.case}", b"\1" * 61)
    await act(scene, PHYSICIAN, "document_add($1, $2, $3, $4, $5, $6)", scene.case, document, about, b"\1", key)
    service, secret = await scene.service(), await scene.token(PHYSICIAN)
    for _ in range(2):
        answer = await service.fetchrow(
            "CALL vault.door($1, 'file', NULL, $2, $3)", secret, document, {"for": "content", "object": name}
        )
        assert answer["status"] == "permit"
        assert answer["keys"]
    owner = await scene.owner()
    rows = await owner.fetch("SELECT document FROM vault.attempt WHERE object = $1", name)
    assert [row["document"] for row in rows] == [document]
