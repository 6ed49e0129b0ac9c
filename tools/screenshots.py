"""A picture of every page at both widths, from a demo of its own: `make screenshots` writes them to build/screenshots."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
OUT = ROOT / "build" / "screenshots"
WIDTHS = {"phone": (360, 740), "desk": (1280, 900)}
ANYBODY = ["/", "/sign-in/staff", "/about", "/accessibility", "/feedback", "/nothing-here"]
FIRST = {
    "client": ["/my", "/my/prohibitions/new", "/my/representatives/new", "/my/requests/new?kind=correction"],
    "coordinator": ["/desk/coordinator"], "records-officer": ["/desk/records"], "archivist": ["/desk/archive"],
}  # fmt: skip


def main() -> int:
    """Start a demo, walk from each person's first page along the links two deep, and take a picture of each kind of page."""
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "demo"
        demo = subprocess.Popen(
            [sys.executable, "-m", "vault", "demo", "--data", data], stdout=subprocess.PIPE, text=True
        )
        try:
            for line in demo.stdout or ():
                if line.startswith("ready:"):
                    break
            told = json.loads((data / "demo.json").read_text())
            with sync_playwright() as driver:
                arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
                browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
                for width in WIDTHS:
                    shoot(browser, told["base_url"], None, ANYBODY, width, "anybody")
                    for who, paths in FIRST.items():
                        shoot(browser, told["base_url"], told["sign_in"][who], paths, width, who)
                browser.close()
        finally:
            demo.terminate()
            demo.wait(30)
    return 0


def shoot(browser: Browser, base: str, link: str | None, paths: list[str], width: str, who: str) -> None:
    """Pictures of these pages and of those that they link to; of pages that differ by an id alone, the first three."""
    wide, high = WIDTHS[width]
    context = browser.new_context(viewport={"width": wide, "height": high}, base_url=base, locale="fi-FI")
    page = context.new_page()
    if link is not None:
        page.goto(link)
    waiting, seen = list(paths), dict.fromkeys(paths, 0)
    kinds: dict[str, int] = {}
    while waiting:
        path = waiting.pop(0)
        kind = (
            "-".join("id" if len(part) == 36 else part for part in path.partition("?")[0].strip("/").split("/"))
            or "start"
        )
        kinds[kind] = kinds.get(kind, 0) + 1
        if kinds[kind] > 3 or path.endswith(("/read", "/download", "/content")):
            continue
        page.goto(path)
        page.screenshot(path=OUT / f"{who}-{kind}-{kinds[kind]}-{width}.png", full_page=True)
        for found in page.eval_on_selector_all("main a, nav a", "all => all.map(one => one.getAttribute('href'))"):
            plain = str(found).partition("#")[0]
            if link is not None and plain.startswith(("/my", "/desk")) and plain not in seen and seen[path] < 2:
                seen[plain] = seen[path] + 1
                waiting.append(plain)
    context.close()


if __name__ == "__main__":
    started = time.monotonic()
    code = main()
    print(f"{len(list(OUT.glob('*.png')))} pictures in {OUT} after {time.monotonic() - started:.0f} s")
    sys.exit(code)
