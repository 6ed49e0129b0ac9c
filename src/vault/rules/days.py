"""Days as the rules count them: calendar days in Europe/Helsinki.

Source: design.md §3.2 ("days are days in Europe/Helsinki").
"""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo

from vault.errors import InvalidInput, InvariantViolated

HELSINKI = ZoneInfo("Europe/Helsinki")
AGE_OF_MAJORITY = 18

_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_day(text: str, field: str) -> dt.date:
    """Read ``YYYY-MM-DD``; only this spelling and only days that exist.

    Raises: InvalidInput (``invalid-day``) that names ``field``.
    Source: design.md §4 (days are YYYY-MM-DD).
    """
    try:
        if _FORM.fullmatch(text):
            return dt.date.fromisoformat(text)
    except ValueError:
        pass  # The form was right, the day does not exist: the same answer as for a wrong form.
    raise InvalidInput("expected a day that exists, as YYYY-MM-DD", field=field, code="invalid-day")


def helsinki_day(instant: dt.datetime) -> dt.date:
    """The calendar day in Helsinki at that instant, which must carry a time zone.

    Raises: InvariantViolated for an instant without a time zone.
    Source: design.md §3.2.
    """
    if instant.tzinfo is None:
        raise InvariantViolated("an instant without a time zone has no Helsinki day")
    return instant.astimezone(HELSINKI).date()


def end_of_day(day: dt.date) -> dt.datetime:
    """The instant, in UTC, at which that day ends in Helsinki.

    Source: design.md §3.2 (days are days in Europe/Helsinki).
    """
    return dt.datetime.combine(day + dt.timedelta(days=1), dt.time(0), HELSINKI).astimezone(dt.UTC)


def plus_years(day: dt.date, years: int) -> dt.date:
    """The same day that many years later (or earlier); 29 February becomes 28 February in a common year.

    Source: design.md §3.2 (calendar days).
    """
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


def eighteenth_birthday(born: dt.date) -> dt.date:
    """The first day on which a guardian's consent no longer counts.

    Born on 29 February: 28 February in a common year, so that the consent lapses a day early rather than a day late.
    Source: design.md §3.2 (a guardian's consent lapses on the client's 18th birthday).
    """
    return plus_years(born, AGE_OF_MAJORITY)
