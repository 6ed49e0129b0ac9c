"""`vault demo --archive`: a case goes all the way to an archive of its own, and opens there with Debian's programs alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vault.formats.label import Names

WATCHED = """
import os, sys
seen = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
sys.addaudithook(lambda event, told: event == "open" and "archive-keys" in str(told[0]) and os.write(seen, f"{told[0]}\\n".encode()))
from vault.cli.main import main
main()
"""
"""The command, in a process that writes down which of the archive's files it opens; what it starts is not watched."""


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("demo-archive") / "data"
    folder.parent.chmod(0o755)
    arguments = ["demo", "--data", str(folder), "--process", "tym", "--archive", "--exit"]
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(folder.parent / "opened"), *arguments],
        capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder, done.stdout


def test_p08_the_vaults_process_opens_no_private_key_of_the_archive(walked: tuple[Path, str]) -> None:
    """Service, worker and rotation run in the demo's process; the archive's commands each in their own."""
    folder, _ = walked
    keys = folder / "archive-keys"
    opened = {str(Path(line).relative_to(keys)) for line in (folder.parent / "opened").read_text().splitlines()}
    assert opened == {"recipient.txt", "recovery/recipient.txt", "receipt-key.public.json"}
    for place in (keys, keys / "recovery"):
        assert place.stat().st_mode & 0o077 == 0
        assert {path.stat().st_mode & 0o077 for path in place.iterdir() if path.is_file()} == {0}


def test_p08_the_demo_goes_all_the_way(walked: tuple[Path, str]) -> None:
    folder, told = walked
    assert "everything went as the consent says" in told
    assert "WRONG" not in told
    way = ["signs off: closed, 3 of 3", "follows: 2 of 2", "packaged, ", "bytes sent", "all checks passed", "the archive has signed for it",
           "read back, opened and verified", "shredded", "objects removed", "epoch keys destroyed", "root keys destroyed: root:",
           "vault archive find", "whole and unaltered"]  # fmt: skip
    folded = " ".join(told.split())
    places = [folded.find(step) for step in way]
    assert -1 not in places
    assert places == sorted(places)
    # The archive's private keys lie apart, and the vault was given the public parts alone.
    assert (folder / "archive-keys" / "identity.txt").stat().st_mode & 0o077 == 0
    assert not [
        path for path in (folder / "archive").iterdir() if "identity" in path.name or "receipt-key" in path.name
    ]


def test_p08_debians_programs_open_the_package(walked: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = walked
    [package] = (folder / "archive").glob("*.tar.age")
    transfer = package.name.removesuffix(".tar.age")
    label = json.loads((folder / "archive" / Names(transfer).label).read_text())  # type: ignore[arg-type]
    assert len(label["recipients"]) == 3
    for key in ("archive-keys/identity.txt", "archive-keys/recovery/identity.txt"):
        place = tmp_path / key.replace("/", "-")
        place.mkdir()
        script = (
            f"set -euo pipefail; age -d -i '{folder / key}' '{package}' | tar -x; cd '{transfer}';"
            " sha512sum -c --quiet manifest-sha512.txt tagmanifest-sha512.txt"
        )
        subprocess.run(["bash", "-c", script], cwd=place, check=True, timeout=60, env={"PATH": os.environ["PATH"]})
    opened = tmp_path / "archive-keys-identity.txt" / transfer
    assert {"README.txt", "index.html", "bagit.txt", "data"} <= {path.name for path in opened.iterdir()}
    case = json.loads((opened / "data/case.json").read_text())
    assert (case["process"], case["client"]["name"]) == ("tym", "Maija Mallikas")
    # Every proof in the package is verified by the one file that lies beside them, with nothing else of this project.
    verifier = opened / "data/log/verifier.py.txt"
    key = (opened / "data/log/log-key.txt").read_text().strip()
    proofs = sorted((opened / "data/log/proofs").glob("*.tlog-proof"))
    assert len(proofs) > 30
    for proof in (proofs[0], proofs[-1]):
        told = subprocess.run(
            [sys.executable, str(verifier), "proof", str(proof), str(proof.with_suffix(".json")), "--log", key],
            capture_output=True, text=True, check=True, timeout=60,
        ).stdout  # fmt: skip
        assert told.startswith("verified: demo.vault.example/log size ")
        assert "field: act = " in told
