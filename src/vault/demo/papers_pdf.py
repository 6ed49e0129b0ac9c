"""Sets a text of ``texts/`` as a PDF in the manner of a Finnish official paper (SFS 2487: sender, kind, page).

A text begins with ``name: value`` lines; after an empty line come blocks, one kind per block of lines:
``# heading``, ``## heading``, ``label:: value``, ``- item``, ``| cell | cell`` (the first row is the heading,
``|= 1 2`` before it gives relative widths), ``sign: place and day | name``, ``break:`` (a new
page) and plain paragraphs with ``**bold**``.
The core fonts are used, so every character must be in Windows-1252. The same input gives the same bytes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from fpdf import FPDF, FontFace
from fpdf.enums import MethodReturnValue, TableBordersLayout, XPos, YPos

from vault.demo.papers_hand import pen_strokes

_LEFT, _RIGHT, _TOP, _BOTTOM = 20.0, 18.0, 35.0, 18.0
_LEADING = 4.8
_INK, _GREY, _RULE = (20, 20, 20), (105, 105, 105), (170, 170, 170)
_SECRET = {"fi": "Salassa pidettävä", "sv": "Sekretessbelagd", "en": "Confidential"}
_INVENTED = {
    "fi": "Esimerkkiasiakirja. Henkilöt ja tapahtumat ovat keksittyjä.",
    "sv": "Exempelhandling. Personerna och händelserna är påhittade.",
    "en": "Example paper. The people and the events are invented.",
}
_LONG = {"fi": "fi-FI", "sv": "sv-FI", "en": "en-GB"}


@dataclass(frozen=True)
class Setting:
    """What stands in the page's head and in the file's metadata."""

    sender: str
    unit: str
    kind: str
    title: str
    language: str
    day: str
    made_on: dt.date


class _Sheet(FPDF):
    """A4 sheets with the sender's head, a page number of the total and a foot."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(format="A4")
        self.setting = setting
        self.core_fonts_encoding = "windows-1252"
        self.set_margins(_LEFT, _TOP, _RIGHT)
        self.c_margin = 0
        self.set_auto_page_break(auto=True, margin=_BOTTOM)
        self.set_title(setting.title)
        self.set_author(setting.sender)
        self.set_lang(_LONG[setting.language])
        self.set_creation_date(dt.datetime.combine(setting.made_on, dt.time(9), dt.UTC))
        self.set_display_mode("fullwidth")

    def header(self) -> None:
        """Draw the sender at the left, the kind of paper in the middle, the page at the right."""
        head = self.setting
        self.set_text_color(*_INK)
        self._put(_LEFT, 12, 95, head.sender, bold=True)
        self._put(_LEFT, 17, 95, head.unit)
        self._put(118, 12, 50, head.kind, bold=True)
        self._put(118, 17, 50, head.day)
        self._put(118, 22, 50, _SECRET[head.language])
        self._put(172, 12, 20, f"{self.page_no()} ({{nb}})", align="R")
        self.set_draw_color(*_RULE)
        self.line(_LEFT, 30, 210 - _RIGHT, 30)
        self.set_y(_TOP)

    def footer(self) -> None:
        """Say that the paper is an example."""
        self.set_y(-13)
        self.set_font("Helvetica", size=7.5)
        self.set_text_color(*_GREY)
        self.cell(0, 4, _INVENTED[self.setting.language], align="C")
        self.set_text_color(*_INK)

    def _put(self, x: float, y: float, width: float, text: str, *, bold: bool = False, align: str = "L") -> None:
        self.set_xy(x, y)
        self.set_font("Helvetica", style="B" if bold else "", size=10)
        self.cell(width, 5, text, align=align)

    def body(self, *, bold: bool = False) -> None:
        """Go back to the font of running text."""
        self.set_font("Helvetica", style="B" if bold else "", size=10)

    def room(self, height: float) -> None:
        """Begin a new page unless ``height`` millimetres are left on this one."""
        if self.will_page_break(height):
            self.add_page()


def set_pdf(setting: Setting, text: str) -> bytes:
    """The PDF of one text whose placeholders are filled in; ``text`` is the part after the head."""
    sheet = _Sheet(setting)
    sheet.add_page()
    for block in text.strip().split("\n\n"):
        _block(block)(sheet, block.splitlines())
    return bytes(sheet.output())


