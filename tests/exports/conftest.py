"""A vault whose clients order exports: the service over HTTP, the log's sequencer and the worker in this process."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import sys
import time
import zipfile
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from tests.support.caller import KELA, Caller, must, permit, personal_code
from tests.support.postgres import Servers
from tests.support.service import ROOT, Service, run, serving
from tests.support.sessions import browser, client_session
from vault.adapters.postgres.door import PostgresDoor
from vault.adapters.postgres.exports import PostgresExportClaims
from vault.adapters.postgres.pool import Pool
from vault.adapters.postgres.sequencer import PostgresLog, PostgresTree
from vault.adapters.stores.directory import DirectoryStore
from vault.services.export_log import LogKeys
from vault.services.export_worker import ExportWorker
from vault.services.sequencer import Sequencer, log_vkey
from vault.services.sessions import Session

ORIGIN = "exports.test/log"
BIG = 10 * 1024 * 1024 + 1


class Person:
    """A client with their session and browser."""

    def __init__(self, scene: Scene, *, code: str | None = None, born: str = "", language: str = "fi") -> None:
        self.scene, self.caller, self.language = scene, scene.caller, language
        self.code, self.born = (code, born) if code else personal_code()
        self.session: Session
        self.http: httpx.Client

    def open_case(self, **client: Any) -> str:
        return self.caller.open_case(members=["kela"], personal_identity_code=self.code, born=self.born, **client)

    def sign_in(self) -> Person:
        self.session = client_session(self.caller.service, self.code, language=self.language)
        self.http = browser(self.caller.service, self.session)
        self.scene.browsers.append(self.http)
        return self

    def order(self, **wish: Any) -> dict[str, Any]:
        return must(self.http.post("/v1/me/exports", json=wish), 202)

    def get(self, export: str) -> dict[str, Any]:
        return must(self.http.get(f"/v1/me/exports/{export}"))

    def state(self, export: str, wanted: str) -> bool:
        """Whether it comes to that state: how a download ended is written after its last byte."""
        deadline = time.monotonic() + 5
        while self.get(export)["state"] != wanted and time.monotonic() < deadline:
            time.sleep(0.02)
        return str(self.get(export)["state"]) == wanted

    def content(self, export: str, **headers: str) -> httpx.Response:
        return self.http.get(f"/v1/me/exports/{export}/content", headers=headers)


class Scene:
    """What the tests of exports do, in one line each."""

    def __init__(self, service: Service, caller: Caller, *, vkey: str | None = None) -> None:
        self.service, self.caller = service, caller
        self.vkey = vkey or log_vkey(service.keyring, ORIGIN)
        self.browsers: list[httpx.Client] = []

    def person(self, *contents: bytes, **client: Any) -> Person:
        """Somebody signed in, with a case: these papers, a consent for Kela, and one read by Kela."""
        somebody = Person(self)
        case = somebody.open_case(**client)
        self.caller.consent(case, [permit("kela")])
        filed = {
            self.caller.file(case, content=content): len(content)
            for content in contents or (b"the first paper", b"\x00\xff" * 40_000)
        }
        # The smallest: a large download would be cut where the machine is too busy to look at its permit every second.
        assert self.caller.by(KELA).read(min(filed, key=lambda one: filed[one])).status_code == 200
        return somebody.sign_in()

    @contextlib.asynccontextmanager
    async def worker(self, wrap: dict[str, Any] | None = None, **how: Any) -> AsyncIterator[ExportWorker]:
        """A worker; ``wrap`` may put something between it and what it uses."""
        pool = Pool(self.service.database.url("worker"), size=3, wait_s=20)
        keyring = self.service.keyring
        known: dict[str, Any] = {
            "door": PostgresDoor(pool, pool, keyring), "claims": PostgresExportClaims(pool), "keyring": keyring,
            "store": DirectoryStore(self.service.folder / "objects"), "log": PostgresLog(pool),
        }  # fmt: skip
        parts = {name: (wrap or {}).get(name, lambda part: part)(part) for name, part in known.items()}
        try:
            yield ExportWorker(**parts, keys=LogKeys(self.vkey), **({"keep_days": 14, "patience_s": 10} | how))
        finally:
            await pool.close()

    @contextlib.asynccontextmanager
    async def log_keeper(self) -> AsyncIterator[None]:
        """The sequencer, at work meanwhile."""
        stop = asyncio.Event()
        tree = PostgresTree(self.service.database.url("sequencer"))
        keeping = asyncio.create_task(Sequencer(tree, self.service.keyring, ORIGIN).run(stop, interval_s=0.05))
        try:
            yield
        finally:
            stop.set()
            await keeping

    def work(self, limit: int = 20, wrap: dict[str, Any] | None = None, **how: Any) -> list[str]:
        """Make what waits; what was told."""
        self.service.sql("UPDATE vault.export_claim SET until = '-infinity' WHERE until < 'infinity'")
        return run(self._steps(limit, wrap, how))

    async def _steps(self, limit: int, wrap: dict[str, Any] | None, how: dict[str, Any]) -> list[str]:
        async with self.log_keeper(), self.worker(wrap, **how) as worker:
            told: list[str] = []
            while len(told) < limit and (done := await worker.step()) is not None:
                told.append(done)
            return told

    def in_a_process(self, step: str = "none", **env: str) -> tuple[int, str]:
        """Make one export in a process of its own, which kills itself at that step: its end, and what it wrote."""

        async def working() -> tuple[int, str]:
            url, folder = self.service.database.url("worker"), str(self.service.folder)
            async with self.log_keeper():
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "tests.exports.killed_worker", url, folder, self.vkey, step,
                    cwd=ROOT, env={**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}", **env},
                    stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
                )  # fmt: skip
                told, _ = await process.communicate()
                return int(process.returncode or 0), told.decode()

        return run(working())

    def clear(self) -> tuple[int, int]:
        """Close what has expired, remove what is closed: how many exports, how many objects."""

        async def clearing() -> tuple[int, int]:
            async with self.worker() as worker:
                return await worker.clear()

        return run(clearing())

    def ready(self, person: Person, **wish: Any) -> str:
        """An export of theirs, made."""
        export = str(person.order(**wish)["id"])
        told = self.work()
        assert person.get(export)["state"] == "ready", told
        return export

    def unpacked(self, person: Person, **wish: Any) -> zipfile.ZipFile:
        """An export of theirs, fetched and opened."""
        answer = person.content(self.ready(person, **wish))
        assert answer.status_code == 200, answer.text
        return zipfile.ZipFile(io.BytesIO(answer.content))


def data(package: zipfile.ZipFile, name: str) -> Any:
    """One of the files below data/."""
    return json.loads(package.read(f"data/{name}.json"))


@pytest.fixture(scope="session")
def scene(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("exports")
    with serving(postgres_servers.server("18"), folder / "vault") as running:
        caller = Caller(running)
        scene = Scene(running, caller)
        yield scene
        for one in (caller, *scene.browsers):
            one.close()


@pytest.fixture(autouse=True)
def _nothing_left_over(scene: Scene) -> None:
    """Other tests' exports are not taken up in this one."""
    scene.service.sql("UPDATE vault.export_claim SET until = 'infinity'")
