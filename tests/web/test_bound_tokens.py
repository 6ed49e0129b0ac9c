"""Tokens bound to a key (RFC 9449), at the running service: its nonce, and every proof that is not good for this request."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from functools import partial

import httpx
import pytest

from tests.support.bound import TOKEN_PATH, Holder
from tests.support.caller import KELA, Acting, Caller, permit
from tests.support.signing import ED, P256, RSA, SHORT_RSA, PrivateKey, public_jwk
from tests.web.scene import nothing_left
from vault.adapters.keyring.file import FileKeyring
from vault.demo.caller import system_form
from vault.oauth.dpop import Nonces

fronted_too = pytest.mark.kinds("directory", "nginx")

CASES = "/v1/cases"


def nonce_at(keyring: FileKeyring, at: float) -> str:
    """The nonce that a vault with this keyring hands out at that time."""
    return Nonces(partial(keyring.own_mac, "dpop.nonce")).current(at)


def of_another_vault() -> str:
    return Nonces(lambda _: secrets.token_bytes(32)).current(time.time())


@pytest.fixture
def holder(caller: Caller) -> Holder:
    found = Holder(caller)
    found.fetch(KELA)
    return found


def challenged(answer: httpx.Response, error: str) -> str | None:
    """The answer is the challenge of RFC 9449 §7.1 with this error; the nonce that it hands out."""
    assert answer.status_code == 401, answer.text
    assert answer.headers["www-authenticate"].startswith(f'DPoP error="{error}", algs="')
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == error.replace("_", "-")
    assert answer.headers["cache-control"] == "no-store"
    return answer.headers.get("dpop-nonce")


def refused(answer: httpx.Response) -> str | None:
    """The token endpoint's refusal with the nonce that it hands out."""
    assert answer.status_code == 400, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["error"] == ("use_dpop_nonce" if "dpop-nonce" in answer.headers else "invalid_dpop_proof")
    return answer.headers.get("dpop-nonce")


@fronted_too
@pytest.mark.parametrize("key", [ED, P256, RSA], ids=["EdDSA", "ES256", "PS256"])
def test_the_vault_asks_for_its_nonce_at_the_token_endpoint_and_at_a_resource(caller: Caller, key: PrivateKey) -> None:
    holder = Holder(caller, key)
    form = holder.form(KELA)
    nonce = refused(caller.grant(form, DPoP=holder.proof("POST", TOKEN_PATH)))
    assert nonce
    # The assertion was not burnt: the same one works with the nonce.
    answer = caller.grant(form, DPoP=holder.proof("POST", TOKEN_PATH, nonce=nonce))
    assert (answer.status_code, answer.json()["token_type"]) == (200, "DPoP")
    assert answer.headers["dpop-nonce"]
    holder.token = answer.json()["access_token"]
    nonce = challenged(holder.get(CASES, holder.proof("GET", CASES, nonce=None)), "use_dpop_nonce")
    assert nonce
    holder.nonce = nonce
    for _ in range(3):  # good until the vault asks anew
        assert holder.get(CASES).status_code == 200
    assert holder.get(f"{CASES}?limit=1").status_code == 200


def test_the_nonce_before_still_works_and_the_next_comes_with_the_answer(holder: Holder) -> None:
    keyring, path = holder.caller.service.keyring, f"/v1/cases/{'0' * 8}-0000-7000-8000-{'0' * 12}"

    def four() -> list[tuple[int, str | None]]:
        answers = []
        for holder.nonce in (nonce_at(keyring, time.time() - 120), nonce_at(keyring, time.time())):
            answers += [holder.get(CASES), holder.get(path)]
        return [(answer.status_code, answer.headers.get("dpop-nonce")) for answer in answers]

    window, told = -1.0, [(0, "")]
    while window != time.time() // 120:  # again, when the nonce changed meanwhile
        window, told = time.time() // 120, four()
    assert told == [(200, holder.nonce), (404, holder.nonce), (200, None), (404, None)]


