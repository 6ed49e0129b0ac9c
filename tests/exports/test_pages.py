"""The client's pages about their exports, through HTTP and without scripts."""

from __future__ import annotations

import io
import re
import zipfile

from tests.exports.conftest import BIG, Scene
from vault.web.session import form_token


def test_one_press_a_wait_a_download_and_a_removal(scene: Scene) -> None:
    her = scene.person(b"x" * 1000, b"y" * BIG)
    page = her.http.get("/my/exports").text
    assert "Ota kaikki kotiin" in page
    assert "10\N{NO-BREAK SPACE}MB" in page
    assert 'value="without"' in page
    ordered = her.http.post("/my/exports", data={"large": "without", "form_token": form_token(her.session)})
    assert ordered.status_code == 303
    where = ordered.headers["location"]
    again = her.http.post("/my/exports", data={"form_token": form_token(her.session)})
    assert again.headers["location"] == where
    waiting = her.http.get(where).text
    assert "data-refresh" in waiting
    assert "Vastaus viimeistään" in waiting
    assert her.http.get(f"{where}/download").status_code == 409
    scene.work()
    ready = her.http.get(where).text
    assert "Pakettisi on valmis." in ready
    assert "jätetty pois toiveesi mukaan" in ready
    sent = her.http.get(f"{where}/download")
    assert zipfile.ZipFile(io.BytesIO(sent.content)).testzip() is None
    assert her.state(where.rpartition("/")[2], "delivered")
    assert "Olet ladannut pakettisi." in her.http.get(where).text
    assert "Poistetaanko tämä paketti?" in her.http.get(f"{where}/remove").text
    assert her.http.post(f"{where}/remove", data={"form_token": "0"}).status_code == 409
    assert her.http.post(f"{where}/remove", data={"form_token": form_token(her.session)}).status_code == 303
    assert her.http.get(where).status_code == 404


def test_who_was_identified_long_ago_is_sent_to_identify_themselves_and_back(scene: Scene) -> None:
    her = scene.person()
    export = scene.ready(her)
    scene.service.sql("UPDATE vault.session SET identified_at = identified_at - interval '1 hour' WHERE secret_sha256 = sha256($1)", her.session.secret)  # fmt: skip
    answer = her.http.get(f"/my/exports/{export}/download")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in/again?after=/my/exports/{export}")
    assert her.http.get(answer.headers["location"]).status_code == 200


def test_nothing_about_the_person_stands_in_title_or_address(scene: Scene) -> None:
    her = scene.person(name="Salli Salainen")
    export = scene.ready(her)
    for path in ("/my/exports", f"/my/exports/{export}", f"/my/exports/{export}/remove"):
        page = her.http.get(path)
        title = re.search(r"<title>([^<]*)</title>", page.text)
        assert title is not None
        assert "Salli" not in title[1]
        assert page.headers["cache-control"] == "no-store"
