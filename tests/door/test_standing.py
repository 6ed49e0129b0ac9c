"""Who acts for a client: as far as a recorded authority goes, asked anew at every act. Promises P1, P2, P6."""

from __future__ import annotations

import uuid
from typing import Any

import asyncpg
import pytest

from tests.support.authorities import MAC, acting, insert_authority
from tests.support.recorded import Asker
from tests.support.scene import COORDINATOR, DAY, NOON, NURSE, TODAY, Scene

BOTH = pytest.mark.parametrize("vault_db", ["18", "15"], indirect=True)
RECORD = "SELECT * FROM vault.authority_record($1, $2, $3, $4, $5, $6, $7)"
WITHDRAW = "SELECT * FROM vault.consent_withdraw($1, $2, $3, NULL, NULL, NULL)"
OFFICER = Asker("records-officer", "pirha", None, NURSE.professional, "records-officer")


def a_client(scene: Scene) -> Asker:
    return Asker("client", client=scene.client)


async def read(scene: Scene, authority: uuid.UUID) -> tuple[str, int]:
    answer = await scene.door(await scene.token(acting(scene, authority)))
    return answer["status"], len(answer["keys"] or ())


@BOTH
async def test_p01_who_is_authorised_reads_what_the_client_may_read(scene: Scene) -> None:
    authority = await insert_authority(scene)
    answer = await scene.door(await scene.token(acting(scene, authority)))
    assert (answer["status"], answer["basis"]) == ("permit", "data-subject")
    [entry] = await scene.entries()
    assert (entry["actor"], entry["client"], entry["facts"]) == (
        "representative",
        scene.client,
        f"authority:{authority}",
    )


@pytest.mark.parametrize(
    "about",
    [
        {"until_day": TODAY - DAY}, {"from_day": TODAY + DAY}, {"recorded_at": NOON + DAY},
        {"kind": "guardian"},  # the client came of age long ago
    ],
)  # fmt: skip
async def test_p01_an_authority_that_is_not_in_force_is_denied_at_the_door(scene: Scene, about: dict[str, Any]) -> None:
    assert await read(scene, await insert_authority(scene, **about)) == ("hidden", 0)


async def test_p01_an_authority_for_another_case_or_of_nobody_opens_nothing(scene: Scene) -> None:
    other_case, other_client = uuid.uuid4(), uuid.uuid4()
    await scene.database.insert("client", [{"id": other_client, "adult_on": TODAY, "recorded_at": NOON - DAY}])
    await scene.database.insert(
        "client_case",
        [{"id": other_case, "client": scene.client, "process": "ayr", "controller": "pirha", "language": "fi",
          "sealed_about": b"\1", "entry": uuid.UUID(int=0), "recorded_at": NOON - DAY}],
    )  # fmt: skip
    for about in ({"case_id": other_case}, {"client": other_client}):
        assert await read(scene, await insert_authority(scene, **about)) == ("hidden", 0)
    assert await read(scene, uuid.uuid4()) == ("hidden", 0)
    assert await read(scene, await insert_authority(scene, case_id=scene.case)) == ("permit", 3)


async def test_p01_protected_classes_open_only_where_the_authority_names_them(scene: Scene) -> None:
    await (await scene.owner()).execute(
        "UPDATE vault.document SET protected_classes = '{mental-health}' WHERE id = $1", scene.paper
    )
    assert await read(scene, await insert_authority(scene)) == ("hidden", 0)
    assert await read(scene, await insert_authority(scene, protected_classes=["genetics"])) == ("hidden", 0)
    assert await read(scene, await insert_authority(scene, protected_classes=["mental-health"])) == ("permit", 3)


async def test_p01_the_clients_death_ends_every_authority(scene: Scene) -> None:
    authority = await insert_authority(scene)
    await scene.database.insert(
        "client_death",
        [{"client": scene.client, "died_on": TODAY - DAY, "entry": uuid.UUID(int=0), "recorded_at": NOON - DAY}],
    )
    assert await read(scene, authority) == ("hidden", 0)


async def test_p01_a_minor_keeps_a_guardian_out_and_lets_them_in_again(scene: Scene) -> None:
    """Test 23 of the domain's list."""
    await (await scene.owner()).execute(
        "UPDATE vault.client SET adult_on = $2 WHERE id = $1", scene.client, TODAY + DAY
    )
    guardian = await insert_authority(scene, kind="guardian")
    assert await read(scene, guardian) == ("permit", 3)
    began = await scene.token(acting(scene, guardian))
    service, minor = await scene.service(), await scene.token(a_client(scene))
    for barred, after in ((True, ("hidden", 0)), (False, ("permit", 3))):
        done = await service.fetchrow("SELECT * FROM vault.authority_bar($1, $2, $3)", minor, guardian, barred)
        assert done["status"] == "done"
        assert await read(scene, guardian) == after
    assert (await scene.door(began))["status"] == "unauthenticated"  # what had begun ended with the bar
    await scene.set_now(NOON + DAY)  # the 18th birthday: a guardian's authority lapses by itself
    assert await read(scene, guardian) == ("hidden", 0)


