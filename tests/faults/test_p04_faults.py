"""Whatever breaks under uploads and releases, and comes back: nothing acknowledged is lost, no byte is sent without its entry,
nobody waits without end. Seeded; after each fault the whole vault is checked.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults.breaking import (
    AWAY,
    FAULTS,
    OF_BUCKETS,
    REFUSALS,
    Fault,
    Place,
    broken,
    clock_steps,
    store_down,
    truncated,
    wait,
)
from tests.faults.load import Done, Under, look_at_all, read_all
from tests.support.caller import permit
from tests.support.rgw import Gateways
from tests.support.tally import Tally

SHORT: dict[str, tuple[Fault, ...]] = {
    "directory": FAULTS["directory"],
    "bucket": (store_down, truncated, *OF_BUCKETS),
}


def break_and_check(place: Place, faults: tuple[Fault, ...], seed: int, done: Done) -> None:
    """Each fault once, in a seeded order, with uploads and releases before, during and after it."""
    moments, caller = random.Random(seed), place.caller
    case = caller.open_case(members=["kela"])
    caller.consent(case, [permit("kela")])
    done.known = {}
    for n, fault in enumerate(moments.sample(faults, len(faults))):
        caller.forget()
        place.worker.start()
        wrong = len(done.wrong)
        with Under(caller, case, done, seed * 100 + n, REFUSALS.get(fault, AWAY)) as under:
            wait(moments)
            fault(place, moments)
            wait(moments)
        place.worker.stop()
        place.service.stop()
        look_at_all(place.service, under, place.store)
        done.wrong[wrong:] = [f"{fault.__name__}: {one}" for one in done.wrong[wrong:]]
        place.service.start()
        if fault is clock_steps:
            done.known = {}  # what was filed in the time to come is not there yet
    caller.forget()
    read_all(caller, done)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", SHORT)
def test_p04_faults_of_every_kind_lose_nothing(tmp_path: Path, gateways: Gateways, kind: str, tally: Tally) -> None:
    done = Done()
    with broken(tmp_path, kind, gateways) as place:
        break_and_check(place, SHORT[kind], 1, done)
    done.tell(tally, f"faults over a {kind}")
    done.require_nothing_lost()
    assert done.faults == len(SHORT[kind])
    assert done.filed > 5
    assert done.released > 5


@pytest.mark.long
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(2, 7))
@pytest.mark.parametrize("kind", FAULTS)
def test_p04_many_faults_lose_nothing(tmp_path: Path, gateways: Gateways, kind: str, seed: int, tally: Tally) -> None:
    done = Done()
    with broken(tmp_path, kind, gateways) as place:
        for n in range(4):
            break_and_check(place, FAULTS[kind], seed * 10 + n, done)
    done.tell(tally, f"faults over a {kind}")
    done.require_nothing_lost()
    assert done.requests > 200
