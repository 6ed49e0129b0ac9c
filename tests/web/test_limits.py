"""Callers who are too many, too often, too slow or too large: each is bounded, told so, and takes nothing from the others.

One service of its own, whose limits are those of `Limits` and `cli.serving` in small.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import struct
import time
import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any, Self

import pytest

import vault.wiring
from tests.support.caller import EMPLOYMENT, KELA, KELA_OTHER, Acting, Caller, must, paper, permit
from tests.support.postgres import Servers
from tests.support.service import serving
from tests.web.scene import Scene, facts, nothing_left, problem, settled
from vault.api.admission import Limits
from vault.cli import serving as server

READS, WRITES, DOWNLOADS = 3, 5, 2
IDLE_S, BODY_IDLE_S = 1.0, 2.5
MIB = 1024 * 1024
LARGE = 24 * MIB
"""As much as a document may have here."""


def small() -> None:
    """In the service's process, before it starts."""
    vault.wiring.Limits = partial(  # type: ignore[misc,assignment]
        Limits, rate_per_person=5, burst_s=10, reads_at_once=READS, writes_at_once=WRITES,
        releases_per_application=DOWNLOADS, body_idle_s=BODY_IDLE_S, send_idle_s=IDLE_S,
    )  # fmt: skip
    server.HEAD_SECONDS = server.KEEP_ALIVE_S = IDLE_S  # type: ignore[misc,assignment]


