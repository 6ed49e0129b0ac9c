"""One release under way: its share of the running downloads, its lease and its outcome in the log, ended once, however its
request ends: answered, broken off, or cancelled at any await between the door's answer and the last byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Protocol

from litestar import Request

from vault.api.admission import Admission, ends_of
from vault.errors import DatabaseUnavailable, VaultError
from vault.model import Outcome
from vault.services.leases import Lease

logger = logging.getLogger("vault.api")

ENDED_AGAIN_S = (1, 2, 4, 8, 15, 30, 60, 120, 240)
"""Pauses between attempts to tell how a release ended, while the database is away."""
UNSENT_S = 2.0
"""How long to wait for the count of what a reset held back: it comes with the connection's end, in the loop's next turn."""
_TELLING: set[asyncio.Task[None]] = set()


class Release(Protocol):
    """What a release of a document or of an export offers to whoever sends it; see services.documents.Release."""

    media_type: str
    filename: str
    sha256: bytes
    promise: str
    size: int
    start: int
    length: int
    is_partial: bool

    @property
    def etag(self) -> str: ...
    def chunks(self) -> AsyncIterator[bytes]: ...
    async def begin(self) -> Lease: ...
    async def end(self, outcome: Outcome, bytes_sent: int) -> None: ...


class Running:
    """Made by :meth:`begin`; whoever sends the release ends it, and when nobody came to that, the request's end does."""

    release: Release

    def __init__(self, opening: Coroutine[Any, Any, Release], give_back: Callable[[], None]) -> None:
        # A task of its own: a request that is cancelled while the door answers must still learn what it was given.
        self._opening = asyncio.ensure_future(opening)
        self._give_back = give_back
        self._is_over = False

    @classmethod
    async def begin(
        cls, request: Request[Any, Any, Any], who: str, opening: Callable[[], Coroutine[Any, Any, Release]]
    ) -> Running:
        """Count one release as ``who``'s and open it. Raises: TooMany before it is asked for, and what ``opening`` raises."""
        admission: Admission = request.app.state.admission
        admission.begin_release(who)
        running = cls(opening(), lambda: admission.end_release(who))
        ends_of(request.scope).push_async_callback(running.end, Outcome.UNKNOWN, 0)
        running.release = await asyncio.shield(running._opening)
        return running

    async def end(self, outcome: Outcome, bytes_sent: int, *, unsent: Awaitable[int] | None = None) -> None:
        """Give back the share and tell the log; only the first call counts. Goes on when its caller is cancelled.

        ``unsent`` comes to how many of the bytes were not given to the kernel after all.
        """
        if self._is_over:
            return
        self._is_over = True
        self._give_back()
        telling = asyncio.create_task(self._tell(outcome, bytes_sent, unsent))
        _TELLING.add(telling)
        telling.add_done_callback(_TELLING.discard)
        await asyncio.shield(telling)

    async def _tell(self, outcome: Outcome, bytes_sent: int, unsent: Awaitable[int] | None) -> None:
        await asyncio.wait([self._opening])
        if self._opening.cancelled() or self._opening.exception() is not None:
            return  # nothing was opened; whoever asked was told why
        release = self._opening.result()
        if unsent is not None:
            # A connection that does not come to its end in time: rather more told than was sent than less.
            with contextlib.suppress(TimeoutError):
                bytes_sent = max(0, bytes_sent - await asyncio.wait_for(unsent, UNSENT_S))
        try:
            await release.end(outcome, bytes_sent)
        except DatabaseUnavailable:
            again = asyncio.create_task(_end_again(release, outcome, bytes_sent))
            _TELLING.add(again)
            again.add_done_callback(_TELLING.discard)
        except VaultError as error:
            logger.error("how a release ended is not told: %s", error.code)  # noqa: TRY400 - the trace holds nothing more


async def _end_again(release: Release, outcome: Outcome, bytes_sent: int) -> None:
    """Tell how a release ended once the database is back; when this process dies first, the sweeper writes "unknown"."""
    for pause in ENDED_AGAIN_S:
        await asyncio.sleep(pause)
        with contextlib.suppress(DatabaseUnavailable):
            await release.end(outcome, bytes_sent)
            return
