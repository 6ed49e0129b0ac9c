"""One case of large papers, filed through the service, and the same papers as plain files beside it."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.caller import Connection, head
from benchmarks.place import Place
from benchmarks.world import OPENED, calling, coordinator_token, open_case

MIB = 2**20
PAPER_MIB = 32


class LargeCase(msgspec.Struct, frozen=True):
    """A case, and the folder that holds its large papers in clear."""

    case: uuid.UUID
    folder: Path
    size_mib: int


async def file_large_case(place: Place, number: int, size_mib: int) -> LargeCase:
    """Make the papers, and file them in a new case; ``number`` is the client's."""
    folder = place.path / f"papers-{number}"
    folder.mkdir()
    start = time.perf_counter()
    token = await coordinator_token(place)
    async with place.service("vault") as service, calling(place, token) as caller:
        case = await open_case(caller, number)
        for paper in range(size_mib // PAPER_MIB):
            path = folder / f"{paper:04}.bin"
            await asyncio.to_thread(_make, path)
            document = await caller.register(case, OPENED)
            connection = await Connection.open(service.port)
            request = head(
                "PUT", f"/v1/documents/{document}/content", token=token.jwt, content_type="application/octet-stream",
                content_length=str(PAPER_MIB * MIB),
            )  # fmt: skip
            answer = await connection.request(request, _pieces(path))
            connection.close()
            if answer.status != 200:
                raise RuntimeError(f"filing answered {answer.status}")
    print(f"  {size_mib:,} MiB filed in {time.perf_counter() - start:.0f} s", flush=True)
    return LargeCase(uuid.UUID(case), folder, size_mib)


def _make(path: Path) -> None:
    with path.open("wb") as file:
        for _ in range(PAPER_MIB):
            file.write(os.urandom(MIB))


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while piece := file.read(MIB):
            yield piece
