"""What a server and a role say of themselves, for `vault doctor`."""

from __future__ import annotations

import datetime as dt
from typing import Any

import asyncpg
import msgspec

_FACTS = """
SELECT current_user::text AS name, r.rolsuper AS superuser, r.rolbypassrls AS bypasses, r.rolcreaterole AS creates_roles,
    ARRAY(SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid ORDER BY 1) AS member_of,
    EXISTS (SELECT FROM pg_database d WHERE d.datname = current_database() AND d.datdba = r.oid) AS owner,
    current_setting('server_version_num')::integer AS version, current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
    current_setting('log_parameter_max_length') AS log_parameters, current_setting('log_parameter_max_length_on_error') AS log_parameters_on_error,
    current_setting('log_statement') AS log_statement, current_setting('log_min_duration_statement') AS log_slow,
    current_setting('max_connections')::integer AS max_connections, clock_timestamp() AS at
FROM pg_roles r WHERE r.rolname = current_user
"""
_MIGRATIONS = "SELECT name, digest FROM vault.migration ORDER BY name"


class ServerFacts(msgspec.Struct, frozen=True):
    """One role's rights and its server's settings; ``skew_s`` is how far the database's clock is ahead of ours."""

    name: str
    superuser: bool
    bypasses: bool
    creates_roles: bool
    member_of: list[str]
    owner: bool
    version: int
    synchronous_commit: str
    fsync: str
    full_page_writes: str
    log_parameters: str
    log_parameters_on_error: str
    log_statement: str
    log_slow: str
    max_connections: int
    skew_s: float


async def server_facts(connection: asyncpg.Connection[asyncpg.Record]) -> ServerFacts:
    """Ask the server, and our own clock before and after."""
    before = dt.datetime.now(dt.UTC)
    row: dict[str, Any] = dict(await connection.fetchrow(_FACTS))
    after = dt.datetime.now(dt.UTC)
    at: dt.datetime = row.pop("at")
    # The answer was made between the two: only what lies outside of them is a difference of clocks.
    skew = max((at - after).total_seconds(), 0.0) or min((at - before).total_seconds(), 0.0)
    return ServerFacts(skew_s=skew, **row)


async def applied_migrations(owner: asyncpg.Connection[asyncpg.Record]) -> dict[str, str]:
    """Migrations that were applied, with their digests; empty when the schema is not there."""
    try:
        return {row["name"]: row["digest"] for row in await owner.fetch(_MIGRATIONS)}
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return {}
