"""Load over HTTP: closed (each caller asks again when it was answered) and open (requests arrive, whoever is still waiting)."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from benchmarks.caller import Connection
from benchmarks.figures import percentile

Once = Callable[[], Awaitable[bool]]
"""Does a piece of work; False when it was refused or cut for want of time (promises P3 and P6), which may happen under load."""


class Target(msgspec.Struct, frozen=True):
    """Where requests go: connections are spread over the ports; an answer counts when it has that size."""

    ports: tuple[int, ...]
    heads: tuple[bytes, ...]
    size: int
    tls: ssl.SSLContext | None = None


class Load(msgspec.Struct, frozen=True):
    """What came of it: answers a second, the milliseconds of each, and how many were refused or cut."""

    rate: float
    times_ms: list[float]
    missed: int

    def p(self, percent: float) -> float:
        """A percentile in milliseconds."""
        return percentile(self.times_ms, percent)


async def rate_of(callers: Sequence[Once], seconds: float) -> tuple[float, int]:
    """How often a second all callers together do their work, each without a pause; and how often they missed."""
    end, done, missed = time.perf_counter() + seconds, 0, 0

    async def work(once: Once) -> None:
        nonlocal done, missed
        # At least once: on a machine that is busy enough, the time is over before it begins.
        while True:
            if await once():
                done += 1
            else:
                missed += 1
            if time.perf_counter() >= end:
                return

    start = time.perf_counter()
    await asyncio.gather(*map(work, callers))
    return done / (time.perf_counter() - start), missed


async def closed_loop(target: Target, callers: int, seconds: float) -> Load:
    """So many callers, each with a connection of its own."""
    lines = await _lines(target, callers)
    rate, missed = await rate_of([line.once for line in lines], seconds)
    times = [taken for line in lines for taken in line.times_ms]
    for line in lines:
        line.close()
    return Load(rate, times, missed)


async def open_loop(target: Target, rate: float, seconds: float, connections: int = 64) -> Load:
    """Requests that arrive at random, so many a second, over kept connections.

    Units: a request's time counts from its arrival, so one that waits for those before it is not forgotten.
    """
    lines = await _lines(target, connections)
    free: asyncio.Queue[_Line] = asyncio.Queue()
    for line in lines:
        free.put_nowait(line)
    times, missed, running = list[float](), 0, set[asyncio.Task[None]]()

    async def one(arrived: float) -> None:
        nonlocal missed
        line = await free.get()
        if await line.once():
            times.append((time.perf_counter() - arrived) * 1000)
        else:
            missed += 1
        free.put_nowait(line)

    chance = random.Random(1)
    rate = max(rate, 1.0)
    start = time.perf_counter()
    due = start
    while (due := due + chance.expovariate(rate)) < start + seconds:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(one(due))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    taken = time.perf_counter() - start
    for line in lines:
        line.close()
    return Load(len(times) / taken, times, missed)


async def _lines(target: Target, count: int) -> list[_Line]:
    places = iter(range(2**62))

    def following() -> bytes:
        return target.heads[next(places) % len(target.heads)]

    lines = [_Line(target, target.ports[number % len(target.ports)], following) for number in range(count)]
    for line in lines:
        await line.open()
    return lines


class _Line:
    """One kept connection, opened again when it is reset."""

    def __init__(self, target: Target, port: int, following: Callable[[], bytes]) -> None:
        self._target, self._port, self._following = target, port, following
        self._connection: Connection
        self.times_ms: list[float] = []

    async def open(self) -> None:
        self._connection = await Connection.open(self._port, self._target.tls)

    def close(self) -> None:
        self._connection.close()

    async def once(self) -> bool:
        start = time.perf_counter()
        try:
            answer = await self._connection.request(self._following())
        except ConnectionError:
            await self.open()
            return False
        if answer.status not in (200, 503):
            raise RuntimeError(f"the answer was {answer.status} with {answer.size} bytes")
        self.times_ms.append((time.perf_counter() - start) * 1000)
        return (answer.status, answer.size) == (200, self._target.size)
