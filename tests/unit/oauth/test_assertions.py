"""Every way in which an assertion is refused, and the three algorithms that are accepted."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.signing import ED, OTHER_ED, P256, P384, RSA, SHORT_RSA, PrivateKey, b64, public_jwk
from tests.unit.oauth import world as w
from tests.unit.oauth.world import NOW, World, claims, client_claims, signed

BAD_SIGNATURE = "no registered key verifies"


@pytest.mark.parametrize(
    ("key", "alg"),
    [(ED, "EdDSA"), (ED, "Ed25519"), (P256, "ES256"), (RSA, "PS256")],
    ids=["EdDSA", "Ed25519", "ES256", "PS256"],
)
def test_each_algorithm_is_accepted(world: World, key: PrivateKey, alg: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer = world.grant(signed(claims(), key, alg=alg))
    assert answer.status_code == 200, answer.text


def _unsigned(alg: str) -> str:
    head = b64(json.dumps({"alg": alg, "typ": "JWT", "kid": "ed"}).encode())
    return f"{head}.{b64(json.dumps(claims()).encode())}."


def _hmac(secret: bytes, alg: str = "HS256") -> str:
    head = b64(json.dumps({"alg": alg, "typ": "JWT", "kid": "ed"}).encode())
    message = f"{head}.{b64(json.dumps(claims()).encode())}"
    return f"{message}.{b64(hmac.digest(secret, message.encode(), 'sha256'))}"


def _flipped(compact: str) -> str:
    head, body, signature = compact.split(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[5] ^= 1
    return f"{head}.{body}.{b64(bytes(raw))}"


def _other_claims(compact: str) -> str:
    head, _, signature = compact.split(".")
    return f"{head}.{b64(json.dumps(claims(role='physician')).encode())}.{signature}"


def _raw(claims_text: str) -> str:
    return signed(claims_text.encode())


ED_RAW = ED.public_key().public_bytes_raw()
ED_PEM = ED.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
OTHER = OTHER_ED

REFUSED: dict[str, tuple[Callable[[], str], str]] = {
    # what is not a JWS of ours at all
    "empty parts": (lambda: "..", "not base64url"),
    "words": (lambda: "please", "three parts"),
    "two parts": (lambda: "e30.e30", "three parts"),
    "extra dot at the end": (lambda: signed(claims()) + ".", "three parts"),
    "five parts": (lambda: "a.b.c.d.e", "three parts"),
    "not ascii": (lambda: "ä.ä.ä", "not ASCII"),
    "huge": (lambda: signed(claims(name="x" * 9000)), "longer than 8192"),
    "padding": (lambda: signed(claims()) + "=", "not base64url"),
    "white space": (lambda: signed(claims()) + "\n", "not base64url"),
    "header no json": (lambda: f"{b64(b'alg')}.{b64(b'{}')}.AAAA", "JSON"),
    "header a list": (lambda: f"{b64(b'[]')}.{b64(b'{}')}.AAAA", "JSON"),
    "claims no json": (lambda: _raw("nothing"), "JSON"),
    "claims a list": (lambda: _raw("[]"), "JSON"),
    "claims a name twice": (lambda: _raw('{"iss": "a", "iss": "b"}'), "JSON"),
    "claims with NaN": (lambda: _raw('{"exp": NaN}'), "JSON"),
    "claims nested deep": (lambda: _raw("[" * 5000), "JSON"),
    "claims in latin-1": (lambda: signed(b'{"iss": "\xe4"}'), "JSON"),
    # algorithms and header tricks
    "alg none": (lambda: _unsigned("none"), "base64url"),
    "alg none with a signature": (lambda: signed(claims(), alg="none"), "EdDSA"),
    "alg None spelt oddly": (lambda: signed(claims(), alg="nOnE"), "EdDSA"),
    "alg missing": (lambda: signed(claims(), alg=None), "EdDSA"),
    "alg a list": (lambda: signed(claims(), alg=["EdDSA"]), "EdDSA"),
    "hmac with the raw public key": (lambda: _hmac(ED_RAW), "EdDSA"),
    "hmac with the pem public key": (lambda: _hmac(ED_PEM), "EdDSA"),
    "alg RS256": (lambda: signed(claims(), RSA, alg="RS256"), "EdDSA"),
    "alg ES384": (lambda: signed(claims(), P384, alg="ES384"), "EdDSA"),
    "alg PS256 with an Ed25519 key": (lambda: signed(claims(), alg="PS256"), BAD_SIGNATURE),
    "alg ES256 with an Ed25519 key": (lambda: signed(claims(), alg="ES256"), BAD_SIGNATURE),
    "alg EdDSA with a P-256 key": (lambda: signed(claims(), P256, alg="EdDSA"), BAD_SIGNATURE),
    "curve P-384": (lambda: signed(claims(), P384), BAD_SIGNATURE),
    "rsa of 1024 bits": (lambda: signed(claims(), SHORT_RSA), BAD_SIGNATURE),
    "embedded jwk": (lambda: signed(claims(), OTHER, jwk=public_jwk(OTHER), kid=None), "parameter jwk"),
    "jku": (lambda: signed(claims(), jku="https://evil.example/keys"), "parameter jku"),
    "x5u": (lambda: signed(claims(), x5u="https://evil.example/cert"), "parameter x5u"),
    "x5c": (lambda: signed(claims(), x5c=["MIIB"]), "parameter x5c"),
    "crit": (lambda: signed(claims(), crit=["exp"], exp=1), "parameter crit"),
    "crit empty": (lambda: signed(claims(), crit=[]), "parameter crit"),
    "b64 false": (lambda: signed(claims(), b64=False), "parameter b64"),
    "typ of an access token": (lambda: signed(claims(), typ="at+jwt"), "typ"),
    "typ of a proof": (lambda: signed(claims(), typ="dpop+jwt"), "typ"),
    "typ a number": (lambda: signed(claims(), typ=1), "typ"),
    "kid unknown": (lambda: signed(claims(), kid="nobody"), BAD_SIGNATURE),
    "kid a number": (lambda: signed(claims(), kid=1), "kid"),
    "kid of another key": (lambda: signed(claims(), kid="ec"), BAD_SIGNATURE),
    "no kid among several keys": (lambda: signed(claims(), kid=None), BAD_SIGNATURE),
    # signatures
    "another key": (lambda: signed(claims(), OTHER), BAD_SIGNATURE),
    "a flipped bit": (lambda: _flipped(signed(claims())), BAD_SIGNATURE),
    "other claims": (lambda: _other_claims(signed(claims())), BAD_SIGNATURE),
    "unknown application": (lambda: signed(claims(iss="app-nobody")), BAD_SIGNATURE),
    # claims
    "iss missing": (lambda: signed(claims(iss=None)), "claim iss"),
    "iss a list": (lambda: signed(claims(iss=[w.CLIENT_ID])), "claim iss"),
    "iss with a nul": (lambda: signed(claims(iss="app\x00")), "claim iss"),
    "aud missing": (lambda: signed(claims(aud=None)), "claim aud"),
    "aud another": (lambda: signed(claims(aud="https://other.example")), "claim aud"),
    "aud with a slash": (lambda: signed(claims(aud=w.ISSUER + "/")), "claim aud"),
    "aud the token endpoint": (lambda: signed(claims(aud=w.ISSUER + "/oauth/token")), "claim aud"),
    "aud the issuer and another": (lambda: signed(claims(aud=[w.ISSUER, "https://other.example"])), "claim aud"),
    "aud an empty list": (lambda: signed(claims(aud=[])), "claim aud"),
    "exp missing": (lambda: signed(claims(exp=None)), "claim exp"),
    "exp text": (lambda: signed(claims(exp=str(NOW + 50))), "claim exp"),
    "exp true": (lambda: signed(claims(exp=True)), "claim exp"),
    "exp infinite": (lambda: _raw(json.dumps(claims(exp=0)).replace('"exp": 0', '"exp": 1e999')), "claim exp"),
    "exp of 300 digits": (lambda: signed(claims(exp=10**300)), "claim exp"),
    "exp now": (lambda: signed(claims(exp=NOW)), "expired"),
    "exp past": (lambda: signed(claims(exp=NOW - 1)), "expired"),
    "exp too far": (lambda: signed(claims(exp=NOW + 61)), "at most 60"),
    "exp too far by a clock that is ahead": (lambda: signed(claims(iat=NOW + 5, exp=NOW + 66)), "at most 60"),
    "exp too far without iat": (lambda: signed(claims(iat=None, exp=NOW + 61)), "at most 60"),
    "exp too far by a clock that is behind": (lambda: signed(claims(iat=NOW - 5, exp=NOW + 61)), "at most 60"),
    "iat in the future": (lambda: signed(claims(iat=NOW + 6)), "claim iat"),
    "iat text": (lambda: signed(claims(iat="now")), "claim iat"),
    "nbf in the future": (lambda: signed(claims(nbf=NOW + 6)), "claim nbf"),
    "jti missing": (lambda: signed(claims(jti=None)), "claim jti"),
    "jti empty": (lambda: signed(claims(jti="")), "claim jti"),
    "jti a number": (lambda: signed(claims(jti=7)), "claim jti"),
    "jti too long": (lambda: signed(claims(jti="j" * 129)), "claim jti"),
    "sub missing": (lambda: signed(claims(sub=None)), "claim sub"),
    "sub is iss": (lambda: signed(claims(sub=w.CLIENT_ID)), "names the professional"),
    "sub a lone surrogate": (lambda: _raw(json.dumps(claims(sub="\ud800"))), "claim sub"),
    "name missing": (lambda: signed(claims(name=None)), "claim name"),
    "name blank": (lambda: signed(claims(name="  ")), "claim name"),
    "role missing": (lambda: signed(claims(role=None)), "claim role"),
    "role a list": (lambda: signed(claims(role=["nurse"])), "claim role"),
    "purpose missing": (lambda: signed(claims(purpose=None)), "claim purpose"),
    "purpose unknown": (lambda: signed(claims(purpose="curiosity")), "claim purpose"),
    "unit empty": (lambda: signed(claims(unit="")), "claim unit"),
    "unit a number": (lambda: signed(claims(unit=3)), "claim unit"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_grant_assertion_is_refused(world: World, case: str) -> None:
    make, words = REFUSED[case]
    answer = world.grant(make())
    body = answer.json()
    assert (answer.status_code, body["error"]) == (400, "invalid_grant")
    assert words in body["error_description"]
    assert answer.headers["cache-control"] == "no-store"
    assert world.register.burnt == set(), "nothing is burnt by an assertion that was not accepted"
    assert world.register.tokens == []


CLIENT_REFUSED: dict[str, tuple[Callable[[], str], str]] = {
    "sub is a professional": (lambda: signed(claims()), "as sub"),
    "sub missing": (lambda: signed(client_claims(sub=None)), "claim sub"),
    "aud another": (lambda: signed(client_claims(aud="https://other.example")), "claim aud"),
    "another key": (lambda: signed(client_claims(), OTHER), BAD_SIGNATURE),
    "unknown application": (lambda: signed(client_claims(iss="app-x", sub="app-x")), BAD_SIGNATURE),
    "expired": (lambda: signed(client_claims(exp=NOW - 1)), "expired"),
    "alg none": (lambda: _unsigned("none"), "base64url"),
    "embedded jwk": (lambda: signed(client_claims(), OTHER, jwk=public_jwk(OTHER)), "parameter jwk"),
}


@pytest.mark.parametrize("case", CLIENT_REFUSED)
def test_a_client_assertion_is_refused(world: World, case: str) -> None:
    make, words = CLIENT_REFUSED[case]
    answer = world.client(make())
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert words in answer.json()["error_description"]
    assert "www-authenticate" in answer.headers
    assert world.register.burnt == set()


def test_non_canonical_base64_is_refused(world: World) -> None:
    compact = signed(claims(), ED)  # 64 bytes of signature leave 4 spare bits in the last character
    last = compact[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = alphabet[alphabet.index(last) ^ 1]
    assert base64.urlsafe_b64decode(compact.split(".")[2][:-1] + twin + "==") is not None
    assert world.grant(compact[:-1] + twin).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "change",
    [
        {"exp": NOW + 60}, {"exp": NOW + 1}, {"exp": NOW + 30.5}, {"iat": NOW + 5}, {"iat": None}, {"iat": NOW + 5, "exp": NOW + 65}, {"nbf": NOW + 5},
        {"aud": [w.ISSUER]}, {"jti": "j" * 128}, {"unit": "kela/kuntoutus"}, {"unknown": {"claim": 1}},
    ],
    ids=str,
)  # fmt: skip
def test_the_edges_of_what_is_accepted(world: World, change: dict[str, Any]) -> None:
    assert world.grant(signed(claims(**change))).status_code == 200


@pytest.mark.parametrize(
    "header", [{"typ": None}, {"typ": "jwt"}, {"typ": "client-authentication+jwt"}, {"x5t": "abc"}]
)
def test_harmless_headers_are_accepted(world: World, header: dict[str, Any]) -> None:
    assert world.grant(signed(claims(), **header)).status_code == 200


def test_the_only_key_needs_no_kid(world: World) -> None:
    world.add(w.CLIENT_ID, keys=(public_jwk(ED),))
    assert world.grant(signed(claims(), kid=None)).status_code == 200


@pytest.mark.parametrize(
    "more",
    [
        {"use": "enc"}, {"key_ops": ["sign"]}, {"key_ops": "verify"}, {"alg": "ES256"}, {"crv": "Ed448"}, {"crv": "X25519"},
        {"kty": "oct", "k": "AAAA"}, {"d": "AAAA"}, {"x": "AAAA"}, {"x": 5}, {"x": None}, {"kid": 5},
    ],
    ids=str,
)  # fmt: skip
def test_a_registered_key_that_is_for_something_else_verifies_nothing(world: World, more: dict[str, Any]) -> None:
    world.add(w.CLIENT_ID, keys=(public_jwk(ED, kid="ed") | more,))
    assert world.grant(signed(claims())).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "more", [{"use": "sig"}, {"key_ops": ["verify"]}, {"alg": "EdDSA"}, {"alg": "Ed25519"}], ids=str
)
def test_a_registered_key_may_say_what_it_is_for(world: World, more: dict[str, Any]) -> None:
    world.add(w.CLIENT_ID, keys=(public_jwk(ED, kid="ed") | more,))
    assert world.grant(signed(claims())).status_code == 200


def test_two_keys_of_one_kid_verify_nothing(world: World) -> None:
    world.add(w.CLIENT_ID, keys=(public_jwk(ED, kid="ed"), public_jwk(OTHER, kid="ed")))
    assert world.grant(signed(claims())).json()["error"] == "invalid_grant"


def test_a_rotated_key_stops_working(world: World) -> None:
    world.add(w.CLIENT_ID, keys=(public_jwk(OTHER, kid="new"),))
    assert world.grant(signed(claims())).json()["error"] == "invalid_grant"
    assert world.grant(signed(claims(), OTHER, kid="new")).status_code == 200


def test_the_digests_are_those_that_the_register_promises(world: World) -> None:
    compact = signed(claims(jti="one"))
    assert world.grant(compact).status_code == 200
    (token,) = world.register.tokens
    assert token.assertion_digest == hashlib.sha256(compact.encode()).digest()
    assert token.issuer_jti_digest == hashlib.sha256(f"{w.CLIENT_ID}|one".encode()).digest()
    assert token.assertion_expires_at.timestamp() >= NOW + 55 + 60
