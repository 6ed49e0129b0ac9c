"""Asks the database's own decision about worlds, and what the model says of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.support import decision_model
from tests.support.recorded import record_world
from tests.support.worlds import Ask, World

Row = tuple[str, str | None, Any, int | None, frozenset[str]]

_DECIDE = """
SELECT v.decision, v.basis, v.consent, v.provision, v.reasons
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[])
    WITH ORDINALITY AS a (document, agency, unit, role, subject, action, purpose, at, place)
CROSS JOIN LATERAL vault.decide(a.document, a.agency, a.unit, a.role, a.subject, a.action, a.purpose, a.at) AS v
ORDER BY a.place
"""


async def decide_recorded(owner: Any, asks: Sequence[Ask]) -> list[Row]:
    """What vault.decide says of each ask about worlds that are written already."""
    names = ("document", "agency", "unit", "role", "professional", "action", "purpose", "now")
    rows = await owner.fetch(_DECIDE, *([getattr(ask, name) for ask in asks] for name in names))
    return [
        (row["decision"], row["basis"], row["consent"], row["provision"], frozenset(row["reasons"])) for row in rows
    ]


async def decide_all(owner: Any, world: World, asks: Sequence[Ask]) -> list[Row]:
    """The same about a world that is written first, and rolled back after."""
    transaction = owner.transaction()
    await transaction.start()
    try:
        await record_world(owner, world, for_release=False)
        return await decide_recorded(owner, asks)
    finally:
        await transaction.rollback()


def expected_row(world: World, ask: Ask) -> Row:
    """What the model says, as the database would write it: a permit's only reason is its basis."""
    d = decision_model.decide(world, ask)
    return d.decision, d.basis, d.consent, d.provision, frozenset({d.basis}) if d.basis else d.reasons
