"""What the operator's commands share: a connection under one database role, and one loop per command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg

from vault.adapters.keyring.file import FileKeyring, open_keyring
from vault.adapters.postgres.migrate import migrate
from vault.adapters.postgres.overview import Overview
from vault.adapters.postgres.pool import prepare
from vault.adapters.postgres.registry import Registry
from vault.errors import DatabaseUnavailable, SettingsWrong
from vault.settings import DatabaseRole, Settings, load_settings, require

T = TypeVar("T")
CONNECT_S = 10


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run one command's work to its end."""
    return asyncio.run(work)


async def connect(settings: Settings, role: DatabaseRole) -> asyncpg.Connection[asyncpg.Record]:
    """A connection under this role. Raises: SettingsWrong, DatabaseUnavailable; neither holds the URL or its password."""
    name, url = f"database_url_{role.value}", settings.database_url(role)
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_S)
    except asyncpg.InvalidAuthorizationSpecificationError:
        raise SettingsWrong(f"{name}: the database refuses this role or its password", field=name) from None
    except asyncpg.InvalidCatalogNameError:
        raise SettingsWrong(f"{name}: the server has no such database", field=name) from None
    except (ValueError, asyncpg.InterfaceError):
        raise SettingsWrong(f"{name}: expected postgresql://role:password@host/database", field=name) from None
    except (OSError, TimeoutError, asyncpg.PostgresError):
        raise DatabaseUnavailable(
            f"{name}: the database cannot be reached; is it running, and is the host right?"
        ) from None
    await prepare(connection)
    return connection


@asynccontextmanager
async def owner(settings: Settings) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection as the schema's owner. Raises also: SettingsWrong when the schema is not there."""
    connection = await connect(settings, DatabaseRole.OWNER)
    try:
        yield connection
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError, asyncpg.InvalidSchemaNameError):
        raise SettingsWrong("the database has no vault schema of this version; run: vault migrate") from None
    except asyncpg.InsufficientPrivilegeError:
        raise SettingsWrong("database_url_owner: this role does not own the vault's schema") from None
    finally:
        await connection.close()


@asynccontextmanager
async def registry() -> AsyncIterator[tuple[Registry, Overview]]:
    """The registry and what stands in it, as the owner, by the settings of the environment."""
    settings = load_settings()
    keyring: FileKeyring = open_keyring(require(settings.keyring, "keyring"))
    async with owner(settings) as connection:
        yield Registry(connection, keyring), Overview(connection)


@asynccontextmanager
async def overview() -> AsyncIterator[Overview]:
    """What stands in the registry; needs no keyring."""
    async with owner(load_settings()) as connection:
        yield Overview(connection)


async def update_schema() -> list[str]:
    """Migrate by the settings of the environment; the names of what was applied. Raises: SettingsWrong."""
    connection = await connect(load_settings(), DatabaseRole.OWNER)
    try:
        return await migrate(connection)
    except asyncpg.InsufficientPrivilegeError:
        detail = "this role does not own the database, or is no member of vault_door; see: vault migrate --roles"
        raise SettingsWrong(f"database_url_owner: {detail}") from None
    except asyncpg.UndefinedObjectError:
        detail = "a role is missing: run the SQL of vault migrate --roles as an administrator first"
        raise SettingsWrong(detail) from None
    finally:
        await connection.close()
