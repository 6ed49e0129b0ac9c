"""`vault doctor` finds what is wrong, says what to do, and ends with 1."""

from __future__ import annotations

import datetime as dt
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Operator
from tests.support.database import Database, make_empty
from tests.support.postgres import Servers
from tests.support.proxy import ProxyThread
from tests.support.rgw import Account, Gateway, Gateways
from tests.support.scene import NOON
from vault.adapters.keyring.file import FileKeyring
from vault.adapters.postgres.registry import Registry
from vault.cli import checks_keys
from vault.cli.checks_standing import of_settings
from vault.settings import load_settings


@pytest.fixture
async def operator(operator: Operator, vault_db: Database) -> Operator:
    """With a vault whose lookup key stands, as `vault key create` leaves it."""
    keyring = FileKeyring(Path(operator.settings["keyring"]))
    await Registry(await vault_db.owner(), keyring).install_key(keyring.new_lookup_key())
    return operator


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


@pytest.mark.parametrize(
    ("days", "earlier", "state", "says"),
    [
        (1, False, "ok", "has signed for 1 days"), (80, False, "note", "to be changed within 9 days"),
        (91, False, "wrong", "has signed for 91 days"), (0, True, "note", "stands for five minutes more"),
        (1 / 24, True, "note", "may be ended now"), (3, True, "wrong", "still stands 3 days after"),
    ],
)  # fmt: skip
def test_a_key_that_signs_tokens_too_long_or_was_not_ended_is_told(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, days: float, earlier: bool, state: str, says: str
) -> None:
    keyring = FileKeyring(Path(operator.settings["keyring"]))
    if earlier:
        keyring.new_issuer_key()
    at = dt.datetime.now(dt.UTC) + dt.timedelta(days=days, seconds=1)
    monkeypatch.setattr(checks_keys, "now", lambda: at)
    told = findings(operator)["token-signing key"]
    assert [one["state"] for one in told if says in one["found"]] == [state]


def test_a_store_that_cannot_be_made(operator: Operator) -> None:
    (operator.directory / "file").write_text("")
    operator.settings["store"] = f"file://{operator.directory / 'file' / 'objects'}"
    assert wrong(operator, "store")["found"]


def test_more_connections_than_the_server_allows(operator: Operator) -> None:
    operator.settings["pool_size"] = "200"
    told = [one["found"] for one in findings(operator)["server"] if one["state"] == "wrong"]
    assert "254 connections may be opened, the server allows 100" in told


# ------------------------------------------------------------------------------------------------- permissions, clock, keys


async def told_after(
    operator: Operator, vault_db: Database, statement: str, undo: str = "SELECT 1"
) -> list[dict[str, Any]]:
    """What is wrong once an administrator has done this; asked by a process of its own."""
    superuser = await vault_db.connect("superuser")
    await superuser.execute(statement)
    try:
        process = operator.start("doctor", "--json")
        said, _ = process.communicate(timeout=60)
    finally:
        await superuser.execute(undo)
    return [one for one in json.loads(said) if one["state"] == "wrong" and "is off:" not in one["found"]]


@pytest.mark.parametrize(
    ("statement", "undo", "what", "found"),
    [
        ("GRANT SELECT ON vault.entry TO vault_service", "", "database_url_service", "may go past the door: it holds rights on entry"),
        ("GRANT SELECT (sealed_about) ON vault.document TO vault_worker", "", "database_url_worker", "may go past the door: it holds rights on document"),
        ("GRANT UPDATE ON vault.entry TO vault_monitor", "", "database_url_monitor", "may go past the door: it holds rights on entry"),
        ("GRANT CREATE ON SCHEMA public TO vault_tokens", "", "database_url_tokens", "may make tables of its own"),
        ("GRANT EXECUTE ON FUNCTION vault.take TO PUBLIC", "", "schema", "1 functions may be called by everybody"),
        ("REVOKE USAGE ON SCHEMA vault FROM vault_monitor; REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA vault FROM vault_monitor", "", "database_url_monitor", "may call none of the vault's functions"),
    ],
)  # fmt: skip
async def test_rights_that_were_given_or_taken_by_hand_are_found(
    operator: Operator, vault_db: Database, statement: str, undo: str, what: str, found: str
) -> None:
    [wrong] = await told_after(operator, vault_db, statement, undo or "SELECT 1")
    assert (wrong["what"], wrong["found"]) == (what, found)
    assert wrong["remedy"]


async def test_a_clock_that_was_replaced_is_found(operator: Operator, vault_db: Database) -> None:
    await vault_db.set_clock(NOON)
    [wrong] = await told_after(operator, vault_db, "SELECT 1")
    assert wrong["what"] == "clock"
    assert wrong["found"].endswith("off the server's own: it was replaced")


async def test_a_month_without_a_partition_is_found(operator: Operator, vault_db: Database) -> None:
    month = (dt.datetime.now(dt.UTC).date().replace(day=1) + dt.timedelta(days=32)).strftime("%Y%m")
    [wrong] = await told_after(operator, vault_db, f"DROP TABLE vault.entry_{month}")
    assert (wrong["what"], wrong["remedy"][:19]) == ("log partitions", "run: vault migrate;")


def test_a_keyring_without_a_root_key_that_is_in_use_is_found(operator: Operator, tmp_path: Path) -> None:
    FileKeyring.create_new(tmp_path / "others")
    operator.settings["keyring"] = str(tmp_path / "others")
    assert wrong(operator, "keys")["found"].startswith("the keyring lacks the root key ")


