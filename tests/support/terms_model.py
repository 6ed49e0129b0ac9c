"""The terms of adapters/postgres/sql/terms.sql in plain Python: last days for an answer, and what uses up a free year.

Source: Regulation (EEC, Euratom) No 1182/71 Art. 3; FI 150/1930 § 5; GDPR Art. 12(3), (5); design.md §7; domain.md §9.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from vault.rules.days import helsinki_day, plus_years

_ONE = dt.timedelta(days=1)
_FIXED = {(1, 1), (1, 6), (5, 1), (12, 6), (12, 24), (12, 25), (12, 26)}
_FROM_EASTER = {-2, 0, 1, 39, 49}  # Good Friday, Easter, Easter Monday, Ascension, Pentecost
MONTHS = {"export-review": (1, 2), "self-access": (1, 2), "correction": (1, 2), "explanation": (1, 2), "restriction": (1, 2), "log-names": (2, None), "log-older": (2, None)}  # fmt: skip
"""kind -> months to the answer, months that it may be put off by"""


def plus_months(day: dt.date, months: int) -> dt.date:
    """The same day that many months later; the month's last day where it has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def due_day(received: dt.date, months: int) -> dt.date:
    """The last day on which something received on that day may be answered."""
    return next_working_day(plus_months(received, months))


def next_working_day(day: dt.date) -> dt.date:
    """That day, or the first after it that is no Saturday, Sunday or holiday."""
    while not is_working_day(day):
        day += _ONE
    return day


def is_working_day(day: dt.date) -> bool:
    if day.weekday() >= 5 or (day.month, day.day) in _FIXED:
        return False
    midsummer = next(dt.date(day.year, 6, n) for n in range(20, 27) if dt.date(day.year, 6, n).weekday() == 5)
    return day != midsummer - _ONE and (day - easter(day.year)).days not in _FROM_EASTER


def easter(year: int) -> dt.date:
    """Easter Sunday, by the tables of the Gregorian reckoning: golden number, epact, Sunday letter."""
    golden, century = year % 19 + 1, year // 100 + 1
    dropped, synchronised = 3 * century // 4 - 12, (8 * century + 5) // 25 - 5
    sunday, epact = 5 * year // 4 - dropped - 10, (11 * golden + 20 + synchronised - dropped) % 30
    if epact == 24 or (epact == 25 and golden > 11):
        epact += 1
    full = 44 - epact
    full += 30 if full < 21 else 0
    full += 7 - (sunday + full) % 7
    return dt.date(year, 3, 1) + dt.timedelta(days=full - 1)


@dataclass(frozen=True)
class Got:
    """Something that the client asked for and how it ended: ``whole`` and to its end, at that instant; or not."""

    at: dt.datetime | None
    whole: bool
    own: bool = True


def is_free(received_on: dt.date, recorded_at: dt.datetime, now: dt.datetime, earlier: Iterable[Got]) -> bool:
    """May nothing be charged for a request that came on that day, if the fee were decided now?"""
    used = [one.at for one in earlier if one.at is not None and one.whole and one.own]
    before = [at for at in used if at < recorded_at and helsinki_day(at) <= received_on]
    return all(plus_years(helsinki_day(at), 1) <= helsinki_day(now) for at in before)
