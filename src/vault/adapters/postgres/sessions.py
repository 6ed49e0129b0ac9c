"""services.sessions.SessionRegister over the tokens role's own pool; the service's role can do none of this."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from vault.adapters.postgres.pool import Pool
from vault.services.sessions import PURPOSE, Identified, Outcome, Provider

_PROVIDERS = "SELECT vault.providers()"
_VISIT = "SELECT vault.visitor_record($1, $2, $3, $4)"
_BEGIN = "SELECT vault.session_record($1, $2, $3, $4, $5, $6)"
_BEGIN_STAFF = "SELECT vault.session_record_staff($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
_TOUCH = "SELECT vault.session_touch($1)"
_END = "SELECT vault.session_end($1)"
_LANGUAGE = "SELECT vault.session_language($1, $2)"
_ACT_FOR = "SELECT vault.session_act_for($1, $2, $3)"


class PostgresSessionRegister:
    """Providers and recorded sessions."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def providers(self) -> tuple[Provider, ...]:
        return msgspec.convert(await self._pool.value(_PROVIDERS), tuple[Provider, ...])

    async def visit(self, visitor: bytes, provider: str, digest: bytes, sealed: bytes) -> Outcome:
        return Outcome(await self._pool.value(_VISIT, visitor, provider, digest, sealed))

    async def begin_client(
        self,
        visitor: bytes,
        session: bytes,
        provider: str,
        code_mac: bytes | None,
        identity_mac: bytes,
        about: dict[str, Any],
    ) -> Outcome:
        return Outcome(await self._pool.value(_BEGIN, visitor, session, provider, code_mac, identity_mac, about))

    async def begin_staff(
        self, session: bytes, who: Identified, digest: bytes, sealed: bytes, identity_mac: bytes, about: dict[str, Any]
    ) -> Outcome:
        return Outcome(
            await self._pool.value(
                _BEGIN_STAFF, session, who.provider, who.subject, who.role, who.unit, who.purpose or PURPOSE, digest, sealed, identity_mac,
                about,
            )
        )  # fmt: skip

    async def touch(self, session: bytes) -> dict[str, Any] | None:
        found: dict[str, Any] | None = await self._pool.value(_TOUCH, session)
        return found

    async def end(self, session: bytes) -> None:
        await self._pool.value(_END, session)

    async def set_language(self, session: bytes, language: str) -> bool:
        return bool(await self._pool.value(_LANGUAGE, session, language))

    async def act_for(self, session: bytes, new: bytes, authority: uuid.UUID | None) -> Outcome:
        return Outcome(await self._pool.value(_ACT_FOR, session, new, authority))
