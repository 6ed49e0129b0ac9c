"""Who looked: a calm timeline of openings with clause and purpose; what was asked and not given is folded."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from vault.model import ConsentId
from vault.pages.folding import Fold, days_of, folded
from vault.pages.my.parts import MyParts, everything, secret_of
from vault.pages.shell import language_of, render
from vault.services.mine_views import MyConsent
from vault.services.openings import Looking, MyLog, Opening
from vault.web.session import AnyRequest

PAGE = 60
After = Annotated[uuid.UUID | None, QueryParameter(name="after", required=False)]
Show = Annotated[str, QueryParameter(name="show", required=False)]


class LogDay(msgspec.Struct, frozen=True):
    """One day of the log, newest first: what was opened, what was asked and not given, and what else was done."""

    day: dt.date
    openings: list[Opening]
    denied: list[Opening]
    acts: list[Opening | Fold]


def by_day(log: MyLog) -> list[LogDay]:
    """The days of a page of the log, in its order."""
    return [_day(day, found) for day, found in days_of(log.items)]


def _day(day: dt.date, found: list[Opening]) -> LogDay:
    denied = [one for one in found if one.decision == "deny"]
    opened = [one for one in found if _is_opening(one) and one.decision != "deny"]
    others = [one for one in found if not _is_opening(one) and one.decision != "deny"]
    return LogDay(day, opened, denied, folded(others))


def _is_opening(one: Opening) -> bool:
    """What opened a paper, or, at a desk, all of them at once."""
    return one.act == "open" or (one.actor == "records-officer" and one.act.startswith("export"))


def log_handlers(parts: MyParts) -> list[HTTPRouteHandler]:
    @get("/log", include_in_schema=False)
    async def who_looked(request: AnyRequest, after: After = None, show: Show = "") -> Response[bytes]:
        secret = secret_of(request)
        own = show == "own"
        looking = Looking(newest=True, after=after, limit=PAGE)
        log = await parts.openings.mine(secret, looking, own=own, language=language_of(request))
        consents = await everything(MyConsent, lambda last: parts.mine.consents(secret, after=last))
        known: set[ConsentId] = {consent.id for consent in consents}
        return render(request, "my/log.html", log=log, days=by_day(log), own=own, first=after is None, consents=known)

    return [who_looked]
