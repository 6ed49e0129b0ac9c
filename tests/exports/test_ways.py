"""An export from the order to its end: states, clock, downloads by range, removal, expiry, what does not use up the year."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import io
import socket
import subprocess
import time
import uuid
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.exports.conftest import BIG, Person, Scene, data
from tests.support.caller import KELA, must
from tests.support.sessions import browser, client_session
from tests.support.terms_model import due_day
from vault.errors import KeyUnopenable
from vault.rules.self_access import TRANSITIONS, Event, State
from vault.web.session import encode_secret

NOBODY = str(uuid.UUID(int=0x0190_0000_0000_7000_8000_0000_0000_0000))


def test_the_database_has_the_same_table_of_states(scene: Scene) -> None:
    for state in State:
        for event in Event:
            found = scene.service.one("SELECT vault.export_next($1, $2)", str(state), str(event))
            assert found == TRANSITIONS[state].get(event)


def test_size_is_told_first_and_the_clock_runs_a_month(scene: Scene) -> None:
    her = scene.person(b"x" * 1000, b"y" * BIG)
    told = must(her.http.get("/v1/me/exports"))
    assert told["items"] == []
    assert told["estimate"]["whole"]["documents"] == told["estimate"]["without_large"]["documents"] + 1
    assert told["estimate"]["whole"]["bytes"] - told["estimate"]["without_large"]["bytes"] == BIG
    ordered = her.order(without_large=True)
    assert ordered["state"] == "received"
    assert ordered["size"] == told["estimate"]["without_large"]
    received = dt.date.fromisoformat(ordered["clock"]["received"])
    assert ordered["clock"]["due"] == due_day(received, 1).isoformat()
    scene.work()
    package = zipfile.ZipFile(io.BytesIO(her.content(ordered["id"]).content))
    [large] = [paper for paper in data(package, "documents") if paper["how"] == "large"]
    assert (large["size"], large["file"], large["title"]) == (BIG, None, "Paperi kuntoutuspalaute")
    assert her.get(ordered["id"])["package"]["partial"] is True


def test_ordered_twice_while_one_is_under_way_the_same_one_is_answered(scene: Scene) -> None:
    her = scene.person()
    first, second = her.order(), her.order(without_large=True, language="en")
    assert first["id"] == second["id"]
    assert second["language"] == "fi"
    assert len(scene.work()) == 1
    assert her.order()["id"] != first["id"]


def test_p09_what_waits_is_asked_for_with_the_order_once(scene: Scene) -> None:
    her = scene.person()
    case = must(her.http.get("/v1/me/cases"))["items"][0]["id"]
    scene.caller.file(case, check_before_client=True)
    assert must(her.http.get("/v1/me/requests"))["items"] == []
    her.order()
    her.order()
    [asked] = must(her.http.get("/v1/me/requests"))["items"]
    assert asked["kind"] == "export-review"
    [waiting] = [one for one in must(her.http.get("/v1/me/documents"))["items"] if one["state"] == "waiting"]
    assert waiting["answered_by"] == asked["due_on"]


def test_p09_a_second_export_within_the_year_is_served_free_and_never_refused(scene: Scene) -> None:
    her = scene.person()
    for _ in range(4):
        export = scene.ready(her)
        assert her.content(export).status_code == 200
        assert her.state(export, "delivered")
    assert (
        scene.service.one("SELECT count(*) FROM vault.export WHERE id = $1::uuid AND client IS NOT NULL", export) == 1
    )


def is_free(scene: Scene, her: Person, day: str) -> bool:
    client = scene.service.one(
        "SELECT t.client FROM vault.token t WHERE secret_sha256 = sha256($1)", her.session.secret
    )
    query = (
        "SELECT vault.is_free(jsonb_populate_record(NULL::vault.request, jsonb_build_object('id', gen_random_uuid(), 'client', $1::uuid, 'received_on', i, 'recorded_at', i)), i)"
        " FROM (SELECT ($2 || ' 12:00 Europe/Helsinki')::timestamptz AS i) x"
    )
    return bool(scene.service.one(query, client, day))


def test_p09_only_a_whole_export_fetched_to_its_end_uses_up_the_year(scene: Scene) -> None:
    her = scene.person()
    tomorrow = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).date().isoformat()
    never_fetched, removed = scene.ready(her), scene.ready(her)
    must(her.http.delete(f"/v1/me/exports/{removed}"), 204)
    assert her.content(never_fetched, Range="bytes=0-99").status_code == 206
    assert is_free(scene, her, tomorrow)
    partial = scene.person(b"x" * BIG)
    export = scene.ready(partial, without_large=True)
    assert partial.content(export).status_code == 200
    assert partial.state(export, "delivered")
    assert is_free(scene, partial, tomorrow)
    assert her.content(never_fetched).status_code == 200
    assert her.state(never_fetched, "delivered")
    assert not is_free(scene, her, tomorrow)


def test_p09_a_year_from_the_29th_of_february_ends_on_the_28th(scene: Scene) -> None:
    her = scene.person()
    export = scene.ready(her)
    assert her.content(export).status_code == 200
    assert her.state(export, "delivered")
    # Late in the evening of the 29th in Helsinki it is still that day, though not in Brussels an hour before.
    scene.service.sql("UPDATE vault.export_state SET recorded_at = '2028-02-29 23:30 Europe/Helsinki' WHERE export = $1::uuid AND event = 'fetch'", export)  # fmt: skip
    assert not is_free(scene, her, "2029-02-27")
    assert is_free(scene, her, "2029-02-28")


def test_p09_one_that_cannot_be_made_fails_is_told_and_uses_up_nothing(scene: Scene) -> None:
    her = scene.person()
    export = her.order()["id"]
    assert "FAILED" in scene.work(1, {"claims": Unreadable})[0]
    failed = her.get(export)
    assert (failed["state"], failed["reason"], failed["package"]) == ("failed", "key-unopenable", None)
    assert her.content(export).json()["code"] == "export-not-ready"
    assert is_free(scene, her, (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).date().isoformat())
    assert her.state(scene.ready(her), "ready")


class Unreadable:
    """Claims whose entries do not open."""

    def __init__(self, claims: Any) -> None:
        self._claims = claims

    def __getattr__(self, name: str) -> Any:
        return getattr(self._claims, name)

    async def entries(self, *_: Any) -> Any:
        raise KeyUnopenable


# ---------------------------------------------------------------- downloads


def test_a_broken_download_goes_on_and_ends_identical(scene: Scene) -> None:
    her = scene.person(b"z" * 12_000_000)  # more than the kernels of both ends take in on their own
    export = scene.ready(her)
    size = her.get(export)["package"]["size"]
    begun = _read_some(scene, her, export, 700_000)
    deadline = time.monotonic() + 10
    while not scene.service.one("SELECT count(*) FROM vault.export_span WHERE export = $1::uuid", export):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert her.get(export)["state"] == "ready"
    etag = her.content(export, Range="bytes=0-0").headers["etag"]
    rest = her.content(export, **{"Range": f"bytes={len(begun)}-", "If-Range": etag})
    assert rest.status_code == 206
    assert rest.headers["content-range"] == f"bytes {len(begun)}-{size - 1}/{size}"
    assert her.state(export, "delivered")
    whole = begun + rest.content
    digest = base64.b64encode(hashlib.sha256(whole).digest()).decode()
    assert rest.headers["repr-digest"] == f"sha-256=:{digest}:"
    assert zipfile.ZipFile(io.BytesIO(whole)).testzip() is None
    other = her.content(export, **{"Range": "bytes=5-", "If-Range": '"another"'})
    assert (other.status_code, other.content) == (200, whole)


def test_curl_goes_on_where_it_broke_off_and_ends_identical(scene: Scene, tmp_path: Path) -> None:
    """The command of docs/howto/own-records.md, said again after a download that broke off."""
    her = scene.person(b"z" * 12_000_000)
    export, path = scene.ready(her), tmp_path / "package.zip"
    begun = _read_some(scene, her, export, 2_000_000)
    path.write_bytes(begun)
    url = f"{scene.service.url}/v1/me/exports/{export}/content"
    command = ["curl", "-s", "-f", "-b", f"vault={encode_secret(her.session.secret)}", "-C", "-", "-o", str(path), url]
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0
    whole = her.content(export)
    assert path.stat().st_size > len(begun)
    assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(whole.content).digest()
    # Said once more, there is nothing left to fetch, and nothing is harmed.
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode in (0, 22)
    assert zipfile.ZipFile(path).testzip() is None


def _read_some(scene: Scene, her: Person, export: str, count: int) -> bytes:
    """Read so much of a download, then go away."""
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        line.connect(("127.0.0.1", scene.service.port))
        line.sendall(
            f"GET /v1/me/exports/{export}/content HTTP/1.1\r\nHost: x\r\nCookie: vault={encode_secret(her.session.secret)}\r\n\r\n".encode()
        )
        got = b""
        while len(got) < count:
            got += line.recv(65536)
    return got.partition(b"\r\n\r\n")[2]


def test_fetched_means_every_byte_in_any_order_of_ranges(scene: Scene) -> None:
    her = scene.person()
    export = scene.ready(her)
    size = her.get(export)["package"]["size"]
    for first, last in ((size // 2, size - 1), (0, 10), (5, size // 2 - 2)):
        assert her.content(export, Range=f"bytes={first}-{last}").status_code == 206
        assert her.get(export)["state"] == "ready"
    assert her.content(export, Range=f"bytes={size}-").status_code == 416
    assert her.content(export, Range=f"bytes={size // 2 - 1}-{size // 2 - 1}").status_code == 206
    assert her.state(export, "delivered")


def test_who_was_identified_too_long_ago_identifies_again(scene: Scene) -> None:
    her = scene.person()
    export = scene.ready(her)
    scene.service.sql("UPDATE vault.session SET identified_at = identified_at - interval '15 minutes' WHERE secret_sha256 = sha256($1)", her.session.secret)  # fmt: skip
    answer = her.content(export)
    assert (answer.status_code, answer.json()["code"]) == (403, "identification-required")
    assert "vault-log-entry" in answer.headers
    assert her.get(export)["state"] == "ready"
    assert her.sign_in().content(export).status_code == 200


def test_anothers_an_unknown_an_expired_and_a_removed_one_answer_alike(scene: Scene) -> None:
    her, another = scene.person(), scene.person()
    theirs, expired, removed, waiting = scene.ready(another), scene.ready(her), scene.ready(her), her.order()["id"]
    must(her.http.delete(f"/v1/me/exports/{removed}"), 204)
    scene.service.sql(
        "UPDATE vault.export_package SET expires_at = now() - interval '1 second' WHERE export = $1::uuid", expired
    )
    answers = [her.content(one) for one in (theirs, NOBODY, expired, removed)]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert len({frozenset(answer.headers) for answer in answers}) == 1
    for one in (theirs, NOBODY, removed):
        assert her.http.get(f"/v1/me/exports/{one}").status_code == 404
        assert her.http.delete(f"/v1/me/exports/{one}").status_code == 404
    assert her.content(waiting).json()["code"] == "export-not-ready"
    assert her.content(waiting).status_code == 409
    listed = [item["id"] for item in must(her.http.get("/v1/me/exports"))["items"]]
    assert listed == [expired, waiting]


def test_what_is_removed_or_expired_leaves_neither_key_nor_object(scene: Scene) -> None:
    her = scene.person()
    removed, expired = scene.ready(her), scene.ready(her)
    objects = [
        scene.service.one("SELECT object FROM vault.export_package WHERE export = $1::uuid", one)
        for one in (removed, expired)
    ]
    paths = [scene.service.folder / "objects" / name[:2] / name for name in objects]
    assert all(path.exists() for path in paths)
    must(her.http.delete(f"/v1/me/exports/{removed}"), 204)
    scene.service.sql("UPDATE vault.export_package SET expires_at = now() WHERE export = $1::uuid", expired)
    assert scene.clear() >= (1, 2)
    assert not any(path.exists() for path in paths)
    keys = "SELECT count(*) FROM vault.wrapped_key WHERE kind = 'export' AND subject = ANY ($1::text[])"
    assert scene.service.one(keys, [removed, expired]) == 0
    assert her.get(expired)["state"] == "expired"
    acts = {
        row["act"]
        for row in scene.service.sql("SELECT act FROM vault.entry WHERE facts = ANY ($1::text[])", [removed, expired])
    }
    assert {"export-order", "export-collect", "export-make", "export-remove", "export-expire"} <= acts


def test_of_many_only_the_newest_are_kept(scene: Scene) -> None:
    her = scene.person()
    exports = [scene.ready(her) for _ in range(4)]
    scene.clear()
    assert [her.get(one)["state"] for one in exports] == ["expired", "ready", "ready", "ready"]


def test_a_paper_that_turns_out_to_be_anothers_closes_the_package(scene: Scene) -> None:
    her = Person(scene)
    case = her.open_case()
    wrong = scene.caller.file(case, content=b"somebody else's")
    her.sign_in()
    export = scene.ready(her)
    assert her.content(export).status_code == 200
    must(scene.caller.coordinator.post(f"/v1/documents/{wrong}/misfiled"))
    answer = her.content(export)
    assert (answer.status_code, answer.json()["code"]) == (409, "export-changed")
    package = scene.unpacked(her)
    assert {paper["how"] for paper in data(package, "documents") if paper["id"] == wrong} == {"misfiled"}


# ---------------------------------------------------------------- who and what


def test_nothing_is_kept_about_you_is_an_export_too(scene: Scene) -> None:
    nobody = Person(scene, language="sv").sign_in()
    package = scene.unpacked(nobody)
    assert (data(package, "export")["kept"], data(package, "client"), data(package, "cases")) == (False, None, [])
    assert "Det finns ingenting sparat om dig." in package.read("index.html").decode()
    assert not [name for name in package.namelist() if name.startswith(("log/", "documents/"))]
    [export] = must(nobody.http.get("/v1/me/exports"))["items"]
    assert nobody.state(export["id"], "delivered")
    with browser(scene.service, client_session(scene.service, nobody.code)) as later:
        assert later.get(f"/v1/me/exports/{export['id']}/content").status_code == 404


def test_a_person_without_a_personal_identity_code_exports_too(scene: Scene) -> None:
    her = Person(scene)
    case = scene.caller.open_case(personal_identity_code=None, name="Uno Persona")
    her.sign_in()
    client = scene.service.one("SELECT client FROM vault.client_case WHERE id = $1::uuid", case)
    scene.service.sql("UPDATE vault.token SET client = $2 WHERE secret_sha256 = sha256($1)", her.session.secret, client)
    package = scene.unpacked(her)
    assert (data(package, "client")["name"], data(package, "client")["personal_identity_code"]) == ("Uno Persona", None)


@pytest.mark.parametrize(("language", "title"), [("fi", "Mitä sinusta on tallennettu"), ("sv", "Vad som finns sparat om dig"), ("en", "What is kept about you")])  # fmt: skip
def test_the_page_is_in_the_language_that_was_asked_for(scene: Scene, language: str, title: str) -> None:
    her = scene.person()
    page = scene.unpacked(her, language=language).read("index.html").decode()
    assert f'<html lang="{language}">' in page
    assert f"<h1>{title}</h1>" in page


def test_turvakielto_is_told_and_no_address_stands_anywhere(scene: Scene) -> None:
    her = scene.person()
    scene.service.sql("UPDATE vault.client_about a SET address_protected = true FROM vault.token t WHERE t.secret_sha256 = sha256($1) AND a.client = t.client", her.session.secret)  # fmt: skip
    package = scene.unpacked(her)
    assert data(package, "client")["address_protected"] is True
    assert "sinulla on turvakielto; osoitettasi ei säilytetä" in package.read("index.html").decode()
    assert not [key for name in ("client", "cases", "documents") for key in _keys(data(package, name)) if "address" in key and key != "address_protected"]  # fmt: skip


def _keys(content: Any) -> set[str]:
    if isinstance(content, dict):
        return set(content) | {key for value in content.values() for key in _keys(value)}
    return {key for one in content for key in _keys(one)} if isinstance(content, list) else set()


def test_bad_orders(scene: Scene) -> None:
    her = scene.person()
    for body, code in (
        ({"language": "xx"}, "unknown-code"),
        ({"all": True}, "unknown-field"),
        ({"without_large": "yes"}, "invalid-type"),
    ):
        answer = her.http.post("/v1/me/exports", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert her.content(scene.ready(her), Range="bytes=9-1").status_code == 400
    assert her.http.get("/v1/me/exports/not-an-id").status_code == 404
    with browser(scene.service) as stranger:
        assert stranger.post("/v1/me/exports", json={}).status_code == 401
    cross = her.http.post("/v1/me/exports", json={}, headers={"Sec-Fetch-Site": "cross-site"})
    assert cross.status_code == 403
    assert scene.caller.by(KELA).post("/v1/me/exports").status_code == 401
