"""Notes, cosignatures, tiles and proofs, checked by golang.org/x/mod/sumdb (note, tlog): the code of Go's checksum database.

Debian's packages golang-go and golang-golang-x-mod-dev bring it; tests/go/check.go only calls it.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.logs import LOG_VKEY, WITNESS_VKEY, MemoryLog, insecure_key, leaf, signed
from vault.formats.tiles import tile_path

PROGRAM = Path(__file__).parents[2] / "go" / "check.go"
NOW = 1_780_000_000


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built offline from Debian's sources."""
    folder = tmp_path_factory.mktemp("go")
    env = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "GOCACHE": str(folder / "cache"), "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode", "GOFLAGS": "-p=2", "CGO_ENABLED": "0",
    }  # fmt: skip
    built = folder / "check"
    subprocess.run(["go", "build", "-o", str(built), str(PROGRAM)], env=env, cwd=folder, check=True, timeout=100)
    return built


def text_of(hashes: list[bytes]) -> list[str]:
    return [base64.b64encode(one).decode() for one in hashes]


def written(folder: Path, size: int) -> tuple[MemoryLog, dict[str, Any]]:
    """A log as files, and what is to be checked of it."""
    grown, at = MemoryLog(), 0
    while at < size:
        step = min(1 + at % 301, size - at)
        grown.append([leaf(n) for n in range(at, at + step)])
        at += step
    grown.write(folder, cosigned_at=NOW)
    old = max(1, size // 3)
    indexes = sorted({0, 1, 255, 256, size // 2, size - 1} & set(range(size)))
    proofs = [{"leaf": text_of([leaf(n)])[0], "index": n, "hashes": text_of(grown.inclusion(n, size))} for n in indexes]
    return grown, {
        "log_key": LOG_VKEY, "witness_key": WITNESS_VKEY, "directory": str(folder), "older": grown.note(old),
        "consistency": text_of(grown.consistency(old, size)), "proofs": proofs,
    }  # fmt: skip


def check(checker: Path, asked: dict[str, Any]) -> tuple[int, str]:
    done = subprocess.run([checker], input=json.dumps(asked), capture_output=True, text=True, check=False, timeout=30)
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 255, 256, 257, 511, 700, 5_000, 66_000])
def test_p07_other_peoples_code_verifies_ours(checker: Path, tmp_path: Path, size: int) -> None:
    assert check(checker, written(tmp_path, size)[1]) == (0, "ok")


def test_other_peoples_code_refuses_what_we_refuse(checker: Path, tmp_path: Path) -> None:
    grown, good = written(tmp_path, 700)
    assert check(checker, good) == (0, "ok")
    first = good["proofs"][0]
    forged = signed(233, bytes(32), key=insecure_key("thief"))
    for wrong in (
        {"proofs": [first | {"leaf": text_of([bytes(32)])[0]}]},
        {"proofs": [first | {"index": 2}]},
        {"proofs": [first | {"hashes": first["hashes"][:-1]}]},
        {"consistency": good["consistency"][:-1]},
        {"older": forged},
        {"older": signed(233, bytes(32))},
        {"witness_key": LOG_VKEY},
    ):
        code, said = check(checker, good | wrong)
        assert (code, said == "ok") == (1, False), wrong
    note = tmp_path / "checkpoint"
    note.write_text(grown.note(700))
    assert check(checker, good) == (1, "not signed by both")
    note.write_text(grown.note(700, cosigned_at=NOW))
    tile = tmp_path / "tile" / tile_path(0, 0, 256)
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    assert check(checker, good)[0] == 1
