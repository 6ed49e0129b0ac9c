"""Whatever breaks under uploads and releases, and comes back: nothing acknowledged is lost, no byte is sent without its entry,
nobody waits without end. Seeded; after each fault the whole vault is checked.
"""

from __future__ import annotations

import hashlib
import os
import random
import resource
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from tests.support.boxes import Box, BucketBox
from tests.support.caller import COORDINATOR, KELA, Acting, Caller, paper, permit
from tests.support.check import check, sweep
from tests.support.places import s3_store_at
from tests.support.postgres import bin_dir
from tests.support.rgw import Gateways
from tests.support.service import Service, run, serving
from vault.adapters.embedded import EmbeddedPostgres
from vault.ports import ObjectStore

SIZES = (0, 1, 16 * 1024, 100_000, 3 * 1024 * 1024)
WAIT_S = 15.0
"""How long an answer may take, with everything that is tried again inside."""
CLOCK = "CREATE OR REPLACE FUNCTION vault.clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE RETURN {}"
NOW = "pg_catalog.clock_timestamp()"


class Under:
    """Uploads and releases while something breaks; remembers what was acknowledged, released, and out of order."""

    def __init__(self, caller: Caller, case: str, known: dict[str, str], seed: int, refusals: frozenset[int]) -> None:
        self.url = caller.service.url
        self.case = case
        self.tokens = (caller.by(COORDINATOR).token, caller.by(KELA).token)
        self.random = random.Random(seed)
        self.refusals = refusals
        self.acknowledged = known
        self.entries: list[str] = []
        self.wrong: list[str] = []
        self.asked = 0
        self._over = threading.Event()
        jobs = (self._file, self._file, self._read)
        self._threads = [threading.Thread(target=self._work, args=(job,), daemon=True) for job in jobs]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(WAIT_S * 2)
            if thread.is_alive():
                self.wrong.append("a request hangs")

    def _work(self, job: Callable[[httpx.Client], None]) -> None:
        while not self._over.is_set():
            with httpx.Client(base_url=self.url, timeout=WAIT_S, trust_env=False) as http:
                try:
                    while not self._over.is_set():
                        job(http)
                except httpx.TimeoutException as error:
                    self.wrong.append(f"not answered in time: {type(error).__name__}")
                except httpx.HTTPError:
                    time.sleep(0.05)

    def _told(self, what: str, answer: httpx.Response, *good: int) -> bool:
        self.asked += 1
        if answer.status_code in good:
            return True
        if answer.status_code not in self.refusals or "internal" in answer.text:
            self.wrong.append(f"{what}: {answer.status_code} {answer.text[:200]}")
        time.sleep(0.02)
        return False

    def _file(self, http: httpx.Client) -> None:
        acting, content = Acting(http, self.tokens[0]), secrets.token_bytes(self.random.choice(SIZES))
        made = acting.post(f"/v1/cases/{self.case}/documents", paper())
        if not self._told("register", made, 201):
            return
        document = made.json()["id"]
        if self._told("upload", acting.upload(document, content), 200):
            self.acknowledged[document] = hashlib.sha256(content).hexdigest()

    def _read(self, http: httpx.Client) -> None:
        if not self.acknowledged:
            time.sleep(0.01)
            return
        document = self.random.choice(list(self.acknowledged))
        answer = Acting(http, self.tokens[1]).read(document)
        if self._told("release", answer, 200):
            self.entries.append(answer.headers["vault-log-entry"].partition(";")[0])
            if hashlib.sha256(answer.content).hexdigest() != self.acknowledged[document]:
                self.wrong.append("a release was not what was filed")


Fault = Callable[[Caller, random.Random], None]


def wait(moments: random.Random) -> None:
    time.sleep(moments.uniform(0.15, 0.4))


def kill(caller: Caller, moments: random.Random) -> None:
    caller.service.stop(signal.SIGKILL)
    wait(moments)
    caller.service.start()


def stop_and_resume(caller: Caller, moments: random.Random) -> None:
    os.kill(caller.service.pid, signal.SIGSTOP)
    time.sleep(moments.uniform(1.0, 1.6))
    os.kill(caller.service.pid, signal.SIGCONT)


def restart_database(caller: Caller, moments: random.Random) -> None:
    run(caller.service.postgres.stop())
    wait(moments)
    run(caller.service.postgres.start())
    caller.service.reconnect()


def store_down(caller: Caller, moments: random.Random) -> None:
    with caller.service.box.away():
        wait(moments)


def store_hangs(caller: Caller, moments: random.Random) -> None:
    box = caller.service.box
    assert isinstance(box, BucketBox)
    with box.hanging():
        wait(moments)


def truncated(caller: Caller, moments: random.Random) -> None:
    """Every third object ends early for a while."""
    box: Box = caller.service.box
    objects = [row["object"] for row in caller.service.sql("SELECT object FROM vault.filing ORDER BY object")][::3]
    whole = {name: box.read(name) for name in objects}
    for name, content in whole.items():
        box.write(name, content[: moments.randrange(len(content))])
    wait(moments)
    for name, content in whole.items():
        box.write(name, content)


