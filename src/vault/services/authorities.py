"""Authorities: who may act for a client, in what, and since when; recorded, chosen, ended, barred. Each act is logged.

Nothing here is decided by the service: the door asks for the authority anew at every act of a representative.
Source: design.md §2 (representative), §3.3; FI 703/2023 §49-51.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from typing import Any

import msgspec

from vault.errors import InvalidInput
from vault.model import Act, CaseId, Clearance, TokenSecret
from vault.ports import Done, Door, Keyring
from vault.rules.catalogue import require_code
from vault.rules.days import parse_day
from vault.rules.identity_code import parse_identity_code
from vault.services.cases import Page, page_of, unbase64

KINDS = ("guardian", "continuing-power", "authorised")
SCOPES = ("see", "act")
MOST = 200


class Representative(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who acts: known by their personal identity code when they sign in, shown to the client by their name."""

    name: str
    personal_identity_code: str


class NewAuthority(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An authority to be recorded. ``case`` None: all of the client's cases; days are inclusive, from today when missing.

    ``shown`` says which document was shown; a client who gives an authority shows none.
    """

    representative: Representative
    scope: str
    kind: str = "authorised"
    case: uuid.UUID | None = None
    protected_classes: list[str] = []
    from_: str | None = msgspec.field(default=None, name="from")
    until: str | None = None
    shown: str | None = None


class AuthorityView(msgspec.Struct, frozen=True):
    """An authority as the client, and who keeps it, sees it: the representative's name, never their code."""

    id: uuid.UUID
    kind: str
    scope: str
    representative: str
    protected_classes: list[str]
    given_by_client: bool
    in_force: bool
    barred: bool
    recorded_at: str
    from_: str = msgspec.field(name="from")
    case: uuid.UUID | None = None
    until: str | None = None
    ended_at: str | None = None
    shown: str | None = None


class Mandate(msgspec.Struct, frozen=True):
    """An authority as its holder sees it: for whom they may act, and in what."""

    authority: uuid.UUID
    client_name: str
    kind: str
    scope: str
    protected_classes: list[str]
    case: uuid.UUID | None = None
    until: str | None = None


class _About(msgspec.Struct, frozen=True):
    """What is sealed under the register key."""

    name: str
    shown: str | None = None


class _Named(msgspec.Struct, frozen=True):
    name: str


class Authorities:
    """The acts on authorities; ``door`` decides each."""

    def __init__(self, door: Door, keyring: Keyring) -> None:
        self._door = door
        self._keyring = keyring

    async def given(
        self, secret: TokenSecret, *, after: uuid.UUID | None = None, limit: int = MOST
    ) -> Page[AuthorityView]:
        """Who may act for the client whose session asks, ended ones too."""
        return self._page(await self._list(secret, "my-authorities", after=after, limit=limit))

    async def of_case(
        self, secret: TokenSecret, case: CaseId, *, after: uuid.UUID | None = None, limit: int = MOST
    ) -> Page[AuthorityView]:
        """Who may act for a case's client: for its coordinator, and a records officer of its controller."""
        return self._page(await self._list(secret, "authorities", case=case, after=after, limit=limit))

    async def mandates(self, secret: TokenSecret) -> list[Mandate]:
        """For whom the person who signed in may act now, to choose from."""
        listed = await self._list(secret, "my-mandates", after=None, limit=MOST)
        return [self._mandate(listed, item) for item in _items(listed)]

    async def record(
        self, secret: TokenSecret, authority: uuid.UUID, new: NewAuthority, *, shown_in: CaseId | None = None
    ) -> tuple[AuthorityView, str]:
        """Record an authority under a new id. ``shown_in``: the case whose coordinator or controller was shown it; the
        client's own session gives one without. Raises: InvalidInput, Hidden, Forbidden, Conflict.
        """
        about = _checked(new, by_client=shown_in is None)
        target = "my-authority-register" if shown_in is None else "authority-register"
        listed = await self._door.ask(secret, Act.LIST, case=shown_in, about={"target": target})
        client = _items(listed)[0]["client"]
        sealed = self._keyring.seal(
            listed,
            f"register:{client}",
            f"authority.about|{authority}",
            msgspec.json.encode(_About(name=about["name"], shown=new.shown)),
        )
        mac = self._keyring.lookup(listed, "code", about["code"])
        facts = {
            "kind": new.kind,
            "scope": new.scope,
            "classes": new.protected_classes,
            "from": new.from_,
            "until": new.until,
        }
        done = await self._door.act("authority_record", secret, authority, new.case, shown_in, facts, mac, sealed)
        view = AuthorityView(
            id=authority, kind=new.kind, scope=new.scope, representative=about["name"], protected_classes=new.protected_classes,
            given_by_client=shown_in is None, in_force=True, barred=False, recorded_at=done.at.isoformat(), from_=done.facts["from"],
            case=new.case, until=new.until, shown=new.shown,
        )  # fmt: skip
        return view, done.promise

    async def end(self, secret: TokenSecret, authority: uuid.UUID) -> Done:
        """End it; the representative's sessions end with it."""
        return await self._door.act("authority_end", secret, authority)

    async def bar(self, secret: TokenSecret, authority: uuid.UUID, *, barred: bool) -> Done:
        """A minor keeps a guardian out, or lets them in again."""
        return await self._door.act("authority_bar", secret, authority, barred)

    async def offer_identity(self, secret: TokenSecret) -> str:
        """A code that a person without a personal identity code gives to a coordinator, who was shown their papers."""
        code = "".join(secrets.choice("ABCDEFGHJKLMNPQRSTUVWXYZ23456789") for _ in range(12))
        await self._door.act("identity_offer", secret, _code_sha256(code))
        return f"{code[:4]}-{code[4:8]}-{code[8:]}"

    async def link_identity(self, secret: TokenSecret, case: CaseId, code: str) -> Done:
        """The person who was given this code is the client of this case. Raises: InvalidInput when nobody was."""
        return await self._door.act("identity_link", secret, case, _code_sha256(code))

    async def _list(
        self, secret: TokenSecret, target: str, *, case: CaseId | None = None, after: uuid.UUID | None, limit: int
    ) -> Clearance:
        return await self._door.ask(
            secret, Act.LIST, case=case, about={"target": target, "after": after, "limit": limit}
        )

    def _page(self, listed: Clearance) -> Page[AuthorityView]:
        views = [authority_view(self._keyring, listed, item) for item in _items(listed)]
        return page_of(views, listed.facts, self._door.promise(listed.entry, listed.leaf, listed.at))

    def _mandate(self, listed: Clearance, item: dict[str, Any]) -> Mandate:
        client = item["client"]
        opened = self._keyring.open(
            listed, f"register:{client}", f"client.about|{client}", unbase64(item["client_about"])
        )
        name = msgspec.json.decode(opened, type=_Named).name
        return msgspec.convert(item | {"authority": item["id"], "client_name": name}, Mandate)


def authority_view(keyring: Keyring, listed: Clearance, item: dict[str, Any]) -> AuthorityView:
    """One authority as the door listed it, under its client's register key."""
    context = f"authority.about|{item['id']}"
    opened = keyring.open(listed, f"register:{item['client']}", context, unbase64(item["about"]))
    about = msgspec.json.decode(opened, type=_About)
    return msgspec.convert(item | {"representative": about.name, "shown": about.shown}, AuthorityView)


def _items(listed: Clearance) -> list[dict[str, Any]]:
    return msgspec.convert(listed.facts["items"], list[dict[str, Any]])


def _code_sha256(code: str) -> bytes:
    return hashlib.sha256(code.replace("-", "").replace(" ", "").upper().encode()).digest()


def _checked(new: NewAuthority, *, by_client: bool) -> dict[str, str]:
    """The representative's name and code. Raises: InvalidInput naming the field."""
    name = " ".join(new.representative.name.split())
    if not 0 < len(name) <= 200:
        raise InvalidInput("a name has 1 to 200 characters", field="representative.name")
    if new.kind not in KINDS:
        raise InvalidInput("a kind is guardian, continuing-power or authorised", field="kind", code="unknown-code")
    if new.scope not in SCOPES:
        raise InvalidInput("a scope is see or act", field="scope", code="unknown-code")
    for place, one in enumerate(new.protected_classes):
        require_code("protected-class", one, f"protected_classes[{place}]")
    first = parse_day(new.from_, "from") if new.from_ is not None else None
    last = parse_day(new.until, "until") if new.until is not None else None
    if first and last and last < first:
        raise InvalidInput("until is before from", field="until", code="invalid-day")
    if not by_client and not (new.shown and new.shown.strip() and len(new.shown) <= 1000):
        raise InvalidInput("say which document was shown, in 1 to 1000 characters", field="shown", code="missing-field")
    try:
        code = parse_identity_code(new.representative.personal_identity_code).code
    except InvalidInput as wrong:
        raise InvalidInput(wrong.detail, field="representative.personal_identity_code", code=wrong.narrow) from None
    return {"name": name, "code": code}
