"""`make bench`: the measurements that the documentation rests on.

    python -m benchmarks.run [--quick] [alike|decisions|own|log|release|s3|processes|nginx|large …]

Prints tables, and writes benchmarks/results/latest.json. Nothing here fails for being slow: absolute figures are the
machine's, and what else it does; the ratios are the vault's.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from benchmarks.alike import measure_alike
from benchmarks.archive import measure_archive
from benchmarks.bucket import measure_s3
from benchmarks.decisions import measure_decisions
from benchmarks.export import measure_export
from benchmarks.figures import machine
from benchmarks.front import measure_nginx
from benchmarks.large import measure_large
from benchmarks.logtree import measure_log
from benchmarks.own import measure_own
from benchmarks.place import Place, place
from benchmarks.processes import measure_processes
from benchmarks.release import measure_releases
from benchmarks.world import file_cases

RESULTS = Path(__file__).parent / "results" / "latest.json"
PARTS = ("alike", "decisions", "own", "log", "release", "s3", "processes", "nginx", "large", "export", "archive")
CASES = 12


async def measure(parts: tuple[str, ...], *, quick: bool) -> dict[str, Any]:
    """Measure the parts named; ``quick`` only shows that everything runs."""
    repeats = 2 if quick else 3
    async with place() as made:
        about = machine(await _version(made))
        print(f"{about['processor']}, {about['cores']} cores, {about['memory_gib']} GiB, PostgreSQL {about['postgresql']}, fsync on;"
              f" load before: {about['load_before'][0]}")  # fmt: skip
        results: dict[str, Any] = {"at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), "machine": about}
        cases = await file_cases(made, 1)
        if "alike" in parts:
            results["alike"] = await measure_alike(made, cases, pairs=100 if quick else 2000)
        if "decisions" in parts:
            results["decisions"] = await measure_decisions(
                made, cases[0], asks=50 if quick else 250, repeats=repeats + 2
            )
        if "own" in parts:
            results["own"] = await measure_own(made, cases[0], asks=10 if quick else 40, repeats=repeats)
        cases += await file_cases(made, CASES - 1)
        if "log" in parts:
            results["log"] = await measure_log(
                made,
                cases,
                seconds=0.5 if quick else 3,
                pairs=2 if quick else 10,
                entries=10_000 if quick else 1_000_000,
            )
        if "release" in parts:
            results["release"] = await measure_releases(made, cases, seconds=0.3 if quick else 1.5, repeats=repeats)
        if "s3" in parts:
            results["s3"] = await measure_s3(made, seconds=0.3 if quick else 1.5, repeats=repeats)
        if "processes" in parts:
            results["processes"] = await measure_processes(made, cases, seconds=0.3 if quick else 2, repeats=repeats)
        if "nginx" in parts:
            results["nginx"] = await measure_nginx(
                made, cases, seconds=0.3 if quick else 1.5, size_mib=32 if quick else 512, repeats=repeats
            )
        if "large" in parts:
            results["large"] = await measure_large(made, cases, size_mib=64 if quick else 1024, repeats=repeats)
        if "export" in parts:
            results["export"] = await measure_export(made, size_mib=128 if quick else 1024, repeats=repeats)
        if "archive" in parts:
            results["archive"] = await measure_archive(made, size_mib=256 if quick else 2048)
        about["load_after"] = [round(one, 2) for one in os.getloadavg()]
    return results


async def _version(made: Place) -> str:
    async with made.connection("owner") as owner:
        return str(await owner.fetchval("SHOW server_version"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="which measurements; all when none is named")
    parser.add_argument("--quick", action="store_true", help="short and imprecise: only shows that everything runs")
    chosen = parser.parse_args()
    start = time.perf_counter()
    results = uvloop.run(measure(tuple(chosen.parts) or PARTS, quick=chosen.quick))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")
    print(f"\n{time.perf_counter() - start:.0f} s; figures in {os.path.relpath(RESULTS)}")


if __name__ == "__main__":
    main()
