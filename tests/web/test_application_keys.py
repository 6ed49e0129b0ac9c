"""The keys of an application: by value and by address, changed while it works, and an address that does not do its part."""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests.support.caller import KELA, PLANNING, Acting, Caller, must
from tests.support.keysite import KeySite, key_site
from tests.support.signing import ED, OTHER_ED, P256, RSA, PrivateKey, jws, public_jwk
from vault.oauth.remote_keys import AGAIN_S, FRESH_S, TIMEOUT_S

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Software:
    """An application of Kela's that nobody else uses."""

    def __init__(self, caller: Caller, jwks_url: str | None = None) -> None:
        self.caller = caller
        self.client_id = f"kela-{uuid.uuid4().hex[:12]}"
        caller.service.operate(lambda registry: registry.application(self.client_id, "kela", jwks_url=jwks_url))

    def add(self, key: PrivateKey, kid: str) -> None:
        self.caller.service.operate(lambda one: one.application_key(self.client_id, public_jwk(key, kid=kid)))

    def end(self, kid: str) -> None:
        self.caller.service.operate(lambda one: one.end_application_key(self.client_id, kid))

    def ask(self, key: PrivateKey, kid: str) -> httpx.Response:
        _, person = self.caller.demo.find(KELA)
        now = int(time.time())
        claims = {
            "iss": self.client_id, "aud": self.caller.demo.issuer, "iat": now, "exp": now + 60, "jti": uuid.uuid4().hex,
            "sub": KELA, "name": person.name, "role": person.role, "purpose": PLANNING,
        }  # fmt: skip
        signed = jws(key, claims, {"typ": "JWT", "kid": kid})
        return self.caller.grant({"grant_type": GRANT, "assertion": signed})


def refused(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.fixture
def site() -> Iterator[KeySite]:
    with key_site(public_jwk(ED, kid="old")) as found:
        yield found


@pytest.mark.parametrize("new", [OTHER_ED, P256, RSA], ids=["EdDSA", "ES256", "PS256"])
def test_an_application_changes_its_key_without_a_pause(caller: Caller, new: PrivateKey) -> None:
    software = Software(caller)
    software.add(ED, "old")
    refused(software.ask(new, "new"))
    earlier = software.ask(ED, "old")
    software.add(new, "new")
    for key, kid in ((ED, "old"), (new, "new")):
        assert software.ask(key, kid).status_code == 200
    software.end("old")
    refused(software.ask(ED, "old"))
    refused(software.ask(ED, "new"))
    assert software.ask(new, "new").status_code == 200
    assert Acting(caller.http, must(earlier)["access_token"]).get("/v1/cases").status_code == 200


def test_keys_at_an_address_are_fetched_once(caller: Caller, site: KeySite) -> None:
    software = Software(caller, site.url("/keys"))
    for _ in range(3):
        assert software.ask(ED, "old").status_code == 200
    refused(software.ask(P256, "old"))
    refused(software.ask(P256, "unknown"))
    assert site.asked["/keys"] == 1


def test_a_key_by_value_works_while_the_address_does_not(caller: Caller, site: KeySite) -> None:
    software = Software(caller, site.url("/error"))
    software.add(P256, "kept")
    assert software.ask(P256, "kept").status_code == 200
    refused(software.ask(ED, "old"))


@pytest.mark.parametrize("path", ["/redirects", "/large", "/packed", "/text", "/error"])
def test_an_address_that_does_not_do_its_part_gives_no_token(caller: Caller, site: KeySite, path: str) -> None:
    software = Software(caller, site.url(path))
    for _ in range(3):
        refused(software.ask(ED, "old"))
    assert site.asked == {path: 1}, "asked once, and nowhere else"


def test_an_address_where_nobody_answers_gives_no_token(caller: Caller) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        software = Software(caller, f"http://127.0.0.1:{taken.getsockname()[1]}/keys")
        refused(software.ask(ED, "old"))


def test_a_slow_address_holds_nobody_else_up_and_ends(caller: Caller, site: KeySite) -> None:
    other = Software(caller)
    other.add(P256, "own")

    def is_first() -> bool:
        """Whether the other was answered while the slow address was waited for; that one is given up after its time."""
        slow, answers, begun = Software(caller, site.url("/slow")), list[httpx.Response](), time.monotonic()
        waiting = threading.Thread(target=lambda: answers.append(slow.ask(ED, "old")))
        asked = site.asked["/slow"]
        waiting.start()
        while site.asked["/slow"] == asked:
            time.sleep(0.01)
        assert other.ask(P256, "own").status_code == 200
        was_first = not answers
        waiting.join(60)
        assert time.monotonic() - begun > TIMEOUT_S - 1
        refused(answers[0])
        return was_first

    assert any(is_first() for _ in range(4)), "once at least, also on a machine with other work"


@pytest.mark.long
@pytest.mark.timeout(600)
def test_an_application_changes_its_key_at_its_address(caller: Caller, site: KeySite) -> None:
    software = Software(caller, site.url("/keys"))
    assert software.ask(ED, "old").status_code == 200
    site.keys.append(public_jwk(P256, kid="new"))
    time.sleep(AGAIN_S + 1)
    assert software.ask(P256, "new").status_code == 200
    assert software.ask(ED, "old").status_code == 200
    del site.keys[0]
    time.sleep(FRESH_S + 1)
    refused(software.ask(ED, "old"))
    assert software.ask(P256, "new").status_code == 200
