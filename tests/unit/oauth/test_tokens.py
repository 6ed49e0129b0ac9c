"""Access tokens: what they hold, what is refused, the key set and the metadata."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwk, jwt

from tests.support.signing import OTHER_ED, b64, jws
from tests.unit.oauth.world import ISSUER, NOW, World, claims, signed
from vault.errors import KeyringUnavailable, SettingsWrong, Unauthenticated
from vault.model import ActorKind, AgencySlug
from vault.oauth.jose import decode_b64
from vault.oauth.tokens import LOOK_S, UNKNOWN_S, IssuerKeys, TokenVerifier, mint, thumbprint_ed25519

KEY = Ed25519PrivateKey.generate()
KEYS = IssuerKeys([KEY])
KID = thumbprint_ed25519(KEY.public_key())


def make(**more: Any) -> str:
    about: dict[str, Any] = {
        "issuer": ISSUER,
        "client_id": "app-1",
        "agency": AgencySlug("kela"),
        "sub": "p-1",
        "now": NOW,
        "ttl_s": 300,
    }
    return mint(KEYS, **(about | more)).jwt


def by_hand(payload: Any, key: Any = KEY, **header: Any) -> str:
    return jws(key, payload, {"typ": "at+jwt", "alg": "EdDSA", "kid": KID} | header)


def good_claims(**changes: Any) -> dict[str, Any]:
    base = {
        "iss": ISSUER,
        "aud": ISSUER,
        "sub": "p-1",
        "client_id": "app-1",
        "agency": "kela",
        "iat": NOW,
        "exp": NOW + 300,
        "jti": b64(bytes(32)),
    }
    return {name: value for name, value in (base | changes).items() if value is not None}


def sign_with_our_header(payload: bytes) -> str:
    return KEYS.sign(payload)


def test_what_a_token_holds() -> None:
    text = make(role="nurse", unit="kela/x", purpose="care", jkt="thumb")
    head, body, _ = (part for part in text.split("."))
    assert json.loads(decode_b64(head)) == {"typ": "at+jwt", "alg": "EdDSA", "kid": KID}
    found = json.loads(decode_b64(body))
    assert len(decode_b64(found.pop("jti"))) == 32
    assert found == {
        "iss": ISSUER, "sub": "p-1", "aud": ISSUER, "exp": NOW + 300, "iat": NOW, "client_id": "app-1", "agency": "kela",
        "role": "nurse", "unit": "kela/x", "purpose": "care", "cnf": {"jkt": "thumb"},
    }  # fmt: skip


def test_a_token_round_trips() -> None:
    token = TokenVerifier(KEYS, ISSUER).verify_access_token(make(role="nurse", jkt="thumb"), NOW)
    assert (token.kind, token.sub, token.agency, token.role, token.jkt) == (
        ActorKind.PROFESSIONAL,
        "p-1",
        "kela",
        "nurse",
        "thumb",
    )
    system = TokenVerifier(KEYS, ISSUER).verify_access_token(make(sub="app-1"), NOW + 299)
    assert (system.kind, system.unit, system.jkt, len(system.secret)) == (ActorKind.SYSTEM, None, None, 32)


def test_secrets_never_repeat() -> None:
    verifier = TokenVerifier(KEYS, ISSUER)
    assert len({verifier.read(make()).secret for _ in range(100)}) == 100


def test_other_peoples_software_reads_it() -> None:
    keys = jwk.KeySet.import_key_set(json.loads(json.dumps(KEYS.public_jwks())))
    with pytest.warns(match="EdDSA is deprecated"):
        found = jwt.decode(make(), keys, algorithms=["EdDSA"])
    assert found.header["typ"] == "at+jwt"
    assert found.claims["client_id"] == "app-1"


REFUSED: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "words": lambda: "please",
    "dots": lambda: "....",
    "not ascii": lambda: make() + "ä",
    "huge": lambda: make(role="x" * 5000),
    "another part": lambda: make() + ".AAAA",
    "padding": lambda: make() + "=",
    "another key": lambda: by_hand(good_claims(), OTHER_ED),
    "an unknown kid": lambda: by_hand(good_claims(), kid="x"),
    "alg none": lambda: by_hand(good_claims(), alg="none"),
    "typ of an assertion": lambda: by_hand(good_claims(), typ="JWT"),
    "no signature": lambda: make().rpartition(".")[0] + ".",
    "claims no json": lambda: sign_with_our_header(b"nothing"),
    "claims missing": lambda: sign_with_our_header(b"{}"),
    "claims of another type": lambda: sign_with_our_header(json.dumps(good_claims(exp="soon")).encode()),
    "another issuer": lambda: sign_with_our_header(json.dumps(good_claims(iss="https://x.example")).encode()),
    "another audience": lambda: sign_with_our_header(json.dumps(good_claims(aud="https://x.example")).encode()),
    "a short secret": lambda: sign_with_our_header(json.dumps(good_claims(jti="AAAA")).encode()),
    "a secret that is not base64url": lambda: sign_with_our_header(json.dumps(good_claims(jti="!" * 43)).encode()),
    "expired": lambda: make(now=NOW - 300),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_token_is_refused(case: str) -> None:
    with pytest.raises(Unauthenticated):
        TokenVerifier(KEYS, ISSUER).verify_access_token(REFUSED[case](), NOW)


def test_each_flipped_character_is_refused() -> None:
    text = make()
    for place in range(0, len(text), 7):
        changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        with pytest.raises(Unauthenticated):
            TokenVerifier(KEYS, ISSUER).verify_access_token(changed, NOW)


def test_a_new_key_signs_and_the_old_one_still_verifies() -> None:
    both = IssuerKeys([Ed25519PrivateKey.generate(), KEY])
    verifier = TokenVerifier(both, ISSUER)
    assert verifier.verify_access_token(make(), NOW).sub == "p-1"
    about: dict[str, Any] = {
        "issuer": ISSUER,
        "client_id": "a",
        "agency": AgencySlug("kela"),
        "sub": "p-2",
        "now": NOW,
        "ttl_s": 9,
    }
    newer = mint(both, **about)
    assert verifier.verify_access_token(newer.jwt, NOW).sub == "p-2"
    with pytest.raises(Unauthenticated):
        TokenVerifier(KEYS, ISSUER).read(newer.jwt)


class Held:
    """A keyring whose keys change while the service runs, and how often it was asked."""

    def __init__(self) -> None:
        self.now, self.asked = 1000.0, 0
        self.keys = [KEY]
        self.issuer = IssuerKeys(self.keys, again=self._again, clock=lambda: self.now)

    def _again(self) -> list[Ed25519PrivateKey]:
        self.asked += 1
        if not self.keys:
            raise KeyringUnavailable("gone")
        return self.keys

    def accepts(self, *signers: IssuerKeys) -> list[bool]:
        def is_good(signer: IssuerKeys) -> bool:
            try:
                return self.issuer.verify(signer.sign(b"{}")) == b"{}"
            except Unauthenticated:
                return False

        return [is_good(signer) for signer in signers]


def test_a_running_service_follows_a_change_of_its_keys() -> None:
    held, new = Held(), Ed25519PrivateKey.generate()
    before, after = KEYS, IssuerKeys([new])
    assert held.accepts(before, after) == [True, False]
    held.keys = [new, KEY]
    assert held.issuer.sign(b"{}") == before.sign(b"{}"), "not looked at again yet"
    held.now += LOOK_S
    assert held.issuer.sign(b"{}") == after.sign(b"{}")
    assert held.accepts(before, after) == [True, True]
    assert [key["kid"] for key in held.issuer.public_jwks()["keys"]] == [
        thumbprint_ed25519(key.public_key()) for key in (new, KEY)
    ]
    held.keys = [new]
    held.now += LOOK_S
    assert held.accepts(before, after) == [False, True]


def test_a_key_of_another_replica_is_looked_for_at_once_but_not_at_every_try() -> None:
    held, new = Held(), Ed25519PrivateKey.generate()
    held.keys, held.now = [new, KEY], held.now + UNKNOWN_S
    assert held.accepts(IssuerKeys([new])) == [True]
    strangers = [IssuerKeys([Ed25519PrivateKey.generate()]) for _ in range(20)]
    assert not any(held.accepts(*strangers))
    assert held.asked == 1


def test_keys_that_cannot_be_read_anew_stay() -> None:
    held = Held()
    held.keys, held.now = [], held.now + LOOK_S
    assert held.accepts(KEYS) == [True]
    assert held.asked == 1


def test_the_thumbprint_is_that_of_rfc_8037_a_3() -> None:
    key = Ed25519PrivateKey.from_private_bytes(decode_b64("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"))
    assert thumbprint_ed25519(key.public_key()) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"keys": []}', '{"keys": [{}]}', '{"keys": [{"kty": "EC", "crv": "P-256", "d": "AAAA"}]}',
     '{"keys": [{"kty": "OKP", "crv": "Ed25519", "d": "AAAA"}]}', '{"keys": 5}', '{"keys": [5]}'],
)  # fmt: skip
def test_wrong_issuer_keys_are_refused(text: str) -> None:
    with pytest.raises(SettingsWrong):
        IssuerKeys.parse(text)


def test_the_key_set_holds_no_secret(world: World) -> None:
    answer = world.http.get("/oauth/jwks")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/jwk-set+json")
    (key,) = answer.json()["keys"]
    assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}


def test_the_metadata_is_valid(world: World) -> None:
    answer = world.http.get("/.well-known/oauth-authorization-server")
    found = answer.json()
    assert answer.status_code == 200
    assert found["issuer"] == ISSUER
    assert found["token_endpoint"] == f"{ISSUER}/oauth/token"
    assert found["dpop_signing_alg_values_supported"] == ["EdDSA", "Ed25519", "ES256", "PS256"]
    # RFC 8414 §2 requires response_types_supported; authlib refuses an empty list, which is all that we have.
    AuthorizationServerMetadata(found | {"response_types_supported": ["none"]}).validate()


def test_what_the_metadata_says_works(world: World) -> None:
    found = world.http.get("/.well-known/oauth-authorization-server").json()
    path = found["token_endpoint"].removeprefix(ISSUER)
    form = {"grant_type": found["grant_types_supported"][1], "assertion": signed(claims())}
    assert world.post(form, path).status_code == 200
