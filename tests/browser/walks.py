"""The clients' pages in all their states, and those for anybody."""

from __future__ import annotations

import re
from typing import Any

from tests.browser.scene import HOSTILE, aside, make_scene, signed_in, staff
from tests.browser.test_session_end import ends_in
from tests.browser.walk import Walk
from tests.exports.conftest import Scene as Exports
from tests.support.caller import ANY, must, permit, personal_code, young_code
from tests.support.sessions import browser
from tests.web.routes import NOBODY
from vault.services.sessions import Session

FRIEND = {"name": "⟦Esko Edustaja⟧"}
STOP = "UPDATE vault.export_claim SET until = 'infinity'"


def asked(walk: Walk, session: Session, method: str, path: str, json: Any = None) -> Any:
    """A request of that person's software to /v1/me."""
    with browser(walk.caller.service, session) as http:
        answer = http.request(method, f"/v1/me{path}", **({} if json is None else {"json": json}))
        return must(answer, 200, 201, 202, 204)


def anybody(walk: Walk) -> None:
    """Without a session: the first pages, what is not there, a sign-in that was left."""
    walk.each(None, "/", "/sign-in", "/sign-in/staff", "/about", "/accessibility", "/feedback")
    with walk.person(None) as page:
        walk.go(page, "/nothing-here", 404)
        walk.go(page, "/my", 401)
        walk.go(page, "/sign-in/callback/suomi-fi?error=access_denied&state=x", 403)


def client(walk: Walk) -> None:
    """A client with papers of every kind: every page that a link leads to."""
    scene = walk.scene
    consent = f"/my/consents/{scene.consent}"
    papers = [f"/my/documents/{one}" for one in (scene.feedback, scene.waiting, scene.hostile)]
    kinds = ("correction", "log-names", "log-older", "feedback")
    walk.each(
        signed_in(walk.caller, scene.code),
        "/my", "/my/log", "/my/log?show=own", "/my/cases", f"/my/cases/{scene.case}", "/my/documents", *papers,
        "/my/consents", consent, f"{consent}/withdraw", f"{consent}/withdraw?clause=2", "/my/prohibitions",
        "/my/prohibitions/new", f"/my/prohibitions/new?document={scene.feedback}", "/my/requests",
        *(f"/my/requests/new?kind={kind}" for kind in kinds), "/my/representatives", "/my/representatives/new",
        "/my/language", "/my/exports", "/sign-in/act-for", "/sign-in/again?after=/my/exports", "/feedback", "/about",
    )  # fmt: skip


def pressing(walk: Walk) -> None:
    """What shows only after a press: forms with faults and their next steps, what has been done, an unfolded log."""
    code, born = personal_code()
    scene = make_scene(walk.caller, code, born)
    her = signed_in(walk.caller, code)
    with walk.person(her) as page:
        page.goto("/my/prohibitions/new")
        walk.send(page)
        assert page.locator("#error-summary").is_visible()
        for field in ("who", "what"):
            page.locator(f"#{field}").check()
            walk.send(page)
        walk.send(page)
        with page.expect_navigation():
            page.locator("a[href^='/my/prohibitions/'][href$='/end']").click()
        walk.look(page)
        walk.send(page)
        _representatives(walk, page)
        page.goto("/my/requests/new?kind=log-older")
        walk.send(page)
        walk.send(page, text="⟦syy⟧")
        walk.go(page, "/my/requests")
        page.goto(f"/my/consents/{scene.consent}/withdraw?clause=2")
        page.evaluate("document.querySelector('#reason').removeAttribute('maxlength')")
        walk.send(page, reason="x" * 2001)
        walk.send(page, reason="⟦syy⟧")
        walk.go(page, f"/my/consents/{scene.consent}/withdraw?clause=2", 409)
        walk.go(page, "/my/consents")
        page.goto("/my/log")
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        walk.look(page)
        page.goto("/my")
        walk.press(page, "form[action='/my/pause'] button")
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        walk.look(page)
        walk.go(page, "/my/prohibitions")
        walk.go(page, f"/my/cases/{NOBODY}", 404)
        walk.go(page, "/desk/records", 403)
        page.goto("/my")
        walk.press(page, "form[action='/sign-out'] button")


