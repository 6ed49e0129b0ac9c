"""Copies of one case, made in SQL: every row that belongs to it, under new ids, as often as wanted.

Ids stay UUIDs of version 7: copy n has the milliseconds of its own moment and, behind them, a digest of the old id and n,
so that what belongs together still does. Keys, names and objects are copied as they are: they open nothing under another
id, and no decision looks into them.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

from benchmarks.place import Place

FIRST_MS = 1_700_000_000_000
STEP_MS = 997
# Text columns that name things by their ids: the key's subject and parent, the scope of a version.
_NAMES = {"wrapped_key": ("subject", "parent"), "fact_version": ("scope",)}
_CASE_FIELDS = frozenset(
    {"case_id", "client", "document", "consent", "form", "series", "attachment_of", "replaces", "entry"}
)

_FUNCTIONS = f"""
CREATE SCHEMA bench;
CREATE FUNCTION bench.new_id(old uuid, n integer) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (lpad(to_hex({FIRST_MS}::bigint + n * {STEP_MS}::bigint), 12, '0') || '7' || substr(md5(old::text || n), 14))::uuid;
CREATE FUNCTION bench.new_name(old text, n integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN old LIKE 'epoch:%' OR old LIKE 'root:%' THEN old
    WHEN old LIKE '%:%' THEN split_part(old, ':', 1) || ':' || bench.new_id(split_part(old, ':', 2)::uuid, n)
    ELSE bench.new_id(old::uuid, n)::text END;
"""
_LANES = 2

# Which rows belong to the case; $1 is the case. A table's own uuid columns that are ids of the case's things get new ones.
_ROWS = {
    "wrapped_key": "x.subject = $1::text OR x.subject IN (SELECT client::text FROM vault.client_case WHERE id = $1)"
    " OR x.subject IN (SELECT id::text FROM vault.document WHERE case_id = $1)",
    "document": "x.case_id = $1",
    "provision": "x.consent IN (SELECT id FROM vault.consent WHERE case_id = $1)",
    "attempt": "x.document IN (SELECT id FROM vault.document WHERE case_id = $1)",
    "filing": "x.document IN (SELECT id FROM vault.document WHERE case_id = $1)",
    "member": "x.case_id = $1",
    "known": "x.document IN (SELECT id FROM vault.document WHERE case_id = $1)",
    "participant": "x.case_id = $1",
    "fact_version": "x.scope = 'case:' || $1 OR x.scope IN (SELECT 'client:' || client FROM vault.client_case WHERE id = $1)",
    "consent": "x.case_id = $1",
    "client": "x.id IN (SELECT client FROM vault.client_case WHERE id = $1)",
    "client_about": "x.client IN (SELECT client FROM vault.client_case WHERE id = $1)",
    "client_case": "x.id = $1",
}


async def copy_case(place: Place, database: str, case: uuid.UUID, copies: int) -> None:
    """Make the copies, and bring the planner's statistics up to date. Meanwhile, nothing is durable."""
    async with AsyncExitStack() as stack:
        lanes = [await stack.enter_async_context(place.connection("superuser", database)) for _ in range(_LANES)]
        await lanes[0].execute(_FUNCTIONS)
        await _set_durable(lanes[0], durable=False)
        left = iter(_ROWS.items())
        await asyncio.gather(*[_copy_tables(lane, left, case, copies) for lane in lanes])
        await lanes[0].execute("VACUUM (ANALYZE)")
        await _set_durable(lanes[0], durable=True)


async def _set_durable(superuser: Any, *, durable: bool) -> None:
    for name in ("fsync", "full_page_writes"):
        await superuser.execute(f"ALTER SYSTEM SET {name} = {'on' if durable else 'off'}")
    await superuser.execute("SELECT pg_reload_conf()")
    await superuser.execute("CHECKPOINT")


async def _copy_tables(lane: Any, left: Iterator[tuple[str, str]], case: uuid.UUID, copies: int) -> None:
    # The copies are as sound as the original: their foreign keys need no second look, 700,000 times.
    await lane.execute("SET session_replication_role = replica")
    for name, belongs in left:
        await lane.execute(await _statement(lane, name, belongs, case, copies))


async def _statement(lane: Any, name: str, belongs: str, case: uuid.UUID, copies: int) -> str:
    columns = await lane.fetch(
        "SELECT column_name AS name, data_type AS type FROM information_schema.columns"
        " WHERE table_schema = 'vault' AND table_name = $1 AND is_identity = 'NO' ORDER BY ordinal_position",
        name,
    )
    values = [_value(name, column["name"], column["type"]) for column in columns]
    return (
        f"INSERT INTO vault.{name} ({', '.join(column['name'] for column in columns)}) SELECT {', '.join(values)}"
        f" FROM vault.{name} x, generate_series(1, {copies}) AS made (n) WHERE {belongs}".replace(
            "$1", f"'{case}'::uuid"
        )
    )


def _value(table: str, column: str, kind: str) -> str:
    if column in _NAMES.get(table, ()):
        return f"bench.new_name(x.{column}, made.n)"
    if column == "object":
        return "md5(x.object || made.n)"
    if kind == "uuid" and (column == "id" or column in _CASE_FIELDS):
        return f"bench.new_id(x.{column}, made.n)"
    return f"x.{column}"
