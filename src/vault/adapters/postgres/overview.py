"""What an operator may look at over the owner's connection: the registry, keys by id, roles and server settings.

Ids, codes, counts and times only; nothing that is sealed is read.
"""

from __future__ import annotations

import uuid
from typing import Any

import asyncpg

_REGISTERED = """
SELECT id FROM vault.agency
UNION ALL SELECT id FROM vault.unit
UNION ALL SELECT id FROM vault.application
UNION ALL SELECT id FROM vault.provider
UNION ALL SELECT application || ' ' || kid FROM vault.application_key
UNION ALL SELECT agency || ' ' || subject FROM vault.professional
UNION ALL SELECT p.agency || ' ' || p.subject || ' ' || r.role FROM vault.professional p
    JOIN vault.professional_role r ON r.professional = p.id
    WHERE NOT EXISTS (SELECT FROM vault.professional_role_end x WHERE x.role_row = r.n)
"""
_AGENCIES = """
SELECT a.id, a.name ->> 'fi' AS name, vault.is_suspended(a.id, NULL, vault.clock()) AS suspended,
    ARRAY(SELECT u.id FROM vault.unit u WHERE u.agency = a.id ORDER BY u.id) AS units,
    (SELECT count(*) FROM vault.application p WHERE p.agency = a.id) AS applications,
    (SELECT count(*) FROM vault.professional p WHERE p.agency = a.id) AS professionals
FROM vault.agency a ORDER BY a.id
"""
_APPLICATIONS = """
SELECT a.id, a.agency, a.dpop_required AS dpop, a.jwks_url, vault.is_suspended(a.agency, a.id, vault.clock()) AS suspended,
    ARRAY(SELECT k.kid FROM vault.application_key k WHERE k.application = a.id AND NOT EXISTS (
        SELECT FROM vault.application_key_end x WHERE x.application = k.application AND x.kid = k.kid) ORDER BY k.recorded_at, k.kid) AS keys
FROM vault.application a ORDER BY a.agency, a.id
"""
_PROVIDERS = """
SELECT DISTINCT ON (p.id) p.id, p.kind, p.issuer, p.client_id, p.agency, NOT p.ended AS in_use
FROM vault.provider p ORDER BY p.id, p.n DESC
"""
_KEYS = "SELECT kind, split_part(parent, ':', 1) AS parent, count(*) AS keys FROM vault.wrapped_key GROUP BY 1, 2 ORDER BY 1, 2"
_ROOTS = "SELECT substring(parent FROM 6) AS root, count(*) AS keys FROM vault.wrapped_key WHERE parent LIKE 'root:%' GROUP BY 1 ORDER BY 1"
_EPOCHS = """
SELECT e.subject AS epoch, substring(e.parent FROM 6) AS root,
    (SELECT count(*) FROM vault.wrapped_key k WHERE k.parent = 'epoch:' || e.subject AND k.kind = 'case') AS cases,
    (SELECT count(*) FROM vault.wrapped_key k WHERE k.parent = 'epoch:' || e.subject AND k.kind = 'register') AS clients
FROM vault.wrapped_key e WHERE e.kind = 'epoch' ORDER BY e.subject
"""
_TRANSFERS = """
SELECT vault.transfer_json(x, NULL::vault.token) || jsonb_build_object('shredded', (SELECT jsonb_build_object(
        'at', vault.rfc3339(s.recorded_at), 'epoch', s.epoch,
        'beyond_recovery_at', (SELECT vault.rfc3339(f.recorded_at) FROM vault.transfer_state f WHERE f.transfer = x.id AND f.state = 'beyond-recovery' ORDER BY f.n LIMIT 1),
        'alive', (SELECT coalesce(jsonb_agg(k.name ORDER BY k.name), '[]') FROM (
            SELECT 'epoch:' || k.subject AS name FROM vault.wrapped_key k WHERE k.kind = 'epoch' AND k.subject = s.epoch
            UNION SELECT k.parent FROM vault.wrapped_key k WHERE k.kind = 'epoch' AND k.subject = s.epoch
            UNION SELECT r.name FROM vault.key_retired r WHERE NOT EXISTS (SELECT FROM vault.key_end e WHERE e.name = r.name)) k))
    FROM vault.shredded s WHERE s.transfer = x.id)) AS told
FROM vault.transfer x
WHERE CASE WHEN $1::uuid IS NULL THEN (vault.transfer_at(x.id)).state NOT IN ('cancelled', 'beyond-recovery') ELSE x.id = $1 END
ORDER BY x.id
"""
_LOOKUP = "SELECT EXISTS (SELECT FROM vault.wrapped_key WHERE kind = 'lookup')"
_AGENCY_OF = "SELECT agency FROM vault.application WHERE id = $1"
_KNOWS_AGENCY = "SELECT EXISTS (SELECT FROM vault.agency WHERE id = $1)"
_KNOWS_KEY = """
SELECT EXISTS (SELECT FROM vault.application_key k WHERE k.application = $1 AND k.kid = $2
    AND NOT EXISTS (SELECT FROM vault.application_key_end x WHERE x.application = k.application AND x.kid = k.kid))
"""
_KNOWS_ROLE = """
SELECT EXISTS (SELECT FROM vault.professional p JOIN vault.professional_role r ON r.professional = p.id
    WHERE p.agency = $1 AND p.subject = $2 AND r.role = $3
      AND NOT EXISTS (SELECT FROM vault.professional_role_end x WHERE x.role_row = r.n))
"""


