"""Attacks with the service's own password and any SQL: what an injection in a handler could do. All are refused.

Promise P2: the role the service runs under can neither read the keys' table nor change or delete a log entry, nor get a
key and roll its entry back.
"""

from __future__ import annotations

import uuid
from typing import Any

import asyncpg
import pytest

from tests.support.scene import COORDINATOR, NURSE, PHYSICIAN, Scene

BOTH = pytest.mark.parametrize("vault_db", ["18", "15"], indirect=True)
NOT_ALLOWED = asyncpg.InsufficientPrivilegeError
RUNNING_ROLES = ("service", "tokens", "worker", "sequencer", "monitor")
TABLES = (
    "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'vault'::regnamespace AND c.relkind IN ('r', 'p', 'S')"
)
CALL = "CALL vault.door($1, 'open', NULL, $2, '{}')"


async def tables(scene: Scene) -> list[str]:
    names = [row[0] for row in await (await scene.owner()).fetch(TABLES)]
    assert {"wrapped_key", "entry", "token", "consent", "member", "document", "suspension", "clearance"} < {*names}
    return names


async def test_the_way_that_is_open(scene: Scene) -> None:
    """What the attacks go round: one call gives the chain of keys and leaves one entry."""
    answer = await scene.door(await scene.token())
    assert (answer["status"], answer["basis"]) == ("permit", "consent")
    kinds = {key["kind"] for key in answer["keys"]}
    assert kinds == {"document", "case", "epoch"}
    assert [e["act"] for e in await scene.entries()] == ["open"]


@BOTH
async def test_p02_the_service_reads_no_table(scene: Scene) -> None:
    service = await scene.service()
    for name in await tables(scene):
        with pytest.raises(NOT_ALLOWED):
            await service.fetch(f"SELECT * FROM vault.{name}")


@BOTH
async def test_p02_the_service_writes_no_table(scene: Scene) -> None:
    service = await scene.service()
    for name in await tables(scene):
        statements = [f"DELETE FROM vault.{name}", f"TRUNCATE vault.{name} CASCADE"]
        statements += [f"INSERT INTO vault.{name} DEFAULT VALUES", f"COPY vault.{name} FROM STDIN"]
        for statement in statements:
            with pytest.raises((NOT_ALLOWED, asyncpg.WrongObjectTypeError)):
                await service.execute(statement)
        with pytest.raises((NOT_ALLOWED, asyncpg.WrongObjectTypeError)):
            async with service.transaction():
                await service.execute(f"LOCK TABLE vault.{name} IN ACCESS SHARE MODE")


async def test_p02_no_running_role_holds_a_right_to_write(scene: Scene) -> None:
    owner = await scene.owner()
    for role in RUNNING_ROLES:
        for name in await tables(scene):
            held = await owner.fetch(
                "SELECT p FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p "
                "WHERE CASE WHEN $2::text LIKE '%seq' THEN has_sequence_privilege($1, 'vault.' || $2, 'USAGE') "
                "ELSE has_table_privilege($1, 'vault.' || $2, p) END",
                f"vault_{role}", name,
            )  # fmt: skip
            assert not held, (role, name, held)


@BOTH
async def test_p02_nobody_changes_or_deletes_an_entry(scene: Scene) -> None:
    """Not even the role that owns the door's functions; partitions included."""
    owner = await scene.owner()
    parts = [name for name in await tables(scene) if name == "entry" or name.startswith("entry_2") or "default" in name]
    assert len(parts) > 20
    for role in ("door", *RUNNING_ROLES):
        for name in parts:
            for right in ("UPDATE", "DELETE", "TRUNCATE"):
                assert not await owner.fetchval(
                    "SELECT has_table_privilege($1, $2, $3)", f"vault_{role}", f"vault.{name}", right
                )
            assert not await owner.fetchval(
                "SELECT has_any_column_privilege($1, $2, 'UPDATE')", f"vault_{role}", f"vault.{name}"
            )


@BOTH
async def test_p02_facts_are_never_changed_by_the_door(scene: Scene) -> None:
    """What a decision rests on is append-only: the door's role has no right to update or delete it."""
    owner = await scene.owner()
    changed = await owner.fetch(
        f"SELECT relname FROM ({TABLES}) x WHERE relname NOT LIKE '%seq' AND "
        "(has_table_privilege('vault_door', 'vault.' || relname, 'UPDATE') "
        " OR has_table_privilege('vault_door', 'vault.' || relname, 'DELETE'))"
    )
    facts = {"consent", "provision", "withdrawal", "member", "member_end", "document", "filing", "document_mark",
             "suspension", "prohibition", "prohibition_end", "client", "client_death", "client_case", "case_state",
             "consent_confirmation", "agency", "professional", "catalogue_type"}  # fmt: skip
    assert not facts & {row[0] for row in changed}