WRONG_NONCE: dict[str, Callable[[FileKeyring], str | None]] = {
    "none": lambda _: None,
    "empty": lambda _: "",
    "not ours": lambda _: "eyJ7S_zG.eyJH0-Z.HX4w-7v",
    "of another vault": lambda _: of_another_vault(),
    "ended": lambda keyring: nonce_at(keyring, time.time() - 245),
    "not yet": lambda keyring: nonce_at(keyring, time.time() + 245),
    "no ASCII": lambda _: "ä",
    "long": lambda _: "n" * 2000,
}


@pytest.mark.parametrize("kind", WRONG_NONCE)
def test_a_proof_without_the_vaults_own_nonce_is_asked_for_it(holder: Holder, kind: str) -> None:
    good, holder.nonce = holder.nonce, WRONG_NONCE[kind](holder.caller.service.keyring)
    with nothing_left(holder.caller.service):
        assert challenged(holder.get(CASES), "use_dpop_nonce")
        assert refused(holder.caller.grant(holder.form(KELA), DPoP=holder.proof("POST", TOKEN_PATH)))
    assert good


# What is wrong -> the proof for a request of this method and path
WRONG: dict[str, Callable[[Holder, str, str], str]] = {
    "another method": lambda h, _, path: h.proof("PUT", path),
    "another path": lambda h, method, path: h.proof(method, path, htu=f"{h.caller.service.url}{path}/other"),
    "another host": lambda h, method, path: h.proof(method, path, htu=f"https://elsewhere.example{path}"),
    "another scheme": lambda h, m, path: h.proof(m, path, htu=f"ftp{h.caller.service.url.lstrip('htps')}{path}"),
    "no URL": lambda h, method, path: h.proof(method, path, htu=path),
    "old": lambda h, method, path: h.proof(method, path, iat=int(time.time()) - 70),
    "ahead": lambda h, method, path: h.proof(method, path, iat=int(time.time()) + 30),
    "no time": lambda h, method, path: h.proof(method, path, iat=None),
    "no id": lambda h, method, path: h.proof(method, path, jti=None),
    "a long id": lambda h, method, path: h.proof(method, path, jti="j" * 129),
    "oversized": lambda h, method, path: h.proof(method, path, more="m" * 3500),
    "alg none": lambda h, method, path: unsigned(h.proof(method, path, header={"alg": "none"})),
    "alg HS256": lambda h, method, path: h.proof(method, path, header={"alg": "HS256"}),
    "alg RS256": lambda h, method, path: Holder.proof(with_key(h, RSA), method, path, header={"alg": "RS256"}),
    "a short RSA key": lambda h, method, path: with_key(h, SHORT_RSA).proof(method, path),
    "an assertion": lambda h, method, path: h.proof(method, path, header={"typ": "JWT"}),
    "another's key in the header": lambda h, method, path: h.proof(method, path, header={"jwk": public_jwk(P256)}),
    "a private key in the header": lambda h, m, path: h.proof(
        m, path, header={"jwk": public_jwk(h.key) | {"d": "AAAA"}}
    ),
    "a key by address": lambda h, method, path: h.proof(method, path, header={"jku": "https://elsewhere.example/"}),
    "cut": lambda h, method, path: h.proof(method, path)[:-2],
    "words": lambda *_: "please",
}


def with_key(holder: Holder, key: PrivateKey) -> Holder:
    other = Holder(holder.caller, key)
    other.nonce, other.token = holder.nonce, holder.token
    return other


def unsigned(compact: str) -> str:
    return compact.rpartition(".")[0] + "."


@pytest.mark.parametrize("kind", WRONG)
def test_a_proof_that_is_not_for_this_request_is_refused(holder: Holder, kind: str) -> None:
    assert challenged(holder.get(CASES, WRONG[kind](holder, "GET", CASES)), "invalid_dpop_proof") is None
    assert refused(holder.caller.grant(holder.form(KELA), DPoP=WRONG[kind](holder, "POST", TOKEN_PATH))) is None


