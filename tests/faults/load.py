"""Uploads and releases without pause while something breaks, and what must hold of them afterwards.

Three things are counted and must be zero: losses (acknowledged, and not there or not the same), bytes that arrived beyond
what the log says was sent, and answers that took longer than the bounded wait.
"""

from __future__ import annotations

import hashlib
import random
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import httpx

from tests.support.caller import COORDINATOR, KELA, Acting, Caller, paper
from tests.support.check import check, sweep
from tests.support.service import Service
from tests.support.tally import Tally
from vault.ports import ObjectStore

SIZES = (0, 1, 16 * 1024, 100_000, 3 * 1024 * 1024)
WAIT_S = 15.0
"""How long an answer may take, with everything that is tried again inside."""
GIVEN_UP = "upload-given-up"
SENT = """
SELECT p.id, o.outcome, o.bytes FROM vault.entry p LEFT JOIN vault.entry o ON o.of_entry = p.id AND o.act = 'outcome'
WHERE p.id = ANY ($1::uuid[]) AND p.act = 'open' AND p.decision = 'permit'
"""


@dataclass
class Done:
    """What runs under faults did so far; ``known`` are the acknowledged documents and their SHA-256."""

    known: dict[str, str] = field(default_factory=dict)
    faults: int = 0
    requests: int = 0
    refused: int = 0
    filed: int = 0
    released: int = 0
    losses: int = 0
    unlogged_bytes: int = 0
    hangs: int = 0
    longest_wait_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def tell(self, tally: Tally, kind: str) -> None:
        names = (
            "faults",
            "requests",
            "refused",
            "filed",
            "released",
            "losses",
            "unlogged_bytes",
            "hangs",
            "longest_wait_s",
        )
        tally(kind, wrong=len(self.wrong), **{name: getattr(self, name) for name in names})

    def require_nothing_lost(self) -> None:
        assert self.wrong == []
        assert (self.losses, self.unlogged_bytes, self.hangs) == (0, 0, 0)


class Under:
    """Works at the service from several threads as long as the context lasts, and adds up in ``done``."""

    def __init__(self, caller: Caller, case: str, done: Done, seed: int, refusals: frozenset[int]) -> None:
        self.url = caller.service.url
        self.case = case
        self.tokens = (caller.by(COORDINATOR).token, caller.by(KELA).token)
        self.random = random.Random(seed)
        self.refusals = refusals
        self.done = done
        self.released: list[tuple[str, int]] = []
        self._over = threading.Event()
        jobs = (self._file, self._file, self._read)
        self._threads = [threading.Thread(target=self._work, args=(job,), daemon=True) for job in jobs]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(WAIT_S * 2)
            if thread.is_alive():
                self.done.hangs += 1

    def wait_for_answers(self, count: int, patience_s: float = 20.0) -> None:
        """Until so many more requests were answered."""
        enough, deadline = self.done.requests + count, time.monotonic() + patience_s
        while self.done.requests < enough and time.monotonic() < deadline:
            time.sleep(0.002)

    def _work(self, job: Callable[[httpx.Client], None]) -> None:
        while not self._over.is_set():
            with httpx.Client(base_url=self.url, timeout=WAIT_S, trust_env=False) as http:
                began = time.monotonic()
                try:
                    while not self._over.is_set():
                        began = time.monotonic()
                        job(http)
                except httpx.TimeoutException:
                    self._note_wait(began, WAIT_S)
                except httpx.HTTPError:
                    self._note_wait(began)
                    time.sleep(0.05)

    def _note_wait(self, began: float, at_least: float = 0.0) -> None:
        took = max(time.monotonic() - began, at_least)
        self.done.hangs += took >= WAIT_S
        self.done.longest_wait_s = max(self.done.longest_wait_s, took)

    def _is(self, what: str, answer: httpx.Response, began: float, good: int) -> bool:
        """Whether it is the good answer; a refusal must be one that this fault explains."""
        self._note_wait(began)
        self.done.requests += 1
        if answer.status_code == good:
            return True
        answer.read()
        self.done.refused += 1
        explained = answer.status_code in self.refusals and "internal" not in answer.text
        if not explained and GIVEN_UP not in answer.text:
            self.done.wrong.append(f"{what}: {answer.status_code} {answer.text[:200]}")
        time.sleep(0.02)
        return False

    def _file(self, http: httpx.Client) -> None:
        acting, content = Acting(http, self.tokens[0]), secrets.token_bytes(self.random.choice(SIZES))
        began = time.monotonic()
        made = acting.post(f"/v1/cases/{self.case}/documents", paper())
        if not self._is("register", made, began, 201):
            return
        document, began = str(made.json()["id"]), time.monotonic()
        if self._is("upload", acting.upload(document, content), began, 200):
            self.done.known[document] = hashlib.sha256(content).hexdigest()
            self.done.filed += 1

    def _read(self, http: httpx.Client) -> None:
        if not self.done.known:
            time.sleep(0.01)
            return
        document, began = self.random.choice(list(self.done.known)), time.monotonic()
        bearer = {"Authorization": f"Bearer {self.tokens[1]}"}
        with http.stream("GET", f"/v1/documents/{document}/content", headers=bearer) as answer:
            if not self._is("release", answer, began, 200):
                return
            entry, content = answer.headers["vault-log-entry"].partition(";")[0], b""
            try:
                for piece in answer.iter_raw():
                    content += piece
            finally:  # also of what broke off, the log must know every byte
                self.released.append((entry, len(content)))
                self._note_wait(began)
        self.done.released += 1
        if hashlib.sha256(content).hexdigest() != self.done.known[document]:
            self.done.wrong.append("a release was not what was filed")


def look_at_all(service: Service, under: Under, store: ObjectStore | None = None) -> None:
    """The whole-vault check on a vault that does not run, after a sweep; adds up losses and unlogged bytes."""
    sweep(service, store)
    done = under.done
    done.faults += 1
    found = check(service, store)
    done.wrong += found
    rows = {str(row["document"]) for row in service.sql("SELECT document FROM vault.filing")}
    done.losses += len(done.known.keys() - rows) + sum(
        fault.startswith(("a row has no", "a document is")) for fault in found
    )
    said = {str(row["id"]): row for row in service.sql(SENT, [entry for entry, _ in under.released])}
    for entry, arrived in under.released:
        if entry not in said or said[entry]["outcome"] is None:
            done.unlogged_bytes += arrived
        elif said[entry]["bytes"] is not None:  # of an unknown outcome nobody claims a number
            done.unlogged_bytes += max(0, arrived - said[entry]["bytes"])


def read_all(caller: Caller, done: Done) -> None:
    """Everything that was acknowledged opens, and is what was sent."""
    for document, digest in done.known.items():
        answer = caller.by(KELA).read(document)
        done.losses += hashlib.sha256(answer.content).hexdigest() != digest
