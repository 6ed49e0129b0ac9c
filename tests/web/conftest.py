"""One service for all tests here that leave it whole; each opens cases of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.caller import Caller, must, paper, permit
from tests.support.postgres import Servers
from tests.support.service import Service, serving
from tests.web.scene import Scene


@pytest.fixture(scope="session")
def service(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(postgres_servers.server("18"), tmp_path_factory.mktemp("web") / "vault") as running:
        yield running


@pytest.fixture(scope="session")
def caller(service: Service) -> Iterator[Caller]:
    everybody = Caller(service)
    yield everybody
    everybody.close()


@pytest.fixture(scope="module")
def scene(caller: Caller) -> Scene:
    case, other = caller.open_case(members=["kela"]), caller.open_case()
    document = caller.file(case)
    consent = caller.consent(case, [permit("kela")])
    waiting = must(caller.coordinator.post(f"/v1/cases/{case}/documents", paper()))["id"]
    ids = {
        "client": must(caller.coordinator.get(f"/v1/cases/{case}"))["client"]["id"],
        "member": must(caller.coordinator.get(f"/v1/cases/{case}"))["members"][0]["id"],
    }
    return Scene(caller, case, other, document, waiting, consent, caller.form(case), ids)
