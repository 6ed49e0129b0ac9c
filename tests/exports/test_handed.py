"""Who cannot sign in gets the same export at a records officer's desk: made on their request, fetched, handed over, recorded."""

from __future__ import annotations

import secrets
import time
import uuid
from typing import Any

import pytest

from tests.exports.conftest import BIG, Scene, data
from tests.exports.counter import IN_PERSON, TODAY, Counter, client_of
from tests.exports.test_for_another import MIND, Pair, papers
from tests.exports.test_p06_running import outcomes
from tests.faults.test_p06_cuts import late
from tests.support.caller import must
from tests.support.slow import SlowReaders, Wanted
from tests.web.test_desk_pages import DESK
from vault.web.session import encode_secret


@pytest.fixture(scope="module")
def counter(scene: Scene) -> Counter:
    return Counter(scene)


def of(path: str) -> str:
    """The id at the end of a path."""
    return path.rpartition("/")[2]


def test_p09_from_the_counter_to_the_hand_over(scene: Scene, counter: Counter) -> None:
    her = scene.person(b"x" * 1000, b"y" * BIG)
    path = counter.asked(client_of(scene, her))
    assert f"{path}/package" in counter.get(path)
    assert 'value="without"' in counter.get(f"{path}/package")
    package = counter.made(path, large="all")
    assert "hand-over" not in counter.get(f"{path}/package")
    assert counter.post(f"{package}/hand-over", IN_PERSON, status=422)  # nobody has it yet
    zipped = counter.fetched(package)
    head = data(zipped, "export")
    assert zipped.testzip() is None
    assert (head["desk"]["agency"], head["request"], head["authority"], head["partial"]) == (
        "pirha",
        of(path),
        None,
        False,
    )
    assert "pyynnöstä, joka tuli" in zipped.read("index.html").decode()
    for field, wrong in (("identified_how", "receipt-of-delivery"), ("on", "2001-01-01"), ("how", "by-pigeon")):
        assert f'id="{field}-error"' in counter.post(f"{package}/hand-over", IN_PERSON | {field: wrong}, status=422)
    assert "Näin avaat paketin" in counter.get(f"{package}/letter")
    assert counter.handed(package) == path
    assert counter.state(package) == "handed"
    assert "Vastattu" in counter.get(path)
    # Gone from here: its key is destroyed, and nobody fetches it again.
    assert counter.http.get(f"{package}/download").status_code == 303
    assert (
        scene.service.one("SELECT count(*) FROM vault.wrapped_key WHERE kind = 'export' AND subject = $1", of(package))
        == 0
    )
    assert counter.handed(package) == path  # a second press
    assert counter.post(f"{package}/hand-over", IN_PERSON | {"how": "print-in-person"}, status=422)
    # Signed in later she sees it, and who made and fetched it and why; it was for the desk alone.
    theirs = her.get(of(package))
    assert (theirs["state"], theirs["handed"]["on"], theirs["desk"]["agency"]) == ("handed", TODAY, "pirha")
    assert her.content(of(package)).status_code == 404
    assert her.http.delete(f"/v1/me/exports/{of(package)}").status_code == 404
    assert "antoi sinulle tämän paketin" in her.http.get(f"/my/exports/{of(package)}").text
    acts = [
        one
        for one in must(her.http.get("/v1/me/log"))["items"]
        if one["actor"] == "records-officer" and one["act"].startswith("export")
    ]
    assert {one["act"] for one in acts} == {"export-order", "export", "export-hand-over"}
    given = [one for one in acts if one["decision"] == "permit"]
    assert {(one["basis"], one["request"], one["agency"]) for one in given} == {("controller-duty", of(path), "pirha")}
    page = her.http.get("/my/log").text
    assert "Haki kaikkien tietojesi paketin antaakseen sen sinulle" in page
    assert f"/my/requests/{of(path)}" in page


