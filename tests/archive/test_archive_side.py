"""The archive's own acts: opening with a reason, finding by descriptor, the journal, and the commands for them."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import threading

import pytest
from click.testing import CliRunner

from tests.archive.making import IDENTITY, make_case, send
from vault.archive.due import find_due
from vault.archive.finding import find_packages
from vault.archive.journal import append_entry, verify_journal
from vault.archive.opening import open_package
from vault.cli.archive import archive
from vault.errors import Conflict, InvalidInput, ObjectTampered, SettingsWrong


def _open(made, tmp_path, **other):
    given = {"into": tmp_path / "out", "reason": "request 12", "opened_by": "A", "journal": tmp_path / "journal.jsonl"}
    return open_package(made.path("package"), [IDENTITY], **(given | other))


def test_an_opening_extracts_for_the_owner_alone_and_is_in_the_journal(tmp_path) -> None:
    case = make_case()
    made = send(case, tmp_path)
    old = os.umask(0)
    try:
        bag = _open(made, tmp_path, label=made.path("label"))
    finally:
        os.umask(old)
    folder = tmp_path / "out" / str(made.facts.transfer)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == len(bag.members)
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in [folder, *folder.rglob("*")] if path.is_dir()} == {0o700}
    begun, ended = verify_journal(tmp_path / "journal.jsonl")
    assert (begun["act"], begun["reason"], begun["by"]) == ("open", "request 12", "A")
    assert (ended["outcome"], ended["transfer"]) == ("done", str(made.facts.transfer))


def test_nothing_is_overwritten(tmp_path) -> None:
    made = send(make_case(), tmp_path)
    _open(made, tmp_path)
    readme = tmp_path / "out" / str(made.facts.transfer) / "README.txt"
    readme.write_text("mine")
    with pytest.raises(Conflict):
        _open(made, tmp_path)
    assert readme.read_text() == "mine"
    assert [entry.get("outcome") for entry in verify_journal(tmp_path / "journal.jsonl")] == [
        None,
        "done",
        None,
        "failed",
    ]


def test_without_a_place_it_is_only_verified(tmp_path) -> None:
    made = send(make_case(), tmp_path)
    assert _open(made, tmp_path, into=None).files == made.totals.files
    assert not (tmp_path / "out").exists()


def test_no_reason_or_no_journal_no_opening(tmp_path) -> None:
    made = send(make_case(), tmp_path)
    with pytest.raises(InvalidInput):
        _open(made, tmp_path, reason="  ")
    with pytest.raises(SettingsWrong, match="nothing was opened"):
        _open(made, tmp_path, journal=tmp_path / "missing" / "journal.jsonl")
    with pytest.raises(SettingsWrong):
        _open(made, tmp_path, journal=tmp_path)
    assert not (tmp_path / "out").exists()


def test_the_journal_shows_what_was_altered_or_removed(tmp_path) -> None:
    path = tmp_path / "journal.jsonl"
    for number in range(5):
        append_entry(path, "open", reason=f"reason {number}")
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(verify_journal(path)) == 5
    for wrong in (lines[:1] + lines[2:], [lines[0].replace(b"reason 0", b"reason 9"), *lines[1:]], lines[1:],
                  [lines[1], lines[0], *lines[2:]]):  # fmt: skip
        path.write_bytes(b"".join(wrong))
        with pytest.raises(ObjectTampered):
            verify_journal(path)


def test_the_journal_goes_on_after_a_crash_in_the_middle_of_a_line(tmp_path) -> None:
    path = tmp_path / "journal.jsonl"
    append_entry(path, "open", reason="a")
    with path.open("ab") as file:
        file.write(b'{"act":"op')
    append_entry(path, "open", reason="b")
    assert [entry["reason"] for entry in verify_journal(path)] == ["a", "b"]


def test_many_can_write_the_journal_at_once(tmp_path) -> None:
    path = tmp_path / "journal.jsonl"
    writers = [threading.Thread(target=append_entry, args=(path, "open"), kwargs={"n_": n}) for n in range(16)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert {entry["n_"] for entry in verify_journal(path)} == set(range(16))


def test_a_person_is_found_by_name_or_code_and_nobody_else(tmp_path) -> None:
    maija = send(make_case(name="Mallikas, Maija Kaarina"), tmp_path)
    (tmp_path / "more").mkdir()
    other = send(make_case(name="Eeva Esimerkki", code="020304A9030"), tmp_path / "more")
    (tmp_path / "junk.descriptor.age").write_bytes(b"junk")

    def found(**by):
        search = find_packages(tmp_path, [IDENTITY], searched_by="A", journal=tmp_path / "journal.jsonl", **by)
        assert (search.looked_at, len(search.unopened)) == (3, 1)
        return {hit.package for hit in search.found}

    assert found(name="maija MALLIKAS") == found(code=" 010203a9020 ") == {maija.path("package")}
    assert found(name="esimerkki") == {other.path("package")}
    assert found(name="Maija Esimerkki") == found(code="010203A902") == found(name="Mall") == set()
    told = (tmp_path / "journal.jsonl").read_text()
    assert "allikas" not in told.casefold()
    assert "010203" not in told
    assert [len(entry["found"]) for entry in verify_journal(tmp_path / "journal.jsonl")] == [1, 1, 1, 0, 0, 0]
    for wrong in ({}, {"name": " "}, {"name": "a", "code": "b"}):
        with pytest.raises(InvalidInput):
            found(**wrong)


def test_the_commands_receive_open_find_and_show_the_journal(tmp_path) -> None:
    keys, made = tmp_path / "keys", send(make_case(), tmp_path)
    run = CliRunner()

    def vault(*arguments, typed=None):
        result = run.invoke(archive, [str(argument) for argument in arguments], input=typed)
        assert result.exit_code == 0, result.output
        return result.output

    assert "recipient: age1" in vault("keygen", keys)
    (keys / "identity.txt").write_text(IDENTITY)
    identity = ["--identity", keys / "identity.txt"]
    told = vault("receive", made.path("package"), *identity, "--signing-key", keys / "receipt-key.pem",
                 "--archive-id", "arkisto", "--by", "A")  # fmt: skip
    assert f"received {made.facts.transfer}" in told
    assert made.path("receipt").read_text().count(".") == 2
    told = vault("open", made.path("package"), *identity, "--reason", "request 12", "--into", tmp_path / "out")
    assert "whole and unaltered" in told
    assert (tmp_path / "out" / str(made.facts.transfer) / "index.html").exists()
    assert str(made.path("package")) in vault("find", tmp_path, *identity, "--name", typed="Maija Mallikas\n")
    assert str(made.path("package")) in vault("find", tmp_path, *identity, "--code", typed="010203A9020\n")
    told = vault("journal", tmp_path / "journal.jsonl")
    assert [line.split()[2] for line in told.splitlines()] == ["receive", "open", "ended", "find", "find"]


def test_the_command_names_every_fault_and_writes_no_receipt(tmp_path) -> None:
    keys, made = tmp_path / "keys", send(make_case(), tmp_path)
    other = send(make_case(), tmp_path)
    CliRunner().invoke(archive, ["keygen", str(keys)])
    (keys / "identity.txt").write_text(IDENTITY)
    result = CliRunner().invoke(archive, [
        "receive", str(made.path("package")), "--label", str(other.path("label")), "--identity",
        str(keys / "identity.txt"), "--signing-key", str(keys / "receipt-key.pem"), "--archive-id", "a"])  # fmt: skip
    assert result.exit_code == 1
    assert isinstance(result.exception, ObjectTampered)
    assert {"transfer", "package", "tar"} <= set(result.output.split())
    assert list(tmp_path.glob("*.jws")) == []
    assert [entry["act"] for entry in verify_journal(tmp_path / "journal.jsonl")] == ["refuse"]


def test_the_library_needs_no_part_of_the_service() -> None:
    code = """
