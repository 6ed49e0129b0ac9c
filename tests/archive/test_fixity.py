"""Our own fixity check, each of nine faults by name: what is wrong, where, and that nothing was signed (promise P8).

By the archive's command, as an archivist meets it.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.archive.making import IDENTITY, Case, Made, list_again, make_case, pack, send, send_tar, unpack
from vault.archive.keys import make_keys
from vault.cli.main import main

Fault = Callable[[Case, Path], tuple[Made, list[str]]]
Files = dict[str, bytes]


def document(files: Files) -> str:
    return next(path for path in files if path.startswith("data/documents/0001") and ".about." not in path)


def packed(case: Case, folder: Path, files: Files, *extra: tarfile.TarInfo) -> Made:
    return send_tar(case, pack(str(case.facts.transfer), files, extra=extra), folder)


def a_flipped_byte(case: Case, folder: Path) -> tuple[Made, list[str]]:
    files = unpack(case.tar())
    path = document(files)
    flipped = bytes([files[path][0] ^ 1]) + files[path][1:]
    assert len(flipped) == len(files[path])
    return packed(case, folder, files | {path: flipped}), [f"altered: {path}"]


def a_missing_file(case: Case, folder: Path) -> tuple[Made, list[str]]:
    files = unpack(case.tar())
    path = document(files)
    return packed(case, folder, {name: content for name, content in files.items() if name != path}), [
        f"missing: '{path}'"
    ]


def an_extra_file(case: Case, folder: Path) -> tuple[Made, list[str]]:
    files = unpack(case.tar()) | {"data/extra.txt": b"more"}
    return packed(case, folder, files), ["not in manifest-sha512.txt: data/extra.txt"]


def a_renamed_file(case: Case, folder: Path) -> tuple[Made, list[str]]:
    files = unpack(case.tar())
    path = document(files)
    renamed = {(f"{path}x" if name == path else name): content for name, content in files.items()}
    return packed(case, folder, renamed), [f"missing: '{path}'", f"not in manifest-sha512.txt: {path}x"]


def a_path_upwards(case: Case, folder: Path) -> tuple[Made, list[str]]:
    files = unpack(case.tar()) | {"data/../../evil.txt": b"evil"}
    return packed(case, folder, files), ["a path that no package may hold: ", "data/../../evil.txt"]


def a_link(case: Case, folder: Path) -> tuple[Made, list[str]]:
    link = tarfile.TarInfo(f"{case.facts.transfer}/data/evil")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return packed(case, folder, unpack(case.tar()), link), ["not a regular file in the tar: ", "data/evil"]


def a_wrong_manifest(case: Case, folder: Path) -> tuple[Made, list[str]]:
    files = unpack(case.tar())
    path = document(files)
    lines = files["manifest-sha512.txt"].decode().splitlines(keepends=True)
    wrong = "".join(f"{'0' * 128}  {path}\n" if line.endswith(f"  {path}\n") else line for line in lines)
    return packed(case, folder, files | {"manifest-sha512.txt": wrong.encode()}), [
        f"altered: {path}",
        "altered: manifest-sha512.txt",
    ]


def a_truncated_tar(case: Case, folder: Path) -> tuple[Made, list[str]]:
    return send_tar(case, case.tar()[:-10240], folder), ["the tar is cut short"]


def swapped_packages(case: Case, folder: Path) -> tuple[Made, list[str]]:
    other, mine = send(make_case((b"another's", "text/plain")), folder), send(case, folder)
    mine.path("package").write_bytes(other.path("package").read_bytes())
    return mine, ["the package is not the one that the label tells of: transfer, package, tar"]


NINE: list[Fault] = [
    a_flipped_byte, a_missing_file, an_extra_file, a_renamed_file, a_path_upwards, a_link, a_wrong_manifest, a_truncated_tar,
    swapped_packages,
]  # fmt: skip


@pytest.mark.parametrize("fault", NINE, ids=lambda fault: fault.__name__)
def test_p08_a_fault_is_named_and_nothing_is_signed(fault: Fault, tmp_path: Path) -> None:
    made, told = fault(make_case(), tmp_path)
    ran = receive(made, tmp_path)
    assert ran.exit_code == 1
    assert [text for text in told if text not in ran.output] == []
    assert "nothing was signed: reject the transfer in the vault with what is printed here" in ran.output
    assert "Traceback" not in ran.output
    assert not made.path("receipt").exists()
    [line] = (tmp_path / "journal.jsonl").read_text().splitlines()
    assert json.loads(line)["act"] == "refuse"


def test_p08_what_has_no_fault_is_signed_for(tmp_path: Path) -> None:
    case = make_case()
    ran = receive(packed(case, tmp_path, list_again(unpack(case.tar()))), tmp_path)
    assert (ran.exit_code, "all checks passed" in ran.output) == (0, True)


def receive(made: Made, folder: Path) -> Result:
    make_keys(folder / "keys")
    identity = folder / "identity.txt"
    identity.write_text(f"{IDENTITY}\n")
    identity.chmod(0o600)
    arguments = ["archive", "receive", str(made.path("package")), "--identity", str(identity), "--signing-key",
                 str(folder / "keys/receipt-key.pem"), "--archive-id", "arkisto"]  # fmt: skip
    return CliRunner().invoke(main, arguments)
