"""A large case on its way to the archive: each step's memory and time, beside `tar | age` on the same files.

    package   opened paper by paper, tarred, hashed (SHA-256 thrice, SHA-512 once), encrypted, fsynced   beside tar | age
    send      read back from the archive's store, decrypted, checked in full                            beside age -d | tar
    receive   the same by the archive, in a process of its own
    verify    the same once more, after the receipt;  shred  and before the keys are destroyed

What the parts of a step can do on memory alone, in two threads on two free cores, is its limit.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import resource
import shutil
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pyrage

from benchmarks.figures import table
from benchmarks.papers import MIB, LargeCase, file_large_case
from benchmarks.place import Place
from benchmarks.steps import Step, Stepper, stepping
from benchmarks.world import calling, coordinator_token, pirha_tokens
from vault.adapters.postgres.registry import Registry
from vault.adapters.stores.common import PIECE_SIZE
from vault.archive.keys import IDENTITY_FILE, PUBLIC_FILE, make_keys
from vault.demo import cast
from vault.formats.sealed import ChunkReader, Sealer
from vault.model import CaseId, DocumentId

ARCHIVE = "terveyskeskusarkisto"
NAMES = {"fi": "Terveyskeskusarkisto", "sv": "Arkivet", "en": "The archive"}
TARGET_MIB = 200
CLIENT = 20_000  # another than any of the other measurements
_SAMPLE = 64 * MIB


Measured = tuple[Step, tuple[float, float] | None]
"""A step, and the seconds and processor seconds that the tools took."""


class Done(msgspec.Struct, frozen=True):
    """One step: seconds, what it cost in processor time, memory in MiB, and the same done with Debian's tools."""

    step: str
    seconds: float
    cpu_s: float
    growth_mib: float
    tools_s: float | None
    tools_cpu_s: float | None
    ratio: float | None
    cpu_ratio: float | None


class Archived(msgspec.Struct, frozen=True):
    size_mib: int
    steps: list[Done]
    parts_mb_s: dict[str, float]
    limit_package_mb_s: float
    limit_read_back_mb_s: float


async def measure_archive(place: Place, *, size_mib: int) -> Archived:
    """File the case, close it, take it all the way, print."""
    deposit, keys = place.path / "archive", place.path / "archive-keys"
    deposit.mkdir()
    recipients = [make_keys(folder).recipient for folder in (keys, keys / "recovery")]
    await _register(place, recipients, keys)
    case = await file_large_case(place, CLIENT, size_mib)
    there = place.having(VAULT_ARCHIVE_STORE=f"file://{deposit}", VAULT_DATABASE_URL_WORKER=place.url("worker"))
    tools = _Tools(case, recipients, keys / IDENTITY_FILE, place.path)
    try:
        async with (
            place.log_keeper(),
            stepping("vault", there.environment()) as vault,
            stepping("archive", {}) as archive,
        ):
            transfer = await _due(there, case, vault)
            steps = await _walk(vault, archive, tools, transfer, deposit, keys)
    finally:
        await asyncio.to_thread(shutil.rmtree, case.folder)
        await asyncio.to_thread(shutil.rmtree, deposit)
    parts = await asyncio.to_thread(_parts, recipients)
    result = Archived(size_mib, steps, parts, *_limits(parts))
    _show(result)
    return result


async def _register(place: Place, recipients: list[str], keys: Path) -> None:
    named = [{"name": name, "recipient": one} for name, one in zip(("archive", "recovery"), recipients, strict=True)]
    public = msgspec.json.decode((keys / PUBLIC_FILE).read_bytes())
    async with place.connection("owner") as owner:
        await Registry(owner, place.keyring).archive(ARCHIVE, cast.PIRHA.id, NAMES, named, public, wait_days=0)


async def _due(place: Place, case: LargeCase, vault: Stepper) -> str:
    """Close the case, find it due, have two archivists approve."""
    async with calling(place, await coordinator_token(place)) as coordinator:
        await coordinator.post(f"/v1/cases/{case.case}/close", {"reason": "the plan has come to its end"})
    await vault.do(do="find")
    async with place.connection("owner") as owner:
        transfer = str(await owner.fetchval("SELECT id FROM vault.transfer WHERE case_id = $1", case.case))
    for token in await pirha_tokens(place, "archivist"):
        async with calling(place, token) as archivist:
            await archivist.post(f"/v1/transfers/{transfer}/approve", None)
    return transfer


async def _walk(
    vault: Stepper, archive: Stepper, tools: _Tools, transfer: str, deposit: Path, keys: Path
) -> list[Done]:
    """Every step in turn, with the tools before and after those that they can do."""
    told = {"do": "receive", "folder": str(deposit), "keys": str(keys), "transfer": transfer, "archive": ARCHIVE}
    packaged = await _beside(vault.do(do="transfer"), tools.pack)
    sent = await _beside(vault.do(do="transfer"), tools.unpack)
    received = await _beside(archive.do(**told), tools.unpack)
    signed = await vault.do(do="transfer")
    verified = await _beside(vault.do(do="transfer"), tools.unpack)
    shredded = await _beside(vault.do(do="transfer"), tools.unpack)
    done = [
        _done("package", packaged), _done("send", sent), _done("receive", received), _done("receipt taken", (signed, None)),
        _done("verify", verified), _done("shred", shredded),
    ]  # fmt: skip
    expected = ("packaged", "sent", "received", "signed", "verified", "shredded")
    for step, word in zip((packaged[0], sent[0], received[0], signed, verified[0], shredded[0]), expected, strict=True):
        if word not in (step.told or ""):
            raise RuntimeError(f"expected {word}, was told: {step.told}")
    return done


