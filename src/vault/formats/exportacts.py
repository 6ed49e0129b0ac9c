"""What an export says as data of what was done: openings, notices, requests, authorities, earlier exports.

Source: docs/spec/export.md §3.
"""

from __future__ import annotations

from typing import Any

import msgspec

from vault.formats.exportdata import Party, Step


class Notice(msgspec.Struct, frozen=True):
    """What an organisation was told (of a withdrawal, say), and when it took note."""

    party: Party
    kind: str
    case: str
    recorded_at: str
    consent: str | None = None
    document: str | None = None
    acknowledged_at: str | None = None


class Difference(msgspec.Struct, frozen=True):
    """Given facts that differed from the registered ones: which fields, when; and whether they were taken over (``taken``) or not."""

    case: str
    fields: list[str]
    recorded_at: str
    outcome: str | None = None
    decided_at: str | None = None


class Answered(msgspec.Struct, frozen=True):
    """A step of a request: the day by which it is answered, what was answered, and the provision of a refusal."""

    state: str
    at: str
    due_on: str
    text: str | None = None
    provision: str | None = None
    reason: str | None = None
    decided_by_role: str | None = None


class Look(msgspec.Struct, frozen=True):
    """A records officer looked at a paper to answer a request, and why."""

    document: str
    at: str
    reason: str


class Decided(msgspec.Struct, frozen=True):
    """What was decided of giving you one paper; ``copy`` is the paper that you get instead, without ``pages``."""

    document: str
    how: str
    at: str
    pages: list[int] | None = None
    copy: str | None = None
    provision: str | None = None
    reason: str | None = None
    decided_by_role: str | None = None


class Named(msgspec.Struct, frozen=True):
    """A professional whose name an answer told you."""

    name: str
    party: Party
    roles: list[str]


class Fee(msgspec.Struct, frozen=True):
    """What would be charged, told beforehand; ``accepted`` is null until you said yes or no."""

    cents: int
    at: str
    reason: str
    accepted: bool | None = None


class AtArchive(msgspec.Struct, frozen=True):
    """The same was asked of an archive for a case that is there; ``outcome``: given, refused or not-found."""

    case: str
    transfer: str
    archive: str
    archive_name: str
    received_on: str
    due_on: str
    outcome: str | None = None
    answered_on: str | None = None


class Restricted(msgspec.Struct, frozen=True):
    """Processing that was restricted; ``papers`` is null for all papers of the cases. From the day ``ends_from`` it may end."""

    since: str
    ended_at: str | None
    cases: list[str]
    papers: list[str] | None
    told_at: str | None = None
    ends_from: str | None = None
    told: str | None = None


class Asked(msgspec.Struct, frozen=True):
    """Something you asked for that has a clock: a check of what waits, names, older entries, a correction, an explanation, restriction.

    ``ground`` is the one of GDPR Art. 18(1) that a restriction was asked for on; ``restriction`` what was put into force.
    """

    id: str
    kind: str
    controller: Party
    received_on: str
    received_how: str
    state: str
    due_on: str
    case: str | None
    document: str | None
    entry: str | None
    from_: str | None = msgspec.field(name="from")
    until: str | None
    text: str
    special_reason: str
    steps: list[Answered]
    looks: list[Look]
    decisions: list[Decided]
    names: list[Named]
    at_archive: list[AtArchive]
    fee: Fee | None = None
    ground: str | None = None
    restriction: Restricted | None = None


class Authority(msgspec.Struct, frozen=True):
    """Somebody may act for you, or could: see or act, in one case or all, with the protected classes that were named."""

    id: str
    kind: str
    scope: str
    case: str | None
    representative: str
    shown: str | None
    protected_classes: list[str]
    from_: str = msgspec.field(name="from")
    until: str | None
    given_by_client: bool
    recorded_at: str
    ended_at: str | None
    bars: list[Step]


class Handed(msgspec.Struct, frozen=True):
    """That a records officer handed an export over: how, on which day, and how who received it was identified."""

    how: str
    on: str
    identified_how: str
    at: str


class EarlierExport(msgspec.Struct, frozen=True):
    """An export that was ordered: its states in order; ``request`` is the one on which a records officer ordered it."""

    id: str
    state: str
    ordered_at: str
    history: list[Step]
    delivered_at: str | None = None
    request: str | None = None
    handed: Handed | None = None


class Looked(msgspec.Struct, frozen=True, omit_defaults=True):
    """An opening: the entries of one reader, paper, answer and ten minutes, as one; or one other act.

    ``entries`` name files below ``log/``. ``words`` says in the export's language what the codes mean.
    """

    entry: str
    entries: list[str]
    at: str
    act: str
    actor: str
    last_at: str | None = None
    case: str | None = None
    agency: str | None = None
    organisation: str | None = None
    unit: str | None = None
    role: str | None = None
    purpose: str | None = None
    document: str | None = None
    document_type: str | None = None
    action: str | None = None
    decision: str | None = None
    basis: str | None = None
    consent: str | None = None
    provision: int | None = None
    reasons: list[str] = []
    confirmation: list[str] = []
    outcome: str | None = None
    bytes: int | None = None
    range: str | None = None
    of: str | None = None
    facts: str | None = None
    words: dict[str, Any] = {}
