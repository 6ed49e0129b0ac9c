"""P4: nothing acknowledged is lost. The service is killed at random moments of uploads and releases, again and again."""

from __future__ import annotations

import hashlib
import random
import secrets
import signal
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.support.caller import COORDINATOR, KELA, Acting, Caller, paper, permit
from tests.support.check import check, sweep
from tests.support.postgres import Servers
from tests.support.service import Service, serving

SIZES = (0, 1, 16 * 1024, 100_000, 3 * 1024 * 1024)


@pytest.fixture
def fresh(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(postgres_servers.server("18"), tmp_path_factory.mktemp("crash") / "vault") as running:
        yield running


class Work:
    """Uploads and releases until the service is gone; remembers what was acknowledged and what was read."""

    def __init__(self, service: Service, case: str, tokens: tuple[str, str], seed: int) -> None:
        self.service = service
        self.case = case
        self.tokens = tokens
        self.random = random.Random(seed)
        self.acknowledged: dict[str, str] = {}
        self.released: list[tuple[str, str]] = []
        self.wrong: list[str] = []
        self._gone = threading.Event()
        self._threads = [
            threading.Thread(target=self._until_gone, args=(job,), daemon=True)
            for job in (self._file, self._file, self._read)
        ]

    def run_for(self, seconds: float) -> None:
        for thread in self._threads:
            thread.start()
        time.sleep(seconds)
        self.service.stop(signal.SIGKILL)
        self._gone.set()
        for thread in self._threads:
            thread.join(30)

    def _until_gone(self, job: object) -> None:
        with httpx.Client(base_url=self.service.url, timeout=20, trust_env=False) as http:
            try:
                while not self._gone.is_set():
                    job(http)  # type: ignore[operator]
            except httpx.HTTPError:
                return

    def _file(self, http: httpx.Client) -> None:
        acting = Acting(http, self.tokens[0])
        content = secrets.token_bytes(self.random.choice(SIZES))
        made = acting.post(f"/v1/cases/{self.case}/documents", paper())
        if made.status_code != 201:
            return
        document = made.json()["id"]
        answer = acting.upload(document, content)
        if answer.status_code == 200:
            self.acknowledged[document] = hashlib.sha256(content).hexdigest()
        else:
            self.wrong.append(f"upload: {answer.status_code} {answer.text[:200]}")

    def _read(self, http: httpx.Client) -> None:
        if not self.acknowledged:
            time.sleep(0.01)
            return
        document = self.random.choice(list(self.acknowledged))
        answer = Acting(http, self.tokens[1]).read(document)
        if answer.status_code != 200 or hashlib.sha256(answer.content).hexdigest() != self.acknowledged[document]:
            self.wrong.append(f"release: {answer.status_code}")
        else:
            self.released.append((document, answer.headers["vault-log-entry"].partition(";")[0]))


def kill_and_check(service: Service, seed: int, rounds: int) -> tuple[int, int]:
    """Kill the service at seeded moments; after each the whole vault must be well. Uploads and releases that were done."""
    moments = random.Random(seed)
    filed, released = {}, 0
    caller = Caller(service)
    case = caller.open_case(members=["kela"])
    caller.consent(case, [permit("kela")])
    for n in range(rounds):
        caller.forget()
        work = Work(service, case, (caller.by(COORDINATOR).token, caller.by(KELA).token), seed * 1000 + n)
        work.run_for(moments.uniform(0.05, 0.6))
        assert work.wrong == []
        sweep(service)
        assert check(service) == []
        rows = {str(row["document"]) for row in service.sql("SELECT document FROM vault.filing")}
        assert work.acknowledged.keys() <= rows
        entries = {
            str(row["id"])
            for row in service.sql("SELECT id FROM vault.entry WHERE act = 'open' AND decision = 'permit'")
        }
        assert {entry for _, entry in work.released} <= entries
        filed |= work.acknowledged
        released += len(work.released)
        service.start()
    for document, digest in filed.items():
        assert hashlib.sha256(caller.by(KELA).read(document).content).hexdigest() == digest
    caller.close()
    return len(filed), released


@pytest.mark.timeout(400)
def test_p04_nothing_acknowledged_is_lost_when_the_service_is_killed(fresh: Service) -> None:
    filed, released = kill_and_check(fresh, seed=1, rounds=20)
    assert filed > 20
    assert released > 5


@pytest.mark.long
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(2, 12))
def test_p04_two_hundred_kills(fresh: Service, seed: int) -> None:
    filed, _ = kill_and_check(fresh, seed=seed, rounds=20)
    assert filed > 20
