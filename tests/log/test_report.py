"""What one application opened and was denied, as a breach report: ids, codes and times, and the report is an entry itself."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
from typing import Any

import pytest

from tests.log.test_routes import vault
from tests.support.database import Database
from tests.support.scene import NOON, NURSE, PHYSICIAN, Scene, plain_world, set_scene
from vault.adapters.postgres.pool import Pool
from vault.adapters.postgres.reports import PostgresReportLog
from vault.errors import InvalidInput
from vault.services.reports import Summary, parse_moment, report

DAY = dt.timedelta(days=1)


@pytest.fixture
async def scene(vault_db: Database) -> Scene:
    """Two readings and two refusals by the nurse's application, one reading by the physician's."""
    scene = await set_scene(vault_db, plain_world())
    service = await scene.service()
    for asker, sent in ((NURSE, 7), (NURSE, 5), (PHYSICIAN, 9)):
        secret = await scene.token(asker)
        entry = (await scene.door(secret))["entry"]
        await service.execute("SELECT vault.end_release($1, $2, 'delivered', $3)", secret, entry, sent)
    for purpose in ("benefit-decision", "employment-support"):
        assert (await scene.door(await scene.token(NURSE._replace(purpose=purpose))))["status"] == "forbidden"
    return scene


def environment(scene: Scene) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "VAULT_DATABASE_URL_MONITOR": scene.database.url("monitor")}


@pytest.mark.parametrize("form", ["csv", "json-lines"])
async def test_a_report_tells_what_was_opened_and_denied(scene: Scene, form: str) -> None:
    day = NOON.date().isoformat()
    asked = ["log", "report", "--application", "app-pirha", "--from", day, "--to", day, "--form", form]
    code, out, err = await vault(environment(scene), *asked)
    assert code == 0, err
    rows: list[dict[str, Any]] = (
        [*csv.DictReader(io.StringIO(out))] if form == "csv" else [json.loads(line) for line in out.splitlines()]
    )
    # The vault's clock stands still here, so ids of the same millisecond come in any order.
    opened = sorted((row for row in rows if row["act"] == "open"), key=lambda row: int(row.get("bytes") or 0))
    assert [row["decision"] for row in opened] == ["deny", "deny", "permit", "permit"]
    assert [str(row.get("bytes") or "") for row in opened] == ["", "", "5", "7"]
    assert {row["client"] for row in opened} == {str(scene.client)}
    assert {row["document"] for row in opened} == {str(scene.paper)}
    assert {row["application"] for row in rows} == {"app-pirha"}
    assert err.startswith("2 acts permitted, 2 denied; 1 documents of 1 clients, 12 bytes; this report is entry ")
    (entry,) = [one for one in await scene.entries() if one["act"] == "log-report"]
    assert (str(entry["id"]), entry["act"], entry["application"]) == (err.split()[-1], "log-report", "app-pirha")


async def test_the_window_is_exact_and_pages_lose_nothing(scene: Scene) -> None:
    pool = Pool(scene.database.url("monitor"))
    log = PostgresReportLog(pool, page=1)
    rows = [row async for row in report(log, "app-pirha", NOON, NOON + DAY, "csv")]
    assert len([row for row in rows if isinstance(row, str)]) == 1 + 4
    assert isinstance(rows[-1], Summary)
    assert rows[-1].permitted == 2
    assert len([row async for row in report(log, "app-pirha", NOON - DAY, NOON, "csv")]) == 2
    # Without a report that was begun, and so logged, there is no row.
    assert await pool.rows("SELECT * FROM vault.report_page(gen_random_uuid(), gen_random_uuid(), 10)") == []
    await pool.close()


@pytest.mark.parametrize(("wrong", "said"), [
    (["--application", "nobody", "--from", "2026-03-01", "--to", "2026-03-02"], "no such application"),
    (["--application", "app-pirha", "--from", "2026-03-03", "--to", "2026-03-02"], "not after the beginning"),
    (["--application", "app-pirha", "--from", "2026-02-30", "--to", "2026-03-02"], "a day that exists"),
    (["--application", "app-pirha", "--from", "2026-03-01T10:00", "--to", "2026-03-02"], "a time with its offset"),
])  # fmt: skip
async def test_what_is_asked_wrongly_is_told_in_one_line(scene: Scene, wrong: list[str], said: str) -> None:
    before = len(await scene.entries())
    code, out, err = await vault(environment(scene), "log", "report", *wrong)
    assert (code, out) == (1, "")
    assert err.startswith("vault: ")
    assert said in err
    assert err.count("\n") == 1
    assert len(await scene.entries()) == before


@pytest.mark.parametrize("role", ["service", "tokens", "worker", "sequencer"])
async def test_only_the_monitor_reports(vault_db: Database, role: str) -> None:
    connection = await vault_db.as_role(role)
    with pytest.raises(Exception, match="permission denied"):
        await connection.execute("SELECT vault.report_begin('app-pirha', now(), now())")


def test_moments_are_finnish_days_or_times() -> None:
    assert parse_moment("2026-03-02", "from") == dt.datetime(2026, 3, 1, 22, tzinfo=dt.UTC)
    assert parse_moment("2026-03-29", "to", end=True) == dt.datetime(2026, 3, 29, 21, tzinfo=dt.UTC)
    assert parse_moment("2026-03-02T09:00:00Z", "from") == dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
    with pytest.raises(InvalidInput, match="no such day"):
        parse_moment("9999-12-31", "to", end=True)
