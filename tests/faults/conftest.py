"""A service of its own for each module here: these tests stop, kill and resume what others share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.caller import Caller
from tests.support.postgres import Servers
from tests.support.service import Service, serving


@pytest.fixture(scope="module")
def service(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(postgres_servers.server("18"), tmp_path_factory.mktemp("faults") / "vault") as running:
        yield running


@pytest.fixture(scope="module")
def twin(service: Service) -> Iterator[Service]:
    """A second process over the same database, keys and store."""
    second = Service(service.postgres, service.database, service.folder)
    second.settings = {"VAULT_ISSUER": service.url}
    second.demo = service.demo
    second.start()
    try:
        yield second
    finally:
        second.close()


@pytest.fixture(scope="module")
def caller(service: Service) -> Iterator[Caller]:
    everybody = Caller(service)
    yield everybody
    everybody.close()
