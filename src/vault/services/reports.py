"""What one application opened and was denied, for a breach report. Ids, codes and times; nobody's name.

Source: GDPR Art. 33(3), 34; design.md §6 (vault log report).
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from vault.errors import InvalidInput
from vault.rules.days import HELSINKI, parse_day

FIELDS = (
    "entry", "at", "act", "decision", "outcome", "bytes", "agency", "unit", "application", "professional", "role", "purpose",
    "client", "case", "document", "document_type", "source", "action", "basis", "consent", "provision", "reasons",
    "confirmation", "range", "facts",
)  # fmt: skip
_COLUMNS = {"case": "case_id", "range": "byte_range"}
Form = Literal["csv", "json-lines"]


class ReportLog(Protocol):
    """The log as the monitor's role reports on it."""

    async def begin(self, application: str, since: dt.datetime, before: dt.datetime) -> uuid.UUID | None:
        """The report's own entry, committed; None when there is no such application."""
        ...

    def rows(self, report: uuid.UUID) -> AsyncIterator[Mapping[str, Any]]:
        """The report's rows, upwards by id."""
        ...


class Summary(msgspec.Struct):
    """What a report counted; ``clients`` and ``documents`` are those of which something was given out."""

    report: uuid.UUID
    permitted: int = 0
    denied: int = 0
    bytes: int = 0
    clients: set[uuid.UUID] = msgspec.field(default_factory=set)
    documents: set[uuid.UUID] = msgspec.field(default_factory=set)

    def count(self, row: Mapping[str, Any]) -> None:
        """Take one row in."""
        if row["decision"] != "permit" or list(row["confirmation"] or ()) == ["asked-to-confirm"]:
            self.denied += 1
            return
        self.permitted += 1
        self.bytes += row["bytes"] or 0
        if row["client"]:
            self.clients.add(row["client"])
        if row["document"] and row["act"] == "open":
            self.documents.add(row["document"])

    def sentence(self) -> str:
        """For the person who asked."""
        return (
            f"{self.permitted} acts permitted, {self.denied} denied; {len(self.documents)} documents of {len(self.clients)}"
            f" clients, {self.bytes} bytes; this report is entry {self.report}"
        )


def parse_moment(text: str, field: str, *, end: bool = False) -> dt.datetime:
    """A day in Finland (its beginning, or with ``end`` the beginning of the day after it) or a time with its offset.

    Raises: InvalidInput that names ``field``.
    """
    if "T" not in text:
        day = parse_day(text, field)
        try:
            return dt.datetime.combine(day + dt.timedelta(days=int(end)), dt.time(), HELSINKI).astimezone(dt.UTC)
        except OverflowError:
            raise InvalidInput("there is no such day", field=field, code="invalid-day") from None
    try:
        moment = dt.datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        pass  # The same answer as for a time without its offset.
    raise InvalidInput(f"{field}: expected a day, or a time with its offset such as 2026-03-02T09:00:00Z", field=field)


async def report(
    log: ReportLog, application: str, since: dt.datetime, before: dt.datetime, form: Form
) -> AsyncIterator[str | Summary]:
    """The report's lines, then its summary. Raises: InvalidInput before the first line."""
    if not since < before:
        raise InvalidInput("the end is not after the beginning", field="to")
    begun = await log.begin(application, since, before)
    if begun is None:
        raise InvalidInput("there is no such application; see: vault application list", field="application")
    summary = Summary(begun)
    if form == "csv":
        yield _csv(FIELDS)
    async for row in log.rows(begun):
        summary.count(row)
        values = [_plain(row[_COLUMNS.get(name, name)]) for name in FIELDS]
        yield _csv(values) if form == "csv" else _json(values)
    yield summary


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return str(value) if isinstance(value, uuid.UUID) else value


def _csv(values: Sequence[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(
        " ".join(value) if isinstance(value, list) else "" if value is None else value for value in values
    )
    return line.getvalue()


def _json(values: Sequence[Any]) -> str:
    present = {name: value for name, value in zip(FIELDS, values, strict=True) if value is not None}
    return msgspec.json.encode(present).decode() + "\n"
