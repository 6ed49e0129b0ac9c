"""The witness over its HTTP surface, as C2SP tlog-witness says; its memory outlives it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from tests.support.logs import (
    LOG,
    ORIGIN,
    WITNESS,
    WITNESS_KEY,
    WITNESS_SIGNER,
    WITNESS_VKEY,
    MemoryLog,
    insecure_key,
    leaf,
    public,
    signed,
)
from vault import verifier
from vault.adapters.remembered import RememberedFile
from vault.api.witness import witness_app
from vault.errors import SettingsWrong
from vault.formats.tlogproof import hash_lines
from vault.services.witness import Witness

NOW = 1_780_000_000


class Signer:
    def public(self) -> bytes:
        return public(WITNESS_KEY)

    def sign(self, message: bytes) -> bytes:
        return WITNESS_KEY.sign(message)


def grown() -> MemoryLog:
    log = MemoryLog()
    log.append([leaf(n) for n in range(50)])
    return log


LOG_50 = grown()


def request(old: int, size: int, note: str | None = None) -> bytes:
    return f"old {old}\n{hash_lines(LOG_50.consistency(old, size))}\n{note or LOG_50.note(size)}".encode()


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[RememberedFile]:
    file = RememberedFile(tmp_path / "state.json")
    yield file
    file.close()


@pytest.fixture
def client(memory: RememberedFile) -> Iterator[TestClient[Any]]:
    with TestClient(witness_app(make(memory))) as client:
        yield client


def make(memory: RememberedFile) -> Witness:
    return Witness(WITNESS, Signer(), [LOG], memory, clock_s=lambda: NOW)


def test_it_cosigns_what_continues(client: TestClient[Any]) -> None:
    at = 0
    for size in (0, 1, 7, 7, 50):
        answer = client.post("/add-checkpoint", content=request(at, size))
        assert answer.status_code == 200, answer.text
        head = verifier.verify_checkpoint(LOG_50.note(size) + answer.text, LOG, [WITNESS_SIGNER], quorum=1)
        assert head.cosigned == ((WITNESS, NOW),)
        at = size
    origin_hash = hashlib.sha256(ORIGIN.encode()).hexdigest()
    kept = client.get(f"/{origin_hash}/checkpoint").text
    assert verifier.verify_checkpoint(kept, LOG, [WITNESS_SIGNER], quorum=1).size == 50
    assert client.get(f"/{'0' * 64}/checkpoint").status_code == 404


def test_it_names_its_size_when_another_is_assumed(client: TestClient[Any]) -> None:
    assert client.post("/add-checkpoint", content=request(0, 7)).status_code == 200
    for old in (0, 3, 9):
        answer = client.post("/add-checkpoint", content=request(old, 50))
        assert (answer.status_code, answer.text) == (409, "7\n")
        assert answer.headers["content-type"] == "text/x.tlog.size"


def test_it_refuses_a_fork_a_rollback_and_a_forgery(client: TestClient[Any]) -> None:
    assert client.post("/add-checkpoint", content=request(0, 7)).status_code == 200
    other = MemoryLog()
    other.append([leaf(n + 1) for n in range(50)])
    forked = f"old 7\n{hash_lines(other.consistency(7, 50))}\n{other.note(50)}".encode()
    assert client.post("/add-checkpoint", content=forked).status_code == 422
    same_size = f"old 7\n\n{other.note(7)}".encode()
    assert client.post("/add-checkpoint", content=same_size).status_code == 422
    assert client.post("/add-checkpoint", content=request(0, 3)).status_code == 409
    assert client.post("/add-checkpoint", content=request(0, 0).replace(b"old 0", b"old 7")).status_code == 400
    forged = signed(50, LOG_50.root(50), key=insecure_key("thief"))
    assert client.post("/add-checkpoint", content=request(7, 50, forged)).status_code == 403
    stranger = LOG_50.note(50).replace(ORIGIN, "stranger.example/log")
    assert client.post("/add-checkpoint", content=request(7, 50, stranger)).status_code == 404
    missing = b"old 7\n\n" + LOG_50.note(50).encode()
    assert client.post("/add-checkpoint", content=missing).status_code == 422
    assert client.post("/add-checkpoint", content=request(7, 50)).status_code == 200


@pytest.mark.parametrize("body", [
    b"", b"old 0", b"old 00\n\n" + LOG_50.note(1).encode(), b"new 0\n\n" + LOG_50.note(1).encode(), b"\xff\n\n", b"old 0\nAA\n\nx",
    b"old 1\n" + b"\n".join([b"PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw="] * 64) + b"\n\n" + LOG_50.note(2).encode(),
])  # fmt: skip
def test_malformed_requests(client: TestClient[Any], body: bytes) -> None:
    assert client.post("/add-checkpoint", content=body).status_code == 400


def test_a_proof_from_nothing_is_empty(client: TestClient[Any]) -> None:
    extra = f"old 0\n{hash_lines([bytes(32)])}\n{LOG_50.note(7)}".encode()
    assert client.post("/add-checkpoint", content=extra).status_code == 422
    wrong = f"old 0\n\n{signed(0, bytes(32))}".encode()
    assert client.post("/add-checkpoint", content=wrong).status_code in {403, 422}


def test_its_memory_outlives_it_and_is_written_before_it_answers(tmp_path: Path, memory: RememberedFile) -> None:
    assert make(memory).add_checkpoint(request(0, 7)).status == 200
    assert make(memory).add_checkpoint(request(0, 9)).body == "7\n"
    with pytest.raises(SettingsWrong, match="another process"):
        RememberedFile(tmp_path / "state.json")

    class Full:
        def load(self) -> bytes | None:
            return memory.load()

        def save(self, content: bytes) -> None:
            raise OSError(28, "no space left on device")

    full = Witness(WITNESS, Signer(), [LOG], Full(), clock_s=lambda: NOW)
    with pytest.raises(OSError):
        full.add_checkpoint(request(7, 50))
    assert full.add_checkpoint(request(0, 50)).body == "7\n"
    assert make(memory).vkey == WITNESS_VKEY
