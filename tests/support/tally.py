"""What runs under faults did, told at the end of a test run: how often, how much, and what was lost (nothing)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Protocol

NAME = "tally"


class Tally(Protocol):
    """Notes figures of one run; those whose name ends in ``_s`` are worst cases, all others are added up."""

    def __call__(self, kind: str, /, **figures: float) -> None: ...


def told(reports: Iterable[Any]) -> list[str]:
    """One line for each kind of run."""
    kinds: dict[str, dict[str, float]] = defaultdict(dict)
    for report in reports:
        for name, value in getattr(report, "user_properties", ()):
            if name == NAME and report.when == "call":
                kind, figures = value
                _add(kinds[kind], {"runs": 1} | figures)
    return [f"{kind}: {', '.join(f'{n} {v:.12g}' for n, v in one.items())}" for kind, one in kinds.items()]


def _add(total: dict[str, float], figures: dict[str, float]) -> None:
    for name, value in figures.items():
        worst = name.endswith("_s")
        total[name] = max(total.get(name, 0), round(value, 3)) if worst else total.get(name, 0) + value
