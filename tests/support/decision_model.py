"""The decision on one read, a second time: a page of plain Python to be checked by eye against design.md §3.2 and §3.3.

It shares no code with the vault. The world holds what has been recorded by ``ask.now``; days are Helsinki days.
"""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from tests.support.worlds import Ask, Consent, Decision, Document, World


def decide(world: World, ask: Ask) -> Decision:
    today = ask.now.astimezone(ZoneInfo("Europe/Helsinki")).date()
    document = next(d for d in world.documents if d.id == ask.document)
    recorded_at = {a.slug: a.recorded_at for a in world.agencies}
    suspended = any(a.slug == ask.agency and a.suspended for a in world.agencies)
    dead = world.deceased_on is not None and world.deceased_on <= today
    active = [
        m
        for m in world.members
        if m.agency == ask.agency and not m.ended and m.from_ <= today and (m.until is None or today <= m.until)
    ]
    clauses = [(c, p) for c in sorted(world.consents, key=lambda c: c.order) for p in c.provisions]
    permits = [(c, p) for c, p in clauses if p["effect"] == "permit"]

    def state(c: Consent, p: dict[str, Any]) -> set[str]:
        """Why the clause is not in force; each on its own."""
        withdrawn = c.withdrawn_at is not None or p["number"] in c.withdrawn_provisions
        lapsed = c.capacity == "guardian" and today >= world.adult_on and not c.confirmed
        return codes(
            {
                "not-yet-valid": today < c.valid_from,
                "expired": c.valid_until is not None and today > c.valid_until,
                "withdrawn": withdrawn,
                "superseded": any(later.replaces == c.id for later in world.consents),
                "guardian-consent-lapsed": lapsed,
                "client-deceased": dead,
            }
        )

    def covers_recipient(c: Consent, entry: dict[str, Any]) -> bool:
        return recorded_at[ask.agency] <= c.recorded_at if "any" in entry else names_asker(entry, ask)

    def covers_source(c: Consent, entry: dict[str, Any]) -> bool:
        return recorded_at[document.source_agency] <= c.recorded_at if "any" in entry else names_source(entry, document)

    def covers_document(c: Consent, entry: dict[str, Any]) -> bool:
        if document.type == "muu":
            return entry == {"document": str(document.id)}
        known = world.document_types[document.type] <= c.recorded_at
        return known if "any" in entry else names_document(entry, document)

    def failing(c: Consent, p: dict[str, Any]) -> set[str]:
        """Why a permit that lists the action and names the recipient does not permit."""
        return state(c, p) | codes(
            {
                "source-not-covered": not any(covers_source(c, e) for e in p["sources"]),
                "document-not-covered": not any(covers_document(c, e) for e in p["documents"]),
                "dated-outside": not is_dated_inside(p["dated"], document.dated),
                "future-document-not-covered": document.dated > c.signed_on and not p["future_documents"],
                "protected-class-not-named": not {*document.protected_classes} <= {*(p["protected_classes"] or ())},
                "purpose-not-covered": ask.purpose not in p["purposes"],
            }
        )

    handles = [state(c, p) for c, p in permits if "handle" in p["actions"]]
    if (
        set() in handles
        and world.case_state is None
        and document.filed_by == ask.agency
        and active
        and not (document.retracted or document.misfiled or suspended)
    ):
        return Decision("permit", "own-document", None, None, frozenset())

    against = codes(
        {
            "agency-suspended": suspended,
            "client-deceased": dead,
            "case-closed": world.case_state in {"closing", "closed"},
            "case-archived": world.case_state in {"in-transfer", "archived"},
            "document-retracted": document.retracted,
            "document-misfiled": document.misfiled,
            "not-a-member": not any(m.role == ask.role for m in active),
        }
    )
    against |= nearest(handles) if handles else {"no-consent"}
    acting = [(c, p) for c, p in permits if ask.action in p["actions"]]
    named = [(c, p) for c, p in acting if any(covers_recipient(c, e) for e in p["recipients"])]
    if not named:
        against |= {"recipient-not-covered" if acting else "action-not-covered" if permits else "no-consent"}
    against |= nearest([failing(c, p) for c, p in named])
    denying = [(c, p) for c, p in clauses if p["effect"] == "deny" and not state(c, p) and is_denied(p, ask, document)]
    against |= codes(
        {
            "denied-by-provision": bool(denying),
            "prohibited": any(is_denied(x.scope, ask, document) for x in world.prohibitions if not x.ended),
        }
    )
    deciding = denying if against else [(c, p) for c, p in named if not failing(c, p)]
    consent, provision = (deciding[0][0].id, deciding[0][1]["number"]) if deciding else (None, None)
    if against:
        return Decision("deny", None, consent, provision, frozenset(against))
    return Decision("permit", "consent", consent, provision, frozenset())


def is_denied(p: dict[str, Any], ask: Ask, document: Document) -> bool:
    """Whether a deny matches: every part of it that says something says this; future_documents plays no part."""
    return (
        (not p["recipients"] or any("any" in e or names_asker(e, ask) for e in p["recipients"]))
        and (not p["sources"] or any("any" in e or names_source(e, document) for e in p["sources"]))
        and (not p["documents"] or any("any" in e or names_document(e, document) for e in p["documents"]))
        and (not p["actions"] or ask.action in p["actions"])
        and (not p["purposes"] or ask.purpose in p["purposes"])
        and (not p["protected_classes"] or bool({*p["protected_classes"]} & {*document.protected_classes}))
        and is_dated_inside(p["dated"], document.dated)
    )


def names_asker(e: dict[str, Any], ask: Ask) -> bool:
    said = {"agency": ask.agency, "unit": ask.unit, "role": ask.role, "professional": ask.professional}
    return all(said[name] == wanted for name, wanted in e.items())


def names_source(e: dict[str, Any], document: Document) -> bool:
    said = {"agency": document.source_agency, "unit": document.source_unit}
    return all(said[name] == wanted for name, wanted in e.items())


def names_document(e: dict[str, Any], document: Document) -> bool:
    said = {"type": document.type, "document": str(document.id)}
    return all(said[name] == wanted for name, wanted in e.items())


def is_dated_inside(limits: dict[str, str] | None, day: dt.date) -> bool:
    between = limits or {}
    return between.get("from", "0001-01-01") <= day.isoformat() <= between.get("until", "9999-12-31")


def nearest(failures: list[set[str]]) -> set[str]:
    """All codes of those that fail on the fewest: none at all once one does not fail."""
    fewest = min(map(len, failures), default=0)
    return {code for failure in failures if len(failure) == fewest for code in failure}


def codes(said: dict[str, bool]) -> set[str]:
    return {code for code, holds in said.items() if holds}
