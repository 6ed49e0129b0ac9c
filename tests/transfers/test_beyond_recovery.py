"""P8: once beyond recovery, nothing of the case opens, whoever has what: every file of the database and its write-ahead log,
an older backup of it and of the store, the store as it is, and every key that survives.

The thief reads bytes and asks nobody; it is first shown to succeed where the keys were only deleted.
"""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.support.caller import Caller, must
from tests.support.service import run, serving
from tests.transfers.conftest import ORIGIN, Scene, sequencing
from tests.transfers.test_rotation import rotated
from tests.transfers.thief import Thief, fields, holds, plain
from vault import verifier
from vault.adapters.embedded import EmbeddedPostgres
from vault.adapters.keyring import files
from vault.errors import ObjectTampered
from vault.formats.checkpoint import LOG_SIGNATURE, encode_vkey

CONTENT = b"what the person told in confidence"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A vault over a server of its own, whose every file can be looked at."""
    folder = tmp_path_factory.mktemp("thief")
    postgres = EmbeddedPostgres(folder / "postgres", fast=True)
    run(postgres.start())
    try:
        with serving(postgres, folder / "vault") as running, sequencing(running):
            caller = Caller(running)
            yield Scene(running, caller, folder)
            caller.close()
    finally:
        run(postgres.stop())


@pytest.fixture(autouse=True)
def _nothing_left_over() -> None:
    """There is one transfer here."""


async def _as_superuser(scene: Scene, *statements: str) -> None:
    connection = await asyncpg.connect(scene.service.database.url("superuser"))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def backup(scene: Scene, target: Path) -> None:
    """A base backup by hand: the files between its start and its end."""
    connection = await asyncpg.connect(scene.service.database.url("superuser"))
    try:
        await connection.execute("SELECT pg_backup_start('thief', true)")
        shutil.copytree(scene.folder / "postgres" / "cluster", target, ignore=shutil.ignore_patterns("postmaster.*"))
        await connection.execute("SELECT pg_backup_stop()")
    finally:
        await connection.close()


def sweep(scene: Scene) -> None:
    """What an operator can do about the files: rewrite the table, switch the log, write everything out."""
    run(_as_superuser(scene, "VACUUM FULL vault.wrapped_key", "SELECT pg_switch_wal()", "CHECKPOINT"))


def test_p08_beyond_recovery_nothing_of_the_case_opens(scene: Scene, tmp_path: Path) -> None:
    cluster, keys = scene.folder / "postgres" / "cluster", scene.service.folder / "keys"
    older, objects = tmp_path / "backup", tmp_path / "objects"
    everything = (scene.folder / "postgres", older, objects, scene.service.folder, scene.deposit)
    thief = Thief(keys)
    case, transfer = scene.due(CONTENT)
    lives = scene.caller.open_case()
    paper = scene.caller.file(lives, content=b"another person's, who is still here")
    document, form = (_document(scene, case, parent) for parent in ("case", "register"))
    client = str(scene.service.one("SELECT client FROM vault.client_case WHERE id = $1::uuid", case))
    scene.work(2)
    thief.know(_names(scene))
    run(backup(scene, older))
    shutil.copytree(scene.service.folder / "objects", objects)
    sealed, kept = _under_the_case(scene, case, transfer), _under_the_register(scene, case)
    stored = {one: objects / name[:2] / name for one in (document, form) if (name := scene.service.object_of(one))}

    scene.leave_receipt(transfer)
    assert any("shredded" in line for line in scene.work())
    sweep(scene)
    # Deleted, and still there: in the backup alone, and in the write-ahead log alone, byte by byte.
    assert scene.case_keys(case) == 0
    for folder in (older, cluster / "pg_wal"):
        alone = Thief(keys)
        alone.know(thief.names)
        alone.scan(folder)
        found = alone.opened()
        assert fields(found[f"case:{case}"], sealed) == set(sealed)
        assert plain(found[f"document:{document}"], document, case, stored[document]) == CONTENT
    lost = _secrets(found, case, document) | _roots(keys)

    assert run(rotated(scene)).forgotten == 1
    assert scene.state(transfer) == "beyond-recovery"
    sweep(scene)
    thief.know(_names(scene))
    thief.scan(*everything)
    opened = thief.opened()
    assert not {f"case:{case}", f"document:{document}"} & opened.keys()
    assert fields({key for found in opened.values() for key in found}, sealed) == set()
    every_key = [key for found in opened.values() for key in found]
    with pytest.raises(ObjectTampered):
        plain(every_key, document, case, stored[document])
    # Nor does anything stand in clear: not the paper, not a key that was destroyed, not the package's own identity.
    assert holds({CONTENT, *(lost - _roots(keys))}, *everything) == set()

    # What must live on does, with the same keys in the same hands: the consents, the signed form, and the other's paper.
    assert fields(opened[f"register:{client}"], kept) == set(kept)
    assert plain(opened[f"document:{form}"], form, case, stored[form]).startswith(b"signed ")
    assert scene.caller.coordinator.read(paper).content == b"another person's, who is still here"
    consents = must(scene.caller.coordinator.get(f"/v1/cases/{case}/consents"))["items"]
    assert len(consents) == len(kept) == 2
    assert must(scene.caller.coordinator.get(f"/v1/cases/{case}"))["state"] == "archived"
    entries = must(scene.caller.coordinator.get(f"/v1/cases/{case}/log?limit=200"))["items"]
    assert {"case-open", "shred", "transfer-forget"} <= {item["act"] for item in entries}
    _proofs_hold(scene, [item["entry"] for item in entries if "entry" in item])


def _document(scene: Scene, case: str, parent: str) -> str:
    found = "SELECT id FROM vault.document WHERE case_id = $1::uuid AND key_parent = $2 ORDER BY id LIMIT 1"
    return str(scene.service.one(found, case, parent))


def _names(scene: Scene) -> set[tuple[str, str]]:
    """Kinds and subjects of keys: they stand in clear in every dump."""
    return {(row["kind"], row["subject"]) for row in scene.service.sql("SELECT kind, subject FROM vault.wrapped_key")}


def _under_the_case(scene: Scene, case: str, transfer: str) -> dict[str, bytes]:
    """What is sealed under the case's key: name and code, titles, the digest, and the key of the package itself."""
    found = {
        f"case.about|{case}": scene.service.one("SELECT sealed_about FROM vault.client_case WHERE id = $1::uuid", case)
    }
    for row in scene.service.sql("SELECT d.id, d.sealed_about, f.sealed_digest FROM vault.document d JOIN vault.filing f ON f.document = d.id"
                                 " WHERE d.case_id = $1::uuid AND d.key_parent = 'case'", case):  # fmt: skip
        found |= {
            f"document.about|{row['id']}": row["sealed_about"],
            f"document.digest|{row['id']}": row["sealed_digest"],
        }
    identity = scene.service.one("SELECT sealed_identity FROM vault.transfer_draft WHERE transfer = $1::uuid", transfer)
    return found | {f"transfer.identity|{transfer}": identity}


