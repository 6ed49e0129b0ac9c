"""What a superuser does to the log is found, and the first entry that does not fit is named."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.log.scene import Scene
from tests.log.sequencing import drain
from tests.support.database import Database
from tests.support.logs import LOG, LOG_KEY, WITNESS_SIGNER, signed
from vault import verifier
from vault.adapters.postgres.sequencer import PostgresLog
from vault.errors import IntegrityBroken
from vault.formats.canonical import provisions_digest
from vault.services.monitor import Report, stored_provisions
from vault.services.witness import Publisher

SIZE = 300


@pytest.fixture
async def scene(vault_db: Database, tmp_path: Path) -> AsyncIterator[Scene]:
    made = Scene(vault_db, tmp_path)
    await made.grow(SIZE)
    yield made
    await made.close()


def named(report: Report) -> tuple[str, int | None, uuid.UUID | None]:
    assert report.first is not None
    return report.first.kind, report.first.leaf_index, report.first.entry


@pytest.mark.parametrize("vault_db", ["18", "15"], indirect=True)
async def test_p07_an_honest_log_is_followed_and_copied(scene: Scene) -> None:
    report = await scene.monitor.round()
    assert (report.size, report.findings) == (SIZE, ())
    await scene.grow(250)
    report = await scene.monitor.round()
    assert (report.size, report.findings) == (SIZE + 250, ())
    assert 250 <= report.checked <= 350
    assert (await scene.monitor.round(full=True)).checked == SIZE + 250
    # The copy is a log directory that anybody can verify.
    assert verifier.verify_directory(scene.folder / "mirror", LOG, [WITNESS_SIGNER], quorum=1).size == SIZE + 250
    assert (await scene.new_monitor().round(full=True)).findings == ()


async def test_p07_the_empty_log_is_cosigned(vault_db: Database, tmp_path: Path) -> None:
    scene = Scene(vault_db, tmp_path)
    assert (await scene.monitor.round()).size == 0
    await drain(vault_db.url("sequencer"))
    assert await scene.publisher.step()
    assert (await scene.monitor.round(full=True)).findings == ()
    await scene.close()


TAMPERINGS = [
    ("entry-altered", "UPDATE vault.entry SET decision = 'deny' WHERE id = $1"),
    ("entry-altered", "UPDATE vault.entry SET at = at + interval '1 microsecond' WHERE id = $1"),
    ("entry-altered", "UPDATE vault.entry SET salts = set_byte(salts, 0, 255 - get_byte(salts, 0)) WHERE id = $1"),
    ("entry-altered", "UPDATE vault.entry SET salts = NULL, commitments = NULL WHERE id = $1"),
    ("entry-altered", "UPDATE vault.entry SET at = 'infinity' WHERE id = $1"),
    ("entry-altered", "UPDATE vault.entry SET leaf = sha256('x') WHERE id = $1"),
    ("entry-missing", "DELETE FROM vault.entry WHERE id = $1"),
    ("position-missing", "DELETE FROM vault.entry_position WHERE entry = $1"),
    ("entry-altered", """WITH a AS (SELECT p.leaf_index i FROM vault.entry_position p WHERE p.entry = $1)
        UPDATE vault.entry_position p SET entry = (SELECT y.entry FROM vault.entry_position y, a WHERE y.leaf_index = 2 * a.i + 1 - p.leaf_index)
        FROM a WHERE p.leaf_index IN (a.i, a.i + 1)"""),
    ("tile-altered", """UPDATE vault.tree_tile SET hashes = overlay(hashes PLACING '\\x00'::bytea FROM (
        (SELECT leaf_index FROM vault.entry_position WHERE entry = $1) * 32 + 5)::integer) WHERE level = 0 AND n = 0"""),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "statement", "seen_before"), [
    (kind, statement, before) for n, (kind, statement) in enumerate(TAMPERINGS) for before in ((True, False) if n in {0, 6, 9} else (n % 2 == 0,))
])  # fmt: skip
async def test_p07_tampering_is_found_and_the_first_entry_is_named(
    scene: Scene, kind: str, statement: str, seen_before: bool
) -> None:
    """Whether the monitor had seen the entries before, or meets them only after the deed."""
    if seen_before:
        assert (await scene.monitor.round()).findings == ()
    entry = await scene.entry_at(123)
    if "entry_position p SET" in statement:
        await scene.sabotage("ALTER TABLE vault.entry_position DROP CONSTRAINT entry_position_entry_key")
    await scene.sabotage(statement, entry)
    expected = entry if "p SET" not in statement else await scene.entry_at(123)
    assert named(await scene.monitor.round(full=True)) == (kind, 123, expected)


@pytest.mark.parametrize("role", ["service", "tokens", "worker", "sequencer", "monitor"])
async def test_09_nobody_who_serves_alters_or_removes_an_entry(scene: Scene, role: str) -> None:
    """domain.md §14 no. 9; what a superuser removes all the same is found, as the tests above show."""
    connection, entry = await scene.database.as_role(role), await scene.entry_at(5)
    for statement in (
        "DELETE FROM vault.entry WHERE id = $1",
        "UPDATE vault.entry SET decision = 'deny' WHERE id = $1",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement, entry)
    assert (await scene.monitor.round(full=True)).findings == ()


async def test_p07_an_upper_tile_is_compared_too(scene: Scene) -> None:
    await scene.sabotage("UPDATE vault.tree_tile SET hashes = sha256('x') WHERE level = 1")
    assert named(await scene.monitor.round(full=True)) == ("tile-altered", 0, await scene.entry_at(0))


async def test_p07_a_sweep_finds_it_without_a_full_round(scene: Scene) -> None:
    await scene.monitor.round()
    entry = await scene.entry_at(250)
    await scene.sabotage("UPDATE vault.entry SET facts = 'x' WHERE id = $1", entry)
    reports = [await scene.monitor.round() for _ in range(4)]
    assert [named(report) for report in reports if report.findings] == [("entry-altered", 250, entry)]
    assert sum(report.checked for report in reports) <= 2 * SIZE


async def test_p07_an_entry_slipped_in_is_found(scene: Scene) -> None:
    stranger = uuid.uuid4()
    await scene.sabotage(
        "INSERT INTO vault.entry (id, at, act, actor, leaf) VALUES ($1, now(), 'open', 'professional', sha256('x'))",
        stranger,
    )
    assert named(await scene.monitor.round(full=True)) == ("entry-unlogged", None, stranger)


async def test_p07_truncation_and_a_restored_dump_are_found(scene: Scene) -> None:
    await scene.monitor.round()
    await scene.grow(50)
    await scene.monitor.round()
    # The database as it was before the last 50 entries.
    leaves = [
        row["leaf"] for row in await (await scene.database.owner()).fetch(
            "SELECT e.leaf FROM vault.entry e JOIN vault.entry_position p ON p.entry = e.id ORDER BY p.leaf_index")
    ][:SIZE]  # fmt: skip
    root = verifier.tree_hash(leaves)
    await scene.sabotage(
        "DELETE FROM vault.entry WHERE id IN (SELECT entry FROM vault.entry_position WHERE leaf_index >= 300)"
    )
    await scene.sabotage("DELETE FROM vault.entry_position WHERE leaf_index >= 300")
    await scene.sabotage("DELETE FROM vault.checkpoint")
    await scene.sabotage("UPDATE vault.tree SET size = 300, root = $1", root)
    await scene.sabotage("UPDATE vault.tree_tile SET hashes = substring(hashes FOR 44 * 32) WHERE level = 0 AND n = 1")
    note = scene.mirror.note()
    assert note
    assert named(await scene.monitor.round())[:2] == ("rolled-back", 0)
    await scene.sabotage(
        "INSERT INTO vault.checkpoint VALUES (300, $1, $2, now(), now())", root, signed(300, root, cosigned_at=5)
    )
    assert named(await scene.monitor.round())[:2] == ("rolled-back", 300)
    # The log goes on from there, honestly signed: the witness refuses, and says so.
    await scene.grow(10)
    assert scene.publisher.alarm
    assert "cosigned 350 entries" in scene.publisher.alarm
    await scene.grow(100)
    assert "answered 422" in str(scene.publisher.alarm)
    assert named(await scene.monitor.round(full=True))[:2] == ("rolled-back", 300)


async def test_p07_a_fork_that_fits_itself_is_found(scene: Scene) -> None:
    """A superuser who also has the log's key rewrites an entry, its tiles, the head and the checkpoint, but has no witness."""
    await scene.monitor.round()
    owner, entry = await scene.database.owner(), await scene.entry_at(299)
    await scene.sabotage("UPDATE vault.entry SET decision = 'deny' WHERE id = $1", entry)
    await scene.sabotage(
        "UPDATE vault.entry e SET leaf = vault.entry_leaf(e.id, vault.entry_commitments(e)) WHERE id = $1", entry
    )
    leaves = [
        row["leaf"]
        for row in await owner.fetch(
            "SELECT e.leaf FROM vault.entry e JOIN vault.entry_position p ON p.entry = e.id ORDER BY p.leaf_index"
        )
    ]
    root = verifier.tree_hash(leaves)
    await scene.sabotage("UPDATE vault.tree_tile SET hashes = $1 WHERE level = 0 AND n = 1", b"".join(leaves[256:]))
    await scene.sabotage("UPDATE vault.tree SET root = $1", root)
    await scene.sabotage("UPDATE vault.checkpoint SET root = $1, note = $2", root, signed(300, root))
    assert LOG_KEY
    report = await scene.monitor.round(full=True)
    assert "checkpoint-forged" in {finding.kind for finding in report.findings}
    assert report.first
    assert report.first.leaf_index == 299
    assert report.first.entry == entry
    # Even were the witness bribed, the copy says otherwise.
    await scene.sabotage("UPDATE vault.checkpoint SET note = $1", signed(300, root, cosigned_at=9))
    report = await scene.monitor.round(full=True)
    assert "forked" in {finding.kind for finding in report.findings}
    # A monitor that never saw the log takes it as it is; that is what the witness and older copies are for.


