"""What changed about a client: name, personal identity code, language, turvakielto. What was before is kept, nobody is told of others."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.caller import KELA, PHYSICIAN, Caller, code_born_then, must, new_case
from tests.support.own import own, signed_in
from tests.support.sessions import browser, client_session
from tests.web.answers import code_of, log_of
from tests.web.scene import problem

OFFICER = "pirha-1004"


def client_of(caller: Caller, case: str) -> str:
    return str(must(caller.coordinator.get(f"/v1/cases/{case}"))["client"]["id"])


def found(caller: Caller, code: str) -> list[str]:
    cases = must(caller.coordinator.post("/v1/clients/find", {"personal_identity_code": code}))
    return [one["id"] for one in cases["items"]]


def waiting(caller: Caller, client: str) -> list[dict[str, Any]]:
    listed = must(caller.by(OFFICER).get("/v1/differences?limit=200"))["items"]
    return [one for one in listed if one["client"] == client]


def settle(caller: Caller, difference: dict[str, Any], outcome: str) -> None:
    must(caller.by(OFFICER).post(f"/v1/differences/{difference['id']}", {"outcome": outcome}))


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


def test_a_new_code_finds_the_person(caller: Caller) -> None:
    body = new_case()
    case, code = must(caller.coordinator.post("/v1/cases", body))["id"], body["client"]["personal_identity_code"]
    client, new = client_of(caller, case), code_born_then(code)
    change(caller, client, personal_identity_code=new.lower())
    assert found(caller, new) == [case]
    with signed_in(caller, case, new) as hers:
        assert hers.one("")["personal_identity_code"] == new
    again = caller.open_case(handled=False, personal_identity_code=new, born=body["client"]["born"])
    assert client_of(caller, again) == client
    # A code given to somebody without one.
    bare = caller.open_case(handled=False, personal_identity_code=None, name="Uno Persona", born=body["client"]["born"])
    first = code_born_then(code, "X", 2)
    change(caller, client_of(caller, bare), personal_identity_code=first)
    assert found(caller, first) == [bare]
    assert waiting(caller, client_of(caller, bare)) == []


def test_p01_a_former_code_finds_and_attaches_to_nobody_until_a_records_officer_confirms_it(caller: Caller) -> None:
    body = new_case()
    case, old = must(caller.coordinator.post("/v1/cases", body))["id"], body["client"]["personal_identity_code"]
    client, new, born = client_of(caller, case), code_born_then(old), body["client"]["born"]
    change(caller, client, personal_identity_code=new)
    assert found(caller, old) == []
    [waits] = waiting(caller, client)
    assert (waits["fields"], waits["former"]["personal_identity_code"], waits["registered"]["personal_identity_code"]) == (
        ["former_personal_identity_code"], old, new,
    )  # fmt: skip
    settle(caller, waits, "taken")
    assert (found(caller, old), found(caller, new)) == ([case], [case])
    late = caller.open_case(handled=False, personal_identity_code=old, born=born)
    assert client_of(caller, late) == client
    with signed_in(caller, case, old) as nobody:
        assert nobody.one("")["kept"] is False


def test_p01_who_truly_has_a_mistyped_code_comes_as_themselves(caller: Caller) -> None:
    body = new_case()
    case, mistyped = must(caller.coordinator.post("/v1/cases", body))["id"], body["client"]["personal_identity_code"]
    client, right, born = client_of(caller, case), code_born_then(mistyped), body["client"]["born"]
    change(caller, client, personal_identity_code=right)
    theirs = caller.open_case(handled=False, personal_identity_code=mistyped, born=born, name="Toinen Henkilö")
    assert client_of(caller, theirs) != client
    assert found(caller, mistyped) == [theirs]
    with signed_in(caller, theirs, mistyped) as them, signed_in(caller, case, right) as hers:
        assert [[one["id"] for one in who.all("/cases")] for who in (them, hers)] == [[theirs], [case]]
    [waits] = waiting(caller, client)
    assert code_of(caller.by(OFFICER).post(f"/v1/differences/{waits['id']}", {"outcome": "taken"})) == (
        409,
        "code-differs",
    )
    settle(caller, waits, "kept")
    assert found(caller, mistyped) == [theirs]


def test_p10_who_gave_a_code_finds_and_opens_by_it_alike_whether_it_was_taken_over_or_not(caller: Caller) -> None:
    """Neither find, nor a case opened with either code, nor an authority tells that the code stands for another person."""
    seen = []
    for is_anothers in (True, False):
        body = new_case()
        case, old = must(caller.coordinator.post("/v1/cases", body))["id"], body["client"]["personal_identity_code"]
        client, given, born = client_of(caller, case), code_born_then(old), body["client"]["born"]
        if is_anothers:
            theirs = caller.open_case(handled=False, personal_identity_code=given, born=born, name="Toinen Henkilö")
            for table, column in (("member", "agency"), ("client_case", "controller")):
                where = "case_id" if table == "member" else "id"
                caller.service.sql(f"UPDATE vault.{table} SET {column} = 'te-palvelut' WHERE {where} = $1", theirs)
        change(caller, client, personal_identity_code=given)
        answer = [found(caller, given) == [case], found(caller, old)]
        again = caller.open_case(handled=False, personal_identity_code=given, born=born)
        with_old = caller.open_case(handled=False, personal_identity_code=old, born=born)
        answer += [client_of(caller, again) == client, client_of(caller, with_old) == client]
        authority = {
            "kind": "authorised",
            "scope": "see",
            "case": case,
            "representative": {"name": "Esko", "personal_identity_code": given},
            "shown": "seen",
        }
        refused = caller.coordinator.post(f"/v1/cases/{case}/authorities", authority)
        answer += [refused.status_code, sorted(refused.headers)]
        for code in (old, given):
            with signed_in(caller, case, code) as who:
                shown = who.all("/cases")
                assert case not in [one["id"] for one in shown] or (code == given and not is_anothers)
        if is_anothers:
            with signed_in(caller, theirs, given) as them:
                assert [one["id"] for one in them.all("/cases")] == [theirs]
        seen.append(answer)
    assert seen[0] == seen[1]
    assert seen[0][:4] == [True, [], True, False]


def test_p10_a_new_cases_client_does_not_tell_by_its_id_when_the_person_came(caller: Caller) -> None:
    ids = [uuid.UUID(client_of(caller, caller.open_case(handled=False))) for _ in range(4)]
    assert {one.version for one in ids} == {7}
    assert [one for one in ids if abs((one.int >> 80) / 1000 - time.time()) < 3600 * 24 * 30] == []


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
    assert (found(caller, free), found(caller, code)) == ([case], [])
    rows = caller.service.sql(
        "SELECT case_id::text, fields FROM vault.difference WHERE client = $1 ORDER BY id", client
    )
    assert [tuple(row) for row in rows] == [
        (case, ["personal_identity_code"]),
        (case, ["former_personal_identity_code"]),
    ]
    with signed_in(caller, case, free) as hers:
        me = hers.one("")
        assert (me["name"], me["personal_identity_code"]) == ("Maija Uusi", free)
    refused, former = waiting(caller, client)
    path = f"/v1/differences/{refused['id']}"
    assert code_of(caller.by(OFFICER).post(path, {"outcome": "taken"})) == (409, "code-differs")
    settle(caller, refused, "kept")
    assert waiting(caller, client) == [former]
    assert found(caller, free) == [case]


def test_what_was_registered_is_the_clients_code_again_when_the_desk_keeps_it(caller: Caller) -> None:
    body = new_case()
    case, code = must(caller.coordinator.post("/v1/cases", body))["id"], body["client"]["personal_identity_code"]
    client, other = client_of(caller, case), code_born_then(code, "W", 3)
    theirs = caller.open_case(handled=False, personal_identity_code=other, born=body["client"]["born"])
    with signed_in(caller, case, code) as hers:
        change(caller, client, personal_identity_code=other)
        assert hers.get("").status_code == 401
    [waits] = waiting(caller, client)
    settle(caller, waits, "kept")
    assert (found(caller, code), found(caller, other)) == ([case], [theirs])
    with signed_in(caller, case, code) as hers:
        assert (hers.one("")["personal_identity_code"], [one["id"] for one in hers.all("/cases")]) == (code, [case])


def test_p01_a_code_that_was_the_clients_by_mistake_and_is_given_again_stays_its_true_holders(caller: Caller) -> None:
    """Mistyped, corrected, then given again by mistake once its true holder is known here."""
    body = new_case()
    case, mistyped = must(caller.coordinator.post("/v1/cases", body))["id"], body["client"]["personal_identity_code"]
    client, right, later = client_of(caller, case), code_born_then(mistyped), code_born_then(mistyped, "W", 3)
    change(caller, client, personal_identity_code=right)
    theirs = caller.open_case(
        handled=False, personal_identity_code=mistyped, born=body["client"]["born"], name="Toinen Henkilö"
    )
    for _ in range(2):
        change(caller, client, personal_identity_code=mistyped)  # the second time it is no news
    with signed_in(caller, theirs, mistyped) as them:
        assert [one["id"] for one in them.all("/cases")] == [theirs]
    assert theirs in found(caller, mistyped)
    former, refused = waiting(caller, client)
    assert (former["fields"], refused["fields"]) == (["former_personal_identity_code"], ["personal_identity_code"])
    settle(caller, refused, "kept")
    assert (found(caller, right), found(caller, mistyped)) == ([case], [theirs])
    with signed_in(caller, case, right) as hers:
        assert [one["id"] for one in hers.all("/cases")] == [case]
    # What the true holder gives up becomes nobody's: nobody decided that it is hers.
    change(caller, client_of(caller, theirs), personal_identity_code=later)
    assert found(caller, mistyped) == []
    with browser(caller.service, client_session(caller.service, mistyped)) as nobody:
        assert nobody.get("/v1/me/cases").json()["items"] == []


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
