"""The PostgreSQL servers that the tests share: one of each version, started at first need, fast and not durable."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from vault.adapters.embedded import EmbeddedPostgres, embedded_bin_dir

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")


def bin_dir(version: str) -> Path:
    """Where this version's programs are; a missing one fails the test, it does not skip it."""
    return {"18": embedded_bin_dir, "15": lambda: DEBIAN_15}[version]()


class Servers:
    """Order: made, used and stopped in the main thread."""

    def __init__(self) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="vault-tests-"))
        self._running: dict[str, EmbeddedPostgres] = {}

    def server(self, version: str) -> EmbeddedPostgres:
        if version not in self._running:
            _run(self.started(version))
        return self._running[version]

    async def started(self, version: str) -> EmbeddedPostgres:
        """The same, for callers that are in a loop already."""
        if version not in self._running:
            postgres = EmbeddedPostgres(self._root / version, bin_dir=bin_dir(version), fast=True)
            await postgres.start()
            self._running[version] = postgres
        return self._running[version]

    def stop(self) -> None:
        for postgres in self._running.values():
            # At once: writing out hundreds of databases that are deleted next would take half a minute.
            os.kill(postgres.pid, signal.SIGQUIT)
            _run(postgres.stop())
        shutil.rmtree(self._root)


def _run(work: Coroutine[Any, Any, Any]) -> None:
    """Run in a loop of its own, without touching the loop that the test plugin has set."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(work)
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