async def test_p07_erasure_leaves_root_and_proofs(scene: Scene) -> None:
    owner, entry = await scene.database.owner(), await scene.entry_at(77)
    note = (await PostgresLog(scene.pools["sequencer"]).heads()).cosigned
    before = await owner.fetchrow("SELECT * FROM vault.entry WHERE id = $1", entry)
    assert await owner.fetchval("SELECT vault.entry_erase($1)", entry)
    assert not await owner.fetchval("SELECT vault.entry_erase($1)", entry)
    after = await owner.fetchrow("SELECT * FROM vault.entry WHERE id = $1", entry)
    assert after["salts"] is None
    assert after["facts"] is None
    assert after["leaf"] == before["leaf"]
    await scene.grow(5)
    assert (await scene.monitor.round(full=True)).findings == ()
    assert note
    assert verifier.verify_checkpoint(note.note, LOG, [WITNESS_SIGNER], quorum=1).size == SIZE
    # What was erased can no longer be told, and is no longer able to hide a change of its digests.
    await scene.sabotage(
        "UPDATE vault.entry SET commitments = overlay(commitments PLACING '\\x00'::bytea FROM 9) WHERE id = $1", entry
    )
    assert named(await scene.monitor.round(full=True)) == ("entry-altered", 77, entry)


