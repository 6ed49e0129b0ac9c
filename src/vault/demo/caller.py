"""An agency's software in the demo: signs assertions, changes them for tokens, and calls the vault over HTTP.

It knows nothing of the vault but its published surface and `demo.json`, like the software of any agency.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import AsyncIterable, Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec
from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey

from vault.errors import InvalidInput, SettingsWrong, Unauthenticated, Unavailable

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CLIENT_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TOKEN_PATH = "/oauth/token"  # noqa: S105 - an address
DEMO_FILE = "demo.json"
_LIFE_S = 50
_FRESH_S = 200  # a token lives five minutes; a new one is fetched well before its end


class DemoApplication(msgspec.Struct, frozen=True):
    """One application; its first takes Bearer tokens, the second requires DPoP."""

    client_id: str
    private_jwk: dict[str, Any]


class DemoProfessional(msgspec.Struct, frozen=True, omit_defaults=True):
    sub: str
    name: str
    role: str
    unit: str | None = None


class DemoAgency(msgspec.Struct, frozen=True):
    id: str
    name: str
    applications: list[DemoApplication]
    professionals: list[DemoProfessional]


class DemoLog(msgspec.Struct, frozen=True):
    """With what the log's checkpoints are verified: its verifier key and its witness's (C2SP signed-note)."""

    key: str
    witness: str


class DemoFile(msgspec.Struct, frozen=True):
    """What `demo.json` holds: everything that somebody needs to call the demo's vault."""

    base_url: str
    issuer: str
    agencies: list[DemoAgency]
    sign_in: dict[str, str]
    log: DemoLog | None = None

    def find(self, sub: str, role: str | None = None) -> tuple[DemoAgency, DemoProfessional]:
        """The professional of that id, in that role when one is given. Raises: InvalidInput, naming who there is."""
        for agency in self.agencies:
            for person in agency.professionals:
                if person.sub == sub and role in (None, person.role):
                    return agency, person
        known = ", ".join(f"{p.sub} ({p.role})" for agency in self.agencies for p in agency.professionals)
        wanted = sub if role is None else f"{sub} with the role {role}"
        raise InvalidInput(f"the demo has no professional {wanted}; there are: {known}")


def load_demo(folder: Path) -> DemoFile:
    """Read the demo's file. Raises: SettingsWrong when there is none, or none that can be read."""
    path = folder / DEMO_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=DemoFile)
    except FileNotFoundError:
        raise SettingsWrong(f"{path} does not exist: start the demo with: vault demo --data {folder}") from None
    except OSError as error:
        raise SettingsWrong(f"{path} cannot be read ({error.strerror})") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise SettingsWrong(f"{path} is no demo file; start the demo again to have it written anew") from None


def import_key(jwk: Mapping[str, Any]) -> Key:
    """The signing key of an application."""
    return OKPKey.import_key(dict(jwk)) if jwk["kty"] == "OKP" else ECKey.import_key(dict(jwk))


def sign(jwk: Mapping[str, Any], claims: Mapping[str, Any], header: Mapping[str, Any] | None = None) -> str:
    """A compact JWS over the claims: Ed25519 or ES256, as the key is."""
    algorithm = "Ed25519" if jwk["kty"] == "OKP" else "ES256"
    head = {"alg": algorithm, "typ": "JWT", "kid": jwk["kid"]} | dict(header or {})
    body = msgspec.json.encode(dict(claims))
    return jws.serialize_compact(head, body, import_key(jwk), algorithms=[algorithm])


def assertion(issuer: str, application: DemoApplication, claims: Mapping[str, Any]) -> str:
    """What the application says of itself, or of a professional, once and for less than a minute."""
    now = int(time.time())
    known = {
        "iss": application.client_id,
        "aud": issuer,
        "iat": now,
        "exp": now + _LIFE_S,
        "jti": secrets.token_hex(16),
    }
    return sign(application.private_jwk, known | dict(claims))


def professional_form(
    demo: DemoFile, application: DemoApplication, person: DemoProfessional, purpose: str
) -> dict[str, str]:
    """The token request for a professional acting for one purpose."""
    who = msgspec.to_builtins(person) | {"purpose": purpose}
    return {"grant_type": JWT_BEARER, "assertion": assertion(demo.issuer, application, who)}


def system_form(demo: DemoFile, application: DemoApplication) -> dict[str, str]:
    """The token request for the agency's system itself."""
    signed = assertion(demo.issuer, application, {"sub": application.client_id})
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": CLIENT_ASSERTION,
        "client_assertion": signed,
    }


