"""Restriction of processing, from the client's question to its end, on both sides of the desk."""

from __future__ import annotations

import datetime as dt
import re

from playwright.sync_api import Page

from tests.browser.scene import aside, signed_in, staff
from tests.browser.walk import Walk
from tests.browser.walks import asked
from tests.browser.walks_staff import DESK, OFFICER
from tests.support.caller import personal_code
from vault.rules.days import helsinki_day


def restricted(walk: Walk) -> None:
    """One is granted, told to end and ended; another is refused in part."""
    caller = walk.caller
    code, born = personal_code()
    case = caller.open_case(members=["kela"], personal_identity_code=code, born=born, name="⟦Rajattu⟧")
    caller.open_case(personal_identity_code=code, born=born, name="⟦Rajattu⟧")
    caller.file(case)
    her, officer = signed_in(caller, code), staff(caller, OFFICER, "records-officer")
    with walk.person(her) as page:
        made = _asked_for(walk, page)
        mine = f"/my/requests/{made}"
        other = asked(walk, her, "POST", "/requests", {"kind": "restriction", "ground": "claim", "case": case})["id"]
        with walk.person(officer) as desk:
            _granted(walk, desk, f"{DESK}/requests/{made}")
            walk.go(page, "/my")
            walk.go(page, mine)
            _ended(walk, page, desk, f"{DESK}/requests/{made}", made)
            walk.go(desk, f"{DESK}/requests/{other}/refuse")
            desk.locator("#provision").select_option("gdpr-18")
            desk.locator("input[name=partly][value=yes]").check()
            walk.send(desk, reason="⟦syy⟧", text="⟦osa⟧")
            desk.locator("input[name=papers]").first.check()
            walk.send(desk)
        walk.go(page, mine)


def _asked_for(walk: Walk, page: Page) -> str:
    """Every screen of the question, with its fault; the request's id."""
    walk.go(page, "/my/requests/restriction")
    walk.send(page)
    page.locator("#case").check()
    walk.send(page)
    walk.send(page)
    page.locator("input[name=ground][value=accuracy]").check()
    walk.send(page)
    walk.send(page)
    walk.send(page, text="⟦osoite on väärä⟧")
    walk.send(page)
    return re.sub(r".*/", "", page.url)


def _granted(walk: Walk, desk: Page, path: str) -> None:
    walk.go(desk, path)
    walk.go(desk, f"{path}/answer")
    walk.send(desk, text="⟦Rajoitamme.⟧")
    walk.go(desk, f"{DESK}/restrictions")


def _ended(walk: Walk, page: Page, desk: Page, path: str, made: str) -> None:
    """Too early, told, too early again, and then ended."""
    walk.go(desk, f"{path}/restriction/end")
    walk.go(desk, f"{path}/restriction/notice")
    walk.send(desk)
    day = helsinki_day(dt.datetime.now(dt.UTC)) + dt.timedelta(8)
    walk.send(desk, ends_from=day.isoformat(), text="⟦tarkistettu⟧")
    for one in ("/my/prohibitions", f"/my/requests/{made}"):
        walk.go(page, one)
    desk.goto(f"{path}/restriction/end")
    walk.send(desk)
    told = "UPDATE vault.restriction_notice SET ends_from = current_date - 1 WHERE request = $1::uuid"
    aside(walk.caller.service.sql, told, made)
    desk.goto(f"{path}/restriction/end")
    walk.send(desk)
