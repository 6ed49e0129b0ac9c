"""An export that a representative orders holds what the authority covers and no more; one who may only see orders none."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any

import pytest

from tests.exports.conftest import Person, Scene, data
from tests.support.caller import KELA, must, permit, personal_code, young_code
from tests.support.sessions import browser, client_session

MIND = ["mental-health"]


class Pair:
    """A client with two cases and a protected paper in one; somebody who acts for her."""

    def __init__(self, scene: Scene, **client: Any) -> None:
        self.scene, caller = scene, scene.caller
        self.her = Person(scene, code=client.pop("code", None), born=client.pop("born", ""))
        self.one, self.other = self.her.open_case(**client), self.her.open_case(**client)
        everything = permit("kela", protected_classes=MIND)
        caller.consent(self.one, [permit("kela"), everything])
        self.paper = caller.file(self.one, content=b"hers")
        self.secret = caller.file(self.one, "b-lausunto", b"of her mind", protected_classes=MIND)
        self.elsewhere = caller.file(self.other, content=b"elsewhere")
        assert caller.by(KELA).read(self.paper).status_code == 200
        assert caller.by(KELA).read(self.secret, **{"Vault-Confirm": MIND[0]}).status_code in (200, 404)
        self.her.sign_in()
        assert self.her.http.get(f"/v1/me/documents/{self.paper}/content").status_code == 200
        self.code, _ = personal_code()
        self.friend = Person(scene, code=self.code, born="1970-01-01")
        self.friend.http = browser(scene.service, client_session(scene.service, self.code))
        scene.browsers.append(self.friend.http)

    def give(self, **about: Any) -> str:
        wish = {"representative": {"name": "Esko Edustaja", "personal_identity_code": self.code}, "scope": "act"}
        return str(must(self.her.http.post("/v1/me/authorities", json=wish | about))["id"])

    def recorded(self, **about: Any) -> str:
        """An authority on a document that the coordinator was shown."""
        wish = {
            "representative": {"name": "Huoltaja", "personal_identity_code": self.code},
            "shown": "päätös",
            "scope": "act",
            "case": self.one,
        }
        return str(must(self.scene.caller.coordinator.post(f"/v1/cases/{self.one}/authorities", wish | about))["id"])

    def act(self, authority: str) -> None:
        token = re.search(r'name="form_token" value="([0-9a-f]+)"', self.friend.http.get("/sign-in/act-for").text)
        assert token is not None
        assert (
            self.friend.http.post("/sign-in/act-for", data={"authority": authority, "form_token": token[1]}).status_code
            == 303
        )

    def package(self) -> zipfile.ZipFile:
        return self.scene.unpacked(self.friend)


@pytest.fixture
def pair(scene: Scene) -> Pair:
    return Pair(scene)


def papers(package: zipfile.ZipFile) -> set[str]:
    return {paper["id"] for paper in data(package, "documents") if not paper["signed_form"]}


def everything(package: zipfile.ZipFile) -> bytes:
    return b"".join(package.read(name) for name in package.namelist() if not name.endswith("verifier.py"))


def test_p09_an_authority_for_all_without_protected_classes_gives_all_but_those(pair: Pair) -> None:
    authority = pair.give()
    pair.act(authority)
    package = pair.package()
    assert papers(package) == {pair.paper, pair.elsewhere}
    assert data(package, "client")["name"]
    assert data(package, "export")["authority"] == authority
    # Nothing of the paper whose class is not named: no id in data, page or log, no byte, no clause about the class.
    assert pair.secret.encode() not in everything(package)
    assert not [c for k in data(package, "consents") for c in k["provisions"] if c["protected_classes"] == MIND]
    assert [c for k in data(package, "consents") for c in k["provisions"] if c["protected_classes"] == []]
    # Nor of the client's own reads.
    actors = {one["actor"] for one in data(package, "openings")}
    assert "client" not in actors
    assert "professional" in actors
    entries = {name.rpartition("/")[2][:-5] for name in package.namelist() if name.startswith("log/entries/")}
    theirs = pair.scene.service.sql("SELECT id::text FROM vault.entry WHERE id::text = ANY ($1::text[]) AND (actor = 'client' OR document = $2::uuid)", sorted(entries), pair.secret)  # fmt: skip
    assert entries
    assert theirs == []


def test_p09_a_class_that_is_named_is_there(pair: Pair) -> None:
    pair.act(pair.give(protected_classes=MIND))
    assert papers(pair.package()) == {pair.paper, pair.secret, pair.elsewhere}


def test_p09_an_authority_for_one_case_gives_that_case_and_nothing_of_the_person_as_a_whole(pair: Pair) -> None:
    waits = pair.scene.caller.file(pair.one, content=b"waits", third_persons=True)
    pair.act(pair.give(case=pair.one))
    told = must(pair.friend.http.get("/v1/me/exports"))["estimate"]["whole"]
    package = pair.package()
    assert papers(package) == {pair.paper, waits}
    assert told["documents"] == data(package, "export")["counts"]["documents_here"]
    assert [case["id"] for case in data(package, "cases")] == [pair.one]
    assert data(package, "client") is None
    assert data(package, "export")["in_all"] is False
    assert pair.other.encode() not in everything(package)
    # What waits there is asked for, in that case's name alone.
    [asked] = data(package, "requests")
    assert (asked["kind"], asked["case"]) == ("export-review", pair.one)
    page = package.read("index.html").decode()
    assert "<h1>" in page
    assert "minkä hänen oikeutensa kattaa" in page


def test_p09_who_may_only_see_orders_nothing(pair: Pair) -> None:
    pair.act(pair.give(scope="see"))
    answer = pair.friend.http.post("/v1/me/exports", json={})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    told = pair.friend.http.get("/my/exports")
    assert (told.status_code, "Oikeutesi riittää katsomiseen, ei asioimiseen." in told.text) == (403, True)
    assert (
        pair.scene.service.one(
            "SELECT count(*) FROM vault.export x JOIN vault.client_case c ON c.client = x.client WHERE c.id = $1::uuid",
            pair.one,
        )
        == 0
    )


def test_p09_what_an_ended_authority_ordered_is_not_made_nor_given(pair: Pair) -> None:
    authority = pair.give()
    pair.act(authority)
    ready, waiting = pair.scene.ready(pair.friend), str(pair.friend.order()["id"])
    assert pair.friend.content(ready).status_code == 200
    assert pair.her.content(ready).status_code == 404  # each has their own
    assert pair.her.http.delete(f"/v1/me/authorities/{authority}").status_code == 204
    assert pair.friend.content(ready).status_code == 401
    pair.scene.work()
    assert pair.scene.service.one("SELECT count(*) FROM vault.export_package WHERE export = $1::uuid", waiting) == 0


def test_23_a_guardian_whom_the_minor_bars_gets_no_export(scene: Scene) -> None:
    """domain.md §14 no. 23."""
    code, born = young_code(14)
    pair = Pair(scene, code=code, born=born)
    guardian = pair.recorded(kind="guardian")
    pair.act(guardian)
    ready, waiting = scene.ready(pair.friend), str(pair.friend.order()["id"])
    assert pair.her.http.post(f"/v1/me/authorities/{guardian}/bar").status_code == 204
    assert pair.friend.content(ready).status_code in (401, 404)
    assert pair.friend.http.post("/v1/me/exports", json={}).status_code in (401, 403)
    scene.work()
    assert scene.service.one("SELECT count(*) FROM vault.export_package WHERE export = $1::uuid", waiting) == 0
    assert zipfile.ZipFile(io.BytesIO(pair.her.content(scene.ready(pair.her)).content)).testzip() is None
