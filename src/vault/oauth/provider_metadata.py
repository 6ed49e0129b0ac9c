"""What a provider says of itself, fetched when first needed, kept an hour, and its keys (OpenID Connect Discovery 1.0).

Not trusted beyond its issuer: the document must name the very issuer that the operator registered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import httpx
import msgspec

from vault.errors import Unavailable
from vault.oauth.fetching import FAILED, fetch_object, is_trusted_transport

FRESH_S = 3600
STALE_S = 24 * 3600
"""How long a provider that cannot be reached is known by what it said before."""
AGAIN_S = 10


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of the document that we use."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str | None = None
    authorization_response_iss_parameter_supported: bool = False


class _Kept(msgspec.Struct, frozen=True):
    metadata: Metadata
    at: float


class ProviderMetadata:
    """A small memory of discovery documents."""

    def __init__(self, http: httpx.AsyncClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._http = http
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._failed: dict[str, float] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def of(self, issuer: str) -> Metadata:
        """The provider's metadata. Raises: Unavailable when it cannot be had in time, or is not this issuer's."""
        async with self._locks.setdefault(issuer, asyncio.Lock()):
            kept, now = self._kept.get(issuer), self._clock()
            if kept is not None and now - kept.at < FRESH_S:
                return kept.metadata
            failed = self._failed.get(issuer)
            if failed is None or now - failed >= AGAIN_S:
                try:
                    kept = _Kept(await self._fetch(issuer), now)
                    self._kept[issuer] = kept
                    self._failed.pop(issuer, None)
                    return kept.metadata
                except FAILED:
                    self._failed[issuer] = now
            if kept is None or now - kept.at > STALE_S:
                raise Unavailable("the identification service cannot be reached; try again in a moment")
            return kept.metadata

    async def _fetch(self, issuer: str) -> Metadata:
        status, found = await fetch_object(self._http, issuer.rstrip("/") + "/.well-known/openid-configuration")
        if status != 200:
            raise ValueError("the discovery document was not given")
        metadata = msgspec.convert(found, Metadata)
        endpoints = (
            metadata.authorization_endpoint,
            metadata.token_endpoint,
            metadata.jwks_uri,
            metadata.end_session_endpoint or issuer,
        )
        # Discovery 1.0 §4.3: the issuer must be exactly the one that was asked, or another could speak for it.
        if metadata.issuer != issuer or not all(map(is_trusted_transport, endpoints)):
            raise ValueError("the discovery document is another issuer's")
        return metadata