class Overview:
    """Questions of an operator to the database, as its owner."""

    def __init__(self, owner: asyncpg.Connection[asyncpg.Record]) -> None:
        self._owner = owner

    async def registered(self) -> frozenset[str]:
        """Ids of agencies, units and applications; `application kid`, `agency subject`, `agency subject role`."""
        return frozenset(row[0] for row in await self._owner.fetch(_REGISTERED))

    async def agencies(self) -> list[dict[str, Any]]:
        return [dict(row) for row in await self._owner.fetch(_AGENCIES)]

    async def applications(self) -> list[dict[str, Any]]:
        return [dict(row) for row in await self._owner.fetch(_APPLICATIONS)]

    async def providers(self) -> list[dict[str, Any]]:
        return [dict(row) for row in await self._owner.fetch(_PROVIDERS)]

    async def keys(self) -> dict[str, list[dict[str, Any]]]:
        """Counts of keys by kind, by root key and by epoch."""
        found = {"kinds": _KEYS, "roots": _ROOTS, "epochs": _EPOCHS}
        return {name: [dict(row) for row in await self._owner.fetch(query)] for name, query in found.items()}

    async def transfers(self, transfer: uuid.UUID | None) -> list[dict[str, Any]]:
        """One transfer, or all that have not come to their end; ``shredded`` says what could still open it."""
        found: list[dict[str, Any]] = [row["told"] for row in await self._owner.fetch(_TRANSFERS, transfer)]
        for item in found:
            item["holds"] = [
                {name: hold[name] for name in ("id", "since", "agency", "unit", "role")} for hold in item["holds"]
            ]
        return found

    async def has_lookup_key(self) -> bool:
        return bool(await self._owner.fetchval(_LOOKUP))

    async def agency_of(self, application: str) -> str | None:
        """The agency whose application this is; None when there is no such application."""
        found: str | None = await self._owner.fetchval(_AGENCY_OF, application)
        return found

    async def knows_agency(self, agency: str) -> bool:
        return bool(await self._owner.fetchval(_KNOWS_AGENCY, agency))

    async def knows_key(self, application: str, kid: str) -> bool:
        return bool(await self._owner.fetchval(_KNOWS_KEY, application, kid))

    async def knows_role(self, agency: str, subject: str, role: str) -> bool:
        return bool(await self._owner.fetchval(_KNOWS_ROLE, agency, subject, role))
