"""Fetches the key sets of applications that publish theirs (RFC 7517 §5).

Not trusted beyond its application: who can change a key set can sign as that application and as nobody else. The address
is one that an operator registered; a caller can at most make us fetch it, and that only now and then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import httpx
import msgspec

from vault.oauth.fetching import FAILED, fetch_object
from vault.services.tokens import Jwk

FRESH_S = 300
AGAIN_S = 30  # at the soonest: an unknown kid from a stranger must not become a stream of requests
TIMEOUT_S = 3.0
MOST_KEYS = 20


class _Kept(msgspec.Struct, frozen=True):
    keys: tuple[Jwk, ...]
    at: float
    is_whole: bool  # False: the last fetch failed, these are the keys from before


class HttpRemoteKeys:
    """RemoteKeys over HTTPS, without redirects, with a small memory per address."""

    def __init__(self, http: httpx.AsyncClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._http = http
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def keys(self, url: str, kid: str | None) -> tuple[Jwk, ...]:
        """The keys at ``url``: from memory while fresh, fetched anew when ``kid`` is not among them."""
        async with self._locks.setdefault(url, asyncio.Lock()):
            kept = self._kept.get(url)
            if kept is None or self._is_due(kept, kid):
                kept = await self._renew(url, kept)
                self._kept[url] = kept
        return kept.keys

    def _is_due(self, kept: _Kept, kid: str | None) -> bool:
        age = self._clock() - kept.at
        lacks = not kept.is_whole or (kid is not None and all(key.get("kid") != kid for key in kept.keys))
        return age >= FRESH_S or (lacks and age >= AGAIN_S)

    async def _renew(self, url: str, before: _Kept | None) -> _Kept:
        """Fetch; when that fails, the keys from before stay for one more period, then they are gone."""
        try:
            return _Kept(await self._fetch(url), self._clock(), is_whole=True)
        except FAILED:
            keeps = before is not None and before.is_whole
            return _Kept(before.keys if before and keeps else (), self._clock(), is_whole=False)

    async def _fetch(self, url: str) -> tuple[Jwk, ...]:
        status, answer = await fetch_object(self._http, url, timeout_s=TIMEOUT_S)
        found = answer.get("keys")
        if status != 200 or not isinstance(found, list) or len(found) > MOST_KEYS:
            raise ValueError("not a key set")
        return tuple(key for key in found if isinstance(key, dict))