async def test_p01_only_a_minor_bars_and_only_a_guardian(scene: Scene) -> None:
    friend, service = await insert_authority(scene), await scene.service()
    bar = "SELECT * FROM vault.authority_bar($1, $2, true)"
    for asker, status in (
        (a_client(scene), "forbidden"),
        (COORDINATOR, "hidden"),
        (OFFICER, "forbidden"),
        (NURSE, "hidden"),
    ):
        assert (await service.fetchrow(bar, await scene.token(asker), friend))["status"] == status


@BOTH
async def test_p06_an_authority_that_ends_between_ask_and_take_gives_no_key(scene: Scene) -> None:
    authority = await insert_authority(scene)
    secret = await scene.token(acting(scene, authority))
    entry = await scene.ask(secret)
    done = await (await scene.service()).fetchrow(
        "SELECT * FROM vault.authority_end($1, $2)", await scene.token(a_client(scene)), authority
    )
    assert done["status"] == "done"
    assert await scene.take(secret, entry) == []


async def test_p06_a_download_under_an_authority_is_cut_when_it_ends(scene: Scene) -> None:
    authority, process = await insert_authority(scene), uuid.uuid4()
    secret = await scene.token(acting(scene, authority))
    service = await scene.service()
    answer = await service.fetchrow(
        "CALL vault.door($1, 'open', NULL, $2, $3)", secret, scene.paper, {"process": str(process)}
    )
    renew = "SELECT vault.renew($1, $2)"
    assert await service.fetchval(renew, process, [answer["entry"]]) == [answer["entry"]]
    await service.fetchrow("SELECT * FROM vault.authority_end($1, $2)", await scene.token(a_client(scene)), authority)
    assert await service.fetchval(renew, process, [answer["entry"]]) == []


@pytest.mark.parametrize(("scope", "status"), [("see", "hidden"), ("act", "done")])
async def test_p01_who_may_only_see_does_nothing(scene: Scene, scope: str, status: str) -> None:
    secret = await scene.token(acting(scene, await insert_authority(scene, scope=scope)))
    service = await scene.service()
    prohibit = await service.fetchrow(
        "SELECT * FROM vault.prohibition_record($1, $2, NULL, '{}')", secret, uuid.uuid4()
    )
    assert prohibit["status"] == status
    assert (await service.fetchrow(WITHDRAW, secret, uuid.uuid4(), scene.consent))["status"] == status


async def test_p01_an_authority_for_one_case_does_not_act_in_all(scene: Scene) -> None:
    secret = await scene.token(acting(scene, await insert_authority(scene, scope="act", case_id=scene.case)))
    service = await scene.service()
    wide = await service.fetchrow("SELECT * FROM vault.prohibition_record($1, $2, NULL, '{}')", secret, uuid.uuid4())
    assert wide["status"] == "hidden"
    narrow = await service.fetchrow(
        "SELECT * FROM vault.prohibition_record($1, $2, $3, '{}')", secret, uuid.uuid4(), scene.case
    )
    assert narrow["status"] == "done"


# ---------------------------------------------------------------- recording


def about(**more: Any) -> dict[str, Any]:
    return {"kind": "authorised", "scope": "see", "classes": []} | more


async def record(scene: Scene, asker: Asker, case: uuid.UUID | None, shown_in: uuid.UUID | None, **more: Any) -> str:
    secret, service = await scene.token(asker), await scene.service()
    done = await service.fetchrow(RECORD, secret, uuid.uuid4(), case, shown_in, about(**more), MAC, b"\1about")
    return str(done["status"])


async def test_p01_who_may_record_an_authority_and_how_wide(scene: Scene) -> None:
    adult, case = {"kind": "continuing-power"}, scene.case
    assert await record(scene, a_client(scene), None, None) == "done"
    assert await record(scene, a_client(scene), case, None) == "done"
    assert await record(scene, a_client(scene), None, None, **adult) == "forbidden"
    assert await record(scene, COORDINATOR, case, case, **adult) == "done"
    assert await record(scene, COORDINATOR, None, case, **adult) == "forbidden"
    assert await record(scene, OFFICER, None, case, **adult) == "done"
    assert await record(scene, OFFICER, case, case, kind="guardian") == "client-of-age"
    assert await record(scene, NURSE, case, case) == "hidden"
    assert await record(scene, Asker("client", client=uuid.uuid4()), case, None) == "hidden"
    assert await record(scene, Asker("client"), None, None) == "hidden"
    representative = acting(scene, await insert_authority(scene, scope="act"))
    assert await record(scene, representative, None, None) == "hidden"


