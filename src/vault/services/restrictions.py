"""Restrictions of processing in force: which they are, the notice before one ends, and its end.

What grants one is the answer to a request for it (services/desk.py). One public function is one act: asked at the door, logged,
done in one transaction. Source: GDPR Art. 18(3), 19; design.md §3.3.
"""

from __future__ import annotations

import uuid

import msgspec

from vault.model import Act, TokenSecret
from vault.ports import Done, Door, Keyring
from vault.rules.days import helsinki_day, parse_day
from vault.services.cases import Page
from vault.services.desk import DeskRequest, open_client, require_text
from vault.services.request_views import Opener, request_view
from vault.services.requests import items_of

MOST = 200


class Restrictions:
    """What a records officer does with a restriction after it was granted; ``door`` decides each act."""

    def __init__(self, door: Door, keyring: Keyring) -> None:
        self._door = door
        self._keyring = keyring

    async def in_force(self, secret: TokenSecret) -> Page[DeskRequest]:
        """Restrictions that bind now, the oldest first, at most 200: each a DeskRequest with its restriction."""
        listed = await self._door.ask(secret, Act.LIST, about={"target": "restrictions", "limit": MOST})
        items = []
        for item in items_of(listed):
            opener = Opener(self._keyring, listed, item["client"], item["language"])
            found = opener.restriction(str(item["id"]), item["restriction"])
            view = msgspec.structs.replace(request_view(item, helsinki_day(listed.at)), restriction=found)
            items.append(DeskRequest(view, open_client(self._keyring, listed, item["client"], item)))
        return Page(items=items, next=None, promise=self._door.promise(listed.entry, listed.leaf, listed.at))

    async def tell(self, secret: TokenSecret, request: uuid.UUID, ends_from: str, text: str) -> Done:
        """Tell the person that the restriction will end and why; told anew, the newer day counts.

        Raises: InvalidInput (``ends_from``) for a day before a week has passed; Conflict when it has ended.
        """
        day = parse_day(ends_from, "ends_from")
        listed = await self._door.ask(secret, Act.LIST, about={"target": "request", "request": request})
        [item] = items_of(listed)
        told = require_text("text", text).encode()
        sealed = self._keyring.seal(listed, f"register:{item['client']}", f"restriction.notice|{request}", told)
        return await self._door.act("restriction_notice", secret, request, day, sealed)

    async def end(self, secret: TokenSecret, request: uuid.UUID) -> Done:
        """End a restriction; what consents permit is permitted again. Raises: Conflict before the day that was told."""
        return await self._door.act("restriction_end", secret, request)
