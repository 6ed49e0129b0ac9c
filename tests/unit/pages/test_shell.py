"""The frame of the pages: language, forms, errors, headers, files."""

from __future__ import annotations

import re

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from tests.unit.pages.conftest import token
from vault.errors import VaultError
from vault.pages import faults
from vault.pages.common import local_path
from vault.pages.static_files import load_static
from vault.pages.texts import choose_language

Pages = TestClient[Litestar]


@pytest.mark.parametrize(
    ("chosen", "own", "accepted", "language"),
    [
        (None, None, None, "fi"),
        (None, None, "de, en;q=0.5, sv;q=0.8", "sv"),
        (None, None, "en-GB,en", "en"),
        (None, "sv", "en", "sv"),
        ("en", "sv", "fi", "en"),
        ("xx", "se", "sv;q=x, en;q=0.1", "en"),
        (None, None, ";;;,,,q=", "fi"),
    ],
)
def test_which_language_a_page_gets(chosen: str | None, own: str | None, accepted: str | None, language: str) -> None:
    assert choose_language(chosen, own, accepted) == language


def test_the_language_switch_remembers_and_goes_back(pages: Pages) -> None:
    answer = pages.get("/language/en?back=/hidden", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/hidden")
    assert 'lang="en"' in pages.get("/hidden").text
    assert pages.get("/language/xx", follow_redirects=False).status_code == 404


@pytest.mark.parametrize("path", ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "/a\nb", ""])
def test_nobody_is_sent_elsewhere(path: str) -> None:
    assert local_path(path) == "/"
    assert local_path("/my/documents?after=1") == "/my/documents?after=1"


def test_every_page_has_strict_headers_and_nothing_inline(pages: Pages) -> None:
    for path in ("/hidden", "/down", "/bug"):
        pages.cookies.set("vault", "one")
        answer = pages.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", answer.text)
        assert "://" not in answer.text.replace("http://www.w3.org/2000/svg", "")
        assert 'lang="sv"' in answer.text


def test_an_error_page_says_nothing_of_what_happened_inside(pages: Pages, caplog: pytest.LogCaptureFixture) -> None:
    pages.cookies.set("vault", "one")
    answer = pages.get("/bug")
    assert answer.status_code == 500
    assert "Mallikas" not in answer.text + caplog.text
    assert "RuntimeError at conftest.py" in caplog.text
    assert pages.get("/hidden").status_code == 404
    assert pages.get("/down").headers["retry-after"] == "5"


def test_a_form_needs_the_proof_of_its_own_session(pages: Pages) -> None:
    pages.cookies.set("vault", "one")
    for proof in ("", "x", token("two"), "ö"):
        answer = pages.post("/act", data={"words": "<b>hei</b>", "form_token": proof}, follow_redirects=False)
        assert answer.status_code == 409
        assert "&lt;b&gt;hei&lt;/b&gt;" in answer.text
        assert token("one") in answer.text
        assert "<b>hei" not in answer.text
    assert pages.app.state.acts == []
    answer = pages.post("/act", data={"words": "a\r\nb ", "form_token": token("one")}, follow_redirects=False)
    assert answer.status_code == 303
    assert pages.app.state.acts == ["a\nb"]


def test_a_form_survives_the_end_of_the_session(pages: Pages) -> None:
    answer = pages.post("/act", data={"words": "long and careful", "form_token": token("one")})
    assert answer.status_code == 401
    assert 'name="words" value="long and careful"' in answer.text
    assert token("one") not in answer.text
    assert pages.app.state.acts == []


def test_a_message_is_shown_once_after_a_redirect(pages: Pages) -> None:
    pages.cookies.set("vault", "one")
    pages.post("/act", data={"form_token": token("one")}, follow_redirects=False)
    assert "<p>Skicka</p>" in pages.get("/hidden").text
    assert "<p>Skicka</p>" not in pages.get("/hidden").text
    pages.cookies.set("vault-said", "<script>")
    assert 'role="status"' not in pages.get("/hidden").text


@pytest.mark.parametrize("body", [b"\xff", b"a=%00", b"&".join(b"a=%d" % n for n in range(300)), b"a=%ff"])
def test_a_body_that_is_no_form_is_refused(pages: Pages, body: bytes) -> None:
    pages.cookies.set("vault", "one")
    answer = pages.post("/act", content=body, headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 400
    assert pages.post("/act", json={"a": 1}).status_code == 415
    assert pages.app.state.acts == []


def test_files_have_the_digest_in_their_name(pages: Pages) -> None:
    for file in load_static().values():
        answer = pages.get(file.path)
        assert answer.content == file.content
        assert "immutable" in answer.headers["cache-control"]
    assert pages.get("/static/vault.css").status_code == 404
    assert pages.get("/static/..%2fshell.py").status_code == 404


def test_every_error_of_the_vault_has_its_page() -> None:
    def leaves(kind: type[VaultError]) -> set[type[VaultError]]:
        return {kind}.union(*(leaves(one) for one in kind.__subclasses__())) if kind.__subclasses__() else {kind}

    untold = {
        kind.__name__
        for kind in leaves(VaultError)
        if not any(issubclass(kind, told) for told in faults._FAULTS) and kind.__module__ == "vault.errors"
    }
    assert untold == {"VaultError", "Refused", "SettingsWrong"}
