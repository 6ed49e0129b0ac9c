"""Every way in which a package can be wrong is found, and nothing is signed or extracted then."""

from __future__ import annotations

import random
import tarfile

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.archive.making import IDENTITY, list_again, make_case, pack, send, send_tar, unpack
from vault.archive.keys import SIGNING_FILE, load_signing_key, make_keys
from vault.archive.opening import open_package
from vault.archive.receive import check_package, receive_package
from vault.errors import IntegrityBroken, InvalidInput, ObjectTampered
from vault.formats.bagcheck import BagChecker
from vault.formats.label import encode_label
from vault.formats.tarstream import require_safe_path

DOCUMENT = "data/documents/0001"


def _document(files: dict[str, bytes]) -> str:
    return next(path for path in files if path.startswith(DOCUMENT) and ".about." not in path)


def _flip(files):
    """One byte of a document becomes another; its size stays."""
    path = _document(files)
    return files | {path: bytes([files[path][0] ^ 1]) + files[path][1:]}, "altered: data/documents/0001"


def _flip_and_list_again(files):
    """As before, with both manifests made anew: only the case file tells."""
    return list_again(_flip(files)[0]), "not as data/case.json tells: 'data/documents/0001"


def _missing(files):
    path = _document(files)
    return {name: content for name, content in files.items() if name != path}, f"missing: '{path}'"


def _missing_and_list_again(files):
    return list_again(_missing(files)[0]), "not as data/case.json tells: 'data/documents/0001"


def _extra(files):
    return files | {"data/extra.txt": b"more"}, "not in manifest-sha512.txt: data/extra.txt"


def _extra_and_list_again(files):
    return list_again(_extra(files)[0]), "not as data/case.json tells: 'data/extra.txt'"


def _extra_beside_data(files):
    return files | {"fetch.txt": b""}, "not in tagmanifest-sha512.txt: fetch.txt"


def _renamed(files):
    path = _document(files)
    return {(f"{path}x" if name == path else name): content for name, content in files.items()}, f"missing: '{path}'"


def _swapped_documents(files):
    first = _document(files)
    second = next(path for path in files if path.startswith("data/consents/") and path.endswith(".pdf"))
    return files | {first: files[second], second: files[first]}, "altered: data/consents/"


def _wrong_manifest(files):
    manifest = files["manifest-sha512.txt"]
    return files | {"manifest-sha512.txt": b"0" * 128 + manifest[128:]}, "altered: data/case.json"


def _double_line(files):
    manifest = files["manifest-sha512.txt"]
    line = manifest[: manifest.index(b"\n") + 1]
    return files | {"manifest-sha512.txt": line + manifest}, "malformed or double lines: manifest-sha512.txt"


def _wrong_tag_manifest(files):
    tags = files["tagmanifest-sha512.txt"]
    return files | {"tagmanifest-sha512.txt": b"0" * 128 + tags[128:]}, "altered: README.txt"


def _altered_readme(files):
    return files | {"README.txt": b"call this number"}, "altered: README.txt"


def _no_manifest(files):
    return {name: c for name, c in files.items() if name != "manifest-sha512.txt"}, "missing: manifest-sha512.txt"


def _wrong_oxum(files):
    info = files["bag-info.txt"].replace(b"Payload-Oxum: ", b"Payload-Oxum: 1")
    return list_again(files | {"bag-info.txt": info}), "Payload-Oxum in bag-info.txt is another"


def _older_bagit(files):
    older = files["bagit.txt"].replace(b"1.0", b"0.97")
    return list_again(files | {"bagit.txt": older}), "bagit.txt is not that of BagIt 1.0"


def _unreadable_case(files):
    return list_again(files | {"data/case.json": b"{"}), "unreadable: data/case.json"


def _case_of_another(files):
    case = msgspec.json.decode(files["data/case.json"])
    case["transfer"] = "00000000-0000-4000-8000-000000000000"
    return list_again(files | {"data/case.json": msgspec.json.encode(case)}), "is of another transfer or format"


FAULTS = [
    _flip, _flip_and_list_again, _missing, _missing_and_list_again, _extra, _extra_and_list_again, _extra_beside_data,
    _renamed, _swapped_documents, _wrong_manifest, _double_line, _wrong_tag_manifest, _altered_readme, _no_manifest,
    _wrong_oxum, _older_bagit, _unreadable_case, _case_of_another,
]  # fmt: skip


