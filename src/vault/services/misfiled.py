"""Papers of the wrong person, papers that cannot be read, and differences in what was said of a person.

Source: design.md §3.3 (misfiled), §4 (a difference never overwrites); GDPR Art. 33 (who had it meanwhile).
"""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from vault.model import Act, Clearance, TokenSecret
from vault.ports import Done, Door, Keyring, ObjectStore
from vault.services.cases import Page, page_of, unbase64
from vault.services.desk import require_one, require_text
from vault.services.mine_views import Party
from vault.services.requests import items_of
from vault.services.tokens import name_context


class Opened(msgspec.Struct, frozen=True):
    """Somebody who lawfully opened a misfiled paper; ``professional`` is their id at their agency."""

    entry: uuid.UUID
    at: str
    actor: str
    agency: str | None = None
    agency_name: dict[str, str] | None = None
    unit: str | None = None
    role: str | None = None
    purpose: str | None = None
    professional: str | None = None
    name: str | None = None
    outcome: str | None = None
    bytes: int | None = None


class Misfiled(msgspec.Struct, frozen=True):
    """A paper that was said to be another person's: its type and days, no title and no content, and who opened it."""

    id: uuid.UUID
    case: uuid.UUID
    type: str
    filed_by: str
    source: str
    dated: str
    registered_at: str
    told_at: str
    opened: list[Opened]
    filed_by_party: Party
    source_party: Party
    process: str
    case_opened_at: str
    decision: str | None = None
    decided_at: str | None = None


class Damaged(msgspec.Struct, frozen=True):
    """A paper that ``exports`` exports had to leave out since what is stored cannot be read, the last time at ``found_at``."""

    id: uuid.UUID
    case: uuid.UUID
    type: str
    filed_by: str
    source: str
    dated: str
    registered_at: str
    found_at: str
    exports: int
    filed_by_party: Party
    source_party: Party
    process: str
    case_opened_at: str


class PersonGiven(msgspec.Struct, frozen=True):
    name: str
    born: str
    personal_identity_code: str | None = None


class Difference(msgspec.Struct, frozen=True):
    """What was said of a person beside what is registered; ``given``, at the case's opening, is None once it is archived.

    ``former`` is what was registered with the code that a change took out of use.
    """

    id: uuid.UUID
    client: uuid.UUID
    case: uuid.UUID
    fields: list[str]
    recorded_at: str
    registered: PersonGiven
    given: PersonGiven | None = None
    former: PersonGiven | None = None


