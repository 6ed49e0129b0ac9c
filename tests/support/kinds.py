"""The vault in every shape in which it is deployed: over a directory, over a bucket, and behind nginx.

Each is started at first need and kept, so that a file of tests that goes through all of them starts nothing anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

from tests.support.boxes import Box, BucketBox
from tests.support.caller import Caller
from tests.support.nginx import fronted
from tests.support.postgres import Servers
from tests.support.rgw import Gateways
from tests.support.service import fresh, run, serving

KINDS: Final = ("directory", "bucket", "nginx")


class Kinds:
    """Order: made, used and stopped in the main thread."""

    def __init__(self, servers: Servers, gateways: Gateways, folder: Path) -> None:
        self._servers = servers
        self._gateways = gateways
        self._folder = folder
        self._running: dict[str, Caller] = {}
        self._stack = ExitStack()

    def caller(self, kind: str) -> Caller:
        """All agencies' software at the vault of this kind."""
        if kind not in self._running:
            self._running[kind] = self._stack.enter_context(self._start(kind))
        return self._running[kind]

    def stop(self) -> None:
        self._stack.close()

    def _start(self, kind: str) -> AbstractContextManager[Caller]:
        postgres, folder = self._servers.server("18"), self._folder / kind
        if kind == "nginx":
            return fronted(postgres, run(fresh(postgres)), folder)
        return self._plain(kind, folder)

    @contextmanager
    def _plain(self, kind: str, folder: Path) -> Iterator[Caller]:
        box: Box | None = BucketBox(self._gateways.gateway()) if kind == "bucket" else None
        with serving(self._servers.server("18"), folder, box) as service, closing(Caller(service)) as caller:
            yield caller
