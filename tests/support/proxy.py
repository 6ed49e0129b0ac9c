"""A TCP proxy that stands between a store and its server, and misbehaves when told to."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Self

BLOCK = 64 * 1024


class Proxy:
    """Order: used as an async context. Each attribute takes effect at once, on running connections too."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        self.port = 0
        # Every connection is cut after so many more bytes of answers.
        self.cut_after: int | None = None
        # Requests that begin so reach the server, but the answer is lost; this often.
        self.lose: bytes | None = None
        self.lose_times = 0
        # Requests (those alone that begin so, if it is said) are answered with this instead of being passed on; this often.
        self.answer: bytes | None = None
        self.answer_times = 0
        self.answer_to = b""
        # Of so many requests that would be answered so, one is passed on all the same (0: none is).
        self.spare_every = 0
        self._spared = 0
        # Each block of an answer waits so long.
        self.delay_s = 0.0
        # One bit of what is sent to the server is turned, in every block.
        self.flip = False
        self.requests: list[bytes] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pumps.add(task)
        try:
            await self._connection(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._pumps.discard(task)
            writer.transport.abort()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        answers: asyncio.Task[None] | None = None
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head.split(b"\r\n", 1)[0])
                if (answer := self._misanswer(head)) is not None:
                    await reader.readexactly(_body_length(head))
                    writer.write(answer)
                    await writer.drain()
                    return
                lost = self.lose is not None and self.lose_times > 0 and head.startswith(self.lose)
                if answers is None:
                    answers = asyncio.create_task(self._answers(up_reader, writer))
                if lost:
                    self.lose_times -= 1
                    answers.cancel()
                    await asyncio.wait([answers])
                up_writer.write(head)
                await self._pass_body(reader, up_writer, _body_length(head))
                if lost:
                    await up_reader.readuntil(b"\r\n\r\n")
                    return
        finally:
            if answers is not None:
                answers.cancel()
            up_writer.transport.abort()

    def _misanswer(self, head: bytes) -> bytes | None:
        """What this request is answered with instead of being passed on, if it is."""
        if self.answer is None or self.answer_times <= 0 or not head.startswith(self.answer_to):
            return None
        self._spared += 1
        if self.spare_every and self._spared % self.spare_every == 0:
            return None
        self.answer_times -= 1
        return self.answer

    async def _pass_body(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int) -> None:
        while left:
            block = await reader.read(min(left, BLOCK))
            if not block:
                raise ConnectionResetError
            left -= len(block)
            if self.flip:
                block = bytes([block[0] ^ 1]) + block[1:]
            writer.write(block)
            await writer.drain()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while block := await reader.read(BLOCK):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if self.cut_after is not None:
                    block = block[: self.cut_after]
                    self.cut_after -= len(block)
                writer.write(block)
                await writer.drain()
                if self.cut_after == 0:
                    break
        except OSError:
            pass
        # What was written still arrives; then the connection ends in the middle.
        if not writer.transport.is_closing():
            writer.transport.close()


class ProxyThread(Proxy):
    """The same in a thread of its own, for tests that are synchronous; its attributes may be set from there."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.__aenter__(), self._loop).result(10)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.__aexit__(None, None, None), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _body_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
