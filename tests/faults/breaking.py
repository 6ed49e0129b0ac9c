"""What breaks in the runs under faults, each for a seeded while: processes, database, store, disk, clock."""

from __future__ import annotations

import datetime as dt
import os
import random
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partialmethod
from pathlib import Path

from tests.support.boxes import Box, BucketBox
from tests.support.caller import Caller
from tests.support.forked import Forked
from tests.support.places import s3_store_at
from tests.support.postgres import bin_dir
from tests.support.proxy import ProxyThread
from tests.support.rgw import Gateways
from tests.support.service import Service, run, serving
from vault.adapters.embedded import EmbeddedPostgres
from vault.cli import jobs
from vault.ports import ObjectStore
from vault.services.sweeper import Sweeper

CLOCK = "CREATE OR REPLACE FUNCTION vault.clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE RETURN {}"
NOW = "pg_catalog.clock_timestamp()"
FULL = """
CREATE OR REPLACE FUNCTION public.full_disk() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END$$;
CREATE OR REPLACE TRIGGER full_disk BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION public.full_disk()
"""


def _answer(status: str, code: str = "") -> bytes:
    body = f"<Error><Code>{code}</Code><Message>said by a test</Message></Error>" if code else ""
    kind = "Content-Type: application/xml\r\n" if body else ""
    return f"HTTP/1.1 {status}\r\n{kind}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


ANSWERS = (
    _answer("500 Internal Server Error"), _answer("503 Service Unavailable"), _answer("503 Slow Down", "SlowDown"),
    _answer("403 Forbidden", "QuotaExceeded"),
)  # fmt: skip


def hurry() -> None:
    """Let the worker's turns come many times a second, and an upload count as abandoned after a second and a half."""
    jobs.MINUTE_S = jobs.HOUR_S = jobs._TURN_S = 0.05
    Sweeper.sweep = partialmethod(Sweeper.sweep, older_than=dt.timedelta(seconds=1.5))


