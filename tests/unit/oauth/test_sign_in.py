"""The vault as a relying party: every check of an ID token, the answer that belongs to another provider, and patience."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwe
from joserfc.jwk import ECKey, RSAKey

from tests.support.signing import ED, OTHER_ED, P256, P384, RSA, SHORT_RSA, PrivateKey, jws, public_jwk
from tests.unit.oauth.world import NOW
from vault.errors import SignInRefused, Unavailable
from vault.oauth.id_token import Expected, verify_id_token
from vault.oauth.relying_party import CALLBACK, RelyingParty, SignInKeys
from vault.services.sessions import Identified, Provider
from vault.services.sign_in import Pending

VAULT, OP, OTHER_OP = "https://vault.example", "https://op.example", "https://other.example"
OPENING, ANOTHER = RSAKey.generate_key(2048), RSAKey.generate_key(2048)
LOA = "http://ftn.ficora.fi/2017/loa3"
EXPECTED = Expected(issuer=OP, client_id="vault", nonce="n" * 43, acr=(LOA,))
CLAIMS: dict[str, Any] = {
    "iss": OP, "aud": "vault", "sub": "somebody", "nonce": "n" * 43, "acr": LOA, "iat": NOW - 5, "exp": NOW + 300, "auth_time": NOW - 30,
}  # fmt: skip
HEADER = {"kid": "one"}


def token(key: PrivateKey = ED, header: dict[str, Any] | None = None, **claims: Any) -> str:
    return jws(key, {n: v for n, v in (CLAIMS | claims).items() if v is not None}, HEADER | (header or {}))


def verify(compact: str, *keys: dict[str, Any], expected: Expected = EXPECTED) -> dict[str, Any]:
    return verify_id_token(compact, keys or (public_jwk(ED, kid="one"),), expected, NOW)


@pytest.mark.parametrize("key", [ED, P256, RSA])
def test_a_good_token_gives_its_claims(key: PrivateKey) -> None:
    assert verify(token(key), public_jwk(key, kid="one"))["sub"] == "somebody"
    assert verify(token(key, {"kid": None}), public_jwk(key, kid="two"))["sub"] == "somebody"
    assert verify(token(key, aud=["vault", "other"], azp="vault"), public_jwk(key, kid="one"))["sub"] == "somebody"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"iss": OTHER_OP}, "issuer"), ({"iss": OP + "/"}, "issuer"), ({"iss": None}, "issuer"),
        ({"aud": "other"}, "audience"), ({"aud": ["other"]}, "audience"), ({"aud": []}, "audience"), ({"aud": None}, "audience"),
        ({"aud": ["vault", "other"]}, "audience"), ({"azp": "other"}, "audience"), ({"aud": {"vault": 1}}, "audience"),
        ({"exp": NOW - 61}, "expired"), ({"exp": None}, "expired"), ({"exp": "soon"}, "expired"), ({"exp": True}, "expired"),
        ({"iat": NOW + 61}, "expired"), ({"iat": NOW - 3601}, "expired"), ({"iat": None}, "expired"),
        ({"auth_time": NOW + 61}, "auth-time"),
        ({"nonce": "m" * 43}, "nonce"), ({"nonce": None}, "nonce"), ({"nonce": 1}, "nonce"), ({"nonce": ""}, "nonce"),
        ({"sub": None}, "subject"), ({"sub": ""}, "subject"), ({"sub": 7}, "subject"), ({"sub": "x" * 256}, "subject"),
    ],
)  # fmt: skip
def test_p01_a_token_that_says_anything_else_is_refused(wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(SignInRefused) as refused:
        verify(token(**wrong))
    assert refused.value.narrow == f"identification-{code}"


@pytest.mark.parametrize("acr", [None, "", "password", "http://ftn.ficora.fi/2017/loa2", LOA.upper(), [LOA]])
def test_p01_only_the_levels_that_were_agreed_are_strong(acr: Any) -> None:
    with pytest.raises(SignInRefused) as refused:
        verify(token(acr=acr))
    assert refused.value.narrow == "acr-too-weak"
    assert verify(token(acr=acr), expected=Expected(OP, "vault", "n" * 43))["sub"] == "somebody"


def test_renewed_identification_must_be_new() -> None:
    renewing = Expected(OP, "vault", "n" * 43, (LOA,), identified_after=NOW - 10)
    assert verify(token(auth_time=NOW - 5), expected=renewing)
    for old in (NOW - 100, None, "now"):
        with pytest.raises(SignInRefused, match="could not be verified"):
            verify(token(auth_time=old), expected=renewing)


@pytest.mark.parametrize(
    ("compact", "keys"),
    [
        (token(OTHER_ED), ()), (token(ED, {"kid": "two"}), ()), (token(ED), (public_jwk(P256, kid="one"),)), (token(P256), ()),
        (token(P384, {"alg": "ES256"}), (public_jwk(P384, kid="one"),)), (token(SHORT_RSA), (public_jwk(SHORT_RSA, kid="one"),)),
        (token(ED), (public_jwk(ED, kid="one", use="enc"),)), (token(ED), (public_jwk(ED, kid="one", d="AA"),)), (token(ED)[:-4] + "AAAA", ()),
        (token(ED, {"alg": "none"}), ()), (token(ED, {"alg": "HS256"}), ({"kty": "oct", "k": "AAAA", "kid": "one"},)),
        (token(ED, {"alg": None}), ()), ("", ()), ("a.b", ()), ("a.b.c", ()), ("é.b.c", ()), ("a" * 20000, ()),
        (jws(ED, b"[]", HEADER), ()), (jws(ED, b'{"a":1,"a":2}', HEADER), ()),
    ],
)  # fmt: skip
def test_p01_what_the_provider_did_not_sign_is_refused(compact: str, keys: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(SignInRefused):
        verify(compact, *keys)


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c", "crit", "b64"])
def test_a_header_that_brings_its_own_key_is_refused(name: str) -> None:
    with pytest.raises(SignInRefused):
        verify(token(ED, {name: "x"}))


# ---------------------------------------------------------------- the provider, and others


class Site:
    """Providers whose answers can be changed; what they were asked is kept."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[], httpx.Response]] = {}
        self.asked: list[httpx.Request] = []
        self.metadata: dict[str, Any] = {
            "issuer": OP, "authorization_endpoint": f"{OP}/auth", "token_endpoint": f"{OP}/token", "jwks_uri": f"{OP}/jwks",
            "authorization_response_iss_parameter_supported": True, "end_session_endpoint": f"{OP}/end?keep=1",
        }  # fmt: skip
        self.id_token = token()
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._serve))
        keys = SignInKeys(ECKey.generate_key("P-256", {"kid": "ours"}), OPENING)
        self.party = RelyingParty(VAULT, http, lambda: keys, lambda: NOW)

    def _serve(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        path = request.url.path
        if path in self.answers:
            return self.answers[path]()
        if path == "/.well-known/openid-configuration":
            return httpx.Response(200, json=self.metadata)
        if path == "/jwks":
            return httpx.Response(200, json={"keys": [public_jwk(ED, kid="one")]})
        return httpx.Response(200, json={"id_token": self.id_token, "token_type": "Bearer", "access_token": "x"})


PROVIDER = Provider("suomi-fi", "client", OP, "vault", about={"acr": [LOA]})
STAFF = Provider(
    "kela", "staff", OP, "vault", "kela", about={"claims": {"subject": "employee", "role": "task"}, "purpose": "care"}
)
PENDING = Pending("suomi-fi", "s" * 43, "n" * 43, "v" * 43, "fi", "/", renews=False, started_at=NOW - 60)
GOOD = {"code": "the-code", "state": "s" * 43, "iss": OP}


async def complete(site: Site, provider: Provider = PROVIDER, **answer: str) -> Identified:
    return await site.party.complete(provider, PENDING, {n: v for n, v in (GOOD | answer).items() if v})


async def test_the_way_to_the_provider_asks_for_all_that_is_checked_later() -> None:
    asked = parse_qs(urlsplit(await Site().party.begin(PROVIDER, PENDING)).query)
    assert asked["redirect_uri"] == [f"{VAULT}{CALLBACK}suomi-fi"]
    assert (asked["state"], asked["nonce"], asked["acr_values"]) == (["s" * 43], ["n" * 43], [LOA])
    assert asked["code_challenge_method"] == ["S256"]
    assert "v" * 43 not in str(asked)


async def test_the_code_is_exchanged_with_our_key_and_the_verifier_and_no_secret() -> None:
    site = Site()
    found = await complete(site)
    assert (found.subject, found.acr, found.code) == ("somebody", LOA, None)
    form = parse_qs(next(r for r in site.asked if r.url.path == "/token").content.decode())
    assert (form["code"], form["code_verifier"], form["redirect_uri"]) == (
        ["the-code"],
        ["v" * 43],
        [f"{VAULT}{CALLBACK}suomi-fi"],
    )
    head, body, _ = form["client_assertion"][0].split(".")
    said = json.loads(base64.urlsafe_b64decode(body + "=="))
    assert (said["iss"], said["sub"], said["aud"], said["exp"]) == ("vault", "vault", f"{OP}/token", NOW + 60)
    assert json.loads(base64.urlsafe_b64decode(head + "=="))["alg"] == "ES256"
    assert "client_secret" not in form


async def test_a_code_and_what_an_agency_says_of_its_own_are_read_by_their_claims() -> None:
    site = Site()
    site.id_token = token(**{"urn:oid:1.2.246.21": "010199-923X"})
    assert (await complete(site)).code == "010199-923X"
    site.id_token = token(employee="kela-1", task="insurance-secretary", **{"urn:oid:1.2.246.21": "010199-923X"})
    found = await complete(site, STAFF)
    assert (found.subject, found.role, found.purpose, found.code) == ("kela-1", "insurance-secretary", "care", None)
    assert "010199" not in repr(found)


@pytest.mark.parametrize("value", ["", 7, ["010199-923X"], "x" * 256, "010199\n923X"])
async def test_a_claim_that_cannot_be_read_is_refused_not_left_out(value: Any) -> None:
    """Left out, a person with a code would be taken for one without."""
    site = Site()
    site.id_token = token(**{"urn:oid:1.2.246.21": value})
    with pytest.raises(SignInRefused):
        await complete(site)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"iss": OTHER_OP}, "mix-up"), ({"iss": ""}, "mix-up"), ({"code": ""}, "no-code"),
        ({"error": "access_denied"}, "sign-in-cancelled"), ({"error": "server_error"}, "provider-error"),
        ({"error": "access_denied", "iss": OTHER_OP}, "mix-up"),
    ],
)  # fmt: skip
async def test_p01_another_providers_answer_is_not_this_ones(answer: dict[str, str], code: str) -> None:
    site = Site()
    with pytest.raises(SignInRefused) as refused:
        await complete(site, **answer)
    assert refused.value.narrow == code
    assert all(request.url.path != "/token" for request in site.asked)


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": OTHER_OP}, {"issuer": OP + "/"}, {"token_endpoint": "http://op.example/token"}, {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": None}, {"token_endpoint": 7},
    ],
)  # fmt: skip
async def test_p01_a_document_that_is_not_the_issuers_own_is_not_believed(change: dict[str, Any]) -> None:
    site = Site()
    site.metadata |= change
    with pytest.raises(Unavailable):
        await site.party.begin(PROVIDER, PENDING)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(302, headers={"Location": f"{OTHER_OP}/x"}), httpx.Response(500), httpx.Response(200, text="<html>"),
        httpx.Response(200, content=b" " * 70_000), httpx.Response(200, json=[]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/jwks"])
async def test_a_provider_that_does_not_do_its_part_lets_nobody_in(path: str, answer: httpx.Response) -> None:
    site = Site()
    site.answers[path] = lambda: answer
    with pytest.raises((Unavailable, SignInRefused)):
        await complete(site)
    assert not any(request.url.host == "other.example" for request in site.asked)


async def test_a_refused_code_is_told_and_a_network_that_fails_is_not_there() -> None:
    site = Site()
    site.answers["/token"] = lambda: httpx.Response(400, json={"error": "invalid_grant"})
    with pytest.raises(SignInRefused) as refused:
        await complete(site)
    assert refused.value.narrow == "code-refused"

    def away() -> httpx.Response:
        raise httpx.ConnectError("away")

    site.answers["/token"] = away
    with pytest.raises(Unavailable):
        await complete(site)


async def test_discovery_and_keys_are_asked_once() -> None:
    site = Site()
    for _ in range(3):
        await complete(site)
    paths = [request.url.path for request in site.asked]
    assert (paths.count("/.well-known/openid-configuration"), paths.count("/jwks"), paths.count("/token")) == (1, 1, 3)


async def test_leaving_tells_the_provider_nothing_of_the_person() -> None:
    site = Site()
    url = await site.party.leave(PROVIDER, "/")
    assert url is not None
    assert parse_qs(urlsplit(url).query) == {
        "keep": ["1"],
        "client_id": ["vault"],
        "post_logout_redirect_uri": [f"{VAULT}/"],
    }
    without = Site()
    del without.metadata["end_session_endpoint"]
    assert await without.party.leave(PROVIDER, "/") is None


# ---------------------------------------------------------------- encrypted to us


def sealed(inside: str, key: RSAKey = OPENING, **header: str) -> str:
    head = {"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT"} | header
    return jwe.encrypt_compact(head, inside.encode(), key, algorithms=[head["alg"], head["enc"], "DEF"])


@pytest.mark.parametrize("header", [{}, {"alg": "RSA-OAEP"}, {"enc": "A128CBC-HS256"}])
async def test_an_id_token_that_was_encrypted_to_us_is_opened_and_verified(header: dict[str, str]) -> None:
    site = Site()
    site.id_token = sealed(token(), **header)
    found = await complete(site)
    assert (found.subject, found.assertion.decode()) == ("somebody", token())


@pytest.mark.parametrize(
    "compact",
    [
        sealed(token(), ANOTHER), sealed(token(), enc="A192GCM"), sealed(token(), zip="DEF"), sealed(token(OTHER_ED)), sealed(token(nonce="x")),
        sealed(sealed(token())), sealed("no token"), sealed(token())[:-6] + "AAAAAA", "a.b.c.d.e", "....",
    ],
)  # fmt: skip
async def test_p01_encryption_alone_proves_nothing(compact: str) -> None:
    site = Site()
    site.id_token = compact
    with pytest.raises(SignInRefused):
        await complete(site)


async def test_a_provider_that_must_encrypt_is_not_believed_in_clear() -> None:
    strict = Provider("suomi-fi", "client", OP, "vault", about={"acr": [LOA], "encrypted": True})
    with pytest.raises(SignInRefused) as refused:
        await complete(Site(), strict)
    assert refused.value.narrow == "identification-encryption"


async def test_our_public_keys_hold_nothing_private() -> None:
    keys = Site().party.public_keys()["keys"]
    assert [key["use"] for key in keys] == ["sig", "enc"]
    assert not any({"d", "p", "q", "dp", "dq", "qi"} & key.keys() for key in keys)
