"""Runs the sequencer and the publisher, the monitor or a witness until told to stop; shared by the commands and the demo."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from vault.adapters.keyring.file import FileKeyring
from vault.adapters.postgres.monitor import PostgresLogDatabase
from vault.adapters.postgres.pool import Pool
from vault.adapters.postgres.reports import PostgresReportLog
from vault.adapters.postgres.restart import PostgresRestart
from vault.adapters.postgres.sequencer import PostgresLog, PostgresTree, shown_of
from vault.adapters.remembered import RememberedFile
from vault.adapters.tile_directory import TileDirectory
from vault.adapters.witness_http import HttpWitness
from vault.cli.owner import connect
from vault.errors import Conflict, IntegrityBroken, InvalidInput, InvariantViolated, SettingsWrong
from vault.rules.days import parse_day
from vault.services.monitor import Monitor
from vault.services.reports import Form, Summary, report
from vault.services.restart import Record, restart
from vault.services.sequencer import Sequencer, log_vkey
from vault.services.transparency import Shown, Window
from vault.services.witness import Publisher, Witness
from vault.settings import DatabaseRole, Settings, require
from vault.verifier import Key, Unverified, parse_vkey, verify_directory

KEY_FILE, STATE_FILE, NAME_FILE = "witness.key", "seen.json", "name"
_WAIT_S = 10.0


class WitnessKey:
    """witness.WitnessSigner over an Ed25519 key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    def public(self) -> bytes:
        return self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def read_vkey(text: str) -> Key:
    """A verifier key that an operator gave. Raises: SettingsWrong."""
    try:
        return parse_vkey(text)
    except Unverified as error:
        raise SettingsWrong(f"a verifier key is wrong: {error}") from None


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and Ctrl-C set; call it in the running loop."""
    stop = asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, stop.set)
    return stop


async def keep_log(settings: Settings, stop: asyncio.Event) -> None:
    """Put entries into the tree, sign it, and take each checkpoint to the witness of the settings, if one is set."""
    keyring = FileKeyring(require(settings.keyring, "keyring"))
    url, origin = settings.database_url(DatabaseRole.SEQUENCER), settings.origin()
    pool = Pool(url, size=2, wait_s=_WAIT_S)
    sequencer = Sequencer(PostgresTree(url), keyring, origin)
    async with httpx.AsyncClient(timeout=5, follow_redirects=False, trust_env=False) as client:
        work = [sequencer.run(stop)]
        if settings.witness_url is not None:
            witness = read_vkey(require(settings.witness_key, "witness_key"))
            submit = HttpWitness(client, settings.witness_url)
            work.append(Publisher(PostgresLog(pool), read_vkey(log_vkey(keyring, origin)), {witness: submit}).run(stop))
        try:
            await asyncio.gather(*work)
        finally:
            await pool.close()


async def watch_log(
    settings: Settings,
    memory: Path,
    log: Key,
    witnesses: Sequence[Key],
    *,
    once: bool,
    stop: asyncio.Event | None = None,
) -> str | None:
    """Run the monitor; with ``once`` one full round, which returns the first finding as a sentence, or None."""
    pool = Pool(settings.database_url(DatabaseRole.MONITOR), size=2, wait_s=60)
    mirror = TileDirectory(memory)
    try:
        monitor = Monitor(PostgresLogDatabase(pool), mirror, log, witnesses)
        if not once:
            await monitor.run(stop or stop_on_signals())
            return None
        first = (await monitor.round(full=True)).first
        return first if first is None else f"{first.kind} at {first.leaf_index}, entry {first.entry}: {first.detail}"
    finally:
        mirror.close()
        await pool.close()


async def read_window(settings: Settings) -> Window:
    """How far the log is. Raises: SettingsWrong before its first start; DatabaseUnavailable."""
    pool = Pool(settings.database_url(DatabaseRole.SEQUENCER), size=1, wait_s=_WAIT_S)
    try:
        window = await PostgresLog(pool).window()
    finally:
        await pool.close()
    if window is None:
        raise SettingsWrong("there is no log yet; start one with: vault log keep")
    return window


def window_text(window: Window) -> str:
    """The same in words."""
    cosigned = f"cosigned up to {window.cosigned_size}" if window.cosigned_size is not None else "never cosigned"
    since = f", the rest not since {window.uncosigned_s:.0f} s" if window.uncosigned_since else ""
    return f"{window.origin}: {window.size} entries in the tree, {window.waiting} wait for it; {cosigned}{since}"


async def begin_anew(
    settings: Settings, note: bytes, log: Key, witnesses: Sequence[Key], origin: str, copy: Path | None
) -> tuple[Shown | None, Record]:
    """Begin the log anew; the new first leaf as anyone may verify it, and what it says."""
    if not origin or "+" in origin or any(c.isspace() for c in origin):
        raise SettingsWrong("an origin has no spaces and no plus")
    connection = await connect(settings, DatabaseRole.OWNER)
    mirror = None
    try:
        copied = None
        if copy is not None:
            size = verify_directory(copy, log, witnesses, quorum=1).size
            mirror = TileDirectory(copy)
            copied = (size, lambda n: mirror.tile((0, n), size))
        store = PostgresRestart(connection)
        await store.lead()
        _, record = await restart(store, note.decode(), log, witnesses, origin, copied)
        row = await connection.fetchrow("SELECT entry, digests, disclosures FROM vault.log_restarted()")
        return shown_of(row), record
    except (UnicodeDecodeError, Unverified) as error:
        raise IntegrityBroken(f"not verified: {error}") from None
    finally:
        if mirror is not None:
            mirror.close()
        await connection.close()


async def prune_month(settings: Settings, month: str) -> int:
    """Detach a month's entries; how many they were. Raises: InvalidInput, Conflict, DatabaseUnavailable."""
    day = parse_day(f"{month}-01", "month")
    connection = await connect(settings, DatabaseRole.OWNER)
    try:
        gone = await connection.fetchval("SELECT vault.log_prune($1)", day)
    except asyncpg.ObjectNotInPrerequisiteStateError as error:
        raise Conflict(error.message or "this month cannot go yet") from None
    finally:
        await connection.close()
    if gone is None:
        raise InvalidInput("there is no partition of this month", field="month")
    return int(gone)


