"""uvicorn's HTTP protocol with one thing more: an application may reset its connection.

Closing a connection in the middle of a body can look like a complete answer to a careless client; a reset cannot.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class ResettableProtocol(HttpToolsProtocol):
    """Puts ``vault.abort`` into the scope's extensions: a call that resets the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: Any = self.scope
        scope["extensions"] = {"vault.abort": self._abort}

    def _abort(self) -> int:
        """Reset the connection; returns how many bytes were waiting here and are now never given to the kernel."""
        if self.cycle is not None:
            # The cycle must not complain that its answer was not completed: that is the point.
            self.cycle.disconnected = True
        waiting = int(self.transport.get_write_buffer_size())
        # Lingering for no time makes the kernel send a reset and drop what it still holds (socket(7)). A connection that is
        # closed already has no socket, or one with a negative number, which uvloop refuses to give.
        with contextlib.suppress(ValueError, OSError):
            if (sock := self.transport.get_extra_info("socket")) is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()
        return waiting
