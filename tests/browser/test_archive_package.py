"""A package in ten years: opened with Debian's programs alone, and its page read in a browser from the disk, without a network."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.archive.making import IDENTITY, Case, make_case, send
from tests.browser.scene import DESKTOP, PHONE
from tests.browser.walk import faults_of

TEXT = b"Kuntoutus on edennyt. \xe2\x80\x94 the paper itself"
PROVISION = {"number": 1, "effect": "permit", "actions": ["read"], "recipients": [{"agency": "pirha", "role": "physician"}],
             "documents": [{"type": "muistio"}], "purposes": ["care"]}  # fmt: skip


def made() -> Case:
    case = make_case((TEXT, "text/plain"), (b"%PDF-1.7", "application/pdf"), (b"<script>", "text/html"))
    first = case.facts.documents[0]
    common = {"at": "2026-01-20T10:00:00Z", "actor": "professional", "agency": "pirha", "role": "physician", "act": "open",
              "purpose": "care", "document": str(first.id), "document_type": "muistio"}  # fmt: skip
    case.entries = [
        common | {"entry": "0195f3a0-0000-7000-8000-000000000001", "decision": "permit"},
        common | {"entry": "0195f3a0-0000-7000-8000-000000000002", "decision": "deny"},
        {
            "entry": "0195f3a0-0000-7000-8000-000000000003",
            "at": "2026-02-20T10:00:00Z",
            "act": "shred",
            "actor": "worker",
        },
    ]
    consent = msgspec.structs.replace(case.facts.consents[0], more={"provisions": [PROVISION]})
    names = {"pirha": {"fi": "Pirkanmaan hyvinvointialue", "en": "Pirkanmaa"}}
    case.facts = msgspec.structs.replace(case.facts, consents=(consent,), more={"agencies": names})
    return case


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    package = send(made(), folder)
    (folder / "identity.txt").write_text(f"{IDENTITY}\n")
    script = (
        f"set -euo pipefail; age -d -i identity.txt {package.path('package').name} | tar -x; cd {package.facts.transfer};"
        " sha512sum -c --quiet manifest-sha512.txt tagmanifest-sha512.txt"
    )
    subprocess.run(["bash", "-c", script], cwd=folder, check=True, timeout=60)
    return folder / str(package.facts.transfer) / "index.html"


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_p08_the_page_of_a_package_is_read_from_the_disk(chromium: Browser, index: Path, size: Any) -> None:
    context = chromium.new_context(viewport=size, offline=True, bypass_csp=True)
    context.set_default_timeout(15_000)
    asked: list[str] = []
    try:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: asked.append(dialog.message))
        page.goto(index.as_uri())
        expect(page).to_have_title(f"Arkistopaketti {index.parent.name}")
        expect(page.get_by_role("heading", level=1)).to_contain_text("Kuntoutuksen asiakasyhteistyöryhmä")
        tells_what_it_is(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert faults_of(page, "light") + faults_of(page, "dark") == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        assert asked == [index.as_uri()]
        links_lead_to_files(page, index)
    finally:
        context.close()


def tells_what_it_is(page: Page) -> None:
    """What this is, whose case, which papers, which consent, who looked, how to check; in both languages."""
    body = page.locator("body")
    for text in ("Maija Mallikas", "010203A9020", "20.2.2036", "Sisältö on salassa pidettävää", "secret by law"):
        expect(body).to_contain_text(text)
    papers = page.locator("#asiakirjat + ol > li")
    expect(papers).to_have_count(3)
    expect(papers.first).to_contain_text("Maija <Mallikas> & muut")
    consents = page.locator("#suostumukset + ol > li")
    expect(consents).to_have_count(1)
    expect(consents).to_contain_text("Pirkanmaan hyvinvointialue (lääkäri)")
    expect(consents).to_contain_text("asiakirjan lukeminen")
    reader = page.locator("#katsojat + ul > li")
    expect(reader).to_have_count(1)
    expect(reader).to_contain_text("Avasi Opened: 1 · ei saanut avata was refused: 1")
    expect(page.locator("table tbody tr")).to_have_count(3)
    expect(page.locator("#tarkistus ~ pre").first).to_contain_text("sha512sum -c manifest-sha512.txt")


def links_lead_to_files(page: Page, index: Path) -> None:
    hrefs = page.evaluate("[...document.querySelectorAll('a[href]')].map(one => one.href)")
    files = [Path(unquote(urlsplit(href).path)) for href in hrefs]
    assert len(files) > 12
    assert [path for path in files if not path.is_file()] == []
    assert all(path.is_relative_to(index.parent) for path in files)
    page.locator("#asiakirjat + ol > li a").first.click()
    expect(page.locator("body")).to_contain_text("Kuntoutus on edennyt. — the paper itself")
