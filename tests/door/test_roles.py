"""Who may call what: the whole surface of the database's functions, read from its own catalogue."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import asyncpg
import pytest

from tests.support.scene import NURSE, Scene

BOTH = pytest.mark.parametrize("vault_db", ["18", "15"], indirect=True)
RUNNING_ROLES = ("service", "tokens", "worker", "sequencer", "monitor")
TOKENS_ONLY = {
    "application_record", "token_record", "token_revoke", "burn", "providers", "visitor_record", "session_record", "session_record_staff", "session_touch",
    "session_end", "session_language", "session_act_for",
}  # fmt: skip

FUNCTIONS = """
SELECT p.proname AS name, p.oid::regprocedure::text AS signature, p.prosecdef AS definer, p.prokind AS kind,
    pg_get_userbyid(p.proowner) AS owner, coalesce(p.proconfig, '{}') AS config, p.prosrc AS source,
    has_function_privilege('public', p.oid, 'EXECUTE') AS public,
    ARRAY(SELECT r FROM unnest($1::text[]) r WHERE has_function_privilege('vault_' || r, p.oid, 'EXECUTE')) AS callers
FROM pg_proc p WHERE p.pronamespace = 'vault'::regnamespace ORDER BY 2
"""


async def functions(scene: Scene) -> list[Any]:
    found = list(await (await scene.owner()).fetch(FUNCTIONS, list(RUNNING_ROLES)))
    assert {"ask", "take", "door", "token_record", "consent_withdraw"} < {f["name"] for f in found}
    return found


@BOTH
async def test_p02_definers_belong_to_a_role_that_nobody_can_be(scene: Scene) -> None:
    owner = await scene.owner()
    door = await owner.fetchrow("SELECT * FROM pg_roles WHERE rolname = 'vault_door'")
    powers = ("rolcanlogin", "rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb", "rolreplication", "rolinherit")
    assert not any(door[power] for power in powers)
    for function in await functions(scene):
        assert function["owner"] == ("vault_door" if function["definer"] else "vault_owner"), function["signature"]


@BOTH
async def test_p02_definers_have_a_fixed_path_and_a_bounded_wait(scene: Scene) -> None:
    for function in await functions(scene):
        config = set(function["config"])
        if function["definer"]:
            assert "search_path=pg_catalog, pg_temp" in config, function["signature"]
        if function["callers"] and function["name"] != "door":
            assert function["definer"], function["signature"]
            assert config & {"lock_timeout=2s", "lock_timeout=500ms"}, function["signature"]


@BOTH
async def test_p02_nothing_is_open_to_everybody(scene: Scene) -> None:
    owner = await scene.owner()
    assert [f["signature"] for f in await functions(scene) if f["public"]] == []
    assert not await owner.fetchval("SELECT has_schema_privilege('public', 'vault', 'USAGE')")
    for right in ("CREATE", "TEMP", "CONNECT"):
        assert not await owner.fetchval("SELECT has_database_privilege('public', current_database(), $1)", right)
    for role in (*RUNNING_ROLES, "door"):
        for right in ("CREATE", "TEMP"):
            assert not await owner.fetchval(
                "SELECT has_database_privilege($1, current_database(), $2)", f"vault_{role}", right
            )
        assert not await owner.fetchval("SELECT has_schema_privilege($1, 'vault', 'CREATE')", f"vault_{role}")


@BOTH
async def test_p02_the_door_commits_because_it_is_plain(scene: Scene) -> None:
    """SECURITY INVOKER without any SET; and every name in it says where it lives."""
    (door,) = [f for f in await functions(scene) if f["name"] == "door"]
    assert (door["kind"], door["definer"], list(door["config"])) == (b"p", False, [])
    called = re.findall(r"(?<![\w.])(\w+)\(", re.sub(r"--.*|'[^']*'", "", door["source"]))
    assert {name for name in called if name.upper() not in {"ARRAY", "OPERATOR"}} == set()
    assert "OPERATOR(pg_catalog.=)" in door["source"]


@BOTH
async def test_p02_no_statement_is_built_from_text(scene: Scene) -> None:
    """Only the owner's own set-up builds statements; none of what a running role reaches does."""
    building = {f["name"] for f in await functions(scene) if re.search(r"\bEXECUTE\b", f["source"], re.IGNORECASE)}
    assert building <= {"make_partitions", "log_prune"}
    assert all(not f["callers"] for f in await functions(scene) if f["name"] in building)


@BOTH
async def test_no_body_depends_on_how_a_session_reads_backslashes(scene: Scene) -> None:
    """A body is parsed by the session that first calls it, under its standard_conforming_strings."""
    called = [f["name"] for f in await functions(scene) if "\\" in f["source"]]
    assert called == []


