"""What each role may touch, and what the vault in the database stands on, for `vault doctor`."""

from __future__ import annotations

import datetime as dt

import asyncpg
import msgspec

_TABLES = """
SELECT coalesce(array_agg(c.relname::text ORDER BY c.relname), '{}') FROM pg_class c
WHERE c.relnamespace = to_regnamespace('vault') AND c.relkind IN ('r', 'p', 'v', 'm')
  AND (has_table_privilege(c.oid, $1) OR has_any_column_privilege(c.oid, $2))
"""
_READS, _WRITES = "SELECT", "INSERT, UPDATE"
_RIGHTS = """
SELECT has_database_privilege(current_database(), 'CREATE') OR has_schema_privilege('public', 'CREATE')
    OR coalesce((SELECT has_schema_privilege(n.oid, 'CREATE') FROM pg_namespace n WHERE n.nspname = 'vault'), false) AS creates,
    has_database_privilege(current_database(), 'TEMP') AS temporary,
    (SELECT count(*) FROM pg_proc p WHERE p.pronamespace = to_regnamespace('vault') AND has_function_privilege('public', p.oid, 'EXECUTE')) AS open_to_all,
    (SELECT count(*) FROM pg_proc p WHERE p.pronamespace = to_regnamespace('vault') AND has_function_privilege(p.oid, 'EXECUTE')) AS callable
"""
_STANDING = """
SELECT extract(epoch FROM vault.clock() - clock_timestamp())::float AS clock_off_s,
    to_regclass('vault.entry_' || to_char($1::date, 'YYYYMM')) IS NOT NULL AS has_partition,
    ARRAY(SELECT DISTINCT substr(k.parent, 6) FROM vault.wrapped_key k WHERE k.parent LIKE 'root:%' ORDER BY 1) AS roots,
    EXISTS (SELECT FROM vault.wrapped_key k WHERE k.kind = 'lookup') AS has_lookup_key
"""
_ZONE = "SELECT to_char(timestamptz '2026-07-01 12:00+00' AT TIME ZONE 'Europe/Helsinki', 'HH24:MI')"


class Rights(msgspec.Struct, frozen=True):
    """What one role could do past the functions that it calls."""

    reads: list[str]
    writes: list[str]
    creates: bool
    temporary: bool
    open_to_all: int
    callable: int


class Standing(msgspec.Struct, frozen=True):
    """``clock_off_s`` is how far vault.clock() is from the server's clock; ``roots`` are the ids of root keys in use."""

    clock_off_s: float
    has_partition: bool
    roots: list[str]
    has_lookup_key: bool
    knows_helsinki: bool


async def rights(connection: asyncpg.Connection[asyncpg.Record]) -> Rights:
    """The rights of the role that is connected."""
    reads = await connection.fetchval(_TABLES, _READS, _READS)
    writes = await connection.fetchval(_TABLES, f"{_WRITES}, DELETE, TRUNCATE", _WRITES)
    return Rights(reads=reads, writes=writes, **dict(await connection.fetchrow(_RIGHTS)))


async def standing(owner: asyncpg.Connection[asyncpg.Record]) -> Standing:
    """Asked as the owner of a migrated database; the log's partition is that of the coming month."""
    next_month = (dt.datetime.now(dt.UTC).date().replace(day=1) + dt.timedelta(days=32)).replace(day=1)
    row = dict(await owner.fetchrow(_STANDING, next_month))
    try:
        knows = await owner.fetchval(_ZONE) == "15:00"
    except asyncpg.InvalidParameterValueError:
        knows = False
    return Standing(knows_helsinki=knows, **row)
