"""The log's entries as the database writes them, against the second implementation in formats/entry.py and its vectors."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
import uuid
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.support.database import Database, make_empty
from tests.support.postgres import Servers
from tests.support.recorded import Asker
from tests.support.scene import COORDINATOR, NOON, NURSE, PHYSICIAN, Scene, permit
from vault.adapters.postgres.migrate import migrate
from vault.errors import SettingsWrong
from vault.formats import entry
from vault.model import EntryId

BOTH = pytest.mark.parametrize("vault_db", ["18", "15"], indirect=True)
VECTOR: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "log-entry.json").read_text())
COLUMNS = {"case": "case_id", "of": "of_entry", "range": "byte_range"}


def disclosed(row: Any) -> dict[str, entry.FieldValue]:
    """An entry's row as the specification writes its values."""
    return {name: plain(row[COLUMNS.get(name, name)]) for name in entry.FIELDS}


def plain(value: Any) -> entry.FieldValue:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, uuid.UUID):
        return str(value)
    return entry.encode_b64url(value) if isinstance(value, bytes) else value


def salts_of(row: Any) -> list[bytes]:
    return [row["salts"][n * 16 : n * 16 + 16] for n in range(len(entry.FIELDS))]


async def act(scene: Scene, asker: Asker, call: str, *arguments: object) -> Any:
    service = await scene.service()
    return await service.fetchrow(f"SELECT * FROM vault.{call}", await scene.token(asker), *arguments)


async def do_a_bit_of_everything(scene: Scene) -> None:
    """Releases, denials, lists, filings, consents, withdrawals, members, prohibitions, registry: all kinds of entries."""
    owner, service = await scene.owner(), await scene.service()
    secret = await scene.token()
    opened = await scene.door(secret, range="bytes=0-99")
    await service.fetchval("SELECT vault.end_release($1, $2, 'delivered', 100)", secret, opened["entry"])
    await scene.door(await scene.token(NURSE._replace(purpose="benefit-decision", unit="pirha/miepa")))
    await owner.execute("UPDATE vault.document SET protected_classes = '{genetics}' WHERE id = $1", scene.paper)
    await owner.execute("UPDATE vault.provision SET protected_classes = '{genetics}'")
    await scene.door(secret)
    await scene.door(secret, confirmed=["genetics"])
    for target in ("cases", "case", "documents", "consents", "log", "inbox", "register"):
        await service.fetchrow(
            "CALL vault.door($1, 'list', $2, NULL, $3)", await scene.token(COORDINATOR), scene.case, {"target": target}
        )
    await service.fetchrow("CALL vault.door($1, 'find', NULL, NULL, '{}')", secret)
    await scene.door(await scene.token(Asker("client", client=scene.client)))
    document = uuid.uuid4()
    about = {"type": "saate", "language": "fi", "dated": "2026-03-01", "protected_classes": [], "third_persons": False,
             "check_before_client": False, "original": True, "media_type": "text/plain"}  # fmt: skip
    key = ("document", str(document), f"case:{scene.case}", b"\1" * 61)
    filed = [
        await act(scene, PHYSICIAN, "document_add($1, $2, $3, $4, $5, $6)", scene.case, document, about, b"\1", key)
    ]
    form, consent = uuid.uuid4(), uuid.uuid4()
    await insert_form(owner, scene, form)
    signed = {"form": str(form), "signed_on": "2026-03-01", "language": "fi", "capacity": "client",
              "verified_how": "paper-original-seen", "valid_from": "2026-03-01"}  # fmt: skip
    filed += [
        await act(scene, COORDINATOR, "consent_record($1, $2, $3, $4, $5, $6, $7)", consent, scene.case, signed,
                  [permit(1, "handle", "read")], bytes(range(32)), b"\1"),
        await act(scene, COORDINATOR, "consent_withdraw($1, $2, $3, '{1}', NULL, NULL)", uuid.uuid4(), consent),
        await act(scene, COORDINATOR, "member_add($1, $2, $3, 'kela', 'nurse', NULL, NULL)", uuid.uuid4(), scene.case),
        await act(scene, COORDINATOR, "explain($1, $2, 'kela', NULL, 'nurse', NULL, 'read', 'care', NULL)", scene.paper),
        await act(scene, COORDINATOR, "case_refer($1, $2, $3)", scene.case, b"\1"),
        await act(scene, Asker("client", client=scene.client), "prohibition_record($1, $2, NULL, '{}')", uuid.uuid4()),
        await act(scene, PHYSICIAN, "document_mark($1, $2, 'retracted')", scene.paper),
    ]  # fmt: skip
    assert [done["status"] for done in filed] == ["done"] * len(filed), filed
    await owner.execute("SELECT vault.suspend('kela', NULL, true)")