def disk_full(caller: Caller, moments: random.Random) -> None:
    """No file of the service grows beyond 1 MiB: its writes fail as on a full disk."""
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(caller.service.pid, resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    wait(moments)
    resource.prlimit(caller.service.pid, resource.RLIMIT_FSIZE, unlimited)


def clock_steps(caller: Caller, moments: random.Random) -> None:
    """Hours ahead, hours back, and right again."""
    for step in ("interval '3 hours'", "interval '-3 hours'"):
        caller.service.sql(CLOCK.format(f"{NOW} + {step}"))
        time.sleep(moments.uniform(0.2, 0.4))
    caller.service.sql(CLOCK.format(NOW))


AWAY = frozenset({503})
# Before the case was opened, or after the token ended, there is nothing to see; what was damaged says so.
REFUSALS: dict[Fault, frozenset[int]] = {clock_steps: AWAY | {401, 403, 404, 409}, truncated: AWAY | {500}}
ANYWHERE: tuple[Fault, ...] = (kill, stop_and_resume, restart_database, store_down, truncated, clock_steps)
STORES: tuple[Fault, ...] = (store_down, store_hangs, truncated)
FAULTS: dict[str, tuple[Fault, ...]] = {
    "directory": (*ANYWHERE, disk_full),
    "bucket": (*ANYWHERE, store_hangs),
}


@contextmanager
def broken(folder: Path, kind: str, gateways: Gateways) -> Iterator[tuple[Caller, ObjectStore | None]]:
    """A service with a database server of its own."""
    postgres = EmbeddedPostgres(folder / "postgres", bin_dir=bin_dir("18"), fast=True)
    run(postgres.start())
    box, store = None, None
    if kind == "bucket":
        gateway = gateways.gateway()
        box = BucketBox(gateway)
        store = s3_store_at(gateway, box.url.removeprefix("s3://").partition("?")[0])
    try:
        with serving(postgres, folder / "vault", box) as service:
            caller = Caller(service)
            yield caller, store
            caller.close()
    finally:
        run(postgres.stop())


def break_and_check(caller: Caller, store: ObjectStore | None, faults: tuple[Fault, ...], seed: int) -> dict[str, Any]:
    """Each fault once, in a seeded order; counts what was done."""
    moments = random.Random(seed)
    case = caller.open_case(members=["kela"])
    caller.consent(case, [permit("kela")])
    known: dict[str, str] = {}
    done = {"faults": 0, "requests": 0, "released": 0, "filed": 0}
    for n, fault in enumerate(moments.sample(faults, len(faults))):
        caller.forget()
        before = len(known)
        with Under(caller, case, known, seed * 100 + n, REFUSALS.get(fault, AWAY)) as under:
            wait(moments)
            fault(caller, moments)
            wait(moments)
        assert under.wrong == [], fault.__name__
        require_whole(caller, store, under, fault.__name__)
        done = {
            "faults": done["faults"] + 1,
            "requests": done["requests"] + under.asked,
            "released": done["released"] + len(under.entries),
            "filed": done["filed"] + len(known) - before,
        }
        if fault is clock_steps:
            known = {}  # what was filed in the time to come is not there yet
    return done


def require_whole(caller: Caller, store: ObjectStore | None, under: Under, fault: str) -> None:
    service: Service = caller.service
    service.stop()
    sweep(service, store)
    assert check(service, store) == [], fault
    rows = {str(row["document"]) for row in service.sql("SELECT document FROM vault.filing")}
    assert under.acknowledged.keys() <= rows, fault
    permits = "SELECT id FROM vault.entry WHERE act = 'open' AND decision = 'permit'"
    assert set(under.entries) <= {str(row["id"]) for row in service.sql(permits)}, fault
    service.start()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("kind", "faults"), [("directory", FAULTS["directory"]), ("bucket", STORES)])
def test_p04_faults_of_every_kind_lose_nothing(
    tmp_path: Path, gateways: Gateways, kind: str, faults: tuple[Fault, ...]
) -> None:
    with broken(tmp_path, kind, gateways) as (caller, store):
        done = break_and_check(caller, store, faults, seed=1)
    print(kind, done)  # noqa: T201 - figures for whoever runs it with -s
    assert done["faults"] == len(faults)
    assert done["filed"] > 5
    assert done["released"] > 5


@pytest.mark.long
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(2, 7))
@pytest.mark.parametrize("kind", FAULTS)
def test_p04_many_faults_lose_nothing(tmp_path: Path, gateways: Gateways, kind: str, seed: int) -> None:
    with broken(tmp_path, kind, gateways) as (caller, store):
        for n in range(4):
            assert break_and_check(caller, store, FAULTS[kind], seed=seed * 10 + n)["requests"] > 50
