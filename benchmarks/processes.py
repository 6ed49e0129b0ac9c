"""Two processes of the service beside one, over the same database; and how long callers wait under load.

Callers' connections are spread over the processes, as nginx spreads them. The open loop lets requests arrive at random at
half of what the closed loop with 16 callers reached, whether or not those before were answered.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

import msgspec

from benchmarks.figures import Spread, ratio, spread, table
from benchmarks.load import Load, Target, closed_loop, open_loop
from benchmarks.place import Place
from benchmarks.release import content_heads
from benchmarks.world import SIZE, Filed, reader_tokens

CONCURRENCIES = (1, 16, 64)
REFERENCE = 16
NAMES = ("one", "two")


class Waits(msgspec.Struct, frozen=True):
    """One kind of load: answers a second, and the milliseconds that callers waited."""

    rate: Spread
    p50_ms: Spread
    p99_ms: Spread
    missed: Spread


class Processes(msgspec.Struct, frozen=True):
    """``load`` is a number of callers, or ``half`` for arrivals at half of capacity."""

    load: str
    one: Waits
    two: Waits
    ratio: Spread


async def measure_processes(place: Place, cases: list[Filed], *, seconds: float, repeats: int) -> list[Processes]:
    """Start both processes, measure in turn, print."""
    async with AsyncExitStack() as stack:
        ports = [(await stack.enter_async_context(place.service("vault"))).port for _ in NAMES]
        heads = content_heads(await reader_tokens(place), [document for case in cases for document in case.opened])
        sides = {name: Target(tuple(ports[:count]), heads, SIZE) for count, name in enumerate(NAMES, 1)}
        results, capacity = [], dict[str, float]()
        for callers in CONCURRENCIES:
            await closed_loop(sides["two"], callers, seconds)  # caches and pools are filled before anything counts
            rounds = [
                {name: await closed_loop(target, callers, seconds) for name, target in sides.items()}
                for _ in range(repeats)
            ]
            results.append(_summary(f"{callers} callers", rounds))
            if callers == REFERENCE:
                capacity = {name: spread([one[name].rate for one in rounds]).median for name in sides}
        rounds = [
            {name: await open_loop(target, capacity[name] / 2, seconds * 2) for name, target in sides.items()}
            for _ in range(repeats)
        ]
        results.append(_summary("arrivals at half", rounds))
    _show(results)
    return results


def _summary(load: str, rounds: list[dict[str, Load]]) -> Processes:
    waits = {
        name: Waits(
            rate=spread([one[name].rate for one in rounds]),
            p50_ms=spread([one[name].p(50) for one in rounds]),
            p99_ms=spread([one[name].p(99) for one in rounds]),
            missed=spread([one[name].missed for one in rounds]),
        )
        for name in NAMES
    }
    return Processes(load=load, **waits, ratio=spread([ratio(one["two"].rate, one["one"].rate) for one in rounds]))


def _show(results: list[Processes]) -> None:
    rows = [
        [one.load, *[cell for side in (one.one, one.two) for cell in _cells(side)], one.ratio.show(".2f")]
        for one in results
    ]
    names = [f"{name}: {what}" for name in NAMES for what in ("releases/s", "p50 ms", "p99 ms", "missed")]
    table("Releases of 100 KiB from one process and from two", ["load", *names, "two ÷ one"], rows)


def _cells(side: Waits) -> list[str]:
    return [side.rate.show(), side.p50_ms.show(".1f"), side.p99_ms.show(".1f"), side.missed.show()]
