"""A package for somebody who cannot sign in: every state of it at the desk, and what its client sees afterwards."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from tests.browser.scene import aside, make_scene, signed_in, staff
from tests.browser.walk import Walk
from tests.browser.walks import FRIEND, asked
from tests.browser.walks_staff import DESK, OFFICER
from tests.exports.conftest import Scene as Exports
from tests.support.caller import must, personal_code
from tests.support.sessions import browser
from vault.services.requests import today


def handed(walk: Walk) -> None:
    """From a call that is not enough to the hand-over; papers wait, so that the rest runs on."""
    caller = walk.caller
    code, born = personal_code()
    make_scene(caller, code, born)
    her, officer = signed_in(caller, code), staff(caller, OFFICER, "records-officer")
    friend = FRIEND | {"personal_identity_code": personal_code()[0]}
    ends, stays = (asked(walk, her, "POST", "/authorities", {"representative": friend, "scope": "act"})["id"] for _ in range(2))  # fmt: skip
    with browser(caller.service, officer) as http, walk.person(officer) as page:
        weak = recorded(http, code, received_how="phone", identified_how="known-in-person")
        walk.go(page, f"{weak}/package")
        path = recorded(http, code)
        walk.go(page, f"{path}/package")
        asked(walk, her, "DELETE", f"/authorities/{ends}")
        page.locator(f"input[name=authority][value='{ends}']").check()
        walk.send(page)
        page.locator(f"input[name=authority][value='{stays}']").check()
        walk.send(page)
        package = _made(walk, page, path, her)
        _handed_over(walk, page, package)
        walk.go(page, f"{path}/package")
        walk.go(page, path)
    with walk.person(her) as page:
        export = package.rpartition("/")[2]
        for one in (f"/my/exports/{export}", "/my/log"):
            walk.go(page, one)


def recorded(http: Any, code: str, **about: str) -> str:
    """A request for one's own records; the path of its page at the desk."""
    [person] = must(http.post("/v1/requests/find-client", json={"personal_identity_code": code}))["items"]
    given = {"client": person["id"], "kind": "self-access", "received_how": "in-person", "received_on": today().isoformat(), "identified_how": "identity-document"}  # fmt: skip
    return f"{DESK}/requests/{must(http.post('/v1/requests', json=given | about), 201)['id']}"


def _made(walk: Walk, page: Page, path: str, her: Any) -> str:
    """One for the representative, which is removed, and one for the person themselves; the path of that one."""
    aside(Exports(walk.caller.service, walk.caller).work)
    walk.go(page, f"{path}/package")
    page.locator("a[href$='/remove']").click()
    walk.look(page)
    walk.send(page)
    walk.send(page)
    aside(Exports(walk.caller.service, walk.caller).work)
    walk.go(page, f"{path}/package")
    [listed] = [one for one in asked(walk, her, "GET", "/exports")["items"] if one["desk"]]
    return f"{path}/package/{listed['id']}"


def _handed_over(walk: Walk, page: Page, package: str) -> None:
    walk.go(page, f"{package}/letter")
    walk.go(page, f"{package}/hand-over")
    walk.send(page)
    page.locator("#how").check()
    page.locator("#identified_how").check()
    walk.send(page)
    assert page.request.get(f"{package}/download").status == 200
    walk.go(page, package.rpartition("/")[0])
    page.goto(f"{package}/hand-over")
    page.locator("#how").check()
    page.locator("#identified_how").check()
    walk.send(page)
