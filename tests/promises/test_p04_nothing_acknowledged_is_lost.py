"""P4: what was acknowledged outlives every crash; what was not is nowhere to be seen, and can be sent again."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.promises.conftest import Start
from tests.promises.test_p03_no_log_no_byte import recovers
from tests.support.caller import KELA, Caller, must, paper, permit
from tests.support.service import run

CONTENT = os.urandom(1 << 20) * 5


def crash_database(caller: Caller) -> None:
    """Kill every process of the server, as a power cut would; then let it come back."""
    cluster = caller.service.postgres.data_dir / "cluster"
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").readlink() == cluster:
                os.kill(int(process.name), signal.SIGKILL)
        except OSError:
            continue
    run(caller.service.postgres.stop())
    run(caller.service.postgres.start())


@pytest.mark.timeout(180)
def test_p04_what_was_acknowledged_outlives_a_crash_of_everything(start: Start) -> None:
    caller = start(fast=False)
    case = caller.open_case(members=["kela"])
    consent = caller.consent(case, [permit("kela")])
    document = caller.file(case, content=CONTENT)
    # Nothing is done between the answer and the crash.
    caller.service.stop(signal.SIGKILL)
    crash_database(caller)
    caller.service.start()
    assert recovers(lambda: caller.by(KELA).read(document)).content == CONTENT
    caller.withdraw(consent)
    crash_database(caller)
    answer = recovers(lambda: caller.by(KELA).read(document))
    assert (answer.status_code, answer.json()["reasons"]) == (403, ["withdrawn"])


@pytest.mark.timeout(180)
def test_p04_an_upload_that_a_crash_cut_off_is_nothing_and_can_be_sent_again(start: Start) -> None:
    caller = start()
    case = caller.open_case(members=["kela"])
    caller.consent(case, [permit("kela")])
    document = must(caller.coordinator.post(f"/v1/cases/{case}/documents", paper()))["id"]
    before = caller.service.box.names()
    with socket.create_connection(("127.0.0.1", caller.service.port)) as raw:
        raw.sendall(upload_of(caller, document, CONTENT[:-1], len(CONTENT)))
        deadline = time.monotonic() + 10
        while not caller.service.one("SELECT count(*) FROM vault.attempt WHERE document = $1", document):
            assert time.monotonic() < deadline
        caller.service.stop(signal.SIGKILL)
    caller.service.start()
    assert caller.service.one("SELECT count(*) FROM vault.filing WHERE document = $1", document) == 0
    assert must(caller.coordinator.get(f"/v1/documents/{document}"))["state"] == "awaiting-content"
    assert caller.by(KELA).read(document).status_code == 404
    assert {name for name in caller.service.box.names() - before if not name.startswith(".")} == set()
    filed = must(caller.coordinator.upload(document, CONTENT))
    assert filed["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert caller.by(KELA).read(document).content == CONTENT


@pytest.mark.timeout(180)
@pytest.mark.parametrize("store", ["directory", "bucket"])
def test_p04_a_caller_that_goes_away_half_way_leaves_nothing(start: Start, store: str) -> None:
    caller = start(store=store)
    case = caller.open_case()
    document = must(caller.coordinator.post(f"/v1/cases/{case}/documents", paper()))["id"]
    before = caller.service.box.names()
    for sent in (CONTENT[:1000], CONTENT * 4):
        send_part(caller, document, sent, len(sent) + 1)
        deadline = time.monotonic() + 20
        while not left_nothing(caller, document) or caller.service.box.names() != before:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert must(caller.coordinator.upload(document, CONTENT))["size"] == len(CONTENT)


def left_nothing(caller: Caller, document: str) -> bool:
    """Whether every upload that was begun has ended, and none was filed."""
    open_ones = "SELECT count(*) FROM vault.attempt a LEFT JOIN vault.attempt_end x USING (object) WHERE a.document = $1 AND x.object IS NULL"
    begun = caller.service.one("SELECT count(*) FROM vault.attempt WHERE document = $1", document)
    return bool(begun and not caller.service.one(open_ones, document))


def send_part(caller: Caller, document: str, content: bytes, promised: int) -> None:
    with socket.create_connection(("127.0.0.1", caller.service.port)) as raw:
        raw.sendall(upload_of(caller, document, content, promised))


def upload_of(caller: Caller, document: str, content: bytes, promised: int) -> bytes:
    head = (
        f"PUT /v1/documents/{document}/content HTTP/1.1\r\nHost: vault\r\nContent-Length: {promised}\r\n"
        f"Authorization: Bearer {caller.coordinator.token}\r\n\r\n"
    )
    return head.encode() + content
