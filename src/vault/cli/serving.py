"""The HTTP server as the vault runs it: the same for `vault serve` and the demo.

What uvicorn leaves open is closed here: a request's head may neither grow without end nor take for ever to arrive.
What it writes of requests (vault.api.logs) names nobody: who read what stands in the vault's own log alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Generator
from typing import Any, Final, cast

import uvicorn

from vault.adapters.http import ResettableProtocol
from vault.api.logs import hush_tracebacks, log_config
from vault.errors import SettingsWrong
from vault.settings import Settings
from vault.wiring import build, build_app, check_roles

HEAD_BYTES: Final = 64 * 1024
HEAD_SECONDS: Final = 15.0
KEEP_ALIVE_S: Final = 20
GRACE_S: Final = 20
SEND_BUFFER: Final = 256 * 1024
"""What the kernel may hold of a release for a slow reader (Linux doubles it). It is dropped at a cut, but a process that stands
still cannot cut; and by so much more than arrived the log may say was sent. Left to itself, the kernel would hold 4 MiB."""


class BoundedProtocol(ResettableProtocol):
    """Ends a connection whose request head is longer than HEAD_BYTES or later than HEAD_SECONDS."""

    _head: int = 0
    _in_head: bool = False
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))  # a stream's server makes no other
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        if self._in_head and self._head > HEAD_BYTES:
            self._refuse(
                b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head, self._in_head = 0, True
        self._wait_for_head()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def _wait_for_head(self) -> None:
        self._stop_waiting()
        self._late = self.loop.call_later(HEAD_SECONDS, self._refuse, b"")

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _refuse(self, answer: bytes) -> None:
        # An answer that is still running (a pipelined request came too early) must not get this one inside.
        if answer and (self.cycle is None or self.cycle.response_complete):
            self.transport.write(answer)
        self.transport.close()


class Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: whoever runs it decides what a signal means."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def server_config(app: Any, *, behind_proxy: bool = False, tell_requests: bool = False) -> uvicorn.Config:
    """How the service is served. ``behind_proxy``: X-Forwarded-Proto and -For of the machine in front are believed."""
    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        interface="asgi3",
        lifespan="on",
        log_config=log_config(requests=tell_requests),
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=behind_proxy,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. Raises: SettingsWrong when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # its connections take this over
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingsWrong(f"cannot listen on {host} port {port} ({error.strerror}); choose another port") from None
    return listener


def port_of(listener: socket.socket) -> int:
    """The port that a bound socket has."""
    return int(listener.getsockname()[1])


async def started(server: Server, running: asyncio.Task[None]) -> None:
    """Return when the server takes connections. Raises: what ended it before that."""
    while not server.started:
        if running.done():
            running.result()
            raise SettingsWrong("the service ended at its start")
        await asyncio.sleep(0.01)


async def serve_until_stopped(settings: Settings) -> None:
    """Serve by the settings until a signal comes. Raises: SettingsWrong, DatabaseUnavailable, KeyringUnavailable."""
    parts = build(settings)
    try:
        await check_roles(parts)
        with contextlib.closing(listen(settings.listen_host, settings.listen_port)) as listener:
            config = server_config(build_app(parts), behind_proxy=settings.behind_proxy, tell_requests=True)
            hush_tracebacks()
            server = Server(config)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, server.handle_exit, number, None)
            running = asyncio.create_task(server.serve(sockets=[listener]))
            await started(server, running)
            address = f"{settings.listen_host} port {port_of(listener)}"
            logging.getLogger("vault").info("serving %s on %s", settings.issuer, address)
            await running
    finally:
        await parts.close()
