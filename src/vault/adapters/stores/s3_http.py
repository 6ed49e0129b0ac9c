"""The HTTP connections to an S3 store: how long each step may take, and what is tried again.

| step | limit |
|---|---|
| connecting | 2 s |
| sending the next 256 KiB, waiting for the next bytes | 10 s |

A call that the store refused to take, or broke off, is tried twice more if it may be repeated; one that got no answer
in time is not, since the time is what was lost. So a single call to a store that is stuck fails within about 12 seconds.
"""

from __future__ import annotations

import ssl
from functools import cache
from types import TracebackType
from typing import Any, Final, Self

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool, HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ProtocolError, ReadTimeoutError
from urllib3.response import BaseHTTPResponse

CONNECT_S: Final = 2.0
READ_S: Final = 10.0
RETRIES: Final = 2
REPEATABLE: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_SLICE_SIZE: Final = 256 * 1024


def connections(*, at_once: int, read_s: float = READ_S, retries: int = RETRIES) -> urllib3.PoolManager:
    """Connections that are kept for `at_once` threads; certificates are checked against the system's authorities."""
    manager = urllib3.PoolManager(
        maxsize=at_once,
        timeout=urllib3.Timeout(connect=CONNECT_S, read=read_s),
        retries=_Impatient(
            total=retries,
            redirect=0,
            allowed_methods=REPEATABLE,
            status_forcelist=[500, 502, 503, 504],
            backoff_factor=0.1,
            raise_on_status=False,
        ),
        ssl_context=_authorities(),
    )
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return manager


@cache
def _authorities() -> ssl.SSLContext:
    """The system's, or those that SSL_CERT_FILE names; read once, since that takes a tenth of a second."""
    return ssl.create_default_context()


def is_stuck(error: Exception | None) -> bool:
    """Whether it is a timeout while sending or while waiting for an answer."""
    sending = isinstance(error, ProtocolError) and isinstance(error.args[-1], TimeoutError)
    return sending or isinstance(error, ReadTimeoutError)


def was_repeated(response: BaseHTTPResponse) -> bool:
    """Whether an earlier try of the same call may have reached the store as well."""
    return response.retries is not None and bool(response.retries.history)


class _Impatient(urllib3.Retry):
    """Tries again, but not a store that is stuck."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        if error is not None and is_stuck(error):
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)


class _Connection(HTTPConnection):
    """Sends in slices, each in its own time: a socket's timeout counts for a whole call, and parts are large.

    The library would leave the short connect timeout in force while it sends.
    """

    def send(self, data: Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(READ_S)
        size = len(data) if isinstance(data, bytes | bytearray) else 0
        if size <= _SLICE_SIZE:
            super().send(data)
            return
        with memoryview(data) as view:
            for start in range(0, size, _SLICE_SIZE):
                super().send(view[start : start + _SLICE_SIZE])


class _SecureConnection(_Connection, HTTPSConnection):
    """The same over TLS: the slices go through HTTPSConnection's own sending."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
