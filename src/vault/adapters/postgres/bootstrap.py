"""Makes the roles and the database with an administrator's connection; everything after is the owner's.

Used by the demo and the tests; a deployment may run ``vault migrate --roles`` output by hand instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import asyncpg

from vault.adapters.postgres.migrate import roles_sql
from vault.errors import InvariantViolated

LOGIN_ROLES = ("vault_owner", "vault_service", "vault_tokens", "vault_worker", "vault_sequencer", "vault_monitor")

_NAME = re.compile(r"^[a-z][a-z0-9_]{0,50}$")
_PASSWORD = re.compile(r"^[A-Za-z0-9_-]{16,}$")


async def make_roles(admin_url: str, passwords: Mapping[str, str]) -> None:
    """Make the cluster's roles and set their passwords (URL-safe characters, 16 or more)."""
    admin = await asyncpg.connect(admin_url)
    try:
        await admin.execute(roles_sql())
        for role in LOGIN_ROLES:
            password = passwords[role]
            if not _PASSWORD.match(password):
                raise InvariantViolated
            # ALTER ROLE takes no parameters; the pattern above leaves nothing to escape.
            statement = await admin.fetchval(
                "SELECT format('ALTER ROLE %I PASSWORD %L', $1::text, $2::text)", role, password
            )
            await admin.execute(statement)
    finally:
        await admin.close()


async def make_database(admin_url: str, name: str, *, template: str | None = None) -> bool:
    """Make one database owned by vault_owner; False when it was there already."""
    if not _NAME.match(name) or not (template is None or _NAME.match(template)):
        raise InvariantViolated
    admin = await asyncpg.connect(admin_url)
    try:
        if await admin.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
            return False
        statement = await admin.fetchval(
            "SELECT format('CREATE DATABASE %I OWNER vault_owner TEMPLATE %I', $1::text, $2::text)",
            name,
            template or "template0",
        )
        await admin.execute(statement)
        return True
    finally:
        await admin.close()
