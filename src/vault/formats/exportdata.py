"""What an export says as data of the client, their cases, papers and consents; what was done stands in exportacts.py.

Codes are those of the vault's catalogue; beside most of them stands a name in the export's language. Times are RFC 3339 in
UTC, days ``YYYY-MM-DD``. No professional is named, and nobody's address stands anywhere.

Source: docs/spec/export.md §3.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

FORMAT = "consent-vault-export/1"

How = Literal["open", "waiting", "withheld", "pages-withheld", "misfiled", "archived", "large", "damaged"]


class Party(msgspec.Struct, frozen=True):
    """An organisation, and a unit of it where that is meant; ``name`` is in the export's language."""

    agency: str
    name: str
    unit: str | None = None
    unit_name: str | None = None


class Step(msgspec.Struct, frozen=True):
    """Something reached a state at that time."""

    state: str
    at: str
    reason: str | None = None


class Given(msgspec.Struct, frozen=True):
    """What was said of the client when a case was opened."""

    name: str
    born: str
    personal_identity_code: str | None = None


class Registered(msgspec.Struct, frozen=True):
    """What is, or was, registered of a person from ``recorded_at`` on."""

    name: str
    born: str
    personal_identity_code: str | None
    language: str
    interpreter: str | None
    address_protected: bool
    recorded_at: str


class Person(Registered, frozen=True):
    """What is registered about the client. The vault keeps no address, protected (turvakielto) or not.

    ``codes`` and ``identities`` say when a personal identity code, or a way to sign in without one, was tied to the client;
    of each the vault keeps a keyed digest.
    """

    id: str
    registered_at: str
    died_on: str | None
    earlier: list[Registered]
    codes: list[str]
    identities: list[str]


class Member(msgspec.Struct, frozen=True):
    """An organisation's place in a case, from its first to its last day."""

    party: Party
    role: str
    role_name: str
    from_: str = msgspec.field(name="from")
    until: str | None = None
    ended_at: str | None = None


class SignOff(msgspec.Struct, frozen=True):
    """An organisation's word that a case is done; the reason is gone with an archived case's key."""

    party: Party
    at: str
    reason: str | None = None
    final_assessment: str | None = None


class Hold(msgspec.Struct, frozen=True):
    """A case was kept where it is from then on."""

    recorded_at: str
    ended_at: str | None = None
    reason: str | None = None


class Transfer(msgspec.Struct, frozen=True):
    """A closed case on its way to an archive, or there: ask the archive, by the transfer's id."""

    id: str
    archive: str
    archive_name: str
    state: str
    history: list[Step]


class Retention(msgspec.Struct, frozen=True):
    """How long a case's papers are kept, from which event, by which provision; ``ends`` is known once it is closed."""

    years: int
    rule: str
    starts: str
    source: str
    ends: str | None = None


class Case(msgspec.Struct, frozen=True):
    """One case. ``given`` is missing once it is archived."""

    id: str
    process: str
    process_name: str
    state: str
    controller: Party
    language: str
    interpreter: str | None
    opened_at: str
    closed_at: str | None
    retention: Retention
    given: Given | None
    references: dict[str, str]
    members: list[Member]
    history: list[Step]
    sign_offs: list[SignOff]
    holds: list[Hold]
    transfers: list[Transfer]


class Withheld(msgspec.Struct, frozen=True):
    """Why a paper, or pages of it, are not given; the reason is missing where telling it would defeat the restriction.

    ``law`` is the provision in the words of the export's language.
    """

    provision: str
    law: str
    reason: str | None = None
    pages: list[int] | None = None


class Readers(msgspec.Struct, frozen=True):
    """Who opened a paper: organisation, role and purpose, on which basis, first and last, how many times."""

    party: Party
    role: str | None
    purpose: str | None
    basis: str | None
    first: str
    last: str
    times: int
    consent: str | None = None
    provision: int | None = None


