"""A small world for these tests: an agency's application with keys of every kind, a register in memory, a test client."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import uuid
from typing import Any

from litestar import Litestar
from litestar.testing import TestClient

from tests.support.signing import ED, P256, P384, RSA, SHORT_RSA, PrivateKey, jws, public_jwk
from vault.model import AgencySlug
from vault.oauth.dpop import Nonces
from vault.oauth.routes import oauth_router
from vault.oauth.server import CLIENT_ASSERTION_TYPE, CLIENT_CREDENTIALS, JWT_BEARER, OAuthParts
from vault.oauth.tokens import IssuerKeys
from vault.services.tokens import ApplicationRecord, BurnKind, NewToken, RecordOutcome

NOW = 1_790_000_000
ISSUER = "https://vault.example"
CLIENT_ID = "app-kela-1"
PERSON = {"sub": "kela-0042", "name": "Testi Käsittelijä", "role": "insurance-secretary"}
PURPOSE = "rehabilitation-planning"


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good grant assertion; a change to None leaves the claim out."""
    base: dict[str, Any] = {
        "iss": CLIENT_ID, "aud": ISSUER, "iat": NOW, "exp": NOW + 55, "jti": uuid.uuid4().hex, **PERSON, "purpose": PURPOSE,
    }  # fmt: skip
    return {name: value for name, value in (base | changes).items() if value is not None}


def client_claims(**changes: Any) -> dict[str, Any]:
    return claims(**({"sub": CLIENT_ID, "name": None, "role": None, "purpose": None} | changes))


def signed(claims: Any, key: PrivateKey = ED, **header: Any) -> str:
    return jws(key, claims, {"typ": "JWT", "kid": kid_of(key)} | header)


def kid_of(key: PrivateKey) -> str:
    return {id(ED): "ed", id(P256): "ec", id(RSA): "rsa", id(P384): "p384", id(SHORT_RSA): "short"}.get(id(key), "ed")


def nonces_of(secret: bytes, **more: Any) -> Nonces:
    return Nonces(lambda data: hmac.digest(secret, data, "sha256"), **more)


class FakeRegister:
    """The register in memory; ``refuse`` makes ``record`` answer so."""

    def __init__(self) -> None:
        self.applications: dict[str, ApplicationRecord] = {}
        self.tokens: list[NewToken] = []
        self.burnt: set[tuple[str, bytes]] = set()
        self.revoked: list[tuple[bytes, str]] = []
        self.refuse = RecordOutcome.RECORDED

    async def application(self, client_id: str) -> ApplicationRecord | None:
        return self.applications.get(client_id)

    async def record(self, token: NewToken) -> RecordOutcome:
        if self.refuse is not RecordOutcome.RECORDED:
            return self.refuse
        if not await self.burn("assertion", token.issuer_jti_digest, token.assertion_expires_at):
            return RecordOutcome.REPLAYED
        self.tokens.append(token)
        return RecordOutcome.RECORDED

    async def revoke(self, secret_sha256: bytes, client_id: str) -> None:
        self.revoked.append((secret_sha256, client_id))

    async def burn(self, kind: BurnKind, digest: bytes, expires_at: dt.datetime) -> bool:
        assert expires_at.tzinfo is not None
        if (kind, digest) in self.burnt:
            return False
        self.burnt.add((kind, digest))
        return True


class FakeKeyring:
    """Only what the authorization server uses of a keyring; "seals" by noting context and plaintext."""

    def __init__(self) -> None:
        self.sealed: dict[str, bytes] = {}

    def seal_own(self, context: str, plaintext: bytes) -> bytes:
        self.sealed[context] = plaintext
        return b"sealed:" + hashlib.sha256(context.encode() + plaintext).digest()


class World:
    """One issuer with one application, seen through HTTP; the clock stands at NOW unless moved."""

    def __init__(self, *, dpop_required: bool = False, nonces: bool = False) -> None:
        self.now: float = NOW
        self.register, self.keyring = FakeRegister(), FakeKeyring()
        self.add(CLIENT_ID, dpop_required=dpop_required)
        self.parts = OAuthParts(
            issuer=ISSUER,
            keys=IssuerKeys.parse(IssuerKeys.generate()),
            register=self.register,
            keyring=self.keyring,  # type: ignore[arg-type]
            purposes=frozenset({PURPOSE, "care"}),
            nonces=nonces_of(b"n") if nonces else None,
            clock=lambda: self.now,
        )
        self.http = TestClient(
            Litestar([oauth_router(self.parts)], openapi_config=None, logging_config=None), raise_server_exceptions=True
        )

    def add(self, client_id: str, **more: Any) -> None:
        keys = tuple(public_jwk(key, kid=kid_of(key)) for key in (ED, P256, RSA, P384, SHORT_RSA))
        about: dict[str, Any] = {"client_id": client_id, "agency": AgencySlug("kela"), "keys": keys} | more
        self.register.applications[client_id] = ApplicationRecord(**about)

    def post(self, form: dict[str, str], path: str = "/oauth/token", **headers: str) -> Any:
        return self.http.post(path, data=form, headers=headers)

    def grant(self, assertion: str, dpop: str | None = None, **more: str) -> Any:
        headers = {"DPoP": dpop} if dpop else {}
        return self.post({"grant_type": JWT_BEARER, "assertion": assertion} | more, **headers)

    def client(self, assertion: str, dpop: str | None = None, **more: str) -> Any:
        headers = {"DPoP": dpop} if dpop else {}
        return self.post({"grant_type": CLIENT_CREDENTIALS, **client_fields(assertion)} | more, **headers)


def client_fields(assertion: str) -> dict[str, str]:
    return {"client_assertion": assertion, "client_assertion_type": CLIENT_ASSERTION_TYPE}