@BOTH
async def test_p02_service_and_tokens_share_nothing(scene: Scene) -> None:
    """Who can record a token cannot ask, and who can ask cannot record one."""
    by_role = {role: {f["name"] for f in await functions(scene) if role in f["callers"]} for role in RUNNING_ROLES}
    assert by_role["tokens"] == TOKENS_ONLY
    for role in ("service", "worker", "sequencer", "monitor"):
        assert not by_role[role] & TOKENS_ONLY
    assert {"ask", "take", "door"} <= by_role["service"]
    assert not {"ask", "take", "door"} & (by_role["tokens"] | by_role["sequencer"] | by_role["monitor"])
    registry = {"agency_register", "application_register", "application_key_add", "professional_register",
                "professional_role_add", "suspend", "key_install", "make_partitions"}  # fmt: skip
    inner = {"asker", "decide", "may_read", "may_file", "listing", "move", "tell", "store_keys", "write_entry", "conclude",
             "clock", "entry_of", "provisions_at"}  # fmt: skip
    assert not (registry | inner) & set().union(*by_role.values())


async def test_p02_the_service_calls_no_inner_function(scene: Scene) -> None:
    service, tokens = await scene.service(), await scene.database.as_role("tokens")
    secret = await scene.token()
    for statement in (
        "SELECT vault.token_record('', 'professional', 'app-pirha', 'pirha-1', 'nurse', NULL, 'care', '', '', '', now(), now(), '')",
        "SELECT vault.burn('assertion', '\\x00', now())",
        "SELECT vault.token_revoke('\\x00', 'app-pirha')",
        "SELECT vault.suspend('kela', NULL, true)",
        "SELECT vault.agency_register('ulko', '{}')",
        "SELECT vault.write_entry(NULL)",
        "SELECT vault.move('case:1')",
        "SELECT vault.store_keys('{}', now())",
        "SELECT vault.asker('\\x00', now())",
        "SELECT vault.decide(NULL, 'pirha', NULL, 'nurse', NULL, 'read', 'care', now())",
        "SELECT vault.clock()",
        "SELECT vault.key_install(NULL)",
        "SELECT vault.make_partitions('2026-01-01', 1)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(statement)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await tokens.fetchrow("CALL vault.door($1, 'open', NULL, $2, '{}')", secret, scene.paper)
    for call in ("vault.ask($1, 'open', NULL, $2, '{}')", "vault.take($1, $2)"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await tokens.fetchrow(f"SELECT * FROM {call}", secret, scene.paper)


@BOTH
async def test_running_roles_are_no_members_and_hold_no_powers(scene: Scene) -> None:
    owner = await scene.owner()
    for role in (f"vault_{name}" for name in RUNNING_ROLES):
        row = await owner.fetchrow("SELECT * FROM pg_roles WHERE rolname = $1", role)
        assert not any(row[p] for p in ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb", "rolreplication"))
        others = await owner.fetch(
            "SELECT rolname FROM pg_roles WHERE pg_has_role($1, oid, 'MEMBER') AND rolname <> $1", role
        )
        assert others == []


@pytest.mark.parametrize(
    ("change", "outcome"),
    [({"role": "coach"}, "role-not-registered"), ({"professional": "nobody"}, "unknown-professional"),
     ({"unit": "pirha/muu"}, "unit-not-registered"), ({"agency": "ulko"}, "unknown-application")],
)  # fmt: skip
async def test_a_token_for_what_is_not_registered(scene: Scene, change: dict[str, str], outcome: str) -> None:
    with pytest.raises(AssertionError, match=outcome):
        await scene.token(NURSE._replace(**change))


async def test_a_token_lives_six_minutes_at_most_and_a_jti_once(scene: Scene) -> None:
    tokens = await scene.database.as_role("tokens")
    call = "SELECT vault.token_record($1, 'professional', 'app-pirha', 'pirha-1', 'nurse', NULL, 'care', $2, '\\x01', $3, $4, $4, NULL)"
    soon, late = scene.now + dt.timedelta(minutes=5), scene.now + dt.timedelta(minutes=7)
    with pytest.raises(asyncpg.InvalidParameterValueError):
        await tokens.fetchval(call, b"1" * 32, bytes(32), b"jti", late)
    assert await tokens.fetchval(call, b"1" * 32, bytes(32), b"jti", soon) == "recorded"
    assert await tokens.fetchval(call, b"2" * 32, bytes(32), b"jti", soon) == "replayed"
    with pytest.raises(asyncpg.InvalidParameterValueError):
        await tokens.fetchval(call.replace("'professional'", "'client'"), b"3" * 32, bytes(32), b"other", soon)