@fronted_too
def test_a_proof_works_once_also_on_another_path_and_at_the_token_endpoint(holder: Holder) -> None:
    proof = holder.proof("GET", CASES)
    assert holder.get(CASES, proof).status_code == 200
    challenged(holder.get(CASES, proof), "invalid_dpop_proof")
    challenged(holder.get(f"{CASES}?limit=1", proof), "invalid_dpop_proof")
    proof = holder.proof("POST", TOKEN_PATH)
    assert holder.grant(KELA, proof).status_code == 200
    assert refused(holder.grant(KELA, proof)) is None
    assert refused(holder.caller.grant(holder.form(KELA))) is None, "this application's tokens must be bound"


def test_a_bound_token_opens_nothing_but_with_a_proof_of_its_own_key(holder: Holder) -> None:
    stranger, other = with_key(holder, P256), Holder(holder.caller)
    other.fetch(KELA)
    challenged(holder.get(CASES, "", scheme="Bearer"), "invalid_dpop_proof")
    challenged(holder.get(CASES, scheme="Bearer"), "invalid_dpop_proof")
    challenged(holder.get(CASES, ""), "invalid_dpop_proof")
    challenged(stranger.get(CASES), "invalid_dpop_proof")
    challenged(holder.get(CASES, other.proof("GET", CASES)), "invalid_dpop_proof")
    challenged(holder.get(CASES, holder.proof("GET", CASES, ath=None)), "invalid_dpop_proof")
    challenged(
        holder.caller.http.get(
            CASES, headers=[("Authorization", f"DPoP {holder.token}"), *[("DPoP", holder.proof("GET", CASES))] * 2]
        ),
        "invalid_dpop_proof",
    )
    unbound = Holder(holder.caller)
    unbound.token, unbound.nonce = holder.caller.by(KELA).token, holder.nonce
    challenged(unbound.get(CASES), "invalid_dpop_proof")
    assert holder.get(CASES).status_code == 200


@fronted_too
def test_p01_a_bound_token_reads_only_with_its_proof(caller: Caller, holder: Holder) -> None:
    case = caller.open_case(members=["kela"])
    document = caller.file(case, content=b"only for the holder of the key")
    caller.consent(case, [permit("kela")])
    path = f"/v1/documents/{document}/content"
    stolen = Acting(caller.http, holder.token)
    before = caller.service.one("SELECT count(*) FROM vault.entry WHERE document = $1", document)
    for answer in (stolen.read(document), with_key(holder, P256).get(path), holder.get(path, "")):
        assert challenged(answer, "invalid_dpop_proof") is None
    assert challenged(holder.get(path, holder.proof("GET", path, nonce=None)), "use_dpop_nonce")
    assert caller.service.one("SELECT count(*) FROM vault.entry WHERE document = $1", document) == before
    assert holder.get(path).content == b"only for the holder of the key"
    assert holder.get(path, headers={"Range": "bytes=0-3"}).content == b"only"


def test_a_revoked_bound_token_is_dead_with_a_good_proof_too(caller: Caller, holder: Holder) -> None:
    assert holder.get(CASES).status_code == 200
    client = system_form(caller.demo, caller.demo.find(KELA)[0].applications[1])
    form = {"token": holder.token} | {name: value for name, value in client.items() if name != "grant_type"}
    assert caller.http.post("/oauth/revoke", data=form).status_code == 200
    answer = holder.get(CASES)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('DPoP error="invalid_token"')
    assert caller.http.get(CASES).headers["www-authenticate"].startswith('Bearer realm="vault", DPoP algs="EdDSA ')


@fronted_too
@pytest.mark.parametrize("size", [5_000, 20_000, 100_000])
def test_a_proof_of_any_size_is_refused_plainly(holder: Holder, size: int) -> None:
    """What is larger than a header may be is refused by whoever reads it first."""
    read = holder.get(CASES, holder.proof("GET", CASES, more="m" * size))
    grant = holder.caller.grant(holder.form(KELA), DPoP=holder.proof("POST", TOKEN_PATH, more="m" * size))
    if read.status_code == 431:
        assert (read.json()["code"], grant.json()["code"]) == ("header-too-large", "header-too-large")
    else:
        assert challenged(read, "invalid_dpop_proof") is None
        assert refused(grant) is None
    assert holder.get(CASES).status_code == 200