def _is_refused(made, tmp_path, told: str) -> None:
    """By the archive's receiving, and by its opening."""
    make_keys(tmp_path / "keys")
    key = load_signing_key(tmp_path / "keys" / SIGNING_FILE)
    with pytest.raises(ObjectTampered) as refused:
        receive_package(made.path("package"), made.path("label"), [IDENTITY], key, archive="a", received_by="A")
    assert told in " ".join([refused.value.detail, *refused.value.reasons])
    with pytest.raises(ObjectTampered):
        open_package(made.path("package"), [IDENTITY], into=tmp_path / "out", reason="test", opened_by="A",
                     journal=tmp_path / "journal.jsonl")  # fmt: skip
    assert not (tmp_path / "out").exists()


def test_packing_again_without_a_fault_is_received(tmp_path) -> None:
    case = make_case()
    made = send_tar(case, pack(str(case.facts.transfer), list_again(unpack(case.tar()))), tmp_path)
    assert check_package(made.path("package"), [IDENTITY], label=made.label)[0].transfer == case.facts.transfer


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__.strip("_"))
def test_p08_a_fault_in_the_bag_is_found(fault, tmp_path) -> None:
    case = make_case()
    files, told = fault(unpack(case.tar()))
    _is_refused(send_tar(case, pack(str(case.facts.transfer), files), tmp_path), tmp_path, told)