async def insert_form(owner: Any, scene: Scene, form: uuid.UUID) -> None:
    await owner.execute(
        "INSERT INTO vault.document (id, case_id, type, agency, application, source, series, dated, language, "
        "protected_classes, third_persons, check_before_client, original, media_type, key_parent, sealed_about, entry, "
        "recorded_at) SELECT $1, case_id, 'suostumus', agency, application, source, $1, dated, language, '{}', false, false, "
        "true, media_type, 'register', sealed_about, entry, recorded_at FROM vault.document WHERE id = $2",
        form, scene.paper,
    )  # fmt: skip
    await owner.execute("INSERT INTO vault.attempt VALUES ($2, $1, $1, now())", form, form.hex)
    await owner.execute("INSERT INTO vault.filing VALUES ($1, $2, 1, '\\x01', $1, now())", form, form.hex)


@BOTH
async def test_p07_every_entry_is_what_it_commits_to(scene: Scene) -> None:
    """The row as anybody may read it, its salts, and Python's own hashing give the leaf that the door promised."""
    await do_a_bit_of_everything(scene)
    monitor = await scene.database.as_role("monitor")
    rows = await monitor.fetch("SELECT * FROM vault.entry ORDER BY id")
    acts = {row["act"] for row in rows}
    assert {"open", "outcome", "list", "find", "document-add", "consent-record", "consent-withdraw", "explain",
            "member-add", "prohibition-record", "document-retracted", "suspend"} <= acts  # fmt: skip
    for row in rows:
        digests = entry.commitments(salts_of(row), disclosed(row))
        shown = [entry.disclosure(s, n, disclosed(row)[n]) for s, n in zip(salts_of(row), entry.FIELDS, strict=True)]
        entry.verify_leaf(row["leaf"], EntryId(row["id"]), digests, shown)
    pending = await monitor.fetch("SELECT entry, leaf FROM vault.entry_pending ORDER BY entry")
    assert [(p["entry"], p["leaf"]) for p in pending] == [(row["id"], row["leaf"]) for row in rows]


@BOTH
async def test_p05_every_field_of_an_entry_is_a_code_an_id_or_a_time(scene: Scene) -> None:
    await do_a_bit_of_everything(scene)
    code = re.compile(r"[a-z0-9]([a-z0-9 :/._=*T,-]|[A-Z0-9])*", re.ASCII)
    for row in await scene.entries():
        for name, value in disclosed(row).items():
            for text in [value] if isinstance(value, str) else value if isinstance(value, list) else []:
                allowed = re.compile(r"[A-Za-z0-9_-]{43}") if name in {"assertion", "provisions_digest"} else code
                assert allowed.fullmatch(text), (name, text)


@BOTH
async def test_salts_are_new_for_every_field_and_every_entry(scene: Scene) -> None:
    secret = await scene.token()
    for _ in range(5):
        await scene.door(secret)
    salts = [salt for row in await scene.entries() for salt in salts_of(row)]
    assert len(salts) == 5 * len(entry.FIELDS)
    assert len({*salts}) == len(salts)
    assert all(len(salt) == entry.SALT_SIZE for salt in salts)


@BOTH
async def test_the_worked_example_in_sql(vault_db: Database) -> None:
    owner = await vault_db.owner()
    await owner.execute("CREATE TABLE vault.example (LIKE vault.entry)")
    values, columns = VECTOR["values"], dict(await owner.fetch("SELECT attname, atttypid::regtype::text FROM pg_attribute "
        "WHERE attrelid = 'vault.entry'::regclass AND attnum > 0"))  # fmt: skip
    row: dict[str, Any] = {
        "id": uuid.UUID(VECTOR["entry"]),
        "leaf": b"",
        "salts": bytes.fromhex("".join(VECTOR["salts"])),
    }
    for name, value in values.items():
        kind = columns[COLUMNS.get(name, name)]
        row[COLUMNS.get(name, name)] = (
            uuid.UUID(value) if kind == "uuid" else dt.datetime.fromisoformat(value) if "time" in kind else value
        )
    await vault_db.insert("example", [row])
    got = await owner.fetchrow(
        "SELECT vault.entry_commitments(y.e) AS digests, vault.entry_leaf((y.e).id, vault.entry_commitments(y.e)) AS leaf, "
        "ARRAY(SELECT f.name FROM vault.entry_fields(y.e) f ORDER BY f.place) AS fields "
        "FROM (SELECT jsonb_populate_record(NULL::vault.entry, to_jsonb(x)) AS e FROM vault.example x) y"
    )
    assert got["fields"] == VECTOR["fields"] == list(entry.FIELDS)
    assert got["digests"].hex() == "".join(VECTOR["digests"])
    assert got["leaf"].hex() == VECTOR["leaf"]


