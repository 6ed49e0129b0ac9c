"""Where the measurements happen: an embedded PostgreSQL with fsync on, a keyring, a store, the registered example agencies.

Everything lies in one directory that is thrown away afterwards. The service runs as a process of its own, served as
`vault serve` serves it; this process is its caller.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import asyncpg

from vault.adapters.embedded import EmbeddedPostgres
from vault.adapters.keyring.file import FileKeyring
from vault.adapters.postgres.bootstrap import LOGIN_ROLES, make_database, make_roles
from vault.adapters.postgres.migrate import migrate
from vault.adapters.postgres.pool import prepare
from vault.adapters.postgres.registry import Registry
from vault.demo import cast

DATABASE = "vault"
PASSWORDS = {role: f"benchmark-password-of-{role}" for role in LOGIN_ROLES}
ISSUER = "http://127.0.0.1:8480"
READER = cast.KELA
READERS = tuple(f"{READER.id}-reader-{number:02d}" for number in range(64))
APPLICATIONS = tuple(f"{READER.id}-load-{number}" for number in range(8))
"""Many people and applications of one agency: the vault limits how much one of them may ask."""


class Place:
    """A vault's surroundings in one directory; made by :func:`place`."""

    def __init__(
        self,
        path: Path,
        postgres: EmbeddedPostgres,
        keyring: FileKeyring,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.path = path
        self.postgres = postgres
        self.keyring = keyring
        self._settings = dict(settings)

    def having(self, **settings: str) -> Place:
        """The same surroundings under other settings, e.g. ``VAULT_STORE`` for objects elsewhere."""
        return Place(self.path, self.postgres, self.keyring, self._settings | settings)

    @property
    def store(self) -> Path:
        return self.path / "objects"

    def url(self, role: str, database: str = DATABASE) -> str:
        return self.postgres.url(f"vault_{role}", PASSWORDS[f"vault_{role}"], database)

    def environment(self, database: str = DATABASE) -> dict[str, str]:
        """The service's settings, as an operator would write them."""
        return {
            "VAULT_ISSUER": ISSUER,
            "VAULT_KEYRING": str(self.path / "keys"),
            "VAULT_STORE": f"file://{self.store}",
            "VAULT_DATABASE_URL_SERVICE": self.url("service", database),
            "VAULT_DATABASE_URL_TOKENS": self.url("tokens", database),
        } | self._settings

    @asynccontextmanager
    async def connection(self, role: str, database: str = DATABASE) -> AsyncIterator[Any]:
        """A connection of its own under `superuser` or one of the vault's roles, that speaks jsonb."""
        url = self.postgres.superuser_url.replace("/postgres?", f"/{database}?")
        opened = await asyncpg.connect(url if role == "superuser" else self.url(role, database))
        try:
            await prepare(opened)
            yield opened
        finally:
            await opened.close()

    @asynccontextmanager
    async def log_keeper(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """`vault log keep` over the place's vault."""
        environment = bare_environment() | self.environment()
        environment["VAULT_DATABASE_URL_SEQUENCER"] = self.url("sequencer")
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "vault", "log", "keep", env=environment)
        try:
            yield process
        finally:
            process.terminate()
            await process.wait()

    @asynccontextmanager
    async def service(self, kind: str, database: str = DATABASE) -> AsyncIterator[Service]:
        """The service's process: ``vault``, or ``plain`` for the same server without a vault."""
        environment = bare_environment() | self.environment(database)
        command = [sys.executable, "-m", "benchmarks.service", kind, str(self.path)]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
        try:
            line = await asyncio.to_thread(process.stdout.readline) if process.stdout else ""
            if not line.strip().isdecimal():
                raise RuntimeError(f"the {kind} service did not start")
            yield Service(process.pid, int(line))
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, 30)


def bare_environment() -> dict[str, str]:
    """This process's environment without any setting of a vault."""
    return {k: v for k, v in os.environ.items() if not k.startswith("VAULT_")}


class Process:
    """A running process, and the memory that it takes."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def forget_peak(self) -> int:
        """Begin a new peak of the process's memory; returns what it holds now, in bytes."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")
        return self._memory("VmRSS")

    def peak(self) -> int:
        """The most memory that the process has held since :meth:`forget_peak`, in bytes."""
        return self._memory("VmHWM")

    def _memory(self, name: str) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        found = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
        if found is None:
            raise RuntimeError(f"the kernel does not tell {name}")
        return int(found[1]) * 1024


class Service(Process):
    """A running service process."""

    def __init__(self, pid: int, port: int) -> None:
        super().__init__(pid)
        self.port = port


@asynccontextmanager
async def place() -> AsyncIterator[Place]:
    """Make everything, give it, and throw it away."""
    path = _directory()
    try:
        async with EmbeddedPostgres(path / "postgres") as postgres:
            made = Place(path, postgres, FileKeyring.create_new(path / "keys"))
            await _set_up(made)
            yield made
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _directory() -> Path:
    path = Path(tempfile.mkdtemp(prefix="vault-benchmark-"))
    path.chmod(0o711)  # as root, PostgreSQL runs under another account and must reach its cluster
    return path


async def _set_up(made: Place) -> None:
    await make_roles(made.postgres.superuser_url, PASSWORDS)
    await make_database(made.postgres.superuser_url, DATABASE)
    async with made.connection("owner") as owner:
        await migrate(owner)
        registry = Registry(owner, made.keyring)
        await registry.install_key(made.keyring.new_lookup_key())
        for agency in cast.AGENCIES:
            await _register(registry, agency)
        for application in APPLICATIONS:
            await registry.application(application, READER.id)
        for reader in READERS:
            await registry.professional(READER.id, reader, "Testi Lukija")
            await registry.role(READER.id, reader, READER.member_role)


async def _register(registry: Registry, agency: cast.Agency) -> None:
    await registry.agency(agency.id, {"fi": agency.name.fi, "sv": agency.name.sv, "en": agency.name.en})
    for unit in agency.units:
        await registry.unit(unit.id, {"fi": unit.name.fi, "sv": unit.name.sv, "en": unit.name.en})
    for application in agency.applications:
        await registry.application(application.client_id, agency.id, dpop=application.dpop_required)
    for person in agency.professionals:
        await registry.professional(agency.id, person.sub, person.name)
        await registry.role(agency.id, person.sub, person.role, person.unit)