async def test_take_without_ask(scene: Scene) -> None:
    secret = await scene.token()
    assert await scene.take(secret, uuid.uuid4()) == []


async def test_take_of_a_denial(scene: Scene) -> None:
    secret = await scene.token(NURSE._replace(purpose="benefit-decision"))
    answer = await scene.door(secret)
    assert (answer["status"], answer["keys"]) == ("hidden", None)
    assert await scene.take(secret, answer["entry"]) == []


async def test_take_of_what_must_be_confirmed_first(scene: Scene) -> None:
    owner = await scene.owner()
    await owner.execute("UPDATE vault.document SET protected_classes = '{genetics}' WHERE id = $1", scene.paper)
    await owner.execute("UPDATE vault.provision SET protected_classes = '{genetics}'")
    secret = await scene.token()
    answer = await scene.door(secret)
    assert (answer["status"], answer["keys"]) == ("confirm", None)
    assert await scene.take(secret, answer["entry"]) == []
    assert (await scene.door(secret, confirmed=["genetics"]))["keys"]


async def test_take_twice(scene: Scene) -> None:
    secret = await scene.token()
    entry = await scene.ask(secret)
    assert len(await scene.take(secret, entry)) == 3
    assert await scene.take(secret, entry) == []


async def test_take_what_the_door_gave(scene: Scene) -> None:
    secret = await scene.token()
    answer = await scene.door(secret)
    assert await scene.take(secret, answer["entry"]) == []


@pytest.mark.parametrize(
    "other", [NURSE, NURSE._replace(professional="pirha-2"), PHYSICIAN], ids=["same", "colleague", "else"]
)
async def test_take_another_askers_entry(scene: Scene, other: Any) -> None:
    """Another token, even of the same professional, is another asker."""
    secret = await scene.token()
    entry = await scene.ask(secret)
    assert await scene.take(await scene.token(other), entry) == []
    assert len(await scene.take(secret, entry)) == 3


@BOTH
async def test_p02_ask_and_roll_back_then_take(scene: Scene) -> None:
    service, secret = await scene.service(), await scene.token()
    transaction = service.transaction()
    await transaction.start()
    entry = await scene.ask(secret)
    await transaction.rollback()
    assert await scene.take(secret, entry) == []
    assert await scene.entries() == []


@BOTH
async def test_p02_ask_and_take_in_one_transaction(scene: Scene) -> None:
    service, secret = await scene.service(), await scene.token()
    async with service.transaction():
        entry = await scene.ask(secret)
        assert await scene.take(secret, entry) == []
    assert len(await scene.take(secret, entry)) == 3


@BOTH
async def test_p02_ask_in_a_savepoint_that_is_rolled_back(scene: Scene) -> None:
    service, secret = await scene.service(), await scene.token()
    async with service.transaction():
        savepoint = service.transaction()
        await savepoint.start()
        entry = await scene.ask(secret)
        await savepoint.rollback()
        assert await scene.take(secret, entry) == []
    assert await scene.take(secret, entry) == []


async def test_p02_ask_and_take_in_one_statement(scene: Scene) -> None:
    service, secret = await scene.service(), await scene.token()
    taken = await service.fetch(
        "SELECT k.* FROM vault.ask($1, 'open', NULL, $2, '{}') a CROSS JOIN LATERAL vault.take($1, a.entry) k",
        secret, scene.paper,
    )  # fmt: skip
    assert taken == []


async def test_take_from_an_ask_that_is_still_open(scene: Scene) -> None:
    secret = await scene.token()
    asking = await scene.database.connect("service")
    transaction = asking.transaction()
    await transaction.start()
    entry = await scene.ask(secret, asking)
    assert await scene.take(secret, entry) == []
    await transaction.rollback()
    assert await scene.take(secret, entry) == []


async def test_p02_take_and_roll_back_leaves_the_entry(scene: Scene) -> None:
    """Who has taken and rolls back has the keys once more for five seconds, and the entry that says so stays."""
    service, secret = await scene.service(), await scene.token()
    entry = await scene.ask(secret)
    transaction = service.transaction()
    await transaction.start()
    assert await scene.take(secret, entry)
    await transaction.rollback()
    assert [e["id"] for e in await scene.entries()] == [entry]


