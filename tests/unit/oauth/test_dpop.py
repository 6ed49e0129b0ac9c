"""DPoP: the RFC's own examples, every refusal, nonces, and both sides through HTTP."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.signing import ED, P256, P384, RSA, SHORT_RSA, PrivateKey, b64, jws, public_jwk
from tests.unit.oauth import world as w
from tests.unit.oauth.world import ISSUER, NOW, World, claims, client_claims, nonces_of, signed
from vault.errors import InvariantViolated, Unauthenticated
from vault.oauth.dpop import NonceNeeded, Nonces, ProofRefused, normalise_url, verify_proof
from vault.oauth.resource import ResourceGuard, challenge_headers

TOKEN_URL = f"{ISSUER}/oauth/token"
READ = "/v1/documents/1/content"

# RFC 9449 §4.1 (figure 2) and §7.1 (figure 13); the thumbprint is that of §6.1.
RFC_JKT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
RFC_HEAD = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFV"
    "ZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
)
RFC_TOKEN_PROOF = (
    f"{RFC_HEAD}.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0"
    "IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)
RFC_ACCESS_TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
RFC_RESOURCE_PROOF = (
    f"{RFC_HEAD}.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRy"
    "ZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9."
    "2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
)


def test_the_example_of_rfc_9449_for_the_token_endpoint() -> None:
    proof = verify_proof([RFC_TOKEN_PROOF], "POST", "https://server.example.com/token", now=1562262616)
    assert proof.jkt == RFC_JKT


def test_the_example_of_rfc_9449_for_a_resource() -> None:
    url = "https://resource.example.org/protectedresource"
    proof = verify_proof([RFC_RESOURCE_PROOF], "GET", url, now=1562262620, access_token=RFC_ACCESS_TOKEN)
    assert proof.jkt == RFC_JKT
    with pytest.raises(ProofRefused, match="ath"):
        verify_proof([RFC_RESOURCE_PROOF], "GET", url, now=1562262620, access_token=RFC_ACCESS_TOKEN + "x")


def prove(
    key: PrivateKey = P256, *, header: dict[str, Any] | None = None, token: str | None = None, **changes: Any
) -> str:
    base: dict[str, Any] = {"jti": uuid.uuid4().hex, "htm": "POST", "htu": TOKEN_URL, "iat": NOW}
    if token is not None:
        base["ath"] = b64(hashlib.sha256(token.encode()).digest())
    found = {name: value for name, value in (base | changes).items() if value is not None}
    return jws(key, found, {"typ": "dpop+jwt", "jwk": public_jwk(key)} | (header or {}))


def read_proof(token: str, key: PrivateKey = P256, **changes: Any) -> str:
    return prove(key, token=token, **({"htm": "GET", "htu": ISSUER + READ} | changes))


@pytest.mark.parametrize("key", [ED, P256, RSA], ids=["EdDSA", "ES256", "PS256"])
def test_each_algorithm_is_accepted(key: PrivateKey) -> None:
    assert len(verify_proof([prove(key)], "POST", TOKEN_URL, now=NOW).jkt) == 43


REFUSED: dict[str, tuple[Callable[[], list[str]], str]] = {
    "none": (list, "exactly one"),
    "two": (lambda: [prove(), prove()], "exactly one"),
    "words": (lambda: ["please"], "three parts"),
    "huge": (lambda: [prove(jti="x" * 5000)], "longer than"),
    "typ missing": (lambda: [prove(header={"typ": None})], "typ"),
    "typ JWT": (lambda: [prove(header={"typ": "JWT"})], "typ"),
    "alg none": (lambda: [prove(header={"alg": "none"})], "signed with"),
    "alg HS256": (lambda: [prove(header={"alg": "HS256"})], "signed with"),
    "alg of another type": (lambda: [prove(header={"alg": "EdDSA"})], "fit"),
    "no jwk": (lambda: [prove(header={"jwk": None})], "jwk"),
    "jwk text": (lambda: [prove(header={"jwk": "key"})], "jwk"),
    "jwk private": (lambda: [prove(header={"jwk": public_jwk(P256) | {"d": "AAAA"}})], "fit"),
    "jwk symmetric": (lambda: [prove(header={"jwk": {"kty": "oct", "k": "AAAA"}})], "fit"),
    "jwk off the curve": (lambda: [prove(header={"jwk": public_jwk(P256) | {"x": "A" * 43}})], "malformed"),
    "jwk of P-384": (lambda: [prove(P384)], "fit"),
    "jwk of a short rsa": (lambda: [prove(SHORT_RSA)], "2048"),
    "jwk of another key": (
        lambda: [prove(header={"jwk": public_jwk(ec.generate_private_key(ec.SECP256R1()))})],
        "verify",
    ),
    "jku": (lambda: [prove(header={"jku": "https://evil.example"})], "jku"),
    "crit": (lambda: [prove(header={"crit": ["exp"]})], "crit"),
    "jti missing": (lambda: [prove(jti=None)], "jti"),
    "jti long": (lambda: [prove(jti="x" * 129)], "jti"),
    "htm missing": (lambda: [prove(htm=None)], "htm"),
    "htm another": (lambda: [prove(htm="GET")], "htm"),
    "htm lower case": (lambda: [prove(htm="post")], "htm"),
    "htu missing": (lambda: [prove(htu=None)], "htu"),
    "htu another path": (lambda: [prove(htu=ISSUER + "/oauth/revoke")], "htu"),
    "htu another host": (lambda: [prove(htu="https://evil.example/oauth/token")], "htu"),
    "htu another scheme": (lambda: [prove(htu=TOKEN_URL.replace("https", "http"))], "htu"),
    "htu another port": (lambda: [prove(htu="https://vault.example:444/oauth/token")], "htu"),
    "htu no url": (lambda: [prove(htu="https://[")], "htu"),
    "htu a path": (lambda: [prove(htu="/oauth/token")], "htu"),
    "htu with a login": (lambda: [prove(htu="https://a@vault.example/oauth/token")], "htu"),
    "iat missing": (lambda: [prove(iat=None)], "iat"),
    "iat old": (lambda: [prove(iat=NOW - 61)], "iat"),
    "iat ahead": (lambda: [prove(iat=NOW + 6)], "iat"),
    "iat text": (lambda: [prove(iat="now")], "iat"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_proof_is_refused(case: str) -> None:
    make, words = REFUSED[case]
    with pytest.raises(ProofRefused, match=words):
        verify_proof(make(), "POST", TOKEN_URL, now=NOW)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("https://Vault.Example/a", "HTTPS://vault.example:443/a"), ("http://v.example", "http://v.example:80/"),
        ("https://v.example/a?b=c#d", "https://v.example/a"), ("https://v.example/%7Ea%2fb", "https://v.example/~a%2Fb"),
        ("http://[::1]:8000/a", "http://[::1]:8000/a"),
    ],
)  # fmt: skip
def test_urls_that_are_the_same(one: str, two: str) -> None:
    assert normalise_url(one) == normalise_url(two)


@pytest.mark.parametrize(
    ("one", "two"),
    [("https://v.example/a%2Fb", "https://v.example/a/b"), ("https://v.example/A", "https://v.example/a"),
     ("https://v.example/a", "https://v.example/a/"), ("http://[::1]:8000/a", "http://[::1]/a")],
)  # fmt: skip
def test_urls_that_differ(one: str, two: str) -> None:
    assert normalise_url(one) != normalise_url(two)


def test_a_nonce_lives_for_two_windows() -> None:
    nonces = nonces_of(b"s", window_s=100)
    nonce = nonces.current(1000)
    assert nonces.accepts(nonce, 1099)
    assert nonces.accepts(nonce, 1199)
    assert not nonces.accepts(nonce, 1200)
    assert not nonces.accepts(nonce, 999)
    assert not nonces_of(b"t", window_s=100).accepts(nonce, 1000), "another vault's"


def test_the_keyring_is_asked_once_a_window() -> None:
    asked: list[bytes] = []
    nonces = Nonces(lambda data: asked.append(data) or data * 32, window_s=100)  # type: ignore[func-returns-value]
    for now in (1000, 1050, 1099, 1100, 1150):
        assert nonces.accepts(nonces.current(now), now)
        assert not nonces.accepts("x", now)
    assert asked == [b"10", b"9", b"11"]
    assert nonces.current(100_000) != nonces.current(0)
    assert len(nonces._made) == 1, "what is too far away is forgotten"


def test_a_window_is_at_least_a_second() -> None:
    with pytest.raises(InvariantViolated):
        nonces_of(b"s", window_s=0)


@pytest.mark.parametrize("nonce", [None, "", "wrong", 5, "ä"])
def test_a_missing_or_wrong_nonce_is_answered_with_a_good_one(nonce: object) -> None:
    nonces = nonces_of(b"s")
    with pytest.raises(NonceNeeded) as caught:
        verify_proof([prove(nonce=nonce)], "POST", TOKEN_URL, now=NOW, nonces=nonces)
    good = prove(nonce=caught.value.nonce)
    assert verify_proof([good], "POST", TOKEN_URL, now=NOW, nonces=nonces).next_nonce is None


def test_a_nonce_that_will_soon_end_is_followed_by_the_next() -> None:
    nonces = nonces_of(b"s", window_s=100)
    old = prove(nonce=nonces.current(NOW - 100))
    assert verify_proof([old], "POST", TOKEN_URL, now=NOW, nonces=nonces).next_nonce == nonces.current(NOW)


# --- through HTTP: the token endpoint


def test_a_proof_binds_the_token() -> None:
    world = World(dpop_required=True)
    answer = world.grant(signed(claims()), prove())
    assert answer.json()["token_type"] == "DPoP"
    (new,) = world.register.tokens
    token = ResourceGuard(world.parts)._verifier.verify_access_token(answer.json()["access_token"], NOW)
    assert token.jkt == new.jkt == verify_proof([prove()], "POST", TOKEN_URL, now=NOW).jkt


def test_a_proof_binds_also_where_none_is_required(world: World) -> None:
    assert world.client(signed(client_claims()), prove(RSA)).json()["token_type"] == "DPoP"
    assert world.register.tokens[0].jkt is not None


@pytest.mark.parametrize("dpop", [None, "nonsense"])
def test_an_application_that_requires_it_gets_nothing_without(dpop: str | None) -> None:
    world = World(dpop_required=True)
    for answer in (world.grant(signed(claims()), dpop), world.client(signed(client_claims()), dpop)):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    assert world.register.burnt == set(), "the same assertion may be sent again with a good proof"


def test_a_bad_proof_is_refused_also_where_none_is_required(world: World) -> None:
    assert world.grant(signed(claims()), prove(htm="GET")).json()["error"] == "invalid_dpop_proof"


def test_a_proof_works_once(world: World) -> None:
    proof = prove()
    assert world.grant(signed(claims()), proof).status_code == 200
    answer = world.grant(signed(claims()), proof)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    assert len(world.register.tokens) == 1


def test_the_nonce_is_asked_for_and_then_the_same_assertion_works() -> None:
    world, assertion = World(dpop_required=True, nonces=True), signed(claims())
    answer = world.grant(assertion, prove())
    assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce")
    again = world.grant(assertion, prove(nonce=answer.headers["dpop-nonce"]))
    assert again.status_code == 200
    assert "dpop-nonce" in again.headers
    world.register.applications[w.CLIENT_ID] = msgspec.structs.replace(
        world.register.applications[w.CLIENT_ID], dpop_required=False
    )
    bearer = world.grant(signed(claims()))
    assert bearer.status_code == 200
    assert "dpop-nonce" not in bearer.headers, "who sends no proof needs none"


def test_no_nonce_is_handed_out_when_none_is_used(world: World) -> None:
    assert "dpop-nonce" not in world.grant(signed(claims()), prove()).headers


# --- the resource side


def bound(world: World, key: PrivateKey = P256) -> str:
    return str(world.grant(signed(claims()), prove(key)).json()["access_token"])


async def test_a_bound_token_works_with_its_proof(world: World) -> None:
    jwt = bound(world)
    token = await ResourceGuard(world.parts).authenticate(f"DPoP {jwt}", "GET", READ, [read_proof(jwt)])
    assert token.sub == w.PERSON["sub"]


async def test_a_bearer_token_works_without(world: World) -> None:
    jwt = world.grant(signed(claims())).json()["access_token"]
    guard = ResourceGuard(world.parts)
    assert (await guard.authenticate(f"Bearer {jwt}", "GET", READ)).jkt is None
    assert (await guard.authenticate(f"bearer {jwt}", "GET", READ)).agency == "kela"


async def test_a_proof_works_for_one_request(world: World) -> None:
    jwt, guard = bound(world), ResourceGuard(world.parts)
    proof = read_proof(jwt)
    await guard.authenticate(f"DPoP {jwt}", "GET", READ, [proof])
    with pytest.raises(ProofRefused, match="used before"):
        await guard.authenticate(f"DPoP {jwt}", "GET", READ, [proof])


RESOURCE_REFUSED: dict[str, Callable[[str, str], tuple[str | None, list[str]]]] = {
    "nothing": lambda _jwt, _plain: (None, []),
    "another scheme": lambda jwt, _plain: (f"Basic {jwt}", [read_proof(jwt)]),
    "no token": lambda jwt, _plain: ("DPoP", [read_proof(jwt)]),
    "bound but sent as bearer": lambda jwt, _plain: (f"Bearer {jwt}", []),
    "bound but sent as bearer with the proof": lambda jwt, _plain: (f"Bearer {jwt}", [read_proof(jwt)]),
    "no proof": lambda jwt, _plain: (f"DPoP {jwt}", []),
    "two proofs": lambda jwt, _plain: (f"DPoP {jwt}", [read_proof(jwt), read_proof(jwt)]),
    "another key": lambda jwt, _plain: (f"DPoP {jwt}", [read_proof(jwt, ED)]),
    "no ath": lambda jwt, _plain: (f"DPoP {jwt}", [read_proof(jwt, ath=None)]),
    "another token's ath": lambda jwt, plain: (f"DPoP {jwt}", [read_proof(plain)]),
    "another path": lambda jwt, _plain: (f"DPoP {jwt}", [read_proof(jwt, htu=ISSUER + "/v1/cases")]),
    "another method": lambda jwt, _plain: (f"DPoP {jwt}", [read_proof(jwt, htm="PUT")]),
    "an unbound token": lambda _jwt, plain: (f"DPoP {plain}", [read_proof(plain)]),
}


@pytest.mark.parametrize("case", RESOURCE_REFUSED)
async def test_a_request_is_refused(world: World, case: str) -> None:
    plain = world.grant(signed(claims())).json()["access_token"]
    authorization, proofs = RESOURCE_REFUSED[case](bound(world), plain)
    with pytest.raises(Unauthenticated) as caught:
        await ResourceGuard(world.parts).authenticate(authorization, "GET", READ, proofs)
    scheme = challenge_headers(caught.value, authorization)["WWW-Authenticate"].split()[0]
    assert scheme == ("Bearer" if authorization is None or authorization.startswith("Basic") else "DPoP")


async def test_the_resource_asks_for_a_nonce_too() -> None:
    world = World(dpop_required=True, nonces=True)
    nonce = world.grant(signed(claims()), prove()).headers["dpop-nonce"]
    jwt = world.grant(signed(claims()), prove(nonce=nonce)).json()["access_token"]
    guard = ResourceGuard(world.parts)
    with pytest.raises(NonceNeeded) as caught:
        await guard.authenticate(f"DPoP {jwt}", "GET", READ, [read_proof(jwt)])
    headers = challenge_headers(caught.value, f"DPoP {jwt}")
    assert headers["WWW-Authenticate"].startswith('DPoP error="use_dpop_nonce"')
    proof = read_proof(jwt, nonce=headers["DPoP-Nonce"])
    assert (await guard.authenticate(f"DPoP {jwt}", "GET", READ, [proof])).jkt is not None
