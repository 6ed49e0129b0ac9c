"""A certified OpenID provider in a process of its own, for tests that sign in; and a browser without a screen for it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.service import Service, run
from vault.adapters.postgres.overview import Overview
from vault.adapters.postgres.pool import prepare
from vault.adapters.postgres.registry import Registry
from vault.wiring import sign_in_keys

NODE = Path(__file__).parents[1] / "node"
LOA3 = "http://ftn.ficora.fi/2017/loa3"
CODE = "urn:oid:1.2.246.21"
CLIENT_ID, SEALED_CLIENT_ID = "the-vault", "the-vault-sealed"
NAMES = {"fi": "Suomi.fi-tunnistus", "sv": "Suomi.fi-identifikation", "en": "Suomi.fi e-Identification"}


def person(name: str, *, code: str | None = None, acr: str = LOA3, **claims: str) -> dict[str, Any]:
    """One of the provider's people."""
    return {"name": name, "acr": acr, "claims": claims | ({CODE: code} if code else {})}


class OpenIdProvider:
    """The running provider; ``people`` may be given as long as it has not started."""

    def __init__(self, service: Service, people: Mapping[str, dict[str, Any]], *providers: str) -> None:
        self.service = service
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.issuer = f"http://127.0.0.1:{self.port}"
        service.keyring.make_sign_in_key()
        client = {
            "client_id": CLIENT_ID, "redirect_uris": [f"{service.url}/sign-in/callback/{one}" for one in providers],
            "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256", "jwks": sign_in_keys(service.keyring).public(),
            "post_logout_redirect_uris": [f"{service.url}/"], "grant_types": ["authorization_code"], "response_types": ["code"],
        }  # fmt: skip
        encrypting = {"id_token_encrypted_response_alg": "RSA-OAEP-256", "id_token_encrypted_response_enc": "A256GCM"}
        clients = [client, client | encrypting | {"client_id": SEALED_CLIENT_ID}]
        setup = {"issuer": self.issuer, "port": self.port, "clients": clients, "people": dict(people)}
        node = shutil.which("node")
        assert node is not None
        self._process = subprocess.Popen(
            [node, "provider.mjs"], cwd=NODE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(setup).encode() + b"\n")
        self._process.stdin.flush()
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if httpx.get(f"{self.issuer}/.well-known/openid-configuration", trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.05)
        raise AssertionError("the provider did not start")

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.terminate()
        self._process.wait(10)


def register(
    service: Service,
    name: str,
    issuer: str,
    *,
    application: str | None = None,
    client_id: str = CLIENT_ID,
    **about: Any,
) -> None:
    """Register a provider, as `vault provider add` does."""

    async def work() -> None:
        connection = await service.database.connect()
        try:
            await prepare(connection)
            kind = "client" if application is None else "staff"
            known = {"name": NAMES} | ({"acr": [LOA3]} if application is None else {})
            await Registry(connection, service.keyring).provider(
                name, kind, issuer, client_id, application, known | about
            )
            assert any(row["id"] == name for row in await Overview(connection).providers())
        finally:
            await connection.close()

    run(work())


@contextmanager
def openid_provider(
    service: Service, people: Mapping[str, dict[str, Any]], *, application: str = "pirha-app"
) -> Iterator[OpenIdProvider]:
    """A provider for clients (`suomi-fi`) and for the controller's staff (`pirha`)."""
    provider = OpenIdProvider(service, people, "suomi-fi", "sealed", "pirha")
    try:
        register(service, "suomi-fi", provider.issuer)
        register(service, "sealed", provider.issuer, client_id=SEALED_CLIENT_ID, encrypted=True)
        register(service, "pirha", provider.issuer, application=application)
        yield provider
    finally:
        provider.close()


class Browser:
    """Follows redirects by hand, over several origins, with cookies for each; presses what the provider's page shows."""

    def __init__(self, service: Service) -> None:
        self.url = service.url
        self.http = httpx.Client(timeout=30, trust_env=False)
        self.seen: list[str] = []

    def close(self) -> None:
        self.http.close()

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.http.get(path if path.startswith("http") else self.url + path, **more)

    def post(self, path: str, **fields: str) -> httpx.Response:
        return self.http.post(self.url + path, data=fields)

    def follow(self, answer: httpx.Response, *, until: str = "") -> httpx.Response:
        """Follow redirects until there is none, or one to an address that begins so (which is not followed)."""
        for _ in range(12):
            self.seen.append(str(answer.url))
            if not answer.has_redirect_location:
                return answer
            to = str(answer.url.join(answer.headers["location"]))
            if until and to.startswith(until):
                return answer
            answer = self.http.get(to)
        raise AssertionError(f"redirected without end: {self.seen[-3:]}")

    def identify(self, who: str, provider: str = "suomi-fi", *, after: str = "", until: str = "") -> httpx.Response:
        """Sign in as this person, whom the provider does not remember; the last answer."""
        for cookie in [one for one in self.http.cookies.jar if one.name.startswith("_")]:
            self.http.cookies.jar.clear(cookie.domain, cookie.path, cookie.name)
        page = self.follow(self.get(f"/sign-in/to/{provider}{after}"))
        return self.press(page, who, until=until)

    def press(self, page: httpx.Response, who: str, *, until: str = "") -> httpx.Response:
        assert "Who are you?" in page.text, (page.status_code, page.text[:500])
        return self.follow(self.http.get(str(page.url), params={"person": who}), until=until)

    @property
    def session(self) -> str | None:
        return self.http.cookies.get("vault", domain="127.0.0.1")
