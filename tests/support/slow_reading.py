"""The reading side of `tests.support.slow`, a process of its own on the standard library alone, so that nothing delays it.

Standard input: one line of JSON, a list of [port, head of the request]. Standard output: lines of JSON,
``{"began": n, "expected": bytes, "entry": id}``, ``{"received": [bytes, …]}`` some times a second, and
``{"ended": n, "received": bytes, "last_byte_at": t, "stood_at": t, "ended_at": t}``; every t is CLOCK_MONOTONIC, which all
processes of a machine share. It ends when all downloads have, or its standard input is closed.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import struct
import sys
import time
from typing import Any

READ_SIZE = 16 * 1024
PAUSE_S = 0.02
RECEIVE_BUFFER = 64 * 1024
"""Small, so that what was sent before is not read long after."""
BUSY_S = 0.5
TRIES = 20
LAST_DATA_RECEIVED = 8 + 4 * 11
"""Where `struct tcp_info` (linux/tcp.h) holds tcpi_last_data_recv: milliseconds since the kernel got the last data."""


class Download:
    """One connection: its head is read at once, its content in small pieces with pauses between them."""

    def __init__(self, number: int, port: int, head: str, poll: select.epoll) -> None:
        self.number, self._port, self._head, self._poll = number, port, head.encode(), poll
        self.received = self._expected = 0
        self.is_over = False
        self.again_at = 0.0
        self._tries = 0
        self._read = b""
        self._in_body = False
        self.connect()

    def connect(self) -> None:
        """Ask, or ask again: a service that is busy says "again later" before the first byte."""
        self._tries += 1
        self.line = socket.socket()
        self.line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.line.connect(("127.0.0.1", self._port))
        self.line.setblocking(False)
        self.line.send(self._head)
        self._poll.register(self.line, select.EPOLLIN)
        self._read, self.again_at = b"", 0.0

    def read_head(self, now: float) -> None:
        if not (piece := self.line.recv(READ_SIZE)):
            raise SystemExit(f"no answer: {self._read!r}")
        self._read += piece
        head, end, body = self._read.partition(b"\r\n\r\n")
        if not end:
            return
        status = head.split(b" ", 2)[1]
        self._poll.unregister(self.line)
        if status == b"503" and self._tries < TRIES:
            self.line.close()
            self.again_at = now + BUSY_S
            return
        fields = dict(one.split(": ", 1) for one in head.decode().lower().split("\r\n")[1:])
        if status != b"200":
            raise SystemExit(f"not given: {head!r} {body!r}")
        # From here on only the end wakes us; it is told at once, however much lies unread before it.
        self._poll.register(self.line, select.EPOLLRDHUP)
        self.received, self._expected, self._in_body = len(body), int(fields["content-length"]), True
        entry = fields["vault-log-entry"].partition(";")[0]
        tell({"began": self.number, "expected": self._expected, "entry": entry})

    def read_on(self, now: float) -> None:
        if self._in_body and not self.is_over:
            with contextlib.suppress(OSError):
                self.received += len(self.line.recv(READ_SIZE))
            if self.received == self._expected:
                self.end(now, now)

    def end(self, stood_at: float, now: float) -> None:
        """The connection was reset or closed: read what lay before that, and ask the kernel when it came."""
        with contextlib.suppress(OSError):
            while piece := self.line.recv(READ_SIZE):
                self.received += len(piece)
        asked_at = time.monotonic()
        info = self.line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 128)
        (ago_ms,) = struct.unpack_from("I", info, LAST_DATA_RECEIVED)
        self._poll.unregister(self.line)
        self.line.close()
        self.is_over = True
        times = {"last_byte_at": asked_at - ago_ms / 1000, "stood_at": stood_at, "ended_at": now}
        tell({"ended": self.number, "received": self.received} | times)

    def wake(self, stood_at: float, now: float) -> None:
        if self._in_body:
            self.end(stood_at, now)
        else:
            self.read_head(now)


def tell(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def read_all(wanted: list[tuple[int, str]]) -> None:
    poll = select.epoll()
    poll.register(sys.stdin, 0)  # its hang-up alone: whoever started us is gone
    downloads = [Download(number, port, head, poll) for number, (port, head) in enumerate(wanted)]
    by_number = {one.line.fileno(): one for one in downloads}
    turn_at, looked_at = time.monotonic(), time.monotonic()
    while not all(one.is_over for one in downloads):
        woken = poll.poll(max(0.0, turn_at - time.monotonic()))
        stood_at, looked_at = looked_at, time.monotonic()
        for number, _ in woken:
            if number == sys.stdin.fileno():
                return
            by_number[number].wake(stood_at, looked_at)
        if looked_at >= turn_at:
            turn_at = looked_at + PAUSE_S
            for one in downloads:
                one.read_on(looked_at)
                if one.again_at and looked_at >= one.again_at:
                    one.connect()
                    by_number[one.line.fileno()] = one
            tell({"received": [one.received for one in downloads]})


if __name__ == "__main__":
    with contextlib.suppress(OSError):
        # Before everything else on this machine, where that is allowed: it does little, and that at its time.
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    read_all(json.loads(sys.stdin.readline()))
