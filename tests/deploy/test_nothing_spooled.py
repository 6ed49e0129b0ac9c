"""P5, P6: a large body passes through nginx and the service without a byte of it coming to rest; a cut ends both sides."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.caller import KELA, must, paper, permit
from tests.support.nginx import Front, open_files, resident_bytes, written_bytes

MIB = 1024 * 1024
SIZE = 200 * MIB
BLOCK = bytes(range(256)) * 256
PAUSE_S = 1.5
SLACK = 8 * MIB


class Watch(threading.Thread):
    """Looks at both programs while bodies pass: open files and memory."""

    def __init__(self, front: Front) -> None:
        super().__init__(daemon=True)
        self._front = front
        self._over = threading.Event()
        self.files: set[str] = set()
        self.nginx_memory = self.service_memory = 0

    def run(self) -> None:
        service = self._front.deployed
        while not self._over.wait(0.02):
            for pid in self._front.nginx.pids():
                self.files |= open_files(pid)
                self.nginx_memory = max(self.nginx_memory, resident_bytes(pid))
            self.files |= open_files(service.pid)
            self.service_memory = max(self.service_memory, resident_bytes(service.pid))

    def strange(self) -> list[str]:
        """Files that are neither a log nor an object of the store."""
        service = self._front.deployed
        known = (str(service.folder / "objects"), str(service.log_path))
        logs = {str(path) for path in self._front.nginx.folder.glob("*.log*")}
        return sorted(file for file in self.files if file not in logs and not file.startswith(known))

    def stop(self) -> None:
        self._over.set()
        self.join()


@pytest.fixture
def watch(front: Front) -> Iterator[Watch]:
    looking = Watch(front)
    looking.start()
    yield looking
    looking.stop()


def written(front: Front) -> tuple[int, int]:
    """Bytes that nginx and the service have had written to storage."""
    return sum(map(written_bytes, front.nginx.pids())), written_bytes(front.deployed.pid)


def slowly() -> Iterator[bytes]:
    """The body, with a pause after its first megabytes and another near its end."""
    for number in range(SIZE // len(BLOCK)):
        if number in (64, 3000):
            time.sleep(PAUSE_S)
        yield BLOCK


def digest() -> str:
    value = hashlib.sha256()
    for _ in range(SIZE // len(BLOCK)):
        value.update(BLOCK)
    return value.hexdigest()


def test_p05_a_large_upload_and_a_slow_download_rest_nowhere(front: Front, watch: Watch) -> None:
    case = front.open_case(members=["kela"])
    document = must(front.coordinator.post(f"/v1/cases/{case}/documents", paper()))["id"]
    front.consent(case, [permit("kela")])
    before = written(front)
    headers = {"Content-Length": str(SIZE)}
    filed = must(front.coordinator.put(f"/v1/documents/{document}/content", content=slowly(), headers=headers))
    assert (filed["size"], filed["sha256"]) == (SIZE, digest())
    nginx, service = (now - then for now, then in zip(written(front), before, strict=True))
    assert nginx < MIB
    # The object itself, once; its sealing adds 16 bytes to every 16 KiB.
    assert service < SIZE * 1.01 + SLACK

    before = written(front)
    value = hashlib.sha256()
    bearer = {"Authorization": f"Bearer {front.by(KELA).token}"}
    with front.http.stream("GET", f"/v1/documents/{document}/content", headers=bearer) as answer:
        for number, chunk in enumerate(answer.iter_bytes(len(BLOCK))):
            if number in (64, 3000):
                time.sleep(PAUSE_S)  # twice the lease's length: it is renewed while nobody reads
            value.update(chunk)
    assert value.hexdigest() == digest()
    nginx, service = (now - then for now, then in zip(written(front), before, strict=True))
    assert nginx < MIB
    assert service < SLACK

    watch.stop()
    assert watch.strange() == []
    assert not front.nginx.spool.exists()
    assert watch.nginx_memory < 64 * MIB
    assert watch.service_memory < 400 * MIB


def test_a_file_without_a_name_would_be_seen(tmp_path: Path) -> None:
    """Where a front server's defaults would put a body: no listing of a directory shows it."""
    before = open_files(os.getpid())
    with tempfile.TemporaryFile(dir=tmp_path) as hidden:
        hidden.write(BLOCK)
        [seen] = open_files(os.getpid()) - before
    assert list(tmp_path.iterdir()) == []
    assert seen.startswith(str(tmp_path))


