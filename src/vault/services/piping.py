"""Between the event loop and a thread that packs: bytes come out of the thread, and go into it, with few waiting.

Formats that pull their input are plain iterators; papers come from, and ciphertext goes to, the event loop.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

_GATHER = 1 << 20
_WAITING = 4
T = TypeVar("T")


class Pipe:
    """From the packing thread to the loop: at most a few pieces wait; stopped, the thread's next write raises."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        self._arrived = asyncio.Event()
        self._gathered = bytearray()
        self._stopped = False

    def write(self, piece: bytes) -> None:
        """Called in the thread."""
        self._gathered += piece
        if len(self._gathered) >= _GATHER:
            self.flush()

    def flush(self) -> None:
        if self._gathered:
            self._put(bytes(self._gathered))
            self._gathered.clear()

    def end(self) -> None:
        self._put(None)

    def _put(self, piece: bytes | None) -> None:
        while not self._stopped:
            try:
                self._waiting.put(piece, timeout=0.5)
            except queue.Full:
                continue
            self._loop.call_soon_threadsafe(self._arrived.set)
            return
        if piece is not None:
            raise BrokenPipeError

    async def pieces(self) -> AsyncIterator[bytes]:
        while True:
            self._arrived.clear()
            try:
                piece = self._waiting.get_nowait()
            except queue.Empty:
                await self._arrived.wait()
                continue
            if piece is None:
                return
            yield piece

    def stop(self) -> None:
        self._stopped = True


async def packed(pack: Callable[[Pipe], None]) -> AsyncIterator[bytes]:
    """What ``pack``, run in a thread, writes into its pipe. Raises what it raises; left early, its next write raises."""
    pipe = Pipe(asyncio.get_running_loop())

    def work() -> None:
        try:
            pack(pipe)
            pipe.flush()
        finally:
            pipe.end()

    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        async for piece in pipe.pieces():
            yield piece
        await working
    finally:
        pipe.stop()
        await asyncio.wait([working])
        if not working.cancelled():
            working.exception()  # told above, or of no interest any more


async def gathered(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of a mebibyte or so: each way between loop and thread, and each hash, has its price."""
    waiting: list[bytes] = []
    size = 0
    async for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _GATHER:
            yield b"".join(waiting)
            waiting.clear()
            size = 0
    if waiting:
        yield b"".join(waiting)


def pulled(pieces: AsyncIterator[T], loop: asyncio.AbstractEventLoop) -> Iterator[T]:
    """The loop's pieces, for the packing thread."""
    while True:
        piece = asyncio.run_coroutine_threadsafe(_next(pieces), loop).result()
        if piece is None:
            return
        yield piece


async def _next(pieces: AsyncIterator[T]) -> T | None:
    return await anext(pieces, None)
