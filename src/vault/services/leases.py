"""Running releases and their leases: a byte leaves only while the permit behind it was seen to hold less than a second ago.

One query per process renews all leases. Whatever goes wrong, a lost notification, a stopped and resumed process, an
unreachable database, midnight, ends in the same way: the lease is not renewed, and its timer cuts the release.

Source: design.md promise P6.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

from vault.errors import FactsChanged, Unavailable
from vault.model import EntryId
from vault.ports import Door

LEASE_S = 0.9
"""How old a lease may be; what is left of the second is for noticing."""
EVERY_S = 0.2
PATIENCE_S = 0.4
"""How long one renewal may take before the next one is tried."""


class Lease:
    """One release's permission to go on. ``on_cut`` is called once, when it ends."""

    def __init__(self, entry: EntryId, since: float, leases: Leases) -> None:
        self.entry = entry
        self.is_cut = False
        self.on_cut: Callable[[], None] | None = None
        self._leases = leases
        self._loop = asyncio.get_running_loop()
        self._until = since + LEASE_S
        self._timer = self._loop.call_at(self._until, self.cut)

    def holds(self) -> bool:
        """Whether a byte may leave now; an overdue lease is cut here, before its timer runs."""
        if not self.is_cut and self._loop.time() >= self._until:
            self.cut()
        return not self.is_cut

    def renew(self, since: float) -> None:
        """The permit was seen to hold at ``since`` (loop time)."""
        if not self.is_cut:
            self._until = since + LEASE_S
            self._timer.cancel()
            self._timer = self._loop.call_at(self._until, self.cut)

    def cut(self) -> None:
        """End the release now."""
        if not self.is_cut:
            self.is_cut = True
            self._timer.cancel()
            if self.on_cut is not None:
                self.on_cut()

    def end(self) -> None:
        """The release is over; its lease is needed no more."""
        self._timer.cancel()
        self._leases.forget(self)


class Leases:
    """All leases of this process."""

    def __init__(self, door: Door) -> None:
        self.process = uuid.uuid4()
        self._door = door
        self._running: dict[EntryId, Lease] = {}
        self._task: asyncio.Task[None] | None = None

    async def begin(self, entry: EntryId, since: float) -> Lease:
        """A lease for a release that was asked for at ``since`` (loop time, read before the ask).

        When the ask itself took long, the permit is looked at once more. Raises: FactsChanged when it has gone meanwhile.
        """
        loop = asyncio.get_running_loop()
        if loop.time() - since > LEASE_S / 2:
            since = loop.time()
            if entry not in await self._door.renew(self.process, [entry]):
                raise FactsChanged("the facts changed while this was decided; ask again")
        lease = Lease(entry, since, self)
        self._running[entry] = lease
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._renew_all())
        return lease

    def forget(self, lease: Lease) -> None:
        self._running.pop(lease.entry, None)

    def running(self) -> int:
        """How many releases run now."""
        return len(self._running)

    async def _renew_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._running:
            await asyncio.sleep(EVERY_S)
            since, asked = loop.time(), dict(self._running)
            if not asked:
                break
            try:
                async with asyncio.timeout(PATIENCE_S):
                    kept = await self._door.renew(self.process, list(asked))
            except (TimeoutError, Unavailable):
                continue  # the timers cut what is not renewed in time
            # A release that ended meanwhile is left alone: its connection serves another request by now.
            for entry, lease in asked.items():
                if entry not in self._running:
                    continue
                if entry in kept:
                    lease.renew(since)
                else:
                    lease.cut()
