"""What may not be seen and what does not exist answer alike, also by time: a 404 leaves a whole number of steps after its
request came, so that what the decision cost cannot be read from it (promise P10).

A decision about something costs a fraction of a millisecond more than one about nothing, and that can be measured. The
answer is ready and everything behind it given back before it waits: no connection, place or lock is held meanwhile.
Source: B. Köpf, M. Dürmuth, A Provably Secure and Efficient Countermeasure against Timing Attacks (2009), bucketing.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import math
import threading
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send

STEP_S = 0.01
"""Many times what the decisions differ by; few answers then fall to either side of a step's end for that difference."""


class Even:
    """An ASGI application whose answers 404 leave at whole steps."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        until: Callable[[float], Awaitable[None]] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._app = app
        self._until = until or Waker().until
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        came = self._clock()
        held: list[Message] = []

        async def hold_or_send(message: Message) -> None:
            told: Any = message
            if held or (told["type"] == "http.response.start" and told["status"] == 404):
                held.append(message)
            else:
                await send(message)

        await self._app(scope, receive, hold_or_send)
        if held:
            await self._until(came + math.ceil((self._clock() - came) / STEP_S) * STEP_S)
        for message in held:
            await send(message)


class Waker:
    """Wakes at a moment, from a thread of its own: an event loop's timers count whole milliseconds from its last turn, and
    the moment of that turn is what must not show.
    """

    def __init__(self) -> None:
        self._due: list[tuple[float, int, asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    async def until(self, moment: float) -> None:
        """Return at that moment of time.monotonic(), or as soon after it as the process gets to it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._changed:
            heapq.heappush(self._due, (moment, next(self._numbers), loop, future))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="even", daemon=True)
                self._thread.start()
            self._changed.notify()
        await future

    def _run(self) -> None:
        while True:
            loop, future = self._next()
            with contextlib.suppress(RuntimeError):  # that loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(_wake, future)

    def _next(self) -> tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]:
        with self._changed:
            while not self._due or (left := self._due[0][0] - monotonic()) > 0:
                self._changed.wait(left if self._due else None)
            _, _, loop, future = heapq.heappop(self._due)
            return loop, future


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