@BOTH
async def test_p02_the_door_inside_a_transaction(scene: Scene) -> None:
    service, secret = await scene.service(), await scene.token()
    with pytest.raises(asyncpg.InvalidTransactionTerminationError):
        async with service.transaction():
            await service.fetchrow(CALL, secret, scene.paper)
    assert await scene.entries() == []


async def test_p02_the_door_inside_a_block_that_swallows_errors(scene: Scene) -> None:
    service, secret = await scene.service(), await scene.token()
    outputs = "e uuid; a timestamptz; l bytea; s text; b text; c uuid; p int; r text[]; f jsonb; k vault.key_row[]"
    call = f"CALL vault.door('\\x{secret.hex()}', 'open', NULL, '{scene.paper}', '{{}}', e, a, l, s, b, c, p, r, f, k)"
    block = f"DO $$ DECLARE {outputs}; BEGIN {call}; EXCEPTION WHEN OTHERS THEN RAISE; END $$"
    with pytest.raises(asyncpg.InvalidTransactionTerminationError):
        await service.execute(block)
    assert await scene.entries() == []


@BOTH
async def test_p03_without_synchronous_commit_there_is_no_key(scene: Scene) -> None:
    service, secret = await scene.service(), await scene.token()
    entry = await scene.ask(secret)
    await service.execute("SET synchronous_commit = off")
    answer = await service.fetchrow(CALL, secret, scene.paper)
    assert (answer["status"], answer["keys"], answer["entry"]) == ("not-durable", None, None)
    assert await scene.take(secret, entry) == []
    await service.execute("SET synchronous_commit = on")
    assert await scene.take(secret, entry)


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
async def test_p06_take_by_an_old_snapshot(scene: Scene, level: str) -> None:
    """A transaction that saw the world before the withdrawal must not take by what it saw."""
    secret = await scene.token()
    entry = await scene.ask(secret)
    stale = await scene.database.connect("service")
    async with stale.transaction(isolation=level.replace(" ", "_")):
        await stale.fetchval("SELECT 1")
        await withdraw(scene)
        assert await scene.take(secret, entry, stale) == []


async def withdraw(scene: Scene) -> None:
    service = await scene.service()
    done = await service.fetchrow(
        "SELECT * FROM vault.consent_withdraw($1, $2, $3, NULL, NULL, NULL)",
        await scene.token(COORDINATOR), uuid.uuid4(), scene.consent,
    )  # fmt: skip
    assert done["status"] == "done"


async def test_p02_the_service_makes_nothing(scene: Scene) -> None:
    service = await scene.service()
    for statement in (
        "CREATE SCHEMA evil",
        "CREATE TEMP TABLE token (x int)",
        "CREATE TEMP VIEW token AS SELECT 1",
        "CREATE TABLE public.token (x int)",
        "CREATE TABLE vault.mine (x int)",
        "CREATE FUNCTION public.sha256(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT $1'",
        "CREATE FUNCTION pg_temp.sha256(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT $1'",
        "CREATE FUNCTION vault.clock2() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'",
        "CREATE OR REPLACE FUNCTION vault.clock() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'",
        "ALTER FUNCTION vault.clock() OWNER TO vault_service",
        "CREATE TRIGGER t AFTER INSERT ON vault.entry EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE POLICY p ON vault.entry",
        "CREATE EXTENSION dblink",
        "CREATE ROLE evil",
        "GRANT vault_door TO vault_service",
        "GRANT SELECT ON vault.wrapped_key TO vault_service",
        "ALTER ROLE vault_service SUPERUSER",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "COPY (SELECT 1) TO '/tmp/evil'",
        "SELECT pg_read_file('postgresql.conf')",
    ):
        with pytest.raises(
            (
                NOT_ALLOWED,
                asyncpg.UndefinedObjectError,
                asyncpg.FeatureNotSupportedError,
                asyncpg.InvalidGrantOperationError,
            )
        ):
            await service.execute(statement)


@pytest.mark.parametrize(
    "role", ["vault_door", "vault_owner", "vault_tokens", "vault_worker", "vault_monitor", "postgres"]
)
async def test_p02_the_service_becomes_nobody_else(scene: Scene, role: str) -> None:
    service = await scene.service()
    for statement in (f"SET ROLE {role}", f"SET SESSION AUTHORIZATION {role}"):
        with pytest.raises(NOT_ALLOWED):
            await service.execute(statement)


