"""Who can open the client's papers, arranged for a person: rows that say the same become one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from vault.model import CaseId
from vault.services.mine_views import MyCaseMember, MyProhibition, MyReader, MyReaders, MyWay, Party


class _Row(msgspec.Struct, frozen=True):
    """One reader as the database tells it: one role, or none for what an agency filed itself."""

    case: CaseId
    party: Party
    role: str | None
    one_person: bool
    ways: list[MyWay]

    @property
    def place(self) -> tuple[CaseId, str, str | None]:
        return self.case, self.party.agency, self.role


def arrange(facts: Mapping[str, Any], promise: str) -> MyReaders:
    """The readers as the door listed them, without those that say what a wider one says already.

    A unit's row goes when it equals its organisation's, one person's when it equals that of everybody in their place; one
    that can open less than the wider one stays, even when it can open nothing.
    """
    rows = msgspec.convert(facts["readers"], list[_Row])
    whole = {row.place: row.ways for row in rows if row.party.unit is None and not row.one_person}
    units = {(*row.place, row.party.unit): row.ways for row in rows if not row.one_person}
    kept = [row for row in rows if row.ways != _wider(row, whole, units)]
    readers = _one_row_for_all_roles(kept)
    members = msgspec.convert(facts["members"], list[MyCaseMember])
    able = {(r.case, r.party.agency) for r in readers if r.ways or r.protected}
    return MyReaders(
        at=facts["at"],
        paused=facts["paused"],
        readers=readers,
        papers=facts["papers"],
        promise=promise,
        closed=[m for m in members if (m.case, m.party.agency) not in able],
        restrictions=msgspec.convert(facts["restrictions"], list[MyProhibition]),
    )


def _wider(
    row: _Row,
    whole: Mapping[tuple[CaseId, str, str | None], list[MyWay]],
    units: Mapping[tuple[CaseId, str, str | None, str | None], list[MyWay]],
) -> list[MyWay] | None:
    """What the next wider reader can open; None for a whole organisation."""
    if row.one_person:
        return units.get((*row.place, row.party.unit), [])
    return whole.get(row.place, []) if row.party.unit is not None else None


def _one_row_for_all_roles(rows: list[_Row]) -> list[MyReader]:
    alike: dict[bytes, list[_Row]] = {}
    for row in rows:
        same = msgspec.json.encode(
            (row.case, row.party.agency, row.party.unit, row.one_person, row.role is None, row.ways)
        )
        alike.setdefault(same, []).append(row)
    return [
        MyReader(
            case=first.case,
            party=first.party,
            one_person=first.one_person,
            roles=sorted({row.role for row in group if row.role is not None}),
            ways=[way for way in first.ways if not way.protected_classes],
            protected=[way for way in first.ways if way.protected_classes],
        )
        for group in alike.values()
        for first in group[:1]
    ]
