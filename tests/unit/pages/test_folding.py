"""What opened nothing and was done again and again is one line of the log; openings and denials never are."""

from __future__ import annotations

import uuid
from typing import Any

from vault.pages.folding import Fold, days_of, folded
from vault.services.openings import Opening


def one(act: str = "list", at: str = "2026-03-02T10:00:00+00:00", **about: Any) -> Opening:
    entry = uuid.uuid4()
    known: dict[str, Any] = {"actor": "professional", "agency": "kela", "role": "nurse", "decision": "permit"}
    return Opening(entry=entry, entries=(entry,), at=at, act=act, **known | about)


def test_the_same_look_of_the_same_reader_folds_in_the_place_of_its_first() -> None:
    looks, opened = [one(), one(), one()], one("open")
    found = folded([looks[0], opened, *looks[1:], one(role="coach")])
    assert [type(row) for row in found] == [Fold, Opening, Opening]
    assert isinstance(found[0], Fold)
    assert found[0].items == looks
    assert found[1] is opened


def test_openings_denials_and_what_came_once_stand_for_themselves() -> None:
    rows = [
        one("open"),
        one("open"),
        one(decision="deny"),
        one(decision="deny"),
        one(),
        one("find"),
        one("consent-record"),
    ]
    assert folded(rows) == rows


def test_the_steps_of_one_filing_are_one_line_and_another_papers_are_another() -> None:
    first, second = uuid.uuid4(), uuid.uuid4()
    steps = [
        one(act, document=paper) for paper in (first, second) for act in ("document-filed", "file", "document-add")
    ]
    begun = [one("file"), one("file")]
    rows = [*steps[:3], begun[0], one("file", agency="pirha", decision="deny"), *steps[3:], begun[1]]
    found = folded(rows)
    assert [row.items if isinstance(row, Fold) else row for row in found] == [
        [*steps[:3], begun[0]],
        rows[4],
        [*steps[3:], begun[1]],
    ]
    assert isinstance(found[0], Fold)
    assert found[0].is_filing
    assert found[0].telling is steps[1]


def test_a_day_is_helsinkis() -> None:
    late, early = one(at="2026-03-02T22:30:00+00:00"), one(at="2026-03-02T21:30:00+00:00")
    assert [(str(day), rows) for day, rows in days_of([late, early])] == [
        ("2026-03-03", [late]),
        ("2026-03-02", [early]),
    ]