import sys, vault.archive.receive, vault.archive.opening, vault.archive.finding, vault.archive.keys
print(*sorted(name for name in sys.modules if name.startswith("vault.")))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {name.split(".")[1] for name in ran.stdout.split()} == {"archive", "aside", "errors", "formats"}


MEMORY = """
import json, resource, sys
from pathlib import Path
from tests.archive.making import AT, IDENTITY, RECIPIENT, make_case
from vault.formats.ageformat import encrypt_stream
from vault.formats.bag import BagStream, PackageItem, plan_bag
from vault.formats.casefacts import CaseFacts
from vault.archive.receive import check_package
import msgspec, hashlib

size, path = int(sys.argv[1]) << 20, Path(sys.argv[2])
case = make_case((b"x", "application/pdf"))
digest = hashlib.sha256()
for _ in range(size >> 18):
    digest.update(bytes(1 << 18))
paper = msgspec.structs.replace(case.facts.documents[0], size=size, sha256=digest.hexdigest())
facts = msgspec.structs.replace(case.facts, documents=(paper,))
def content(wanted):
    if wanted == paper.id:
        return (bytes(1 << 18) for _ in range(size >> 18))
    return [case.content[wanted]]
def grown():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
before = grown()
stream = BagStream(facts, plan_bag(facts, content, rules={}), {})
with path.open("wb") as file:
    encrypt_stream(stream, file, [RECIPIENT])
made = grown()
bag, _ = check_package(path, [IDENTITY], label=None)
assert bag.tar == stream.totals.tar
print(json.dumps([made - before, grown() - before]))
"""


def test_memory_does_not_grow_with_the_package(tmp_path) -> None:
    """In MiB, for a package of 512 MiB, made and received."""
    ran = subprocess.run([sys.executable, "-c", MEMORY, "512", str(tmp_path / "large.age")],
                         capture_output=True, text=True, env=os.environ | {"PYTHONPATH": "."}, timeout=100, check=False)  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    making, receiving = json.loads(ran.stdout)
    assert making < 100
    assert receiving < 100
    assert (tmp_path / "large.age").stat().st_size > 512 << 20


def test_packages_whose_keeping_has_ended_are_listed_by_their_labels(tmp_path) -> None:
    made = send(make_case(), tmp_path)
    ends = made.label.retention_ends
    assert ends is not None
    (tmp_path / "damaged.label.json").write_text("{")
    after = find_due(tmp_path, ends + dt.timedelta(days=1))
    assert find_due(tmp_path, ends).labels == ()
    assert after.labels == (made.label,)
    assert (after.looked_at, [path.name for path in after.unread]) == (2, ["damaged.label.json"])
    told = CliRunner().invoke(archive, ["due", str(tmp_path), "--on", f"{ends + dt.timedelta(days=1)}"])
    assert told.exit_code == 0
    assert told.output.startswith(f"{ends}  {made.label.file}  ")
    assert "1 of 2 packages" in told.output