def test_the_specification_shows_the_worked_example() -> None:
    spec = (Path(__file__).parents[2] / "docs" / "spec" / "log-entry.md").read_text()
    for place in (entry.FIELDS.index(name) for name in ("at", "unit", "reasons")):
        assert all(VECTOR[what][place] in spec for what in ("salts", "disclosures", "digests"))
    assert VECTOR["leaf"] in spec
    assert VECTOR["entry"] in spec
    listed = [
        name for row in re.findall(r"^\| (`[a-z_`, ]+) \|", spec, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    ]
    assert listed == list(entry.FIELDS)


@BOTH
async def test_an_entry_lands_in_the_partition_of_its_month(scene: Scene) -> None:
    owner = await scene.owner()
    await owner.execute("SELECT vault.make_partitions('2026-03-01', 3)")
    for instant in ("2026-03-31T23:59:59.999+00:00", "2026-04-01T00:00:00+00:00", "2019-01-01T00:00:00+00:00"):
        await scene.set_now(dt.datetime.fromisoformat(instant))
        await scene.door(await scene.token(PHYSICIAN))
    where = await owner.fetch("SELECT tableoid::regclass::text AS part FROM vault.entry ORDER BY at")
    assert [row["part"] for row in where] == ["vault.entry_default", "vault.entry_202603", "vault.entry_202604"]


async def test_the_id_of_an_entry_holds_its_time(scene: Scene) -> None:
    await scene.door(await scene.token())
    (row,) = await scene.entries()
    assert row["id"].version == 7
    assert row["id"].int >> 80 == int(NOON.timestamp() * 1000)


SCHEMA = {
    "columns": "SELECT table_name, column_name, ordinal_position, data_type, udt_name, is_nullable, column_default, "
    "collation_name FROM information_schema.columns WHERE table_schema = 'vault' ORDER BY 1, 3",
    "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE connamespace = 'vault'::regnamespace AND contype <> 'n' ORDER BY 1, 2",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'vault' ORDER BY 1, 2",
    "functions": "SELECT p.oid::regprocedure::text, prosecdef, provolatile, proparallel, prokind, pg_get_userbyid(proowner), "
    "proconfig, prosrc FROM pg_proc p WHERE pronamespace = 'vault'::regnamespace ORDER BY 1",
    "rights": "SELECT c.relname, a.grantee::regrole::text, a.privilege_type FROM pg_class c, aclexplode(c.relacl) a "
    "WHERE c.relnamespace = 'vault'::regnamespace AND c.relkind IN ('r', 'p') AND a.privilege_type <> 'MAINTAIN' ORDER BY 1, 2, 3",
    "calls": "SELECT p.oid::regprocedure::text, a.grantee::regrole::text FROM pg_proc p, aclexplode(p.proacl) a "
    "WHERE pronamespace = 'vault'::regnamespace ORDER BY 1, 2",
    "migrations": "SELECT name, digest FROM vault.migration ORDER BY 1",
}  # fmt: skip


async def schema_of(connection: Any) -> dict[str, list[tuple[Any, ...]]]:
    return {what: [tuple(row) for row in await connection.fetch(query)] for what, query in SCHEMA.items()}


async def test_the_schema_is_the_same_on_both_versions(postgres_servers: Servers) -> None:
    schemas = []
    for version in ("18", "15"):
        database = await make_empty(await postgres_servers.started(version))
        owner = await database.owner()
        await migrate(owner)
        schemas.append(await schema_of(owner))
        await database.drop()
    for what in SCHEMA:
        assert schemas[0][what] == schemas[1][what]
        assert schemas[0][what]


@BOTH
async def test_a_second_migration_changes_nothing(vault_db: Database) -> None:
    owner = await vault_db.owner()
    before = await schema_of(owner)
    assert await migrate(owner) == []
    assert await schema_of(owner) == before


@pytest.mark.parametrize("postgres", ["18", "15"], indirect=True)
async def test_two_migrations_at_once(postgres: Any) -> None:
    database = await make_empty(postgres)
    connections = [await asyncpg.connect(database.url()) for _ in range(2)]
    done = await asyncio.gather(*(migrate(connection) for connection in connections))
    assert sorted(map(bool, done)) == [False, True]
    for connection in connections:
        await connection.close()
    await database.drop()


@BOTH
async def test_the_next_version_replaces_the_functions(vault_db: Database) -> None:
    owner = await vault_db.owner()
    before = await schema_of(owner)
    await owner.execute("UPDATE vault.migration SET digest = 'of the version before' WHERE name = 'functions'")
    assert await migrate(owner) == ["functions"]
    after = await schema_of(owner)
    assert after["functions"] == before["functions"]
    assert after["calls"] == before["calls"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [("UPDATE vault.migration SET digest = 'other' WHERE name LIKE '0001%'", "migrations are never edited"),
     ("INSERT INTO vault.migration (name, digest) VALUES ('9999_later.sql', 'x')", "run a newer version")],
)  # fmt: skip
async def test_a_database_of_another_version_is_refused(vault_db: Database, change: str, sentence: str) -> None:
    owner = await vault_db.owner()
    await owner.execute(change)
    with pytest.raises(SettingsWrong, match=sentence):
        await migrate(owner)
