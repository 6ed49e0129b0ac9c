"""A database of the vault for each test: one template per server version is migrated once, the others are copied from it.

The vault's days run from the clock, and its clock is a function that only the owner may replace: ``Database.set_clock``.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg

from vault.adapters.embedded import EmbeddedPostgres
from vault.adapters.postgres.bootstrap import LOGIN_ROLES, make_database, make_roles
from vault.adapters.postgres.migrate import migrate
from vault.adapters.postgres.pool import prepare

TEMPLATE = "vault_template"
PASSWORDS = {role: f"insecure-password-of-{role}" for role in LOGIN_ROLES}
_numbers = itertools.count(1)
_templates: set[Path] = set()

# A copy does not take over who may connect and make temporary tables (pg_database.datacl); grants.sql said it of the template.
_GRANTS = """
DO $grants$ BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %1$I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %1$I TO vault_owner, vault_service, vault_tokens, vault_worker, vault_sequencer, '
        'vault_monitor', current_database());
END $grants$
"""
_CLOCK = "CREATE OR REPLACE FUNCTION vault.clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE RETURN {now}"


class Database:
    """One database; every connection that ``connect`` made is closed by ``close``."""

    def __init__(self, postgres: EmbeddedPostgres, name: str) -> None:
        self.postgres = postgres
        self.name = name
        self._open: list[Any] = []
        self._by_role: dict[str, Any] = {}

    def url(self, role: str = "owner") -> str:
        """The URL for ``owner``, ``service``, ``tokens``, ``worker``, ``sequencer``, ``monitor`` or ``superuser``."""
        if role == "superuser":
            return self.postgres.superuser_url.replace("/postgres?", f"/{self.name}?")
        return self.postgres.url(f"vault_{role}", PASSWORDS[f"vault_{role}"], self.name)

    async def connect(self, role: str = "owner") -> Any:
        """A connection of its own, that speaks jsonb."""
        connection = await asyncpg.connect(self.url(role))
        await prepare(connection)
        self._open.append(connection)
        return connection

    async def as_role(self, role: str) -> Any:
        """The test's one connection under this role."""
        if role not in self._by_role or self._by_role[role].is_closed():
            self._by_role[role] = await self.connect(role)
        return self._by_role[role]

    async def owner(self) -> Any:
        return await self.as_role("owner")

    async def service(self) -> Any:
        return await self.as_role("service")

    async def set_clock(self, instant: dt.datetime | None = None) -> None:
        """Stop the vault's clock at an instant, or let it go again."""
        now = "pg_catalog.clock_timestamp()" if instant is None else f"timestamptz '{instant.isoformat()}'"
        await (await self.owner()).execute(_CLOCK.format(now=now))

    async def insert(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows of equal columns as owner, past every function: for facts as a test wants them."""
        if rows:
            await insert(await self.owner(), table, rows)

    async def close(self) -> None:
        for connection in self._open:
            if not connection.is_closed():
                try:
                    await connection.close(timeout=5)
                except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    connection.terminate()  # its server was killed: there is nobody to say farewell to

    async def drop(self) -> None:
        await self.close()
        admin = await asyncpg.connect(self.postgres.superuser_url)
        try:
            await admin.execute(f"DROP DATABASE {self.name} WITH (FORCE)")
        finally:
            await admin.close()


async def insert(connection: Any, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows of equal columns; dicts and lists for jsonb columns go in as they are."""
    columns = [*rows[0]]
    places = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    await connection.executemany(
        f"INSERT INTO vault.{table} ({', '.join(columns)}) VALUES ({places})",
        [tuple(row[column] for column in columns) for row in rows],
    )


async def make_template(postgres: EmbeddedPostgres) -> None:
    """Make the roles and the migrated template of one server, once."""
    if postgres.data_dir in _templates:
        return
    await make_roles(postgres.superuser_url, PASSWORDS)
    await make_database(postgres.superuser_url, TEMPLATE)
    owner = await asyncpg.connect(postgres.url("vault_owner", PASSWORDS["vault_owner"], TEMPLATE))
    try:
        await migrate(owner)
    finally:
        await owner.close()
    _templates.add(postgres.data_dir)


async def make_empty(postgres: EmbeddedPostgres) -> Database:
    """A database in which nothing has been migrated."""
    await make_template(postgres)
    name = f"empty_{next(_numbers)}"
    await make_database(postgres.superuser_url, name)
    return Database(postgres, name)


async def make_vault(postgres: EmbeddedPostgres) -> Database:
    """A migrated database without any fact."""
    await make_template(postgres)
    name = f"vault_{next(_numbers)}"
    await make_database(postgres.superuser_url, name, template=TEMPLATE)
    return await _granted(Database(postgres, name))


async def copy_vault(database: Database) -> Database:
    """A copy of a database that nobody is connected to."""
    name = f"vault_{next(_numbers)}"
    await make_database(database.postgres.superuser_url, name, template=database.name)
    return await _granted(Database(database.postgres, name))


async def _granted(database: Database) -> Database:
    owner = await database.owner()
    await owner.execute(_GRANTS)
    return database
