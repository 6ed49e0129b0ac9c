"""A language that marks every translated text: what is not marked was not translated."""

from __future__ import annotations

import re
from typing import Any

import pytest
from litestar.testing import TestClient

from tests.support.caller import Caller, personal_code
from tests.support.sessions import client_session
from vault import wiring
from vault.demo import cast
from vault.pages.shell import Shell
from vault.pages.texts import NAMES, load_catalogues
from vault.rules.catalogue import DOCUMENT_TYPES, PURPOSES, ROLES
from vault.settings import load_settings
from vault.web.session import encode_secret

PAGES = [
    "/my", "/my/log", "/my/cases", "/my/documents", "/my/consents", "/my/prohibitions", "/my/prohibitions/new", "/my/requests",
    "/my/requests/new?kind=correction", "/my/representatives", "/my/representatives/new", "/my/language", "/about",
    "/accessibility", "/feedback", "/my/nothing-here",
]  # fmt: skip
ADDRESSES = re.compile(r"www\.\S+|\S+@\S+|SHA-256")


def marked_shell() -> Shell:
    catalogues = load_catalogues()
    for translations in catalogues.values():
        catalog: dict[Any, str] = translations._catalog
        for key in [key for key in catalog if key]:
            catalog[key] = f"⟦{catalog[key]}⟧"
    shell = Shell(secure=False, catalogues=catalogues)
    for environment in shell._environments.values():
        for name, work in list(environment.filters.items()):
            if getattr(work, "__module__", "").startswith("vault.pages.words") and name not in (
                "iso",
                "first_upper",
                "first_lower",
            ):
                environment.filters[name] = lambda *given, work=work, **more: f"⟦{work(*given, **more)}⟧"
    return shell


# What the database tells in the reader's language already, and a title that stands on a paper.
TOLD = sorted(
    {named.name(language) for table in (ROLES, PURPOSES, DOCUMENT_TYPES) for named in table.values() for language in ("fi", "sv")}
    | {name for agency in cast.AGENCIES for name in (agency.name.fi, agency.name.sv)} | {"Suostumus"},
    key=len, reverse=True,
)  # fmt: skip


def unmarked(html: str) -> list[str]:
    body = re.sub(r"<(script|style|svg|title|head).*?</\1>|<!--.*?-->", "", html, flags=re.DOTALL)
    texts = [*re.split(r"<[^>]*>", body), *re.findall(r'(?:aria-label|placeholder|alt)="([^"]*)"', body)]
    whole = "\x00".join(texts)
    while "⟦" in whole and (shorter := re.sub(r"⟦[^⟦⟧]*⟧", "", whole)) != whole:
        whole = shorter
    for told in TOLD:
        whole = whole.replace(told, "").replace(told.capitalize(), "")
    left = [ADDRESSES.sub("", one).strip() for one in whole.split("\x00")]
    return [one for one in left if re.search(r"[^\W\d_]", one) and one not in NAMES.values()]


@pytest.fixture(scope="module")
def cookie(caller: Caller) -> str:
    code, born = personal_code()
    case = caller.open_case(personal_identity_code=code, born=born, name="⟦Maija⟧", members=["kela"])
    caller.file(case, title="⟦Paperi⟧", filename="⟦p⟧.txt")
    return encode_secret(client_session(caller.service, code).secret)


@pytest.mark.parametrize("language", ["fi", "sv"])
def test_no_page_shows_a_text_that_is_not_translated(caller: Caller, cookie: str, language: str) -> None:
    app = wiring.build_app(wiring.build(load_settings(caller.service.environment())))
    app.state.shell = marked_shell()
    with TestClient(app, base_url=caller.service.url, cookies={"vault": cookie, "vault-language": language}) as client:
        found = {path: unmarked(client.get(path, headers={"accept": "text/html"}).text) for path in PAGES}
    assert {path: texts for path, texts in found.items() if texts} == {}
