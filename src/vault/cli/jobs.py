"""The worker's jobs: each is safe to repeat, to interrupt, and to run in two processes at once.

A database or store that does not answer is waited for: the job is done at its next turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import time
from collections.abc import Awaitable, Callable

import msgspec

from vault.adapters.postgres.checks import require_modest
from vault.adapters.postgres.migrate import PARTITION_MONTHS
from vault.adapters.postgres.pool import Pool
from vault.adapters.postgres.worker import WorkerDatabase
from vault.cli.keeping import stop_on_signals
from vault.cli.owner import owner
from vault.errors import Unavailable
from vault.services.export_worker import ExportWorker
from vault.services.sweeper import Sweeper, Swept
from vault.services.transfer_worker import TransferWorker
from vault.settings import DatabaseRole, Settings
from vault.wiring import make_export_worker, make_store, make_transfer_worker

logger = logging.getLogger("vault.worker")

MINUTE_S = 60.0
HOUR_S = 60 * MINUTE_S
DAY_S = 24 * HOUR_S
_TURN_S = 1.0
_PARTITIONS = "SELECT vault.make_partitions($1, $2)"
_BOUNDED_S = 30.0


class Job(msgspec.Struct):
    """One job and when it is next due (by the monotonic clock); ``run`` tells what it did, or nothing."""

    name: str
    every_s: float
    run: Callable[[], Awaitable[str | None]]
    due: float = 0.0


async def work(settings: Settings, *, once: bool) -> None:
    """Do the jobs in turn until a signal comes. Raises: SettingsWrong; with ``once`` also Unavailable."""
    pool = Pool(settings.database_url(DatabaseRole.WORKER), size=2, wait_s=_BOUNDED_S)
    try:
        if once:
            await require_modest(pool, "database_url_worker")
            for job in (job for jobs in await _all_jobs(settings, pool) for job in jobs):
                _tell(job.name, await job.run() or "nothing to do")
            return
        stop = stop_on_signals()
        while not stop.is_set():
            try:
                jobs, exports = await _all_jobs(settings, pool)
            except Unavailable as error:
                await _wait_for(error, stop)
                continue
            # Apart: somebody waits for an export, and a long one keeps no other job waiting.
            _tell("worker", f"does {', '.join(job.name for job in (*jobs, *exports))}")
            await asyncio.gather(_loop(pool, jobs, stop), _loop(pool, exports, stop))
    finally:
        await pool.close()


async def _all_jobs(settings: Settings, pool: Pool) -> tuple[list[Job], list[Job]]:
    """All but the exports, and the exports. Raises: Unavailable where the store's directory is away."""
    transfers = make_transfer_worker(settings, pool)
    if transfers is not None:
        with contextlib.suppress(Unavailable):  # a bucket that is away now is met by the transfers themselves
            await transfers.check()
    return _jobs(settings, pool, transfers), _export_jobs(settings, pool)


def _jobs(settings: Settings, pool: Pool, transfers: TransferWorker | None) -> list[Job]:
    database = WorkerDatabase(pool)
    sweeper = Sweeper(database, make_store(settings))

    async def forget() -> str | None:
        gone = await database.forget_expired()
        return f"{gone} used one-time ids forgotten" if gone else None

    async def releases() -> str | None:
        ended = await database.end_releases(dry_run=False)
        return f"{ended} releases of processes that are gone ended as unknown" if ended else None

    async def sweep() -> str | None:
        return _swept(await sweeper.sweep())

    async def partitions() -> str | None:
        async with owner(settings) as connection:
            today = dt.datetime.now(dt.UTC).date()
            made = await connection.fetchval(_PARTITIONS, today, PARTITION_MONTHS)
        return f"{made} log partitions made" if made else None

    jobs = [
        Job("forget-expired", MINUTE_S, forget),
        Job("end-releases", MINUTE_S, releases),
        Job("sweep", HOUR_S, sweep),
    ]
    if transfers is not None:
        jobs.append(Job("transfers", MINUTE_S, lambda: go_on(transfers)))
    if settings.database_url_owner is not None:
        jobs.append(Job("log-partitions", DAY_S, partitions))
    return jobs


def _export_jobs(settings: Settings, pool: Pool) -> list[Job]:
    worker = make_export_worker(settings, pool)
    if worker is None:
        return []

    async def clear() -> str | None:
        closed, removed = await worker.clear()
        return f"{closed} exports expired, {removed} objects of exports removed" if closed or removed else None

    return [Job("exports", _TURN_S, lambda: make_exports(worker)), Job("clear-exports", MINUTE_S, clear)]


async def make_exports(worker: ExportWorker) -> str | None:
    """Make every export that waits."""
    told = []
    while (done := await worker.step()) is not None:
        told.append(done)
    return "; ".join(told) or None


async def keep_exports(settings: Settings, stop: asyncio.Event) -> None:
    """Make exports as they are ordered, and clear them away, until told to stop."""
    pool = Pool(settings.database_url(DatabaseRole.WORKER), size=2, wait_s=_BOUNDED_S)
    try:
        await _loop(pool, _export_jobs(settings, pool), stop)
    finally:
        await pool.close()


async def go_on(transfers: TransferWorker) -> str | None:
    """Go on with every transfer that has work, until none has."""
    found = await transfers.find()
    told = [f"{found} transfers became due, were held or released"] if found else []
    while (done := await transfers.step()) is not None:
        told.append(done)
    return "; ".join(told) or None


def _swept(swept: Swept) -> str | None:
    """What a sweep did; missing objects are told by name, for a person to look."""
    told = []
    if swept.attempts or swept.objects:
        told.append(f"{swept.attempts} abandoned uploads ended, {swept.objects} objects without a document deleted")
    if swept.missing:
        told.append(f"{len(swept.missing)} objects are MISSING from the store: {', '.join(swept.missing[:10])}")
    return "; ".join(told) or None


async def _loop(pool: Pool, jobs: list[Job], stop: asyncio.Event) -> None:
    if not jobs:
        return
    checked = False
    while not stop.is_set():
        try:
            if not checked:
                await require_modest(pool, "database_url_worker")
                checked = True
            for job in jobs:
                await _turn(job)
        except Unavailable as error:
            await _wait_for(error, stop)
        await _rest(stop, _TURN_S)


async def _wait_for(error: Unavailable, stop: asyncio.Event) -> None:
    """Wait for what is away to come back."""
    _tell("worker", f"{error}; trying again in a minute")
    await _rest(stop, MINUTE_S)


async def _turn(job: Job) -> None:
    now = time.monotonic()
    if now < job.due:
        return
    done = await job.run()
    job.due = now + job.every_s
    if done is not None:
        _tell(job.name, done)


async def _rest(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def tell_plainly() -> None:
    """Tell what is done to a person at a terminal, not to a collector of logs."""
    logger.setLevel(logging.INFO)
    logger.handlers = [logging.StreamHandler()]


def _tell(name: str, text: str) -> None:
    logger.info("%s: %s", name, text)
