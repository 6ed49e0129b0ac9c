"""A log by day, in which what opened no paper and was done again and again stands as one line, and so do one filing's steps."""

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
FILING: Final = frozenset({"document-add", "file", "document-filed"})
"""The steps in which one paper comes: asked (no paper yet), announced, sent, filed. Whoever reads the log cares that it came."""


class Fold(msgspec.Struct, frozen=True):
    """The same act of the same reader on one day, or one paper's filing, in the log's order; ``items`` are two or more."""

    items: list[Opening]

    @property
    def first(self) -> Opening:
        """The one in whose place the fold stands."""
        return self.items[0]

    @property
    def is_filing(self) -> bool:
        """True for the steps of one filing."""
        return self.first.act in FILING

    @property
    def telling(self) -> Opening:
        """The one that says most: of a filing the step that names its paper, when there is one."""
        return next((one for one in self.items if one.act == "file" and one.document), self.first)


def days_of(items: Iterable[Opening]) -> list[tuple[dt.date, list[Opening]]]:
    """The days of a page of the log, in its order."""
    days = groupby(items, key=lambda one: helsinki_day(dt.datetime.fromisoformat(one.at)))
    return [(day, list(group)) for day, group in days]


def folded(items: Iterable[Opening]) -> list[Opening | Fold]:
    """One day with what was repeated folded, in the place of its first; denials are never folded here."""
    found: list[list[Opening]] = []
    seen: dict[tuple[str | None, ...], list[Opening]] = {}
    for one in items:
        key = _key(one)
        group = seen.get(key) if key else None
        if group is None or not _of_one_paper(group, one):
            group = []
            found.append(group)
            if key:
                seen[key] = group
        group.append(one)
    return [group[0] if len(group) == 1 else Fold(group) for group in found]


def _key(one: Opening) -> tuple[str | None, ...] | None:
    """What may stand in one line with this; None for what stands alone."""
    if one.decision == "deny" or one.act not in REPEATED | FILING:
        return None
    return ("filing" if one.act in FILING else one.act, one.actor, one.agency, one.unit, one.role)


def _of_one_paper(group: list[Opening], one: Opening) -> bool:
    """True unless this is a step of another paper's filing; a step that names none goes with its neighbours."""
    papers = {step.document for step in (*group, one) if step.act in FILING and step.document}
    return len(papers) < 2
