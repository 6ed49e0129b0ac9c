"""Who acts for a client: given, chosen after sign-in, seen by the client, ended; over HTTP, as people meet it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.caller import Caller, must, personal_code, young_code
from tests.support.sessions import browser, client_session, staff_session

NAME = "Esko Edustaja"


class Scene:
    """A client with a case and a paper in it; somebody who may act for her."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.code, born = personal_code()
        self.friends_code, _ = personal_code()
        self.case = caller.open_case(personal_identity_code=self.code, born=born, name="Maija Mallikas")
        self.paper = caller.file(self.case)
        self.hers = browser(caller.service, client_session(caller.service, self.code))
        self.friend = browser(caller.service, client_session(caller.service, self.friends_code))

    def close(self) -> None:
        self.hers.close()
        self.friend.close()

    def wish(self, **about: Any) -> dict[str, Any]:
        known = {"representative": {"name": NAME, "personal_identity_code": self.friends_code}, "scope": "see"}
        return known | about

    def give(self, **about: Any) -> str:
        return str(must(self.hers.post("/v1/me/authorities", json=self.wish(**about)))["id"])

    def choose(self, authority: str) -> httpx.Response:
        """What the page /sign-in/act-for is pressed with."""
        page = self.friend.get("/sign-in/act-for")
        token = re.search(r'name="form_token" value="([0-9a-f]+)"', page.text)
        assert token is not None
        return self.friend.post("/sign-in/act-for", data={"authority": authority, "form_token": token[1]})

    def content(self) -> httpx.Response:
        return self.friend.get(f"/v1/me/documents/{self.paper}/content")


@pytest.fixture
def people(caller: Caller) -> Iterator[Scene]:
    scene = Scene(caller)
    yield scene
    scene.close()


def test_somebody_sees_for_a_client_who_sees_them_and_ends_it(people: Scene) -> None:
    assert people.friend.get("/v1/me/mandates").json()["items"] == []
    authority = people.give()
    [mandate] = people.friend.get("/v1/me/mandates").json()["items"]
    assert (mandate["authority"], mandate["client_name"], mandate["scope"]) == (authority, "Maija Mallikas", "see")
    assert people.content().status_code == 404  # not before it is chosen
    assert "Maija Mallikas" in people.friend.get("/sign-in/act-for").text
    assert people.choose(authority).headers["location"] == "/my"
    assert "<h1>Kuka voi nyt avata asiakirjat</h1>" in people.friend.get("/my").text  # not: my papers
    read = people.content()
    assert (read.status_code, read.content) == (200, b"a paper")
    mine = people.hers.get("/v1/me/log").text
    assert '"representative"' in mine
    assert "representative" not in people.caller.coordinator.get(f"/v1/cases/{people.case}/log").text
    [shown] = people.hers.get("/v1/me/authorities").json()["items"]
    assert (shown["representative"], shown["in_force"], shown["given_by_client"]) == (NAME, True, True)
    assert people.friends_code not in str(shown)
    assert people.hers.delete(f"/v1/me/authorities/{authority}").status_code == 204
    assert people.content().status_code == 401
    assert people.hers.get("/v1/me/authorities").json()["items"][0]["in_force"] is False


def test_who_acts_for_another_goes_back_to_their_own(people: Scene) -> None:
    assert people.choose(people.give()).status_code == 303
    before = people.friend.cookies["vault"]
    assert people.choose("self").status_code == 303
    assert people.friend.cookies["vault"] != before
    assert people.content().status_code == 404


@pytest.mark.parametrize("authority", ["", "x", "01970000-0000-7000-8000-000000000000"])
def test_p01_what_was_not_given_cannot_be_chosen(people: Scene, authority: str) -> None:
    people.give()
    assert people.choose(authority).status_code in (403, 422)
    assert people.content().status_code == 404


def test_p01_a_representative_gives_nothing_on(people: Scene) -> None:
    people.choose(people.give(scope="act"))
    code, _ = personal_code()
    wish = people.wish() | {"representative": {"name": "X", "personal_identity_code": code}}
    assert people.friend.post("/v1/me/authorities", json=wish).status_code == 404
    assert people.friend.get("/v1/me/authorities").status_code == 404


@pytest.mark.parametrize(
    ("about", "field"),
    [
        ({"scope": "all"}, "scope"), ({"kind": "king"}, "kind"), ({"until": "2026-13-01"}, "until"), ({"from": "2026-03-02", "until": "2026-03-01"}, "until"),
        ({"protected_classes": ["everything"]}, "protected_classes[0]"), ({"representative": {"name": "", "personal_identity_code": "x"}}, "representative.name"),
        ({"representative": {"name": "X", "personal_identity_code": "010190-9999"}}, "representative.personal_identity_code"),
    ],
)  # fmt: skip
def test_a_wrong_authority_is_told_field_by_field(people: Scene, about: dict[str, Any], field: str) -> None:
    answer = people.hers.post("/v1/me/authorities", json=people.wish(**about))
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_nobody_is_their_own_representative(people: Scene) -> None:
    wish = people.wish() | {"representative": {"name": "Maija", "personal_identity_code": people.code}}
    assert people.hers.post("/v1/me/authorities", json=wish).status_code == 422


def test_a_coordinator_records_for_the_case_and_a_records_officer_for_all(people: Scene) -> None:
    at, shown = f"/v1/cases/{people.case}/authorities", {"shown": "Edunvalvontavaltakirja, DVV 12.1.2026"}
    wish = people.wish(kind="continuing-power", **shown)
    coordinator = people.caller.coordinator
    assert coordinator.post(at, people.wish(kind="continuing-power")).status_code == 422  # says not what was shown
    assert coordinator.post(at, wish).status_code == 403  # for all cases: not a coordinator's to record
    made = must(coordinator.post(at, wish | {"case": people.case}))
    assert [one["shown"] for one in must(coordinator.get(at))["items"]] == [shown["shown"]]
    with browser(
        people.caller.service, staff_session(people.caller.service, "pirha-1004", "records-officer")
    ) as officer:
        wide = must(officer.post(at, json=wish))
        assert {one["id"] for one in must(officer.get(at))["items"]} == {made["id"], wide["id"]}
        assert officer.delete(f"/v1/authorities/{wide['id']}").status_code == 204
    assert (
        people.hers.delete(f"/v1/me/authorities/{made['id']}").status_code == 403
    )  # a continuing power is not hers to end
    assert people.choose(made["id"]).status_code == 303
    assert people.content().status_code == 200


def test_a_minor_keeps_a_guardian_out(caller: Caller) -> None:
    """Test 23 of the domain's list, over HTTP."""
    scene = Scene(caller)
    code, born = young_code(16)
    scene.case = caller.open_case(personal_identity_code=code, born=born, name="Nuori Mallikas")
    scene.paper = caller.file(scene.case)
    wish = scene.wish(kind="guardian", case=scene.case, shown="Väestötietojärjestelmä: huoltaja")
    guardian = must(caller.coordinator.post(f"/v1/cases/{scene.case}/authorities", wish))["id"]
    scene.choose(guardian)
    assert scene.content().status_code == 200
    with browser(caller.service, client_session(caller.service, code)) as theirs:
        assert theirs.post(f"/v1/me/authorities/{guardian}/bar").status_code == 204
        assert scene.content().status_code == 401
        assert theirs.delete(f"/v1/me/authorities/{guardian}/bar").status_code == 204
    again = browser(caller.service, client_session(caller.service, scene.friends_code))
    scene.friend.close()
    scene.friend = again
    scene.choose(guardian)
    assert scene.content().status_code == 200
    scene.close()
