"""A walk over the pages: each is looked at by axe in both themes, weighed, and its route written down."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Error, Locator, Page, Request, Response

from tests.browser.scene import Scene, window
from tests.support.caller import Caller
from tests.web.routes import OPEN, PAGES
from vault.services.sessions import Session

AXE = Path(__file__).parents[1] / "node/node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """async rules => (await axe.run(document, {runOnly: rules}))
    .violations.map(v => `${v.id}: ${v.nodes.map(n => n.target.join(" ")).join(", ")}`)"""
# What a page loads when nothing is kept from before: itself, its style, its scripts, its picture.
WEIGHT = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .reduce((sum, one) => sum + one.encodedBodySize, 0)"""
MOST_BYTES = 150_000
MACHINES = ("/v1/", "/oauth/", "/.well-known/", "/health/", "/metrics", "/schema/", "/static/", "/sign-in/keys")

# Presses that show no page of their own: they lead on to one, or to bytes.
LEADS_ON = {
    "GET /language/{code:str}", "GET /sign-in/to/{provider:str}", "GET /sign-in/again/now",
    "GET /my/documents/{document:uuid}/read", "GET /my/documents/{document:uuid}/download",
    "GET /my/exports/{export:uuid}/download", "GET /desk/records/requests/{asked:uuid}/papers/{document:uuid}/read",
    "GET /desk/records/requests/{asked:uuid}/package/{export:uuid}/download",
    "POST /desk/records/requests/{asked:uuid}/package/{export:uuid}/remove", "POST /desk/records/requests/{asked:uuid}/fee/answer",
    "POST /my/pause", "POST /my/resume", "POST /my/consents/{consent:uuid}/confirm",
    "POST /my/prohibitions/{prohibition:uuid}/end", "POST /my/requests/{asked:uuid}/fee",
    "POST /my/representatives/{authority:uuid}/end", "POST /my/representatives/{authority:uuid}/bar",
    "POST /my/exports", "POST /my/exports/{export:uuid}/remove", "POST /my/language",
    "POST /desk/records/differences/{difference:uuid}", "POST /desk/records/requests/{asked:uuid}/take-up",
    "POST /desk/archive/transfers/{transfer:uuid}/approve",
}  # fmt: skip


def page_routes() -> set[str]:
    """Every route that shows a page; what `tests/web/test_every_route.py` lists is all that there is."""
    return {route for route in OPEN | PAGES if not route.partition(" ")[2].startswith(MACHINES)} - LEADS_ON


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    plain = sorted(page_routes() | LEADS_ON, key=lambda route: route.count("{"))
    return [(route, re.compile(re.sub(r"\{[a-z]+:[a-z]+\}", "[^/]+", route))) for route in plain]


def route_of(method: str, path: str) -> str | None:
    """The route that answers there."""
    return next((route for route, pattern in _patterns() if pattern.fullmatch(f"{method} {path}")), None)


@cache
def _axe() -> str:
    return AXE.read_text("utf-8")


def faults_of(page: Page, theme: Any) -> list[str]:
    """What axe finds on the page as it stands; its contrasts are what a theme changes."""
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(_axe())
    found = page.evaluate(RUN, RULES if theme == "light" else ["color-contrast"])
    return [f"{theme} {page.url.partition('127.0.0.1')[2]}: {one}" for one in found]


def opened(page: Page, path: str) -> Response | None:
    """Go there. A page that waits for something reloads itself, perhaps at this very moment: then once more."""
    try:
        return page.goto(path)
    except Error as error:
        if "ERR_ABORTED" not in error.message:
            raise
        return page.goto(path)


class Walk:
    """One walk in one language at one width, and all that was seen on it."""

    def __init__(self, caller: Caller, chromium: Browser, scene: Scene, folder: Path, language: str, size: Any) -> None:
        self.caller, self.chromium, self.scene, self.folder = caller, chromium, scene, folder
        self.language, self.size = language, size
        self.routes: set[str] = set()
        self.faults: list[str] = []
        self.heavy: list[str] = []
        self.wide: list[str] = []
        self.told: list[str] = []
        self.asked: list[str] = []
        self.gone: set[str] = set()
        self.pages = 0

    @contextmanager
    def person(self, session: Session | None) -> Iterator[Page]:
        """A window of this person's; every page that it is answered with is written down."""
        how: dict[str, Any] = {"session": session, "size": self.size, "bypass_csp": True}
        with window(self.chromium, self.caller.service.url, self.language, **how) as (_, page):
            page.on("response", self._note)
            page.on("request", self._asked)
            yield page

    def _note(self, answer: Response) -> None:
        asked = answer.request
        if asked.resource_type == "document" and "text/html" in answer.headers.get("content-type", ""):
            route = route_of(asked.method, asked.url.partition("?")[0].removeprefix(self.caller.service.url))
            if route is not None:
                self.routes.add(route)

    def _asked(self, asked: Request) -> None:
        if not asked.url.startswith(self.caller.service.url):
            self.asked.append(asked.url)

    def go(self, page: Page, path: str, status: int = 200) -> None:
        """Open the page and look at it."""
        answer = opened(page, path)
        assert answer is not None
        assert answer.status == status, f"{path}: {answer.status}"
        self.look(page)

    def send(self, page: Page, press: str | Locator = "main form button[type=submit]", **fields: str) -> None:
        """Fill the fields of these ids, press, and look at what comes."""
        for name, value in fields.items():
            page.locator(f"#{name}").fill(value)
        self.press(page, press)

    def press(self, page: Page, press: str | Locator) -> None:
        button = page.locator(press).first if isinstance(press, str) else press
        with page.expect_navigation():
            button.click()
        self.look(page)

    def look(self, page: Page) -> None:
        self.pages += 1
        where = page.url.partition("127.0.0.1")[2].partition("/")[2]
        self.faults += faults_of(page, "light") + faults_of(page, "dark")
        weight = page.evaluate(WEIGHT)
        if not 0 < weight <= MOST_BYTES:
            self.heavy.append(f"{where}: {weight}")
        # 400 % zoom of a desktop is a window of 320 pixels.
        for width in (self.size["width"], 320):
            page.set_viewport_size({"width": width, "height": self.size["height"]})
            if page.evaluate("document.documentElement.scrollWidth") > width:
                self.wide.append(f"{where} at {width}")
        page.set_viewport_size(self.size)
        if "⟦" in page.title() + page.url or page.locator("h1").count() != 1:
            self.told.append(f"{where}: {page.title()}")

    def each(self, session: Session | None, *paths: str) -> None:
        with self.person(session) as page:
            for path in paths:
                self.go(page, path)

    def walk(self, *ways: Way) -> Walk:
        """Go these ways, each once."""
        for way in ways:
            if way.__name__ not in self.gone:
                self.gone.add(way.__name__)
                way(self)
        return self


Way = Callable[[Walk], None]
