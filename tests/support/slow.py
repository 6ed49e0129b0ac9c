"""Downloads that are read slowly, many at once, by a process of its own, so that a test can see when each of them ends."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

READING = Path(__file__).with_name("slow_reading.py")


class Wanted(NamedTuple):
    """One download: where, and the header field that says who asks."""

    url: str
    credentials: str

    def head(self) -> tuple[int, str]:
        where = urlsplit(self.url)
        assert where.port is not None
        return where.port, f"GET {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\n{self.credentials}\r\n\r\n"


def by_token(url: str, token: str, document: str) -> Wanted:
    return Wanted(f"{url}/v1/documents/{document}/content", f"Authorization: Bearer {token}")


class Slow:
    """One download: the bytes of content that arrived, and when (all times monotonic).

    ``last_byte_at`` is the kernel's word. Between ``stood_at`` and ``ended_at``, two looks of the reader, the connection ended.
    """

    def __init__(self) -> None:
        self.received = 0
        self.expected = 0
        self.entry = ""
        self.last_byte_at = 0.0
        self.stood_at = 0.0
        self.ended_at: float | None = None

    @property
    def is_complete(self) -> bool:
        return self.received == self.expected


class SlowReaders:
    """Begins the downloads; made when each of them has its status line."""

    def __init__(self, wanted: Iterable[Wanted]) -> None:
        heads = [one.head() for one in wanted]
        self.downloads = [Slow() for _ in heads]
        self._begun = threading.Event()
        # The reader's own directory is not where its modules come from: it needs none of ours.
        command = [sys.executable, "-I", "-S", str(READING)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(heads) + "\n")
        self._process.stdin.flush()
        if not self._begun.wait(40) or not all(one.entry for one in self.downloads):
            self.stop()
            raise AssertionError("a download did not begin")

    def join(self, patience_s: float = 20) -> list[Slow]:
        """Wait until all have ended."""
        self._thread.join(patience_s)
        over = not self._thread.is_alive()
        self.stop()
        assert over, "a download still runs"
        assert all(one.ended_at is not None for one in self.downloads), "the reader died"
        return self.downloads

    def stop(self) -> None:
        """Give up what still runs."""
        self._process.kill()
        self._process.wait()
        self._thread.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._note(json.loads(line))
            if all(one.entry for one in self.downloads):
                self._begun.set()
        self._begun.set()

    def _note(self, told: dict[str, Any]) -> None:
        if "began" in told:
            one = self.downloads[told["began"]]
            one.expected, one.entry = told["expected"], told["entry"]
        elif "ended" in told:
            one = self.downloads[told["ended"]]
            one.received, one.last_byte_at, one.stood_at = told["received"], told["last_byte_at"], told["stood_at"]
            one.ended_at = told["ended_at"]
        else:
            for one, received in zip(self.downloads, told["received"], strict=True):
                one.received = max(one.received, received)
