"""Repeated measurements as one line: the median with the least and the most; and the machine that they were made on."""

from __future__ import annotations

import math
import os
import platform
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """Median, least and most of several repeats."""

    median: float
    least: float
    most: float

    def show(self, form: str = ",.0f") -> str:
        if self.least == self.most:
            return f"{self.median:{form}}"
        return f"{self.median:{form}} [{self.least:{form}}–{self.most:{form}}]"


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def ratio(one: float, other: float) -> float:
    """Not a number where the other is nothing: everything was refused or cut."""
    return one / other if other else math.nan


def after_one_another(*rates: float) -> float:
    """How often a second all of it is done, by parts that are done so often each, one after another."""
    return 1 / sum(1 / rate for rate in rates) if all(rates) else 0.0


def percentile(values: Sequence[float], percent: float) -> float:
    """Not a number where there are no values: everything was refused or cut."""
    ordered = sorted(values) or [math.nan]
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, columns aligned."""
    widths = [max(len(row[n]) for row in [head, *rows]) for n in range(len(head))]
    print(f"\n{title}")
    for row in [head, ["-" * width for width in widths], *rows]:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def machine(postgres: str) -> dict[str, Any]:
    """What the figures were made on, without a name of the machine."""
    processor = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(encoding="ascii"))
    return {
        "processor": processor[1] if processor else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory[1]) / 2**20) if memory else None,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "postgresql": postgres,
        "load_before": [round(one, 2) for one in os.getloadavg()],
    }
