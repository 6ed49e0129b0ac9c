"""`vault doctor` finds what is wrong, says what to do, and ends with 1."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Operator
from tests.support.database import Database, make_empty
from tests.support.postgres import Servers


def findings(operator: Operator) -> dict[str, list[dict[str, str]]]:
    result = operator.vault("doctor", "--json")
    by_subject: dict[str, list[dict[str, str]]] = {}
    for finding in json.loads(result.stdout):
        by_subject.setdefault(finding["what"], []).append(finding)
    wrong = any(one["state"] == "wrong" for found in by_subject.values() for one in found)
    assert result.exit_code == (1 if wrong else 0)
    return by_subject


def wrong(operator: Operator, what: str) -> dict[str, str]:
    """The one thing that is wrong about a subject; it comes with a remedy."""
    (found,) = [one for one in findings(operator)[what] if one["state"] == "wrong"]
    assert found["remedy"]
    return found


def test_a_vault_in_order(operator: Operator) -> None:
    found = findings(operator)
    # The tests' servers give up durability for speed, which is just what the doctor is there to notice.
    told = [one["found"] for ones in found.values() for one in ones if one["state"] == "wrong"]
    assert sorted(text.split(":")[0] for text in told) == ["fsync is off", "full_page_writes is off"]
    for role in ("owner", "service", "tokens", "worker", "sequencer", "monitor"):
        (one,) = found[f"database_url_{role}"]
        assert one["found"] == f"connects as vault_{role}, which may do no more than it needs"
    assert found["store"][0]["found"] == "can be written and read"


def test_it_is_told_for_people_too(operator: Operator) -> None:
    result = operator.vault("doctor")
    assert result.exit_code == 1
    assert "ok     issuer: http://127.0.0.1:8080\n" in result.stdout
    assert "wrong  server: fsync is off: an acknowledged document could be lost in a crash\n" in result.stdout
    assert "       set fsync = on in postgresql.conf\n" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("2 of ")


def test_nothing_set_names_what_is_needed(nobody: Operator) -> None:
    found = findings(nobody)
    for name in ("issuer", "database_url_service", "database_url_tokens", "store", "keyring"):
        assert found[name][0]["state"] == "wrong"
        assert found[name][0]["remedy"].startswith(f"give VAULT_{name.upper()}; expected ")
    assert found["database_url_worker"] == [
        {
            "state": "note",
            "what": "database_url_worker",
            "found": "is not set; vault worker would need it",
            "remedy": "",
        }
    ]


def test_the_worker_s_own_settings_need_not_be_the_service_s(operator: Operator) -> None:
    kept = ("database_url_worker", "store")
    operator.settings = {name: operator.settings[name] for name in kept}
    found = findings(operator)
    assert found["keyring"] == [
        {"state": "note", "what": "keyring", "found": "is not set; vault serve would need it", "remedy": ""}
    ]
    assert found["database_url_worker"][0]["state"] == "ok"


def test_every_wrong_setting_is_listed(nobody: Operator) -> None:
    nobody.settings |= {"pool_size": "0", "token_ttl_s": "soon"}
    found = [one["found"] for one in findings(nobody)["setting"]]
    assert found == [
        "pool_size: expected a whole number from 1 to 200",
        "token_ttl_s: expected whole seconds from 1 to 300",
    ]


def test_a_superuser_is_no_service(operator: Operator, vault_db: Database) -> None:
    operator.settings["database_url_service"] = vault_db.url("superuser")
    found = wrong(operator, "database_url_service")
    assert found["found"] == "logs in as postgres"
    assert found["remedy"] == "log in as vault_service: the grants are for that role"


async def test_a_role_that_was_given_more_is_found(operator: Operator, vault_db: Database) -> None:
    superuser = await vault_db.connect("superuser")
    await superuser.execute("ALTER ROLE vault_monitor BYPASSRLS; GRANT vault_worker TO vault_monitor")
    try:
        process = operator.start("doctor")
        told, _ = process.communicate(timeout=60)
    finally:
        await superuser.execute("ALTER ROLE vault_monitor NOBYPASSRLS; REVOKE vault_worker FROM vault_monitor")
    assert process.returncode == 1
    assert "vault_monitor is free of row security and a member of vault_worker" in told


async def test_synchronous_commit_off_is_found(operator: Operator, vault_db: Database) -> None:
    superuser = await vault_db.connect("superuser")
    await superuser.execute("ALTER ROLE vault_sequencer SET synchronous_commit = off")
    try:
        process = operator.start("doctor")
        told, _ = process.communicate(timeout=60)
    finally:
        await superuser.execute("ALTER ROLE vault_sequencer RESET synchronous_commit")
    assert "wrong  database_url_sequencer: synchronous_commit is off" in told


def test_a_wrong_password(operator: Operator) -> None:
    operator.settings["database_url_tokens"] = operator.settings["database_url_tokens"].replace("insecure-", "secret-")
    assert wrong(operator, "database_url_tokens")["found"] == "the database refuses this role or its password"
    assert "secret-password" not in operator.vault("doctor").output


@pytest.fixture
async def empty(postgres_servers: Servers) -> Database:
    return await make_empty(await postgres_servers.started("18"))


def test_a_database_without_the_schema(operator: Operator, empty: Database) -> None:
    operator.settings["database_url_owner"] = empty.url("owner")
    found = wrong(operator, "schema")
    assert (found["found"], found["remedy"]) == ("the database has no vault schema", "run: vault migrate")
    told = operator.told("migrate")
    assert told.startswith("applied 0001_tables.sql\n")
    assert findings(operator)["schema"][0]["state"] == "ok"


async def test_a_schema_of_another_version(operator: Operator, vault_db: Database) -> None:
    await (await vault_db.owner()).execute("UPDATE vault.migration SET digest = 'other' WHERE name = 'functions'")
    process = operator.start("doctor")
    told, _ = process.communicate(timeout=60)
    assert "wrong  schema: not of this version: functions\n       run: vault migrate\n" in told


def test_a_keyring_that_others_can_read(operator: Operator) -> None:
    keys = Path(operator.settings["keyring"])
    keys.chmod(0o750)
    assert wrong(operator, "keyring")["found"] == f"{keys} has mode 0750, others could use it; run: chmod 700 {keys}"


def test_a_store_that_cannot_be_made(operator: Operator) -> None:
    (operator.directory / "file").write_text("")
    operator.settings["store"] = f"file://{operator.directory / 'file' / 'objects'}"
    assert wrong(operator, "store")["found"]


def test_more_connections_than_the_server_allows(operator: Operator) -> None:
    operator.settings["pool_size"] = "200"
    told = [one["found"] for one in findings(operator)["server"] if one["state"] == "wrong"]
    assert "254 connections may be opened, the server allows 100" in told