async def test_nobody_is_their_own_representative(scene: Scene) -> None:
    await scene.database.insert("client_code", [{"code_mac": MAC, "client": scene.client, "recorded_at": NOON - DAY}])
    assert await record(scene, a_client(scene), None, None) == "own-representative"


async def test_p01_the_client_ends_what_they_gave_and_no_guardians(scene: Scene) -> None:
    service, hers = await scene.service(), await scene.token(a_client(scene))
    end = "SELECT * FROM vault.authority_end($1, $2)"
    for kind, status in (("authorised", "done"), ("continuing-power", "forbidden"), ("guardian", "forbidden")):
        authority = await insert_authority(scene, kind=kind)
        assert (await service.fetchrow(end, hers, authority))["status"] == status
    of_case, of_all = await insert_authority(scene, case_id=scene.case), await insert_authority(scene)
    assert (await service.fetchrow(end, await scene.token(COORDINATOR), of_all))["status"] == "hidden"
    assert (await service.fetchrow(end, await scene.token(COORDINATOR), of_case))["status"] == "done"
    assert (await service.fetchrow(end, await scene.token(OFFICER), of_all))["status"] == "done"


# ---------------------------------------------------------------- who may ask for what


@BOTH
async def test_p02_the_service_records_no_session_and_makes_no_authority(scene: Scene) -> None:
    service = await scene.service()
    for call in (
        "session_record($1, $1, 'x', $1, $1, '{}')", "visitor_record($1, 'x', $1, $1)", "session_touch($1)", "session_end($1)",
        "session_record_staff($1, 'x', 'x', 'x', NULL, 'care', $1, $1, $1, '{}')", "session_act_for($1, $1, NULL)", "providers()",
        "session_begin(NULL, 'x', $1, $1, '{}')", "provider_register('x', 'client', 'x', 'x', NULL, '{}')",
        "keep_identification($1, $1, now())", "authority_sessions_end(NULL, now())", "hold_provider('x')",
    ):  # fmt: skip
        arguments = [bytes(32)] if "$1" in call else []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.fetch(f"SELECT vault.{call}", *arguments)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute("INSERT INTO vault.authority SELECT * FROM vault.authority")


async def test_p02_a_visitor_gets_the_lookup_key_and_nothing_else(scene: Scene) -> None:
    await scene.database.insert(
        "wrapped_key",
        [{"kind": "lookup", "subject": "lookup", "parent": "root:01020304", "wrapped": bytes(61), "recorded_at": NOON}],
    )
    visitor = await scene.token(Asker("visitor"))
    service = await scene.service()
    found = await service.fetchrow("CALL vault.door($1, 'find', NULL, NULL, '{}')", visitor)
    assert [key["kind"] for key in found["keys"]] == ["lookup"]
    for target in ("cases", "inbox", "my-cases", "my-mandates", "my-log", "document", "log"):
        denied = await service.fetchrow(
            "CALL vault.door($1, 'list', $2, $3, $4)", visitor, scene.case, scene.paper, {"target": target}
        )
        assert denied["status"] != "permit", target
        assert not denied["keys"]
    assert (await scene.door(visitor))["status"] == "hidden"
    officer = await service.fetchrow("CALL vault.door($1, 'find', NULL, NULL, '{}')", await scene.token(OFFICER))
    assert [key["kind"] for key in officer["keys"]] == ["lookup"]


async def test_a_records_officer_joins_no_case_by_looking(scene: Scene) -> None:
    await (await scene.service()).fetchrow(
        "CALL vault.door($1, 'list', $2, NULL, $3)", await scene.token(OFFICER), scene.case, {"target": "authorities"}
    )
    assert await (await scene.owner()).fetchval("SELECT count(*) FROM vault.participant") == 0


async def test_agencies_and_coordinators_never_see_a_representatives_reads(scene: Scene) -> None:
    assert await read(scene, await insert_authority(scene)) == ("permit", 3)
    log = await (await scene.service()).fetchrow(
        "CALL vault.door($1, 'list', $2, NULL, $3)", await scene.token(COORDINATOR), scene.case, {"target": "log"}
    )
    assert log["status"] == "permit"
    assert "representative" not in str(log["facts"])
