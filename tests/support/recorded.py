"""Writes a world's facts straight into the tables, as owner, with the instants at which they were recorded.

What the vault's own functions would refuse to write (yesterday's withdrawal) is thus there in milliseconds; what is asked
of it afterwards goes through the door.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.support.database import insert
from tests.support.strategies import LONG_AGO, ROLES, professionals
from tests.support.worlds import Ask, Consent, Document, World

Rows = list[dict[str, Any]]
KEY_SIZE = 61


class Asker(NamedTuple):
    """Who a recorded token speaks for."""

    actor: str
    agency: str | None = None
    unit: str | None = None
    professional: str | None = None  # the id at the agency
    role: str | None = None
    purpose: str | None = None
    client: uuid.UUID | None = None
    authority: uuid.UUID | None = None


def asker_of(ask: Ask) -> Asker:
    return Asker("professional", ask.agency, ask.unit, ask.professional, ask.role, ask.purpose)


async def record_world(connection: Any, world: World, *, for_release: bool = True) -> None:
    """Write the world; ``for_release`` adds content, keys and registered roles, which a mere decision does without."""
    for table, rows in _tables(world):
        if rows:
            await insert(connection, table, rows)
    if for_release:
        for table, rows in _for_release(world):
            await insert(connection, table, rows)
    for code, at in world.document_types.items():
        await connection.execute(
            "UPDATE vault.catalogue_type SET recorded_at = $2 WHERE code = $1 AND recorded_at <> $2", code, at
        )


async def record_token(tokens: Any, asker: Asker, *, expires_at: dt.datetime) -> bytes:
    """Record a token as the tokens role does, and give its secret."""
    secret = secrets.token_bytes(32)
    outcome = await tokens.fetchval(
        "SELECT vault.token_record($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, NULL)",
        hashlib.sha256(secret).digest(), asker.actor, f"app-{asker.agency}", asker.professional, asker.role, asker.unit,
        asker.purpose, secrets.token_bytes(32), b"\1sealed", secrets.token_bytes(32), expires_at,
    )  # fmt: skip
    assert outcome == "recorded", outcome
    return secret


async def insert_token(owner: Any, asker: Asker, *, issued_at: dt.datetime) -> bytes:
    """Put a token straight into its table: for clients, and for what the tokens role would refuse."""
    secret = secrets.token_bytes(32)
    known = asker.agency and asker.professional
    row = {
        "secret_sha256": hashlib.sha256(secret).digest(), "actor": asker.actor, "agency": asker.agency, "unit": asker.unit,
        "application": asker.agency and f"app-{asker.agency}",
        "professional": professional_id(asker.agency or "", asker.professional or "") if known else None,
        "role": asker.role, "purpose": asker.purpose, "client": asker.client, "authority": asker.authority, "assertion": bytes(32),
        "issued_at": issued_at, "expires_at": issued_at + dt.timedelta(minutes=5),
    }  # fmt: skip
    await insert(owner, "token", [row])
    return secret


def professional_id(agency: str, subject: str) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{agency} {subject}")


def form_id(consent: Consent) -> uuid.UUID:
    """The signed form of a consent of a world."""
    return uuid.uuid5(uuid.NAMESPACE_OID, str(consent.id))


def _tables(world: World) -> Iterator[tuple[str, Rows]]:
    yield from _registry(world)
    client, case = {"client": world.client}, {"case_id": world.case}
    noted = {"entry": uuid.UUID(int=0), "recorded_at": LONG_AGO}
    adult = world.adult_on
    yield "client", [{"id": world.client, "adult_on": adult, "recorded_at": LONG_AGO}]
    yield "client_case", [
        {"id": world.case, **client, "process": "ayr", "controller": world.agencies[0].slug, "language": "fi",
         "sealed_about": b"\1case", **noted}
    ]  # fmt: skip
    scopes = [f"case:{world.case}", f"client:{world.client}", *(f"agency:{a.slug}" for a in world.agencies)]
    yield "fact_version", [{"scope": scope, "n": 1} for scope in scopes]
    yield "case_state", [{**case, "n": 1, "state": s, **noted} for s in [world.case_state] if s]
    yield "client_death", [{**client, "died_on": day, **noted} for day in [world.deceased_on] if day]
    yield (
        "member",
        [
            {"id": m.id, **case, "agency": m.agency, "role": m.role, "from_day": m.from_, "until_day": m.until, **noted}
            for m in world.members
        ],
    )
    yield "member_end", [{"member": m.id, **noted} for m in world.members if m.ended]
    yield "document", [_document(world, d) for d in world.documents]
    for mark, marked in (
        ("retracted", [d for d in world.documents if d.retracted]),
        ("misfiled", [d for d in world.documents if d.misfiled]),
    ):
        yield "document_mark", [{"document": d.id, "mark": mark, **noted} for d in marked]
    yield from _consents(world)
    yield "prohibition", [{"id": p.id, **client, **_scope(p.scope), **noted} for p in world.prohibitions]
    yield "prohibition_end", [{"prohibition": p.id, **noted} for p in world.prohibitions if p.ended]


def _registry(world: World) -> Iterator[tuple[str, Rows]]:
    name = {"name": {"fi": "Esimerkki"}}
    yield "agency", [{"id": a.slug, **name, "recorded_at": a.recorded_at} for a in world.agencies]
    yield (
        "unit",
        [
            {"id": unit, "agency": a.slug, **name, "recorded_at": a.recorded_at}
            for a in world.agencies
            for unit in a.units
        ],
    )
    yield (
        "application",
        [
            {"id": f"app-{a.slug}", "agency": a.slug, "dpop_required": False, "recorded_at": a.recorded_at}
            for a in world.agencies
        ],
    )
    yield "professional", [
        {"id": professional_id(a.slug, subject), "agency": a.slug, "subject": subject, "sealed_name": b"\1name",
         "recorded_at": a.recorded_at}
        for a in world.agencies for subject in professionals(a.slug)
    ]  # fmt: skip
    yield (
        "suspension",
        [
            {"agency": a.slug, "suspended": True, "entry": uuid.UUID(int=0), "recorded_at": a.recorded_at}
            for a in world.agencies
            if a.suspended
        ],
    )


def _document(world: World, d: Document) -> dict[str, Any]:
    return {
        "id": d.id, "case_id": world.case, "type": d.type, "agency": d.filed_by, "unit": d.filer_unit,
        "application": f"app-{d.filed_by}", "source": d.source_agency, "source_unit": d.source_unit,
        "attachment_of": d.attachment_of, "series": d.id, "dated": d.dated, "language": "fi",
        "protected_classes": list(d.protected_classes), "third_persons": False, "check_before_client": False,
        "original": True, "media_type": "application/pdf", "key_parent": "register" if d.type == "suostumus" else "case",
        "sealed_about": b"\1about", "entry": uuid.UUID(int=0), "recorded_at": LONG_AGO,
    }  # fmt: skip


def _forms(world: World) -> list[Document]:
    home = world.agencies[0].slug
    return [
        Document(form_id(c), "suostumus", home, None, home, None, c.signed_on, (), retracted=False, misfiled=False,
                 attachment_of=None)
        for c in world.consents
    ]  # fmt: skip


def _consents(world: World) -> Iterator[tuple[str, Rows]]:
    noted = {"entry": uuid.UUID(int=0)}
    ordered = sorted(world.consents, key=lambda c: c.order)
    yield "document", [_document(world, form) for form in _forms(world)]
    yield "consent", [
        {"id": c.id, "case_id": world.case, "form": form_id(c), "signed_on": c.signed_on, "language": "fi",
         "capacity": c.capacity, "verified_how": "paper-original-seen", "valid_from": c.valid_from,
         "valid_until": c.valid_until, "replaces": c.replaces, "provisions_digest": hashlib.sha256(c.id.bytes).digest(),
         "sealed_about": b"\1signed", **noted, "recorded_at": c.recorded_at}
        for c in ordered
    ]  # fmt: skip
    yield "provision", [
        {"consent": c.id, "number": p["number"], "effect": p["effect"], **_scope(p),
         "future_documents": p["future_documents"]}
        for c in ordered for p in c.provisions
    ]  # fmt: skip
    yield (
        "consent_confirmation",
        [{"consent": c.id, **noted, "recorded_at": c.recorded_at} for c in ordered if c.confirmed],
    )
    given = [(c, None, c.withdrawn_at) for c in ordered if c.withdrawn_at]
    single = [(c, list(c.withdrawn_provisions), c.recorded_at) for c in ordered if c.withdrawn_provisions]
    yield (
        "withdrawal",
        [
            {"id": uuid.uuid4(), "consent": c.id, "provisions": numbers, "given_at": at, **noted, "recorded_at": at}
            for c, numbers, at in [*given, *single]
        ],
    )


def _scope(p: dict[str, Any]) -> dict[str, Any]:
    dated = p["dated"] or {}
    return {
        **{
            name: p[name] for name in ("recipients", "sources", "documents", "actions", "purposes", "protected_classes")
        },
        "dated_from": dt.date.fromisoformat(dated["from"]) if "from" in dated else None,
        "dated_until": dt.date.fromisoformat(dated["until"]) if "until" in dated else None,
    }


def _for_release(world: World) -> Iterator[tuple[str, Rows]]:
    """Registered roles, the documents' content, and keys that say what they are."""
    yield "professional_role", [
        {"professional": professional_id(a.slug, subject), "role": role, "unit": unit, "recorded_at": a.recorded_at}
        for a in world.agencies for subject in professionals(a.slug) for role in ROLES for unit in (None, *a.units)
    ]  # fmt: skip
    noted = {"entry": uuid.UUID(int=0), "recorded_at": LONG_AGO}
    papers = [*world.documents, *_forms(world)]
    yield "attempt", [{"object": d.id.hex, "document": d.id, **noted} for d in papers]
    yield (
        "filing",
        [
            {"document": d.id, "object": d.id.hex, "size_bytes": 7, "sealed_digest": b"\1digest", **noted}
            for d in papers
        ],
    )
    case, register = f"case:{world.case}", f"register:{world.client}"
    epoch = f"epoch:{world.case}"  # a month of the world's own
    parents = {epoch: "root:01020304", case: epoch, register: epoch}
    parents |= {f"document:{d.id}": register if d.type == "suostumus" else case for d in papers}
    yield "wrapped_key", [
        {"kind": name.partition(":")[0], "subject": name.partition(":")[2], "parent": parent,
         "wrapped": hashlib.sha512(name.encode()).digest()[:KEY_SIZE], "recorded_at": LONG_AGO}
        for name, parent in parents.items()
    ]  # fmt: skip
