"""A picture of every page in every state at both widths: `make screenshots` writes them to build/screenshots.

Says also which page's route has no picture, and which page runs out of a window of 320 pixels, or has text that does when
its spacing is widened (WCAG 2.2, 1.4.10 and 1.4.12). ARGS="home log" pictures only what begins so; ARGS="sv" or "en" does it in that language;
ARGS="docs" makes the pictures of the README anew, and nothing else.
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from tests.web.routes import OPEN, PAGES
from tools.pictures.shots import Shot, shots
from tools.pictures.world import World, world
from vault.pages.texts import COOKIE, LANGUAGES
from vault.web.session import encode_secret

ROOT = Path(__file__).parents[2]
OUT = ROOT / "build" / "screenshots"
WIDTHS = {"phone": (360, 740), "desk": (1280, 900)}
NARROW = 320
# Name -> what is pictured, how wide, in which language, and how much of its height.
DOCS = ROOT / "docs" / "pictures"
OF_DOCS = {"who-can-open": ("home", "phone", "en", 1000), "who-has-looked": ("log", "phone", "fi", 1000),
           "withdraw-a-clause": ("withdraw-clause", "phone", "sv", 1000), "the-desk": ("records-request-review", "desk", "en", 860)}  # fmt: skip
SPACED = "* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important; } p { margin-bottom: 2em !important; }"
# Sends to the provider, or sends bytes: no page of ours.
NO_PAGE = re.compile(
    r"/(read|download|now|keys|\{provider:str\}|\{name:str\}|\{code:str\}|jwks)$|^GET /(v1|health|metrics|schema|oauth|\.well)"
)


def main(wanted: list[str]) -> int:
    """Make the world, take the pictures; 1 when a page has none or runs out of a narrow window."""
    OUT.mkdir(parents=True, exist_ok=True)
    language = next((word for word in wanted if word in LANGUAGES), "fi")
    wanted = [word for word in wanted if word not in LANGUAGES]
    with tempfile.TemporaryDirectory() as folder, world(Path(folder)) as made, sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        all_shots = shots(made)
        if "docs" in wanted:
            return _of_docs(browser, made, {one.name: one for one in all_shots})
        chosen = [one for one in all_shots if not wanted or one.name.startswith(tuple(wanted))]
        told = [*_without_picture(one.path for one in all_shots)]
        for shot in chosen:
            told += _take(browser, made, shot, language)
        browser.close()
    for line in told:
        print(line)
    return 1 if told else 0


def _take(browser: Browser, made: World, shot: Shot, language: str) -> Iterable[str]:
    """One visit at both widths: what somebody pressed for it may be pressed once only."""
    # Reduced motion: no picture is taken half-way from one colour to another.
    context = browser.new_context(
        viewport=_size("phone"), base_url=made.service.url, locale=f"{language}-FI", reduced_motion="reduce"
    )
    try:
        context.add_cookies([{"name": COOKIE, "value": language, "url": made.service.url}])
        page = _page(context, made, shot)
        for width in WIDTHS:
            page.set_viewport_size(_size(width))
            name = f"{shot.name}-{width}" if language == "fi" else f"{shot.name}-{width}-{language}"
            for theme in ("light", "dark")[: 1 + shot.dark]:
                page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
                page.screenshot(path=OUT / f"{name}{'-dark' if theme == 'dark' else ''}.png", full_page=True)
        yield from _narrow(page, shot.name)
    except Error as failure:
        yield f"{shot.name} was not reached: {str(failure).partition(chr(10))[0]}"
    finally:
        context.close()


def _size(width: str) -> Any:
    wide, high = WIDTHS[width]
    return {"width": wide, "height": high}


def _of_docs(browser: Browser, made: World, known: dict[str, Shot]) -> int:
    for name, (shot, width, language, high) in OF_DOCS.items():
        size: Any = {"width": WIDTHS[width][0], "height": high}
        scale = 2 if width == "phone" else 1.5
        context = browser.new_context(viewport=size, base_url=made.service.url, device_scale_factor=scale)
        context.add_cookies([{"name": COOKIE, "value": language, "url": made.service.url}])
        picture = Image.open(io.BytesIO(_page(context, made, known[shot]).screenshot()))
        picture.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(DOCS / f"{name}.png", optimize=True)
        context.close()
    return 0


def _page(context: BrowserContext, made: World, shot: Shot) -> Page:
    if shot.who:
        cookie: Any = {"name": "vault", "value": encode_secret(made.sessions[shot.who].secret), "url": made.service.url}
        context.add_cookies([cookie])
    page = context.new_page()
    page.goto(shot.path)
    if shot.act is not None:
        shot.act(page)
    return page


def _narrow(page: Page, name: str) -> Iterable[str]:
    page.set_viewport_size({"width": NARROW, "height": 600})
    for what, style in (("", ""), (" when its text is spaced", SPACED)):
        page.evaluate(
            "style => { const sheet = new CSSStyleSheet(); sheet.replaceSync(style); document.adoptedStyleSheets = [sheet]; }",
            style,
        )
        over = page.evaluate(
            "() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll('main *, header *, footer *')]"
            ".filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.table-wrap, .hidden-text')).map(e => e.tagName + '.' + e.className)"
        )
        if over:
            yield f"{name} runs out of {NARROW} pixels{what}: {', '.join(over[:3])}"


def _without_picture(paths: Iterable[str]) -> Iterable[str]:
    pictured = [path.partition("?")[0].rstrip("/") or "/" for path in paths]
    for route in sorted(PAGES | OPEN):
        method, path = route.split(" ")
        if method == "GET" and not NO_PAGE.search(route):
            pattern = re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path))
            if not any(pattern.fullmatch(one) for one in pictured):
                yield f"{route} has no picture"


if __name__ == "__main__":
    started = time.monotonic()
    code = main(sys.argv[1:])
    print(f"{len(list(OUT.glob('*.png')))} pictures in {OUT} after {time.monotonic() - started:.0f} s")
    sys.exit(code)
