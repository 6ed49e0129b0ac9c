"""The worker's claims on transfers, and what a receipt must be for."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from vault.adapters.postgres.pool import Pool
from vault.model import TokenSecret
from vault.services.transfers import Taken

_FIND = "SELECT vault.transfers_find()"
_TAKE_UP = "SELECT vault.transfer_take_up()"
_KEEP = "SELECT vault.transfer_keep($1, $2, $3)"
_EXPECTED = "SELECT vault.transfer_expected($1, $2)"
_TELL = "SELECT vault.transfer_tell($1, $2, $3)"
_OBJECTS = "SELECT array_agg(o) FROM vault.transfer_objects($1, $2, $3) AS o"


class PostgresClaims:
    """services.transfers.Claims over a pool; the service's role may only ask what is expected."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self) -> int:
        return int(await self._pool.value(_FIND))

    async def take_up(self) -> Taken | None:
        found = await self._pool.value(_TAKE_UP)
        if found is None:
            return None
        return Taken(
            transfer=uuid.UUID(found["transfer"]),
            case=uuid.UUID(found["case"]),
            state=found["state"],
            secret=TokenSecret(bytes.fromhex(found["secret"])),
        )

    async def keep(self, taken: Taken, wait: dt.timedelta) -> bool:
        return bool(await self._pool.value(_KEEP, taken.secret, taken.transfer, wait))

    async def expected(self, secret: TokenSecret, transfer: uuid.UUID) -> dict[str, Any] | None:
        found: dict[str, Any] | None = await self._pool.value(_EXPECTED, secret, transfer)
        return found

    async def objects(self, taken: Taken, removed: Sequence[str]) -> list[str]:
        return list(await self._pool.value(_OBJECTS, taken.secret, taken.transfer, list(removed)) or ())

    async def tell(self, taken: Taken, told: Mapping[str, Any]) -> None:
        await self._pool.value(_TELL, taken.secret, taken.transfer, dict(told))