def _representatives(walk: Walk, page: Any) -> None:
    page.goto("/my/representatives/new")
    walk.send(page)
    walk.send(page, name=FRIEND["name"], code=personal_code()[0])
    walk.send(page)
    page.locator("#scope").check()
    walk.send(page)
    walk.send(page)
    with page.expect_navigation():
        page.locator("a[href^='/my/representatives/'][href$='/end']").click()
    walk.look(page)
    walk.send(page)


def ended(walk: Walk) -> None:
    """Forms of a session that has ended or changed, and the page of the press that puts an end off."""
    her = signed_in(walk.caller, walk.scene.code)
    with walk.person(her) as page:
        page.goto("/my/requests/new?kind=correction")
        page.evaluate("document.querySelector('main [name=form_token]').value = 'x'")
        walk.send(page, text="⟦teksti⟧")
        page.goto("/my/requests/new?kind=correction")
        # As without scripts: the form is sent by the browser itself.
        page.evaluate("const form = document.querySelector('.session form'); form.target = '_self'; form.id = 'stay'")
        with page.expect_navigation():
            page.evaluate("document.getElementById('stay').submit()")
        walk.look(page)
        page.goto("/my/requests/new?kind=correction")
        ends_in(walk.caller, her, -1)
        walk.send(page, text="⟦teksti⟧")


def nothing_kept(walk: Walk) -> None:
    """Somebody of whom nothing is kept, and who may have no personal identity code."""
    nobody = signed_in(walk.caller, None, "FR/FI/walk")
    walk.each(nobody, "/my/log", "/my/cases", "/my/documents", "/my/consents", "/my/prohibitions")
    with walk.person(nobody) as page:
        for path in ("/my", "/my/exports"):
            walk.go(page, path)
            for link in page.eval_on_selector_all("main a, nav a", "all => all.map(one => one.getAttribute('href'))"):
                walk.go(page, link)  # no dead end
        walk.go(page, "/sign-in/not-known")
        walk.send(page)


def bare(walk: Walk) -> None:
    """A client of whom a case is kept, and nothing in it."""
    code, born = personal_code()
    walk.caller.open_case(personal_identity_code=code, born=born, name="⟦Uusi⟧", handled=False)
    walk.each(
        signed_in(walk.caller, code), "/my", "/my/log", "/my/cases", "/my/documents", "/my/consents",
        "/my/prohibitions", "/my/prohibitions/new", "/my/requests", "/my/representatives", "/my/exports",
    )  # fmt: skip


def three_cases(walk: Walk) -> None:
    code, born = personal_code()
    cases = []
    for process in ("ayr", "tym", "akse"):
        about = {"personal_identity_code": code, "name": "⟦Kolme⟧", "born": born, "language": "fi"}
        cases.append(must(walk.caller.coordinator.post("/v1/cases", {"process": process, "client": about}))["id"])
    walk.caller.consent(cases[0], [permit("kela"), permit("pirha", documents=ANY)])
    with walk.person(signed_in(walk.caller, code)) as page:
        for path in ("/my", "/my/cases", f"/my/cases/{cases[1]}", "/my/documents", "/my/requests/new?kind=log-names"):
            walk.go(page, path)
        page.goto("/my/representatives/new")
        walk.send(page, name=FRIEND["name"], code=personal_code()[0])


def for_another(walk: Walk) -> None:
    """A representative: chooses for whom, sees and acts; and what is not theirs."""
    hers, friends = personal_code(), personal_code()[0]
    scene = make_scene(walk.caller, *hers)
    her, friend = signed_in(walk.caller, hers[0]), signed_in(walk.caller, friends)
    wish = {"representative": FRIEND | {"personal_identity_code": friends}, "scope": "see"}
    asked(walk, her, "POST", "/authorities", wish)
    with walk.person(friend) as page:
        walk.go(page, "/sign-in/act-for")
        page.evaluate("document.querySelector('#authority').value = 'x'")
        walk.send(page)
        page.locator("#authority-1").check()
        walk.send(page)
        for path in ("/my/log", "/my/documents", f"/my/documents/{scene.feedback}", f"/my/consents/{scene.consent}"):
            walk.go(page, path)
        walk.go(page, "/my/representatives", 404)
        walk.go(page, "/my/exports", 403)
        walk.go(page, "/sign-in/act-for")
        page.goto("/my")
        walk.press(page, "form[action='/my/pause'] button")
    with walk.person(her) as page:
        walk.go(page, "/my/log?show=own")
        walk.go(page, "/my/representatives")


