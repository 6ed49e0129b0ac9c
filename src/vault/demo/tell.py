"""How the demo speaks: short lines under numbered headings, aligned; colours only where a person watches."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TextIO

_MARK = {"permitted": "32", "denied": "33", "confirm": "36", "WRONG": "1;31"}
_INDENT = "   "
_MARK_WIDTH = 11
_WHO_WIDTH = 35
_WHAT_WIDTH = 28


class Teller:
    """Writes the walk to one stream and keeps what went otherwise than it should."""

    def __init__(self, out: TextIO | None = None, *, colour: bool | None = None) -> None:
        self._out = out or sys.stdout
        self._live = self._out.isatty()
        self._colour = self._live if colour is None else colour
        self._number = 0
        self.faults: list[str] = []

    def heading(self, text: str) -> None:
        """Begin a numbered step."""
        self._number += 1
        self.line()
        self.line(self._painted(f"{self._number}. {text}", "1"))

    def line(self, text: str = "") -> None:
        print(text, file=self._out, flush=True)

    def say(self, text: str) -> None:
        """Plain sentences, folded to the page."""
        width = min(shutil.get_terminal_size((110, 24)).columns, 110)
        self.line(textwrap.fill(text, width, initial_indent=_INDENT, subsequent_indent=_INDENT))

    def answer(self, mark: str, who: str, what: str, ground: str = "", reasons: Sequence[str] = ()) -> None:
        """One decision: permitted or denied, who asked, for which paper, on what ground; every reason on a line below."""
        painted = self._painted(f"{mark:<{_MARK_WIDTH}}", _MARK[mark])
        self.line(f"{_INDENT}{painted}{who:<{_WHO_WIDTH}}  {what:<{_WHAT_WIDTH}}  {ground}".rstrip())
        for reason in reasons:
            self.line(f"{_INDENT}{'':<{_MARK_WIDTH}}{self._painted(reason, '2')}")

    def expect(self, what: str, got: object, wanted: object) -> bool:
        """Keep and tell a difference between what was promised and what came."""
        if got == wanted:
            return True
        fault = f"{what}: {got} instead of {wanted}"
        self.faults.append(fault)
        self.line(f"{_INDENT}{self._painted('WRONG', _MARK['WRONG'])}      {fault}")
        return False

    def progress(self, text: str) -> None:
        """A line that the next one replaces; nothing where nobody watches."""
        if self._live:
            print(f"\r{_INDENT}{text}\033[K", end="", file=self._out, flush=True)

    def progress_end(self) -> None:
        if self._live:
            print("\r\033[K", end="", file=self._out, flush=True)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A calm table: two spaces between columns, a rule under the head, no lines besides."""
        widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
        self.line(self._painted(self._row(head, widths), "1"))
        self.line(_INDENT + "  ".join("-" * width for width in widths))
        for row in rows:
            self.line(self._row(row, widths))

    def _row(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        return (_INDENT + "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))).rstrip()

    def _painted(self, text: str, code: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colour else text


def size_text(size: int) -> str:
    """A size for people: bytes below a kilobyte, else kB or MB."""
    if size < 1000:
        return f"{size} B"
    return f"{size / 1000:.0f} kB" if size < 1_000_000 else f"{size / 1_000_000:.0f} MB"
