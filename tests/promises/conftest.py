"""Services that a test may break: each has a database server, a keyring and a store of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.caller import Caller
from tests.support.postgres import bin_dir
from tests.support.service import run, serving
from vault.adapters.embedded import EmbeddedPostgres

Start = Callable[..., Caller]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a service; its database server writes as a real one does. Settings are further VAULT_… variables."""
    with ExitStack() as stack:

        def started(*, fast: bool = True, **settings: str) -> Caller:
            postgres = EmbeddedPostgres(tmp_path / "postgres", bin_dir=bin_dir("18"), fast=fast)
            run(postgres.start())
            stack.callback(lambda: run(postgres.stop()))
            service = stack.enter_context(serving(postgres, tmp_path / "vault", **settings))
            caller = Caller(service)
            stack.callback(caller.close)
            return caller

        yield started
