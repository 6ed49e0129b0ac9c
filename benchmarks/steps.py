"""A worker that does one step when it is told to, in a process of its own, so that each step's memory and time can be seen.

    python -m benchmarks.steps vault|archive

Reads one JSON object a line, answers with one a line. ``vault`` is `vault worker`'s parts under the settings of the
environment; ``archive`` is the archive's side, which knows no vault.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.place import Process, bare_environment
from vault.adapters.postgres.pool import Pool
from vault.archive.keys import IDENTITY_FILE, SIGNING_FILE, load_identities, load_signing_key
from vault.archive.receive import receive_package
from vault.formats.label import Names
from vault.settings import DatabaseRole, load_settings
from vault.wiring import make_export_worker, make_transfer_worker

MIB = 2**20
Do = Callable[[Mapping[str, Any]], Awaitable[str | None]]


class Step(msgspec.Struct, frozen=True):
    """One step done: what was told, how long it took, and the most memory held in it above what the process began with."""

    told: str | None
    seconds: float
    cpu_s: float
    growth_mib: float


class Stepper:
    """The process, as its parent sees it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._memory = Process(process.pid)
        self._begun = 0

    async def ready(self) -> None:
        await self._line()
        self._begun = self._memory.forget_peak()

    async def do(self, **what: Any) -> Step:
        """Do one step. Raises: RuntimeError when the process ended instead."""
        self._memory.forget_peak()
        if self._process.stdin is None:
            raise RuntimeError("the worker cannot be told")
        self._process.stdin.write(msgspec.json.encode(what) + b"\n")
        answer = msgspec.json.decode(await self._line())
        return Step(**answer, growth_mib=(self._memory.peak() - self._begun) / MIB)

    async def _line(self) -> bytes:
        line = await self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            raise RuntimeError("the worker ended")
        return line


@asynccontextmanager
async def stepping(kind: str, settings: Mapping[str, str]) -> AsyncIterator[Stepper]:
    """Start the process, give it, end it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.steps", kind, env={**bare_environment(), **settings},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        stepper = Stepper(process)
        await stepper.ready()
        yield stepper
    finally:
        process.terminate()
        await process.wait()


# ------------------------------------------------------------------------------------------------ in the process itself


async def receive(what: Mapping[str, Any]) -> str | None:
    """The archive checks a package whole and signs for it."""
    folder, keys, names = Path(what["folder"]), Path(what["keys"]), Names(what["transfer"])
    identities = load_identities([keys / IDENTITY_FILE])
    receipt, signed = receive_package(
        folder / names.package, folder / names.label, identities, load_signing_key(keys / SIGNING_FILE),
        archive=what["archive"], received_by="arkistonhoitaja",
    )  # fmt: skip
    (folder / names.receipt).write_text(signed, encoding="ascii")
    return f"received, {receipt.payload_bytes} bytes"


async def at_the_vault() -> dict[str, Do]:
    settings = load_settings(dict(os.environ))
    pool = Pool(settings.database_url(DatabaseRole.WORKER), size=2, wait_s=30)
    transfers, exports = make_transfer_worker(settings, pool), make_export_worker(settings, pool)
    if transfers is None or exports is None:
        raise RuntimeError("the worker lacks settings")
    return {
        "find": lambda _: _told(transfers.find()),
        "transfer": lambda _: transfers.step(),
        "export": lambda _: exports.step(),
    }


async def _told(found: Awaitable[int]) -> str:
    return str(await found)


def main() -> None:
    with asyncio.Runner() as runner:
        doing = runner.run(at_the_vault()) if sys.argv[1] == "vault" else {"receive": receive}
        print("ready", flush=True)
        for line in sys.stdin:
            what = msgspec.json.decode(line)
            start, cpu = time.perf_counter(), time.process_time()
            told = runner.run(doing[what["do"]](what))  # type: ignore[arg-type]
            done = {"told": told, "seconds": time.perf_counter() - start, "cpu_s": time.process_time() - cpu}
            print(msgspec.json.encode(done).decode(), flush=True)


if __name__ == "__main__":
    main()
