"""A log by day, in which what opened no paper and was done again and again stands as one line that unfolds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from itertools import groupby
from typing import Final

import msgspec

from vault.rules.days import helsinki_day
from vault.services.openings import Opening

REPEATED: Final = frozenset({"list", "find", "explain"})
"""Acts that open nothing and come by the dozen: every page of a desk looks at a list."""


class Fold(msgspec.Struct, frozen=True):
    """The same act of the same reader on one day, in the log's order; ``items`` are two or more."""

    items: list[Opening]

    @property
    def first(self) -> Opening:
        """The one in whose place the fold stands."""
        return self.items[0]


def days_of(items: Iterable[Opening]) -> list[tuple[dt.date, list[Opening]]]:
    """The days of a page of the log, in its order."""
    days = groupby(items, key=lambda one: helsinki_day(dt.datetime.fromisoformat(one.at)))
    return [(day, list(group)) for day, group in days]


def folded(items: Iterable[Opening]) -> list[Opening | Fold]:
    """One day with what was repeated folded, in the place of its first; denials are never folded here."""
    found: list[list[Opening]] = []
    seen: dict[tuple[str | None, ...], list[Opening]] = {}
    for one in items:
        who = (one.act, one.actor, one.agency, one.unit, one.role)
        if one.act not in REPEATED or one.decision == "deny":
            found.append([one])
        elif who in seen:
            seen[who].append(one)
        else:
            seen[who] = [one]
            found.append(seen[who])
    return [group[0] if len(group) == 1 else Fold(group) for group in found]
