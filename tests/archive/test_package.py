"""A package as it is made: one deterministic stream that other people's programs open."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import tarfile
import uuid
from collections.abc import Mapping
from pathlib import Path

import bagit
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.archive.making import IDENTITY, RECIPIENT, RECOVERY_IDENTITY, make_case, send, unpack
from vault.archive.opening import open_package
from vault.archive.receive import check_package
from vault.errors import InvariantViolated, KeyUnopenable, ObjectTampered, SettingsWrong
from vault.formats.ageformat import Collected, decrypt_bytes, decrypt_stream, encrypt_stream, new_identity
from vault.formats.bag import BagStream, PackageItem, plan_bag
from vault.formats.bagcheck import BagChecker
from vault.formats.label import open_descriptor, parse_label
from vault.formats.tarstream import TarReader, encode_end, encode_member, encode_padding

MEDIA_TYPES = st.sampled_from(["application/pdf", "text/html", "image/png", "text/plain", "x/y"])
PAPERS = st.lists(st.tuples(st.binary(max_size=3000), MEDIA_TYPES), min_size=1, max_size=6)


@given(PAPERS, st.integers(1, 1000))
@settings(max_examples=40, deadline=None)
def test_every_bag_passes_the_check_and_holds_what_was_filed(papers, step) -> None:
    case = make_case(*papers)
    stream = case.stream(lambda content: (content[at : at + step] for at in range(0, len(content), step)))
    tar = b"".join(stream)
    checker = BagChecker()
    for at in range(0, len(tar), 777):
        checker.write(tar[at : at + 777])
    bag = checker.close()
    assert (bag.transfer, bag.files, bag.payload_bytes) == (
        case.facts.transfer, stream.totals.files, stream.totals.payload_bytes)  # fmt: skip
    assert bag.tar == stream.totals.tar
    files = unpack(tar)
    for paper in [*case.facts.documents, case.facts.consents[0].form]:
        [held] = [content for path, content in files.items() if str(paper.id) in path and ".about." not in path]
        assert held == case.content[paper.id]


def test_the_same_case_gives_the_same_tar() -> None:
    case = make_case()
    by_one = case.stream(lambda content: (content[at : at + 1] for at in range(len(content))))
    assert b"".join(by_one) == case.tar()


def test_the_tar_says_nothing_of_who_made_it_and_when() -> None:
    case = make_case()
    with tarfile.open(fileobj=io.BytesIO(case.tar())) as tar:
        members = tar.getmembers()
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime, m.mode) for m in members} == {
        (0, 0, "", "", int(case.facts.made_at.timestamp()), 0o644)
    }
    names = [m.name.partition("/")[2] for m in members]
    assert names[:-2] == sorted(names[:-2])
    assert names[-2:] == ["manifest-sha512.txt", "tagmanifest-sha512.txt"]


def test_no_file_name_and_no_label_names_a_person(tmp_path) -> None:
    made = send(make_case(), tmp_path)
    with tarfile.open(fileobj=io.BytesIO(_decrypt(made.path("package")))) as tar:
        names = " ".join(tar.getnames())
    outside = " ".join(path.name for path in tmp_path.iterdir())
    labels = made.path("label").read_text() + made.path("label_text").read_text()
    for word in ("Maija", "Mallikas", "mallikas", "010203A9020"):
        assert word not in names + outside + labels
        for path in tmp_path.iterdir():
            assert word.encode() not in path.read_bytes()


def under(files: Mapping[str, object], folder: str) -> bool:
    return any(name.startswith(folder) for name in files)


def test_the_readme_names_nobody_and_the_index_runs_nothing() -> None:
    files = unpack(make_case().tar())
    readme, index = files["README.txt"].decode(), files["index.html"].decode()
    assert "Mallikas" not in readme
    assert "MITÄ TÄSSÄ ON" in readme
    assert "WHAT THIS IS" in readme
    assert "Maija &lt;Mallikas&gt; &amp; muut" in index
    assert "<Mallikas>" not in index
    assert "<script" not in index
    assert "http" not in index.replace("http-equiv", "")
    assert "Asiakirjat" in index
    assert "Papers" in index
    linked = [part.split('"')[0] for part in index.split('href="')[1:]]
    inside = {link for link in linked if link.startswith("#")}
    assert {f'id="{link[1:]}"' for link in inside} <= set(re.findall(r'id="[^"]+"', index))
    linked = [link for link in linked if link not in inside]
    assert [link for link in linked if link not in files and not (link.endswith("/") and under(files, link))] == []
    assert len(linked) >= 5


def test_what_a_browser_would_run_is_not_named_so(tmp_path) -> None:
    files = unpack(make_case((b"<script>", "text/html"), (b"<svg>", "image/svg+xml")).tar())
    assert {path.rsplit(".", 1)[1] for path in files if path.startswith("data/documents/")} == {"bin", "json"}


def test_a_strangers_bagit_accepts_it_whole(tmp_path) -> None:
    made = send(make_case(), tmp_path)
    open_package(made.path("package"), [IDENTITY], into=tmp_path / "out", reason="test", opened_by="A",
                 journal=tmp_path / "journal.jsonl")  # fmt: skip
    folder = tmp_path / "out" / str(made.facts.transfer)
    assert (folder / "bagit.txt").read_text().splitlines() == [
        "BagIt-Version: 1.0", "Tag-File-Character-Encoding: UTF-8"]  # fmt: skip
    assert not (folder / "fetch.txt").exists()
    bag = bagit.Bag(str(folder))
    bag.validate(fast=False)
    assert set(bag.algorithms) == {"sha512"}


def test_age_tar_and_sha512sum_alone_open_it(tmp_path) -> None:
    made = send(make_case(), tmp_path)
    (tmp_path / "identity.txt").write_text(f"# the archive's\n{RECOVERY_IDENTITY}\n")
    [_, unpack_it, check_it] = made.label.how_to_open
    commands = f"{unpack_it.replace('IDENTITY-FILE', 'identity.txt')} && {check_it}"
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count(": OK") == made.totals.files + 5
    told = subprocess.run(["sha256sum", "-c"], cwd=tmp_path, text=True, capture_output=True, check=False,
                          input=f"{made.package.sha256}  {made.path('package').name}\n")  # fmt: skip
    assert told.returncode == 0


def test_what_age_encrypted_is_received_as_well(tmp_path) -> None:
    case = make_case()
    encrypted = tmp_path / "theirs.age"
    subprocess.run(["age", "-r", RECIPIENT, "-o", str(encrypted)], input=case.tar(), check=True)
    bag, _ = check_package(encrypted, [IDENTITY], label=None)
    assert bag.transfer == case.facts.transfer


def test_a_file_that_is_not_what_was_filed_aborts_the_package() -> None:
    for wrong in (b"onE", b"ones", b"on"):
        case = make_case((b"one", "application/pdf"))
        case.content[case.facts.documents[0].id] = wrong
        sink = Collected()
        with pytest.raises(ObjectTampered, match="is not what was filed"):
            encrypt_stream(case.stream(), sink, [RECIPIENT])
        with pytest.raises(ObjectTampered):
            decrypt_bytes(bytes(sink.content), [IDENTITY])


def test_an_aborted_stream_has_no_totals() -> None:
    stream = make_case().stream()
    next(iter(stream))
    with pytest.raises(InvariantViolated):
        _ = stream.totals


def test_what_the_source_or_the_sink_raises_comes_out_unchanged() -> None:
    class Stopped(BaseException):
        pass

    def source():
        yield b"x" * 100_000
        raise Stopped

    class Full:
        def write(self, piece: bytes) -> None:
            raise OSError(28, "no space left")

    with pytest.raises(Stopped):
        encrypt_stream(source(), Collected(), [RECIPIENT])
    for size in (0, 1, 70_000):
        with pytest.raises(OSError, match="no space left"):
            encrypt_stream([bytes(size)], Full(), [RECIPIENT])
        sink = Collected()
        encrypt_stream([bytes(size)], sink, [RECIPIENT])
        with pytest.raises(OSError, match="no space left") if size else contextlib.nullcontext():
            decrypt_stream(io.BytesIO(sink.content), Full(), [IDENTITY])


def test_a_package_needs_recipients() -> None:
    for recipients in ([], ["age1xyz"], [""]):
        with pytest.raises(SettingsWrong):
            encrypt_stream([b""], Collected(), recipients)


def test_only_the_recipients_open_package_and_descriptor(tmp_path) -> None:
    made = send(make_case(), tmp_path)
    stranger, _ = new_identity()
    for identity in (IDENTITY, RECOVERY_IDENTITY):
        assert check_package(made.path("package"), [stranger, identity], label=made.label)[0].files == made.totals.files
        assert open_descriptor(made.path("descriptor").read_bytes(), [identity]).case == made.facts.case
    with pytest.raises(KeyUnopenable):
        check_package(made.path("package"), [stranger], label=made.label)
    with pytest.raises(KeyUnopenable):
        open_descriptor(made.path("descriptor").read_bytes(), [stranger])


def test_descriptors_of_long_and_short_names_are_of_one_size(tmp_path) -> None:
    sizes = set()
    for name in ("A B", "Maija Matilda Marjatta Mallikas-Mallikainen"):
        descriptor = send(make_case(name=name, code=None), tmp_path).path("descriptor")
        sizes.add(len(decrypt_bytes(descriptor.read_bytes(), [IDENTITY])))
    assert len(sizes) == 1


def test_a_label_comes_back_as_it_was(tmp_path) -> None:
    made = send(make_case(), tmp_path)
    assert parse_label(made.path("label").read_bytes()) == made.label
    assert {key.name for key in made.label.recipients} == {"archive", "recovery"}
    assert RECIPIENT not in made.path("label").read_text()


def test_long_names_and_vast_sizes_are_written_as_pax_and_read_back() -> None:
    at = make_case().facts.made_at
    path = f"{uuid.uuid4()}/data/{'d' * 100}/{'f' * 100}"
    seen: list[tuple[str, int]] = []

    class Seen:
        def begin(self, path: str, size: int) -> None:
            seen.append((path, size))

        def data(self, piece: bytes) -> None: ...

        def end(self) -> None: ...

    tar = encode_member(path, 3, at) + b"abc" + encode_padding(3)
    reader = TarReader(Seen())
    reader.write(tar + encode_end(len(tar)))
    assert reader.close().size % 10240 == 0
    vast = TarReader(Seen())
    vast.write(encode_member("a/b", 9 << 30, at))
    assert seen == [(path, 3), ("a/b", 9 << 30)]
    with tarfile.open(fileobj=io.BytesIO(tar + encode_end(len(tar)))) as theirs:
        assert theirs.getnames() == [path]


def test_case_json_lists_every_other_file() -> None:
    case = make_case()
    files = unpack(case.tar())
    told = msgspec.json.decode(files["data/case.json"])
    assert {file["path"] for file in told["files"]} == {
        path for path in files if path.startswith("data/") and path != "data/case.json"
    }
    assert told["client"]["name"] == "Maija Mallikas"
    assert told["coordinator"] == "pirha"
    assert told["consents"][0]["more"]["provisions"][0]["effect"] == "permit"


def test_an_item_whose_digest_is_not_known_before_is_listed_by_its_size() -> None:
    case = make_case()
    item = PackageItem("data/log/checkpoint.txt", 4, None, lambda: [b"note"])
    items = plan_bag(case.facts, lambda paper: [case.content[paper]], log=[item], rules={})
    checker = BagChecker()
    for piece in BagStream(case.facts, items, {}):
        checker.write(piece)
    assert "data/log/checkpoint.txt" in {member.path for member in checker.close().members}


def _decrypt(package: Path) -> bytes:
    sink = Collected()
    with package.open("rb") as file:
        decrypt_stream(file, sink, [IDENTITY])
    return bytes(sink.content)
