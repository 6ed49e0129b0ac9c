"""One deployed vault for all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.nginx import Front, fronted
from tests.support.postgres import Servers
from tests.support.service import fresh, run


@pytest.fixture(scope="session")
def front(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    postgres = postgres_servers.server("18")
    with fronted(postgres, run(fresh(postgres)), tmp_path_factory.mktemp("deploy")) as everybody:
        yield everybody
