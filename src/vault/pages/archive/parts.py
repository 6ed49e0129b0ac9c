"""What the archivist's pages share."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from vault.services.cases import Page


async def whole(listing: Callable[[uuid.UUID | None], Awaitable[Page[dict[str, Any]]]]) -> list[dict[str, Any]]:
    """Every item of a list, page by page; ``listing`` gives the page after an id."""
    found: list[dict[str, Any]] = []
    after: uuid.UUID | None = None
    while True:
        page = await listing(after)
        found += page.items
        if page.next is None:
            return found
        after = uuid.UUID(page.next)
