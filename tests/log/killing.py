"""Sequencers, services and a witness as processes of their own, each of which may die, or kill the database, at one step.

They are forked from a server that has imported everything, so that starting one takes milliseconds.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from tests.log.sequencing import sequencer
from tests.support.logs import LOG, WITNESS, WITNESS_KEY, WITNESS_SIGNER, public
from vault.adapters.postgres.door import PostgresDoor
from vault.adapters.postgres.pool import Pool
from vault.adapters.postgres.sequencer import PostgresLog, PostgresTree
from vault.adapters.remembered import RememberedFile
from vault.adapters.witness_http import HttpWitness
from vault.api.witness import witness_app
from vault.errors import DatabaseUnavailable
from vault.model import Act, DocumentId, TokenSecret
from vault.services.witness import Publisher, Witness

CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["__main__", "tests.log.killing"])

SEQUENCER = [
    f"{m}:{w}" for m in ("elect", "begin", "batch", "append", "publish", "cosign") for w in ("before", "after")
]
SERVICE = ["ask:before", "ask:after", "byte:after", "end:after"]
WITNESSES = ["sign:after", "save:before", "save:after"]


@dataclass
class Fate:
    """What happens at the nth time that a step is reached: this process dies, or the database does (its pid is given)."""

    point: str = "never"
    nth: int = 1
    database: int = 0

    def at(self, point: str) -> None:
        if point != self.point:
            return
        self.nth -= 1
        if self.nth == 0:
            kill_server(self.database) if self.database else os.kill(os.getpid(), signal.SIGKILL)

    def wrap(self, owner: Any, method: str, name: str | None = None) -> None:
        """Let the method's beginning and end be steps."""
        inner, step = getattr(owner, method), name or method

        async def called(*arguments: object, **named: object) -> Any:
            self.at(f"{step}:before")
            answer = await inner(*arguments, **named)
            self.at(f"{step}:after")
            return answer

        setattr(owner, method, called)


def kill_server(pid: int) -> None:
    """SIGKILL to the server and to each of its processes, as when the machine stops."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for one in [pid, *map(int, children)]:
        try:
            os.kill(one, signal.SIGKILL)
        except ProcessLookupError:
            continue


@dataclass
class Place:
    """What the processes share: where the database is, who asks, where the witness listens, what was sent."""

    urls: dict[str, str]
    secret: bytes
    paper: DocumentId
    port: int
    folder: Path
    released: Path = field(init=False)

    def __post_init__(self) -> None:
        self.released = self.folder / "released"


async def play_sequencer(place: Place, fate: Fate) -> None:
    tree, pool = PostgresTree(place.urls["sequencer"], wait_s=2), Pool(place.urls["sequencer"], size=2)
    for method in ("elect", "begin", "batch", "append", "publish"):
        fate.wrap(tree, method)
    log = PostgresLog(pool)
    fate.wrap(log, "cosign")
    async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
        submit = HttpWitness(client, f"http://127.0.0.1:{place.port}")
        publisher, stop = Publisher(log, LOG, {WITNESS_SIGNER: submit}), asyncio.Event()
        await asyncio.gather(
            sequencer(tree).run(stop, interval_s=0.01), publisher.run(stop, interval_s=0.02), alarm(place, publisher)
        )


async def alarm(place: Place, publisher: Publisher) -> None:
    """A witness that refuses is a fork or a rollback: leave a trace of it."""
    while publisher.alarm is None:  # noqa: ASYNC110 - it is a plain value
        await asyncio.sleep(0.02)
    (place.folder / "alarm").write_text(publisher.alarm)


async def play_service(place: Place, fate: Fate) -> None:
    """Ask, hand over a byte, tell the outcome, again and again; what was handed over is written down."""
    pool = Pool(place.urls["service"], size=2, wait_s=2)
    keyring: Any = None  # the world's keys are made up, so there is nothing to open
    door, sent = PostgresDoor(pool, pool, keyring), os.open(place.released, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    secret = TokenSecret(place.secret)
    while True:
        try:
            fate.at("ask:before")
            clearance = await door.ask(secret, Act.OPEN, document=place.paper)
            fate.at("ask:after")
            os.write(sent, f"{clearance.entry}\n".encode())
            fate.at("byte:after")
            await door.end_release(secret, clearance.entry, "delivered", 7)
            fate.at("end:after")
            await asyncio.sleep(0.005)
        except DatabaseUnavailable:
            await asyncio.sleep(0.02)


class FatedSigner:
    """The witness's key, with its use as a step."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate

    def public(self) -> bytes:
        return public(WITNESS_KEY)

    def sign(self, message: bytes) -> bytes:
        signature = WITNESS_KEY.sign(message)
        self._fate.at("sign:after")
        return signature


class FatedMemory(RememberedFile):
    """The witness's memory, with its saving as a step."""

    fate = Fate()

    def save(self, content: bytes) -> None:
        self.fate.at("save:before")
        super().save(content)
        self.fate.at("save:after")


async def play_witness(place: Place, fate: Fate) -> None:
    memory = FatedMemory(place.folder / "seen.json")
    memory.fate = fate
    witness = Witness(WITNESS, FatedSigner(fate), [LOG], memory, clock_s=lambda: int(time.time()))
    config = uvicorn.Config(
        witness_app(witness), port=place.port, log_level="critical", access_log=False, lifespan="off"
    )
    await uvicorn.Server(config).serve()


PLAYS: dict[str, Callable[[Place, Fate], Awaitable[None]]] = {
    "sequencer": play_sequencer,
    "service": play_service,
    "witness": play_witness,
}


def play(role: str, place: Place, fate: Fate) -> None:
    """The whole life of one process; its complaints about a database that is away are nobody's business here."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)
    asyncio.run(PLAYS[role](place, fate))  # type: ignore[arg-type]


class Player:
    """One process of the arena; started again without its fate when it has died."""

    def __init__(self, role: str, place: Place, fate: Fate | None = None) -> None:
        self.role, self.place, self.fate = role, place, fate
        self.start(fate or Fate())

    def start(self, fate: Fate) -> None:
        self.process = CONTEXT.Process(target=play, args=(self.role, self.place, fate), daemon=True)
        self.process.start()

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def is_fated(self) -> bool:
        """Whether it will still die by itself."""
        return self.fate is not None and not self.fate.database

    def revive(self) -> bool:
        """Start it again if it is dead; True when it died as it was to."""
        if self.process.is_alive():
            return False
        died, self.fate = self.is_fated(), None
        self.process.join()
        self.start(Fate())
        return died

    def kill(self) -> None:
        self.process.kill()
        self.process.join(10)
