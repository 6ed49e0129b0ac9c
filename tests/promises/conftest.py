"""Services that a test may break: each has a database server, a keyring and a store of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.boxes import boxed
from tests.support.caller import Caller
from tests.support.postgres import bin_dir
from tests.support.service import run, serving
from vault.adapters.embedded import EmbeddedPostgres

Start = Callable[..., Caller]


@contextmanager
def starting(folder: Path) -> Iterator[Start]:
    """Gives a function that starts a service; its database server is ``fast`` or writes as a real one does.

    The function's settings are further VAULT_… variables.
    """
    with ExitStack() as stack:

        def started(*, fast: bool = True, store: str = "directory", **settings: str) -> Caller:
            postgres = EmbeddedPostgres(folder / "postgres", bin_dir=bin_dir("18"), fast=fast)
            run(postgres.start())
            stack.callback(lambda: run(postgres.stop()))
            box = stack.enter_context(boxed(store, folder / "vault"))
            service = stack.enter_context(serving(postgres, folder / "vault", box, **settings))
            caller = Caller(service)
            stack.callback(caller.close)
            return caller

        yield started


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with starting(tmp_path) as started:
        yield started
