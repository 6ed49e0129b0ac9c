"""Byte ranges of a release: one at a time, each an ask and an entry of its own.

Source: RFC 9110 §14; design.md §4.
"""

from __future__ import annotations

import re

import msgspec

from vault.errors import InvalidInput, RangeNotSatisfiable

_RANGE = re.compile(r"bytes=(?:(?P<first>\d{1,18})-(?P<last>\d{1,18})?|-(?P<suffix>\d{1,18}))")


class ByteRange(msgspec.Struct, frozen=True):
    """What a caller asked for: from ``first`` to ``last``, both included, or the last ``suffix`` bytes."""

    first: int | None
    last: int | None
    suffix: int | None

    def __str__(self) -> str:
        if self.suffix is not None:
            return f"-{self.suffix}"
        return f"{self.first}-{'' if self.last is None else self.last}"

    def within(self, size: int, promise: str | None = None) -> tuple[int, int]:
        """Start and length within a document of that size.

        Raises: RangeNotSatisfiable, which repeats ``promise``, when no byte of the range exists.
        """
        if self.suffix is not None:
            length = min(self.suffix, size)
            start = size - length
        else:
            start = self.first or 0
            length = (size if self.last is None else min(self.last + 1, size)) - start
        if length <= 0:
            raise RangeNotSatisfiable(size=size, promise=promise)
        return start, length


def parse_range(header: str | None) -> ByteRange | None:
    """The one range that a Range header asks for, or None when there is none.

    Raises: InvalidInput (``invalid-range``, 400) for several ranges, a reversed one, or another unit: an answer of the
    whole document would surprise a caller who has room for a part.
    """
    if header is None:
        return None
    found = _RANGE.fullmatch(header.strip())
    if found is None:
        raise InvalidInput("expected one range such as bytes=0-1023", field="Range", code="invalid-range", status=400)
    first, last, suffix = (None if v is None else int(v) for v in (found["first"], found["last"], found["suffix"]))
    if first is not None and last is not None and last < first:
        raise InvalidInput("the range ends before it begins", field="Range", code="invalid-range", status=400)
    return ByteRange(first=first, last=last, suffix=suffix)