class Worker:
    """`vault worker` beside the service, in a hurry: its sweeps run into uploads that are still under way."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._process: Forked | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        known = self._service.environment() | {"VAULT_DATABASE_URL_WORKER": self._service.database.url("worker")}
        folder = self._service.folder
        self._process = Forked(["worker"], folder, folder / "worker.log", known, hurry)

    def stop(self, how: int = signal.SIGTERM) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait(30)


@dataclass
class Place:
    """A service with a database server of its own, its worker, and its store seen from behind."""

    caller: Caller
    worker: Worker
    store: ObjectStore | None
    proxy: ProxyThread | None

    @property
    def service(self) -> Service:
        service: Service = self.caller.service
        return service


Fault = Callable[[Place, random.Random], None]


def wait(moments: random.Random) -> None:
    time.sleep(moments.uniform(0.15, 0.4))


def kill_service(place: Place, moments: random.Random) -> None:
    place.service.stop(signal.SIGKILL)
    wait(moments)
    place.service.start()


def kill_worker(place: Place, moments: random.Random) -> None:
    place.worker.stop(signal.SIGKILL)
    wait(moments)
    place.worker.start()


def stop_and_resume(place: Place, moments: random.Random) -> None:
    """Service and worker stand still by turns, and for a while both."""
    pids = [place.service.pid, place.worker.pid]
    moments.shuffle(pids)
    os.kill(pids[0], signal.SIGSTOP)
    time.sleep(moments.uniform(0.8, 1.2))
    os.kill(pids[1], signal.SIGSTOP)
    wait(moments)
    os.kill(pids[0], signal.SIGCONT)
    wait(moments)
    os.kill(pids[1], signal.SIGCONT)


def restart_database(place: Place, moments: random.Random) -> None:
    run(place.service.postgres.stop())
    wait(moments)
    run(place.service.postgres.start())
    place.service.reconnect()


def _processes(parent: int) -> list[int]:
    """The process and all that it has started, itself first."""
    found, look = [parent], [parent]
    while look:
        for task in Path(f"/proc/{look.pop()}/task").iterdir():
            born = [int(child) for child in (task / "children").read_text().split()]
            found += born
            look += born
    return found


def kill_database(place: Place, moments: random.Random) -> None:
    """All its processes at once, as when its machine stops; it recovers from its write-ahead log."""
    postgres = place.service.postgres
    for pid in _processes(postgres.pid):
        os.kill(pid, signal.SIGKILL)
    run(postgres.stop())
    wait(moments)
    run(postgres.start())
    place.service.reconnect()


def database_stands_still(place: Place, moments: random.Random) -> None:
    pids = _processes(place.service.postgres.pid)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(moments.uniform(0.8, 1.6))
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def database_full(place: Place, moments: random.Random) -> None:
    """Nothing more can be written to the log; a while later, to no fact."""
    for table in ("vault.entry", "vault.filing"):
        place.service.sql_script(FULL.format(table=table))
        wait(moments)
        place.service.sql(f"DROP TRIGGER full_disk ON {table}")


def store_down(place: Place, moments: random.Random) -> None:
    with place.service.box.away():
        wait(moments)


def _bucket(place: Place) -> BucketBox:
    assert isinstance(place.service.box, BucketBox)
    return place.service.box


def store_hangs(place: Place, moments: random.Random) -> None:
    with _bucket(place).hanging():
        wait(moments)


def _proxy(place: Place) -> ProxyThread:
    assert place.proxy is not None
    return place.proxy


def store_slow(place: Place, moments: random.Random) -> None:
    """Each 64 KiB of an answer takes its time."""
    _proxy(place).delay_s = moments.uniform(0.02, 0.06)
    time.sleep(moments.uniform(0.5, 0.9))
    _proxy(place).delay_s = 0.0


def store_errors(place: Place, moments: random.Random) -> None:
    """Errors of each kind: to every request, then to two of three, so that what is tried again may go well."""
    proxy = _proxy(place)
    for answer in moments.sample(ANSWERS, len(ANSWERS)):
        for spared in (0, 3):
            proxy.answer, proxy.answer_times, proxy.spare_every = answer, 10**6, spared
            wait(moments)
    proxy.answer, proxy.answer_times, proxy.spare_every = None, 0, 0


def store_breaks_off(place: Place, moments: random.Random) -> None:
    """Answers end in the middle, also of their head."""
    for _ in range(8):
        _proxy(place).cut_after = moments.choice((0, 100, 5_000, 300_000, 2_000_000))
        time.sleep(0.1)
    _proxy(place).cut_after = None


def truncated(place: Place, moments: random.Random) -> None:
    """Every third object ends early for a while."""
    box: Box = place.service.box
    objects = [row["object"] for row in place.service.sql("SELECT object FROM vault.filing ORDER BY object")][::3]
    whole = {name: box.read(name) for name in objects}
    for name, content in whole.items():
        box.write(name, content[: moments.randrange(len(content))])
    wait(moments)
    for name, content in whole.items():
        box.write(name, content)


def disk_full(place: Place, moments: random.Random) -> None:
    """No file of the service grows beyond 1 MiB: its writes fail as on a full disk."""
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(place.service.pid, resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    wait(moments)
    resource.prlimit(place.service.pid, resource.RLIMIT_FSIZE, unlimited)


def clock_steps(place: Place, moments: random.Random) -> None:
    """Hours ahead, hours back, and right again."""
    for step in ("interval '3 hours'", "interval '-3 hours'"):
        place.service.sql(CLOCK.format(f"{NOW} + {step}"))
        time.sleep(moments.uniform(0.2, 0.4))
    place.service.sql(CLOCK.format(NOW))


AWAY = frozenset({503})
# Before the case was opened, or after the token ended, there is nothing to see; what was damaged says so.
REFUSALS: dict[Fault, frozenset[int]] = {clock_steps: AWAY | {401, 403, 404, 409}, truncated: AWAY | {500}}
ANYWHERE: tuple[Fault, ...] = (
    kill_service, kill_worker, stop_and_resume, restart_database, kill_database, database_stands_still, database_full, store_down,
    truncated, clock_steps,
)  # fmt: skip
OF_BUCKETS: tuple[Fault, ...] = (store_hangs, store_slow, store_errors, store_breaks_off)
FAULTS: dict[str, tuple[Fault, ...]] = {"directory": (*ANYWHERE, disk_full), "bucket": (*ANYWHERE, *OF_BUCKETS)}


@contextmanager
def broken(folder: Path, kind: str, gateways: Gateways) -> Iterator[Place]:
    """A place of its own, whose worker is not started yet; a bucket is reached through a proxy that misbehaves when told to."""
    postgres = EmbeddedPostgres(folder / "postgres", bin_dir=bin_dir("18"), fast=True)
    run(postgres.start())
    box, store, proxy = None, None, None
    if kind == "bucket":
        gateway = gateways.gateway()
        proxy = ProxyThread(gateway.port)
        box = BucketBox(gateway, endpoint=proxy.endpoint)
        store = s3_store_at(gateway, box.name)
    try:
        with serving(postgres, folder / "vault", box, forks=True) as service:
            caller, worker = Caller(service), Worker(service)
            try:
                yield Place(caller, worker, store, proxy)
            finally:
                caller.close()
                worker.stop(signal.SIGKILL)
    finally:
        if proxy is not None:
            proxy.close()
        run(postgres.stop())