PATHS = ["../evil.txt", "data/../../evil.txt", "/etc/passwd", "~/evil", "data/~x", "data//x", "data/./x", "./x", "a\\b",
         "data/C:", "data/ä", "data/a b", "data/a\nb", "-rf", "data/-x", "data/.hidden", "data/x/", "a/b/c/d/e/f/g/h/i",
         "data/" + "x" * 200, "data/\x1b[31m"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_p08_a_path_that_could_escape_is_refused(path, tmp_path) -> None:
    with pytest.raises(ObjectTampered, match="a path that no package may hold"):
        require_safe_path(path)
    case = make_case()
    files = unpack(case.tar()) | {path: b"evil"}
    _is_refused(
        send_tar(case, pack(str(case.facts.transfer), files), tmp_path), tmp_path, "a path that no package may hold"
    )


KINDS = {
    "symlink": tarfile.SYMTYPE, "hardlink": tarfile.LNKTYPE, "folder": tarfile.DIRTYPE, "fifo": tarfile.FIFOTYPE,
    "device": tarfile.CHRTYPE, "block": tarfile.BLKTYPE, "sparse": tarfile.GNUTYPE_SPARSE, "old": tarfile.AREGTYPE,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_p08_what_is_no_regular_file_is_refused(kind, tmp_path) -> None:
    case = make_case()
    member = tarfile.TarInfo(f"{case.facts.transfer}/data/evil")
    member.type, member.linkname = KINDS[kind], "/etc/passwd" if "link" in kind else ""
    tar = pack(str(case.facts.transfer), unpack(case.tar()), extra=[member])
    _is_refused(send_tar(case, tar, tmp_path), tmp_path, "not a regular file in the tar")


@pytest.mark.parametrize("name", ["README.txt", "readme.TXT", "data/case.json", "Data/x", "data", "README.txt/x"])
def test_p08_two_files_of_one_name_are_refused(name, tmp_path) -> None:
    case = make_case()
    tar = pack(str(case.facts.transfer), unpack(case.tar()), extra=[tarfile.TarInfo(f"{case.facts.transfer}/{name}")])
    told = "not in tagmanifest-sha512.txt: Data/x" if name == "Data/x" else "two files of one name in the tar"
    _is_refused(send_tar(case, tar, tmp_path), tmp_path, told)


def test_p08_a_second_folder_is_refused(tmp_path) -> None:
    case = make_case()
    tar = pack(str(case.facts.transfer), unpack(case.tar()), extra=[tarfile.TarInfo("elsewhere/x")])
    _is_refused(send_tar(case, tar, tmp_path), tmp_path, "a file outside of the bag's own folder")


def test_p08_a_folder_that_is_not_the_transfer_is_refused(tmp_path) -> None:
    case = make_case()
    _is_refused(send_tar(case, pack("other", unpack(case.tar())), tmp_path), tmp_path, "not the transfer's id")


def test_p08_a_tar_cut_short_or_lengthened_is_refused(tmp_path) -> None:
    case = make_case()
    tar = case.tar()
    for wrong in (b"", tar[:-1], tar[:-512], tar[:-10240], tar[:5000], tar[:512], tar + b"x", tar + bytes(512),
                  tar + bytes(10240), tar + tar, tar[:-1] + b"x"):  # fmt: skip
        checker = BagChecker()
        with pytest.raises(ObjectTampered):
            for at in range(0, len(wrong), 999):
                checker.write(wrong[at : at + 999])
            checker.close()


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_p08_no_byte_of_the_tar_can_be_altered_unseen(data) -> None:
    """Apart from header fields that the archive neither reads nor keeps: mode, owner, times."""
    case = make_case()
    tar = bytearray(case.tar())
    at = data.draw(st.integers(0, len(tar) - 1))
    tar[at] ^= data.draw(st.integers(1, 255))
    checker = BagChecker()
    with pytest.raises(ObjectTampered):
        checker.write(bytes(tar))
        checker.close()


@pytest.mark.parametrize("how", ["flip", "cut", "cut-chunk", "lengthen", "empty", "header"])
def test_p08_a_damaged_encrypted_file_is_refused(how, tmp_path) -> None:
    made = send(make_case((random.Random(1).randbytes(200_000), "image/png")), tmp_path)
    whole = made.path("package").read_bytes()
    damaged = {
        "flip": whole[:100_000] + bytes([whole[100_000] ^ 1]) + whole[100_001:],
        "cut": whole[:-1],
        "cut-chunk": whole[: len(whole) - (len(whole) - len(whole) % 65552) % 65552],
        "lengthen": whole + b"x",
        "empty": b"",
        "header": b"age-encryption.org/v2" + whole[21:],
    }[how]
    if how == "cut-chunk":
        header = len(whole) - (made.totals.tar.size + 16 + 16 * -(-made.totals.tar.size // 65536))
        damaged = whole[: header + 16 + 65552]
    made.path("package").write_bytes(damaged)
    for label in (made.label, None):
        with pytest.raises(IntegrityBroken):
            check_package(made.path("package"), [IDENTITY], label=label)


def test_p08_swapped_packages_are_refused(tmp_path) -> None:
    one, two = send(make_case(), tmp_path), send(make_case(), tmp_path)
    content = one.path("package").read_bytes()
    one.path("package").write_bytes(two.path("package").read_bytes())
    two.path("package").write_bytes(content)
    for made in (one, two):
        with pytest.raises(ObjectTampered, match="not the one that the label tells of: transfer, package, tar"):
            check_package(made.path("package"), [IDENTITY], label=made.label)


@pytest.mark.parametrize("name", ["transfer", "files", "payload_bytes", "tar", "package"])
def test_p08_a_label_that_tells_of_something_else_is_refused(name, tmp_path) -> None:
    made, other = send(make_case(), tmp_path), send(make_case((b"more bytes", "text/plain")), tmp_path)
    value = 77 if name == "files" else getattr(other.label, name)
    label = msgspec.structs.replace(made.label, **{name: value})
    made.path("label").write_bytes(encode_label(label))
    with pytest.raises(ObjectTampered, match=f"tells of: {name}$"):
        check_package(made.path("package"), [IDENTITY], label=label)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"format":"x"}', b" " * 100_000])
def test_what_is_no_label_is_refused(content, tmp_path) -> None:
    made = send(make_case(), tmp_path)
    made.path("label").write_bytes(content)
    make_keys(tmp_path / "keys")
    with pytest.raises(InvalidInput):
        receive_package(made.path("package"), made.path("label"), [IDENTITY],
                        load_signing_key(tmp_path / "keys" / SIGNING_FILE), archive="a", received_by="A")  # fmt: skip


def test_a_package_that_changes_between_check_and_extraction_leaves_nothing(tmp_path, monkeypatch) -> None:
    import vault.archive.opening as opening

    case = make_case()
    made = send(case, tmp_path)
    files = unpack(case.tar())
    path = next(path for path in files if path.startswith(DOCUMENT) and ".about." not in path)
    other = send_tar(case, pack(str(case.facts.transfer), list_again(files | {path: b"two"})), tmp_path / "..")
    real, calls = opening.check_package, []

    def check(package, identities, *, label, beside=None):
        calls.append(package)
        return real(other.path("package") if len(calls) == 2 else package, identities, label=label, beside=beside)

    monkeypatch.setattr(opening, "check_package", check)
    with pytest.raises(ObjectTampered, match="changed while it was opened"):
        open_package(made.path("package"), [IDENTITY], into=tmp_path / "out", reason="test", opened_by="A",
                     journal=tmp_path / "journal.jsonl")  # fmt: skip
    assert list((tmp_path / "out").iterdir()) == []
