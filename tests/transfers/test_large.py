"""A large case on its way to the archive: the memory that each step takes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from tests.transfers.conftest import Scene

MIB = 2**20
PAPERS, EACH_MIB = 8, 8
LIMIT_MIB = 32
"""Half of the case: a step that held it whole would not pass."""


def _memory(name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    assert found is not None, f"the kernel does not tell {name}"
    return int(found[1]) / 1024


def _growth(step: Callable[[], object]) -> float:
    """MiB by which this process grew at most during the step."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _memory("VmRSS")
    step()
    return _memory("VmHWM") - before


def test_p08_a_large_case_takes_little_memory(scene: Scene) -> None:
    _, transfer = scene.due(*[os.urandom(EACH_MIB * MIB)] * PAPERS)
    steps = {
        "packaged": lambda: scene.work(1), "sent": lambda: scene.work(1),
        "received by the archive": lambda: scene.leave_receipt(transfer),
        "receipt taken": lambda: scene.work(1), "verified": lambda: scene.work(1),
    }  # fmt: skip
    grown = {name: _growth(step) for name, step in steps.items()}
    assert scene.state(transfer) == "verified"
    assert max(grown.values()) < LIMIT_MIB, grown