async def test_the_vault_says_since_when_it_is_not_cosigned(scene: Scene) -> None:
    log = PostgresLog(scene.pools["sequencer"])
    assert (await log.heads()).uncosigned_since is None
    scene.away = True
    await scene.grow(3)
    heads = await log.heads()
    assert heads.newest
    assert heads.cosigned
    assert (heads.newest.size, heads.cosigned.size) == (SIZE + 3, SIZE)
    assert heads.uncosigned_since
    assert abs(heads.uncosigned_since - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
    scene.away = False
    assert await scene.publisher.step()
    assert (await log.heads()).uncosigned_since is None
    # A publisher that knows nothing learns the witness's size from its 409.
    await scene.sabotage("UPDATE vault.checkpoint SET cosigned_at = NULL")
    fresh = Publisher(log, LOG, {WITNESS_SIGNER: scene.submit})
    assert await fresh.step()
    assert fresh.alarm is None


async def test_the_monitors_own_copy_is_checked_too(scene: Scene) -> None:
    await scene.monitor.round()
    (tile,) = (scene.folder / "mirror" / "tile" / "0" / "001.p").iterdir()
    content = tile.read_bytes()
    tile.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(IntegrityBroken, match="own tiles"):
        scene.new_monitor()


PROVISION: dict[str, Any] = {
    "number": 1, "effect": "permit", "recipients": [{"agency": "kela"}], "sources": [{"any": True}],
    "documents": [{"type": "lausunto"}], "actions": ["read"], "purposes": ["care"], "dated_from": dt.date(2025, 1, 1),
    "dated_until": None, "protected_classes": [], "future_documents": False,
}  # fmt: skip
DENY = {
    **dict.fromkeys(PROVISION),
    "number": 2,
    "effect": "deny",
    "recipients": [{"agency": "te-palvelut"}],
    "future_documents": False,
}


async def record_consent(database: Database) -> tuple[uuid.UUID, uuid.UUID, uuid.UUID]:
    """A consent with two provisions and its withdrawal, each with the entry that recorded it."""
    owner, ids = await database.owner(), {name: uuid.uuid4() for name in ("client", "case", "form", "consent")}
    now, noted = dt.datetime.now(dt.UTC), {"entry": uuid.UUID(int=0)}
    await owner.execute(
        "SELECT vault.agency_register('kela', '{}'), vault.application_register('app', 'kela', false, NULL)"
    )
    await database.insert("client", [{"id": ids["client"], "adult_on": dt.date(2000, 1, 1), "recorded_at": now}])
    await database.insert("client_case", [{
        "id": ids["case"], "client": ids["client"], "process": "ayr", "controller": "kela", "language": "fi",
        "sealed_about": b"\1", "recorded_at": now, **noted}])  # fmt: skip
    await database.insert("document", [{
        "id": ids["form"], "case_id": ids["case"], "type": "suostumus", "agency": "kela", "application": "app", "source": "kela",
        "series": ids["form"], "dated": dt.date(2026, 1, 1), "language": "fi", "protected_classes": [], "third_persons": False,
        "check_before_client": False, "original": True, "media_type": "application/pdf", "key_parent": "register",
        "sealed_about": b"\1", "recorded_at": now, **noted}])  # fmt: skip
    digest = provisions_digest(stored_provisions([PROVISION, DENY]))
    written = "SELECT (vault.write_entry(jsonb_populate_record(NULL::vault.entry, $1))).id"
    fact = {"act": "consent-record", "actor": "professional", "decision": "permit", "consent": str(ids["consent"]),
            "provisions_digest": "\\x" + digest.hex(), "reasons": []}  # fmt: skip
    entry = await owner.fetchval(written, fact)
    await database.insert("consent", [{
        "id": ids["consent"], "case_id": ids["case"], "form": ids["form"], "signed_on": dt.date(2026, 1, 1), "language": "fi",
        "capacity": "client", "verified_how": "paper-original-seen", "valid_from": dt.date(2026, 1, 1),
        "provisions_digest": digest, "sealed_about": b"\1", "entry": entry, "recorded_at": now}])  # fmt: skip
    await database.insert("provision", [{"consent": ids["consent"], **one} for one in (PROVISION, DENY)])
    ended = await owner.fetchval(written, {**fact, "act": "consent-withdraw", "facts": "1 2"})
    await database.insert("withdrawal", [{
        "id": uuid.uuid4(), "consent": ids["consent"], "provisions": [1, 2], "given_at": now, "entry": ended, "recorded_at": now}])  # fmt: skip
    return ids["consent"], entry, ended


@pytest.mark.parametrize(("kind", "statement"), [
    ("provisions-altered", """UPDATE vault.provision SET purposes = '{care,benefit-decision}' WHERE number = 1"""),
    ("provisions-altered", """UPDATE vault.provision SET recipients = '[{"any": true}]' WHERE number = 1"""),
    ("provisions-altered", "UPDATE vault.provision SET dated_from = NULL WHERE number = 1"),
    ("provisions-altered", "DELETE FROM vault.provision WHERE number = 2"),
    ("provisions-altered", "UPDATE vault.consent SET provisions_digest = sha256('x')"),
    ("consent-missing", "TRUNCATE vault.consent CASCADE"),
    ("withdrawal-missing", "DELETE FROM vault.withdrawal"),
    ("withdrawal-altered", "UPDATE vault.withdrawal SET provisions = '{2}'"),
])  # fmt: skip
async def test_p07_consents_are_held_against_their_entries(scene: Scene, kind: str, statement: str) -> None:
    _, entry, ended = await record_consent(scene.database)
    await scene.grow(1)
    assert (await scene.monitor.round(full=True)).findings == ()
    await scene.sabotage(statement)
    report = await scene.monitor.round(full=True)
    assert (report.findings[0].kind, report.findings[0].entry) == (
        kind,
        ended if kind.startswith("withdrawal") else entry,
    )


async def test_p07_a_consent_that_no_entry_recorded_is_found(scene: Scene) -> None:
    consent, _, _ = await record_consent(scene.database)
    await scene.grow(1)
    await scene.sabotage("UPDATE vault.consent SET entry = gen_random_uuid()")
    kinds = {(finding.kind, finding.detail) for finding in (await scene.monitor.round(full=True)).findings}
    assert ("consent-unlogged", f"consent {consent} is in no entry") in kinds
