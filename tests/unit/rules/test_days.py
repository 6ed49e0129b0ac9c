from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import InvalidInput, InvariantViolated
from vault.rules.days import eighteenth_birthday, helsinki_day, parse_day, plus_years


@given(st.dates())
def test_every_day_is_read_back(day):
    assert parse_day(day.isoformat(), "dated") == day


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-3-2",
        "20260302",
        "2026-W10-1",
        "2026-02-29",
        "2026-13-01",
        "0000-01-01",
        " 2026-03-02",
        "2026-03-02\n",
        "2026-03-02T00:00",
        "٢٠٢٦-03-02",
    ],
)
def test_other_spellings_and_days_that_do_not_exist_are_refused(text):
    with pytest.raises(InvalidInput) as raised:
        parse_day(text, "provisions[0].dated.from")
    assert (raised.value.narrow, raised.value.field) == ("invalid-day", "provisions[0].dated.from")


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-03-28T21:59:59+00:00", "2026-03-28"),  # winter: the day begins at 22 UTC
        ("2026-03-28T22:00:00+00:00", "2026-03-29"),
        ("2026-03-29T20:59:59+00:00", "2026-03-29"),  # the day of 23 hours ends at 21 UTC
        ("2026-03-29T21:00:00+00:00", "2026-03-30"),
        ("2026-10-24T21:00:00+00:00", "2026-10-25"),
        ("2026-10-25T21:59:59+00:00", "2026-10-25"),  # the day of 25 hours ends at 22 UTC
        ("2026-10-25T22:00:00+00:00", "2026-10-26"),
        ("2026-12-31T23:30:00+01:00", "2027-01-01"),
    ],
)
def test_helsinki_days_on_both_sides_of_midnight(instant, day):
    assert helsinki_day(dt.datetime.fromisoformat(instant)).isoformat() == day


def test_an_instant_without_a_time_zone_is_our_bug():
    with pytest.raises(InvariantViolated):
        helsinki_day(dt.datetime(2026, 1, 1))  # noqa: DTZ001


def test_eighteenth_birthday():
    assert eighteenth_birthday(dt.date(2008, 3, 2)) == dt.date(2026, 3, 2)
    assert eighteenth_birthday(dt.date(2008, 2, 29)) == dt.date(2026, 2, 28)  # a day early, never a day late
    assert eighteenth_birthday(dt.date(1982, 2, 28)) == dt.date(2000, 2, 28)


@given(st.dates(dt.date(1800, 1, 1), dt.date(2200, 1, 1)), st.integers(-50, 50))
def test_plus_years_moves_only_the_leap_day(day, years):
    moved = plus_years(day, years)
    assert moved.year == day.year + years
    assert (moved.month, moved.day) == (day.month, day.day) or ((day.month, day.day), moved.day) == ((2, 29), 28)
