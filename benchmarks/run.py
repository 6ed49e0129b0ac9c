"""`make bench`: the measurements that the documentation rests on.

    python -m benchmarks.run [--quick] [PART …]

Prints tables, and writes benchmarks/results/latest.json. Nothing here fails for being slow: absolute figures are the
machine's, and what else it does; the ratios are the vault's.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from benchmarks.alike import measure_alike
from benchmarks.archive import measure_archive
from benchmarks.bucket import measure_s3
from benchmarks.decisions import QUICK_SIZES, SIZES, measure_decisions
from benchmarks.export import measure_export
from benchmarks.figures import machine
from benchmarks.front import measure_nginx
from benchmarks.large import measure_large
from benchmarks.logtree import measure_log
from benchmarks.own import measure_own
from benchmarks.place import Place, place
from benchmarks.processes import measure_processes
from benchmarks.release import measure_releases
from benchmarks.world import Filed, file_cases

RESULTS = Path(__file__).parent / "results" / "latest.json"
CASES = 12
Cases = list[Filed]
Part = Callable[[Place, Cases], Awaitable[Any]]

FULL: Mapping[str, Part] = {
    "alike": lambda made, cases: measure_alike(made, cases, pairs=2000),
    "decisions": lambda made, cases: measure_decisions(made, cases[0], sizes=SIZES, asks=250, repeats=5),
    "own": lambda made, cases: measure_own(made, cases[0], asks=40, repeats=3),
    "log": lambda made, cases: measure_log(made, cases, seconds=3, pairs=10, entries=1_000_000),
    "release": lambda made, cases: measure_releases(made, cases, seconds=1.5, repeats=3),
    "s3": lambda made, _: measure_s3(made, seconds=1.5, repeats=3),
    "processes": lambda made, cases: measure_processes(made, cases, seconds=2, repeats=3),
    "nginx": lambda made, cases: measure_nginx(made, cases, seconds=1.5, size_mib=512, repeats=3),
    "large": lambda made, cases: measure_large(made, cases, size_mib=1024, repeats=3),
    "export": lambda made, _: measure_export(made, size_mib=1024, repeats=3),
    "archive": lambda made, _: measure_archive(made, size_mib=2048),
}
QUICK: Mapping[str, Part] = {
    "alike": lambda made, cases: measure_alike(made, cases, pairs=100),
    "decisions": lambda made, cases: measure_decisions(made, cases[0], sizes=QUICK_SIZES, asks=50, repeats=4),
    "own": lambda made, cases: measure_own(made, cases[0], asks=10, repeats=2),
    "log": lambda made, cases: measure_log(made, cases, seconds=0.5, pairs=2, entries=10_000),
    "release": lambda made, cases: measure_releases(made, cases, seconds=0.3, repeats=2),
    "s3": lambda made, _: measure_s3(made, seconds=0.3, repeats=1),
    "processes": lambda made, cases: measure_processes(made, cases, seconds=0.3, repeats=1),
    "nginx": lambda made, cases: measure_nginx(made, cases, seconds=0.3, size_mib=32, repeats=1),
    "large": lambda made, cases: measure_large(made, cases, size_mib=64, repeats=2),
    "export": lambda made, _: measure_export(made, size_mib=128, repeats=1),
    "archive": lambda made, _: measure_archive(made, size_mib=256),
}
"""In the order in which they are measured: the first three copy the one case that there is by then."""
ONE_CASE = ("alike", "decisions", "own")


async def measure(names: Sequence[str], *, quick: bool) -> dict[str, Any]:
    """Measure the parts named; ``quick`` only shows that everything runs."""
    parts = {name: part for name, part in (QUICK if quick else FULL).items() if name in names}
    async with place() as made:
        about = machine(await _version(made))
        print(f"{about['processor']}, {about['cores']} cores, {about['memory_gib']} GiB, PostgreSQL {about['postgresql']}, fsync on;"
              f" load before: {about['load_before'][0]}")  # fmt: skip
        results: dict[str, Any] = {"at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), "machine": about}
        cases = await file_cases(made, 1)
        for name, part in parts.items():
            if name not in ONE_CASE and len(cases) == 1:
                cases += await file_cases(made, CASES - 1)
            start = time.perf_counter()
            results[name] = {"load": os.getloadavg()[0], "result": await part(made, cases)}
            print(f"  ({name}: {time.perf_counter() - start:.0f} s, load {os.getloadavg()[0]:.1f})", flush=True)
        about["load_after"] = [round(one, 2) for one in os.getloadavg()]
    return results


async def _version(made: Place) -> str:
    async with made.connection("owner") as owner:
        return str(await owner.fetchval("SHOW server_version"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*FULL, []], help="which measurements; all when none is named")
    parser.add_argument("--quick", action="store_true", help="short and imprecise: only shows that everything runs")
    chosen = parser.parse_args()
    start = time.perf_counter()
    results = uvloop.run(measure(chosen.parts or tuple(FULL), quick=chosen.quick))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")
    print(f"\n{time.perf_counter() - start:.0f} s; figures in {os.path.relpath(RESULTS)}")


if __name__ == "__main__":
    main()
