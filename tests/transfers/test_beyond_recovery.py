"""P8: once beyond recovery, nothing of the case opens, whoever has what: every file of the database and its write-ahead log,
an older backup of it and of the store, the store as it is, and every key that survives.

The thief here is given more than a thief could take, and first shown to succeed where the keys were only deleted.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.support.caller import Caller, must
from tests.support.service import run, serving
from tests.transfers.conftest import ORIGIN, Scene, sequencing
from tests.transfers.test_rotation import rotated
from vault import verifier
from vault.adapters.embedded import EmbeddedPostgres
from vault.adapters.keyring import files
from vault.errors import KeyUnopenable
from vault.formats import wrapping
from vault.formats.checkpoint import LOG_SIGNATURE, encode_vkey
from vault.model import KeyKind

_KEYS = "SELECT kind, subject, parent, wrapped FROM vault.wrapped_key"
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


class Thief:
    """What is in hand: wrapped keys of all times, the keyring as it is now, and copies of the store."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.wrapped: set[tuple[str, str, str, bytes]] = set()

    def take(self) -> None:
        """Read every wrapped key, as a backup of this moment would hold it."""
        self.wrapped |= {tuple(row) for row in self._scene.service.sql(_KEYS)}

    def opened(self) -> dict[str, set[bytes]]:
        """Every key that can be opened, by name, from the root keys that survive."""
        roots = files.load(self._scene.service.folder / "keys").roots
        known: dict[str, set[bytes]] = {f"root:{name}": {key} for name, key in roots.items()}
        left = set(self.wrapped)
        while True:
            found = {row for row in left if self._open(row, known)}
            if not found:
                return known
            left -= found

    def _open(self, row: tuple[str, str, str, bytes], known: dict[str, set[bytes]]) -> bool:
        kind, subject, parent, wrapped = row
        opened = False
        for key in known.get(parent, ()):
            try:
                plain = wrapping.unwrap_key(key, wrapped, kind=KeyKind(kind), subject=subject, parent=parent)
            except KeyUnopenable:
                continue
            known.setdefault(f"{kind}:{subject}", set()).add(plain)
            opened = True
        return opened

    def fields(self, key: str, sealed: dict[str, bytes]) -> list[str]:
        """The sealed fields that open, of those given by their context."""
        found = []
        for context, content in sealed.items():
            for candidate in self.opened().get(key, ()):
                try:
                    wrapping.open_field(candidate, context, content)
                except KeyUnopenable:
                    continue
                found.append(context)
        return found


def holds(folder: Path, content: bytes) -> bool:
    """Whether some file below the folder holds these bytes."""
    return any(content in path.read_bytes() for path in folder.rglob("*") if path.is_file())


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
    thief = Thief(scene)
    case, transfer = scene.due(CONTENT)
    lives = scene.caller.open_case()
    paper = scene.caller.file(lives, content=b"another person's, who is still here")
    document = str(
        scene.service.one("SELECT id FROM vault.document WHERE case_id = $1::uuid AND key_parent = 'case'", case)
    )
    name = scene.service.object_of(document)
    scene.work(2)
    thief.take()
    run(backup(scene, tmp_path / "backup"))
    shutil.copytree(scene.service.folder / "objects", tmp_path / "objects")
    sealed = _sealed_fields(scene, case, transfer)
    [case_key] = [row for row in thief.wrapped if row[:2] == ("case", case)]

    scene.leave_receipt(transfer)
    assert any("shredded" in line for line in scene.work())
    sweep(scene)
    thief.take()
    # Deleted, and still there: in the backup, and in the write-ahead log beside it.
    assert scene.case_keys(case) == 0
    assert holds(tmp_path / "backup", case_key[3])
    assert holds(scene.folder / "postgres" / "cluster" / "pg_wal", case_key[3])
    assert f"document:{document}" in thief.opened()
    assert sorted(thief.fields(f"case:{case}", sealed)) == sorted(sealed)
    assert CONTENT in _plain(thief, document, case, tmp_path / "objects" / name[:2] / name)

    assert run(rotated(scene)).forgotten == 1
    assert scene.state(transfer) == "beyond-recovery"
    sweep(scene)
    thief.take()
    opened = thief.opened()
    assert f"case:{case}" not in opened
    assert f"document:{document}" not in opened
    assert thief.fields(f"case:{case}", sealed) == []
    assert _plain(thief, document, case, tmp_path / "objects" / name[:2] / name) == b""
    for folder in (
        scene.folder / "postgres",
        tmp_path / "backup",
        tmp_path / "objects",
        scene.service.folder,
        scene.deposit,
    ):
        assert not holds(folder, CONTENT)

    # What must live on does: the other person's paper, this person's consents and entries, and the log proves itself.
    assert scene.caller.coordinator.read(paper).content == b"another person's, who is still here"
    consents = must(scene.caller.coordinator.get(f"/v1/cases/{case}/consents"))["items"]
    assert len(consents) == 2
    assert must(scene.caller.coordinator.get(f"/v1/cases/{case}"))["state"] == "archived"
    entries = must(scene.caller.coordinator.get(f"/v1/cases/{case}/log?limit=200"))["items"]
    assert {"case-open", "shred", "transfer-forget"} <= {item["act"] for item in entries}
    _proofs_hold(scene, [item["entry"] for item in entries if "entry" in item])


def _sealed_fields(scene: Scene, case: str, transfer: str) -> dict[str, bytes]:
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


def _plain(thief: Thief, document: str, case: str, path: Path) -> bytes:
    """What the object in the older store opens to, with every document key in hand."""
    from uuid import UUID

    from vault.formats.sealed import ChunkReader

    content = path.read_bytes()
    for key in thief.opened().get(f"document:{document}", ()):
        reader: Any = ChunkReader(key, UUID(case), UUID(document), len(content))
        offset, length = reader.header_span()
        reader.begin(content[offset : offset + length])
        offset, length = reader.last_span()
        reader.open_last(content[offset : offset + length])
        opener = reader.opener(0, len(CONTENT))
        offset, length = reader.span(0, len(CONTENT))
        return bytes(opener.update(content[offset : offset + length]))
    return b""


def _proofs_hold(scene: Scene, entries: list[str]) -> None:
    log = verifier.parse_vkey(encode_vkey(ORIGIN, LOG_SIGNATURE, scene.service.keyring.log_public()))
    assert entries
    for entry in entries:
        leaf = scene.service.one("SELECT leaf FROM vault.entry WHERE id = $1::uuid", entry)
        answer = scene.caller.http.get(f"/v1/log/proof/{entry}")
        assert answer.status_code == 200
        verifier.verify_proof(answer.text, leaf, log)
