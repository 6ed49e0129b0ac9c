"""What people see of the log: openings folded by ten minutes, pages that cut none, and nobody's own reads for others."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import uuid
from typing import Any

import pytest

from tests.support.database import Database
from tests.support.recorded import Asker
from tests.support.scene import COORDINATOR, NOON, NURSE, PHYSICIAN, Scene, plain_world, set_scene

MINUTE = dt.timedelta(minutes=1)


async def read(scene: Scene, asker: Asker, at: dt.datetime, sent: int = 7) -> uuid.UUID:
    """One reading of the paper from ask to outcome; denials end after the ask."""
    await scene.set_now(at)
    secret = await scene.token(asker)
    answer = await scene.door(secret)
    if answer["status"] == "permit":
        await (await scene.service()).execute(
            "SELECT vault.end_release($1, $2, 'delivered', $3)", secret, answer["entry"], sent
        )
    return uuid.UUID(str(answer["entry"]))


async def my_log(scene: Scene, *, client: uuid.UUID | None = None, case: Any = None, **about: Any) -> Any:
    secret = await scene.token(Asker("client", client=client or scene.client))
    service = await scene.service()
    return await service.fetchrow(
        "CALL vault.door($1, 'list', $2, NULL, $3)", secret, case, {"target": "my-log"} | about
    )


async def case_log(scene: Scene, **about: Any) -> Any:
    secret = await scene.token(COORDINATOR)
    service = await scene.service()
    return await service.fetchrow(
        "CALL vault.door($1, 'list', $2, NULL, $3)", secret, scene.case, {"target": "log"} | about
    )


def items_of(row: Any, act: str = "open") -> list[dict[str, Any]]:
    assert row["status"] == "permit", row
    return [item for item in row["facts"]["items"] if item["act"] == act]


@pytest.mark.parametrize("vault_db", ["18", "15"], indirect=True)
async def test_p09_the_client_sees_organisation_role_purpose_clause_and_no_name(scene: Scene) -> None:
    first = await read(scene, NURSE, NOON)
    second = await read(scene, NURSE, NOON + MINUTE, sent=5)
    later = await read(scene, NURSE, NOON + 11 * MINUTE)
    asked = await read(scene, NURSE._replace(purpose="benefit-decision"), NOON + 12 * MINUTE)
    row = await my_log(scene)
    opened = items_of(row)
    assert [item["entries"] for item in opened] == [[str(first), str(second)], [str(later)], [str(asked)]]
    whole, _, denied = opened
    assert (whole["agency"], whole["role"], whole["purpose"], whole["basis"]) == ("pirha", "nurse", "care", "consent")
    assert (whole["consent"], whole["provision"]) == (str(scene.consent), 2)
    assert (whole["organisation"], whole["case"]) == ({"fi": "Esimerkki"}, str(scene.case))
    assert (whole["outcome"], whole["bytes"]) == ("delivered", 12)
    assert whole["last_at"] > whole["at"]
    assert (denied["decision"], denied["reasons"]) == ("deny", ["purpose-not-covered"])
    assert not [item for item in row["facts"]["items"] if "reader" in item or "professional" in item]
    # The reading of the log is an entry of its own.
    entry = next(e for e in await scene.entries() if e["id"] == row["entry"])
    assert (entry["act"], entry["facts"], entry["actor"], entry["client"]) == ("list", "my-log", "client", scene.client)


async def test_p09_own_reads_stand_apart_and_are_shown_to_nobody_else(scene: Scene) -> None:
    other = await read(scene, NURSE, NOON)
    own = await read(scene, Asker("client", client=scene.client), NOON)
    await my_log(scene)
    assert [item["entry"] for item in items_of(await my_log(scene))] == [str(other)]
    apart = await my_log(scene, own=True)
    assert [item["entry"] for item in items_of(apart)] == [str(own)]
    assert [item["facts"] for item in items_of(apart, "list")] == ["my-log"]
    seen = await case_log(scene)
    assert {item["actor"] for item in seen["facts"]["items"]} == {"professional"}
    assert [item["entry"] for item in items_of(seen)] == [str(other)]


@pytest.mark.parametrize("newest", [False, True])
async def test_no_page_cuts_an_opening_in_two(scene: Scene, newest: bool) -> None:
    """Two readers by turns in the same ten minutes: their entries lie between each other's."""
    for minute in range(6):
        await read(scene, NURSE, NOON + minute * MINUTE)
        await read(scene, PHYSICIAN, NOON + minute * MINUTE)
    for window in range(1, 4):
        await read(scene, NURSE, NOON + 10 * window * MINUTE)
    whole = await my_log(scene, limit=200, newest=newest)
    pages, after = [], None
    for _ in range(10):
        page = await my_log(scene, limit=1, after=after, newest=newest)
        pages += page["facts"]["items"]
        if not page["facts"]["more"]:
            break
        after = page["facts"]["items"][-1]["entry"]
    assert pages == whole["facts"]["items"]
    assert [len(item["entries"]) for item in items_of(whole)] == ([1, 1, 1, 6, 6] if newest else [6, 6, 1, 1, 1])
    assert (pages == sorted(pages, key=lambda item: item["entry"], reverse=newest)) is True