class Paper(msgspec.Struct, frozen=True):
    """One paper and what this export does with it.

    ``how``: ``open``: it is here, as ``file``, with ``sha256`` of its bytes. ``waiting``: somebody must look at it first,
    answered by the day ``answered_by``. ``withheld``, ``pages-withheld``: see ``withheld``; ``copy`` is the paper that is here
    instead. ``misfiled``: another person's, filed here by mistake. ``archived``: at the archive that the case's transfer names.
    ``large``: left out because you ordered without large papers. ``damaged``: what is stored cannot be read; it is looked into.
    ``marks``: when it was retracted, checked, or said to be another person's.
    """

    id: str
    case: str
    how: How
    type: str
    type_name: str
    language: str
    dated: str
    filed_by: Party
    source: Party
    filed_at: str
    registered_at: str
    series: str
    media_type: str
    size: int
    protected_classes: list[str]
    third_persons: bool
    check_before_client: bool
    original: bool
    retracted: bool
    signed_form: bool
    marks: list[Step]
    read_by: list[Readers]
    title: str | None = None
    filename: str | None = None
    file: str | None = None
    sha256: str | None = None
    attachment_of: str | None = None
    replaces: str | None = None
    valid_until: str | None = None
    answered_by: str | None = None
    withheld: Withheld | None = None
    copy: str | None = None
    copy_of: str | None = None


class Provision(msgspec.Struct, frozen=True):
    """One clause, numbered as on the form; a list that is null in a deny means everything."""

    number: int
    effect: str
    recipients: list[dict[str, Any]] | None
    sources: list[dict[str, Any]] | None
    documents: list[dict[str, Any]] | None
    actions: list[str] | None
    purposes: list[str] | None
    dated: dict[str, str] | None
    protected_classes: list[str] | None
    future_documents: bool
    withdrawn_at: str | None


class Withdrawal(msgspec.Struct, frozen=True):
    """Of the whole consent when ``provisions`` is null. ``recorded_by`` is null for the client's own act."""

    id: str
    given_at: str
    recorded_at: str
    provisions: list[int] | None = None
    reason: str | None = None
    recorded_by: str | None = None


class Consent(msgspec.Struct, frozen=True):
    """One written consent: the form is the paper ``form``; ``faults`` say why it is not in force, if it is not."""

    id: str
    case: str
    form: str
    form_sha256: str
    signed_on: str
    signed_by: str
    capacity: str
    authority: str | None
    verified_how: str
    language: str
    valid_from: str
    valid_until: str | None
    recorded_at: str
    replaces: str | None
    replaced_by: str | None
    confirmed_at: str | None
    faults: list[str]
    provisions: list[Provision]
    withdrawals: list[Withdrawal]


class Prohibition(msgspec.Struct, frozen=True):
    """A standing deny of the client's; null lists mean everybody, everything. ``pause``: the one press that denies all.

    ``request``: the processing is restricted, as that request asked; a records officer ends it, after telling the client.
    """

    id: str
    case: str | None
    pause: bool
    recorded_at: str
    ended_at: str | None
    recipients: list[dict[str, Any]] | None
    sources: list[dict[str, Any]] | None
    documents: list[dict[str, Any]] | None
    actions: list[str] | None
    purposes: list[str] | None
    dated_from: str | None
    dated_until: str | None
    protected_classes: list[str] | None
    request: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """What this export is: for when, how whole, what the client has a right to and where to turn.

    ``authority``: for a representative, and covering no more than that authority does; ``in_all`` is false when it covers
    one case only. ``desk``: made by that organisation's records officer on ``request``, and covering what it answers for.
    """

    format: str
    export: str
    language: str
    as_of: str
    received: str
    due: str
    kept: bool
    partial: bool
    without_large: bool
    authority: str | None
    in_all: bool
    counts: dict[str, int]
    purposes: dict[str, str]
    controllers: list[Party]
    rights: list[str]
    ombudsman: str
    log_entries_without_proof: int
    desk: Party | None = None
    request: str | None = None
