"""The service's process: `python -m benchmarks.service vault|plain DIRECTORY`; prints its port once it takes connections."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.plain import plain_app
from vault import wiring
from vault.cli.serving import Server, listen, port_of, server_config, started
from vault.settings import load_settings


def application(kind: str, directory: Path) -> Any:
    if kind == "plain":
        return plain_app(directory)
    return wiring.build_app(wiring.build(load_settings(dict(os.environ))))


async def serve(kind: str, directory: Path) -> None:
    listener = listen("127.0.0.1", 0)
    server = Server(server_config(application(kind, directory)))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, setattr, server, "should_exit", True)
    await started(server, running)
    print(port_of(listener), flush=True)
    await running


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], Path(sys.argv[2])))