async def print_report(settings: Settings, application: str, span: tuple[dt.datetime, dt.datetime], form: Form) -> str:
    """Write a report to stdout as it comes; the summary's sentence. Raises: InvalidInput, DatabaseUnavailable."""
    pool = Pool(settings.database_url(DatabaseRole.MONITOR), size=1, wait_s=60)
    try:
        async for part in report(PostgresReportLog(pool), application, *span, form):
            if isinstance(part, Summary):
                return part.sentence()
            sys.stdout.write(part)
    finally:
        await pool.close()
    raise InvariantViolated("a report ends with its summary")


def make_witness(directory: Path, name: str) -> None:
    """Make a witness's directory: its key, its name, and a memory in which nothing was seen."""
    try:
        directory.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise SettingsWrong(f"{directory} is there already; a witness that forgot what it saw is no witness") from None
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for file, content in ((KEY_FILE, pem), (NAME_FILE, f"{name}\n".encode()), (STATE_FILE, b"{}")):
        fd = os.open(directory / file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(fd)


def witness_identity(directory: Path) -> tuple[str, WitnessKey]:
    """The name and the key of the witness in that directory. Raises: SettingsWrong."""
    try:
        key = load_pem_private_key((directory / KEY_FILE).read_bytes(), password=None)
        name = (directory / NAME_FILE).read_text().strip()
    except (OSError, ValueError):
        raise SettingsWrong(f"there is no witness in {directory}; make one with: vault witness create") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsWrong(f"{directory / KEY_FILE} is no Ed25519 key")
    return name, WitnessKey(key)


def open_witness(directory: Path, logs: Sequence[Key]) -> Witness:
    """The witness in that directory, for this process alone. Raises: SettingsWrong, also when its memory is missing."""
    name, key = witness_identity(directory)
    if not (directory / STATE_FILE).is_file():
        raise SettingsWrong(f"{directory / STATE_FILE} is missing; without it the witness would cosign a fork")
    memory = RememberedFile(directory / STATE_FILE)
    return Witness(name, key, logs, memory, clock_s=lambda: int(time.time()))