async def test_another_persons_case_answers_as_none(scene: Scene) -> None:
    await read(scene, NURSE, NOON)
    for case, client in ((uuid.uuid4(), None), (scene.case, uuid.uuid4())):
        row = await my_log(scene, case=case, client=client)
        assert (row["status"], row["facts"]) == ("hidden", None)
    assert len(items_of(await my_log(scene, case=scene.case))) == 1
    assert (await my_log(scene, client=uuid.uuid4()))["facts"]["items"] == []
    secret = await scene.token(NURSE)
    service = await scene.service()
    asked = await service.fetchrow("CALL vault.door($1, 'list', NULL, NULL, '{\"target\": \"my-log\"}')", secret)
    assert asked["status"] == "hidden"


async def test_days_are_finnish_days_and_both_are_included(scene: Scene) -> None:
    """Half past midnight in Helsinki is still yesterday in UTC."""
    early = await read(scene, NURSE, dt.datetime.combine(NOON.date(), dt.time(0, 30), NOON.tzinfo))
    late = await read(scene, NURSE, dt.datetime.combine(NOON.date(), dt.time(23, 30), NOON.tzinfo))
    await read(scene, NURSE, NOON + dt.timedelta(days=1))
    day = NOON.date().isoformat()
    opened = items_of(await my_log(scene, **{"from": day, "until": day}))
    assert [item["entry"] for item in opened] == [str(early), str(late)]
    assert items_of(await my_log(scene, until="0001-01-01")) == []
    assert items_of(await my_log(scene, **{"from": "9999-12-31"})) == []


async def test_p09_entries_older_than_two_years_stand_apart(vault_db: Database) -> None:
    """FI 703/2023 §11: older entries need a special reason, so the list says that there are some and shows none."""
    scene = await set_scene(vault_db, plain_world())
    await read(scene, NURSE, NOON)
    assert not (await my_log(scene))["facts"]["older"]
    last_day = NOON.replace(year=NOON.year + 2, hour=23)
    await scene.set_now(last_day)
    assert len(items_of(await my_log(scene))) == 1
    await scene.set_now(last_day + 2 * 60 * MINUTE)
    row = await my_log(scene)
    assert (items_of(row), row["facts"]["older"], row["facts"]["since"]) == ([], True, "2026-03-03")
    assert (await my_log(scene, older=True))["status"] == "hidden"
    owner = await scene.owner()
    await owner.execute(
        "CREATE OR REPLACE FUNCTION vault.may_see_older(t vault.token, a_client uuid, as_of timestamptz) RETURNS boolean "
        "LANGUAGE sql STABLE RETURN true"
    )
    assert len(items_of(await my_log(scene, older=True))) == 1


async def representative(scene: Scene, **facts: Any) -> bytes:
    """The secret of somebody who acts for the client under a recorded authority."""
    secret, authority = secrets.token_bytes(32), uuid.uuid4()
    recorded = {
        "id": authority, "client": scene.client, "case_id": None, "kind": "authorised", "scope": "see", "protected_classes": [],
        "from_day": NOON.date(), "until_day": None, "representative_mac": secrets.token_bytes(32), "sealed_about": b"\1about",
        "given_by_client": True, "entry": uuid.UUID(int=0), "recorded_at": NOON - MINUTE,
    } | facts  # fmt: skip
    await scene.database.insert("authority", [recorded])
    await scene.database.insert("token", [{
        "secret_sha256": hashlib.sha256(secret).digest(), "actor": "representative", "client": scene.client, "authority": authority,
        "assertion": bytes(32), "issued_at": NOON, "expires_at": NOON + dt.timedelta(hours=1),
    }])  # fmt: skip
    return secret


async def test_a_representative_sees_what_the_authority_covers_and_never_the_clients_own_reads(scene: Scene) -> None:
    other = await read(scene, NURSE, NOON)
    await read(scene, Asker("client", client=scene.client), NOON)
    service = await scene.service()

    async def seen(secret: bytes, **about: Any) -> Any:
        return await service.fetchrow(
            "CALL vault.door($1, 'list', NULL, NULL, $2)", secret, {"target": "my-log"} | about
        )

    whole = await representative(scene)
    assert [item["entry"] for item in items_of(await seen(whole))] == [str(other)]
    assert [item["actor"] for item in items_of(await seen(whole, own=True), "list")] == ["representative"]
    # The client sees what the representative did, an agency and the coordinator do not.
    assert "representative" in {item["actor"] for item in (await my_log(scene))["facts"]["items"]}
    assert "representative" not in {item["actor"] for item in (await case_log(scene))["facts"]["items"]}
    elsewhere = await representative(scene, case_id=scene.case, from_day=NOON.date() + dt.timedelta(days=1))
    assert (await seen(elsewhere))["facts"]["items"] == []
    owner = await scene.owner()
    await owner.execute("UPDATE vault.document SET protected_classes = '{psychology}' WHERE id = $1", scene.paper)
    assert items_of(await seen(whole)) == []
    named = await representative(scene, protected_classes=["psychology"])
    assert [item["entry"] for item in items_of(await seen(named))] == [str(other)]
