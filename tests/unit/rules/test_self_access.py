"""An export's table, clock and yearly floor."""

from __future__ import annotations

import datetime as dt

import pytest

from vault.errors import Conflict
from vault.rules.self_access import TRANSITIONS, Earlier, Event, State, clock_of, is_free, next_state, percent
from vault.rules.terms import due_day, easter, is_working_day, plus_months

DAY = dt.date


def test_every_state_is_in_the_table_and_removed_is_the_end() -> None:
    assert set(TRANSITIONS) == set(State)
    assert set(TRANSITIONS[State.REMOVED].values()) == {State.REMOVED}
    assert next_state(State.COLLECTING, Event.MAKE) is State.READY
    with pytest.raises(Conflict):
        next_state(State.RECEIVED, Event.FETCH)


@pytest.mark.parametrize(
    ("received", "due"),
    [
        (DAY(2026, 3, 2), DAY(2026, 4, 2)),
        (DAY(2026, 1, 31), DAY(2026, 3, 2)),  # 28 February is a Saturday
        (DAY(2024, 1, 31), DAY(2024, 2, 29)),
        (DAY(2026, 3, 3), DAY(2026, 4, 7)),  # Good Friday to Easter Monday
        (DAY(2026, 11, 24), DAY(2026, 12, 28)),  # Christmas
        (DAY(2026, 5, 19), DAY(2026, 6, 22)),  # Midsummer's Eve
    ],
)
def test_a_month_ends_on_a_working_day(received: dt.date, due: dt.date) -> None:
    assert due_day(received, 1) == due
    assert clock_of(received).due == due
    assert clock_of(received, extended=True).due == due_day(received, 3)


def test_easter_and_working_days() -> None:
    assert [easter(year) for year in (2000, 2024, 2025, 2026)] == [
        DAY(2000, 4, 23), DAY(2024, 3, 31), DAY(2025, 4, 20), DAY(2026, 4, 5),
    ]  # fmt: skip
    assert not is_working_day(DAY(2026, 5, 14))  # Ascension
    assert is_working_day(DAY(2026, 5, 15))
    assert plus_months(DAY(2027, 12, 31), 2) == DAY(2028, 2, 29)


@pytest.mark.parametrize(
    ("today", "delivered", "partial", "free"),
    [
        (DAY(2029, 2, 27), DAY(2028, 2, 29), False, False),
        (DAY(2029, 2, 28), DAY(2028, 2, 29), False, True),
        (DAY(2026, 6, 1), DAY(2026, 5, 31), True, True),
        (DAY(2026, 6, 1), None, False, True),
        (DAY(2027, 5, 30), DAY(2026, 5, 31), False, False),
        (DAY(2027, 5, 31), DAY(2026, 5, 31), False, True),
    ],
)
def test_p09_the_yearly_floor(today: dt.date, delivered: dt.date | None, partial: bool, free: bool) -> None:
    assert is_free(today, [Earlier(delivered, partial)]) is free


def test_a_hundred_per_cent_is_said_only_of_what_is_ready() -> None:
    assert [percent(done, 200) for done in (0, 1, 100, 200, 900)] == [0, 0, 50, 99, 99]
    assert percent(5, 0) == 0
