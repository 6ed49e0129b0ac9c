"""Which pages are pictured: who looks, where, and what they press first."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from playwright.sync_api import Page

from tools.pictures.world import World

Act = Callable[[Page], None]


class Shot(NamedTuple):
    """One picture at each width; ``who`` is a session of the world, or empty for nobody."""

    name: str
    who: str
    path: str
    act: Act | None = None
    dark: bool = False


def press(selector: str) -> Act:
    """Press once, and wait for what comes."""

    def act(page: Page) -> None:
        page.locator(selector).first.click()
        page.wait_for_load_state()

    return act


def unfold(page: Page) -> None:
    page.evaluate("document.querySelectorAll('main details').forEach(one => one.open = true)")


def menu_open(page: Page) -> None:
    page.evaluate("document.querySelectorAll('.menu-phone').forEach(one => one.open = true)")


SEND = press("main form button[type=submit]")


def asked_what(page: Page) -> None:
    page.locator("#who").check()
    SEND(page)


def asked_everything(page: Page) -> None:
    asked_what(page)
    page.locator("#what").check()
    SEND(page)


def gave_ground(page: Page) -> None:
    page.locator("#ground").check()
    SEND(page)


def said_nothing(page: Page) -> None:
    gave_ground(page)
    SEND(page)


def said_all(page: Page) -> None:
    gave_ground(page)
    page.locator("#text").fill("Osoitteeni on lausunnossa väärin.")
    SEND(page)


def in_tym(page: Page) -> None:
    page.locator("#case").check()
    SEND(page)
    page.locator("input[name=ground][value=claim]").check()
    SEND(page)
    SEND(page)


def named_friend(page: Page) -> None:
    page.locator("#name").fill("Esko Edustaja")
    page.locator("#code").fill("131052-308T")
    SEND(page)


def signed_out_meanwhile(page: Page) -> None:
    page.locator("#text").fill("Syntymäpäiväni on väärin.")
    page.context.clear_cookies(name="vault")
    SEND(page)


def found_person(code: str) -> Act:
    def act(page: Page) -> None:
        page.locator("#personal_identity_code").fill(code)
        SEND(page)

    return act


def acting_for(world: World) -> Act:
    def act(page: Page) -> None:
        page.locator(f"input[value='{world.ids['authority']}']").check()
        SEND(page)
        page.goto("/my")

    return act


def shots(world: World) -> list[Shot]:
    """In the order in which they are made: what changes something comes last."""
    return [
        *_anybody(),
        *_client(world),
        *_client_states(world),
        *_staff(world),
        *_officer(world),
        *_handed(world),
        *_archivist(world),
        *_last(world),
    ]


def _anybody() -> list[Shot]:
    return [
        Shot("start", "", "/sign-in", dark=True), Shot("start-root", "", "/"), Shot("sign-in-staff", "", "/sign-in/staff"), Shot("about", "", "/about"),
        Shot("accessibility", "", "/accessibility"), Shot("feedback", "", "/feedback"),
        Shot("fault-not-found", "", "/nothing-here"), Shot("fault-signed-out", "", "/my"),
        Shot("signed-out", "leaving", "/my", press(".sign-out button")),
        Shot("sign-in-refused", "", "/sign-in/callback/demo-clients?code=x&state=y"),
    ]  # fmt: skip


def _client(world: World) -> list[Shot]:
    ids = world.ids
    consent, asked = f"/my/consents/{ids['consent']}", "/my/requests/new?kind="
    return [
        Shot("home", "client", "/my", dark=True), Shot("home-unfolded", "client", "/my", unfold), Shot("menu", "client", "/my", menu_open),
        Shot("log", "client", "/my/log", dark=True), Shot("log-unfolded", "client", "/my/log", unfold),
        Shot("log-own", "client", "/my/log?show=own"), Shot("documents", "client", "/my/documents", dark=True),
        Shot("document", "client", f"/my/documents/{ids['report']}", unfold),
        Shot("document-form", "client", f"/my/documents/{ids['consent-form']}"),
        Shot("document-protected", "client", f"/my/documents/{ids['statement']}"),
        Shot("consents", "client", "/my/consents"), Shot("consent", "client", consent, dark=True),
        Shot("withdraw", "client", f"{consent}/withdraw", dark=True), Shot("withdraw-clause", "client", f"{consent}/withdraw?clause=3"),
        Shot("prohibitions", "client", "/my/prohibitions"),
        Shot("prohibition-end", "client", f"/my/prohibitions/{ids['prohibition']}/end"),
        Shot("prohibition-who", "client", "/my/prohibitions/new"),
        Shot("prohibition-who-wrong", "client", "/my/prohibitions/new", SEND, dark=True),
        Shot("prohibition-what", "client", "/my/prohibitions/new", asked_what),
        Shot("prohibition-sure", "client", "/my/prohibitions/new", asked_everything),
        Shot("case", "client", f"/my/cases/{ids['case']}"), Shot("exports", "client", "/my/exports"),
        Shot("requests", "client", "/my/requests"),
        *(Shot(f"ask-{kind}", "client", f"{asked}{kind}") for kind in ("correction", "export-review", "log-names", "log-older", "feedback")),
        Shot("ask-wrong", "client", f"{asked}correction", SEND, dark=True),
        Shot("ask-signed-out", "client", f"{asked}correction", signed_out_meanwhile),
        Shot("representatives", "client", "/my/representatives"), Shot("representative-new", "client", "/my/representatives/new"),
        Shot("representative-wrong", "client", "/my/representatives/new", SEND),
        Shot("representative-what", "client", "/my/representatives/new", named_friend),
        Shot("representative-end", "client", f"/my/representatives/{ids['authority']}/end"),
        Shot("language", "client", "/my/language"), Shot("act-for", "friend", "/sign-in/act-for"), Shot("act-for-nobody", "client", "/sign-in/act-for"),
        Shot("identify-again", "client", "/sign-in/again?after=/my/exports"), Shot("not-known", "nobody", "/sign-in/not-known"),
    ]  # fmt: skip


def _client_states(world: World) -> list[Shot]:
    ids = world.ids
    return [
        Shot("home-paused", "paused", "/my", dark=True), Shot("home-lapsed", "lapsed", "/my"), Shot("home-empty", "empty", "/my"),
        Shot("home-nothing", "nobody", "/my"), Shot("home-three-cases", "three", "/my"), Shot("home-archived", "archived", "/my"),
        Shot("home-long-name", "late", "/my"),
        *(Shot(f"{page}-empty", "empty", f"/my/{page}") for page in ("log", "documents", "consents", "prohibitions", "exports", "requests", "representatives")),
        Shot("cases", "three", "/my/cases"), Shot("case-archived", "archived", f"/my/cases/{ids['archived-case']}"),
        Shot("documents-archived", "archived", "/my/documents"), Shot("document-archived", "archived", f"/my/documents/{ids['archived-paper']}"),
        Shot("documents-states", "asker", "/my/documents"),
        *(Shot(f"document-{name}", "asker", f"/my/documents/{ids[name]}") for name in ("waits", "cut", "kept", "back")),
        Shot("document-long", "late", f"/my/documents/{ids['long']}"), Shot("documents-long", "late", "/my/documents"),
        Shot("requests-states", "asker", "/my/requests"),
        *(Shot(f"request-{name}", "asker", f"/my/requests/{ids[name]}") for name in ("review", "refused", "answered", "longer", "names")),
        Shot("request-late", "late", f"/my/requests/{ids['late']}"),
        *(Shot(f"export-{state}", f"export-{state}", f"/my/exports/{ids['export-' + state]}") for state in ("received", "collecting", "ready", "delivered", "expired", "failed")),
        Shot("export-remove", "export-ready", f"/my/exports/{ids['export-ready']}/remove"), Shot("exports-under-way", "export-collecting", "/my/exports"),
        Shot("consent-lapsed", "lapsed", f"/my/consents/{ids['lapsed-consent']}"), Shot("consents-lapsed", "lapsed", "/my/consents"),
        Shot("representatives-minor", "minor", "/my/representatives"),
        Shot("home-restricted", "kept-only", "/my", dark=True), Shot("prohibitions-restricted", "kept-told", "/my/prohibitions"),
        *(Shot(f"request-{name}", name, f"/my/requests/{ids[name]}") for name in ("kept-only", "kept-told")),
        Shot("restriction-which", "three", "/my/requests/restriction"), Shot("restriction-why", "client", "/my/requests/restriction"),
        Shot("restriction-why-wrong", "client", "/my/requests/restriction", SEND),
        Shot("restriction-words", "client", "/my/requests/restriction", gave_ground),
        Shot("restriction-words-wrong", "client", "/my/requests/restriction", said_nothing),
        Shot("restriction-send", "client", "/my/requests/restriction", said_all), Shot("restriction-send-tym", "three", "/my/requests/restriction", in_tym),
    ]  # fmt: skip


def _staff(world: World) -> list[Shot]:
    case = f"/desk/coordinator/cases/{world.ids['case']}"
    return [
        Shot("desk-cases", "coordinator", "/desk/coordinator"), Shot("desk-case", "coordinator", case),
        Shot("desk-log", "coordinator", f"{case}/log", dark=True), Shot("desk-log-unfolded", "coordinator", f"{case}/log", unfold),
        Shot("desk-fault", "coordinator", "/desk/records"),
    ]  # fmt: skip


def _officer(world: World) -> list[Shot]:
    ids = world.ids
    of = "/desk/records/requests/"
    paper = f"{of}{ids['waiting-request']}/papers/{ids['waits']}"
    known = world.codes["asker"]
    return [
        Shot("records", "officer", "/desk/records", dark=True), Shot("records-ended", "officer", "/desk/records/ended"),
        *(Shot(f"records-request-{name}", "officer", f"{of}{ids[name]}") for name in ("review", "waiting-request", "refused", "answered", "longer", "late", "open-names")),
        *(Shot(f"records-{step}", "officer", f"{of}{ids['waiting-request']}/{step}") for step in ("answer", "refuse", "extend", "fee")),
        Shot("records-identify", "officer", f"{of}{ids['late']}/identify"), Shot("records-names", "officer", f"{of}{ids['open-names']}/names"),
        Shot("records-answer-names", "officer", f"{of}{ids['open-names']}/answer"),
        Shot("records-refuse-wrong", "officer", f"{of}{ids['waiting-request']}/refuse", SEND, dark=True),
        Shot("records-paper", "officer", paper), Shot("records-paper-decided", "officer", f"{of}{ids['review']}/papers/{ids['cut']}"),
        Shot("records-find", "officer", "/desk/records/new"), Shot("records-find-wrong", "officer", "/desk/records/new", SEND),
        Shot("records-find-nobody", "officer", "/desk/records/new", found_person("010199-9997")),
        Shot("records-record", "officer", "/desk/records/new", found_person(known)),
        Shot("records-misfiled", "officer", "/desk/records/misfiled"), Shot("records-misfiled-one", "officer", f"/desk/records/misfiled/{ids['wrong']}"),
        Shot("records-differences", "officer", "/desk/records/differences"),
        Shot("records-damaged", "officer", "/desk/records/damaged"),
        Shot("records-restrictions", "officer", "/desk/records/restrictions"),
        *(Shot(f"records-restriction-{name}", "officer", f"{of}{ids[name]}") for name in ("kept-only", "kept-told")),
        *(Shot(f"records-restriction-{step}", "officer", f"{of}{ids['kept-wish']}/{step}") for step in ("answer", "refuse")),
        Shot("records-restriction-notice", "officer", f"{of}{ids['kept-only']}/restriction/notice"),
        Shot("records-restriction-end-first", "officer", f"{of}{ids['kept-only']}/restriction/end"),
        Shot("records-restriction-end", "officer", f"{of}{ids['kept-told']}/restriction/end"),
        Shot("records-letter", "officer", f"{of}{ids['refused']}/letter"),
    ]  # fmt: skip


def _handed(world: World) -> list[Shot]:
    """The desk's pages of them, and the client's page of the one that was handed over."""
    path = {
        name: f"/desk/records/requests/{world.ids[f'handed-{name}']}"
        for name in ("weak", "form", "making", "ready", "fetched", "done")
    }
    package = {
        name: f"{path[name]}/package/{world.ids[f'handed-{name}-package']}" for name in ("ready", "fetched", "done")
    }
    return [
        *(Shot(f"records-package-{name}", "officer", f"{one}/package", dark=name == "ready") for name, one in path.items()),
        Shot("records-request-to-package", "officer", path["form"]), Shot("records-request-handed", "officer", path["done"]),
        Shot("records-package-letter", "officer", f"{package['ready']}/letter"), Shot("records-package-remove", "officer", f"{package['ready']}/remove"),
        Shot("records-hand-over", "officer", f"{package['fetched']}/hand-over"), Shot("records-hand-over-wrong", "officer", f"{package['fetched']}/hand-over", SEND),
        Shot("records-identify-again", "officer", "/sign-in/again?after=/desk/records"),
        Shot("exports-handed", "counter", "/my/exports"), Shot("export-handed", "counter", f"/my/exports/{world.ids['handed-done-package']}"),
        Shot("log-handed", "counter", "/my/log"), Shot("request-handed", "counter", f"/my/requests/{world.ids['handed-done']}"),
    ]  # fmt: skip


def _archivist(world: World) -> list[Shot]:
    of = "/desk/archive/transfers/"
    states = ("due", "half", "making", "sent", "rejected", "done")
    return [
        Shot("archive", "archivist", "/desk/archive", dark=True),
        *(Shot(f"archive-{state}", "archivist", f"{of}{world.ids[state]}") for state in states),
        Shot("archive-requests", "archivist", "/desk/archive/requests"),
        Shot("archive-requests-wrong", "archivist", "/desk/archive/requests", SEND),
        Shot("archive-approve", "archivist", f"{of}{world.ids['due']}/approve"),
        Shot("archive-reject", "archivist", f"{of}{world.ids['sent']}/reject"),
        Shot("archive-reject-wrong", "archivist", f"{of}{world.ids['sent']}/reject", SEND),
        Shot("archive-trouble", "archivist", f"{of}{world.ids['stopped']}", unfold),
        Shot("archive-receipt-wrong", "archivist", f"{of}{world.ids['sent']}", press("form[action$=receipt] button")),
    ]  # fmt: skip


def _last(world: World) -> list[Shot]:
    """These change something: a reason is given, somebody is acted for."""

    def looked(page: Page) -> None:
        if page.locator("form[action$=look]").count():
            page.locator("#reason").fill("Tarkistan ennen antamista.")
            SEND(page)

    def decided_wrong(page: Page) -> None:
        page.locator("form[action$=decision] button[type=submit]").click()

    paper = f"/desk/records/requests/{world.ids['waiting-request']}/papers/{world.ids['waits']}"
    return [
        Shot("acting-for-another", "friend", "/sign-in/act-for", acting_for(world), dark=True),
        Shot("not-known-code", "nobody", "/sign-in/not-known", SEND),
        Shot("home-just-paused", "export-received", "/my", press("form[action='/my/pause'] button")),
        Shot("records-paper-looked", "officer", paper, looked),
        Shot("records-paper-wrong", "officer", paper, decided_wrong),
    ]  # fmt: skip
