"""Sessions for tests that begin where the sign-in has ended: recorded by the service's own code over the test's database."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx

from tests.support.service import Service, run
from vault.demo.sign_in import CLIENTS, ISSUER, STAFF
from vault.services.sessions import Identified, Session, Sessions
from vault.settings import load_settings
from vault.web.session import encode_secret
from vault.wiring import build

T = TypeVar("T")


def with_sessions(service: Service, work: Callable[[Sessions], Awaitable[T]]) -> T:
    """Do something with the service's sessions, in this process."""

    async def working() -> T:
        parts = build(load_settings(service.environment()))
        try:
            return await work(parts.sessions)
        finally:
            await parts.close()

    return run(working())


def identified(
    subject: str, *, code: str | None = None, role: str | None = None, provider: str | None = None
) -> Identified:
    """Somebody whom the demo's provider has identified now; ``subject`` is a professional's id when a role is given."""
    return Identified(
        provider=provider or (CLIENTS if role is None else STAFF), issuer=ISSUER, subject=subject, assertion=secrets.token_bytes(32),
        identified_at=dt.datetime.now(dt.UTC), acr="urn:vault:demo", code=code, role=role,
    )  # fmt: skip


def client_session(
    service: Service, code: str | None = None, subject: str = "somebody", language: str = "fi"
) -> Session:
    """A client's session: found by their code, or by the provider's name for them."""
    return with_sessions(service, lambda sessions: sessions.begin(identified(subject, code=code), language))


def staff_session(service: Service, subject: str, role: str, language: str = "fi") -> Session:
    """A session of a professional of the controller."""
    return with_sessions(service, lambda sessions: sessions.begin_staff(identified(subject, role=role), language))


def browser(service: Service, session: Session | None = None) -> httpx.Client:
    """A plain HTTP client with the session's cookie; it follows no redirect."""
    client = httpx.Client(base_url=service.url, timeout=60, trust_env=False)
    if session is not None:
        client.cookies.set("vault", encode_secret(session.secret), domain="127.0.0.1", path="/")
    return client