def dpop_proof(
    jwk: Mapping[str, Any], method: str, url: str, token: str | None = None, nonce: str | None = None
) -> str:
    """A proof that the caller holds the key (RFC 9449 §4.2), for one request."""
    public = import_key(jwk).as_dict(private=False)
    shown = {name: public[name] for name in ("kty", "crv", "x", "y") if name in public}
    claims: dict[str, Any] = {"htm": method, "htu": url, "iat": int(time.time()), "jti": secrets.token_hex(16)}
    if token is not None:
        digest = hashlib.sha256(token.encode()).digest()
        claims["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    if nonce is not None:
        claims["nonce"] = nonce
    return sign(jwk, claims, {"typ": "dpop+jwt", "jwk": shown})


def fetch_token(demo: DemoFile, sub: str, purpose: str, role: str | None = None) -> str:
    """A Bearer token for one professional of the demo. Raises: InvalidInput, Unauthenticated, Unavailable."""
    agency, person = demo.find(sub, role)
    form = professional_form(demo, agency.applications[0], person, purpose)
    try:
        answer = httpx.post(demo.base_url + TOKEN_PATH, data=form, timeout=10, trust_env=False)
    except httpx.HTTPError:
        raise Unavailable(f"nothing answers at {demo.base_url}: is the demo running?") from None
    return _token_of(answer)


def _token_of(answer: httpx.Response) -> str:
    """The token, or why there is none, in the server's own words."""
    try:
        body = answer.json()
    except ValueError:
        body = {}
    if answer.status_code != 200 or "access_token" not in body:
        why = body.get("error_description") or body.get("detail") or body.get("error") or "no reason given"
        raise Unauthenticated(f"the vault gave no token ({answer.status_code}): {why}")
    return str(body["access_token"])


class Caller:
    """One agency's software at work: one HTTP connection pool, and a token for whoever acts."""

    def __init__(self, demo: DemoFile, http: httpx.AsyncClient) -> None:
        self.demo = demo
        self.http = http
        self._tokens: dict[tuple[str, str], tuple[str, float]] = {}

    def agency(self, slug: str) -> DemoAgency:
        return next(agency for agency in self.demo.agencies if agency.id == slug)

    async def as_professional(self, sub: str, purpose: str) -> dict[str, str]:
        """The headers of a request that this professional makes for this purpose."""
        agency, person = self.demo.find(sub)
        application = agency.applications[0]
        return await self._bearer((sub, purpose), lambda: professional_form(self.demo, application, person, purpose))

    async def as_system(self, slug: str) -> dict[str, str]:
        """The headers of a request that the agency's system makes."""
        application = self.agency(slug).applications[0]
        return await self._bearer((application.client_id, ""), lambda: system_form(self.demo, application))

    async def _bearer(self, who: tuple[str, str], form: Any) -> dict[str, str]:
        token, fetched = self._tokens.get(who, ("", 0.0))
        if time.monotonic() - fetched > _FRESH_S or not token:
            token = _token_of(await self.http.post(TOKEN_PATH, data=form()))
            self._tokens[who] = (token, time.monotonic())
        return {"Authorization": f"Bearer {token}"}

    async def bound(self, sub: str, purpose: str, path: str) -> httpx.Response:
        """GET with a token that is bound to a key of this caller (the agency's second application requires it)."""
        agency, person = self.demo.find(sub)
        application, key = (
            agency.applications[1],
            OKPKey.generate_key("Ed25519").as_dict(private=True) | {"kid": "proof"},
        )
        form = professional_form(self.demo, application, person, purpose)
        answer, nonce = await self._proved(key, "POST", TOKEN_PATH, None, None, data=form)
        if answer.status_code != 200 and nonce is not None:  # RFC 9449 §8: the server wants its nonce in the proof
            form = professional_form(self.demo, application, person, purpose)
            answer, nonce = await self._proved(key, "POST", TOKEN_PATH, None, nonce, data=form)
        token = _token_of(answer)
        answer, again = await self._proved(key, "GET", path, token, nonce)
        if answer.status_code == 401 and again is not None:
            answer, _ = await self._proved(key, "GET", path, token, again)
        return answer

    async def _proved(
        self, key: Mapping[str, Any], method: str, path: str, token: str | None, nonce: str | None, **more: Any
    ) -> tuple[httpx.Response, str | None]:
        headers = {"DPoP": dpop_proof(key, method, self.demo.base_url + path, token, nonce)}
        if token is not None:
            headers["Authorization"] = f"DPoP {token}"
        answer = await self.http.request(method, path, headers=headers, **more)
        return answer, answer.headers.get("DPoP-Nonce")

    async def upload(
        self, headers: dict[str, str], document: str, media_type: str, size: int, content: AsyncIterable[bytes]
    ) -> httpx.Response:
        """PUT a document's content in bounded memory."""
        about = headers | {"Content-Type": media_type, "Content-Length": str(size)}
        return await self.http.put(f"/v1/documents/{document}/content", headers=about, content=content)
