"""The vault for all tests here, which leave it whole; each opens cases of its own.

What depends on the store or on what stands before the service says so with ``pytest.mark.kinds`` and runs on each of them;
all else runs once, on the first kind.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.caller import Caller, must, paper, permit
from tests.support.kinds import KINDS, Kinds
from tests.support.postgres import Servers
from tests.support.rgw import Gateways
from tests.support.service import Service
from tests.web.scene import Scene


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "caller" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("kinds")
        metafunc.parametrize("caller", marker.args if marker else KINDS[:1], indirect=True, scope="session")


@pytest.fixture(scope="session")
def kinds(postgres_servers: Servers, gateways: Gateways, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kinds]:
    running = Kinds(postgres_servers, gateways, tmp_path_factory.mktemp("web"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def caller(request: pytest.FixtureRequest, kinds: Kinds) -> Caller:
    return kinds.caller(request.param)


@pytest.fixture(scope="session")
def service(caller: Caller) -> Service:
    return caller.service


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