async def _beside(step: Awaitable[Step], tool: Callable[[], Awaitable[tuple[float, float]]]) -> Measured:
    """The step, with the tool once before and once after it; the tool's mean."""
    before = await tool()
    done = await step
    after = await tool()
    return done, ((before[0] + after[0]) / 2, (before[1] + after[1]) / 2)


def _done(name: str, measured: Measured) -> Done:
    step, tools = measured
    if tools is None:
        return Done(name, step.seconds, step.cpu_s, step.growth_mib, None, None, None, None)
    ratios = step.seconds / tools[0], step.cpu_s / tools[1]
    return Done(name, step.seconds, step.cpu_s, step.growth_mib, *tools, *ratios)


class _Tools:
    """Debian's tar and age on the same files, kept as durably."""

    def __init__(self, case: LargeCase, recipients: list[str], identity: Path, folder: Path) -> None:
        self._folder, self._identity, self._out = case.folder, identity, folder / "tools.tar.age"
        self._recipients = " ".join(f"-r {one}" for one in [*recipients, recipients[0]])

    async def pack(self) -> tuple[float, float]:
        """`tar | age` to three recipients, as the package has."""
        return await _shell(
            f"tar -cf - -C {self._folder} . | age {self._recipients} -o {self._out} && sync {self._out}"
        )

    async def unpack(self) -> tuple[float, float]:
        """`age -d | tar`, nothing written."""
        return await _shell(f"age -d -i {self._identity} {self._out} | tar -xOf - >/dev/null")


async def _shell(command: str) -> tuple[float, float]:
    """Seconds, and processor seconds, that a command takes."""
    start, before = time.perf_counter(), _children_s()
    process = await asyncio.create_subprocess_exec("bash", "-euo", "pipefail", "-c", command)
    if await process.wait():
        raise RuntimeError(f"{command.split(maxsplit=1)[0]} failed")
    return time.perf_counter() - start, _children_s() - before


def _children_s() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _parts(recipients: list[str]) -> dict[str, float]:
    """What each part does by itself, on memory. Units: MB a second of processor time."""
    plain = os.urandom(_SAMPLE)
    keys = [pyrage.x25519.Recipient.from_str(one) for one in recipients]
    identity = pyrage.x25519.Identity.generate()
    sealed = io.BytesIO()
    pyrage.encrypt_io(io.BytesIO(plain), sealed, [identity.to_public()])
    key, case, document = os.urandom(32), CaseId(uuid.uuid4()), DocumentId(uuid.uuid4())
    sealer = Sealer(key, case, document)
    stored = sealer.update(plain) + sealer.finalize()

    def opening() -> None:
        reader = ChunkReader(key, case, document, len(stored))
        first, last = reader.span(0, _SAMPLE), reader.last_span()
        reader.begin(stored[: first[0]])
        reader.open_last(stored[last[0] :])
        opener = reader.opener()
        for start in range(first[0], len(stored), PIECE_SIZE):
            opener.update(stored[start : start + PIECE_SIZE])
        opener.finalize()

    return {
        "age encrypts": _rate(lambda: pyrage.encrypt_io(io.BytesIO(plain), io.BytesIO(), keys)),
        "age decrypts": _rate(lambda: pyrage.decrypt_io(io.BytesIO(sealed.getvalue()), io.BytesIO(), [identity])),
        "SHA-256": _rate(lambda: hashlib.sha256(plain)),
        "SHA-512": _rate(lambda: hashlib.sha512(plain)),
        "opening": _rate(opening),
    }


def _rate(work: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return _SAMPLE / 1e6 / statistics.median(times)


def _limits(parts: dict[str, float]) -> tuple[float, float]:
    """What two threads allow: one reads, opens and hashes, the other encrypts or decrypts and hashes."""
    hashed, listed = 1 / parts["SHA-256"], 1 / parts["SHA-512"]
    package = max(1 / parts["opening"] + 2 * hashed + listed, 1 / parts["age encrypts"] + hashed)
    read_back = max(2 * hashed + listed, 1 / parts["age decrypts"] + hashed)
    return 1 / package, 1 / read_back


def _show(result: Archived) -> None:
    size = result.size_mib * MIB / 1e6
    rows = [
        [one.step, f"{one.seconds:.1f}", f"{one.cpu_s:.1f}", f"{size / one.seconds:,.0f}", f"{one.growth_mib:.0f}",
         *(f"{value:{form}}" if value else "" for value, form in (
             (one.tools_s, ".1f"), (one.tools_cpu_s, ".1f"), (one.ratio, ".2f"), (one.cpu_ratio, ".2f")))]
        for one in result.steps
    ]  # fmt: skip
    title = f"A case of {result.size_mib:,} MiB to the archive (each step should grow by less than {TARGET_MIB} MiB)"
    table(
        title,
        [
            "step",
            "s",
            "processor s",
            "MB/s",
            "growth MiB",
            "tar and age s",
            "processor s",
            "step ÷ tools",
            "processor ÷",
        ],
        rows,
    )
    parts = ", ".join(f"{name} {rate:,.0f}" for name, rate in result.parts_mb_s.items())
    print(f"  MB a second of one core: {parts}")
    print(
        f"  so, in two threads on two free cores: packaging {result.limit_package_mb_s:,.0f}, reading back {result.limit_read_back_mb_s:,.0f}"
    )
