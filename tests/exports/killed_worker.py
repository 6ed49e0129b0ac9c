"""A worker of its own process that makes one export, and kills itself at one step: ``python -m tests.exports.killed_worker``.

Arguments: the worker's database, the vault's folder, the log's key, the step's name (or ``none``). Before it kills itself it
lists its open files in the file that OPEN_FILES names; not killed, it tells by how many bytes its memory had to grow.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from tests.exports.conftest import Scene
from tests.support.service import Service, run
from vault.adapters.keyring.file import FileKeyring

STEPS = {
    "taken up": ("claims", "take_up", "after"),
    "before the ask": ("door", "ask", "before"),
    "after the ask": ("door", "ask", "after"),
    "with the export's key": ("keyring", "export_key", "before"),
    "before the store": ("store", "put", "before"),
    "half-way into the store": ("store", "put", "within"),
    "among the entries": ("claims", "entries", "before"),
    "stored": ("store", "put", "after"),
    "committed": ("door", "act", "after"),
}


def kill() -> None:
    if "OPEN_FILES" in os.environ:
        _list_open_files(Path(os.environ["OPEN_FILES"]))
    os.kill(os.getpid(), signal.SIGKILL)


def _list_open_files(listed: Path) -> None:
    """Their names; and, beside the list, the bytes of those that have no name and so would be gone with the process."""
    listed.write_text("\n".join(open_files(os.getpid())))
    for entry in list(Path("/proc/self/fd").iterdir()):
        with contextlib.suppress(OSError):
            if entry.readlink().name.endswith("(deleted)"):
                listed.with_suffix(f".{entry.name}").write_bytes(entry.read_bytes())


def open_files(pid: int) -> list[str]:
    """What a process has open that is a file, by name; one that was removed meanwhile ends in ``(deleted)``."""
    names = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            names.append(str(entry.readlink()))
    return sorted(name for name in names if name.startswith("/") and not name.startswith(("/dev/", "/proc/")))


def peak(pid: int | str = "self") -> int:
    """The most memory that the process ever held, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


class Deadly:
    """One part of the worker; the process ends at ``when`` of its method."""

    def __init__(self, part: Any, method: str, when: str) -> None:
        self._part, self._method, self._when = part, method, when

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        return self._deadly(found) if name == self._method else found

    def _deadly(self, method: Callable[..., Any]) -> Callable[..., Any]:
        if self._when == "before":
            return lambda *_, **__: kill()

        async def called(*arguments: Any, **named: Any) -> None:
            if self._when == "within":
                arguments = (arguments[0], _some(arguments[1]))
            await method(*arguments, **named)
            kill()

        return called


async def _some(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    sent = 0
    async for chunk in chunks:
        yield chunk
        sent += len(chunk)
        if sent > 2_000_000:
            kill()


async def _one(scene: Scene, wrap: dict[str, Any]) -> str:
    async with scene.worker(wrap) as worker:
        before = peak()
        told = await worker.step()
        return f"{told}\ngrew by {peak() - before}"


def main(url: str, folder: str, vkey: str, step: str) -> None:
    known = SimpleNamespace(
        database=SimpleNamespace(url=lambda _: url), keyring=FileKeyring(Path(folder) / "keys"), folder=Path(folder)
    )
    wrap: dict[str, Any] = {}
    if step in STEPS:
        name, method, when = STEPS[step]
        wrap[name] = lambda part: Deadly(part, method, when)
    told = run(_one(Scene(cast("Service", known), cast("Any", None), vkey=vkey), wrap))
    sys.stdout.write(f"{told}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
