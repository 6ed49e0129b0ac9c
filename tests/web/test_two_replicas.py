"""Two services over one database and one keyring: one nonce, one memory of what was used, ended or suspended, one change of keys."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.bound import Holder
from tests.support.caller import KELA, Acting, Caller, must
from tests.support.service import Service
from tests.web.test_tokens import form_of, minted
from vault.demo.caller import system_form
from vault.oauth.jose import decode_b64
from vault.oauth.tokens import IssuerKeys


class Replica(Service):
    """A second process over the same database, keyring and store; callers know one address for both."""

    def __init__(self, other: Service) -> None:
        super().__init__(other.postgres, other.database, other.folder, other.box)
        self.demo, self.log_path = other.demo, other.folder / "replica.log"
        self.settings = other.settings | {"VAULT_ISSUER": other.url}


@pytest.fixture(scope="module")
def replica(caller: Caller) -> Iterator[Caller]:
    second = Replica(caller.service)
    second.start()
    asking = Caller(second)
    yield asking
    asking.close()
    second.close()


def kid_of(token: str) -> str:
    return str(json.loads(decode_b64(token.partition(".")[0]))["kid"])


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "not within the time that it was promised"
        time.sleep(0.2)


def is_in_force(caller: Caller, token: str) -> bool:
    """Whether the service takes it. It has just met a key that it does not know, so it has looked for new ones."""
    stranger = IssuerKeys.parse(IssuerKeys.generate())
    assert Acting(caller.http, minted(caller.service, stranger)).get("/v1/cases").status_code == 401
    return Acting(caller.http, token).get("/v1/cases").status_code == 200


def test_the_issuers_key_is_changed_on_every_replica_without_a_restart(caller: Caller, replica: Caller) -> None:
    keyring = caller.service.keyring
    before = must(caller.grant(form_of(caller, KELA)))["access_token"]
    earlier = [kid for kid, _ in keyring.issuer_keys()]
    newest = keyring.new_issuer_key()

    def signed_by_the_new() -> bool:
        nonlocal after
        after = must(caller.grant(form_of(caller, KELA)))["access_token"]
        is_in_force(caller, after)
        return kid_of(after) != kid_of(before)

    after = ""
    until(signed_by_the_new)
    # The other replica had not heard of the new key; it looks for it when it first meets it, or a second later.
    until(lambda: Acting(replica.http, after).get("/v1/cases").status_code == 200)
    assert [key["kid"] for key in must(caller.http.get("/oauth/jwks"))["keys"]][:2] == [kid_of(after), kid_of(before)]
    for one in (caller, replica):
        assert is_in_force(one, before)
        assert is_in_force(one, after)
    for kid in earlier:
        keyring.end_issuer_key(kid)
    for one in (caller, replica):
        until(lambda: not is_in_force(one, before))  # noqa: B023 - used within the turn
        assert is_in_force(one, after)
    assert [kid for kid, _ in caller.service.keyring.issuer_keys()] == [newest]
    caller.forget()


@pytest.mark.parametrize("how", ["revoked", "suspended"])
def test_p06_what_ends_a_token_at_one_replica_ends_it_at_the_other(caller: Caller, replica: Caller, how: str) -> None:
    token = must(caller.grant(form_of(caller, KELA)))["access_token"]
    bearer, bound = Acting(replica.http, token), Holder(replica)
    bound.fetch(KELA)
    path = "/v1/cases"

    def asked() -> list[int]:
        return [bearer.get(path).status_code, bound.get(path).status_code]

    assert asked() == [200, 200]
    if how == "suspended":
        caller.service.operate(lambda registry: registry.suspend("kela"))
    for ended, place in ((token, 0), (bound.token, 1)) if how == "revoked" else ():
        client = system_form(caller.demo, caller.agency("kela").applications[place])
        form = {"token": ended} | {name: value for name, value in client.items() if name != "grant_type"}
        must(caller.http.post("/oauth/revoke", data=form))
    assert asked() == [401, 401]
    if how == "suspended":
        caller.service.operate(lambda registry: registry.suspend("kela", suspended=False))
        caller.forget()


def test_both_replicas_hand_out_and_accept_one_nonce(caller: Caller, replica: Caller) -> None:
    holder = Holder(caller)
    holder.fetch(KELA)
    proof = holder.proof("GET", "/v1/cases")
    headers = {"Authorization": f"DPoP {holder.token}", "DPoP": proof}
    assert replica.http.get("/v1/cases", headers=headers).status_code == 200
    again = caller.http.get("/v1/cases", headers=headers)
    assert (again.status_code, again.json()["code"]) == (401, "invalid-dpop-proof"), "a proof works once, wherever"
