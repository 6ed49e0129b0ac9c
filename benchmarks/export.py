"""A client's export of a large case: made by the worker, fetched from the service.

Making stands beside Python's `zipfile` over the same papers, stored, then sealed in the same way and kept as durably.
Fetching stands beside a plain file of the same size through the same server.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec

from benchmarks.caller import head
from benchmarks.figures import Spread, spread, table
from benchmarks.large import down, fetch, up
from benchmarks.own import client_session
from benchmarks.papers import MIB, LargeCase, file_large_case
from benchmarks.place import DATABASE, Place, Service
from benchmarks.steps import Step, Stepper, stepping
from vault.formats.sealed import ExportSealer
from vault.web.session import encode_secret

CLIENT = 21_000  # another than any of the other measurements
TARGET_MIB = 100


class Exported(msgspec.Struct, frozen=True):
    """Seconds of making, megabytes a second of fetching, memory in MiB."""

    size_mib: int
    made_s: Spread
    zip_s: Spread
    made_ratio: Spread
    made_growth_mib: Spread
    down: Spread
    plain_down: Spread
    down_ratio: Spread
    served_growth_mib: Spread


async def measure_export(place: Place, *, size_mib: int, repeats: int) -> Exported:
    """File a case, have its client order and fetch exports of it, print."""
    case = await file_large_case(place, CLIENT, size_mib)
    settings = place.having(VAULT_DATABASE_URL_WORKER=place.url("worker"), VAULT_ARCHIVE_STORE=f"file://{place.path}")
    seen: dict[str, list[float]] = {}
    try:
        async with (
            place.log_keeper(), stepping("vault", settings.environment()) as worker,
            place.service("vault") as vault, place.service("plain") as plain,
        ):  # fmt: skip
            cookie = f"vault={encode_secret(await client_session(place, case.case, DATABASE))}"
            for _ in range(repeats):
                for name, value in (await _once(worker, vault, plain, case, cookie)).items():
                    seen.setdefault(name, []).append(value)
    finally:
        await asyncio.to_thread(shutil.rmtree, case.folder)
    result = Exported(size_mib=size_mib, **{name: spread(values) for name, values in seen.items()})
    _show(result)
    return result


async def _once(worker: Stepper, vault: Service, plain: Service, case: LargeCase, cookie: str) -> dict[str, float]:
    zipped = case.folder.parent / "plain.zip.sealed"
    zip_s = await asyncio.to_thread(_zip_and_seal, case.folder, zipped)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{vault.port}", headers={"cookie": cookie}) as browser:
        ordered = await browser.post("/v1/me/exports", json={})
        export = ordered.raise_for_status().json()["id"]
        made = await _make(worker)
        size = (await browser.get(f"/v1/me/exports/{export}")).raise_for_status().json()["package"]["size"]
        before = vault.forget_peak()
        fetched = await fetch(vault.port, head("GET", f"/v1/me/exports/{export}/content", cookie=cookie), size)
        growth = (vault.peak() - before) / MIB
        await up(plain.port, "/file", case.size_mib)
        plain_down = await down(plain.port, "/file", case.size_mib)
        (await browser.delete(f"/v1/me/exports/{export}")).raise_for_status()
    return {
        "made_s": made.seconds, "zip_s": zip_s, "made_ratio": made.seconds / zip_s, "made_growth_mib": made.growth_mib,
        "down": fetched, "plain_down": plain_down, "down_ratio": fetched / plain_down, "served_growth_mib": growth,
    }  # fmt: skip


async def _make(worker: Stepper) -> Step:
    made = await worker.do(do="export")
    if "ready" not in (made.told or ""):
        raise RuntimeError(f"the export was not made: {made.told}")
    return made


def _zip_and_seal(folder: Path, target: Path) -> float:
    """Seconds for the papers as a ZIP, stored, through the same sealing into a file that is durable."""
    start = time.perf_counter()
    with target.open("wb") as file:
        sink = _Sealed(file.write)
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as made:
            for paper in sorted(folder.iterdir()):
                made.write(paper, paper.name)
        file.write(sink.end())
        file.flush()
        os.fsync(file.fileno())
    target.unlink()
    return time.perf_counter() - start


class _Sealed:
    """A sink that seals what it is given, and cannot seek."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._sealer = ExportSealer(os.urandom(32), uuid.uuid4())

    def write(self, piece: bytes) -> int:
        self._write(self._sealer.update(bytes(piece)))
        return len(piece)

    def flush(self) -> None:
        """The file is flushed at its end."""

    def end(self) -> bytes:
        return self._sealer.finalize()


def _show(result: Exported) -> None:
    rows = [
        ["made, s", result.made_s.show(".1f"), result.zip_s.show(".1f"), result.made_ratio.show(".2f"),
         result.made_growth_mib.show(".0f")],
        ["fetched, MB/s", result.down.show(), result.plain_down.show(), result.down_ratio.show(".2f"),
         result.served_growth_mib.show(".0f")],
    ]  # fmt: skip
    title = f"An export of {result.size_mib:,} MiB (the processes should grow by less than {TARGET_MIB} MiB)"
    table(title, ["", "vault", "zipfile and sealing, plain file", "vault ÷ plain", "growth MiB"], rows)
