"""Applies the schema: numbered migrations forward only, then the functions, in one transaction under one lock.

Safe to run twice and from two processes at once: the second waits, finds everything applied, and changes nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from importlib import resources

import asyncpg

from vault.errors import SettingsWrong

LOCK = 7021002
PARTITION_MONTHS = 26
"""How many months of log partitions exist ahead; the default partition takes what is outside them."""

FUNCTION_FILES = (
    "clock", "rules", "terms", "withholding", "entry", "standing", "door", "openings", "report", "listing", "acts", "restriction", "closing", "consents", "persons", "codes", "authorities",
    "leases", "tokens", "registry", "sessions", "transfer_states", "rotation", "archive",
    "transfers", "readers", "mine", "wishes", "tree", "restart",
    "desk", "requests", "desk_acts", "handed", "exports", "export_jobs", "grants",
)  # fmt: skip

_HISTORY = """
CREATE SCHEMA IF NOT EXISTS vault;
CREATE TABLE IF NOT EXISTS vault.migration (
    name text COLLATE "C" PRIMARY KEY,
    digest text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""


def _text(folder: str, name: str) -> str:
    return (resources.files("vault.adapters.postgres") / folder / name).read_text("utf-8")


def roles_sql() -> str:
    """The statements that make the roles; an administrator of the cluster runs them once."""
    return _text("sql", "roles.sql")


def migration_names() -> list[str]:
    """The numbered migrations, in order."""
    folder = resources.files("vault.adapters.postgres") / "migrations"
    return sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))


def functions_sql() -> str:
    """All functions and grants as one script; applied whenever its digest changes."""
    return "\n".join(_text("sql", f"{name}.sql") for name in FUNCTION_FILES)


async def migrate(owner: asyncpg.Connection[asyncpg.Record]) -> list[str]:
    """Bring the database to this version's schema; returns the names of what was applied.

    Raises: SettingsWrong when a migration that was applied has since been edited, or when the database is newer.
    """
    async with owner.transaction():
        await owner.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        await owner.execute(_HISTORY)
        done = {r["name"]: r["digest"] for r in await owner.fetch("SELECT name, digest FROM vault.migration")}
        applied = await _apply_numbered(owner, done)
        applied += await _apply_functions(owner, done)
        made = await owner.fetchval(
            "SELECT vault.make_partitions($1, $2)", dt.datetime.now(dt.UTC).date(), PARTITION_MONTHS
        )
        return applied + ([f"{made} log partitions"] if made else [])


async def _apply_numbered(owner: asyncpg.Connection[asyncpg.Record], done: Mapping[str, str]) -> list[str]:
    names = migration_names()
    unknown = sorted(n for n in done if n.endswith(".sql") and n not in names)
    if unknown:
        detail = f"the database holds migration {unknown[0]}, which this version does not know; run a newer version"
        raise SettingsWrong(detail)
    applied = []
    for name in names:
        script = _text("migrations", name)
        digest = hashlib.sha256(script.encode()).hexdigest()
        if name in done:
            if done[name] != digest:
                detail = f"migration {name} was applied in another form; migrations are never edited"
                raise SettingsWrong(detail)
            continue
        await owner.execute(script)
        await owner.execute("INSERT INTO vault.migration (name, digest) VALUES ($1, $2)", name, digest)
        applied.append(name)
    return applied


async def _apply_functions(owner: asyncpg.Connection[asyncpg.Record], done: Mapping[str, str]) -> list[str]:
    script = functions_sql()
    digest = hashlib.sha256(script.encode()).hexdigest()
    if done.get("functions") == digest:
        return []
    await owner.execute(script)
    await owner.execute(
        "INSERT INTO vault.migration (name, digest) VALUES ('functions', $1)"
        " ON CONFLICT (name) DO UPDATE SET digest = excluded.digest, applied_at = clock_timestamp()",
        digest,
    )
    return ["functions"]
