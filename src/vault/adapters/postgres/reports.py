"""reports.ReportLog over a pool of the monitor's role; page by page, so that a long report needs little memory."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

from vault.adapters.postgres.pool import Pool

PAGE = 2000
_BEGIN = "SELECT vault.report_begin($1, $2, $3)"
_PAGE = "SELECT * FROM vault.report_page($1, $2, $3)"


class PostgresReportLog:
    def __init__(self, pool: Pool, *, page: int = PAGE) -> None:
        self._pool = pool
        self._page = page

    async def begin(self, application: str, since: dt.datetime, before: dt.datetime) -> uuid.UUID | None:
        begun: uuid.UUID | None = await self._pool.value(_BEGIN, application, since, before)
        return begun

    async def rows(self, report: uuid.UUID) -> AsyncIterator[Mapping[str, Any]]:
        after = uuid.UUID(int=0)
        while rows := await self._pool.rows(_PAGE, report, after, self._page):
            for row in rows:
                yield row
            after = rows[-1]["entry"]
