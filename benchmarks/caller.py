"""A caller that costs little: HTTP/1.1 over kept connections, bodies counted and thrown away.

It knows what these measurements need: one request at a time on a connection, answers with a Content-Length.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Iterable
from typing import Self, cast

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ROOM = 256 * 1024


class Answer:
    """A status and the number of bytes that followed it."""

    def __init__(self, status: int, size: int) -> None:
        self.status = status
        self.size = size


class Connection(asyncio.BufferedProtocol):
    """One connection; ``request`` waits for the whole answer."""

    def __init__(self) -> None:
        self._room = memoryview(bytearray(_ROOM))
        self._head = bytearray()
        self._left = -1  # bytes of body still to come; -1: still in the head
        self._answer = Answer(0, 0)
        self._waiting: asyncio.Future[Answer] | None = None
        self._writable = asyncio.Event()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, port: int, tls: ssl.SSLContext | None = None) -> Self:
        """``tls`` trusts a server that has a certificate for localhost."""
        name = "localhost" if tls else None
        _, protocol = await asyncio.get_running_loop().create_connection(
            cls, "127.0.0.1", port, ssl=tls, server_hostname=name
        )
        return protocol

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    async def request(self, head: bytes, body: Iterable[bytes] = ()) -> Answer:
        """Send a request (its head as bytes) and wait for its answer. Raises: ConnectionError when there is none."""
        if self._transport is None:
            raise ConnectionError("the connection is closed")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(head)
        for piece in body:
            self._transport.write(piece)
            if not self._writable.is_set():
                await self._writable.wait()
        return await self._waiting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._writable.set()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionResetError("the answer broke off"))

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        if self._left < 0:
            self._head += self._room[:nbytes]
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            found = _LENGTH.search(self._head, 0, end)
            size = int(found[1]) if found else 0
            self._answer = Answer(int(self._head[9:12]), size)
            self._left = size - (len(self._head) - end - 4)
            self._head.clear()
        else:
            self._left -= nbytes
        if self._left == 0:
            self._left = -1
            if self._waiting is not None:
                self._waiting.set_result(self._answer)


def head(method: str, path: str, *, token: str = "", **fields: str) -> bytes:
    """A request's head; ``content_length="3"`` becomes the field content-length."""
    known = {"host": "localhost"} | ({"authorization": f"Bearer {token}"} if token else {})
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in (known | fields).items()]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode("ascii")
