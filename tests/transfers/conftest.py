"""A vault with an archive: the service over HTTP, the worker in this process, and the archive's own keys beside it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.support.caller import Caller, must, permit
from tests.support.postgres import Servers
from tests.support.service import Service, run, serving
from vault.adapters.deposits.directory import DirectoryDeposit
from vault.adapters.postgres.door import PostgresDoor
from vault.adapters.postgres.pool import Pool, prepare
from vault.adapters.postgres.registry import Registry
from vault.adapters.postgres.sequencer import PostgresLog, PostgresTree
from vault.adapters.postgres.transfers import PostgresClaims
from vault.adapters.stores.directory import DirectoryStore
from vault.archive.keys import IDENTITY_FILE, PUBLIC_FILE, SIGNING_FILE, load_identities, load_signing_key, make_keys
from vault.archive.receive import receive_package
from vault.formats.label import Names
from vault.services.proofs import Prover
from vault.services.sequencer import Sequencer, log_vkey
from vault.services.transfer_worker import TransferWorker

FIRST, SECOND = "pirha-1005", "pirha-1006"
ARCHIVE = "terveyskeskusarkisto"
ORIGIN = "transfers.test/log"


class Scene:
    """What the tests of transfers do, in one line each."""

    origin = ORIGIN

    def __init__(self, service: Service, caller: Caller, folder: Path) -> None:
        self.service, self.caller, self.folder = service, caller, folder
        self.deposit = folder / "archive"
        self.deposit.mkdir(exist_ok=True)
        self.keys = folder / "archive-keys"
        self.recipient = make_keys(self.keys).recipient
        self.identities = load_identities([self.keys / IDENTITY_FILE])
        self.public = json.loads((self.keys / PUBLIC_FILE).read_text())
        run(self._register())

    async def _register(self) -> None:
        owner = await asyncpg.connect(self.service.database.url())
        try:
            await prepare(owner)
            name = {"fi": "Terveyskeskusarkisto", "sv": "Arkivet", "en": "The archive"}
            recipients = [{"name": "archive", "recipient": self.recipient}]
            await Registry(owner, self.service.keyring).archive(
                ARCHIVE, "pirha", name, recipients, self.public, wait_days=0
            )
        finally:
            await owner.close()

    # ------------------------------------------------------------ the vault's side

    def closed(self, *contents: bytes) -> str:
        """A closed case with these papers."""
        case = self.caller.open_case(members=["kela"], name="Maija Mallikas")
        self.caller.consent(case, [permit("kela")])
        for content in contents or (b"the first paper", b"x" * 300_000):
            self.caller.file(case, content=content)
        must(self.caller.coordinator.post(f"/v1/cases/{case}/close", {"reason": "suunnitelma on toteutunut"}))
        return case

    def due(self, *contents: bytes, approved: bool = True) -> tuple[str, str]:
        """A closed case and its transfer."""
        case = self.closed(*contents)
        run(self.find())
        transfer = str(self.service.one("SELECT id FROM vault.transfer WHERE case_id = $1::uuid", case))
        if approved:
            self.approve(transfer)
        return case, transfer

    def approve(self, transfer: str) -> None:
        for archivist in (FIRST, SECOND):
            must(self.archivist(archivist).post(f"/v1/transfers/{transfer}/approve"))

    def archivist(self, who: str = FIRST) -> Any:
        return self.caller.by(who)

    def object_path(self, name: str) -> Path:
        return self.service.folder / "objects" / name[:2] / name

    def state(self, transfer: str) -> str:
        return str(self.service.one("SELECT (vault.transfer_at($1::uuid)).state", transfer))

    def case_keys(self, case: str) -> int:
        """How many keys of the case there are."""
        return int(self.service.one(
            "SELECT count(*) FROM vault.wrapped_key WHERE subject = $1 OR parent = 'case:' || $1", case))  # fmt: skip

    @contextlib.asynccontextmanager
    async def worker(self, **parts: Any) -> AsyncIterator[TransferWorker]:
        """A worker; ``wrap`` may put something between it and what it uses."""
        pool = Pool(self.service.database.url("worker"), size=2, wait_s=20)
        keyring = self.service.keyring
        known: dict[str, Any] = {
            "door": PostgresDoor(pool, pool, keyring), "claims": PostgresClaims(pool), "keyring": keyring,
            "store": DirectoryStore(self.service.folder / "objects"), "deposit": DirectoryDeposit(self.deposit),
            "prover": Prover(PostgresLog(pool), log_vkey(keyring, self.origin), wait_s=10),
        }  # fmt: skip
        wrap = parts.pop("wrap", {})
        try:
            yield TransferWorker(**{name: wrap.get(name, lambda part: part)(part) for name, part in known.items()})
        finally:
            await pool.close()

    async def find(self) -> int:
        async with self.worker() as worker:
            return await worker.find()

    def free(self) -> None:
        """Let every transfer of this test be taken up at once."""
        self.service.sql("UPDATE vault.transfer_claim SET until = '-infinity' WHERE until < 'infinity'")

    async def _steps(self, limit: int, wrap: dict[str, Any]) -> list[str]:
        async with self.worker(wrap=wrap) as worker:
            await worker.find()
            told: list[str] = []
            while len(told) < limit and (done := await worker.step()) is not None:
                told.append(done)
            return told

    def work(self, limit: int = 50, **wrap: Any) -> list[str]:
        """Do what there is to do; what was told."""
        self.free()
        return run(self._steps(limit, wrap))

    # ------------------------------------------------------------ the archive's side

    def sign(self, transfer: str, *, archive: str = ARCHIVE, key: Any = None) -> str:
        """The archive receives the package and signs."""
        names = Names(transfer)  # type: ignore[arg-type]
        _, signed = receive_package(
            self.deposit / names.package, self.deposit / names.label, self.identities,
            key or load_signing_key(self.keys / SIGNING_FILE), archive=archive, received_by="arkistonhoitaja",
        )  # fmt: skip
        return signed

    def leave_receipt(self, transfer: str) -> None:
        (self.deposit / f"{transfer}.receipt.jws").write_text(self.sign(transfer))

    def hand_in(self, transfer: str, receipt: str) -> Any:
        return self.archivist().post(f"/v1/transfers/{transfer}/receipt", {"receipt": receipt})


@contextlib.contextmanager
def sequencing(service: Service, origin: str = ORIGIN) -> Iterator[None]:
    """The log's sequencer beside the test, in a thread of its own."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    keeper = Sequencer(PostgresTree(service.database.url("sequencer")), service.keyring, origin)
    thread = threading.Thread(target=lambda: loop.run_until_complete(keeper.run(stop, interval_s=0.02)))
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@pytest.fixture(scope="session")
def scene(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("transfers")
    with serving(postgres_servers.server("18"), folder / "vault") as running, sequencing(running):
        caller = Caller(running)
        yield Scene(running, caller, folder)
        caller.close()


@pytest.fixture(autouse=True)
def _nothing_left_over(scene: Scene) -> None:
    """Other tests' transfers are not taken up in this one."""
    scene.service.sql(
        "INSERT INTO vault.transfer_claim (transfer, until) SELECT id, 'infinity' FROM vault.transfer"
        " ON CONFLICT (transfer) DO UPDATE SET until = 'infinity'"
    )


def vault_command(scene: Scene, *arguments: str) -> str:
    """The output of one command, as an operator would run it."""
    database = scene.service.database
    settings = scene.service.environment() | {
        "VAULT_DATABASE_URL_OWNER": database.url(), "VAULT_DATABASE_URL_WORKER": database.url("worker"),
        "VAULT_ARCHIVE_STORE": f"file://{scene.deposit}"}  # fmt: skip
    ran = subprocess.run([sys.executable, "-m", "vault", *arguments], env=settings, cwd=scene.folder, capture_output=True,
                         text=True, timeout=60, check=False)  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout + ran.stderr


async def registered(scene: Scene, work: Any) -> None:
    """Something done with the registry, as its owner."""
    owner = await asyncpg.connect(scene.service.database.url())
    try:
        await prepare(owner)
        await work(Registry(owner, scene.service.keyring))
    finally:
        await owner.close()
