"""A person's own requests: names from the log, its older entries, corrections, restrictions, explanations, checks of what waits.

One public function is one act: asked at the door, logged, done in one transaction.
Source: GDPR Art. 12, 15, 16, 18; FI 703/2023 § 11; design.md §3.3.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import msgspec

from vault.errors import InvalidInput
from vault.model import Act, Clearance, TokenSecret
from vault.ports import Done, Door, Keyring
from vault.rules.days import helsinki_day, parse_day
from vault.rules.requests import GROUNDS, RequestKind
from vault.services.cases import Page, page_of
from vault.services.request_views import Asked, Opener, RequestView, request_view

MAX_TEXT = 4000


class NewRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked for. ``entry`` is the log entry that an explanation is asked for; days are those of the log, both included.

    ``special_reason`` is asked of who asks for entries older than two years (FI 703/2023 § 11), ``text`` of who asks for a
    correction, ``ground`` (one of the four of GDPR Art. 18(1)) of who asks for restriction.
    """

    kind: str
    case: uuid.UUID | None = None
    document: uuid.UUID | None = None
    entry: uuid.UUID | None = None
    text: str = ""
    special_reason: str = ""
    ground: str | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    until: str | None = None


class Requested(msgspec.Struct, frozen=True):
    """The request that was made, or the running one that asks for the same; ``due_on`` is the last day for its answer."""

    id: uuid.UUID
    due_on: str
    promise: str


def check_request(new: NewRequest) -> dict[str, object]:
    """The request's days as the database takes them. Raises: InvalidInput that names the field."""
    kinds = [str(kind) for kind in RequestKind]
    if new.kind not in kinds:
        raise InvalidInput("one of: " + ", ".join(kinds), field="kind", code="unknown-kind")
    for field, text in (("text", new.text), ("special_reason", new.special_reason)):
        if len(text) > MAX_TEXT:
            raise InvalidInput(f"at most {MAX_TEXT} characters", field=field)
    if new.kind == RequestKind.LOG_OLDER and not new.special_reason.strip():
        detail = "entries older than two years are given only for a special reason; say what yours is"
        raise InvalidInput(detail, field="special_reason", code="missing-field")
    if new.kind in (RequestKind.CORRECTION, RequestKind.FEEDBACK) and not new.text.strip():
        raise InvalidInput("say what is wrong and what is right", field="text", code="missing-field")
    if (new.kind == RequestKind.RESTRICTION) != (new.ground is not None) or new.ground not in (None, *GROUNDS):
        raise InvalidInput(
            "a restriction, and nothing else, has one of: " + ", ".join(GROUNDS), field="ground", code="unknown-ground"
        )
    if (new.kind == RequestKind.EXPLANATION) != (new.entry is not None) and new.kind != RequestKind.LOG_NAMES:
        raise InvalidInput("an explanation is asked for one entry of the log", field="entry", code="missing-field")
    days = {name: parse_day(day, name).isoformat() for name, day in (("from", new.from_), ("until", new.until)) if day}
    if days.get("until", "9999") < days.get("from", ""):
        raise InvalidInput("the last day is before the first", field="until", code="invalid-day")
    return days | {"ground": new.ground}


class Requests:
    """A client's own requests; ``door`` decides each act."""

    def __init__(self, door: Door, keyring: Keyring) -> None:
        self._door = door
        self._keyring = keyring

    async def make(self, secret: TokenSecret, request: uuid.UUID, new: NewRequest, language: str = "fi") -> Requested:
        """Make a request under this id; one that runs already and asks for the same is answered instead.

        Raises: InvalidInput that names the field; Hidden when nothing is kept about the person.
        """
        days = check_request(new)
        listed = await self._door.ask(secret, Act.LIST, about={"target": "my-requests", "limit": 1})
        sealed = seal_asked(self._keyring, listed, str(listed.facts["client"]), request, new)
        return await put_request(self._door, secret, request, None, new, days | {"language": language}, sealed)

    async def list_mine(
        self, secret: TokenSecret, *, after: uuid.UUID | None = None, limit: int = 50
    ) -> Page[RequestView]:
        """The person's requests, by id: what was asked, how it stands, until when."""
        listed = await self._door.ask(secret, Act.LIST, about={"target": "my-requests", "after": after, "limit": limit})
        today = helsinki_day(listed.at)
        views = [request_view(item, today) for item in items_of(listed)]
        return page_of(views, listed.facts, self._door.promise(listed.entry, listed.leaf, listed.at))

    async def get_mine(self, secret: TokenSecret, request: uuid.UUID) -> tuple[RequestView, str]:
        """One request with its texts, its written decisions, and who looked at what for it."""
        listed = await self._door.ask(secret, Act.LIST, about={"target": "my-request", "request": request})
        [item] = items_of(listed)
        opener = Opener(self._keyring, listed, item["client"], item["language"])
        view = request_view(item, helsinki_day(listed.at), opener)
        return view, self._door.promise(listed.entry, listed.leaf, listed.at)

    async def answer_fee(self, secret: TokenSecret, request: uuid.UUID, *, accepted: bool) -> Done:
        """Accept a fee that was told beforehand, or do not; said once."""
        return await self._door.act("fee_answer", secret, request, accepted)


def items_of(listed: Clearance) -> list[dict[str, Any]]:
    """What a list holds, as the door gave it."""
    return msgspec.convert(listed.facts["items"], list[dict[str, Any]])


def seal_asked(keyring: Keyring, listed: Clearance, client: str, request: uuid.UUID, new: NewRequest) -> bytes:
    """The person's own words, sealed under the client's register key."""
    asked = msgspec.json.encode(Asked(text=new.text.strip(), special_reason=new.special_reason.strip()))
    return keyring.seal(listed, f"register:{client}", f"request.text|{request}", asked)


async def put_request(
    door: Door,
    secret: TokenSecret,
    request: uuid.UUID,
    client: uuid.UUID | None,
    new: NewRequest,
    about: dict[str, object],
    sealed: bytes,
) -> Requested:
    """Write a request; of the same kind and about the same, one runs at a time."""
    done = await door.act(
        "request_make", secret, request, new.kind, client, new.case, new.document, new.entry, about, sealed
    )
    return Requested(id=uuid.UUID(str(done.facts["id"])), due_on=str(done.facts["due_on"]), promise=done.promise)


def today() -> dt.date:
    """Today in Finland."""
    return helsinki_day(dt.datetime.now(dt.UTC))
