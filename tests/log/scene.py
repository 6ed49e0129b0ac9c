"""A log that is sequenced and cosigned, a witness and a monitor with memories of their own."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

from tests.log.sequencing import drain
from tests.support.database import Database
from tests.support.logs import LOG, ORIGIN, WITNESS, WITNESS_KEY, WITNESS_SIGNER, public
from vault.adapters.postgres.monitor import PostgresLogDatabase
from vault.adapters.postgres.pool import Pool
from vault.adapters.postgres.sequencer import PostgresLog
from vault.adapters.remembered import RememberedFile
from vault.adapters.tile_directory import TileDirectory
from vault.errors import Unavailable
from vault.services.monitor import Monitor
from vault.services.witness import Answer, Publisher, Witness


class Signer:
    def public(self) -> bytes:
        return public(WITNESS_KEY)

    def sign(self, message: bytes) -> bytes:
        return WITNESS_KEY.sign(message)


class Scene:
    """A log that is sequenced and cosigned, a witness and a monitor with memories of their own."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = database, folder
        self.memory = RememberedFile(folder / "witness.json")
        self.witness = Witness(WITNESS, Signer(), [LOG], self.memory, clock_s=lambda: 1_780_000_000)
        self.mirror = TileDirectory(folder / "mirror")
        self.away = False
        self.origin_hash = hashlib.sha256(ORIGIN.encode()).hexdigest()
        self.reopen()

    def reopen(self) -> None:
        """Connections and what works over them; again after ``pools`` were closed."""
        self.pools = {role: Pool(self.database.url(role), size=2, wait_s=10) for role in ("sequencer", "monitor")}
        self.publisher = Publisher(PostgresLog(self.pools["sequencer"]), LOG, {WITNESS_SIGNER: self.submit})
        self.monitor = self.new_monitor()

    def new_monitor(self) -> Monitor:
        return Monitor(PostgresLogDatabase(self.pools["monitor"]), self.mirror, LOG, [WITNESS_SIGNER], window=100)

    async def submit(self, request: bytes) -> Answer:
        if self.away:
            raise Unavailable("the witness is away")
        return self.witness.add_checkpoint(request)

    async def grow(self, count: int) -> None:
        owner = await self.database.owner()
        await owner.execute(
            "SELECT vault.registry_entry('unit-register', 'kela', NULL, NULL, 'n' || n) FROM generate_series(1, $1::integer) AS n",
            count,
        )
        await drain(self.database.url("sequencer"))
        await self.publisher.step()

    async def sabotage(self, statement: str, *arguments: object) -> None:
        superuser = await self.database.as_role("superuser")
        await superuser.execute(statement, *arguments)

    async def entry_at(self, index: int) -> uuid.UUID:
        owner = await self.database.owner()
        found: uuid.UUID = await owner.fetchval("SELECT entry FROM vault.entry_position WHERE leaf_index = $1", index)
        return found

    async def close(self) -> None:
        for pool in self.pools.values():
            await pool.close()
        self.mirror.close()
        self.memory.close()
