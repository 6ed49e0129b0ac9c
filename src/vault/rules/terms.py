"""Terms in months: the day by which something is answered, in Helsinki days.

    the day of receipt is not counted · the last day bears the same number · where the month has no such day, its last one
    a term that would end on a Saturday, a Sunday or a public holiday ends with the next working day

Source: Regulation (EEC, Euratom) No 1182/71 Art. 3; GDPR Art. 12(3).
"""

from __future__ import annotations

import calendar
import datetime as dt

_ONE = dt.timedelta(days=1)
_FIXED = frozenset({(1, 1), (1, 6), (5, 1), (12, 6), (12, 25), (12, 26)})
_FROM_EASTER = frozenset({-2, 0, 1, 39, 49})  # Good Friday, Easter, Easter Monday, Ascension, Pentecost


def plus_months(day: dt.date, months: int) -> dt.date:
    """The same day that many months later; the month's last day where it has no such day.

    Source: Regulation 1182/71 Art. 3(2)(c).
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def due_day(received: dt.date, months: int) -> dt.date:
    """The last day on which something received on that day may be answered.

    Source: Regulation 1182/71 Art. 3(1), (2)(c), (4).
    """
    day = plus_months(received, months)
    while not is_working_day(day):
        day += _ONE
    return day


def is_working_day(day: dt.date) -> bool:
    """Whether it is neither a Saturday, a Sunday nor a Finnish public holiday.

    Midsummer's and Christmas' Eve count as holidays: offices are closed, and nobody is answered on them.
    Source: Regulation 1182/71 Art. 2; FI 150/1930 § 5.
    """
    if day.weekday() >= 5 or (day.month, day.day) in _FIXED or (day.month, day.day) == (12, 24):
        return False
    if day.month == 6 and 19 <= day.day <= 25 and day.weekday() == 4:
        return False
    return (day - easter(day.year)).days not in _FROM_EASTER


def easter(year: int) -> dt.date:
    """Easter Sunday of the Gregorian calendar, by the anonymous computus of 1876.

    Source: J. Meeus, Astronomical Algorithms, ch. 8 (the Gregorian Easter).
    """
    golden = year % 19
    century, rest = divmod(year, 100)
    leap, leftover = divmod(century, 4)
    moon = (19 * golden + century - leap - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    quarter, last = divmod(rest, 4)
    sunday = (32 + 2 * leftover + 2 * quarter - moon - last) % 7
    shift = (golden + 11 * moon + 22 * sunday) // 451
    month, day = divmod(moon + sunday - 7 * shift + 114, 31)
    return dt.date(year, month, day + 1)
