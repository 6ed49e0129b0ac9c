"""What the service counts, in Prometheus text format: shapes and totals, never who, what or whose.

Every label comes from a closed list (a method, a route's template, a status, a reason code), so that neither an id nor
anything that a caller wrote can become one, and the number of series stays bounded.
"""

from __future__ import annotations

import contextlib
import ipaddress
import uuid
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from time import perf_counter
from typing import Any

from litestar import Request, Response, Router, get
from litestar.exceptions import NotFoundException
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from vault.errors import ConfirmationRequired, Hidden, Refused, Unavailable
from vault.model import Act, Clearance, EntryId, Outcome, TokenSecret
from vault.ports import Done, Door
from vault.rules.reasons import Reason
from vault.services.transparency import Window

# The framework says the character set itself.
_TEXT = CONTENT_TYPE_LATEST.partition("; charset=")[0]
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
DOOR_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip")

_leave_out_created: Callable[[], None] = disable_created_metrics
_leave_out_created()


class Metrics:
    """The counters of one process; each application has its own, so that two in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "vault_requests", "Answered requests", ["method", "route", "status"], registry=self.registry
        )
        self._bytes = Counter("vault_body_bytes", "Bytes of bodies", ["direction"], registry=self.registry)
        self._releases = Counter("vault_releases", "Ended releases by outcome", ["outcome"], registry=self.registry)
        self._refusals = Counter(
            "vault_refusals",
            "The door's refusals by reason; one refusal can have several",
            ["reason"],
            registry=self.registry,
        )
        self._door = Histogram(
            "vault_door_seconds", "Calls of the database's door", ["call"], buckets=DOOR_SECONDS, registry=self.registry
        )
        ProcessCollector(registry=self.registry)
        for outcome in Outcome:  # a rate can only be told from a series that began at zero
            self._releases.labels(outcome.value)

    def watch(self, name: str, told: str, value: Callable[[], float]) -> None:
        """Add a gauge whose value is asked for at every scrape."""
        Gauge(f"vault_{name}", told, registry=self.registry).set_function(value)

    def answered(self, method: str, route: str, status: int, bytes_in: int, bytes_out: int) -> None:
        """Count one request. ``route`` is a template, never a path; ``status`` 0: it was broken off unanswered."""
        self._requests.labels(method if method in METHODS else OTHER, route, str(status)).inc()
        self._bytes.labels("in").inc(bytes_in)
        self._bytes.labels("out").inc(bytes_out)

    def ended(self, outcome: str) -> None:
        self._releases.labels(outcome if outcome in {o.value for o in Outcome} else OTHER).inc()

    @contextlib.contextmanager
    def door(self, call: str) -> Generator[None, None, None]:
        """Time one call of the door, and count why it refused."""
        begun = perf_counter()
        try:
            yield
        except Refused as refusal:
            for reason in _reasons(refusal):
                self._refusals.labels(reason).inc()
            raise
        finally:
            self._door.labels(call).observe(perf_counter() - begun)

    def text(self) -> bytes:
        return generate_latest(self.registry)


def _reasons(refusal: Refused) -> Sequence[str]:
    known = {reason.value for reason in Reason}
    if reasons := [reason if reason in known else OTHER for reason in refusal.reasons]:
        return reasons
    if isinstance(refusal, ConfirmationRequired):
        return [refusal.code]
    return ["hidden" if isinstance(refusal, Hidden) else OTHER]


class MeasuredDoor:
    """ports.Door that times and counts what passes; it changes nothing."""

    def __init__(self, door: Door, metrics: Metrics) -> None:
        self._door = door
        self._metrics = metrics

    async def ask(
        self,
        secret: TokenSecret,
        act: Act,
        *,
        case: uuid.UUID | None = None,
        document: uuid.UUID | None = None,
        about: Mapping[str, object] | None = None,
    ) -> Clearance:
        with self._metrics.door("ask"):
            return await self._door.ask(secret, act, case=case, document=document, about=about)

    async def act(self, name: str, secret: TokenSecret, *arguments: object) -> Done:
        with self._metrics.door("act"):
            return await self._door.act(name, secret, *arguments)

    async def end_release(self, secret: TokenSecret, entry: EntryId, outcome: str, bytes_sent: int) -> None:
        self._metrics.ended(outcome)
        with self._metrics.door("end_release"):
            await self._door.end_release(secret, entry, outcome, bytes_sent)

    async def end_export(
        self, secret: TokenSecret, entry: EntryId, outcome: str, first_byte: int, bytes_sent: int
    ) -> None:
        self._metrics.ended(outcome)
        with self._metrics.door("end_release"):
            await self._door.end_export(secret, entry, outcome, first_byte, bytes_sent)

    async def reserve(self, secret: TokenSecret, key: bytes, request_mac: bytes, subject: uuid.UUID) -> uuid.UUID:
        with self._metrics.door("reserve"):
            return await self._door.reserve(secret, key, request_mac, subject)

    async def renew(self, process: uuid.UUID, entries: Sequence[EntryId]) -> frozenset[EntryId]:
        with self._metrics.door("renew"):
            return await self._door.renew(process, entries)

    async def give_up(self, name: str) -> bool:
        with self._metrics.door("give_up"):
            return await self._door.give_up(name)

    async def check(self) -> None:
        await self._door.check()

    def promise(self, *arguments: Any) -> str:
        return self._door.promise(*arguments)


class LogGauges:
    """How far the log is, asked of the database at each scrape; what is not known is NaN."""

    def __init__(self, metrics: Metrics, window: Callable[[], Awaitable[Window | None]]) -> None:
        self._window = window
        self._known: Window | None = None
        metrics.watch("log_size", "Entries in the log's tree", lambda: self._value("size"))
        metrics.watch("log_waiting", "Entries that wait for the tree", lambda: self._value("waiting"))
        told = "Since when the tree holds something that no witness has cosigned; 0 when it does not"
        metrics.watch("log_uncosigned_seconds", told, lambda: self._value("uncosigned_s"))

    async def refresh(self) -> None:
        try:
            self._known = await self._window()
        except Unavailable:
            self._known = None

    def _value(self, name: str) -> float:
        return float("nan") if self._known is None else float(getattr(self._known, name))


def metrics_router(metrics: Metrics, log: LogGauges) -> Router:
    """`GET /metrics`, for a scraper on the machine itself; anybody else is told that there is nothing here."""

    @get("/metrics", include_in_schema=False)
    async def scrape(request: Request[Any, Any, Any]) -> Response[bytes]:
        if not is_local(request):
            raise NotFoundException
        await log.refresh()
        return Response(metrics.text(), media_type=_TEXT)

    return Router("/", route_handlers=[scrape])


def is_local(request: Request[Any, Any, Any]) -> bool:
    """Whether the caller sits on this machine and speaks for itself.

    A front server on the same machine has a loopback address too, but it says for whom it speaks.
    """
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        address = ipaddress.ip_address(request.client.host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
