"""What every object store shares: the names, the size of a piece, and threads that a cancelled caller waits for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from vault.errors import InvariantViolated

PIECE_SIZE: Final = 256 * 1024
BATCH_SIZE: Final = 1024 * 1024
NAME: Final = re.compile(r"[0-9a-f]{32}")

T = TypeVar("T")


def require_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise InvariantViolated("an object's name is 32 lower-case hex digits")
    return name


def require_range(offset: int, length: int | None) -> None:
    if offset < 0 or (length is not None and length < 0):
        raise InvariantViolated("a range does not begin or end below zero")


class Threads:
    """A store's own threads, so that no slow store holds up other work."""

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="store")

    def start(self, work: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """Run in a thread. When cancelled, wait for the thread first: it uses what the caller is about to give up."""
        future = self.start(work, *arguments)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await settled(future)
            raise


async def settled(*futures: asyncio.Future[Any]) -> None:
    """Wait until all are done, whatever they give; a cancellation is raised only then."""
    cancelled: asyncio.CancelledError | None = None
    while pending := [future for future in futures if not future.done()]:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            cancelled = error
    for future in futures:
        future.exception()  # seen, so that the loop does not report what nobody will ask for
    if cancelled is not None:
        raise cancelled
