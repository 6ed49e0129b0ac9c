"""One deployed vault for all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.nginx import Authority, Deployed, Front, Nginx, free_port
from tests.support.postgres import Servers
from tests.support.service import _fresh, run


@pytest.fixture(scope="session")
def front(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("deploy")
    postgres = postgres_servers.server("18")
    port = free_port()
    service = Deployed(postgres, run(_fresh(postgres)), folder / "vault", port)
    authority = Authority(folder / "tls")
    nginx = Nginx(folder / "nginx", service.port, authority, port=port)
    try:
        service.prepare()
        service.start()
        nginx.start()
        everybody = Front(service, nginx, authority)
        yield everybody
        everybody.http.close()
    finally:
        nginx.stop()
        service.close()
