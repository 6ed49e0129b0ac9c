"""What changed about a client: name, personal identity code, language, turvakielto. What was before is kept, nobody is told of others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.caller import KELA, PHYSICIAN, Caller, must, new_case
from tests.support.own import own, signed_in
from tests.web.answers import code_of, log_of
from tests.web.scene import problem

OFFICER = "pirha-1004"
CHECK = "0123456789ABCDEFHJKLMNPRSTUVWXY"


def code_born_then(code: str, sign: str = "Y", step: int = 1) -> str:
    """Another temporary code of the same birth day."""
    serial = 900 + (int(code[7:10]) - 900 + step) % 100
    return f"{code[:6]}{sign}{serial}{CHECK[int(code[:6] + str(serial)) % 31]}"


def client_of(caller: Caller, case: str) -> str:
    return str(must(caller.coordinator.get(f"/v1/cases/{case}"))["client"]["id"])


def found(caller: Caller, code: str) -> list[str]:
    cases = must(caller.coordinator.post("/v1/clients/find", {"personal_identity_code": code}))
    return [one["id"] for one in cases["items"]]


def change(caller: Caller, client: str, **changed: Any) -> dict[str, Any]:
    return must(caller.coordinator.patch(f"/v1/clients/{client}", changed))


def test_the_client_sees_what_was_changed_and_a_case_keeps_what_it_was_given(caller: Caller) -> None:
    with own(caller, name="Maija  Mallikas", members=["kela"]) as hers:
        client = client_of(caller, hers.case)
        told = change(caller, client, name=" Maija Uusi ", language="sv", address_protected=True)
        assert told == {"id": client, "name": " Maija Uusi ", "language": "sv", "address_protected": True}
        me = hers.one("")
        assert (me["name"], me["language"], me["address_protected"]) == ("Maija Uusi", "sv", True)
        assert change(caller, client, address_protected=False)["address_protected"] is False
        me = hers.one("")
        assert (me["name"], me["language"], me["address_protected"]) == ("Maija Uusi", "sv", False)
        [case] = hers.all("/cases")
        assert case["given"]["name"] == "Maija Mallikas"
        assert must(caller.coordinator.get(f"/v1/cases/{hers.case}"))["client"]["name"] == "Maija Mallikas"
        acts = [one for one in hers.all("/log") if one["act"] == "client-change"]
        assert [one["agency"] for one in acts] == ["pirha", "pirha"]
        facts = caller.service.sql(
            "SELECT facts FROM vault.entry WHERE client = $1 AND act = 'client-change' ORDER BY id", client
        )
        assert [row[0] for row in facts] == ["name language address-protected", "address-protected"]
        assert "Uusi" not in str(log_of(caller, hers.case))


def test_a_new_code_finds_the_person_and_so_does_the_old_one(caller: Caller) -> None:
    body = new_case()
    case, code = must(caller.coordinator.post("/v1/cases", body))["id"], body["client"]["personal_identity_code"]
    client, new = client_of(caller, case), code_born_then(code)
    change(caller, client, personal_identity_code=new.lower())
    assert found(caller, new) == found(caller, code) == [case]
    with signed_in(caller, case, new) as hers:
        assert hers.one("")["personal_identity_code"] == new
    again = caller.open_case(handled=False, personal_identity_code=new, born=body["client"]["born"])
    assert client_of(caller, again) == client
    # A code given to somebody without one.
    bare = caller.open_case(handled=False, personal_identity_code=None, name="Uno Persona", born=body["client"]["born"])
    first = code_born_then(code, "X", 2)
    change(caller, client_of(caller, bare), personal_identity_code=first)
    assert found(caller, first) == [bare]


def test_p01_a_code_that_is_the_clients_no_more_signs_nobody_in(caller: Caller) -> None:
    """A code may have been mistyped: its true holder must not come in as the client, nor stay in once it is corrected."""
    body = new_case()
    case, mistyped = must(caller.coordinator.post("/v1/cases", body))["id"], body["client"]["personal_identity_code"]
    client, right = client_of(caller, case), code_born_then(mistyped, "U", 5)
    with signed_in(caller, case, mistyped) as stranger:
        assert stranger.one("")["kept"] is True
        change(caller, client, personal_identity_code=right)
        assert stranger.get("").status_code == 401
    with signed_in(caller, case, mistyped) as stranger:
        assert stranger.one("")["kept"] is False
        assert stranger.all("/cases") == []
    with signed_in(caller, case, right) as hers:
        assert [one["id"] for one in hers.all("/cases")] == [case]
    # A change back counts again, and other changes keep the code.
    change(caller, client, personal_identity_code=mistyped)
    change(caller, client, name="Maija Muu")
    with signed_in(caller, case, mistyped) as hers, signed_in(caller, case, right) as stranger:
        assert (hers.one("")["kept"], stranger.one("")["kept"]) == (True, False)


def test_p10_a_code_of_another_person_is_answered_like_any_other_and_not_taken_over(caller: Caller) -> None:
    body = new_case()
    case, code = must(caller.coordinator.post("/v1/cases", body))["id"], body["client"]["personal_identity_code"]
    client, other, free = client_of(caller, case), code_born_then(code, "W", 3), code_born_then(code, "V", 4)
    theirs = caller.open_case(handled=False, personal_identity_code=other, born=body["client"]["born"])

    def asked(given: str) -> Any:
        return caller.coordinator.patch(
            f"/v1/clients/{client}", {"personal_identity_code": given, "name": "Maija Uusi"}
        )

    taken, new = asked(other), asked(free)
    assert (
        (taken.status_code, sorted(taken.headers))
        == (new.status_code, sorted(new.headers))
        == (200, sorted(new.headers))
    )
    assert taken.json() == new.json() | {"personal_identity_code": other}
    assert found(caller, other) == [theirs]
    assert found(caller, free) == [case]
    rows = caller.service.sql(
        "SELECT client::text, case_id::text, fields FROM vault.difference WHERE client = $1", client
    )
    assert [tuple(row) for row in rows] == [(client, case, ["personal_identity_code"])]
    with signed_in(caller, case, free) as hers:
        me = hers.one("")
        assert (me["name"], me["personal_identity_code"]) == ("Maija Uusi", free)
    officer = caller.by(OFFICER)
    [waits] = [one for one in must(officer.get("/v1/differences?limit=200"))["items"] if one["client"] == client]
    path = f"/v1/differences/{waits['id']}"
    assert code_of(officer.post(path, {"outcome": "taken"})) == (409, "code-differs")
    must(officer.post(path, {"outcome": "kept"}))
    assert not [one for one in must(officer.get("/v1/differences?limit=200"))["items"] if one["client"] == client]


def test_two_changes_at_once_both_stand(caller: Caller) -> None:
    with own(caller) as hers:
        client = client_of(caller, hers.case)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda one: change(caller, client, **one), [{"name": "Maija Uusi"}, {"language": "en"}]))
        me = hers.one("")
        assert (me["name"], me["language"]) == ("Maija Uusi", "en")


def test_death_and_a_name_at_once(caller: Caller) -> None:
    case = caller.open_case(handled=False)
    client = client_of(caller, case)
    late = caller.coordinator.patch(f"/v1/clients/{client}", {"died_on": "2999-01-01", "name": "Maija Uusi"})
    assert problem(late) == (422, "invalid-day", "died_on")
    change(caller, client, died_on="2026-03-01", name="Maija Uusi")
    acts = caller.service.sql(
        "SELECT act FROM vault.entry WHERE client = $1 AND act LIKE 'client-%' ORDER BY id", client
    )
    assert [row[0] for row in acts] == ["client-died", "client-died", "client-change"]


@pytest.mark.parametrize(
    ("changed", "code", "field"),
    [
        ({}, "missing-field", "died_on"),
        ({"name": " "}, "invalid-input", "name"),
        ({"name": "n" * 201}, "invalid-input", "name"),
        ({"name": "a\0b"}, "invalid-character", "name"),
        ({"language": "xx"}, "unknown-code", "language"),
        ({"address_protected": "yes"}, "invalid-type", "address_protected"),
        ({"personal_identity_code": "nobody"}, "invalid-identity-code", "personal_identity_code"),
        ({"personal_identity_code": "010199-9012"}, "birth-day-differs", "personal_identity_code"),
        ({"address": "Katu 1"}, "unknown-field", "address"),
    ],
)
def test_what_cannot_be_changed(caller: Caller, changed: dict[str, Any], code: str, field: str) -> None:
    client = client_of(caller, caller.open_case(handled=False, personal_identity_code=None, born="1998-02-03"))
    before = caller.service.one("SELECT count(*) FROM vault.client_about")
    assert problem(caller.coordinator.patch(f"/v1/clients/{client}", changed)) == (422, code, field)
    assert caller.service.one("SELECT count(*) FROM vault.client_about") == before


def test_p10_only_a_coordinator_of_the_client_changes_anything(caller: Caller) -> None:
    case = caller.open_case(members=["kela"])
    client = client_of(caller, case)
    for who in (caller.by(KELA), caller.system("pirha"), caller.by(OFFICER), caller.by(PHYSICIAN)):
        assert code_of(who.patch(f"/v1/clients/{client}", {"name": "X"})) == (404, "not-found")
    denied = caller.service.one(
        "SELECT count(*) FROM vault.entry WHERE client = $1 AND decision = 'deny' AND facts LIKE 'registered%'", client
    )
    assert denied == 4
