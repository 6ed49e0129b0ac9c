"""Who is let in, how often, and how patiently: rates, shares and time limits, so that one caller cannot starve the others.

Overload sheds reads before acknowledged writes, and never a log entry: what is refused here has not been asked at the
door yet. Everything is per process; the front server bounds what comes from one address.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from vault.api.problems import RETRY_AFTER_S
from vault.errors import TooMany

_ENDS = "vault.ends"
READS = frozenset({"GET", "HEAD"})


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one process; rates are requests a second with a burst of as many seconds as ``burst_s``."""

    rate_per_application: float = 500.0
    rate_per_person: float = 100.0
    burst_s: float = 5.0
    reads_at_once: int = 256
    writes_at_once: int = 384
    releases_per_application: int = 64
    body_idle_s: float = 30.0
    """How long a caller may send nothing of a body."""
    send_idle_s: float = 60.0
    """How long a caller may read nothing of a release."""


class Rates:
    """Token buckets by key, the least recently used forgotten; a full bucket is no information worth keeping."""

    def __init__(
        self, rate: float, burst_s: float, *, keys: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._most = max(1.0, rate * burst_s)
        self._keys = keys
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admit(self, key: str) -> None:
        """Take one token. Raises: TooMany with the seconds until there is one again."""
        now = self._clock()
        level, since = self._buckets.pop(key, (self._most, now))
        level = min(self._most, level + (now - since) * self._rate)
        if level < 1:
            self._buckets[key] = (level, now)
            raise TooMany("too many requests; slow down", retry_after_s=max(1, math.ceil((1 - level) / self._rate)))
        self._buckets[key] = (level - 1, now)
        if len(self._buckets) > self._keys:
            self._buckets.popitem(last=False)


class Admission:
    """The rates and shares of one process."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._applications = Rates(limits.rate_per_application, limits.burst_s)
        self._persons = Rates(limits.rate_per_person, limits.burst_s)
        self._releases: dict[str, int] = {}

    def admit(self, client_id: str, sub: str) -> None:
        """Count one request of an application and of a person. Raises: TooMany."""
        self._applications.admit(client_id)
        if sub != client_id:
            self._persons.admit(f"{client_id} {sub}")

    def begin_release(self, client_id: str) -> None:
        """Count one running release of an application. Raises: TooMany; then nothing was counted."""
        running = self._releases.get(client_id, 0)
        if running >= self.limits.releases_per_application:
            raise TooMany("too many downloads at once; let some end first", retry_after_s=RETRY_AFTER_S)
        self._releases[client_id] = running + 1

    def end_release(self, client_id: str) -> None:
        """The release has ended."""
        running = self._releases.pop(client_id, 0) - 1
        if running > 0:
            self._releases[client_id] = running


class Gate(ASGIMiddleware):
    """Counts requests under way, sheds what is too much, and waits for no body for ever."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._under_way = 0

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        reading = dict(scope).get("method") in READS
        most = self._limits.reads_at_once if reading else self._limits.writes_at_once
        if self._under_way >= most and not str(scope["path"]).startswith("/health"):
            raise TooMany("the service is busy; try again", retry_after_s=RETRY_AFTER_S)
        self._under_way += 1
        try:
            async with contextlib.AsyncExitStack() as ends:
                scope["state"][_ENDS] = ends
                await next_app(scope, _patient(receive, self._limits.body_idle_s), send)
        finally:
            self._under_way -= 1


def ends_of(scope: Scope) -> contextlib.AsyncExitStack:
    """What runs when this request ends, however it ends: what is pushed here is not forgotten by a cancel."""
    ends: contextlib.AsyncExitStack = scope["state"][_ENDS]
    return ends


def idle_s_of(request: Request[Any, Any, Any]) -> float:
    """How long a caller of this process may read nothing of a release."""
    admission: Admission = request.app.state.admission
    return admission.limits.send_idle_s


def _patient(receive: Receive, idle_s: float) -> Receive:
    """Give up a body that does not arrive: the caller counts as gone. Waiting for a disconnect is not bounded."""
    complete = False

    async def patiently() -> Any:
        nonlocal complete
        if complete:
            return await receive()
        try:
            message: Any = await asyncio.wait_for(receive(), idle_s)
        except TimeoutError:
            complete = True
            return {"type": "http.disconnect"}
        complete = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    return patiently