@pytest.fixture(scope="module")
def narrow(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("limits") / "vault"
    with (
        serving(postgres_servers.server("18"), folder, change=small, VAULT_MAX_DOCUMENT_BYTES=str(LARGE)) as service,
        contextlib.closing(Caller(service)) as caller,
    ):
        case = caller.open_case(members=["kela", "te-palvelut"])
        consent = caller.consent(case, [permit("kela"), permit("te-palvelut")])
        document = caller.file(case, content=secrets.token_bytes(LARGE))
        yield Scene(caller, case, "", document, "", consent, "")


class Line:
    """One connection, sent and read byte by byte."""

    def __init__(self, scene: Scene) -> None:
        self.line = socket.socket()
        self.line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.line.settimeout(10)
        self.line.connect(("127.0.0.1", scene.caller.service.port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.line.close()

    def ask(self, method: str, path: str, acting: Acting, *fields: str) -> None:
        head = (f"{method} {path} HTTP/1.1", "Host: vault", f"Authorization: Bearer {acting.token}", *fields, "", "")
        self.line.sendall("\r\n".join(head).encode())

    def upload(self, scene: Scene, size: int = 1000) -> str:
        """Begin an upload, and send half of it; the document."""
        document = scene.awaiting()
        length = f"Content-Length: {size}"
        self.ask("PUT", f"/v1/documents/{document}/content", scene.desk, "Content-Type: text/plain", length)
        self.line.sendall(b"x" * (size // 2))
        return document

    def download(self, scene: Scene, who: Acting) -> bytes:
        """Begin to read the large document; what came first."""
        self.ask("GET", f"/v1/documents/{scene.document}/content", who)
        return self.line.recv(4096)

    def rest(self) -> bytes:
        """Everything until the other side ends."""
        found = b""
        with contextlib.suppress(ConnectionError):
            while piece := self.line.recv(65536):
                found += piece
        return found

    def reset(self) -> None:
        """Be gone at once."""
        self.line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.line.close()


def entry_of(head: bytes) -> str:
    fields = dict(one.split(": ", 1) for one in head.partition(b"\r\n\r\n")[0].decode().lower().split("\r\n")[1:])
    return fields["vault-log-entry"].partition(";")[0]


def ending(scene: Scene, entry: str) -> tuple[str, int]:
    [row] = scene.until("SELECT outcome, bytes FROM vault.entry WHERE of_entry = $1", uuid.UUID(entry))
    return row["outcome"], row["bytes"]


def entries(scene: Scene) -> int:
    return int(scene.caller.service.one("SELECT count(*) FROM vault.entry"))


def test_overload_sheds_reads_before_acknowledged_writes_and_no_entry(narrow: Scene) -> None:
    reader, desk = narrow.caller.by(KELA), narrow.desk
    waiting = narrow.awaiting()
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(Line(narrow)) for _ in range(READS)]
        documents = [line.upload(narrow) for line in lines]
        narrow.until("SELECT 1 FROM vault.attempt WHERE document = ANY ($1::uuid[])", documents, count=READS)
        before = entries(narrow)
        shed = reader.get(f"/v1/documents/{narrow.document}")
        assert problem(shed)[:2] == (429, "too-many-requests")
        assert int(shed.headers["retry-after"]) >= 1
        # Nothing was asked, so nothing is logged; what writes goes on, and is acknowledged.
        assert entries(narrow) == before
        must(desk.upload(waiting, b"a write"))
        assert narrow.caller.http.get("/health/live").status_code == 200
        for line in lines:
            line.line.sendall(b"x" * 500)
            assert line.line.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert must(desk.get(f"/v1/documents/{documents[0]}"))["state"] == "filed"
    assert reader.get(f"/v1/documents/{narrow.document}").status_code == 200


def test_too_many_of_everything_refuses_writes_too(narrow: Scene) -> None:
    path = f"/v1/cases/{narrow.case}/documents"
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(Line(narrow)) for _ in range(WRITES)]
        documents = [line.upload(narrow) for line in lines]
        narrow.until("SELECT 1 FROM vault.attempt WHERE document = ANY ($1::uuid[])", documents, count=WRITES)
        with nothing_left(narrow.caller.service):
            assert problem(narrow.desk.post(path, paper()))[:2] == (429, "too-many-requests")
        for line in lines:
            line.line.sendall(b"x" * 500)
            assert line.line.recv(4096).startswith(b"HTTP/1.1 200 ")
    must(narrow.desk.post(path, paper()))


def test_a_person_who_asks_too_often_waits_and_others_do_not(narrow: Scene) -> None:
    hasty, other = narrow.caller.by(KELA_OTHER), narrow.caller.by(KELA)
    before, asked = entries(narrow), 0
    while (answer := hasty.get("/v1/cases")).status_code == 200 and asked < 500:
        asked += 1
    assert problem(answer)[:2] == (429, "too-many-requests")
    assert int(answer.headers["retry-after"]) >= 1
    assert entries(narrow) - before == asked
    # Another person of the same application is not concerned.
    assert other.get("/v1/cases").status_code == 200
    time.sleep(int(answer.headers["retry-after"]))
    assert hasty.get("/v1/cases").status_code == 200


def test_downloads_at_once_are_bounded_for_each_application(narrow: Scene) -> None:
    reader, other = narrow.caller.by(KELA), narrow.caller.by(EMPLOYMENT)
    part = {"Range": "bytes=0-9"}
    with contextlib.ExitStack() as stack:
        for _ in range(DOWNLOADS):
            assert stack.enter_context(Line(narrow)).download(narrow, reader).startswith(b"HTTP/1.1 200 ")
        before = entries(narrow)
        assert problem(reader.read(narrow.document, **part))[:2] == (429, "too-many-requests")
        assert entries(narrow) == before
        assert other.read(narrow.document, **part).status_code == 206
    deadline = time.monotonic() + 10
    while (answer := reader.read(narrow.document, **part)).status_code == 429 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert answer.status_code == 206


def test_p04_a_body_that_stops_arriving_is_given_up(narrow: Scene) -> None:
    """Half-open: the caller says nothing more and does not go away."""
    before = facts(narrow.caller.service)
    with Line(narrow) as line:
        document, began = line.upload(narrow, 600_000), time.monotonic()
        line.rest()
        assert BODY_IDLE_S - 0.2 < time.monotonic() - began < BODY_IDLE_S + 8
    settled(
        narrow.caller.service, before | {"document": before["document"] + 1, "wrapped_key": before["wrapped_key"] + 1}
    )
    must(narrow.desk.upload(document, b"whole"))


def test_a_body_that_trickles_is_taken(narrow: Scene) -> None:
    """Slow is not silent: more than the idle time in all, never so long between two pieces."""
    with Line(narrow) as line:
        document = line.upload(narrow, 20)
        for _ in range(10):
            time.sleep(BODY_IDLE_S / 8)
            line.line.sendall(b"y")
        assert line.line.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert narrow.desk.read(document).content == b"x" * 10 + b"y" * 10


def test_a_head_that_trickles_is_hung_up_on(narrow: Scene) -> None:
    with Line(narrow) as line, nothing_left(narrow.caller.service):
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            for letter in b"GET /v1/cases HTTP/1.1\r\nHost: vault\r\nX-Slow: " + b"a" * 1000:
                line.line.sendall(bytes([letter]))
                time.sleep(0.1)
                if time.monotonic() - began > IDLE_S + 8:
                    break
        assert time.monotonic() - began < IDLE_S + 8
        assert line.rest() == b""


def test_a_connection_without_a_request_is_closed(narrow: Scene) -> None:
    with Line(narrow) as line:
        line.ask("GET", "/health/live", narrow.desk)
        began = time.monotonic()
        assert line.rest().startswith(b"HTTP/1.1 200 ")
        assert time.monotonic() - began < IDLE_S + 8


def test_a_reader_who_stops_reading_is_let_go_and_logged(narrow: Scene) -> None:
    reader = narrow.caller.by(KELA)
    with Line(narrow) as line:
        head = line.download(narrow, reader)
        outcome, sent = ending(narrow, entry_of(head))
        assert outcome == "unknown"
        assert len(line.rest()) <= sent < LARGE
    # Its place among the application's downloads is free again.
    assert reader.read(narrow.document, Range="bytes=0-9").status_code == 206


@pytest.mark.parametrize("how", ["closes", "resets", "closes one way"])
def test_a_reader_who_goes_away_is_logged_as_unknown_at_most(narrow: Scene, how: str) -> None:
    with Line(narrow) as line:
        head = line.download(narrow, narrow.caller.by(KELA))
        if how == "closes":
            line.line.close()
        elif how == "resets":
            line.reset()
        else:
            line.line.shutdown(socket.SHUT_WR)
        got = 0 if how != "closes one way" else len(line.rest()) + len(head)
    outcome, sent = ending(narrow, entry_of(head))
    assert outcome == ("delivered" if got > LARGE else "unknown")
    assert sent >= min(got - len(head), LARGE)


@pytest.mark.parametrize("told", [True, False])
def test_a_document_beyond_the_limit_is_refused_and_leaves_nothing(narrow: Scene, told: bool) -> None:
    document = narrow.awaiting()

    def body(size: int) -> Any:
        return b"x" * size if told else iter([b"x" * MIB] * (size // MIB) + [b"x" * (size % MIB)])

    with nothing_left(narrow.caller.service):
        assert problem(narrow.desk.upload(document, body(LARGE + 1)))[:2] == (413, "too-large")
    assert must(narrow.desk.upload(document, body(LARGE)))["size"] == LARGE
