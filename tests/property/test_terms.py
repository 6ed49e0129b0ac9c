"""The terms in SQL against a model in plain Python: every last day for an answer, and what uses up a free year."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.database import Database, insert, make_vault
from tests.support.postgres import Servers
from tests.support.terms_model import MONTHS, Got, due_day, easter, is_free, is_working_day, next_working_day
from vault.rules.days import HELSINKI

DAY = dt.date
QUIET = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
NOBODY = uuid.UUID(int=0)


class Bench:
    """One database and one loop for many examples; foreign keys are not looked at."""

    def __init__(self, server: Any) -> None:
        self.runner = asyncio.Runner()
        self.database: Database = self.runner.run(make_vault(server))
        self.owner = self.runner.run(self.database.connect("superuser"))
        self.runner.run(self.owner.execute("SET session_replication_role = replica"))

    def rows(self, query: str, *arguments: object) -> list[Any]:
        return list(self.runner.run(self.owner.fetch(query, *arguments)))

    def close(self) -> None:
        self.runner.run(self.database.drop())
        self.runner.close()


@pytest.fixture(scope="module")
def bench(postgres_servers: Servers) -> Iterator[Bench]:
    bench = Bench(postgres_servers.server("18"))
    yield bench
    bench.close()


def test_every_last_day_for_thirty_years(bench: Bench) -> None:
    found = bench.rows(
        "SELECT k.kind, d::date AS day, vault.due_day(k.kind, d::date, false) AS due, vault.due_day(k.kind, d::date, true) AS put_off"
        " FROM vault.request_kind k, generate_series(date '2024-01-01', date '2054-01-01', interval '7 days') d WHERE k.kind = ANY ($1::text[])",
        ["self-access", "log-names"],
    )  # fmt: skip
    assert len(found) > 3000
    for row in found:
        months, more = MONTHS[row["kind"]]
        assert row["due"] == due_day(row["day"], months), row
        assert row["put_off"] == (None if more is None else due_day(row["day"], months + more)), row


def test_every_kind_has_its_months_and_feedback_two_weeks(bench: Bench) -> None:
    for received in (DAY(2026, 1, 31), DAY(2028, 1, 31), DAY(2026, 11, 24), DAY(2026, 6, 5)):
        kinds = {r["kind"]: (r["a"], r["b"]) for r in bench.rows(
            "SELECT kind, vault.due_day(kind, $1, false) AS a, vault.due_day(kind, $1, true) AS b FROM vault.request_kind", received)}  # fmt: skip
        weeks = [next_working_day(received + dt.timedelta(days=14 * n)) for n in (1, 2)]
        assert kinds.pop("feedback") == tuple(weeks)
        assert kinds == {
            kind: (due_day(received, months), None if more is None else due_day(received, months + more))
            for kind, (months, more) in MONTHS.items()
        }


def test_working_days_by_name(bench: Bench) -> None:
    known = {
        2000: DAY(2000, 4, 23),
        2024: DAY(2024, 3, 31),
        2025: DAY(2025, 4, 20),
        2026: DAY(2026, 4, 5),
        2038: DAY(2038, 4, 25),
    }
    assert {year: easter(year) for year in known} == known
    for row in bench.rows("SELECT y, vault.easter(y) AS day FROM generate_series(1990, 2199) y"):
        assert row["day"] == easter(row["y"])
    closed = [
        DAY(2026, 5, 14),
        DAY(2026, 6, 19),
        DAY(2026, 12, 24),
        DAY(2026, 4, 3),
        DAY(2026, 4, 6),
        DAY(2026, 1, 6),
        DAY(2027, 5, 1),
    ]
    days = bench.rows(
        "SELECT d::date AS day, vault.is_working_day(d::date) AS yes FROM generate_series(date '2026-01-01', date '2030-12-31', interval '1 day') d"
    )
    assert {row["day"]: row["yes"] for row in days} == {row["day"]: is_working_day(row["day"]) for row in days}
    assert not any(is_working_day(day) for day in closed)


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
)  # fmt: skip
def test_p09_a_month_ends_on_a_working_day(bench: Bench, received: dt.date, due: dt.date) -> None:
    assert bench.rows("SELECT vault.due_day('self-access', $1, false) AS due", received)[0]["due"] == due


# ---------------------------------------------------------------- the year

NOON = dt.datetime(2028, 2, 29, 12, tzinfo=HELSINKI)
INSTANTS = st.one_of(
    # Round the leap day and the years after it, and round midnight, which is another day in Brussels.
    st.builds(lambda days, hours: NOON + dt.timedelta(days=days, hours=hours), st.sampled_from([-367, -366, -365, -1, 0, 1, 364, 365, 366, 730]), st.sampled_from([-12, -11, 0, 11, 12])),
    st.builds(lambda hours: NOON + dt.timedelta(hours=hours), st.integers(-10_000, 16_000)),
)  # fmt: skip
# failed, never fetched, removed before, not whole, a representative's, refused, answered otherwise: all of these use up nothing
ENDS = st.sampled_from(["fetched", "fetched", "answered", "answered", "failed", "never-fetched", "partial", "representative", "handed", "handed-partial", "handed-to-representative", "made", "partly-refused", "refused", "other-kind"])  # fmt: skip


def put(bench: Bench, client: uuid.UUID, ended: str, at: dt.datetime) -> Got:
    """Rows as the acts leave them; what the model says of them."""
    one, noted = uuid.uuid4(), {"entry": NOBODY, "recorded_at": at}
    if ended in {"answered", "partly-refused", "refused", "other-kind"}:
        kind = "correction" if ended == "other-kind" else "self-access"
        state = "answered" if ended == "other-kind" else ended
        add(bench, "request", {"id": one, "kind": kind, "client": client, "controller": "pirha", "language": "fi", "received_how": "paper", "received_on": at.date()} | noted)  # fmt: skip
        refusal = {"provision": "gdpr-12-5", "told": True, "sealed_reason": b"\1"} if "refused" in state else {}
        add(bench, "request_state", {"request": one, "n": 1, "state": state, "identified_how": "signature", "due_on": at.date()} | refusal | noted)  # fmt: skip
        return Got(at, whole=ended == "answered")
    if ended == "made" or "handed" in ended:
        return put_at_desk(bench, client, ended, at)
    authority = uuid.uuid4() if ended == "representative" else None
    add(bench, "export", {"id": one, "client": client, "authority": authority, "language": "fi", "without_large": False, "documents": 0, "size_bytes": 0} | noted)  # fmt: skip
    if ended != "failed":
        add(bench, "export_package", {"export": one, "object": one.hex, "size_bytes": 1, "sealed_digest": b"\1", "documents": 0, "partial": ended == "partial", "expires_at": at} | noted)  # fmt: skip
    event, state = {"failed": ("fail", "failed"), "never-fetched": ("expire", "expired")}.get(ended, ("fetch", "delivered"))  # fmt: skip
    add(bench, "export_state", {"export": one, "n": 1, "event": event, "state": state} | noted)
    fetched = at if event == "fetch" else None
    return Got(fetched, whole=ended != "partial", own=ended != "representative")


def put_at_desk(bench: Bench, client: uuid.UUID, ended: str, at: dt.datetime) -> Got:
    """A package made on a request and fetched whole by a records officer; the hand-over, if any, answers the request."""
    request, export, noted = uuid.uuid4(), uuid.uuid4(), {"entry": NOBODY, "recorded_at": at}
    authority = uuid.uuid4() if ended == "handed-to-representative" else None
    add(bench, "request", {"id": request, "kind": "self-access", "client": client, "controller": "pirha", "language": "fi", "received_how": "in-person", "received_on": at.date()} | noted)  # fmt: skip
    add(bench, "export", {"id": export, "client": client, "authority": authority, "request": request, "language": "fi", "without_large": False, "documents": 0, "size_bytes": 0} | noted)  # fmt: skip
    add(bench, "export_package", {"export": export, "object": export.hex, "size_bytes": 1, "sealed_digest": b"\1", "documents": 0, "partial": ended == "handed-partial", "expires_at": at} | noted)  # fmt: skip
    add(bench, "export_state", {"export": export, "n": 1, "event": "fetch", "state": "delivered"} | noted)
    if ended == "made":
        return Got(None, whole=True)
    add(bench, "export_handover", {"export": export, "how": "medium-in-person", "handed_on": at.date(), "identified_how": "identity-document", "professional": NOBODY} | noted)  # fmt: skip
    add(bench, "request_state", {"request": request, "n": 1, "state": "answered", "identified_how": "identity-document", "due_on": at.date()} | noted)  # fmt: skip
    return Got(at, whole=ended != "handed-partial", own=authority is None)


def add(bench: Bench, table: str, row: dict[str, Any]) -> None:
    bench.runner.run(insert(bench.owner, table, [row]))


@given(
    st.lists(st.tuples(ENDS, INSTANTS), max_size=5),
    INSTANTS, st.sampled_from([0, 0, 0, 1, 30]), st.sampled_from([0, 0, 1, 29, 90, 366]),
)  # fmt: skip
@settings(max_examples=150, **QUIET)
def test_p09_what_uses_up_a_free_year(
    bench: Bench,
    earlier: list[tuple[str, dt.datetime]],
    recorded_at: dt.datetime,
    on_paper_days: int,
    decided_days: int,
) -> None:
    client, request = uuid.uuid4(), uuid.uuid4()
    got = [put(bench, client, ended, at) for ended, at in earlier]
    received_on = recorded_at.astimezone(HELSINKI).date() - dt.timedelta(days=on_paper_days)
    now = recorded_at + dt.timedelta(days=decided_days)
    add(bench, "request", {"id": request, "kind": "self-access", "client": client, "controller": "pirha", "language": "fi", "received_how": "paper", "received_on": received_on, "entry": NOBODY, "recorded_at": recorded_at})  # fmt: skip
    [row] = bench.rows("SELECT vault.is_free(r, $2) AS free FROM vault.request r WHERE r.id = $1", request, now)
    assert row["free"] is is_free(received_on, recorded_at, now, got)
