"""Connections under one database role, with a bounded wait on every call (promise P3).

A call that does not end in time drops its connection: whether the database did the work is then unknown, and nobody
waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

from vault.errors import DatabaseUnavailable

GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server ended the connection between two of its messages
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # synchronous_commit is off: nothing would be durable
    asyncpg.PostgresSystemError,
    asyncpg.InvalidAuthorizationSpecificationError,
    OSError,
)

Row = Any


async def _no_reset(_connection: object) -> None:
    """Nothing to undo: the vault's calls leave no session state, and a reset would cost a round trip each."""


async def prepare(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Let a connection speak jsonb as plain values."""
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=lambda v: msgspec.json.encode(v).decode(), decoder=msgspec.json.decode
    )


class Pool:
    """A pool of connections under one role; connects lazily, so that the service starts and recovers by itself."""

    def __init__(self, url: str, *, size: int = 16, wait_s: float = 2.0) -> None:
        self._url = url
        self._size = size
        self.wait_s = wait_s
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()

    async def warm(self, connections: int) -> None:
        """Open some connections before the first request needs them; a database that is away now is met later."""
        with contextlib.suppress(DatabaseUnavailable):
            await asyncio.gather(*(self.value("SELECT pg_sleep(0.01)") for _ in range(min(connections, self._size))))

    async def close(self) -> None:
        """Close every connection, at once if they are busy."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None

    def in_use(self) -> int:
        """How many connections are at work now."""
        return 0 if self._pool is None else int(self._pool.get_size() - self._pool.get_idle_size())

    async def row(self, query: str, *arguments: object) -> Row:
        """The first row of one call, in its own transaction. Raises: DatabaseUnavailable within ``wait_s``.

        Other errors of the database are bugs and pass through: they never hold personal text, since none reaches SQL.
        """
        rows = await self.rows(query, *arguments)
        return rows[0] if rows else None

    async def rows(self, query: str, *arguments: object) -> Sequence[Row]:
        """All rows of one call, as :meth:`row`."""
        try:
            return await asyncio.wait_for(self._rows(query, arguments), self.wait_s)
        except TimeoutError:
            raise DatabaseUnavailable("the database did not answer in time") from None
        except GONE as error:
            raise DatabaseUnavailable("the database cannot be reached") from error

    async def value(self, query: str, *arguments: object) -> Any:
        """The first column of :meth:`row`, or None."""
        row = await self.row(query, *arguments)
        return None if row is None else row[0]

    async def _rows(self, query: str, arguments: tuple[object, ...]) -> Sequence[Row]:
        pool = await self._opened()
        connection = await pool.acquire()
        try:
            rows: Sequence[Row] = await connection.fetch(query, *arguments)
            return rows
        except BaseException as error:
            if not isinstance(error, asyncpg.PostgresError):
                connection.terminate()
            raise
        finally:
            # shielded by asyncpg itself; a terminated connection is simply dropped from the pool
            await pool.release(connection)

    async def _opened(self) -> asyncpg.Pool[asyncpg.Record]:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=self._size,
                    init=prepare,
                    reset=_no_reset,
                    command_timeout=None,
                    max_inactive_connection_lifetime=60,
                )
            return self._pool