def _under_the_register(scene: Scene, case: str) -> dict[str, bytes]:
    """What is sealed under the client's key and outlives the case: who signed which consent."""
    rows = scene.service.sql("SELECT id, sealed_about FROM vault.consent WHERE case_id = $1::uuid", case)
    return {f"consent.about|{row['id']}": row["sealed_about"] for row in rows}


def _secrets(opened: dict[str, set[bytes]], case: str, document: str) -> set[bytes]:
    """The bare keys of the case, of its paper, and of the epochs: what no file may hold."""
    names = [name for name in opened if name.startswith("epoch:")]
    return {key for name in (f"case:{case}", f"document:{document}", *names) for key in opened[name]}


def _roots(keyring: Path) -> set[bytes]:
    """The bare root keys that the keyring holds, and as its files write them."""
    roots = files.load(keyring).roots.values()
    return {form for root in roots for form in (root, base64.urlsafe_b64encode(root).rstrip(b"="))}


def _proofs_hold(scene: Scene, entries: list[str]) -> None:
    log = verifier.parse_vkey(encode_vkey(ORIGIN, LOG_SIGNATURE, scene.service.keyring.log_public()))
    assert entries
    for entry in entries:
        leaf = scene.service.one("SELECT leaf FROM vault.entry WHERE id = $1::uuid", entry)
        answer = scene.caller.http.get(f"/v1/log/proof/{entry}")
        assert answer.status_code == 200
        verifier.verify_proof(answer.text, leaf, log)
