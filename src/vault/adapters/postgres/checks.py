"""What the service demands of its database before it serves."""

from __future__ import annotations

from vault.adapters.postgres.pool import Pool
from vault.errors import SettingsWrong

_ROLE = """
SELECT current_user AS name, r.rolsuper OR r.rolbypassrls OR r.rolcreaterole AS mighty,
    EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid) AS member,
    EXISTS (SELECT FROM pg_database d WHERE d.datname = current_database() AND d.datdba = r.oid) AS owner,
    current_setting('server_version_num')::integer AS version, current_setting('synchronous_commit') AS durable
FROM pg_roles r WHERE r.rolname = current_user
"""
OLDEST = 150000


async def require_modest(pool: Pool, what: str) -> None:
    """Refuse to run under a role that could go round the door.

    Raises: SettingsWrong for a superuser, an owner, BYPASSRLS, CREATEROLE, or a member of another role; for a server
    older than 15; for synchronous_commit off. Source: design.md §3.1.
    """
    row = await pool.row(_ROLE)
    if row["mighty"] or row["member"] or row["owner"]:
        detail = f"{what}: the role {row['name']} may do more than it needs; use the role made for it (vault migrate --roles)"
        raise SettingsWrong(detail, field=what)
    if row["version"] < OLDEST:
        raise SettingsWrong(f"{what}: PostgreSQL 15 or newer is needed", field=what)
    if row["durable"] == "off":
        raise SettingsWrong(f"{what}: synchronous_commit is off; log entries would not be durable", field=what)