def _block(block: str) -> Callable[[_Sheet, list[str]], None]:
    if "::" in block.splitlines()[0]:
        return _fields
    return next((draw for begin, draw in _KINDS.items() if block.startswith(begin)), _paragraph)


def _break(sheet: _Sheet, _lines: list[str]) -> None:
    sheet.add_page()


def _title(sheet: _Sheet, lines: list[str]) -> None:
    sheet.set_font("Helvetica", style="B", size=15)
    sheet.start_section(lines[0][2:])
    sheet.multi_cell(0, 7, lines[0][2:], align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    sheet.ln(2.5)


def _heading(sheet: _Sheet, lines: list[str]) -> None:
    sheet.room(26)
    sheet.ln(1.8)
    sheet.set_font("Helvetica", style="B", size=11)
    sheet.start_section(lines[0][3:], level=1)
    sheet.multi_cell(0, 5.6, lines[0][3:], align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    sheet.ln(0.8)


def _paragraph(sheet: _Sheet, lines: list[str]) -> None:
    sheet.body()
    text = " ".join(lines)
    high = sheet.multi_cell(0, _LEADING, text, align="L", markdown=True, dry_run=True, output=MethodReturnValue.HEIGHT)
    sheet.room(cast("float", high))
    sheet.multi_cell(0, _LEADING, text, align="L", markdown=True, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    sheet.ln(2)


def _fields(sheet: _Sheet, lines: list[str]) -> None:
    for line in lines:
        label, value = line.split("::", 1)
        sheet.body()
        sheet.set_text_color(*_GREY)
        sheet.cell(46, _LEADING + 0.4, label)
        sheet.set_text_color(*_INK)
        sheet.multi_cell(0, _LEADING + 0.4, value.strip(), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    sheet.ln(2.4)


def _items(sheet: _Sheet, lines: list[str]) -> None:
    sheet.body()
    for line in lines:
        sheet.room(_LEADING * 2)
        sheet.set_x(_LEFT + 2)
        sheet.cell(5, _LEADING, "\N{BULLET}")
        sheet.multi_cell(0, _LEADING, line[2:], align="L", markdown=True, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        sheet.ln(0.6)
    sheet.ln(1.6)


def _table(sheet: _Sheet, lines: list[str]) -> None:
    widths = tuple(int(part) for part in lines[0][2:].split())
    sheet.body()
    sheet.set_draw_color(*_RULE)
    with sheet.table(
        width=sheet.epw,
        align="LEFT",
        col_widths=widths,
        text_align="LEFT",
        line_height=_LEADING,
        padding=(0.8, 1.5),
        markdown=True,
        v_align="TOP",
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        headings_style=FontFace(emphasis="BOLD", fill_color=(238, 240, 243)),
    ) as table:
        for line in lines[1:]:
            row = table.row()
            for cell in line[1:].split("|"):
                row.cell(cell.strip())
    sheet.ln(2.4)


def _signature(sheet: _Sheet, lines: list[str]) -> None:
    place, name = (part.strip() for part in lines[0].removeprefix("sign:").split("|"))
    sheet.room(27)
    sheet.ln(1)
    sheet.body()
    sheet.cell(0, _LEADING, place, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    base = sheet.get_y() + 11
    _sign(sheet, name.split(",")[0], _LEFT + 4, base)
    sheet.set_draw_color(*_INK)
    sheet.set_line_width(0.2)
    sheet.line(_LEFT, base + 3.5, _LEFT + 82, base + 3.5)
    sheet.set_y(base + 4.5)
    sheet.body()
    sheet.cell(0, _LEADING, name, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    sheet.ln(2)


def _sign(sheet: _Sheet, name: str, x: float, base: float) -> None:
    sheet.set_draw_color(24, 44, 110)
    sheet.set_line_width(0.42)
    for stroke in pen_strokes(name, seed=f"signature {name}", slant=0.28, size=3.7, wobble=0.09):
        sheet.polyline([(x + px, base - py) for px, py in stroke])


_KINDS = {"# ": _title, "## ": _heading, "- ": _items, "|=": _table, "sign:": _signature, "break:": _break}
