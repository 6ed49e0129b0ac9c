"""uvicorn's HTTP protocol with one thing more: an application may reset its connection.

Closing a connection in the middle of a body can look like a complete answer to a careless client; a reset cannot.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class ResettableProtocol(HttpToolsProtocol):
    """Puts ``vault.abort`` into the scope's extensions: a call that resets the connection.

    It returns a future: how many bytes were waiting here when the connection was closed, and were never given to the kernel.
    """

    _unsent: asyncio.Future[int] | None = None
    _dropped = 0
    _is_lost = False

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: Any = self.scope
        scope["extensions"] = {"vault.abort": self._abort}

    def _abort(self) -> asyncio.Future[int]:
        if self.cycle is not None:
            # The cycle must not complain that its answer was not completed: that is the point.
            self.cycle.disconnected = True
        if self._unsent is None:
            self._unsent = self.loop.create_future()
            if self._is_lost:
                self._unsent.set_result(0)
            self._reset()
        return self._unsent

    def _reset(self) -> None:
        # Lingering for no time makes the kernel send a reset and drop what it still holds (socket(7)). A connection that is
        # closed already has no socket, or one with a negative number, which uvloop refuses to give.
        with contextlib.suppress(ValueError, OSError):
            if (sock := self.transport.get_extra_info("socket")) is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        waiting = int(self.transport.get_write_buffer_size())
        self.transport.abort()
        self._dropped = waiting - int(self.transport.get_write_buffer_size())

    def connection_lost(self, exc: Exception | None) -> None:
        # Counted here and not before: uvloop goes on writing what waits until it closes the connection, which is right after this.
        self._is_lost = True
        if self._unsent is not None and not self._unsent.done():
            self._unsent.set_result(self._dropped + int(self.transport.get_write_buffer_size()))
        super().connection_lost(exc)