def test_what_waits_is_asked_for_on_and_the_letter_tells_it_with_the_provisions(scene: Scene, counter: Counter) -> None:
    her = scene.person()
    [case] = scene.service.sql("SELECT id::text FROM vault.client_case WHERE client = $1::uuid", client_of(scene, her))
    scene.caller.file(case[0], content=b"waits", third_persons=True)
    closed = scene.caller.file(case[0], content=b"closed")
    path = counter.asked(client_of(scene, her), received_how="paper", identified_how="signature")
    withheld = {"how": "withheld", "provision": "621-1999-11", "reason": "toisen asia", "told": True}
    must(counter.http.post(f"/v1/requests/{of(path)}/looks", json={"document": closed, "reason": "tarkistan"}), 201)
    must(counter.http.post(f"/v1/requests/{of(path)}/documents/{closed}/decision", json=withheld), 201)
    package = counter.made(path)
    zipped = counter.fetched(package)
    assert {paper["how"] for paper in data(zipped, "documents")} == {"open", "waiting", "withheld"}
    assert b"closed" not in b"".join(zipped.read(name) for name in zipped.namelist() if name.startswith("documents/"))
    assert 'id="how-error"' in counter.post(f"{package}/hand-over", {}, status=422)
    letter = counter.get(f"{package}/letter")
    assert "julkisuuslaki (621/1999) 11 §" in letter
    assert "toisen asia" in letter
    assert "täytyy ensin tarkistaa. Saat vastauksen viimeistään" in letter
    assert "tietosuojavaltuutetulle" in letter
    rest = counter.handed(package, how="print-by-letter", identified_how="receipt-of-delivery")
    assert rest != path
    one, first = (must(counter.http.get(f"/v1/requests/{of(each)}"))["request"] for each in (rest, path))
    assert (one["kind"], one["running"], one["due_on"], one["identified_how"]) == (
        "self-access",
        True,
        first["due_on"],
        "signature",
    )
    assert first["state"] == "answered"


def test_p09_a_paper_that_was_opened_only_after_the_package_was_made_is_still_asked_for_and_told(
    scene: Scene, counter: Counter
) -> None:
    her = scene.person()
    case = scene.service.one("SELECT id::text FROM vault.client_case WHERE client = $1::uuid", client_of(scene, her))
    checked = scene.caller.file(case, content=b"waits", third_persons=True)
    path = counter.asked(client_of(scene, her))
    package = counter.made(path)
    counter.fetched(package)
    must(counter.http.post(f"/v1/requests/{of(path)}/looks", json={"document": checked, "reason": "tarkistan"}), 201)
    must(counter.http.post(f"/v1/requests/{of(path)}/documents/{checked}/decision", json={"how": "open"}), 201)
    assert "tarkistettiin vasta, kun tämä paketti oli jo tehty" in counter.get(f"{package}/letter")
    rest = counter.handed(package)
    assert rest != path
    zipped = counter.fetched(counter.made(rest))
    assert {paper["how"] for paper in data(zipped, "documents") if paper["id"] == checked} == {"open"}
    assert counter.handed(f"{rest}/package/{data(zipped, 'export')['export']}") == rest  # nothing is left to come


def test_p09_one_for_who_acts_for_the_person_holds_what_the_authority_covers(scene: Scene, counter: Counter) -> None:
    pair = Pair(scene)
    authority, only_sees = pair.give(case=pair.one), pair.give(scope="see")
    path = counter.asked(client_of(scene, pair.her))
    page = counter.get(f"{path}/package")
    assert authority in page
    assert only_sees not in page
    assert 'id="authority-error"' in counter.post(f"{path}/package", {"authority": only_sees}, status=422)
    package = counter.made(path, authority=authority)
    zipped = counter.fetched(package)
    assert papers(zipped) == {pair.paper}
    assert data(zipped, "client") is None
    assert pair.secret.encode() not in b"".join(zipped.read(name) for name in zipped.namelist())
    assert "client" not in {one["actor"] for one in data(zipped, "openings")}
    assert pair.her.http.delete(f"/v1/me/authorities/{authority}").status_code == 204
    assert counter.http.get(f"{package}/download").status_code == 303
    assert counter.post(f"{package}/hand-over", IN_PERSON, status=422)


def test_p09_the_letter_to_who_acts_for_the_person_tells_of_no_paper_outside_the_authority(
    scene: Scene, counter: Counter
) -> None:
    pair = Pair(scene)
    mind = scene.caller.file(pair.one, "b-lausunto", b"waits", protected_classes=MIND, third_persons=True)
    waits = scene.caller.file(pair.one, content=b"waits", third_persons=True)
    path = counter.asked(client_of(scene, pair.her))
    for paper, reason in ((pair.paper, "oma"), (pair.elsewhere, "muualla"), (pair.secret, "mielestä")):
        must(counter.http.post(f"/v1/requests/{of(path)}/looks", json={"document": paper, "reason": "tarkistan"}), 201)
        told = {"how": "withheld", "provision": "621-1999-11", "reason": f"syy {reason}", "told": True}
        must(counter.http.post(f"/v1/requests/{of(path)}/documents/{paper}/decision", json=told), 201)
    counter.made(path, authority=pair.give(case=pair.one))
    counter.made(path)
    own, theirs = must(counter.http.get(f"/v1/requests/{of(path)}/exports"))["exports"]
    assert ({one["document"] for one in own["rest"]}, {one["document"] for one in theirs["rest"]}) == ({mind, waits}, {waits})  # fmt: skip
    letters = [counter.get(f"{path}/package/{one['export']['id']}/letter") for one in (own, theirs)]
    found = [[reason for reason in ("oma", "muualla", "mielestä") if f"syy {reason}" in letter] for letter in letters]
    assert found == [["oma", "muualla", "mielestä"], ["oma"]]
    assert [letter.count("täytyy ensin tarkistaa") for letter in letters] == [2, 1]


