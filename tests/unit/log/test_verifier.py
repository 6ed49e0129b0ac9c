"""The offline verifier: published notes, every single changed bit, a whole log as files, and that it stands alone."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.logs import (
    LOG,
    LOG_VKEY,
    WITNESS,
    WITNESS_SIGNER,
    WITNESS_VKEY,
    MemoryLog,
    insecure_key,
    leaf,
    signed,
)
from vault import verifier
from vault.errors import InvariantViolated
from vault.formats import checkpoint, tlogproof
from vault.verifier import Unverified

VECTORS = Path(__file__).parents[2] / "vectors"
PUBLISHED: dict[str, Any] = json.loads((VECTORS / "tlog.json").read_text())
ENTRY: dict[str, Any] = json.loads((VECTORS / "log-entry.json").read_text())
NOW = 1_780_000_000


def small_log(size: int = 300) -> MemoryLog:
    grown = MemoryLog()
    grown.append([leaf(n) for n in range(size)])
    return grown


LOG_300 = small_log()
NOTE = LOG_300.note(300, cosigned_at=NOW)
PROOF = LOG_300.proof(77, 300, cosigned_at=NOW)


def test_the_published_note() -> None:
    key = verifier.parse_vkey(PUBLISHED["vkey"])
    note = verifier.parse_note(PUBLISHED["note"])
    assert note.text == "This is an example message.\n"
    ((name, key_id, signature),) = note.signatures
    assert (name, key_id) == (key.name, key.id)
    assert verifier._verify_signature(key, note.text, signature)
    with pytest.raises(Unverified):
        verifier._verify_signature(key, note.text + "x", signature)
    assert checkpoint.encode_vkey(key.name, key.kind, key.public) == PUBLISHED["vkey"]


def test_a_checkpoint_with_its_cosignature() -> None:
    head = verifier.verify_checkpoint(NOTE, LOG, [WITNESS_SIGNER], quorum=1)
    assert (head.size, head.root, head.cosigned) == (300, LOG_300.root(300), ((WITNESS, NOW),))
    assert verifier.verify_checkpoint(LOG_300.note(300), LOG).cosigned == ()
    with pytest.raises(Unverified, match="0 of the known witnesses"):
        verifier.verify_checkpoint(LOG_300.note(300), LOG, [WITNESS_SIGNER], quorum=1)


def test_unknown_signatures_are_ignored_and_a_known_wrong_one_spoils_the_note() -> None:
    stranger = checkpoint.signature_line("stranger.example", checkpoint.COSIGNATURE, bytes(32), bytes(72))
    assert verifier.verify_checkpoint(NOTE + stranger, LOG).size == 300
    wrong = checkpoint.signature_line(
        WITNESS, checkpoint.COSIGNATURE, WITNESS_SIGNER.public, bytes(7) + bytes([1]) * 65
    )
    with pytest.raises(Unverified, match="not that of"):
        verifier.verify_checkpoint(NOTE + wrong, LOG, [WITNESS_SIGNER])


@given(st.data())
def test_any_changed_bit_of_a_checkpoint_is_refused(data: st.DataObject) -> None:
    raw = NOTE.encode()
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    changed = raw[: bit // 8] + bytes([raw[bit // 8] ^ 1 << bit % 8]) + raw[bit // 8 + 1 :]
    try:
        text = changed.decode()
    except UnicodeDecodeError:
        return
    with pytest.raises(Unverified):
        verifier.verify_checkpoint(text, LOG, [WITNESS_SIGNER], quorum=1)


@given(st.data())
def test_any_changed_bit_of_a_proof_is_refused(data: st.DataObject) -> None:
    raw = PROOF.encode()
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    changed = raw[: bit // 8] + bytes([raw[bit // 8] ^ 1 << bit % 8]) + raw[bit // 8 + 1 :]
    try:
        text = changed.decode()
    except UnicodeDecodeError:
        return
    with pytest.raises(Unverified):
        verifier.verify_proof(text, leaf(77), LOG, [WITNESS_SIGNER], quorum=1)


def test_a_proof_is_of_one_leaf_in_one_log() -> None:
    assert verifier.verify_proof(PROOF, leaf(77), LOG, [WITNESS_SIGNER], quorum=1).size == 300
    extra = PROOF.replace("\nindex", "\nextra aGVsbG8=\nindex", 1)
    assert verifier.verify_proof(extra, leaf(77), LOG).size == 300
    with pytest.raises(Unverified, match="does not lead"):
        verifier.verify_proof(PROOF, leaf(78), LOG)
    other = verifier.parse_vkey(checkpoint.encode_vkey("other.example/log", checkpoint.LOG_SIGNATURE, LOG.public))
    with pytest.raises(Unverified, match="another log"):
        verifier.verify_proof(PROOF, leaf(77), other)
    forged = signed(300, LOG_300.root(300), key=insecure_key("thief"))
    with pytest.raises(Unverified, match="not signed by the log"):
        verifier.verify_checkpoint(forged, LOG)


@pytest.mark.parametrize("text", [
    "", "\n\n", "text", "a\n1\nAAAA\n\n", NOTE.replace("\u2014", "-"), NOTE + "\n", NOTE[:-1], NOTE.replace("\n300\n", "\n0300\n"),
    NOTE.replace("\n300\n", "\n٣00\n"), NOTE.replace("vault", "va\tult"), "\n" + NOTE, NOTE.replace("log\n300", "log\n\n300"),
])  # fmt: skip
def test_malformed_notes(text: str) -> None:
    with pytest.raises(Unverified):
        verifier.verify_checkpoint(text, LOG)


def test_malformed_keys() -> None:
    for text in ["", "a+b", LOG_VKEY[:-4], LOG_VKEY.replace("vault", "walls"), "a+00000000+AAAA", LOG_VKEY + "="]:
        with pytest.raises(Unverified):
            verifier.parse_vkey(text)
    for name in ["", "a b", "a+b", "a\nb"]:
        with pytest.raises(InvariantViolated):
            checkpoint.encode_vkey(name, checkpoint.LOG_SIGNATURE, bytes(32))


def test_the_empty_tree() -> None:
    empty = MemoryLog()
    assert verifier.verify_checkpoint(signed(0, empty.edge.root()), LOG).size == 0
    with pytest.raises(Unverified, match="empty tree"):
        verifier.verify_checkpoint(signed(0, bytes(32)), LOG)


def shown(*names: str) -> dict[str, Any]:
    wanted = [text for text, name in zip(ENTRY["disclosures"], ENTRY["fields"], strict=True) if name in names]
    digests = [checkpoint.base64.urlsafe_b64encode(bytes.fromhex(d)).decode().rstrip("=") for d in ENTRY["digests"]]
    return {"entry": ENTRY["entry"], "digests": digests, "disclosures": wanted}


def test_an_entry_shows_the_fields_that_it_discloses_and_no_other() -> None:
    found, fields = verifier.verify_entry(shown("agency", "reasons"))
    assert found.hex() == ENTRY["leaf"]
    assert fields == {"agency": "kela", "reasons": ["expired", "purpose-not-covered"]}
    foreign = shown("agency")
    foreign["disclosures"] = [verifier.base64.urlsafe_b64encode(b'["c2FsdA","agency","pirha"]').decode().rstrip("=")]
    with pytest.raises(Unverified, match="not the one that was committed"):
        verifier.verify_entry(foreign)
    for broken in ({}, {**shown(), "digests": ["AA"]}, {**shown(), "entry": "x"}, {**shown(), "disclosures": ["AA"]}):
        with pytest.raises(Unverified):
            verifier.verify_entry(broken)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 700])
def test_a_whole_log_as_files(tmp_path: Path, size: int) -> None:
    small_log(size).write(tmp_path)
    assert verifier.verify_directory(tmp_path, LOG).size == size


def test_a_changed_tile_is_refused(tmp_path: Path) -> None:
    small_log(700).write(tmp_path)
    tiles = sorted(path for path in tmp_path.rglob("tile/*/*") if path.is_file()) + sorted(tmp_path.rglob("*.p/*"))
    assert len(tiles) == 4
    for path in tiles:
        content = path.read_bytes()
        path.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
        with pytest.raises(Unverified):
            verifier.verify_directory(tmp_path, LOG)
        path.write_bytes(content[:-1])
        with pytest.raises(Unverified, match="too short"):
            verifier.verify_directory(tmp_path, LOG)
        path.write_bytes(content)
    assert verifier.verify_directory(tmp_path, LOG).size == 700


def test_it_imports_nothing_of_the_project() -> None:
    tree = ast.parse(Path(verifier.__file__).read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    roots = {str(module).split(".")[0] for module in modules}
    assert roots - set(sys.stdlib_module_names) == {"cryptography"}


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The file alone, copied elsewhere, without the project on its path."""
    copy = directory / "verifier.py"
    copy.write_text(Path(verifier.__file__).read_text())
    command = [
        sys.executable,
        "-P",
        str(copy),
        *arguments,
        "--log",
        LOG_VKEY,
        "--witness",
        WITNESS_VKEY,
        "--quorum",
        "1",
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory)


