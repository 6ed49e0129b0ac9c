"""What is wrong is told by the message and by the exit code, which scripts can use; the codes stand in the file's head."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.support.logs import LOG_KEY, LOG_VKEY, WITNESS_VKEY, MemoryLog, insecure_key, leaf, public
from tests.unit.log.test_verifier import ENTRY, NOW, shown, small_log
from vault import verifier
from vault.cli.main import main
from vault.formats import checkpoint, tlogproof

OTHER_VKEY = checkpoint.encode_vkey("other.example/log", checkpoint.LOG_SIGNATURE, public(LOG_KEY))
STRANGER_VKEY = checkpoint.encode_vkey("vault.example/log", checkpoint.LOG_SIGNATURE, public(insecure_key("stranger")))
STRANGE_WITNESS = checkpoint.encode_vkey("witness.example/w2", checkpoint.COSIGNATURE, public(insecure_key("w2")))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A log of 301 entries as files, a proof in it, and what does not belong to it."""
    grown = small_log(300)
    grown.append([bytes.fromhex(ENTRY["leaf"])])
    grown.write(tmp_path / "log", cosigned_at=NOW)
    other = MemoryLog()
    other.append([leaf(n + 1) for n in range(400)])
    texts = {
        "proof": grown.proof(300, 301, cosigned_at=NOW), "new": grown.note(301, cosigned_at=NOW), "old": grown.note(7),
        "hashes": tlogproof.hash_lines(grown.consistency(7, 301)), "fork": other.note(7), "larger": other.note(400),
        "entry": json.dumps(shown("purpose")), "stranger": json.dumps(shown() | {"entry": "0195f3a0-0000-7000-8000-00000000000f"}),
        "beyond": grown.proof(300, 301).replace("index 300\n", "index 301\n"), "junk": "no note",
        "elsewhere": grown.proof(300, 301).replace("index 300\n", "index 299\n"),
    }  # fmt: skip
    texts["forged"] = grown.note(301).replace("\n301\n", "\n302\n")
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    tile = next((tmp_path / "log" / "tile" / "0").glob("000"))
    damaged = tmp_path / "damaged"
    for path in (tmp_path / "log").rglob("*"):
        if path.is_file():
            copy = damaged / path.relative_to(tmp_path / "log")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes() if path != tile else path.read_bytes()[:-32] + bytes(32))
    return tmp_path


CASES: list[tuple[int, str, list[str], dict[str, Any]]] = [
    (0, "", ["proof", "proof", "entry"], {}),
    (0, "", ["directory", "log", "old"], {}),
    (1, "this is no signed note", ["checkpoint", "junk"], {}),
    (1, "cannot be read", ["checkpoint", "missing"], {}),
    (3, "of another log: vault.example/log, not other.example/log", ["checkpoint", "new"], {"log": OTHER_VKEY}),
    (4, "with the key that was given", ["checkpoint", "new"], {"log": STRANGER_VKEY}),
    (4, "0 of the known witnesses cosigned, 1 are wanted", ["checkpoint", "new"], {"witness": STRANGE_WITNESS}),
    (5, "a signature is not that of vault.example/log", ["checkpoint", "forged"], {}),
    (6, "does not lead to the root", ["proof", "proof", "stranger"], {}),
    (6, "does not lead to the root", ["proof", "elsewhere", "entry"], {}),
    (7, "the index 301 is not one of a tree of 301 entries", ["proof", "beyond", "entry"], {}),
    (7, "the newer tree is smaller: 7 entries after 301", ["consistency", "new", "old", "hashes"], {}),
    (7, "the older checkpoint has 400 entries, the log has 301", ["directory", "log", "larger"], {}),
    (8, "does not begin with the older one", ["consistency", "fork", "new", "hashes"], {}),
    (8, "does not begin with the older checkpoint of 7 entries", ["directory", "log", "fork"], {}),
    (9, "not made of those below", ["directory", "damaged"], {}),
]


@pytest.mark.parametrize(("code", "said", "command", "keys"), CASES)
def test_the_reason_is_told(
    files: Path, capsys: pytest.CaptureFixture[str], code: int, said: str, command: list[str], keys: dict[str, Any]
) -> None:
    arguments = [command[0], *(str(files / name) for name in command[1:]), "--log", keys.get("log", LOG_VKEY)]
    if "witness" in keys:
        arguments += ["--witness", keys["witness"], "--quorum", "1"]
    assert verifier.main(arguments) == code
    told = capsys.readouterr()
    assert said in told.err
    assert (told.out == "") is (code != 0)
    # The command says the same and ends with the same code.
    result = CliRunner().invoke(main, ["log", "verify", *arguments])
    if "missing" not in command:  # click looks itself whether a file is there
        assert (result.exit_code, said in result.stderr) == (code, True)


def test_the_codes_stand_in_the_file_and_in_the_help() -> None:
    for text in (str(verifier.__doc__), CliRunner().invoke(main, ["log", "verify", "--help"]).output):
        told = re.sub(r"\s+", " ", text)
        assert "Exit codes: 0 proved, 1 malformed" in told
        assert "9 tiles do not fit" in told


def test_a_wrong_command_is_two() -> None:
    for command in (["proof", "a"], ["nothing"], ["checkpoint", "a"]):
        with pytest.raises(SystemExit) as ended:
            verifier.main(command)
        assert ended.value.code == 2


def test_witness_and_log_keys_are_not_taken_for_each_other(files: Path) -> None:
    assert verifier.main(["checkpoint", str(files / "new"), "--log", WITNESS_VKEY]) == verifier.OTHER_LOG
