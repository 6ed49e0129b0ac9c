"""The service's own log: one JSON object a line on stderr, for whoever keeps it running. Not the access log.

It must be readable by people who may know nothing of clients. So a line holds no path, query, header, body or address;
an error is told by its class and place, never by its text or by a traceback, which can show values; and of other
libraries' lines only the fixed part is kept, without the arguments.
"""

from __future__ import annotations

import datetime as dt
import logging
import logging.config
import re
import secrets
import sys
import threading
from time import perf_counter
from types import TracebackType
from typing import Any

import msgspec
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from vault.api.metrics import METHODS, OTHER, Metrics

REQUESTS = "vault.requests"
QUIET = frozenset({"/health/live", "/health/ready", "/metrics"})
"""Asked every few seconds by machines; told only when they fail."""

_REQUEST_ID = re.compile(r"[0-9a-f]{32}")
_OWN = "vault"
_LONGEST = 300

logger = logging.getLogger(REQUESTS)


class JsonLines(logging.Formatter):
    """One line per record: ``time, level, logger, message`` and what the record carries as ``fields``."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        fields = getattr(record, "fields", None)
        line |= fields if isinstance(fields, dict) else {"message": _message(record)}
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = error_place(record.exc_info[0], record.exc_info[2])
        return msgspec.json.encode(line).decode()


def _message(record: logging.LogRecord) -> str:
    """Our own sentences whole; of others' the first line before its arguments, since asyncio and others put values in."""
    is_own = record.name == _OWN or record.name.startswith(f"{_OWN}.")
    text = record.getMessage() if is_own else str(record.msg).strip().partition("\n")[0]
    return text[:_LONGEST]


def error_place(kind: type[BaseException], trace: TracebackType | None) -> str:
    """The class of an error and the innermost line of code that it passed, without its text."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else "unknown"
    return f"{kind.__name__} at {place}"


def log_config(*, requests: bool) -> dict[str, Any]:
    """A configuration for logging.config.dictConfig. ``requests``: also one line for every request."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "vault.api.logs.JsonLines"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "vault": {"level": "INFO"},
            REQUESTS: {"level": "INFO" if requests else "ERROR"},
        },
    }


def start_logging() -> None:
    """Tell everything of this process as lines; for the processes that serve no requests."""
    logging.config.dictConfig(log_config(requests=False))
    hush_tracebacks()


def hush_tracebacks() -> None:
    """Let an error that nobody caught be told as a line too: Python's own way shows its text."""

    def tell(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt | SystemExit):
            return
        logging.getLogger(_OWN).critical("an error nobody caught", exc_info=(kind, error or kind(), trace))

    sys.excepthook = tell
    threading.excepthook = lambda raised: tell(raised.exc_type, raised.exc_value, raised.exc_traceback)
    sys.unraisablehook = lambda raised: tell(raised.exc_type, raised.exc_value, raised.exc_traceback)


class Observed:
    """An ASGI application with its requests counted and told, those that no route answers included."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if dict(scope)["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = _Seen(scope, receive, send)
        try:
            await self._app(scope, seen.receive, seen.send)
        finally:
            seen.tell(self._metrics)


class _Seen:
    """One request as it passes."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope: Any = scope
        self._receive = receive
        self._send = send
        self._begun = perf_counter()
        self._status = self._in = self._out = 0
        self._whole = False

    async def receive(self) -> Any:
        message: Any = await self._receive()
        self._in += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        passed: Any = message
        if passed["type"] == "http.response.start":
            self._status = int(passed["status"])
        await self._send(message)
        if passed["type"] == "http.response.body":
            self._out += len(passed.get("body", b""))
            self._whole = not passed.get("more_body", False)

    def tell(self, metrics: Metrics) -> None:
        # The framework writes the template beside the path once it has found the route.
        route = str(self._scope.get("path_template") or "-")
        method = str(self._scope["method"])
        metrics.answered(method, route, self._status, self._in, self._out)
        if route in QUIET and self._status < 500:
            return
        level = logging.ERROR if self._status >= 500 or self._status == 0 else logging.INFO
        fields = {
            "method": method if method in METHODS else OTHER,
            "route": route,
            "status": self._status,
            "duration_ms": round((perf_counter() - self._begun) * 1000, 1),
            "bytes_in": self._in,
            "bytes_out": self._out,
            "whole": self._whole,
            "request": _request_id(self._scope),
        }
        logger.log(level, "request", extra={"fields": fields})


def _request_id(scope: Any) -> str:
    """The front server's id of this request, where it has the form of one; else a fresh one."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
