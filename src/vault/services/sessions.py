"""Sessions of people in a browser: begun after a provider has identified them, read at every request, ended at once.

Who asks is read from the database: a session is a recorded token like an application's, recorded by the tokens role alone;
the cookie holds 32 random bytes, the database their SHA-256. Nobody is found by a code that stands anywhere: a *visitor*,
whom a provider has just identified, asks the door for the lookup key, and is exchanged for the session.

Source: design.md §3.1; FI 306/2019 §6 (strong identification); FI 703/2023 §8.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import uuid
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from vault.errors import InvariantViolated, SessionEnded, SignInRefused
from vault.model import Act, ActorKind, ClientId, TokenSecret
from vault.ports import Door, Keyring
from vault.rules.catalogue import require_code
from vault.rules.identity_code import parse_identity_code
from vault.services.tokens import assertion_context

SECRET_SIZE = 32
PURPOSE = "rehabilitation-planning"
"""What a professional signs in for when neither the provider nor its registration says otherwise."""


class SessionTimes(msgspec.Struct, frozen=True):
    """Seconds after which a session ends: unused, and at the latest; staff work a day, a client an hour."""

    idle_s: int = 900
    client_s: int = 3600
    staff_s: int = 8 * 3600


class Provider(msgspec.Struct, frozen=True):
    """A registered OpenID provider. ``about`` holds its names, the accepted ``acr`` values and how its claims are called."""

    id: str
    kind: str
    issuer: str
    client_id: str
    agency: str | None = None
    agency_name: dict[str, str] | None = None
    about: dict[str, Any] = {}


class Identified(msgspec.Struct, frozen=True):
    """Whom a provider has just identified. ``assertion`` is what it signed, kept sealed; ``code`` is None for eIDAS."""

    provider: str
    issuer: str
    subject: str
    assertion: bytes
    identified_at: dt.datetime
    acr: str | None = None
    code: str | None = None
    role: str | None = None
    unit: str | None = None
    purpose: str | None = None

    def __repr__(self) -> str:
        """Tell nothing: a code must never reach a log line by way of a repr."""
        return "Identified(...)"


class Session(msgspec.Struct, frozen=True):
    """Who is at the browser. ``client`` is the person it is about; None when nothing is kept about them.

    For a representative, ``authority`` is what they act under and ``client`` for whom. ``identified_at`` is when the provider
    last identified the person: what needs renewed identification compares it with now. ``seen_at`` is this request, by the
    database's clock.
    """

    secret: TokenSecret
    actor: ActorKind
    provider: str
    language: str
    identified_at: dt.datetime
    seen_at: dt.datetime
    idle_ends_at: dt.datetime
    ends_at: dt.datetime
    acr: str | None = None
    client: ClientId | None = None
    authority: uuid.UUID | None = None
    agency: str | None = None
    unit: str | None = None
    application: str | None = None
    subject: str | None = None
    role: str | None = None
    purpose: str | None = None

    @property
    def left_s(self) -> int:
        """Whole seconds until it ends unless it is used."""
        return max(0, int((self.idle_ends_at - self.seen_at).total_seconds()))

    @property
    def is_last(self) -> bool:
        """Whether using it puts its end off no further: the person is identified anew then."""
        return self.idle_ends_at >= self.ends_at

    def __repr__(self) -> str:
        """The secret must never reach a log line."""
        return f"Session({self.actor}, ...)"


class Outcome(StrEnum):
    """What became of a session that was to be recorded; everything but ``recorded`` records nothing."""

    RECORDED = "recorded"
    UNKNOWN_PROVIDER = "unknown-provider"
    REPLAYED = "replayed"
    NO_VISITOR = "no-visitor"
    UNKNOWN_PROFESSIONAL = "unknown-professional"
    ROLE_NOT_REGISTERED = "role-not-registered"
    ROLE_NEEDED = "role-needed"
    NO_AUTHORITY = "no-authority"
    NO_SESSION = "no-session"


REFUSALS: dict[Outcome, str] = {
    Outcome.UNKNOWN_PROVIDER: "this way of signing in is not in use",
    Outcome.REPLAYED: "this identification was used before; sign in again",
    Outcome.NO_VISITOR: "the identification took too long; sign in again",
    Outcome.UNKNOWN_PROFESSIONAL: "your agency has not registered you here; ask it to",
    Outcome.ROLE_NOT_REGISTERED: "your agency has not registered this role for you here; ask it to",
    Outcome.ROLE_NEEDED: "you have several roles here; your agency's sign-in must say in which one you come",
    Outcome.NO_AUTHORITY: "you cannot act for this person",
}


class SessionRegister(Protocol):
    """Holds sessions. Raises DatabaseUnavailable when it does not answer in time; secrets are given as SHA-256."""

    async def providers(self) -> tuple[Provider, ...]:
        """The providers in force, by id."""
        ...

    async def visit(self, visitor: bytes, provider: str, digest: bytes, sealed: bytes) -> Outcome:
        """Keep what the provider signed, once, and record a visitor, who has a minute."""
        ...

    async def begin_client(
        self,
        visitor: bytes,
        session: bytes,
        provider: str,
        code_mac: bytes | None,
        identity_mac: bytes,
        about: dict[str, Any],
    ) -> Outcome:
        """End the visitor and record the session of whom these keyed digests find, or of nobody known."""
        ...

    async def begin_staff(
        self, session: bytes, who: Identified, digest: bytes, sealed: bytes, identity_mac: bytes, about: dict[str, Any]
    ) -> Outcome:
        """Record a professional's session, as their agency registered them."""
        ...

    async def touch(self, session: bytes) -> dict[str, Any] | None:
        """Who the session speaks for, its idle end moved; None when it has ended or never was."""
        ...

    async def end(self, session: bytes) -> None:
        """End it at once, with all that runs under it; one that has ended is no error."""
        ...

    async def set_language(self, session: bytes, language: str) -> bool: ...

    async def act_for(self, session: bytes, new: bytes, authority: uuid.UUID | None) -> Outcome:
        """Put a session under the authority (None: for oneself) in the place of the old one, which ends."""
        ...


