"""Downloads that are read slowly, many at once, so that a test can see when each of them ends."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

READ_SIZE = 16 * 1024
PAUSE_S = 0.02


class Slow:
    """One download: the bytes of content that arrived, and when (monotonic) the connection ended."""

    def __init__(self) -> None:
        self.received = 0
        self.expected = 0
        self.entry = ""
        self.ended_at: float | None = None

    @property
    def is_complete(self) -> bool:
        return self.received == self.expected

    async def read(
        self, url: str, token: str, document: str, started: asyncio.Semaphore, tls: ssl.SSLContext | None
    ) -> None:
        """Read until the end; a service that says "again later" before the first byte is asked again, as callers do."""
        for _ in range(20):
            if await self._read(url, token, document, started, tls):
                return
            await asyncio.sleep(0.5)
        raise AssertionError("the service was busy all the time")

    async def _read(
        self, url: str, token: str, document: str, started: asyncio.Semaphore, tls: ssl.SSLContext | None
    ) -> bool:
        where = urlsplit(url)
        # A small receive buffer, so that what was sent before is not read long after.
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        line.setblocking(False)
        await asyncio.get_running_loop().sock_connect(line, ("127.0.0.1", where.port))
        name = where.hostname if tls else None
        reader, writer = await asyncio.open_connection(sock=line, limit=16 * 1024, ssl=tls, server_hostname=name)
        try:
            path = f"/v1/documents/{document}/content"
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
            )
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            if " 503 " in head.splitlines()[0]:
                return False
            assert " 200 " in head.splitlines()[0], head
            fields = dict(line.split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
            self.expected, self.entry = int(fields["content-length"]), fields["vault-log-entry"].partition(";")[0]
            started.release()
            while piece := await reader.read(READ_SIZE):
                self.received += len(piece)
                await asyncio.sleep(PAUSE_S)
        except ConnectionError:
            pass  # reset: what a cut looks like
        finally:
            self.ended_at = time.monotonic()
            writer.close()
        return True


class SlowReaders:
    """Begins (url, token, document) downloads in a thread of its own; made when each of them has its status line."""

    def __init__(self, wanted: Iterable[tuple[str, str, str]], tls: ssl.SSLContext | None = None) -> None:
        self._wanted = list(wanted)
        self._tls = tls
        self.downloads = [Slow() for _ in self._wanted]
        self._begun = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        assert self._begun.wait(40), "a download did not begin"
        if self._failed is not None:
            raise self._failed

    def join(self, patience_s: float = 20) -> list[Slow]:
        """Wait until all have ended."""
        self._thread.join(patience_s)
        assert not self._thread.is_alive(), "a download still runs"
        return self.downloads

    def _work(self) -> None:
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(self._read_all())
        except BaseException as error:  # noqa: BLE001 - told to the test's thread
            self._failed = error
        finally:
            self._begun.set()
            loop.close()

    async def _read_all(self) -> None:
        started = asyncio.Semaphore(0)
        tasks = [
            asyncio.create_task(slow.read(*w, started, self._tls))
            for slow, w in zip(self.downloads, self._wanted, strict=True)
        ]
        for _ in tasks:
            acquired = asyncio.create_task(started.acquire())
            await asyncio.wait({acquired, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
            await acquired
        self._begun.set()
        await asyncio.gather(*tasks)
