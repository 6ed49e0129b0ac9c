"""services.tokens.TokenRegister over the tokens role's own pool; the service's role can do none of this."""

from __future__ import annotations

import datetime as dt

from vault.adapters.postgres.pool import Pool
from vault.model import AgencySlug
from vault.services.tokens import ApplicationRecord, BurnKind, NewToken, RecordOutcome

_APPLICATION = "SELECT vault.application_record($1)"
_RECORD = "SELECT vault.token_record($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
_REVOKE = "SELECT vault.token_revoke($1, $2)"
_BURN = "SELECT vault.burn($1, $2, $3)"


class PostgresTokenRegister:
    """Applications, recorded tokens and burnt ids."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def application(self, client_id: str) -> ApplicationRecord | None:
        if "\x00" in client_id:
            return None
        found = await self._pool.value(_APPLICATION, client_id)
        if found is None:
            return None
        return ApplicationRecord(
            client_id=found["client_id"],
            agency=AgencySlug(found["agency"]),
            dpop_required=found["dpop_required"],
            suspended=found["suspended"],
            keys=tuple(found["keys"]),
            jwks_url=found["jwks_url"],
        )

    async def record(self, token: NewToken) -> RecordOutcome:
        return RecordOutcome(
            await self._pool.value(
                _RECORD, token.secret_sha256, str(token.kind), token.client_id, token.sub, token.role, token.unit, token.purpose,
                token.assertion_digest, token.sealed_assertion, token.issuer_jti_digest, token.assertion_expires_at, token.expires_at,
                token.jkt,
            )
        )  # fmt: skip

    async def revoke(self, secret_sha256: bytes, client_id: str) -> None:
        await self._pool.value(_REVOKE, secret_sha256, client_id)

    async def burn(self, kind: BurnKind, digest: bytes, expires_at: dt.datetime) -> bool:
        return bool(await self._pool.value(_BURN, kind, digest, expires_at))
