"""What the signed-in client is shown of their own: the structs that pages render and the routes below /v1/me answer with.

Codes stay codes (names for people are in ``rules/catalogue.py`` and ``rules/reasons.py``); an organisation comes with its
names in three languages. Organisations, units, roles and purposes are shown, no professional's name (design.md §7).
Source: design.md §3.3, §4; domain.md §7, §9.
"""

from __future__ import annotations

import datetime as dt
import uuid

import msgspec

from vault.model import CaseId, ClientId, ConsentId, DocumentId, EntryId

Names = dict[str, str]
"""An organisation's name by language, ``{"fi": …, "sv": …, "en": …}``; Finnish is always there."""


class Party(msgspec.Struct, frozen=True):
    """An organisation, and a unit of it where that is meant."""

    agency: str
    name: Names
    unit: str | None = None
    unit_name: Names | None = None


# ---------------------------------------------------------------- me and my cases


class MySelf(msgspec.Struct, frozen=True):
    """What is registered about the client; ``kept`` is False for a person of whom nothing is kept.

    ``address_protected`` is turvakielto; the vault keeps nobody's address. ``lapsed`` counts consents that a guardian
    signed and that wait for the client's own confirmation after the 18th birthday.
    """

    kept: bool
    paused: bool
    client: ClientId | None = None
    name: str | None = None
    born: str | None = None
    personal_identity_code: str | None = None
    language: str | None = None
    interpreter: str | None = None
    address_protected: bool = False
    is_adult: bool = True
    died_on: str | None = None
    registered_at: str | None = None
    cases: int = 0
    lapsed: int = 0


class MyMember(msgspec.Struct, frozen=True):
    """An organisation's place in a case, from its first to its last day, both included; ``now`` is whether it holds today."""

    party: Party
    role: str
    now: bool
    from_: str = msgspec.field(name="from")
    until: str | None = None
    ended_at: str | None = None


class Archived(msgspec.Struct, frozen=True):
    """Where a case went: who answers for it now. ``retention_ends`` is the last day of its keeping there."""

    archive: str
    name: Names
    transfer: uuid.UUID
    archived_on: str
    contact: Names | None = None
    retention_ends: str | None = None


class Leaving(msgspec.Struct, frozen=True):
    """Where a closed case goes. ``readable_until`` is the last day on which it is surely readable here; None: it may leave any moment."""

    archive: str
    name: Names
    transfer: uuid.UUID
    readable_until: str | None = None
    contact: Names | None = None


class CaseGiven(msgspec.Struct, frozen=True):
    """What was said of the client when the case was opened; it may differ from what is registered."""

    name: str
    born: str
    personal_identity_code: str | None = None


class CaseChange(msgspec.Struct, frozen=True):
    """A step of a case (``opened``, ``closing``, ``closed``, ``in-transfer``, ``archived``) and when it was recorded."""

    state: str
    at: str


class MyCase(msgspec.Struct, frozen=True):
    """One case: where it stands, who answers for it, who takes part.

    ``contacts`` are the coordinators of today: organisation and role. ``given`` is None once the case is archived: its key
    is destroyed, and with it what the vault held. ``documents`` counts those that are filed, ``waiting`` those among them
    that somebody must check first; ``consents`` those that are in force.
    """

    id: CaseId
    process: str
    state: str
    paused: bool
    controller: Party
    language: str
    interpreter: str | None
    opened_at: str
    contacts: list[MyMember]
    members: list[MyMember]
    history: list[CaseChange]
    documents: int
    waiting: int
    consents: int
    references: dict[str, str] = {}
    """Each organisation's own reference, by its id."""
    holds: int = 0
    given: CaseGiven | None = None
    archived: Archived | None = None
    leaving: Leaving | None = None


# ---------------------------------------------------------------- my documents


class Withheld(msgspec.Struct, frozen=True):
    """Why the client does not get something: the provision of law, and the reason unless telling it would defeat it."""

    provision: str
    reason: str | None = None


class MyDocument(msgspec.Struct, frozen=True):
    """One paper. ``state`` says what the client can do with it:

    ``open``: read it. ``waiting``: somebody must check it first, answered at the latest on ``answered_by``
    (``requested``: somebody has asked; otherwise it is the day if they ask today). ``withheld``:
    not given, see ``withheld``. ``pages-withheld``: read ``copy`` (None while it is made), ``withheld`` says why.
    ``archived``: at the archive that ``MyCase.archived`` names. ``title`` and ``filename`` are None unless it is open.
    ``retracted`` is told of a paper that was filed by mistake: it opens to nobody but the client. ``signed_form`` is a
    consent's own form. ``sha256`` is hex, of the content as filed.
    """

    id: DocumentId
    case: CaseId
    type: str
    state: str
    media_type: str
    language: str
    dated: str
    filed_by: Party
    source: Party
    series: uuid.UUID
    protected_classes: list[str]
    original: bool
    retracted: bool
    signed_form: bool
    registered_at: str
    filed_at: str
    size: int
    title: str | None = None
    filename: str | None = None
    sha256: str | None = None
    attachment_of: DocumentId | None = None
    replaces: DocumentId | None = None
    valid_until: str | None = None
    answered_by: str | None = None
    requested: bool = False
    withheld: Withheld | None = None
    copy: DocumentId | None = None