def test_p05_the_largest_json_rests_nowhere_either(front: Front) -> None:
    """nginx collects it first; the place where it could write has been taken away from it."""
    largest = b'{"process": "' + b"x" * (MIB - 15) + b'"}'
    assert len(largest) == MIB
    for content in (largest, iter([largest])):
        answer = front.coordinator.request(
            "POST", "/v1/cases", content=content, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 422, answer.text
    before = written(front)[0]
    front.coordinator.request("POST", "/v1/cases", content=largest)
    assert written(front)[0] - before < 64 * 1024


def begin(front: Front, document: str) -> ssl.SSLSocket:
    """A download that has begun, on a socket that the test reads as it likes."""
    plain = socket.create_connection(("127.0.0.1", front.nginx.port), 10)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    secure = front.authority.context().wrap_socket(plain, server_hostname="localhost")
    token = front.by(KELA).token
    secure.sendall(
        f"GET /v1/documents/{document}/content HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )
    assert secure.recv(65536).startswith(b"HTTP/1.1 200")
    return secure


def drain(secure: ssl.SSLSocket) -> int:
    """Read to the end, however it comes; how many bytes there were."""
    count = 0
    try:
        while chunk := secure.recv(65536):
            count += len(chunk)
    except (ssl.SSLError, OSError):
        return count
    return count


def shared(front: Front) -> tuple[str, str]:
    case = front.open_case(members=["kela"])
    document = front.file(case, content=BLOCK * (60 * MIB // len(BLOCK)))
    return document, front.consent(case, [permit("kela")])


def outcome(front: Front, document: str) -> tuple[str, int]:
    """How the log says that the document's only release ended, and how many bytes it says were sent."""
    query = "SELECT outcome, bytes FROM vault.entry WHERE act = 'outcome' AND document = $1"
    deadline = time.monotonic() + 10
    while not (rows := front.deployed.sql(query, uuid.UUID(document))) and time.monotonic() < deadline:
        time.sleep(0.05)
    [row] = rows
    return row["outcome"], row["bytes"]


def test_p06_a_withdrawal_cuts_a_download_through_the_front_within_a_second(front: Front) -> None:
    document, consent = shared(front)
    bearer = {"Authorization": f"Bearer {front.by(KELA).token}"}
    with front.http.stream("GET", f"/v1/documents/{document}/content", headers=bearer) as answer:
        pieces = answer.iter_bytes(16_384)
        for _ in range(20):
            next(pieces)
        front.withdraw(consent)
        withdrawn = time.monotonic()
        with pytest.raises(httpx.RemoteProtocolError):
            for _ in pieces:
                time.sleep(0.002)
    assert time.monotonic() - withdrawn < 1.5
    assert outcome(front, document)[0] == "cut"


def test_p06_a_withdrawal_cuts_a_download_over_http_2_too(front: Front, tmp_path: Path) -> None:
    document, consent = shared(front)
    command = [
        "curl", "-sS", "--http2", "--limit-rate", "4M", "--cacert", str(front.authority.certificate), "-o", str(tmp_path / "got"),
        "-H", f"Authorization: Bearer {front.by(KELA).token}", f"{front.nginx.url}/v1/documents/{document}/content",
    ]  # fmt: skip
    reading = subprocess.Popen(command, stderr=subprocess.PIPE)
    time.sleep(1)
    front.withdraw(consent)
    assert reading.wait(10) != 0
    assert reading.stderr is not None
    reading.stderr.close()
    assert (tmp_path / "got").stat().st_size < 60 * MIB
    assert outcome(front, document)[0] == "cut"


def test_p06_to_a_reader_who_waits_little_arrives_after_the_cut(front: Front) -> None:
    document, consent = shared(front)
    secure = begin(front, document)
    time.sleep(0.5)
    front.withdraw(consent)
    cut, sent = outcome(front, document)
    late = drain(secure)
    secure.close()
    # What nginx and the kernels held when it was cut goes out: bounded by the recipe, and a small part of the document.
    assert cut == "cut"
    assert late < 8 * MIB
    assert sent >= late - 64 * 1024


def test_a_caller_that_goes_away_frees_the_service_too(front: Front) -> None:
    document, _ = shared(front)
    secure = begin(front, document)
    secure.close()
    assert outcome(front, document)[0] in ("unknown", "cut", "broken")
    assert outcome(front, document)[1] < 60 * MIB
