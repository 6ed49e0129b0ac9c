"""What the authorization server asks of the database: applications, recorded tokens, what was used before.

Who asks is read from the database: an access token is good only because it was recorded here, by a role of its own, with
the digest of the assertion that the agency signed.
"""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any, Literal, Protocol

import msgspec

from vault.model import ActorKind, AgencySlug

Jwk = dict[str, Any]
"""A JSON Web Key (RFC 7517) as parsed JSON."""

BurnKind = Literal["assertion", "dpop"]
"""Whose ``jti`` is burnt: an assertion's (one namespace for grants and client assertions) or a DPoP proof's."""


class ApplicationRecord(msgspec.Struct, frozen=True):
    """One registered application: its public keys stand here, or are fetched from ``jwks_url``.

    ``suspended`` is true while the application or its agency is suspended.
    """

    client_id: str
    agency: AgencySlug
    dpop_required: bool = False
    suspended: bool = False
    keys: tuple[Jwk, ...] = ()
    jwks_url: str | None = None


class NewToken(msgspec.Struct, frozen=True):
    """One access token about to be handed out, and the proof that the agency asked for it.

    ``secret_sha256`` is SHA-256 over the 32 bytes of the token's ``jti``. ``kind`` is professional or system; a system's
    token has no sub, role, unit, purpose or name. ``assertion_digest`` is SHA-256 over the compact assertion, which is
    sealed under :func:`assertion_context`; the name is sealed under :func:`name_context`. ``issuer_jti_digest`` is burnt
    in the replay table until ``assertion_expires_at``. ``jkt`` is the thumbprint of the DPoP key (RFC 7638).
    """

    secret_sha256: bytes
    kind: ActorKind
    client_id: str
    sub: str | None
    role: str | None
    unit: str | None
    purpose: str | None
    assertion_digest: bytes
    sealed_assertion: bytes
    sealed_name: bytes | None
    issuer_jti_digest: bytes
    assertion_expires_at: dt.datetime
    expires_at: dt.datetime
    jkt: str | None


class RecordOutcome(StrEnum):
    """What became of a token that was to be recorded; everything but ``recorded`` records nothing."""

    RECORDED = "recorded"
    REPLAYED = "replayed"
    UNKNOWN_PROFESSIONAL = "unknown-professional"
    ROLE_NOT_REGISTERED = "role-not-registered"
    UNIT_NOT_REGISTERED = "unit-not-registered"
    SUSPENDED = "suspended"
    UNKNOWN_APPLICATION = "unknown-application"


def assertion_context(digest: bytes) -> str:
    """The sealing context of an assertion kept under its digest."""
    return f"assertion|{digest.hex()}"


def name_context(agency: str, sub: str) -> str:
    """The sealing context of a professional's name as their agency gave it."""
    return f"professional.name|{agency}/{sub}"


class TokenRegister(Protocol):
    """Holds applications and recorded tokens. Raises DatabaseUnavailable when it does not answer in time."""

    async def application(self, client_id: str) -> ApplicationRecord | None:
        """The application of that id, suspended or not; None when there is none."""
        ...

    async def record(self, token: NewToken) -> RecordOutcome:
        """Burn the assertion's ``jti`` and record the token, both or neither, in one transaction.

        Order: the token works only after this returned RECORDED and committed. Two calls with the same
        ``issuer_jti_digest`` record once, also when they run at the same time on two replicas.
        """
        ...

    async def revoke(self, secret_sha256: bytes, client_id: str) -> None:
        """End the token at once if that application holds it; a token of another, or none, is no error."""
        ...

    async def burn(self, kind: BurnKind, digest: bytes, expires_at: dt.datetime) -> bool:
        """Remember a digest until ``expires_at``; False when it was remembered already. Atomic, across replicas.

        The kind ``assertion`` shares its namespace with the ``issuer_jti_digest`` of :meth:`record`.
        """
        ...


class RemoteKeys(Protocol):
    """Fetches the public keys of applications that publish them."""

    async def keys(self, url: str, kid: str | None) -> tuple[Jwk, ...]:
        """The key set at ``url``; may be minutes old unless it lacks ``kid``. Empty when it cannot be had."""
        ...
