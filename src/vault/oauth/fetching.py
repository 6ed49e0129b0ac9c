"""Fetching JSON from a server that somebody else runs: bounded in time and size, without redirects, TLS only."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any
from urllib.parse import urlsplit

import httpx

from vault.oauth.jose import parse_object

TIMEOUT_S = 5.0
LIMIT_BYTES = 65536
FAILED = (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError)
"""Everything that a fetch can end with when the other side does not do its part."""


def is_trusted_transport(url: str) -> bool:
    """https; plain http only to this machine itself, where nobody listens between."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    try:
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.scheme == "http" and parts.hostname == "localhost"


async def fetch_object(
    http: httpx.AsyncClient, url: str, *, form: str | None = None, timeout_s: float = TIMEOUT_S
) -> tuple[int, dict[str, Any]]:
    """Status and JSON object of one answer; with ``form`` (already encoded) it is a POST.

    Raises: one of FAILED. Units: ``timeout_s`` bounds the whole exchange. An answer that is packed is refused: a few
    kilobytes would unpack to more than memory holds.
    """
    if not is_trusted_transport(url):
        raise ValueError("fetched over TLS only")
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    if form is not None:
        headers["content-type"] = "application/x-www-form-urlencoded"
    body = bytearray()
    async with (
        asyncio.timeout(timeout_s),
        http.stream(
            "GET" if form is None else "POST", url, content=form, headers=headers, follow_redirects=False
        ) as answer,
    ):
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise ValueError("the answer is packed")
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > LIMIT_BYTES:
                raise ValueError("the answer is too long")
    return answer.status_code, parse_object(bytes(body))
