"""How a transfer stands, in plain words; ids, states, sizes and days, no content."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from vault.rules.transfer import State, waits


def told(item: Mapping[str, Any], backup_days: int | None) -> Iterator[str]:
    """The lines for one transfer as ``Overview.transfers`` gives it; ``backup_days`` is how long backups are kept."""
    yield f"{item['id']}  {item['state']}  case {item['case']}, to {item['archive']}"
    for wait in waits(State(item["state"]), item["waits_for"]):
        yield f"   waits: {wait.what}"
        yield f"      so: {wait.do}"
    for hold in item["holds"]:
        who = f"{hold['unit'] or hold['agency']} ({hold['role']})"
        yield f"   on hold since {hold['since'][:16]}Z by {who}; archivists see who in person, and the reason, on the transfer's page"
    if item["shred_from"] and item["state"] in {"verified", "retained"}:
        yield f"   the active copy is not destroyed before {item['shred_from'][:16]}Z"
    yield from _progress(item["progress"] or {})
    if item["package"]:
        package, lock = item["package"], item["locked_until"]
        yield f"   package: {package['size']} bytes, {package['files']} files, kept until {package['retention_ends']}"
        if lock:
            yield f"   the store refuses to remove it until {lock[:16]}Z"
    if item["shredded"]:
        yield from _shredded(item["shredded"], backup_days)


def _progress(progress: Mapping[str, Any]) -> Iterator[str]:
    if "phase" in progress:
        documents = (
            f", document {progress['documents']} of {progress['documents_all']}" if progress["documents_all"] else ""
        )
        left = f", about {progress['seconds_left']} s left" if "seconds_left" in progress else ""
        yield (
            f"   {progress['phase']}: {progress.get('percent', 0)} % ({progress['bytes']} of {progress['bytes_all']} bytes"
            f"{documents}){left}"
        )
    if "trouble" in progress:
        yield f"   put off at {progress['trouble_at'][:16]}Z: {progress['trouble']}"


def _shredded(shredded: Mapping[str, Any], backup_days: int | None) -> Iterator[str]:
    """What could still open it, honestly: wrapped keys stand in write-ahead logs and backups after they were deleted."""
    at = dt.datetime.fromisoformat(shredded["at"])
    yield f"   the case's keys were destroyed at {at:%Y-%m-%dT%H:%MZ}; they stood under the epoch key {shredded['epoch']}"
    if shredded["beyond_recovery_at"]:
        yield f"   beyond recovery since {shredded['beyond_recovery_at'][:16]}Z: no backup of the database opens it any more"
        return
    if backup_days is None:
        yield "   a database backup from before then holds the wrapped key, for as long as it is kept: set backup_days"
    else:
        until = (at + dt.timedelta(days=backup_days)).date()
        yield f"   a database backup from before then, and the write-ahead log, may hold the wrapped key until {until}"
    yield f"   still alive: {', '.join(shredded['alive'])}; vault key rotate destroys them"
