"""The real service for the tests that speak HTTP: a process of its own over a database, a keyring and a store of its own.

Everything here is synchronous, so that a test reads like the caller that it plays.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx

from tests.support.boxes import Box, DirectoryBox
from tests.support.database import Database, make_vault
from tests.support.forked import Change, Forked
from vault.adapters.embedded import EmbeddedPostgres
from vault.adapters.keyring.file import FileKeyring
from vault.adapters.postgres.pool import prepare
from vault.adapters.postgres.registry import Registry
from vault.demo.caller import DemoFile
from vault.demo.world import register_cast

ROOT = Path(__file__).parents[2]
START_S = 90.0  # a busy machine takes long to start Python
T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run in a loop of its own, without touching the loop that the test plugin has set."""
    loop = asyncio.new_event_loop()
    try:
        done = loop.run_until_complete(work)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        return done
    finally:
        loop.close()


class Service:
    """One vault that serves; ``folder`` holds its keys, its objects and its log."""

    def __init__(self, postgres: EmbeddedPostgres, database: Database, folder: Path, box: Box | None = None) -> None:
        self.postgres = postgres
        self.database = database
        self.folder = folder
        self.box: Box = box or DirectoryBox(folder / "objects")
        self.log_path = folder / "service.log"
        self.settings: dict[str, str] = {}
        self.demo: DemoFile
        # Bound and never listening: it keeps the port ours, also while the service is stopped, and lets the service listen.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self.forks = False
        """Forked from a server that has imported everything: for tests that start it again and again, or change it."""
        self.change: Change = None
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self._loop = asyncio.new_event_loop()
        self._owner: Any = None

    @property
    def port(self) -> int:
        return int(self._reserved.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def keyring(self) -> FileKeyring:
        return FileKeyring(self.folder / "keys")

    def prepare(self) -> None:
        """Make the keyring and register the made-up agencies with their people."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        keyring = FileKeyring.create_new(self.folder / "keys")
        run(self._prepare(keyring))

    async def _prepare(self, keyring: FileKeyring) -> None:
        owner = await asyncpg.connect(self.database.url())
        try:
            await prepare(owner)
            await Registry(owner, keyring).install_key(keyring.new_lookup_key())
        finally:
            await owner.close()
        self.demo = await register_cast(self.database.url(), keyring, None, self.url)

    def environment(self) -> dict[str, str]:
        """The settings, as an operator would give them."""
        known = {
            "PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}/src", "PYTHONWARNINGS": "default", "VAULT_ISSUER": self.url, "VAULT_LISTEN_PORT": str(self.port),
            "VAULT_STORE": self.box.url, "VAULT_KEYRING": str(self.folder / "keys"),
            "VAULT_DATABASE_URL_SERVICE": self.database.url("service"), "VAULT_DATABASE_URL_TOKENS": self.database.url("tokens"),
        }  # fmt: skip
        return known | self.box.settings | self.settings

    def start(self) -> None:
        if self.forks:
            self._process = Forked(["serve"], self.folder, self.log_path, self.environment(), self.change)
            self._wait(self._process)
            return
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "vault", "serve"],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                env=self.environment(),
            )
        self._wait(self._process)

    def _wait(self, process: subprocess.Popen[bytes] | Forked) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/health/live", timeout=1, trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.02)
        raise AssertionError(f"the service did not start: {self.log()[-2000:]}")

    def stop(self, how: int = signal.SIGTERM) -> None:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)

    def close(self) -> None:
        self.stop()
        self._reserved.close()
        if self._owner is not None:
            self._owner.terminate()
            self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def sql(self, query: str, *arguments: object) -> list[Any]:
        """Rows of one statement, as the database's owner."""
        return self._loop.run_until_complete(self._sql(query, arguments))

    async def _sql(self, query: str, arguments: tuple[object, ...]) -> list[Any]:
        await asyncio.sleep(0)  # notices that the server ended the connection meanwhile
        if self._owner is None or self._owner.is_closed():
            self._owner = await asyncpg.connect(self.database.url())
            await prepare(self._owner)
        return list(await self._owner.fetch(query, *arguments))

    def operate(self, act: Callable[[Registry], Coroutine[Any, Any, None]]) -> None:
        """An act of the operator's, as `vault agency`, `vault application` and their like do it."""

        async def work() -> None:
            owner = await asyncpg.connect(self.database.url())
            try:
                await prepare(owner)
                await act(Registry(owner, self.keyring))
            finally:
                await owner.close()

        run(work())

    def sql_script(self, script: str) -> None:
        """Several statements at once, as the database's owner."""
        self.sql("SELECT 1")
        self._loop.run_until_complete(self._owner.execute(script))

    def reconnect(self) -> None:
        """Forget the owner's connection: its server was restarted."""
        if self._owner is not None:
            self._owner.terminate()
            self._owner = None

    def one(self, query: str, *arguments: object) -> Any:
        """The first column of the first row."""
        return self.sql(query, *arguments)[0][0]

    def peak_rss(self) -> int:
        """The most memory that the process ever held, in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))

    def object_of(self, document: str) -> str:
        """The name of the object that holds a document's content."""
        return str(self.one("SELECT object FROM vault.filing WHERE document = $1", document))


@contextmanager
def serving(
    postgres: EmbeddedPostgres,
    folder: Path,
    box: Box | None = None,
    *,
    forks: bool = False,
    change: Change = None,
    **settings: str,
) -> Iterator[Service]:
    """A service over a fresh database of that server. ``settings`` are further VAULT_… variables; see `Service` for the rest."""
    service = Service(postgres, run(fresh(postgres)), folder, box)
    service.settings = settings
    service.forks, service.change = forks or change is not None, change
    try:
        service.prepare()
        service.start()
        yield service
    finally:
        service.close()


async def fresh(postgres: EmbeddedPostgres) -> Database:
    """A migrated database that this process is not connected to."""
    database = await make_vault(postgres)
    await database.close()
    return database
