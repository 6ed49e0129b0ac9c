"""A service, a certified provider and Debian's Chromium for the tests that look at pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.scene import Scene, make_scene
from tests.support.caller import Caller, personal_code
from tests.support.postgres import Servers
from tests.support.provider import OpenIdProvider, openid_provider, person
from tests.support.service import Service, serving

PEOPLE = {f"person-{number}": personal_code() for number in range(24)}
STAFF = {"pirha-1004": "records-officer", "pirha-1005": "archivist", "pirha-1006": "archivist"}
expect.set_options(timeout=30_000)  # conditions are waited for, also where others are at work
_new = iter(PEOPLE.items())


def newcomer() -> tuple[str, str, str]:
    """Somebody whom the provider knows and no other test has: the provider's name for them, their code and birth day."""
    who, (code, born) = next(_new)
    return who, code, born


@pytest.fixture(scope="session")
def service(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(postgres_servers.server("18"), tmp_path_factory.mktemp("browser") / "vault") as running:
        yield running


@pytest.fixture(scope="session")
def caller(service: Service) -> Iterator[Caller]:
    everybody = Caller(service)
    yield everybody
    everybody.close()


@pytest.fixture(scope="session")
def provider(service: Service) -> Iterator[OpenIdProvider]:
    people = {key: person(key, code=code) for key, (code, _) in PEOPLE.items()}
    people["from-elsewhere"] = person("from-elsewhere")
    people |= {subject: person(subject, role=role) for subject, role in STAFF.items()}
    with openid_provider(service, people) as running:
        yield running


@pytest.fixture(scope="session")
def scene(caller: Caller) -> Scene:
    return make_scene(caller)


@pytest.fixture(scope="session")
def chromium(scene: Scene, provider: OpenIdProvider) -> Iterator[Browser]:
    """Started last: its driver keeps a loop in this thread from then on."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()