EVIL = """
CREATE SCHEMA evil;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE TABLE evil.called (what text);
GRANT INSERT, SELECT ON evil.called TO PUBLIC;
CREATE FUNCTION evil.equal(text, text) RETURNS boolean LANGUAGE plpgsql AS
    'BEGIN INSERT INTO evil.called VALUES (''=''); RETURN true; END';
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.equal);
CREATE FUNCTION evil.less(timestamptz, timestamptz) RETURNS boolean LANGUAGE plpgsql AS
    'BEGIN INSERT INTO evil.called VALUES (''<''); RETURN false; END';
CREATE OPERATOR evil.> (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = evil.less);
CREATE FUNCTION evil.sha256(bytea) RETURNS bytea LANGUAGE plpgsql AS
    'BEGIN INSERT INTO evil.called VALUES (''sha256''); RETURN $1; END';
CREATE FUNCTION evil.pg_xact_status(xid8) RETURNS text LANGUAGE plpgsql AS
    'BEGIN INSERT INTO evil.called VALUES (''status''); RETURN ''committed''; END';
CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE plpgsql AS
    'BEGIN INSERT INTO evil.called VALUES (''setting''); RETURN ''on''; END';
"""


@BOTH
async def test_p02_a_poisoned_search_path(scene: Scene) -> None:
    """Were there a schema full of traps, the door would not step into one."""
    superuser = await scene.database.connect("superuser")
    await superuser.execute(EVIL)
    service = await scene.service()
    await scene.door(bytes(32))  # the driver learns the answer's types here, by the search path of the day
    await service.execute("SET search_path = evil, pg_temp, pg_catalog")
    assert await service.fetchval("SELECT 'a' OPERATOR(evil.=) 'b'::text")
    await superuser.execute("TRUNCATE evil.called")
    refused = await scene.door(await scene.token(NURSE._replace(purpose="benefit-decision")))
    permitted = await scene.door(await scene.token())
    assert (refused["status"], refused["keys"]) == ("hidden", None)
    assert permitted["keys"]
    assert await superuser.fetch("SELECT * FROM evil.called") == []


@pytest.mark.parametrize(
    "setting",
    ["TimeZone = 'Asia/Tokyo'", "DateStyle = 'German'", "IntervalStyle = 'sql_standard'", "bytea_output = 'escape'",
     "standard_conforming_strings = off", "transform_null_equals = on", "array_nulls = off", "client_encoding = 'LATIN1'",
     "default_transaction_isolation = 'serializable'", "plan_cache_mode = force_generic_plan", "lock_timeout = '1h'",
     "search_path = ''"],
)  # fmt: skip
async def test_p02_no_setting_of_the_session_changes_an_answer(scene: Scene, setting: str) -> None:
    service = await scene.service()
    await service.execute("SET escape_string_warning = off")
    await service.execute(f"SET {setting}")
    refused = await scene.door(await scene.token(NURSE._replace(purpose="benefit-decision")))
    assert (refused["status"], refused["keys"]) == ("hidden", None)
    permitted = await scene.door(await scene.token())
    assert permitted["status"] == "permit"
    assert bool(permitted["keys"]) == ("isolation" not in setting)  # in doubt there is no key
    recomputed = "SELECT count(*) FROM vault.entry e WHERE e.leaf = vault.entry_leaf(e.id, vault.entry_commitments(e))"
    assert await (await scene.owner()).fetchval(recomputed) == 2


async def test_an_act_that_the_door_does_not_know(scene: Scene) -> None:
    secret = await scene.token()
    for act in ("consent-withdraw", "outcome", "OPEN", ""):
        with pytest.raises(asyncpg.InvalidParameterValueError):
            await scene.door(secret, act)
    assert await scene.entries() == []


async def test_a_secret_that_is_not_recorded(scene: Scene) -> None:
    for secret in (bytes(32), b"", b"x" * 1000):
        answer = await scene.door(secret)
        assert (answer["status"], answer["entry"], answer["keys"]) == ("unauthenticated", None, None)


async def test_the_digest_of_a_token_is_no_token(scene: Scene) -> None:
    await scene.token()
    digest = await (await scene.owner()).fetchval("SELECT secret_sha256 FROM vault.token")
    assert (await scene.door(digest))["status"] == "unauthenticated"


@pytest.mark.parametrize("act", ["export", "package", "verify", "repair", "rewrap", "destroy"])
async def test_acts_that_no_rule_permits_a_coordinator(scene: Scene, act: str) -> None:
    answer = await scene.door(await scene.token(COORDINATOR), act)
    # An export is a client's own: to anybody else there is none.
    refused = "hidden" if act == "export" else "forbidden"
    assert (answer["status"], answer["keys"], answer["facts"]) == (refused, None, None)
    assert [e["decision"] for e in await scene.entries()] == ["deny"]
