"""Idempotency keys: the same request again does its act under the same id, decided anew, and is answered again.

What is kept: SHA-256 of the key, a keyed digest of the request, one id, for 24 hours, per application.
Source: design.md §4; the header of draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import hashlib
import uuid

from vault.errors import InvalidInput
from vault.model import TokenSecret
from vault.ports import Door, Keyring
from vault.services.ids import new_id

LONGEST_KEY = 255


class Idempotency:
    """Gives each act its id."""

    def __init__(self, door: Door, keyring: Keyring) -> None:
        self._door = door
        self._keyring = keyring

    async def id_for(self, secret: TokenSecret, key: str | None, method: str, path: str, body: bytes) -> uuid.UUID:
        """A fresh id, or the one that this key stood for before.

        Raises: InvalidInput for a malformed key (400), or one that stood for another request (422).
        """
        proposed = new_id()
        if key is None:
            return proposed
        if not 0 < len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
            detail = f"a key has 1 to {LONGEST_KEY} printable ASCII characters"
            raise InvalidInput(detail, field="Idempotency-Key", code="invalid-idempotency-key", status=400)
        request = f"{method} {path}\n".encode() + hashlib.sha256(body).digest()
        mac = self._keyring.own_mac("idempotency", request)
        return await self._door.reserve(secret, hashlib.sha256(key.encode()).digest(), mac, proposed)