def test_it_runs_alone(tmp_path: Path) -> None:
    grown = small_log(300)
    grown.append([bytes.fromhex(ENTRY["leaf"])])
    (tmp_path / "proof").write_text(grown.proof(300, 301, cosigned_at=NOW))
    (tmp_path / "entry.json").write_text(json.dumps(shown("purpose")))
    (tmp_path / "old").write_text(grown.note(7, cosigned_at=NOW))
    (tmp_path / "new").write_text(grown.note(301, cosigned_at=NOW))
    (tmp_path / "hashes").write_text(tlogproof.hash_lines(grown.consistency(7, 301)))
    grown.write(tmp_path / "log", cosigned_at=NOW)
    proved = run(tmp_path, "proof", "proof", "entry.json")
    assert (proved.returncode, proved.stderr) == (0, "")
    assert 'field: purpose = "rehabilitation-planning"' in proved.stdout
    assert f"cosigned: {WITNESS} at {NOW}" in proved.stdout
    for arguments in (["checkpoint", "new"], ["consistency", "old", "new", "hashes"], ["directory", "log"]):
        assert run(tmp_path, *arguments).returncode == 0, arguments
    (tmp_path / "hashes").write_text("")
    refused = run(tmp_path, "consistency", "old", "new", "hashes")
    assert (refused.returncode, refused.stdout) == (8, "")
    assert refused.stderr.startswith("not verified: ")
    assert run(tmp_path, "checkpoint", "missing").returncode == 1
