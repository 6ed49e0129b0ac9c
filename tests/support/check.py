"""The whole-vault check: what must hold of a vault at rest, whatever was done to it before.

Every row has its object, every object its row, every document opens and is what was filed, every release its entry and
its outcome, every entry its leaf and a place in the pending set or the tree.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import time
import uuid
from typing import Any

from tests.support.service import Service, run
from vault.adapters.keyring.file import FileKeyring
from vault.adapters.postgres.pool import Pool
from vault.adapters.postgres.worker import WorkerDatabase
from vault.adapters.stores.directory import DirectoryStore
from vault.formats.sealed import ChunkReader, sealed_size
from vault.model import Act, CaseId, Clearance, DocumentId, EntryId, KeyKind, WrappedKey
from vault.ports import ObjectStore
from vault.services.sweeper import Sweeper, Swept

KEYS = "SELECT kind, subject, parent, wrapped FROM vault.wrapped_key"
FILED = """
SELECT f.document, f.object, f.size_bytes, f.sealed_digest, d.case_id, d.key_parent, c.client
FROM vault.filing f JOIN vault.document d ON d.id = f.document JOIN vault.client_case c ON c.id = d.case_id
"""
BUSY = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'vault_service'"
LOST = """
SELECT 'an entry has no place in the log' FROM vault.entry e
WHERE NOT EXISTS (SELECT FROM vault.entry_pending p WHERE p.entry = e.id AND p.leaf = e.leaf)
  AND NOT EXISTS (SELECT FROM vault.entry_position p WHERE p.entry = e.id)
UNION ALL SELECT 'an entry stands in the log twice' FROM vault.entry_pending p JOIN vault.entry_position q ON q.entry = p.entry
UNION ALL SELECT 'a release has no outcome' FROM vault.clearance c WHERE c.taken_at IS NOT NULL
UNION ALL SELECT 'a release has two outcomes' FROM vault.entry e WHERE e.act = 'outcome' GROUP BY e.of_entry HAVING count(*) > 1
UNION ALL SELECT 'a fact has no entry' FROM vault.filing f WHERE NOT EXISTS (SELECT FROM vault.entry e WHERE e.id = f.entry)
UNION ALL SELECT 'a fact has no entry' FROM vault.document d WHERE NOT EXISTS (SELECT FROM vault.entry e WHERE e.id = d.entry)
UNION ALL SELECT 'a fact has no entry' FROM vault.consent c WHERE NOT EXISTS (SELECT FROM vault.entry e WHERE e.id = c.entry)
UNION ALL SELECT 'a fact has no entry' FROM vault.withdrawal w WHERE NOT EXISTS (SELECT FROM vault.entry e WHERE e.id = w.entry)
UNION ALL SELECT 'a fact has no entry' FROM vault.member m WHERE NOT EXISTS (SELECT FROM vault.entry e WHERE e.id = m.entry)
"""


def sweep(service: Service, store: ObjectStore | None = None) -> Swept:
    """One sweep that takes everything for old; the service does not run, and its last calls have ended."""
    deadline = time.monotonic() + 30
    while service.one(BUSY) and time.monotonic() < deadline:
        time.sleep(0.02)
    service.sql("UPDATE vault.process SET seen_at = seen_at - interval '1 hour'")
    service.sql(
        "UPDATE vault.clearance SET taken_at = taken_at - interval '1 hour', asked_at = asked_at - interval '1 hour'"
    )
    return run(_sweep(service, store or DirectoryStore(service.folder / "objects")))


async def _sweep(service: Service, store: ObjectStore) -> Swept:
    pool = Pool(service.database.url("worker"))
    try:
        return await Sweeper(WorkerDatabase(pool), store).sweep(older_than=dt.timedelta(0))
    finally:
        await pool.close()


def check(service: Service, store: ObjectStore | None = None) -> list[str]:
    """Everything that is wrong, in words; empty is well. Run after :func:`sweep`."""
    faults = [row[0] for row in service.sql(LOST)]
    keys = tuple(
        WrappedKey(kind=KeyKind(r["kind"]), subject=r["subject"], parent=r["parent"], wrapped=r["wrapped"])
        for r in service.sql(KEYS)
    )
    clearance = Clearance(
        entry=EntryId(uuid.uuid4()), at=dt.datetime.now(dt.UTC), leaf=b"", act=Act.VERIFY, basis=None, consent=None,
        provision=None, facts={}, keys=keys,
    )  # fmt: skip
    rows = {row["object"]: row for row in service.sql(FILED)}
    return faults + run(_check_objects(service, rows, clearance, store or DirectoryStore(service.folder / "objects")))


async def _check_objects(service: Service, rows: dict[str, Any], clearance: Clearance, store: ObjectStore) -> list[str]:
    names = {name async for name in store.names()}
    faults = [f"an object has no row: {name}" for name in names - rows.keys()]
    faults += [f"a row has no object: {name}" for name in rows.keys() - names]
    for name in rows.keys() & names:
        faults += await _open(service.keyring, clearance, store, rows[name])
    return faults


async def _open(keyring: FileKeyring, clearance: Clearance, store: ObjectStore, row: Any) -> list[str]:
    document, size = DocumentId(row["document"]), row["size_bytes"]
    reader = ChunkReader(
        keyring.document_key(clearance, str(document)), CaseId(row["case_id"]), document, sealed_size(size)
    )
    content = reader.open_whole(b"".join([piece async for piece in store.fetch(row["object"])]))
    parent = f"case:{row['case_id']}" if row["key_parent"] == "case" else f"register:{row['client']}"
    filed = keyring.open(clearance, parent, f"document.digest|{document}", row["sealed_digest"])
    return [] if hashlib.sha256(content).digest() == filed else [f"a document is not what was filed: {document}"]
