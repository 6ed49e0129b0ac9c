"""The second walk, `vault demo --archive`: the case is closed, and goes to an archive that shares nothing with the vault.

The archive's side runs in processes of its own (`vault archive …`), with keys that the vault never reads. Everything is kept:
    DIR/archive        what lies at the archive: packages, labels, receipts, its journal
    DIR/archive-keys   the archive's own keys; its recovery key lies in `recovery` below it
Starting again goes on where the case is.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from vault.adapters.keyring.file import FileKeyring
from vault.adapters.postgres.door import PostgresDoor
from vault.adapters.postgres.pool import Pool
from vault.adapters.postgres.registry import Registry
from vault.adapters.postgres.rotation import PostgresRotations
from vault.archive.keys import IDENTITY_FILE, PUBLIC_FILE, RECIPIENT_FILE, SIGNING_FILE
from vault.demo import cast
from vault.demo.caller import Caller
from vault.demo.other import done
from vault.demo.tell import Teller
from vault.demo.world import owner_of
from vault.errors import Unavailable
from vault.formats.label import Names
from vault.services.rotation import Rotation
from vault.services.transfer_worker import TransferWorker
from vault.settings import DatabaseRole, Settings, StoreDirectory, require
from vault.wiring import make_transfer_worker

ARCHIVE = "terveyskeskusarkisto"
NAME = {"fi": "Terveyskeskusarkisto", "sv": "Hälsovårdscentralens arkiv", "en": "The health-centre archive"}
ARCHIVISTS = tuple(person.sub for person in cast.PIRHA.professionals if person.role == "archivist")
PURPOSE = "rehabilitation-planning"
_TURNS = 200
_SHORT_S = 0.25


class ArchiveWalk:
    """One closed case's way to the archive, told step by step."""

    def __init__(self, caller: Caller, teller: Teller, settings: Settings, folder: Path, case: str) -> None:
        self._caller, self._tell, self._case = caller, teller, case
        self._http = caller.http
        self._place, self._keys = folder / "archive", folder / "archive-keys"
        self._settings = msgspec.structs.replace(settings, archive_store=StoreDirectory(self._place.absolute()))
        self._transfer = ""

    async def run(self, sign_offs: tuple[str, ...] = (cast.COORDINATOR.sub,)) -> None:
        """All the way. ``sign_offs`` are the professionals who close the case, the coordinator first."""
        await self.set_up_archive()
        await self.close(sign_offs)
        async with self._worker() as worker:
            await self.approve(worker)
            await self.package(worker)
            await self.receive()
            await self.shred(worker)
        await self.forget()
        await self.find_and_open()

    # ---------------------------------------------------------------- the archive's own keys

    async def set_up_archive(self) -> None:
        self._tell.heading("An archive with keys of its own")
        self._place.mkdir(mode=0o750, exist_ok=True)
        for folder in (self._keys, self._keys / "recovery"):
            if not (folder / RECIPIENT_FILE).exists():
                await self._archive("keygen", str(folder))
        own, recovery = (
            (folder / RECIPIENT_FILE).read_text().strip() for folder in (self._keys, self._keys / "recovery")
        )
        public = msgspec.json.decode((self._keys / PUBLIC_FILE).read_bytes())
        async with owner_of(self._settings.database_url(DatabaseRole.OWNER)) as owner:
            if not await owner.fetchval("SELECT EXISTS (SELECT FROM vault.archive WHERE id = $1)", ARCHIVE):
                recipients = [{"name": "archive", "recipient": own}, {"name": "recovery", "recipient": recovery}]
                registry = Registry(owner, FileKeyring(require(self._settings.keyring, "keyring")))
                await registry.archive(ARCHIVE, cast.PIRHA.id, NAME, recipients, public, wait_days=0, contact=NAME)
        self._tell.say(
            f"A process of its own has made them in {self._keys}; the vault has two recipients (one for recovery, kept"
            " offline in life) and the public key that checks receipts. The waiting time is 0 days here, 14 in life."
        )

    # ---------------------------------------------------------------- closing

    async def close(self, sign_offs: tuple[str, ...]) -> None:
        self._tell.heading("The case is closed")
        body = {"reason": "The plan has come to its end."}
        answered: dict[str, Any] = {}
        for sub in sign_offs:
            headers = await self._caller.as_professional(sub, PURPOSE)
            answer = await self._http.post(f"/v1/cases/{self._case}/close", json=body, headers=headers)
            if answer.status_code == 403 and answer.json().get("reasons") == ["case-archived"]:
                self._tell.say("It was closed before, and is on its way or there already.")
                return
            answered = done(answer)
            self._tell.say(
                f"{sub} signs off: {answered['state']}, {len(answered['sign_offs']['given'])} of {answered['sign_offs']['needed']}."
            )
        self._tell.expect("the state of the case", answered["state"], "closed")
        self._tell.say("No agency reads from now on. The client reads, and takes a copy, until the keys are destroyed.")

    # ---------------------------------------------------------------- the way there

    @contextlib.asynccontextmanager
    async def _worker(self) -> AsyncIterator[TransferWorker]:
        pool = Pool(self._settings.database_url(DatabaseRole.WORKER), size=2, wait_s=30)
        try:
            worker = make_transfer_worker(self._settings, pool)
            if worker is None:
                raise Unavailable("the demo's archive has no store")
            yield worker
        finally:
            await pool.close()

    async def approve(self, worker: TransferWorker) -> None:
        self._tell.heading("Two archivists approve its transfer")
        await worker.find()
        items = await self._transfers()
        self._transfer = next(item["id"] for item in items if item["case"] == self._case)
        state = (await self._seen())["state"]
        if state != "due":
            self._tell.say(f"They have approved it already; it is {state}.")
            return
        for sub in ARCHIVISTS:
            answer = await self._http.post(
                f"/v1/transfers/{self._transfer}/approve", headers=await self._archivist(sub)
            )
            self._tell.say(f"{sub} approves, with all that follows: {done(answer)['approvals']} of 2.")

    async def package(self, worker: TransferWorker) -> None:
        self._tell.heading("The worker packages it, sends it, and reads it back")
        await self._work(worker, {"due", "packaged"})
        seen = await self._seen()
        package = seen["package"]
        self._tell.say(
            f"{package['size']} bytes, {package['files']} files, encrypted as they were read: nothing of it ever lay in clear"
            " on a disk. It is encrypted to the archive, to its recovery key, and to a key made for this transfer alone."
        )

    async def receive(self) -> None:
        self._tell.heading("The archive checks it, and signs for it")
        names = Names(uuid.UUID(self._transfer))
        if not (self._place / names.receipt).exists():
            told = await self._archive(
                "receive", str(self._place / names.package), "--identity", str(self._keys / IDENTITY_FILE), "--signing-key",
                str(self._keys / SIGNING_FILE), "--archive-id", ARCHIVE, "--by", "arkistonhoitaja",
            )  # fmt: skip
            for line in told.splitlines():
                self._tell.say(line)

    async def shred(self, worker: TransferWorker) -> None:
        self._tell.heading("The receipt is accepted, the package read back, and the active copy destroyed")
        await self._work(worker, {"sent", "received", "verified", "shredded"})
        seen = await self._seen()
        history = " -> ".join(step["state"] for step in seen["history"])
        self._tell.say(f"Its way: {history}.")
        self._tell.expect("the transfer", seen["state"] in {"shredded", "beyond-recovery"}, wanted=True)
        headers = await self._caller.as_professional(cast.COORDINATOR.sub, PURPOSE)
        case = done(await self._http.get(f"/v1/cases/{self._case}", headers=headers))
        self._tell.expect("the case", case["state"], "archived")
        self._tell.say("The agencies are told that the case is archived; its documents open to nobody here.")

    async def forget(self) -> None:
        self._tell.heading("The keys are rotated: no backup opens it any more")
        if (await self._seen())["state"] == "beyond-recovery":
            self._tell.say("They were rotated already.")
            return
        pool = Pool(self._settings.database_url(DatabaseRole.WORKER), size=2, wait_s=30)
        keyring = FileKeyring(require(self._settings.keyring, "keyring"))
        try:
            async with owner_of(self._settings.database_url(DatabaseRole.OWNER)) as owner:
                door, rotations = PostgresDoor(pool, pool, keyring), PostgresRotations(owner, pool)
                await Rotation(door, rotations, keyring, self._tell.say).run()
        finally:
            await pool.close()
        self._tell.expect("the transfer", (await self._seen())["state"], "beyond-recovery")

    # ---------------------------------------------------------------- and back

    async def find_and_open(self) -> None:
        self._tell.heading("The archive finds it and opens it, without the vault")
        identity = str(self._keys / IDENTITY_FILE)
        found = await self._archive("find", str(self._place), "--identity", identity, "--name", said=cast.CLIENT.name)
        package = str(self._place / f"{self._transfer}.tar.age")
        listed = await self._archive("open", package, "--identity", identity, "--reason", "the demo's own check")
        self._tell.say(f"vault archive find: {found.splitlines()[0]}")
        self._tell.say(f"vault archive open: {listed.splitlines()[-1]}")
        self._tell.expect("the package is whole", "whole and unaltered" in listed, wanted=True)
        self._tell.line()
        self._tell.say("With Debian's programs alone:")
        for line in (
            f"cd {self._place.absolute()} && mkdir opened",
            f"age -d -i {(self._keys / IDENTITY_FILE).absolute()} {self._transfer}.tar.age | tar -x -C opened",
            f"cd opened/{self._transfer} && sha512sum -c --quiet manifest-sha512.txt tagmanifest-sha512.txt",
            "and a browser for index.html",
        ):
            self._tell.line(f"      {line}")

    # ---------------------------------------------------------------- parts

    async def _work(self, worker: TransferWorker, states: set[str]) -> None:
        """Let the worker go on until the transfer has left these states; each thing it did is told."""
        for _ in range(_TURNS):
            if (await self._seen())["state"] not in states:
                return
            told = await worker.step()
            if told is not None:
                self._tell.say(told.partition(": ")[2])
            elif (await self._seen())["state"] == "shredded":
                return
            else:
                await asyncio.sleep(_SHORT_S)
        self._tell.expect("the worker", "stopped", "went on")

    async def _seen(self) -> dict[str, Any]:
        headers = await self._archivist(ARCHIVISTS[0])
        return done(await self._http.get(f"/v1/transfers/{self._transfer}", headers=headers))

    async def _transfers(self) -> list[dict[str, Any]]:
        headers = await self._archivist(ARCHIVISTS[0])
        items: list[dict[str, Any]] = done(await self._http.get("/v1/transfers?limit=200", headers=headers))["items"]
        return items

    async def _archivist(self, sub: str) -> dict[str, str]:
        return await self._caller.as_professional(sub, PURPOSE)

    async def _archive(self, *arguments: str, said: str = "") -> str:
        """One command of the archive, in a process of its own. Raises: Unavailable with what it said."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "vault", "archive", *arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate(f"{said}\n".encode())
        if process.returncode != 0:
            raise Unavailable(f"vault archive {arguments[0]} failed: {err.decode(errors='replace').strip()}")
        return out.decode()