class MisfiledDesk:
    """The acts; ``door`` decides each."""

    def __init__(self, door: Door, keyring: Keyring, store: ObjectStore) -> None:
        self._door = door
        self._keyring = keyring
        self._store = store

    async def list_misfiled(
        self, secret: TokenSecret, *, after: uuid.UUID | None = None, limit: int = 50
    ) -> Page[Misfiled]:
        """The misfiled papers that wait for a decision."""
        about = {"target": "misfiled", "after": after, "limit": limit}
        listed = await self._door.ask(secret, Act.LIST, about=about)
        views = [self._misfiled(item) for item in items_of(listed)]
        return page_of(views, listed.facts, self._promise(listed))

    async def get_misfiled(self, secret: TokenSecret, document: uuid.UUID) -> tuple[Misfiled, str]:
        """One misfiled paper, decided or not, with everybody who opened it."""
        listed = await self._door.ask(secret, Act.LIST, about={"target": "misfiled", "document": document})
        return self._misfiled(items_of(listed)[0]), self._promise(listed)

    async def decide(self, secret: TokenSecret, document: uuid.UUID, decision: str, reason: str) -> Done:
        """``in-place``: it is this person's after all. ``destroyed``: its content is destroyed alone, for good.

        The keys go with the decision, in one transaction; the objects after it, and the sweeper removes what a crash leaves.
        """
        require_one("decision", decision, ("in-place", "destroyed"))
        sealed = self._keyring.seal_own(f"misfiled.reason|{document}", require_text("reason", reason).encode())
        done = await self._door.act("misfiled_decide", secret, document, decision, sealed)
        for name in done.facts["objects"]:
            await self._store.delete(name)
        return done

    async def list_damaged(
        self, secret: TokenSecret, *, after: uuid.UUID | None = None, limit: int = 50
    ) -> Page[Damaged]:
        """The papers that an export could not read, until a later one has read them."""
        listed = await self._door.ask(secret, Act.LIST, about={"target": "damaged", "after": after, "limit": limit})
        views = msgspec.convert(items_of(listed), list[Damaged])
        return page_of(views, listed.facts, self._promise(listed))

    async def list_differences(
        self, secret: TokenSecret, *, after: uuid.UUID | None = None, limit: int = 50
    ) -> Page[Difference]:
        """What was given of people differently from what is registered, and waits for a look."""
        about = {"target": "differences", "after": after, "limit": limit}
        listed = await self._door.ask(secret, Act.LIST, about=about)
        views = [self._difference(listed, item) for item in items_of(listed)]
        return page_of(views, listed.facts, self._promise(listed))

    async def end_difference(self, secret: TokenSecret, difference: uuid.UUID, outcome: str) -> Done:
        """``kept``: what is registered stays; a code that was changed finds nobody any more.

        ``taken``: the given name is registered from now on, the old one is kept, too; a code that was changed by law still finds
        its person, and signs nobody in. Raises: Conflict (``code-differs``, ``birth-day-differs``).
        """
        require_one("outcome", outcome, ("kept", "taken"))
        about = {"target": "differences", "difference": difference}
        listed = await self._door.ask(secret, Act.LIST, about=about)
        found = self._difference(listed, items_of(listed)[0])
        sealed, mac = None, None
        if outcome == "taken" and found.given is not None and found.fields == ["name"]:
            taken = msgspec.structs.replace(found.registered, name=found.given.name)
            client = f"{found.client}"
            sealed = self._keyring.seal(
                listed, f"register:{client}", f"client.about|{client}", msgspec.json.encode(taken)
            )
            lookup = await self._door.ask(secret, Act.FIND, about={"target": "client"})
            mac = self._keyring.lookup(lookup, "name", " ".join(taken.name.casefold().split()))
        return await self._door.act("difference_end", secret, difference, outcome, sealed, mac)

    def _misfiled(self, item: dict[str, Any]) -> Misfiled:
        opened = []
        for row in item["opened"]:
            name = None
            if row["subject"] and row["name"]:
                context = name_context(row["agency"], row["subject"])
                name = self._keyring.open_own(context, unbase64(row["name"])).decode()
            known = {key: row[key] for key in Opened.__struct_fields__ if key in row}
            opened.append(msgspec.convert(known | {"professional": row["subject"], "name": name}, Opened))
        known = {key: item[key] for key in Misfiled.__struct_fields__ if key in item and key != "opened"}
        return msgspec.structs.replace(msgspec.convert(known | {"opened": []}, Misfiled), opened=opened)

    def _difference(self, listed: Clearance, item: dict[str, Any]) -> Difference:
        client, case = item["client"], item["case"]
        context = f"client.about|{client}"
        registered = self._open(listed, f"register:{client}", context, item["registered"]["about"])
        given = (
            None if item["given"] is None else self._open(listed, f"case:{case}", f"case.about|{case}", item["given"])
        )
        return Difference(
            id=uuid.UUID(item["id"]),
            client=uuid.UUID(client),
            case=uuid.UUID(case),
            fields=item["fields"],
            recorded_at=item["recorded_at"],
            registered=registered,
            given=given,
            former=item["former"] and self._open(listed, f"register:{client}", context, item["former"]),
        )

    def _open(self, listed: Clearance, key: str, context: str, sealed: str) -> PersonGiven:
        return msgspec.json.decode(self._keyring.open(listed, key, context, unbase64(sealed)), type=PersonGiven)

    def _promise(self, listed: Clearance) -> str:
        return self._door.promise(listed.entry, listed.leaf, listed.at)