def test_p09_what_another_organisation_answers_for_is_not_in_it(scene: Scene, counter: Counter) -> None:
    pair = Pair(scene)
    scene.service.sql("UPDATE vault.client_case SET controller = 'kela' WHERE id = $1::uuid", pair.other)
    zipped = counter.fetched(counter.made(counter.asked(client_of(scene, pair.her))))
    assert [case["id"] for case in data(zipped, "cases")] == [pair.one]
    opened = {one["actor"] for one in data(zipped, "openings") if one["act"] == "open"}
    assert opened == {"professional"}  # she opened it, too, and that is hers alone to see
    everything = b"".join(zipped.read(name) for name in zipped.namelist())
    assert pair.other.encode() not in everything
    assert pair.elsewhere.encode() not in everything
    package = counter.made(counter.asked(client_of(scene, pair.her), case=pair.one))
    narrow = counter.fetched(package)
    assert (data(narrow, "client"), data(narrow, "export")["in_all"]) == (None, False)
    counter.handed(package)
    seen = must(scene.caller.coordinator.get(f"/v1/cases/{pair.one}/log", params={"limit": 200}))["items"]
    assert not [
        one for one in seen if one["act"].startswith("export")
    ]  # what she asks for is not the coordinator's to see


def test_a_paper_that_closes_meanwhile_stops_the_hand_over_and_a_letters_receipt_may_come_late(
    scene: Scene, counter: Counter
) -> None:
    her = scene.person()
    case = scene.service.one("SELECT id::text FROM vault.client_case WHERE client = $1::uuid", client_of(scene, her))
    wrong = scene.caller.file(case, content=b"another's")
    path = counter.asked(client_of(scene, her))
    first = counter.made(path)
    counter.fetched(first)
    must(scene.caller.coordinator.post(f"/v1/documents/{wrong}/misfiled"))
    assert "Älä luovuta tätä" in counter.get(f"{path}/package")
    assert counter.http.get(f"{first}/download").status_code == 409
    assert 'id="how-error"' in counter.post(f"{first}/hand-over", IN_PERSON, status=422)
    counter.post(f"{first}/remove", {})
    second = counter.made(path)
    counter.fetched(second)
    scene.service.sql("UPDATE vault.export_package SET expires_at = now() WHERE export = $1::uuid", of(second))
    scene.clear()
    assert (counter.state(second), counter.http.get(f"{second}/download").status_code) == ("expired", 303)
    counter.handed(second, how="medium-by-letter", identified_how="receipt-of-delivery")
    assert counter.state(second) == "handed"


def test_p09_only_a_hand_over_uses_up_the_year(scene: Scene, counter: Counter) -> None:
    her = scene.person()
    client = client_of(scene, her)
    fee = {"cents": 1500, "reason": "kopio"}

    def charged() -> Any:
        return counter.http.post(f"/v1/requests/{of(counter.asked(client))}/fee", json=fee)

    path = counter.asked(client)
    package = counter.made(path)
    counter.fetched(package)
    assert charged().json()["code"] == "fee-not-due"
    counter.handed(package)
    assert charged().status_code == 201
    # No press but these two is an answer to it.
    again = counter.asked(client)
    must(counter.http.post(f"/v1/requests/{of(again)}/fee", json=fee), 201)
    assert 'name="answer" value="no"' in counter.get(again)
    for nothing in ({"answer": ""}, {"answer": "maybe"}):
        assert 'id="answer-error"' in counter.post(again, nothing, f"{again}/fee/answer", status=422)
    assert must(counter.http.get(f"/v1/requests/{of(again)}"))["request"]["fee"]["accepted"] is None
    counter.post(again, {"answer": "yes"}, f"{again}/fee/answer")
    assert must(counter.http.get(f"/v1/requests/{of(again)}"))["request"]["fee"]["accepted"] is True


