"""What has been recorded about one client's one case, and an ask to read one of its documents, as plain data.

Provisions and prohibitions are dicts in the stored form of ``vault.rules.consent``: None in a deny means everything.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Agency:
    slug: str
    units: tuple[str, ...]
    recorded_at: dt.datetime
    suspended: bool


@dataclass(frozen=True)
class Member:
    id: uuid.UUID
    agency: str
    role: str
    from_: dt.date
    until: dt.date | None  # the last day
    ended: bool


@dataclass(frozen=True)
class Document:
    id: uuid.UUID
    type: str
    filed_by: str
    filer_unit: str | None
    source_agency: str
    source_unit: str | None
    dated: dt.date
    protected_classes: tuple[str, ...]
    retracted: bool
    misfiled: bool
    attachment_of: uuid.UUID | None  # told here because it must make no difference


@dataclass(frozen=True)
class Consent:
    id: uuid.UUID
    order: int
    signed_on: dt.date
    recorded_at: dt.datetime
    valid_from: dt.date
    valid_until: dt.date | None  # the last day
    capacity: str
    confirmed: bool  # by the client, once grown up
    withdrawn_at: dt.datetime | None  # as a whole
    withdrawn_provisions: tuple[int, ...]
    replaces: uuid.UUID | None
    provisions: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Prohibition:
    id: uuid.UUID
    scope: dict[str, Any]
    ended: bool


@dataclass(frozen=True)
class World:
    case: uuid.UUID
    client: uuid.UUID
    case_state: str | None  # what is recorded: closing, closed, in-transfer, archived
    adult_on: dt.date
    deceased_on: dt.date | None
    agencies: tuple[Agency, ...]
    document_types: dict[str, dt.datetime]  # code: when it was added to the catalogue
    members: tuple[Member, ...]
    documents: tuple[Document, ...]
    consents: tuple[Consent, ...]
    prohibitions: tuple[Prohibition, ...]


@dataclass(frozen=True)
class Ask:
    agency: str
    unit: str | None
    role: str
    professional: str
    purpose: str
    document: uuid.UUID
    now: dt.datetime
    action: str = "read"


@dataclass(frozen=True)
class Decision:
    decision: str
    basis: str | None  # of a permit
    consent: uuid.UUID | None  # what decided: the permit, or the provision that denied
    provision: int | None
    reasons: frozenset[str]  # against; none in a permit
