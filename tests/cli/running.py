"""A demo as a process of its own, and what an agency's software asks of it."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from tests.cli.conftest import clean_environment
from vault.cli.serving import listen, port_of
from vault.demo.caller import DemoFile, fetch_token, system_form

PLANNING = "rehabilitation-planning"
START_S = 100


class Running:
    """A running demo: its process, its directory, and what it has printed up to its ready line."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.process = start(folder, *arguments)
        self.told = ""

    def until_ready(self) -> None:
        assert self.process.stdout is not None
        deadline = time.monotonic() + START_S
        for line in self.process.stdout:
            self.told += line
            if line.startswith("   Ctrl-C"):
                return
            assert time.monotonic() < deadline, self.told
        raise AssertionError(self.told + self.process.communicate()[1])

    def stop(self, how: signal.Signals) -> tuple[int, str]:
        """The exit code and the last words."""
        self.process.send_signal(how)
        out, errors = self.process.communicate(timeout=60)
        assert "Traceback" not in errors, errors
        return self.process.returncode, out

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "vault", "demo", "--data", str(folder), "--scan-bytes", "2500000", *arguments],
        env=clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def free_port() -> int:
    with contextlib.closing(listen("127.0.0.1", 0)) as listener:
        return port_of(listener)


class Desk:
    """What an agency's software does, for the checks below."""

    def __init__(self, demo: DemoFile) -> None:
        self.demo = demo
        self.clients = contextlib.ExitStack()

    def api(self, token: str, **headers: str) -> httpx.Client:
        client = httpx.Client(
            base_url=self.demo.base_url,
            headers={"Authorization": f"Bearer {token}", **headers},
            timeout=60,
            trust_env=False,
        )
        return self.clients.enter_context(client)

    def person(self, sub: str, purpose: str = PLANNING, **headers: str) -> httpx.Client:
        return self.api(fetch_token(self.demo, sub, purpose), **headers)

    def system(self, slug: str) -> httpx.Client:
        application = next(a for a in self.demo.agencies if a.id == slug).applications[0]
        answer = httpx.post(
            self.demo.base_url + "/oauth/token", data=system_form(self.demo, application), trust_env=False
        )
        return self.api(answer.json()["access_token"])

    def file(self, who: httpx.Client, case: str, kind: str, content: bytes, **more: Any) -> str:
        about = {
            "type": kind, "title": "Otsikko", "language": "fi", "dated": "2026-03-01", "protected_classes": [],
            "filename": "tiedosto.txt", "media_type": "text/plain",
        } | more  # fmt: skip
        made = ok(who.post(f"/v1/cases/{case}/documents", json=about))
        ok(who.put(f"/v1/documents/{made['id']}/content", content=content, headers={"Content-Type": "text/plain"}))
        return str(made["id"])


def ok(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code in (200, 201), answer.text
    body: dict[str, Any] = answer.json()
    return body
