"""The demo's witness: a process of its own, with a key and a memory that the vault's process never opens."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from vault.cli.keeping import make_witness, witness_identity
from vault.demo.caller import DemoLog
from vault.errors import SettingsWrong
from vault.formats.checkpoint import COSIGNATURE, encode_vkey
from vault.settings import Settings

NAME = "demo.vault.example/witness"
START_S = 30
STOP_S = 5


def witness_key(directory: Path) -> str:
    """The witness's verifier key; the witness is made at the first start."""
    if not directory.exists():
        make_witness(directory, NAME)
    name, key = witness_identity(directory)
    return encode_vkey(name, COSIGNATURE, key.public())


@contextlib.asynccontextmanager
async def witnessed(directory: Path, log: DemoLog, settings: Settings) -> AsyncIterator[Settings]:
    """Run the witness; yields the settings with which the log asks it. Raises: SettingsWrong when it does not start."""
    command = ["-m", "vault", "witness", "run", "--dir", str(directory), "--log", log.key, "--port", "0", "--attended"]
    # A session of its own: Ctrl-C stops the vault first. Its end is our end, since it reads our end of its input.
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield msgspec.structs.replace(settings, witness_url=await _address(process), witness_key=log.witness)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait_for(process.wait(), STOP_S)


async def _address(process: asyncio.subprocess.Process) -> str:
    """What it says it listens on."""
    if process.stdout is None:
        raise SettingsWrong("the witness has no output")
    with contextlib.suppress(TimeoutError):
        line = (await asyncio.wait_for(process.stdout.readline(), START_S)).decode()
        if line.startswith("witness at "):
            return line.removeprefix("witness at ").strip()
    raise SettingsWrong("the witness did not start; its own message stands above")
