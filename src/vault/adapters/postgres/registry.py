"""The registry over an owner's connection: agencies, units, applications and their keys, professionals. Each act is logged."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from vault.adapters.postgres.door import key_row
from vault.errors import Conflict, InvalidInput
from vault.model import WrappedKey
from vault.ports import Keyring
from vault.services.tokens import name_context


class Registry:
    """Writes the registry. Raises: Conflict when something is registered already, InvalidInput for what does not exist."""

    def __init__(self, owner: asyncpg.Connection[asyncpg.Record], keyring: Keyring) -> None:
        self._owner = owner
        self._keyring = keyring

    async def agency(self, slug: str, name: Mapping[str, str]) -> None:
        await self._call("SELECT vault.agency_register($1, $2)", slug, dict(name))

    async def unit(self, unit: str, name: Mapping[str, str]) -> None:
        await self._call("SELECT vault.unit_register($1, $2, $3)", unit, unit.partition("/")[0], dict(name))

    async def application(
        self, client_id: str, agency: str, *, dpop: bool = False, jwks_url: str | None = None
    ) -> None:
        await self._call("SELECT vault.application_register($1, $2, $3, $4)", client_id, agency, dpop, jwks_url)

    async def application_key(self, client_id: str, jwk: Mapping[str, Any]) -> None:
        await self._call("SELECT vault.application_key_add($1, $2, $3)", client_id, jwk["kid"], dict(jwk))

    async def end_application_key(self, client_id: str, kid: str) -> None:
        await self._call("SELECT vault.application_key_end($1, $2)", client_id, kid)

    async def professional(self, agency: str, subject: str, name: str) -> None:
        sealed = self._keyring.seal_own(name_context(agency, subject), name.encode())
        await self._call("SELECT vault.professional_register($1, $2, $3, $4)", uuid.uuid4(), agency, subject, sealed)

    async def role(self, agency: str, subject: str, role: str, unit: str | None = None) -> None:
        await self._call("SELECT vault.professional_role_add($1, $2, $3, $4)", agency, subject, role, unit)

    async def end_role(self, agency: str, subject: str, role: str) -> None:
        await self._call("SELECT vault.professional_role_end($1, $2, $3)", agency, subject, role)

    async def suspend(self, agency: str, application: str | None = None, *, suspended: bool = True) -> None:
        await self._call("SELECT vault.suspend($1, $2, $3)", agency, application, suspended)

    async def provider(
        self, provider: str, kind: str, issuer: str, client_id: str, application: str | None, about: Mapping[str, Any]
    ) -> None:
        """Register who identifies clients, or an application's professionals; the newest of an id counts."""
        await self._call(
            "SELECT vault.provider_register($1, $2, $3, $4, $5, $6)",
            provider,
            kind,
            issuer,
            client_id,
            application,
            dict(about),
        )

    async def end_provider(self, provider: str) -> bool:
        """Trust it no more; the sessions that it began end at once. False when there is none in force."""
        return bool(await self._owner.fetchval("SELECT vault.provider_end($1)", provider))

    async def archive(
        self,
        archive: str,
        agency: str,
        name: Mapping[str, str],
        recipients: Sequence[Mapping[str, str]],
        receipt_keys: Mapping[str, Any],
        *,
        wait_days: int = 14,
        contact: Mapping[str, str] | None = None,
    ) -> None:
        """Set up the archive of an agency's closed cases; the newest counts.

        Units: ``wait_days`` lie between the reading back and the destruction of the active copy.
        """
        await self._call(
            "SELECT vault.archive_register($1, $2, $3, $4, $5, $6, $7)",
            archive,
            agency,
            dict(name),
            [dict(item) for item in recipients],
            dict(receipt_keys),
            wait_days,
            dict(contact) if contact else None,
        )

    async def retire_receipt_key(self, archive: str, kid: str) -> None:
        """Count an archive's receipt key no more. Raises: InvalidInput when the archive has none of that id."""
        if not await self._owner.fetchval("SELECT vault.receipt_key_retire($1, $2)", archive, kid):
            raise InvalidInput("the archive has no receipt key of this id", field="kid")

    async def install_key(self, key: WrappedKey) -> None:
        """Install the lookup key; an installed one stays."""
        await self._call("SELECT vault.key_install($1)", key_row(key))

    async def _call(self, query: str, *arguments: object) -> None:
        try:
            await self._owner.execute(query, *arguments)
        except asyncpg.UniqueViolationError:
            raise Conflict("it is registered already") from None
        except (asyncpg.ForeignKeyViolationError, asyncpg.NotNullViolationError):
            raise InvalidInput("the agency, unit, application or professional named is not registered") from None
        except asyncpg.CheckViolationError:
            raise InvalidInput(
                "an id is written in lower case letters, digits and hyphens, a unit as agency/unit"
            ) from None
