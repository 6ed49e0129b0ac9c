"""Leases: what is renewed goes on, what is not is cut, and what has ended is left alone."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import cast

import pytest

from vault.model import EntryId
from vault.ports import Door
from vault.services import leases
from vault.services.leases import Lease, Leases


class Renewing:
    """A door that answers renewals when it is told to."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self.gone: set[EntryId] = set()

    async def renew(self, process: uuid.UUID, entries: Sequence[EntryId]) -> set[EntryId]:
        self.asked.set()
        await self.go_on.wait()
        return set(entries) - self.gone


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "LEASE_S", 0.1)
    monkeypatch.setattr(leases, "EVERY_S", 0.01)


async def begun(door: Renewing) -> tuple[Leases, Lease, list[str]]:
    every = Leases(cast("Door", door))
    lease = await every.begin(EntryId(uuid.uuid4()), asyncio.get_running_loop().time())
    cuts: list[str] = []
    lease.on_cut = lambda: cuts.append("cut")
    return every, lease, cuts


async def test_p06_what_is_renewed_holds_and_what_is_not_is_cut() -> None:
    door = Renewing()
    door.go_on.set()
    _, lease, cuts = await begun(door)
    await asyncio.sleep(0.3)
    assert lease.holds()
    door.gone.add(lease.entry)
    await asyncio.sleep(0.05)
    assert not lease.holds()
    assert cuts == ["cut"]


async def test_p06_a_renewal_that_does_not_answer_cuts_in_time() -> None:
    _, lease, cuts = await begun(Renewing())
    await asyncio.sleep(0.2)
    assert not lease.holds()
    assert cuts == ["cut"]


async def test_a_release_that_ends_while_it_is_renewed_is_not_cut_afterwards() -> None:
    door = Renewing()
    every, lease, cuts = await begun(door)
    await door.asked.wait()
    lease.end()
    door.go_on.set()
    await asyncio.sleep(0.2)
    assert (cuts, every.running()) == ([], 0)