# ---------------------------------------------------------------- my consents and prohibitions


class ScopeParty(msgspec.Struct, frozen=True):
    """One recipient or source of a clause: ``any`` organisation that was known when it was recorded, or the one named.

    ``one_person`` is set where the clause names one professional of the organisation, whose name is not shown.
    """

    any: bool = False
    party: Party | None = None
    role: str | None = None
    one_person: bool = False


class ScopeDocument(msgspec.Struct, frozen=True):
    """Which documents a clause covers: ``any``, a type, or one document by its id and its type."""

    any: bool = False
    type: str | None = None
    document: DocumentId | None = None


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Who, what, what for. None in a deny means everybody, everything."""

    recipients: list[ScopeParty] | None = None
    sources: list[ScopeParty] | None = None
    documents: list[ScopeDocument] | None = None
    actions: list[str] | None = None
    purposes: list[str] | None = None
    dated_from: str | None = None
    dated_until: str | None = None
    protected_classes: list[str] | None = None


class MyClause(Scope, frozen=True, kw_only=True):
    """One clause of a consent, numbered as on the form. ``faults`` are the reasons why it is not in force."""

    number: int
    effect: str
    future_documents: bool
    in_force: bool
    faults: list[str]
    withdrawn_at: str | None = None


class ConsentEvent(msgspec.Struct, frozen=True):
    """What happened to a consent: ``recorded``, ``withdrawn`` (clauses, or all when None), ``superseded`` (by ``consent``),
    ``confirmed``. ``by`` is the organisation that recorded it, None for the client or a representative.
    """

    what: str
    at: str
    by: Party | None = None
    actor: str | None = None
    provisions: list[int] | None = None
    given_at: str | None = None
    reason: str | None = None
    consent: ConsentId | None = None


class MyConsent(msgspec.Struct, frozen=True):
    """One written consent with its clauses and its history. ``form`` is the signed form, a document of the client's.

    ``faults`` are those that every clause has (expired, superseded, withdrawn as a whole); ``can_confirm``: a guardian
    signed it, the client is of age now, and it lapses until the client confirms it.
    """

    id: ConsentId
    case: CaseId
    process: str
    form: DocumentId
    form_sha256: str
    signed_on: str
    signed_by: str
    capacity: str
    authority: str | None
    verified_how: str
    language: str
    valid_from: str
    valid_until: str | None
    replaces: ConsentId | None
    replaced_by: ConsentId | None
    recorded_at: str
    in_force: bool
    faults: list[str]
    can_confirm: bool
    provisions: list[MyClause]
    history: list[ConsentEvent]


class MyProhibition(Scope, frozen=True, kw_only=True):
    """A standing deny. ``case`` is None for all cases; ``pause`` marks the one press that denies everything.

    ``request`` is the granted request for restriction that it comes from: a records officer ends that one, on the day
    ``ends_from`` or after it, which the client was told before.
    """

    id: uuid.UUID
    case: CaseId | None
    pause: bool
    recorded_at: str
    in_force: bool
    ended_at: str | None = None
    request: uuid.UUID | None = None
    ends_from: str | None = None


# ---------------------------------------------------------------- who can open my papers now


class MyWay(msgspec.Struct, frozen=True):
    """What one clause (or own filing) opens to one reader now.

    ``basis`` is ``consent`` (with the clause) or ``own-document`` (what it filed itself; ``purposes`` is then empty: any).
    ``until`` is the last day on which it holds, None until further notice. ``types`` counts the documents by type;
    ``protected_classes`` are those that these documents hold, empty for ordinary ones.
    """

    basis: str
    purposes: list[str]
    types: dict[str, int]
    protected_classes: list[str]
    documents: list[DocumentId]
    consent: ConsentId | None = None
    provision: int | None = None
    until: str | None = None


class MyReader(msgspec.Struct, frozen=True):
    """An organisation's professionals in these roles, in one case: what they could open this moment.

    No roles: any of its professionals (what it filed itself). With a unit, only that unit's professionals; a unit that
    stands in no reader of its own can do what its organisation can, and one that stands here without ways can do nothing.
    ``one_person``: one professional whom a clause names.
    ``protected`` holds what is specially protected (mental health and its like), apart from the rest in ``ways``.
    """

    case: CaseId
    party: Party
    roles: list[str]
    ways: list[MyWay]
    protected: list[MyWay]
    one_person: bool = False


class MyCaseMember(MyMember, frozen=True, kw_only=True):
    """A member, and of which case."""

    case: CaseId


class MyReaders(msgspec.Struct, frozen=True):
    """Who can open the client's papers now, as the door would decide at ``at``.

    ``closed`` are members of today who can open nothing. While ``paused``, only what an organisation filed itself is left.
    ``papers`` counts all the client's papers; it is what every reader's share is of. ``restrictions`` bind on the client's own
    request for restriction of processing.
    """

    at: str
    paused: bool
    readers: list[MyReader]
    closed: list[MyCaseMember]
    papers: int
    promise: str
    restrictions: list[MyProhibition] = []


class Acted(msgspec.Struct, frozen=True):
    """An act that was done: the id of what it made or ended, its log entry and the promise of it."""

    id: uuid.UUID
    at: dt.datetime
    entry: EntryId
    promise: str
