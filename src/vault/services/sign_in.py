"""Signing in: from the choice of a provider to a session, by way of the provider and back (OpenID Connect Core 1.0 §3.1).

Between the two requests nothing is kept here: what must be remembered travels in a short sealed cookie of its own name, so
that it is bound to the browser, and two tabs do not disturb each other.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from vault.errors import InvalidInput, KeyUnopenable, SignInRefused
from vault.model import TokenSecret
from vault.ports import Keyring
from vault.rules.catalogue import require_code
from vault.services.sessions import Identified, Provider, Session, Sessions

PENDING_S = 600
_AFTER = re.compile(r"/(?:[A-Za-z0-9_-][A-Za-z0-9/_-]*)?")
"""Where somebody may be led after signing in: a path of this service, ids in it at most; no query, no other host."""
_STATE = re.compile(r"[A-Za-z0-9_-]{43}")


class Pending(msgspec.Struct, frozen=True):
    """A sign-in under way. ``renews``: the person is signed in already, and must be identified anew."""

    provider: str
    state: str
    nonce: str
    verifier: str
    language: str
    after: str
    renews: bool
    started_at: int


class Begun(msgspec.Struct, frozen=True):
    """Where the browser goes now, and the cookie that it takes along."""

    url: str
    cookie_name: str
    cookie_value: str


class IdentityProviders(Protocol):
    """Speaks with the providers. Raises Unavailable when one does not answer in time, SignInRefused for what it says."""

    async def begin(self, provider: Provider, pending: Pending) -> str:
        """The address at the provider that identifies the person and comes back."""
        ...

    async def complete(self, provider: Provider, pending: Pending, answer: Mapping[str, str]) -> Identified:
        """Whom the provider has identified, everything verified: issuer, audience, signature, nonce, time, level."""
        ...

    async def leave(self, provider: Provider, back: str) -> str | None:
        """Where the person signs out of the provider too; None where it offers that nowhere."""
        ...


class SignIn:
    """Begins and completes sign-ins. ``clock`` gives seconds since 1970."""

    def __init__(
        self, sessions: Sessions, providers: IdentityProviders, keyring: Keyring, clock: Callable[[], float] = time.time
    ) -> None:
        self._sessions = sessions
        self._providers = providers
        self._keyring = keyring
        self._clock = clock

    async def begin(self, provider: str, language: str, after: str = "/", *, renews: bool = False) -> Begun:
        """Send somebody to a provider. Raises: SignInRefused when it is not in use, Unavailable, InvalidInput."""
        require_code("language", language, "language")
        found = await self._provider(provider)
        pending = Pending(
            provider=provider, state=_random(), nonce=_random(), verifier=_random(), language=language, after=safe_after(after),
            renews=renews, started_at=int(self._clock()),
        )  # fmt: skip
        url = await self._providers.begin(found, pending)
        name = cookie_name(pending.state)
        sealed = self._keyring.seal_own(f"sign-in.pending|{name}", msgspec.json.encode(pending))
        return Begun(url, name, base64.urlsafe_b64encode(sealed).decode())

    async def complete(
        self, provider: str, cookies: Mapping[str, str], answer: Mapping[str, str], before: TokenSecret | None
    ) -> tuple[Session, str]:
        """The session, and where it goes on. ``cookies`` by the names that :meth:`begin` gave; the session before ends.

        Raises: SignInRefused for every answer that is not the one to a sign-in begun in this very browser.
        """
        pending = self._pending(cookies, answer)
        if pending.provider != provider:
            raise _elsewhere()
        found = await self._provider(provider)
        who = await self._providers.complete(found, pending, answer)
        try:
            begin = self._sessions.begin if found.kind == "client" else self._sessions.begin_staff
            session = await begin(who, pending.language)
        except InvalidInput as wrong:
            raise SignInRefused(
                "the provider gave a personal identity code that cannot be read", code="identity-malformed"
            ) from wrong
        if before is not None:
            await self._sessions.end(before)
        return session, pending.after

    async def leave(self, provider: str, back: str) -> str | None:
        """Where to sign out of the provider too. None when there is no such place, or it cannot be had."""
        found = next((one for one in await self._sessions.providers() if one.id == provider), None)
        return None if found is None else await self._providers.leave(found, back)

    async def _provider(self, provider: str) -> Provider:
        for one in await self._sessions.providers():
            if one.id == provider:
                return one
        raise SignInRefused("this way of signing in is not in use", code="unknown-provider")

    def _pending(self, cookies: Mapping[str, str], answer: Mapping[str, str]) -> Pending:
        state = answer.get("state", "")
        name = cookie_name(state)
        try:
            sealed = base64.b64decode(cookies.get(name, ""), altchars=b"-_", validate=True)
            opened = self._keyring.open_own(f"sign-in.pending|{name}", sealed)
        except (KeyUnopenable, binascii.Error, ValueError):
            raise _elsewhere() from None
        pending = msgspec.json.decode(opened, type=Pending)
        if not hmac.compare_digest(pending.state.encode(), state.encode()):
            raise _elsewhere()
        if not 0 <= self._clock() - pending.started_at <= PENDING_S:
            raise SignInRefused("the sign-in took too long; begin it again", code="sign-in-expired")
        return pending


def cookie_name(state: str) -> str:
    """The cookie of one sign-in under way: named after its state, which a link from elsewhere does not know."""
    return "vault-sign-in-" + hashlib.sha256(state.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def safe_after(path: str) -> str:
    """The path, if it is one of this service's own; else the beginning."""
    return path if len(path) <= 200 and _AFTER.fullmatch(path) else "/"


def _random() -> str:
    return secrets.token_urlsafe(32)


def _elsewhere() -> SignInRefused:
    return SignInRefused(
        "this sign-in was not begun in this browser, was used already, or took too long; begin it again",
        code="sign-in-elsewhere",
    )
