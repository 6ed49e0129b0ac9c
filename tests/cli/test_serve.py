"""`vault serve` and `vault worker` as processes: they start, serve, refuse and stop as an operator expects."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.cli.conftest import Operator
from tests.support.database import Database
from vault.cli import serving


@pytest.fixture
def served(operator: Operator) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The running service and its port."""
    process = operator.start("serve")
    try:
        yield process, told_port(process)
    finally:
        process.kill()
        process.communicate()


def told_port(process: subprocess.Popen[str]) -> int:
    assert process.stderr is not None
    line = process.stderr.readline()
    message = message_of(line)
    found = re.fullmatch(r"serving http://127\.0\.0\.1:8080 on 127\.0\.0\.1 port (\d+)", message)
    assert found, message
    return int(found[1])


def message_of(line: str) -> str:
    """What a line of the log says."""
    return str(json.loads(line)["message"])


def stopped(process: subprocess.Popen[str], how: signal.Signals) -> tuple[int, str]:
    """The exit code and what was written to standard error, after a signal."""
    process.send_signal(how)
    _, errors = process.communicate(timeout=30)
    return process.returncode, errors


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_service_serves_until_it_is_told_to_stop(
    served: tuple[subprocess.Popen[str], int], how: signal.Signals
) -> None:
    process, port = served
    answer = httpx.get(f"http://127.0.0.1:{port}/.well-known/oauth-authorization-server", trust_env=False)
    assert answer.json()["issuer"] == "http://127.0.0.1:8080"
    assert "server" not in answer.headers
    assert "date" in answer.headers
    code, errors = stopped(process, how)
    assert code == 0
    assert "Traceback" not in errors


def test_what_the_service_writes_of_a_request_has_no_query(served: tuple[subprocess.Popen[str], int]) -> None:
    process, port = served
    httpx.get(f"http://127.0.0.1:{port}/v1/cases?code=secret-word", trust_env=False)
    assert "secret-word" not in stopped(process, signal.SIGTERM)[1]


def test_a_head_without_end_is_refused(served: tuple[subprocess.Popen[str], int]) -> None:
    _, port = served
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        answer = b""
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                connection.sendall(b"X-Padding: " + b"a" * 20_000)
                time.sleep(0.002)
        with contextlib.suppress(ConnectionError):
            answer = connection.recv(1000)
    assert answer in (
        b"",
        b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    )
    assert httpx.get(f"http://127.0.0.1:{port}/health/live", trust_env=False).status_code == 200


async def test_a_head_that_never_comes_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.2)

    async def nothing(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("no request came")

    config = serving.server_config(nothing)
    config.lifespan = "off"
    with contextlib.closing(serving.listen("127.0.0.1", 0)) as listener:
        server = serving.Server(config)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        await serving.started(server, running)
        for sent in (b"", b"GET /"):
            reader, writer = await asyncio.open_connection("127.0.0.1", serving.port_of(listener))
            writer.write(sent)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
            await writer.wait_closed()
        server.should_exit = True
        await running


def test_a_taken_port_is_told(operator: Operator, served: tuple[subprocess.Popen[str], int]) -> None:
    _, port = served
    operator.settings["listen_port"] = str(port)
    line = operator.refused("serve")
    assert line == f"cannot listen on 127.0.0.1 port {port} (Address already in use); choose another port"


def test_it_refuses_to_serve_as_a_superuser(operator: Operator, vault_db: Database) -> None:
    operator.settings["database_url_service"] = vault_db.url("superuser")
    line = operator.refused("serve")
    assert line.startswith("database_url_service: the role postgres may do more than it needs")


def test_it_refuses_to_serve_as_the_owner(operator: Operator) -> None:
    operator.settings["database_url_tokens"] = operator.settings["database_url_owner"]
    assert operator.refused("serve").startswith("database_url_tokens: the role vault_owner may do more than it needs")


def test_it_does_not_start_without_its_database(operator: Operator) -> None:
    operator.settings["database_url_service"] = "postgresql://vault_service:secret-word@127.0.0.1:1/vault"
    assert operator.refused("serve") == "the database cannot be reached"


def test_the_worker_does_each_job_once(operator: Operator) -> None:
    result = operator.vault("worker", "--once")
    assert result.exit_code == 0
    assert result.stderr == (
        "forget-expired: nothing to do\nend-releases: nothing to do\nsweep: nothing to do\nlog-partitions: nothing to do\n"
        "exports: nothing to do\nclear-exports: nothing to do\n"
    )


def test_the_worker_makes_no_partitions_without_the_owner(operator: Operator) -> None:
    del operator.settings["database_url_owner"]
    assert "log-partitions" not in operator.vault("worker", "--once").stderr


def test_the_worker_works_until_it_is_told_to_stop(operator: Operator) -> None:
    process = operator.start("worker")
    assert process.stderr is not None
    does = "worker: does forget-expired, end-releases, sweep, log-partitions, exports, clear-exports"
    assert message_of(process.stderr.readline()) == does
    assert stopped(process, signal.SIGTERM) == (0, "")


def test_the_worker_waits_for_a_database_that_is_away(operator: Operator) -> None:
    operator.settings["database_url_worker"] = "postgresql://vault_worker:secret-word@127.0.0.1:1/vault"
    process = operator.start("worker")
    assert process.stderr is not None
    process.stderr.readline()
    for _ in ("the jobs", "the exports"):
        waits = message_of(process.stderr.readline())
        assert waits == "worker: the database cannot be reached; trying again in a minute"
    assert stopped(process, signal.SIGTERM) == (0, "")


def test_the_worker_waits_for_a_store_that_is_away(operator: Operator) -> None:
    (operator.directory / "away").write_text("no directory")
    operator.settings["store"] = f"file://{operator.directory / 'away'}"
    process = operator.start("worker")
    assert process.stderr is not None
    assert message_of(process.stderr.readline()).startswith("worker: the object store failed: ")
    assert stopped(process, signal.SIGTERM) == (0, "")


def test_the_worker_refuses_a_mightier_role(operator: Operator, vault_db: Database) -> None:
    operator.settings["database_url_worker"] = vault_db.url("superuser")
    assert operator.refused("worker", "--once").startswith("database_url_worker: the role postgres may do more")
