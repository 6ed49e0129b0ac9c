"""P4: nothing acknowledged is lost. The service is killed at random moments of uploads and releases, again and again."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator

import pytest

from tests.faults.load import Done, Under, look_at_all, read_all
from tests.support.caller import Caller, permit
from tests.support.postgres import Servers
from tests.support.service import Service, serving
from tests.support.tally import Tally

NO_REFUSAL: frozenset[int] = frozenset()


@pytest.fixture
def fresh(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("crash") / "vault"
    with serving(postgres_servers.server("18"), folder, forks=True) as running:
        yield running


def kill_and_check(service: Service, seed: int, rounds: int) -> Done:
    """Kill the service at seeded moments; after each the whole vault must be well."""
    moments, done, caller = random.Random(seed), Done(), Caller(service)
    case = caller.open_case(members=["kela"])
    caller.consent(case, [permit("kela")])
    for n in range(rounds):
        caller.forget()
        with Under(caller, case, done, seed * 1000 + n, NO_REFUSAL) as under:
            # So many answers later, and a little more: the same moments on a quick machine and on a busy one.
            under.wait_for_answers(moments.randint(1, 14))
            time.sleep(moments.uniform(0, 0.03))
            service.stop(signal.SIGKILL)
        look_at_all(service, under)
        service.start()
    read_all(caller, done)
    caller.close()
    return done


@pytest.mark.timeout(400)
def test_p04_nothing_acknowledged_is_lost_when_the_service_is_killed(fresh: Service, tally: Tally) -> None:
    done = kill_and_check(fresh, seed=1, rounds=20)
    done.tell(tally, "the service killed")
    done.require_nothing_lost()
    assert done.filed > 20
    assert done.released > 5


@pytest.mark.long
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(2, 12))
def test_p04_two_hundred_kills(fresh: Service, seed: int, tally: Tally) -> None:
    done = kill_and_check(fresh, seed=seed, rounds=20)
    done.tell(tally, "the service killed")
    done.require_nothing_lost()
    assert done.filed > 20
