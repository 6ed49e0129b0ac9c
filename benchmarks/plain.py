"""The same server without a vault: bytes from memory, and a plain file up and down. It is the measure of the other one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from litestar import Litestar, Request, Response, get, put
from litestar.response import Stream

BODY = os.urandom(100 * 1024)
PIECE = 256 * 1024
PIECES_A_HOP = 4


def plain_app(directory: Path) -> Litestar:
    """``GET /bytes`` sends 100 KiB, ``PUT /file`` keeps a file durably, ``GET /file`` streams it back."""
    path = directory / "plain-file"

    @get("/bytes")
    async def send_bytes() -> Response[bytes]:
        return Response(BODY, media_type="application/octet-stream")

    @put("/file", status_code=200, request_max_body_size=None)
    async def keep_file(request: Request[Any, Any, Any]) -> None:
        with path.open("wb", buffering=0) as file:
            waiting: list[bytes] = []
            async for piece in request.stream():
                waiting.append(piece)
                if sum(map(len, waiting)) >= PIECE * PIECES_A_HOP:
                    await asyncio.to_thread(file.write, b"".join(waiting))
                    waiting.clear()
            await asyncio.to_thread(file.write, b"".join(waiting))
            await asyncio.to_thread(os.fsync, file.fileno())

    @get("/file")
    async def send_file() -> Stream:
        headers = {"content-length": str(path.stat().st_size)}
        return Stream(_pieces(path), headers=headers, media_type="application/octet-stream")

    return Litestar([send_bytes, keep_file, send_file], openapi_config=None, logging_config=None)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while pieces := await asyncio.to_thread(lambda: [file.read(PIECE) for _ in range(PIECES_A_HOP)]):
            for piece in pieces:
                if not piece:
                    return
                yield piece
