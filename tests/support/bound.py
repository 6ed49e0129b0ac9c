"""An application's software that holds a key of its own and proves it at each request (RFC 9449), rightly or wrongly."""

from __future__ import annotations

import hashlib
import time
import uuid
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.support.caller import PLANNING, Caller, must
from tests.support.signing import PrivateKey, b64, jws, public_jwk
from vault.demo.caller import professional_form

TOKEN_PATH = "/oauth/token"


class Holder:
    """One key, and the nonce that the vault gave last; ``place`` 1 is the application whose tokens must be bound."""

    def __init__(self, caller: Caller, key: PrivateKey | None = None) -> None:
        self.caller = caller
        self.key = key or ed25519.Ed25519PrivateKey.generate()
        self.nonce: str | None = None
        self.token = ""

    def proof(self, method: str, path: str, *, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """A proof for this request; a change to None leaves the claim out."""
        known: dict[str, Any] = {
            "jti": uuid.uuid4().hex, "htm": method, "htu": self.caller.demo.issuer + path.partition("?")[0], "iat": int(time.time()),
            "nonce": self.nonce,
        }  # fmt: skip
        if path != TOKEN_PATH:
            known["ath"] = b64(hashlib.sha256(self.token.encode()).digest())
        claims = {name: value for name, value in (known | changes).items() if value is not None}
        return jws(self.key, claims, {"typ": "dpop+jwt", "jwk": public_jwk(self.key)} | (header or {}))

    def form(self, sub: str, place: int = 1) -> dict[str, str]:
        agency, person = self.caller.demo.find(sub)
        return professional_form(self.caller.demo, agency.applications[place], person, PLANNING)

    def grant(self, sub: str, proof: str | None = None) -> httpx.Response:
        """Ask for a token once, with this proof or a good one."""
        answer = self.caller.grant(self.form(sub), DPoP=proof or self.proof("POST", TOKEN_PATH))
        self.nonce = answer.headers.get("dpop-nonce", self.nonce)
        return answer

    def fetch(self, sub: str) -> None:
        """A token bound to the key, once more when the vault wants its nonce."""
        answer = self.grant(sub)
        if answer.status_code == 400:
            answer = self.grant(sub)
        self.token = str(must(answer)["access_token"])

    def send(
        self, method: str, path: str, proof: str | None = None, *, scheme: str = "DPoP", **more: Any
    ) -> httpx.Response:
        """One request under the token, with this proof (an empty one: none) or a good one."""
        given = self.proof(method, path) if proof is None else proof
        headers = {"Authorization": f"{scheme} {self.token}"} | ({"DPoP": given} if given else {})
        return self.caller.http.request(method, path, headers=headers | more.pop("headers", {}), **more)

    def get(self, path: str, proof: str | None = None, **more: Any) -> httpx.Response:
        return self.send("GET", path, proof, **more)
