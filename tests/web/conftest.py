"""One service for all tests here that leave it whole; each opens cases of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.caller import Caller
from tests.support.postgres import Servers
from tests.support.service import Service, serving


@pytest.fixture(scope="session")
def service(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(postgres_servers.server("18"), tmp_path_factory.mktemp("web") / "vault") as running:
        yield running


@pytest.fixture(scope="session")
def caller(service: Service) -> Iterator[Caller]:
    everybody = Caller(service)
    yield everybody
    everybody.close()
