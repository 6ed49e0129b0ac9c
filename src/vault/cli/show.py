"""How commands print lists: a plain table for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click
import msgspec


def show(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """Print the rows' columns in order; ``empty`` is the sentence for none."""
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(list(rows)), indent=2).decode())
        return
    if not rows:
        click.echo(empty)
        return
    cells = [[_cell(row[column]) for column in columns] for row in rows]
    widths = [max(len(column), *(len(row[at]) for row in cells)) for at, column in enumerate(columns)]
    for line in (list(columns), *cells):
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(map(str, value)) or "-"
    return "-" if value is None else str(value)


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