def test_p06_a_request_that_ends_ends_what_was_made_on_it(scene: Scene, counter: Counter) -> None:
    her = scene.person()
    path = counter.asked(client_of(scene, her))
    ready = counter.made(path)
    counter.post(f"{path}/package", {})
    must(counter.http.post(f"/v1/requests/{of(path)}/answer", json={"text": "kirjeellä"}))
    assert counter.http.get(f"{ready}/download").status_code == 303
    assert counter.state(ready) == "ready"
    for _ in range(6):
        scene.work()
    assert (
        scene.service.one(
            "SELECT count(*) FROM vault.export_package p JOIN vault.export x ON x.id = p.export WHERE x.request = $1::uuid",
            of(path),
        )
        == 1
    )
    newest = scene.service.one(
        "SELECT id FROM vault.export WHERE request = $1::uuid ORDER BY id DESC LIMIT 1", of(path)
    )
    assert counter.state(f"{path}/package/{newest}") == "failed"


def test_a_package_is_removed_before_it_is_handed_over_and_the_clients_own_order_is_another(
    scene: Scene, counter: Counter
) -> None:
    her = scene.person()
    path = counter.asked(client_of(scene, her))
    counter.post(f"{path}/package", {})
    own = her.order()
    assert own["desk"] is None
    scene.work()
    [listed] = [one for one in must(her.http.get("/v1/me/exports"))["items"] if one["desk"]]
    package = f"{path}/package/{listed['id']}"
    assert her.content(listed["id"]).status_code == 404
    assert her.content(own["id"]).status_code == 200
    counter.post(f"{package}/remove", {})
    assert counter.state(package) == "removed"
    assert counter.http.get(f"{package}/download").status_code == 303
    counter.get(f"{DESK}/requests/{uuid.uuid4()}/package", 404)


def test_who_was_identified_long_ago_identifies_again(scene: Scene, counter: Counter) -> None:
    package = counter.made(counter.asked(client_of(scene, scene.person())))
    scene.service.sql(
        "UPDATE vault.session SET identified_at = identified_at - interval '1 hour' WHERE secret_sha256 = sha256($1)",
        counter.session.secret,
    )
    answer = counter.http.get(f"{package}/download")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"/sign-in/again?after={package.rpartition('/')[0]}",
    )
    scene.service.sql(
        "UPDATE vault.session SET identified_at = now() WHERE secret_sha256 = sha256($1)", counter.session.secret
    )


def test_p06_a_download_at_the_desk_is_cut_when_the_request_ends_and_every_range_is_the_officers_act(
    scene: Scene, counter: Counter
) -> None:
    """By the JSON surface, as the desk's own software calls it."""
    her = scene.person(secrets.token_bytes(16 * 1024 * 1024))
    request = of(counter.asked(client_of(scene, her)))
    path = f"/v1/requests/{request}/exports"
    told = must(counter.http.get(path))
    assert (told["fault"], told["exports"], told["authorities"]) == (None, [], [])
    made = must(counter.http.post(path, json={}), 202)
    assert made["size"] == told["outlook"]["whole"]
    assert must(counter.http.post(path, json={"without_large": True}), 202)["id"] == made["id"]
    scene.work()
    package = f"{path}/{made['id']}"
    handed = IN_PERSON | {"identified_how": "receipt-of-delivery"}
    assert counter.http.post(f"{package}/hand-over", json=handed).json()["field"] == "identified_how"
    assert counter.http.post(f"{package}/hand-over", json=IN_PERSON).json()["code"] == "export-not-fetched"
    part = counter.http.get(f"{package}/content", headers={"Range": "bytes=0-99"})
    assert (part.status_code, len(part.content)) == (206, 100)
    [reader] = [Wanted(f"{scene.service.url}{package}/content", f"Cookie: vault={encode_secret(counter.session.secret)}")]  # fmt: skip
    readers = SlowReaders([reader])
    time.sleep(1.2)
    must(counter.http.post(f"/v1/requests/{request}/answer", json={"text": "kirjeellä"}))
    answered = time.monotonic()
    [download] = readers.join()
    assert late([download], answered) == []
    assert not download.is_complete
    assert outcomes(scene, [download]) == ["cut"]
    assert counter.http.get(f"{package}/content").status_code == 404
    assert must(counter.http.get(path))["fault"] == "request-state"
    acts = scene.service.sql("SELECT actor, basis, facts FROM vault.entry WHERE document = $1::uuid AND act = 'export' AND decision = 'permit' AND actor <> 'worker'", made["id"])  # fmt: skip
    assert {tuple(row) for row in acts} == {("records-officer", "controller-duty", f"fetch {made['id']} request {request}")}  # fmt: skip
    assert len(acts) == 2
    assert counter.http.delete(package).status_code == 204
