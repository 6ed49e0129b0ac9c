"""The benchmarks are run by hand; that they can be loaded, and that each is told, is checked here."""

from __future__ import annotations

from benchmarks.run import FULL, QUICK
from tests.support.service import ROOT


def test_every_part_has_a_quick_form_and_is_told() -> None:
    told = (ROOT / "docs" / "howto" / "benchmark.md").read_text()
    assert list(FULL) == list(QUICK)
    assert [name for name in FULL if f"`{name}`" not in told] == []
