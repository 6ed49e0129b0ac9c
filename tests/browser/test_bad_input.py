"""What goes wrong in a browser: double presses, stolen and changed sessions, cut downloads, files with hostile names."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.archive import archive_of
from tests.browser.conftest import newcomer
from tests.browser.scene import PHONE, Scene, aside, make_scene, signed_in, staff, window
from tests.browser.steps import WORDS, sign_in
from tests.exports.conftest import Scene as Exports
from tests.support.caller import KELA, Caller, must, paper, personal_code
from tests.support.sessions import browser
from tests.transfers.conftest import FIRST
from vault.web.session import encode_secret

FI, EN = WORDS["fi"], WORDS["en"]
PLAIN = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "plain"])


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def rows(caller: Caller, query: str, *arguments: object) -> int:
    return int(aside(caller.service.one, f"SELECT count(*) FROM {query}", *arguments))


# ------------------------------------------------------------ double presses: one act, no page of a fault


@PLAIN
def test_a_double_press_withdraws_pauses_and_orders_once(caller: Caller, chromium: Browser, scripts: bool) -> None:
    code, born = personal_code()
    scene = make_scene(caller, code, born)
    hers = signed_in(caller, code)
    with window(chromium, caller.service.url, "fi", session=hers, java_script_enabled=scripts) as (_, page):
        page.goto(f"/my/consents/{scene.consent}/withdraw?clause=2")
        page.locator("main form button.danger").dblclick()
        page.wait_for_url(f"**/my/consents/{scene.consent}")
        heading(page, page.get_by_role("heading", level=1).inner_text())
        assert rows(caller, "vault.withdrawal WHERE consent = $1::uuid", scene.consent) == 1
        page.goto("/my")
        page.get_by_role("button", name=FI("Pause everything")).dblclick()
        expect(page.get_by_role("button", name=FI("End the pause"))).to_be_visible()
        assert rows(caller, "vault.prohibition WHERE client = $1", hers.client) == 1
        page.get_by_role("button", name=FI("End the pause")).dblclick()
        expect(page.get_by_role("button", name=FI("Pause everything"))).to_be_visible()
        page.goto("/my/exports")
        page.get_by_role("button", name=FI("Order the package")).dblclick()
        heading(page, FI("Your package"))
        assert rows(caller, "vault.export WHERE client = $1", hers.client) == 1


@PLAIN
def test_a_double_press_approves_once(caller: Caller, chromium: Browser, tmp_path: Path, scripts: bool) -> None:
    archive = archive_of(caller, tmp_path)
    _, transfer = archive.due_of(*personal_code(), b"one paper")
    arvo = staff(caller, FIRST, "archivist")
    with window(chromium, caller.service.url, "fi", session=arvo, java_script_enabled=scripts) as (_, page):
        page.goto(f"/desk/archive/transfers/{transfer}/approve")
        page.get_by_role("button", name=FI("Approve"), exact=True).dblclick()
        page.wait_for_url(f"**/transfers/{transfer}")
        expect(page.locator("main")).to_contain_text(FI("You have approved. Another archivist must approve too."))
    archive.stop()
    assert rows(caller, "vault.transfer_approval WHERE transfer = $1::uuid", transfer) == 1


# ------------------------------------------------------------ sessions


def test_the_back_button_after_signing_out_shows_nothing(caller: Caller, chromium: Browser, scene: Scene) -> None:
    with window(chromium, caller.service.url, "fi", session=signed_in(caller, scene.code)) as (_, page):
        page.goto("/my/documents")
        expect(page.locator("main")).to_contain_text("⟦Palaute⟧")
        page.get_by_role("button", name=FI("Sign out")).click()
        page.wait_for_url("**/sign-out")
        page.go_back()
        heading(page, FI("Please sign in"))
        assert "⟦Palaute⟧" not in page.content()


def test_a_stolen_cookie_is_worth_nothing_after_signing_out_or_acting_for_another(
    caller: Caller, chromium: Browser, scene: Scene
) -> None:
    url = caller.service.url
    with (
        window(chromium, url, "en", session=signed_in(caller, scene.code)) as (context, page),
        window(chromium, url, "en") as (elsewhere, thiefs),
    ):
        page.goto("/my")
        elsewhere.add_cookies(context.cookies())  # type: ignore[arg-type]
        page.goto("/sign-in/act-for")
        page.locator("main form button[type=submit]").click()
        page.wait_for_url("**/my")
        thiefs.goto("/my/documents")
        heading(thiefs, "Please sign in")
        elsewhere.add_cookies(context.cookies())  # type: ignore[arg-type]
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/sign-out")
        thiefs.goto("/my/documents")
        heading(thiefs, "Please sign in")
        assert "⟦Palaute⟧" not in thiefs.content()


def test_a_form_of_one_person_does_nothing_in_the_session_of_another(
    caller: Caller, chromium: Browser, scene: Scene
) -> None:
    first, other = signed_in(caller, scene.code), make_scene(caller)
    with window(chromium, caller.service.url, "en", session=first) as (context, page):
        page.goto("/my")
        second = encode_secret(signed_in(caller, other.code).secret)
        context.add_cookies([{"name": "vault", "value": second, "url": caller.service.url}])
        page.get_by_role("button", name="Pause everything").click()
        heading(page, "Please send this again")
        assert caller.by(KELA).read(other.feedback).status_code == 200
        assert caller.by(KELA).read(scene.feedback).status_code == 200


# ------------------------------------------------------------ cut while it is being read


def test_p06_a_download_in_the_browser_is_cut_when_the_right_to_it_ends_and_the_page_says_so(
    caller: Caller, chromium: Browser
) -> None:
    code, born = personal_code()
    friends, _ = personal_code()
    case = caller.open_case(personal_identity_code=code, born=born, name="⟦Maija⟧")
    about = paper(title="⟦Suuri⟧", filename="suuri.zip", media_type="application/zip")
    document = str(must(caller.coordinator.post(f"/v1/cases/{case}/documents", about))["id"])
    must(caller.coordinator.upload(document, bytes(60_000_000), **{"Content-Type": "application/zip"}))
    wish = {"representative": {"name": "⟦Esko⟧", "personal_identity_code": friends}, "scope": "see"}
    with browser(caller.service, signed_in(caller, code)) as hers:
        authority = must(hers.post("/v1/me/authorities", json=wish))["id"]
        with window(chromium, caller.service.url, "en", session=signed_in(caller, friends)) as (context, page):
            page.goto("/sign-in/act-for")
            page.locator("input[type=radio]").last.check()
            page.locator("main form button[type=submit]").click()
            page.wait_for_url("**/my")
            page.goto(f"/my/documents/{document}")
            slowly = {"offline": False, "latency": 0, "downloadThroughput": 2_000_000, "uploadThroughput": -1}
            context.new_cdp_session(page).send("Network.emulateNetworkConditions", slowly)
            with page.expect_download() as begun:
                page.get_by_role("link", name=re.compile("Download")).click()
            assert hers.delete(f"/v1/me/authorities/{authority}").status_code == 204
            assert begun.value.failure() is not None
            page.reload()
            heading(page, "Please sign in")
    outcome = "SELECT o.outcome FROM vault.entry o JOIN vault.entry e ON e.id = o.of_entry WHERE e.document = $1::uuid ORDER BY o.id DESC LIMIT 1"
    assert aside(caller.service.one, outcome, document) == "cut"


def test_a_package_that_was_removed_or_has_expired_says_so_in_its_other_window(
    caller: Caller, chromium: Browser
) -> None:
    code, born = personal_code()
    make_scene(caller, code, born)
    with window(chromium, caller.service.url, "en", session=signed_in(caller, code)) as (context, page):
        page.goto("/my/exports")
        page.get_by_role("button", name=EN("Order the package")).click()
        heading(page, EN("Your package"))
        aside(Exports(caller.service, caller).work)
        expect(page.get_by_role("link", name=EN("Download the package"))).to_be_visible()
        other = context.new_page()
        other.goto(page.url)
        _expire(caller, page.url.rpartition("/")[2])
        other.get_by_role("link", name=EN("Download the package")).click()
        expect(other.get_by_role("link", name=EN("Order a new one"))).to_be_visible()
        page.reload()
        expect(page.get_by_role("link", name=EN("Order a new one"))).to_be_visible()
        expect(page.get_by_role("link", name=EN("Download the package"))).to_have_count(0)


def _expire(caller: Caller, export: str) -> None:
    aside(
        caller.service.sql, "UPDATE vault.export_package SET expires_at = vault.clock() - interval '1 second' WHERE export = $1::uuid",
        export,
    )  # fmt: skip
    aside(Exports(caller.service, caller).clear)


# ------------------------------------------------------------ people and names


def test_a_person_without_an_identity_code_is_connected_once_and_sees_their_own(
    caller: Caller, chromium: Browser
) -> None:
    case = caller.open_case(personal_identity_code=None, born="1999-02-01", name="⟦Frida⟧")
    caller.file(case, title="⟦Fridan paperi⟧")
    with window(chromium, caller.service.url, "en", size=PHONE) as (_, page):
        sign_in(page, "from-elsewhere")
        heading(page, "Nothing is kept about you")
        page.get_by_role("link", name="You have no Finnish personal identity code?").click()
        page.get_by_role("button", name="Show me the code").click()
        code = re.search(r"\b\w{4}-\w{4}-\w{4}\b", page.locator("main").inner_text())
        assert code is not None
        must(caller.coordinator.post(f"/v1/cases/{case}/identity", {"code": code[0]}), 200, 201, 204)
        page.get_by_role("button", name="Sign out").click()
        page.goto("/")
        page.locator("a[href^='/sign-in/to/suomi-fi']").click()
        if page.get_by_role("button", name="from-elsewhere").count():
            page.get_by_role("button", name="from-elsewhere").click()
        page.wait_for_url("**/my")
        page.goto("/my/documents")
        expect(page.locator("main")).to_contain_text("⟦Fridan paperi⟧")


def test_14_two_people_whose_codes_differ_only_in_the_sign_see_each_their_own(
    caller: Caller, chromium: Browser
) -> None:
    code, born = personal_code()
    people = {code: "⟦Ensimmäinen⟧", code.replace("-", "Y"): "⟦Toinen⟧"}
    for one, name in people.items():
        case = caller.open_case(personal_identity_code=one, born=born, name=name)
        caller.file(case, title=f"Paperi: {name}")
    for one, name in people.items():
        with window(chromium, caller.service.url, "fi", session=signed_in(caller, one)) as (_, page):
            page.goto("/my")
            expect(page.locator("main")).to_contain_text(name)
            page.goto("/my/documents")
            expect(page.locator("main")).to_contain_text(f"Paperi: {name}")
            assert not any(other in page.content() for other in people.values() if other != name)


def test_a_hostile_file_name_is_text_and_its_content_is_only_saved(
    caller: Caller, chromium: Browser, scene: Scene
) -> None:
    said: list[Any] = []
    with window(chromium, caller.service.url, "en", session=signed_in(caller, scene.code)) as (_, page):
        page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        page.goto(f"/my/documents/{scene.hostile}")
        expect(page.locator("main")).to_contain_text("<script>alert(1)</script>")
        with page.expect_download() as saved:
            page.get_by_role("link", name=re.compile("Download")).click()
        assert "/" not in saved.value.suggested_filename
        assert page.get_by_role("link", name="Read", exact=True).count() == 0
    assert said == []


def test_24_no_page_and_no_package_tells_an_address_of_somebody_under_turvakielto(
    caller: Caller, chromium: Browser
) -> None:
    code, born = personal_code()
    scene = make_scene(caller, code, born)
    client = must(caller.coordinator.get(f"/v1/cases/{scene.case}"))["client"]["id"]
    must(caller.coordinator.patch(f"/v1/clients/{client}", {"address_protected": True}))
    asked = caller.coordinator.patch(f"/v1/clients/{client}", {"address": "Salakuja 1"})
    assert (asked.status_code, asked.json()["field"]) == (422, "address")
    with window(chromium, caller.service.url, "fi", session=signed_in(caller, code)) as (_, page):
        for path in ("/my", "/my/cases", "/my/documents", "/my/consents", "/my/log", "/my/exports"):
            page.goto(path)
            assert not re.search("osoit|Salakuja|kotikunta", page.locator("main").inner_text(), re.IGNORECASE), path


def test_who_was_identified_long_ago_identifies_once_more_and_comes_back_to_the_package(
    caller: Caller, chromium: Browser, tmp_path: Path
) -> None:
    who, code, born = newcomer()
    make_scene(caller, code, born)
    with window(chromium, caller.service.url, "en") as (_, page):
        sign_in(page, who)
        page.goto("/my/exports")
        page.get_by_role("button", name=EN("Order the package")).click()
        heading(page, EN("Your package"))
        aside(Exports(caller.service, caller).work)
        aside(caller.service.sql, "UPDATE vault.session SET identified_at = identified_at - interval '1 hour'")
        page.get_by_role("link", name=EN("Download the package")).click()
        heading(page, EN("Identify yourself once more"))
        page.get_by_role("link", name=EN("Identify yourself"), exact=True).click()
        page.get_by_role("button", name=who, exact=True).click()
        heading(page, EN("Your package"))
        with page.expect_download() as saved:
            page.get_by_role("link", name=EN("Download the package")).click()
        saved.value.save_as(tmp_path / "package.zip")
        assert zipfile.is_zipfile(tmp_path / "package.zip")