class Sessions:
    """Begins, reads and ends sessions."""

    def __init__(self, register: SessionRegister, door: Door, keyring: Keyring, times: SessionTimes) -> None:
        self._register = register
        self._door = door
        self._keyring = keyring
        self._times = times

    async def providers(self) -> tuple[Provider, ...]:
        """Where people can sign in."""
        return await self._register.providers()

    async def begin(self, who: Identified, language: str) -> Session:
        """The session of a person whom a client's provider identified strongly. Raises: SignInRefused, InvalidInput.

        Order: (1) what was signed is kept and a visitor recorded; (2) the visitor asks the door for the lookup key;
        (3) the visitor is exchanged for the session. If we stop between them, nobody is signed in.
        """
        code = None if who.code is None else parse_identity_code(who.code).code
        visitor, secret = _new_secret(), _new_secret()
        digest, sealed = self._kept(who)
        _require(await self._register.visit(_sha256(visitor), who.provider, digest, sealed))
        found = await self._door.ask(visitor, Act.FIND, about={"target": "client"})
        outcome = await self._register.begin_client(
            _sha256(visitor),
            _sha256(secret),
            who.provider,
            None if code is None else self._keyring.lookup(found, "code", code),
            self._keyring.lookup(found, "identity", identity_text(who.issuer, who.subject)),
            self._about(who, language, self._times.client_s),
        )
        _require(outcome)
        return await self.read(secret)

    async def begin_staff(self, who: Identified, language: str) -> Session:
        """The session of a professional whom their agency's provider identified. Raises: SignInRefused."""
        secret = _new_secret()
        digest, sealed = self._kept(who)
        identity = self._keyring.own_mac("sign-in.identity", identity_text(who.issuer, who.subject).encode())
        about = self._about(who, language, self._times.staff_s)
        _require(await self._register.begin_staff(_sha256(secret), who, digest, sealed, identity, about))
        return await self.read(secret)

    async def read(self, secret: TokenSecret) -> Session:
        """Who is at the browser, decided anew for each request. Raises: SessionEnded."""
        found = await self._register.touch(_sha256(secret)) if len(secret) == SECRET_SIZE else None
        if found is None:
            raise SessionEnded("you are not signed in, or your session has ended; sign in again")
        return msgspec.convert({"secret": secret} | found, Session)

    async def end(self, secret: TokenSecret) -> None:
        """Sign out."""
        await self._register.end(_sha256(secret))

    async def set_language(self, session: Session, language: str) -> None:
        """Speak this language with the person until the session ends. Raises: InvalidInput, SessionEnded."""
        require_code("language", language, "language")
        if not await self._register.set_language(_sha256(session.secret), language):
            raise SessionEnded("your session has ended; sign in again")

    async def act_for(self, session: Session, authority: uuid.UUID | None) -> Session:
        """Act for another, or (None) for oneself again: the person's own choice, and a session with a new secret.

        Raises: SignInRefused when there is no such authority for this person, or it is not in force.
        """
        new = _new_secret()
        outcome = await self._register.act_for(_sha256(session.secret), _sha256(new), authority)
        if outcome is Outcome.NO_SESSION:
            raise SessionEnded("your session has ended; sign in again")
        _require(outcome)
        return await self.read(new)

    def _kept(self, who: Identified) -> tuple[bytes, bytes]:
        digest = _sha256(who.assertion)
        return digest, self._keyring.seal_own(assertion_context(digest), who.assertion)

    def _about(self, who: Identified, language: str, lasts_s: int) -> dict[str, Any]:
        return {
            "acr": who.acr,
            "language": language,
            "idle_s": self._times.idle_s,
            "lasts_s": lasts_s,
            "identified_at": who.identified_at.isoformat(),
        }


def identity_text(issuer: str, subject: str) -> str:
    """How a person without a personal identity code is known: the provider, and its opaque name for them."""
    return f"{issuer} {subject}"


def _new_secret() -> TokenSecret:
    return TokenSecret(secrets.token_bytes(SECRET_SIZE))


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _require(outcome: Outcome) -> None:
    if outcome is Outcome.NO_SESSION:
        raise InvariantViolated("a session that was just made has none before it")
    if outcome is not Outcome.RECORDED:
        raise SignInRefused(REFUSALS[outcome], code=str(outcome))
