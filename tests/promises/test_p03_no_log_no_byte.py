"""P3: when the log cannot be written within the bounded wait the answer is 503: never a hang, never a byte."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.promises.conftest import starting
from tests.support.caller import KELA, Caller, must, new_case, paper, permit
from tests.support.service import run
from vault.formats.promise import parse_promise

WAIT_S = 1.0
MARGIN_S = 2.5  # two waits within one request, a new connection, a busy machine


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with starting(tmp_path_factory.mktemp("p03")) as start:
        yield start(VAULT_LOG_WAIT_S=str(WAIT_S))


@pytest.fixture
def case(caller: Caller) -> tuple[Caller, str, str]:
    case = caller.open_case(members=["kela"])
    document = caller.file(case, content=b"released only with its entry" * 100_000)
    caller.consent(case, [permit("kela")])
    assert caller.by(KELA).read(document).status_code == 200
    return caller, case, document


def everything(caller: Caller, case: str, document: str) -> list[Callable[[], httpx.Response]]:
    """One request of each kind; tokens are in hand before the database goes."""
    desk, reader, system = caller.coordinator, caller.by(KELA), caller.system("kela")
    waiting = must(desk.post(f"/v1/cases/{case}/documents", paper()))["id"]
    return [
        lambda: reader.read(document),
        lambda: reader.read(document, Range="bytes=0-9"),
        lambda: reader.get(f"/v1/documents/{document}"),
        lambda: reader.get(f"/v1/cases/{case}/documents"),
        lambda: desk.get(f"/v1/cases/{case}"),
        lambda: desk.post("/v1/cases", new_case()),
        lambda: desk.upload(waiting, b"x"),
        lambda: desk.post(f"/v1/cases/{case}/documents", paper()),
        lambda: desk.get(f"/v1/cases/{case}/log"),
        lambda: system.get("/v1/inbox"),
        lambda: desk.post(
            "/v1/decisions", {"document": document, "agency": "kela", "action": "read", "purpose": "care"}
        ),
    ]


def refused(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text[:300]
    assert answer.json()["code"] == "database-unavailable"
    assert int(answer.headers["retry-after"]) >= 1
    assert b"released" not in answer.content


def timed(ask: Callable[[], httpx.Response]) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    return ask(), time.monotonic() - began


def recovers(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """The service finds the database again by itself."""
    deadline = time.monotonic() + 15
    while (answer := ask()).status_code == 503 and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer


@contextmanager
def hanging(data: Path) -> Iterator[None]:
    """Every process of the server stands still: connections are open and nothing answers."""
    stopped = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and _cwd(p) == data / "cluster"]
    assert stopped
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def _cwd(process: Path) -> Path | None:
    try:
        return (process / "cwd").readlink()
    except OSError:
        return None


@pytest.mark.timeout(180)
def test_p03_a_stopped_database_refuses_everything_and_comes_back(case: tuple[Caller, str, str]) -> None:
    caller, the_case, document = case
    asks = everything(caller, the_case, document)
    run(caller.service.postgres.stop())
    for ask in asks:
        answer, took = timed(ask)
        refused(answer)
        assert took < WAIT_S + MARGIN_S
    token = caller.grant({"grant_type": "x"})
    assert token.status_code == 400
    ready = caller.http.get("/health/ready")
    assert (ready.status_code, ready.json()["parts"]["database"]) == (503, "database-unavailable")
    assert caller.http.get("/health/live").status_code == 200
    run(caller.service.postgres.start())
    answer = recovers(asks[0])
    assert answer.content == b"released only with its entry" * 100_000
    entry = parse_promise(answer.headers["vault-log-entry"]).entry
    assert caller.service.one("SELECT count(*) FROM vault.entry WHERE id = $1", entry) == 1
    assert "Traceback" not in caller.service.log()


@pytest.mark.timeout(180)
def test_p03_a_database_that_hangs_is_not_waited_for(case: tuple[Caller, str, str]) -> None:
    caller, the_case, document = case
    asks = everything(caller, the_case, document)
    before = caller.service.one("SELECT count(*) FROM vault.entry")
    answers: list[tuple[httpx.Response, float]] = []
    with hanging(caller.service.postgres.data_dir):
        threads = [threading.Thread(target=lambda ask=ask: answers.append(timed(ask))) for ask in asks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(answers) == len(asks)
    for answer, took in answers:
        refused(answer)
        assert took < WAIT_S + MARGIN_S
    assert recovers(asks[0]).status_code == 200
    assert caller.service.one("SELECT count(*) FROM vault.entry") > before


@pytest.mark.timeout(180)
def test_p03_a_log_that_takes_no_entry_releases_nothing(case: tuple[Caller, str, str]) -> None:
    """The database answers, but the entry cannot be written: it waits for a lock, or fails. domain.md §14 no. 9."""
    caller, the_case, document = case
    asks = everything(caller, the_case, document)
    locked, done = threading.Event(), threading.Event()
    held = threading.Thread(
        target=lambda: run(_hold(caller, "LOCK TABLE vault.entry IN ACCESS EXCLUSIVE MODE", locked, done))
    )
    held.start()
    assert locked.wait(10)
    try:
        for ask in asks[:4]:
            answer, took = timed(ask)
            refused(answer)
            assert took < WAIT_S + MARGIN_S
    finally:
        done.set()
        held.join()
    assert recovers(asks[0]).status_code == 200


async def _hold(caller: Caller, statement: str, locked: threading.Event, done: threading.Event) -> None:
    import asyncio

    import asyncpg

    owner = await asyncpg.connect(caller.service.database.url())
    try:
        async with owner.transaction():
            await owner.execute(statement)
            locked.set()
            await asyncio.get_running_loop().run_in_executor(None, done.wait, 30)
    finally:
        await owner.close()


@pytest.mark.timeout(180)
def test_p03_a_database_that_is_not_durable_or_read_only_refuses(case: tuple[Caller, str, str]) -> None:
    caller, the_case, document = case
    asks = everything(caller, the_case, document)
    name = caller.service.database.name

    def set_(setting: str) -> None:
        run(_as_superuser(caller, f"ALTER DATABASE {name} SET {setting}"))
        run(
            _as_superuser(
                caller,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IN ('vault_service', 'vault_tokens')",
            )
        )

    for setting in ("synchronous_commit = off", "default_transaction_read_only = on"):
        set_(setting)
        # A connection that was ended may be noticed only by its next request, which is refused as well.
        for ask in asks[:3] + asks:
            refused(ask())
        run(_as_superuser(caller, f"ALTER DATABASE {name} RESET ALL"))
        run(
            _as_superuser(
                caller,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IN ('vault_service', 'vault_tokens')",
            )
        )
        assert recovers(asks[0]).status_code == 200


async def _as_superuser(caller: Caller, statement: str) -> Any:
    import asyncpg

    connection = await asyncpg.connect(caller.service.postgres.superuser_url)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


def test_p03_what_was_sent_is_logged_after(case: tuple[Caller, str, str]) -> None:
    caller, _, document = case
    whole = caller.by(KELA).read(document)
    part = caller.by(KELA).read(document, Range="bytes=5-14")
    assert (part.status_code, len(part.content)) == (206, 10)
    for answer, sent in ((whole, len(whole.content)), (part, 10)):
        entry = parse_promise(answer.headers["vault-log-entry"]).entry
        row = wait_for(caller, "SELECT outcome, bytes FROM vault.entry WHERE of_entry = $1", entry)
        assert (row["outcome"], row["bytes"]) == ("delivered", sent)


def wait_for(caller: Caller, query: str, *arguments: object) -> Any:
    """The first row, as soon as there is one."""
    deadline = time.monotonic() + 10
    while not (rows := caller.service.sql(query, *arguments)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return rows[0]
