"""A records officer withholds a page in a browser, and the client sees on which provision."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.scene import DESKTOP, PHONE, aside, signed_in, staff, window
from tests.browser.test_accessibility import faults_of
from tests.browser.test_journeys import WORDS
from tests.support.caller import Caller, must, permit, personal_code
from tests.support.sessions import browser
from tests.web.test_withholding import filed_pdf
from vault.rules.requests import PROVISIONS

REASON = "sivulla on toisen ihmisen tietoja"


@pytest.mark.parametrize(
    ("language", "size", "scripts"),
    [
        ("fi", PHONE, True),
        pytest.param("sv", DESKTOP, True, marks=pytest.mark.long),
        pytest.param("en", DESKTOP, False, marks=pytest.mark.long),
    ],
)
def test_12_a_page_is_withheld_at_the_desk_and_the_client_sees_the_provision(
    caller: Caller, chromium: Browser, language: str, size: Any, scripts: bool
) -> None:
    code, born = personal_code()
    case = caller.open_case(personal_identity_code=code, born=born)
    caller.consent(case, [permit("kela")])
    document = filed_pdf(caller, case)
    hers, officer = signed_in(caller, code), staff(caller, "pirha-1004", "records-officer")
    found: list[str] = []
    how: dict[str, Any] = {"size": size, "java_script_enabled": scripts, "bypass_csp": True}

    def check(page: Page) -> None:
        if scripts:
            found.extend(faults_of(page, "light") + faults_of(page, "dark"))
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], page.url

    with window(chromium, caller.service.url, language, session=hers, **how) as (_, page):
        _ask_for_it(page, document, check)
    asked = aside(_request_of, caller, hers)
    with window(chromium, caller.service.url, language, session=officer, **how) as (_, page):
        _withhold_the_second_page(page, WORDS[language], asked, document, check)
    with window(chromium, caller.service.url, language, session=hers, **how) as (_, page):
        page.goto(f"/my/documents/{document}")
        provision = PROVISIONS["621-1999-11"].law.in_language(language)
        expect(page.locator("main .notice.warn")).to_contain_text(provision)
        expect(page.locator("main .notice.warn")).to_contain_text(REASON)
        expect(page.get_by_role("link", name=WORDS[language]("Read the pages that you get"))).to_be_visible()
        check(page)
        page.goto(f"/my/requests/{asked}")
        check(page)
    assert found == []


def _ask_for_it(page: Page, document: str, check: Any) -> None:
    page.goto(f"/my/documents/{document}")
    check(page)
    page.locator("main a.button[href^='/my/requests/new']").click()
    check(page)
    page.locator("main form button[type=submit]").click()
    page.wait_for_url("**/my/requests/*")
    check(page)


def _request_of(caller: Caller, session: Any) -> str:
    with browser(caller.service, session) as http:
        return str(must(http.get("/v1/me/requests"))["items"][0]["id"])


def _withhold_the_second_page(page: Page, say: Any, asked: str, document: str, check: Any) -> None:
    for path in ("/desk/records/new", "/desk/records/ended", "/desk/records/misfiled", "/desk/records/differences"):
        page.goto(path)
        check(page)
    page.goto("/desk/records")
    check(page)
    page.locator(f"a[href='/desk/records/requests/{asked}']").click()
    check(page)
    for name in ("answer", "refuse", "extend", "fee"):
        page.goto(f"/desk/records/requests/{asked}/{name}")
        check(page)
    page.goto(f"/desk/records/requests/{asked}")
    page.locator(f"a[href$='/papers/{document}']").click()
    page.locator("#reason").fill("tarkistan")
    check(page)
    page.get_by_role("button", name=say("Give the reason")).click()
    page.get_by_role("button", name=say("Decide")).click()
    expect(page.locator("#error-summary")).to_be_visible()
    check(page)
    page.locator("input[value='pages-withheld']").check()
    page.locator("#pages").fill("2")
    page.locator("#provision").select_option("621-1999-11")
    page.locator("#decision_reason").fill(REASON)
    page.get_by_role("button", name=say("Decide")).click()
    expect(page.get_by_role("status")).to_have_text(say("The decision is made. The client sees it now."))
    check(page)
    page.goto(f"/desk/records/requests/{asked}/papers/{document}")
    check(page)
