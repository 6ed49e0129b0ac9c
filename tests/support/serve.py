"""Runs the service as its own process, as an operator would: settings from the environment, a socket from whoever starts it.

python -m tests.support.serve FD
"""

from __future__ import annotations

import asyncio
import socket
import sys

import uvicorn

from vault import wiring
from vault.cli.serving import server_config
from vault.settings import load_settings


async def serve(listener: socket.socket) -> None:
    parts = wiring.build(load_settings())
    await wiring.check_roles(parts)
    await uvicorn.Server(server_config(wiring.build_app(parts))).serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1]))))
