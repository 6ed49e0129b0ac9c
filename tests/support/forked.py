"""`vault serve` and `vault worker` as processes forked from a server that has imported everything, so that one starts at once.

For tests that start a process again and again; each has its own environment, directory and log, as from a shell.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

CONTEXT = get_context("forkserver")
PRELOAD = ["tests.support.forked", "vault.cli.main", "vault.cli.serving", "vault.cli.jobs"]


Change = Callable[[], None] | None
"""What is changed in the process before its command runs; a function of a module."""


def _command(words: list[str], folder: str, log: str, environment: dict[str, str], change: Change) -> None:
    """The child's whole life."""
    from vault.cli.main import main

    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for number in (1, 2):
        os.dup2(out, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    # As at the start of any process; the server that forks us wants none of them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["vault", *words]
    if change is not None:
        change()
    main(prog_name="vault")


class Forked:
    """One such process, with what a test needs of `subprocess.Popen`."""

    def __init__(
        self, words: list[str], folder: Path, log: Path, environment: dict[str, str], change: Change = None
    ) -> None:
        CONTEXT.set_forkserver_preload(PRELOAD)
        arguments = (words, str(folder), str(log), environment, change)
        self._process = CONTEXT.Process(target=_command, args=arguments, daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float | None = None) -> None:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("vault", timeout or 0)
