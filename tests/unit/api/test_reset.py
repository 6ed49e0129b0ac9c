"""What the log says was sent, where a release breaks off while something still waits in the server: served as it is, read slowly.

The reader reads exactly when a test lets it, so that the kernel takes more at the worst moment: in the turn of the event loop in
which the release breaks off, or between the reset's count and the connection's end.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvloop

from tests.unit.api.test_running import Told
from vault.api.release import ReleaseResponse
from vault.api.running import Running
from vault.cli.serving import Server, listen, port_of, server_config, started
from vault.errors import ObjectTampered
from vault.model import Outcome

PIECE = b"x" * 65536


def damaged(release: Told) -> None:
    raise ObjectTampered("a piece does not open")


def cut(release: Told) -> None:
    assert release.lease is not None
    release.lease.cut()


class Reader:
    """A connection of its own; what was read of it."""

    def __init__(self, port: int) -> None:
        self.line = socket.socket()
        self.line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.line.connect(("127.0.0.1", port))
        self.line.setblocking(False)
        self.line.send(b"GET / HTTP/1.1\r\nHost: vault.test\r\n\r\n")
        self.got = b""
        self.is_over = False

    def read(self, most: int = 1 << 30) -> None:
        """Take what lies here, up to so much."""
        with contextlib.suppress(BlockingIOError):
            while most > 0:
                try:
                    piece = self.line.recv(min(most, 65536))
                except ConnectionResetError:
                    self.is_over = True
                    return
                self.got += piece
                most -= len(piece)

    @property
    def content(self) -> int:
        return len(self.got.partition(b"\r\n\r\n")[2])


class Slow(Told):
    """Pieces until something waits in the server when the next one is asked for; that one is the last before the end."""

    def __init__(self, end: Callable[[Told], None]) -> None:
        super().__init__()
        self._end = end
        self.size = self.length = 1 << 30
        self.waiting: Callable[[], int] = lambda: 0
        self.before_end: Callable[[], None] = lambda: None

    async def chunks(self) -> AsyncIterator[bytes]:
        yield PIECE
        while not self.waiting():
            yield PIECE
        yield b"y" * 1000
        self.before_end()
        self._end(self)
        yield PIECE


class Stage:
    """One request, whose release and reader the test holds."""

    def __init__(self, end: Callable[[Told], None], *, read_at: str) -> None:
        self.release = Slow(end)
        self._read_at = read_at
        self._reader: Reader

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        abort = scope["extensions"]["vault.abort"]
        self.release.waiting = abort.__self__.transport.get_write_buffer_size
        if self._read_at == "end":
            self.release.before_end = self._reader.read
        else:
            scope["extensions"]["vault.abort"] = lambda: self._reset(abort)
        running = Running(self._opened(), lambda: None)
        running.release = self.release
        await ReleaseResponse(running, idle_s=5).to_asgi_response(None, None)(scope, receive, send)

    def _reset(self, abort: Callable[[], Any]) -> Any:
        assert self.release.waiting() > 0
        unsent = abort()
        self._reader.read()
        return unsent

    async def _opened(self) -> Told:
        return self.release

    async def run(self) -> tuple[list[tuple[Outcome, int]], int]:
        """How the release ended in the log, and how much the reader got."""
        with contextlib.closing(listen("127.0.0.1", 0)) as listener:
            server = Server(server_config(self.app))
            running = asyncio.create_task(server.serve(sockets=[listener]))
            await started(server, running)
            self._reader = Reader(port_of(listener))
            while not self._reader.is_over:
                await asyncio.sleep(0.001)
                self._reader.read(4096 if not self.release.ended else 1 << 30)
            self._reader.line.close()
            server.should_exit = True
            await running
        return self.release.ended, self._reader.content


@pytest.mark.parametrize("read_at", ["end", "reset"])
@pytest.mark.parametrize(("end", "outcome"), [(damaged, Outcome.BROKEN), (cut, Outcome.CUT)])
def test_p03_the_log_never_tells_less_than_was_sent(
    end: Callable[[Told], None], outcome: Outcome, read_at: str
) -> None:
    [(told, sent)], received = uvloop.run(Stage(end, read_at=read_at).run())
    assert told is outcome
    assert sent >= received > 0