def young(walk: Walk) -> None:
    """A minor with a guardian, who turns 18: the guardian is kept out, and the guardian's consent lapses."""
    code, born = young_code(17)
    caller = walk.caller
    case = caller.open_case(personal_identity_code=code, born=born, name="⟦Nuori⟧", members=["kela"])
    known = {"kind": "guardian", "case": case, "shown": "VTJ: huoltaja", "scope": "act"}
    guardian = known | {"representative": FRIEND | {"personal_identity_code": personal_code()[0]}}
    authority = must(caller.coordinator.post(f"/v1/cases/{case}/authorities", guardian))["id"]
    signed = {"capacity": "guardian", "name": FRIEND["name"], "authority": authority}
    consent = caller.consent(case, [permit("kela"), permit("te-palvelut")], signed_by=signed)
    them = signed_in(caller, code)
    with walk.person(them) as page:
        walk.go(page, "/my/representatives")
        walk.press(page, "form[action$='/bar'] button")
        aside(caller.service.sql, "UPDATE vault.client SET adult_on = current_date - 1 WHERE id = $1", them.client)
        for path in ("/my", "/my/consents"):
            walk.go(page, path)
        walk.go(page, f"/my/consents/{consent}")
        walk.press(page, "form[action$='/confirm'] button")


def exports(walk: Walk) -> None:
    """An export in each of its states, and one that leaves out what is large."""
    service = walk.caller.service
    code, born = personal_code()
    case = walk.caller.open_case(personal_identity_code=code, born=born, name="⟦Vie⟧")
    walk.caller.file(case, content=b"x" * (10 * 1024 * 1024 + 1), title="⟦Suuri⟧")
    her = signed_in(walk.caller, code)
    with walk.person(her) as page:
        walk.go(page, "/my/exports")
        page.locator("input[name=large][value=without]").check()
        walk.send(page)
        where = page.url.removeprefix(service.url)
        export = re.sub(r".*/", "", where)
        aside(service.sql, "UPDATE vault.export_claim SET documents = 1, bytes = 1000 WHERE export = $1::uuid", export)
        _stands(walk, export, "collecting")
        walk.go(page, where)
        walk.go(page, "/my/exports")
        _stands(walk, export, "received")
        told = aside(Exports(service, walk.caller).work)
        walk.go(page, where)
        assert page.locator("a[href$='/download']").count() == 1, told
        walk.go(page, f"{where}/remove")
        for state in ("delivered", "expired", "failed"):
            _stands(walk, export, state)
            walk.go(page, where)
        walk.go(page, "/my/exports")
    aside(service.sql, STOP)


def _stands(walk: Walk, export: str, state: str) -> None:
    aside(
        walk.caller.service.sql,
        "INSERT INTO vault.export_state (export, n, state, entry, recorded_at) SELECT export, max(n) + 1, $2, gen_random_uuid(), now()"
        " FROM vault.export_state WHERE export = $1::uuid GROUP BY export", export, state,
    )  # fmt: skip


def wrong_doors(walk: Walk) -> None:
    """A professional at the clients' pages, and a client's hostile paper."""
    with walk.person(staff(walk.caller, "pirha-1001", "coordinator")) as page:
        walk.go(page, "/my", 403)
        walk.go(page, "/desk/archive", 403)
    with walk.person(signed_in(walk.caller, walk.scene.code)) as page:
        walk.go(page, f"/my/documents/{walk.scene.hostile}")
        assert HOSTILE.partition("\u202e")[0] in page.locator("main").inner_text()