async def test_a_missing_lookup_key_is_found(operator: Operator, vault_db: Database) -> None:
    [wrong] = await told_after(operator, vault_db, "DELETE FROM vault.wrapped_key")
    assert wrong["found"] == "there is no lookup key: nobody can be found by code"


# ------------------------------------------------------------------------------------------------- settings and connections


def test_settings_that_others_can_read(operator: Operator, tmp_path: Path) -> None:
    file = tmp_path / "vault.toml"
    file.write_text("pool_size = 8\n")
    file.chmod(0o640)
    assert wrong(operator, "settings file")["remedy"] == "chmod 600 vault.toml"
    file.chmod(0o600)
    assert findings(operator)["settings file"][0]["state"] == "ok"


@pytest.mark.parametrize(
    ("settings", "wrong_about"),
    [
        ({"DATABASE_URL_SERVICE": "postgresql://vault_service:x@db.example/vault"}, ["database_url_service"]),
        ({"DATABASE_URL_SERVICE": "postgresql://vault_service:x@db.example/vault?sslmode=require"}, ["database_url_service"]),
        ({"DATABASE_URL_SERVICE": "postgresql://vault_service:x@db.example/vault?sslmode=verify-full"}, []),
        ({"DATABASE_URL_SERVICE": "postgresql://vault_service:x@127.0.0.1/vault"}, []),
        ({"DATABASE_URL_SERVICE": "postgresql://vault_service:x@/vault?host=/run/postgresql"}, []),
        ({"STORE": "s3://objects?endpoint=http://store.example"}, ["store"]),
        ({"STORE": "s3://objects?endpoint=https://store.example"}, []),
        ({"STORE": "s3://objects?endpoint=http://127.0.0.1:9000"}, []),
    ],
)  # fmt: skip
def test_what_would_travel_in_clear_is_told(tmp_path: Path, settings: dict[str, str], wrong_about: list[str]) -> None:
    given = {"STORE_ACCESS_KEY": "a", "STORE_SECRET_KEY": "b"} | settings
    environ = {f"VAULT_{name}": value for name, value in given.items()}
    told = of_settings(load_settings(environ), {"VAULT_CONFIG": str(tmp_path / "none")})
    assert [one.what for one in told if one.state == "wrong"] == wrong_about


def test_a_service_that_would_not_believe_its_front_server_is_told(tmp_path: Path) -> None:
    environ = {"VAULT_ISSUER": "https://vault.example", "VAULT_LISTEN_HOST": "0.0.0.0"}
    told = of_settings(load_settings(environ), {"VAULT_CONFIG": str(tmp_path / "none")})
    assert [(one.state, one.what) for one in told] == [("note", "behind_proxy"), ("note", "listen")]


def test_a_witness_that_cannot_be_asked(operator: Operator, tmp_path: Path) -> None:
    operator.settings |= {"witness_url": "http://127.0.0.1:1", "witness_key": "no key"}
    assert wrong(operator, "witness_key")["remedy"] == "give what vault witness create printed there"
    operator.settings["witness_key"] = operator.told(
        "witness", "create", "--name", "w.example", "--dir", str(tmp_path / "w")
    ).split()[-1]
    assert wrong(operator, "witness_url")["found"] == "does not answer (ConnectError)"
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as anybody:
        once = threading.Thread(target=anybody.handle_request)
        once.start()
        operator.settings["witness_url"] = f"http://127.0.0.1:{anybody.server_port}"
        assert findings(operator)["witness_url"][0]["found"] == "answers"
        once.join()


@pytest.fixture
def bucket(operator: Operator, gateways: Gateways) -> Iterator[Gateway]:
    """An operator whose store is a bucket."""
    gateway = gateways.gateway()
    with closing(ProxyThread(gateway.port)) as proxy:
        operator.settings |= {
            "store": f"s3://{gateway.bucket()}?endpoint={proxy.endpoint}",
            "store_access_key": gateway.owner.access_key,
            "store_secret_key": gateway.owner.secret_key,
        }
        gateway.proxy = proxy  # type: ignore[attr-defined]
        yield gateway


def with_account(operator: Operator, account: Account) -> None:
    operator.settings |= {"store_access_key": account.access_key, "store_secret_key": account.secret_key}


def test_a_bucket_that_is_wrong_says_what_to_do(operator: Operator, bucket: Gateway) -> None:
    assert findings(operator)["store"][0]["found"] == "can be written and read"
    whole = dict(operator.settings)

    with_account(operator, bucket.account(f"stranger-{secrets.token_hex(4)}"))
    assert "access is refused: let this access key list the bucket" in wrong(operator, "store")["found"]

    with_account(operator, Account(bucket.owner.access_key, "wrong-" + secrets.token_hex(8)))
    assert "store_secret_key" in wrong(operator, "store")["found"]

    operator.settings = whole | {"store": whole["store"].replace("s3://", "s3://no-")}
    assert "there is no such bucket: create it" in wrong(operator, "store")["found"]

    proxy: ProxyThread = bucket.proxy  # type: ignore[attr-defined]
    skewed = b"<Error><Code>RequestTimeTooSkewed</Code></Error>"
    head = f"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nContent-Length: {len(skewed)}\r\n\r\n".encode()
    proxy.answer, proxy.answer_times = head + skewed, 99
    operator.settings = whole
    assert "this machine's clock differs from the store's" in wrong(operator, "store")["found"]
    proxy.answer_times = 0

    bucket.kill()
    try:
        assert (
            "it cannot be reached" in wrong(operator, "store")["found"] or "broke" in wrong(operator, "store")["found"]
        )
    finally:
        bucket.restart()
    assert findings(operator)["store"][0]["state"] == "ok"
