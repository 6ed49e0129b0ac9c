"""A person's export where they cannot sign in: made, fetched and handed over by a records officer on the person's own request.

The ground is that request, and the door looks at it again at every step: it runs, it is about this person, and it says how
they were identified. Source: promise P9; design.md §3.3 (controller's duty), §7; domain.md §9; GDPR Art. 12, 15.
"""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from vault.errors import InvalidInput
from vault.model import Act, TokenSecret
from vault.ports import Done, Door, Keyring
from vault.rules.days import parse_day
from vault.rules.requests import HANDED_HOW
from vault.services.authorities import AuthorityView, authority_view
from vault.services.exports import ExportView, Made, Outlook, export_view, outlook_of


class DeskOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order at the desk. ``authority``: it is for who acts for the client, and covers no more than their authority."""

    without_large: bool = False
    authority: uuid.UUID | None = None


class HandOver(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How and on which day a package was handed over, and how its receiver was identified (rules.requests.HANDED_HOW)."""

    how: str
    on: str
    identified_how: str


class LeftOut(msgspec.Struct, frozen=True):
    """A paper that a package does not hold, and how it stands now for whoever gets that package."""

    document: uuid.UUID
    how: str


class DeskExport(msgspec.Struct, frozen=True):
    """An export of a request. ``package`` tells of it also when it is gone; ``outdated`` that a paper in it has closed since.

    ``rest`` is what is still to come: papers that wait, and those that were opened to the person after it was made;
    ``withheld`` what is withheld in whole or in part. Both name only what whoever gets the package may know of.
    """

    export: ExportView
    package: Made | None
    outdated: bool
    authority: uuid.UUID | None = None
    rest: list[LeftOut] = []
    withheld: list[LeftOut] = []


class Handing(msgspec.Struct, frozen=True):
    """The exports of one request, the newest first, and what one of this moment would hold.

    ``fault`` is why none may be made or handed out now, as the code of a conflict; ``authorities`` are those for whose
    holders one may be made.
    """

    exports: list[DeskExport]
    outlook: Outlook
    authorities: list[AuthorityView]
    fault: str | None = None


class HandingDesk:
    """The acts of a records officer; ``door`` decides each, and the client sees each in their log."""

    def __init__(self, door: Door, keyring: Keyring) -> None:
        self._door, self._keyring = door, keyring

    async def look(self, secret: TokenSecret, request: uuid.UUID) -> tuple[Handing, str]:
        """How it stands. Raises: Hidden for a request of another kind, or that another agency answers."""
        listed = await self._door.ask(secret, Act.LIST, about={"target": "request-exports", "request": request})
        items = msgspec.convert(listed.facts["items"], list[dict[str, Any]])
        authorities = msgspec.convert(listed.facts["authorities"], list[dict[str, Any]])
        fault = listed.facts["fault"]
        handing = Handing(
            exports=[_desk_export(item) for item in reversed(items)],
            outlook=outlook_of(listed.facts),
            authorities=[authority_view(self._keyring, listed, item) for item in authorities],
            fault=None if fault is None else str(fault),
        )
        return handing, self._door.promise(listed.entry, listed.leaf, listed.at)

    async def order(
        self, secret: TokenSecret, export: uuid.UUID, request: uuid.UUID, new: DeskOrder
    ) -> tuple[ExportView, str]:
        """Order an export for the person whose request this is, in that request's language.

        While one is under way, that one is the answer. Raises: Hidden; Conflict (``request-state``, ``not-identified``,
        ``identified-too-weakly``, ``client-deceased``, ``fee-not-accepted``); InvalidInput for an authority that gives
        nothing here.
        """
        done = await self._door.act("export_order_for", secret, export, request, new.authority, new.without_large)
        return export_view(done.facts), done.promise

    async def hand_over(self, secret: TokenSecret, export: uuid.UUID, handed: HandOver) -> Done:
        """Record the hand-over: it answers the request, and the package is not kept any longer.

        The facts name ``rest``, a request that goes on where papers are still to come. Raises: Hidden; InvalidInput that names the
        field; Conflict (``export-not-fetched``, ``export-changed``, ``authority-ended`` and those of an order).
        """
        if handed.how not in HANDED_HOW:
            raise InvalidInput("one of: " + ", ".join(HANDED_HOW), field="how", code="unknown-code")
        if handed.identified_how not in HANDED_HOW[handed.how]:
            allowed = ", ".join(sorted(HANDED_HOW[handed.how]))
            raise InvalidInput(f"handed over so, one of: {allowed}", field="identified_how", code="unknown-code")
        day = parse_day(handed.on, "on")
        return await self._door.act("export_hand_over", secret, export, handed.how, day, handed.identified_how)

    async def remove(self, secret: TokenSecret, export: uuid.UUID) -> Done:
        """Remove a package that is not handed over: its key is destroyed at once. Raises: Hidden, Conflict."""
        return await self._door.act("export_remove", secret, export)


def _desk_export(item: dict[str, Any]) -> DeskExport:
    package = msgspec.convert(item["package"], Made) if item["package"] else None
    authority = uuid.UUID(item["authority"]) if item["authority"] else None
    rest, withheld = (msgspec.convert(item[name], list[LeftOut]) for name in ("rest", "withheld"))
    return DeskExport(export_view(item), package, bool(item["outdated"]), authority, rest, withheld)
