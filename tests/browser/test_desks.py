"""The desks in a browser: a records officer withholds a page, two archivists take a transfer to its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.browser.archive import archive_of
from tests.browser.scene import Scene, aside, signed_in, window
from tests.browser.steps import WORDS, menu, opened_from_disk, said, sign_in_at_work, ways
from tests.exports.conftest import Scene as Exports
from tests.support.caller import Caller, must, permit, personal_code
from tests.support.sessions import browser
from tests.transfers.conftest import FIRST, SECOND
from tests.web.test_withholding import filed_pdf
from vault.rules.requests import PROVISIONS

REASON = "sivulla on toisen ihmisen tietoja"


@ways("fi-phone-scripts", "sv-desktop-plain", "en-desktop-scripts")
def test_12_a_page_is_withheld_at_the_desk_and_the_client_sees_the_provision(
    caller: Caller, chromium: Browser, language: str, size: Any, scripts: bool
) -> None:
    say = WORDS[language]
    code, born = personal_code()
    case = caller.open_case(personal_identity_code=code, born=born)
    caller.consent(case, [permit("kela")])
    document = filed_pdf(caller, case)
    hers = signed_in(caller, code)
    how: dict[str, Any] = {"size": size, "java_script_enabled": scripts}
    with window(chromium, caller.service.url, language, session=hers, **how) as (_, page):
        _ask_for_it(page, document)
    asked = aside(_request_of, caller, hers)
    with window(chromium, caller.service.url, language, **how) as (_, page):
        sign_in_at_work(page, "pirha-1004", say)
        _withhold_the_second_page(page, say, asked, document)
    with window(chromium, caller.service.url, language, session=hers, **how) as (_, page):
        page.goto(f"/my/documents/{document}")
        expect(page.locator("main")).to_contain_text(PROVISIONS["621-1999-11"].law.in_language(language))
        expect(page.locator("main")).to_contain_text(REASON)
        expect(page.get_by_role("link", name=say("Read the pages that you get"))).to_be_visible()
        page.goto(f"/my/requests/{asked}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()


def _ask_for_it(page: Page, document: str) -> None:
    page.goto(f"/my/documents/{document}")
    page.locator("main a[href^='/my/requests/new?kind=export-review']").click()
    page.locator("main form button[type=submit]").click()
    page.wait_for_url("**/my/requests/*")


def _request_of(caller: Caller, session: Any) -> str:
    with browser(caller.service, session) as http:
        return str(must(http.get("/v1/me/requests"))["items"][0]["id"])


def _withhold_the_second_page(page: Page, say: Any, asked: str, document: str) -> None:
    page.locator(f"a[href='/desk/records/requests/{asked}']").click()
    page.locator(f"a[href$='/papers/{document}']").click()
    page.locator("#reason").fill("tarkistan")
    page.get_by_role("button", name=say("Give the reason")).click()
    page.get_by_role("button", name=say("Decide")).click()
    expect(page.locator("#error-summary")).to_be_visible()
    page.locator("input[value='pages-withheld']").check()
    page.locator("#pages").fill("2")
    page.locator("#provision").select_option("621-1999-11")
    page.locator("#decision_reason").fill(REASON)
    page.get_by_role("button", name=say("Decide")).click()
    said(page, say("The decision is made. The client sees it now."))


@ways("sv-phone-scripts")
def test_p09_who_cannot_sign_in_is_handed_their_package_at_the_desk(
    caller: Caller, chromium: Browser, scene: Scene, tmp_path: Path, language: str, size: Any, scripts: bool
) -> None:
    say = WORDS[language]
    how: dict[str, Any] = {"size": size, "java_script_enabled": scripts, "accept_downloads": True}
    with window(chromium, caller.service.url, language, **how) as (_, page):
        sign_in_at_work(page, "pirha-1004", say)
        _record_at_the_counter(page, say, scene.code)
        page.get_by_role("link", name=say("Make the package of everything")).click()
        page.get_by_role("button", name=say("Make the package"), exact=True).click()
        said(page, say("The package is being made."))
        aside(Exports(caller.service, caller).work)
        page.reload()
        with page.expect_download() as fetched:
            page.get_by_role("link", name=say("Download the package")).click()
        fetched.value.save_as(tmp_path / "package.zip")
        assert fetched.value.suggested_filename.startswith("omat-tiedot-")
        page.get_by_role("link", name=say("The letter that goes with it")).click()
        expect(page.locator("html")).to_have_attribute("lang", "fi")  # the client's, whatever the officer's is
        expect(page.locator("main")).to_contain_text("Näin avaat paketin")
        page.go_back()
        _handed_over(page, say)
        said(page, say("The hand-over is recorded. Papers are still to come: this request for the rest runs on under the same clock."))  # fmt: skip
    opened_from_disk(chromium, tmp_path / "package.zip", "fi", size, scripts=scripts)


def _record_at_the_counter(page: Page, say: Any, code: str) -> None:
    menu(page, say("Record a request"))
    page.locator("#personal_identity_code").fill(code)
    page.locator("main form button[type=submit]").click()
    page.locator("input[name=kind][value=self-access]").check()
    page.locator("input[name=received_how][value=in-person]").check()
    page.locator("input[name=identified_how][value=identity-document]").check()
    page.get_by_role("button", name=say("Record the request")).click()
    said(page, say("The request is recorded. Its clock runs."))


def _handed_over(page: Page, say: Any) -> None:
    """Shown once the last byte is noted."""
    press = page.get_by_role("link", name=say("Record the hand-over"))
    for _ in range(20):
        if press.count():
            break
        page.reload()
    press.click()
    page.get_by_role("button", name=say("Record the hand-over")).click()
    expect(page.locator("#how-error")).to_contain_text(say("Choose how it was handed over."))
    expect(page.locator("#identified_how-error")).to_contain_text(
        say("Choose how the receiver was identified: for a letter the post's receipt, and only for a letter.")
    )
    page.locator("input[name=how][value=medium-in-person]").check()
    page.locator("input[name=identified_how][value=identity-document]").check()
    page.get_by_role("button", name=say("Record the hand-over")).click()


@ways("fi-desktop-scripts", "sv-phone-plain", "en-desktop-plain")
def test_p08_two_archivists_take_a_transfer_to_its_end(
    caller: Caller, chromium: Browser, tmp_path: Path, language: str, size: Any, scripts: bool
) -> None:
    say, archive = WORDS[language], archive_of(caller, tmp_path)
    case, transfer = archive.due_of(*personal_code(), b"one paper")
    how: dict[str, Any] = {"size": size, "java_script_enabled": scripts}
    with (
        window(chromium, caller.service.url, language, **how) as (_, one),
        window(chromium, caller.service.url, language, **how) as (_, other),
    ):
        for page, who in ((one, FIRST), (other, SECOND)):
            sign_in_at_work(page, who, say)
            page.locator(f"a[href='/desk/archive/transfers/{transfer}']").click()
        _approve(one, say)
        expect(one.locator("main")).to_contain_text(say("You have approved. Another archivist must approve too."))
        assert archive.work(5) == [], "one approval packages nothing"
        _approve(other, say)
        archive.work(2)
        one.reload()
        one.locator("#receipt").fill("a.b.c")
        one.get_by_role("button", name=say("Hand in")).click()
        expect(one.locator("#receipt-error")).to_be_visible()
        assert aside(archive.state, transfer) == "sent"
        one.locator("#receipt").fill(archive.sign(transfer))
        one.get_by_role("button", name=say("Hand in")).click()
        expect(one.locator("main")).to_contain_text("arkistonhoitaja")
        assert aside(archive.case_keys, case) > 0, "nothing is destroyed before it was read back"
        archive.work(5)
        other.reload()
        expect(other.locator("main")).to_contain_text(say("Archived, active copy destroyed"))
        expect(other.locator("main")).to_contain_text(say("Read back and verified"))
    archive.stop()
    assert (aside(archive.state, transfer), aside(archive.case_keys, case)) == ("shredded", 0)


def _approve(page: Page, say: Any) -> None:
    """In two steps: what follows is told, then the press."""
    page.get_by_role("link", name=say("Approve"), exact=True).click()
    expect(page.locator("main")).to_contain_text(say("This is what will follow. Nothing has happened yet."))
    page.get_by_role("button", name=say("Approve"), exact=True).click()
    page.wait_for_url("**/transfers/*")
