"""One gibibyte up and down beside a plain file through the same server, and the memory that the vault's process takes for it."""

from __future__ import annotations

import ssl
import time
import uuid
from collections.abc import Iterable, Iterator

import msgspec

from benchmarks.caller import Connection, head
from benchmarks.figures import Spread, spread, table
from benchmarks.place import Place, Service
from benchmarks.world import Filed, Token, coordinator_token, register_document

MIB = 2**20
PIECE = bytes(range(256)) * (256 * 4)
TARGET_MIB = 100
TRIES = 6


class Large(msgspec.Struct, frozen=True):
    """Megabytes a second up and down, the vault's beside the plain file's; memory in MiB."""

    size_mib: int
    up: Spread
    plain_up: Spread
    up_ratio: Spread
    down: Spread
    plain_down: Spread
    down_ratio: Spread
    peak_growth_mib: Spread


async def measure_large(place: Place, cases: list[Filed], *, size_mib: int, repeats: int) -> Large:
    """Measure and print; what was sent is as long as was asked, and a second reading would find it in the cache."""
    async with place.service("vault") as vault, place.service("plain") as plain:
        token = await coordinator_token(place)
        seen: dict[str, list[float]] = {}
        for _ in range(repeats):
            document = await register_document(place, token, cases[0])
            for name, value in (await _repeat(vault, plain, token, document, size_mib)).items():
                seen.setdefault(name, []).append(value)
            await forget(place, document)
    result = Large(size_mib=size_mib, **{name: spread(values) for name, values in seen.items()})
    _show(result)
    return result


async def _repeat(vault: Service, plain: Service, token: Token, document: uuid.UUID, size_mib: int) -> dict[str, float]:
    path = f"/v1/documents/{document}/content"
    before = vault.forget_peak()
    put = await up(vault.port, path, size_mib, token)
    got = await down(vault.port, path, size_mib, token)
    growth = (vault.peak() - before) / MIB
    plain_up = await up(plain.port, "/file", size_mib)
    plain_down = await down(plain.port, "/file", size_mib)
    return {
        "up": put, "plain_up": plain_up, "up_ratio": put / plain_up, "down": got, "plain_down": plain_down,
        "down_ratio": got / plain_down, "peak_growth_mib": growth,
    }  # fmt: skip


async def up(
    port: int, path: str, size_mib: int, token: Token | None = None, tls: ssl.SSLContext | None = None
) -> float:
    """Put a body of that many MiB; megabytes a second."""
    request = head(
        "PUT", path, token=token.jwt if token else "", content_type="application/octet-stream",
        content_length=str(size_mib * MIB),
    )  # fmt: skip
    return await _exchange(port, tls, request, _pieces(size_mib), size_mib * MIB, is_told=False)


async def down(
    port: int, path: str, size_mib: int, token: Token | None = None, tls: ssl.SSLContext | None = None
) -> float:
    """Get a body of that many MiB; megabytes a second."""
    return await fetch(port, head("GET", path, token=token.jwt if token else ""), size_mib * MIB, tls)


async def fetch(port: int, request: bytes, size: int, tls: ssl.SSLContext | None = None) -> float:
    """Get a body of that size; megabytes a second. Where the database is late by a second, a release is cut (promise P6)."""
    for _ in range(TRIES - 1):
        try:
            return await _exchange(port, tls, request, (), size, is_told=True)
        except ConnectionError:
            print("  (a download was cut, and is begun again: the machine is too busy)", flush=True)
    return await _exchange(port, tls, request, (), size, is_told=True)


async def _exchange(
    port: int, tls: ssl.SSLContext | None, request: bytes, body: Iterable[bytes], size: int, *, is_told: bool
) -> float:
    """``is_told``: the answer is as large as that."""
    connection = await Connection.open(port, tls)
    start = time.perf_counter()
    answer = await connection.request(request, body)
    seconds = time.perf_counter() - start
    connection.close()
    if answer.status != 200 or (is_told and answer.size != size):
        raise RuntimeError(f"the answer was {answer.status} with {answer.size} bytes")
    return size / 1e6 / seconds


def _pieces(size_mib: int) -> Iterator[bytes]:
    for _ in range(size_mib * MIB // len(PIECE)):
        yield PIECE


async def forget(place: Place, document: uuid.UUID) -> None:
    """Free the disk: nobody reads this object again."""
    async with place.connection("owner") as owner:
        name = await owner.fetchval("SELECT object FROM vault.filing WHERE document = $1", document)
    (place.store / name[:2] / name).unlink()


def _show(result: Large) -> None:
    rows = [
        ["up", result.up.show(), result.plain_up.show(), result.up_ratio.show(".2f")],
        ["down", result.down.show(), result.plain_down.show(), result.down_ratio.show(".2f")],
    ]
    table(f"One document of {result.size_mib:,} MiB", ["", "vault MB/s", "plain file MB/s", "vault ÷ plain"], rows)
    growth = result.peak_growth_mib.show(".1f")
    print(f"  peak memory of the vault's process grew by {growth} MiB (should be below {TARGET_MIB})")
