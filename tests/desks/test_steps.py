"""The table of a request's steps stands twice, in SQL and in rules/requests.py; both say the same."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.desks.conftest import Desk
from vault.rules.requests import ENDED, STEPS, RequestKind, RequestState


async def test_the_database_takes_the_same_steps(desk: Desk) -> None:
    owner = await desk.owner()
    for state in RequestState:
        assert await owner.fetchval("SELECT vault.is_running($1)", state) is (state not in ENDED)
        for step, (starts, leads) in STEPS.items():
            found = await owner.fetchval("SELECT vault.request_next($1, $2)", state, step)
            assert found == (leads if state in starts else None), (state, step)


async def test_every_kind_has_its_clock(desk: Desk) -> None:
    kinds = await (await desk.owner()).fetch("SELECT kind FROM vault.request_kind")
    assert {row["kind"] for row in kinds} == set(RequestKind)


@pytest.mark.parametrize(
    ("kind", "received", "extended", "due"),
    [
        ("self-access", "2026-01-31", False, "2026-03-02"), ("self-access", "2028-01-31", False, "2028-02-29"),
        ("self-access", "2026-11-30", True, "2027-03-01"), ("log-names", "2026-12-31", False, "2027-03-01"),
        ("log-names", "2026-01-05", True, None),
    ],
)  # fmt: skip
async def test_a_month_ends_on_its_day_or_its_last_or_the_next_working_day(
    desk: Desk, kind: str, received: str, extended: bool, due: str | None
) -> None:
    owner = await desk.owner()
    found = await owner.fetchval("SELECT vault.due_day($1, $2, $3)", kind, dt.date.fromisoformat(received), extended)
    assert found == (due and dt.date.fromisoformat(due))
