"""The directory of a keyring of files: who may read it, how it is made, and what is said of a damaged one."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from vault.adapters.keyring.file import FileKeyring, open_keyring
from vault.errors import KeyringUnavailable


def test_everything_is_for_the_owner_alone(ring: FileKeyring, tmp_path: Path) -> None:
    directory = tmp_path / "keyring"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    files = sorted(directory.iterdir())
    assert {f.name.split("-")[0] for f in files} == {"current", "own", "issuer", "log.key", "promise.key", "root"}
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
    assert sorted(tmp_path.iterdir()) == [directory]
    assert ring.root_ids() == sorted((directory / role).read_text().strip() for role in ("current", "own"))


def test_a_loose_umask_changes_nothing(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        FileKeyring.create_new(tmp_path / "keyring").new_root()
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(f.stat().st_mode) for f in (tmp_path / "keyring").iterdir()}
    assert modes == {0o600}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
@pytest.mark.parametrize("which", ["current", "promise.key", "log.key", "root-*", "issuer-*"])
def test_a_file_that_others_can_use_is_refused(ring: FileKeyring, tmp_path: Path, which: str, mode: int) -> None:
    directory = tmp_path / "keyring"
    file = next(directory.glob(which))
    file.chmod(mode)
    with pytest.raises(KeyringUnavailable) as caught:
        FileKeyring(directory)
    assert str(caught.value) == f"{file} has mode {mode:04o}, others could use it; run: chmod 600 {file}"


def test_a_directory_that_others_can_enter_is_refused(ring: FileKeyring, tmp_path: Path) -> None:
    directory = tmp_path / "keyring"
    directory.chmod(0o750)
    with pytest.raises(KeyringUnavailable, match=r"has mode 0750.*chmod 700"):
        FileKeyring(directory)


def test_a_file_of_another_owner_is_refused(ring: FileKeyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uid = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
    with pytest.raises(KeyringUnavailable, match=f"belongs to uid {uid}, the vault runs as uid {uid + 1}"):
        FileKeyring(tmp_path / "keyring")


def test_an_existing_keyring_is_never_overwritten(ring: FileKeyring, tmp_path: Path) -> None:
    directory = tmp_path / "keyring"
    before = {f.name: f.read_bytes() for f in directory.iterdir()}
    with pytest.raises(KeyringUnavailable, match="cannot be made"):
        FileKeyring.create_new(directory)
    assert {f.name: f.read_bytes() for f in directory.iterdir()} == before
    assert sorted(tmp_path.iterdir()) == [directory]


def test_a_keyring_may_be_made_in_an_empty_directory(tmp_path: Path) -> None:
    (tmp_path / "keyring").mkdir(mode=0o755)
    FileKeyring.create_new(tmp_path / "keyring")
    assert stat.S_IMODE((tmp_path / "keyring").stat().st_mode) == 0o700


def test_a_failed_creation_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyringUnavailable, match="No space left"):
        FileKeyring.create_new(tmp_path / "keyring")
    assert list(tmp_path.iterdir()) == []


def swap_roots(directory: Path) -> None:
    root_id = "00000000"
    next(directory.glob("root-*")).rename(directory / f"root-{root_id}.key")
    (directory / "current").write_text(root_id)


def mistype_root(directory: Path) -> None:
    file = next(directory.glob("root-*"))
    header, key = file.read_text().split("\n", 1)
    file.write_text(f"{header}\n{'B' if key[0] == 'A' else 'A'}{key[1:]}")


def other_algorithm(directory: Path) -> None:
    key = generate_private_key(SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / "promise.key").write_bytes(pem)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda d: (d / "promise.key").unlink(), "promise.key: No such file"),
        (lambda d: (d / "promise.key").write_text("junk"), "promise.key is no Ed25519"),
        (other_algorithm, "promise.key is no Ed25519"),
        (lambda d: (d / "current").unlink(), "current: No such file"),
        (lambda d: (d / "current").write_text("01020304\n"), "current names no root key"),
        (lambda d: next(d.glob("issuer-*")).unlink(), "holds no issuer key"),
        (lambda d: next(d.glob("root-*")).write_text("junk"), "is not the root key that its name says"),
        (mistype_root, "is not the root key that its name says"),
        (swap_roots, "is not the root key that its name says"),
    ],
)
def test_a_damaged_keyring_says_what_is_wrong(
    ring: FileKeyring, tmp_path: Path, damage: Callable[[Path], object], said: str
) -> None:
    damage(tmp_path / "keyring")
    with pytest.raises(KeyringUnavailable, match=said):
        FileKeyring(tmp_path / "keyring")


def test_no_keyring_at_all(tmp_path: Path) -> None:
    with pytest.raises(KeyringUnavailable, match="vault key create"):
        open_keyring(tmp_path / "keyring")
    FileKeyring.create_new(tmp_path / "keyring")
    assert open_keyring(tmp_path / "keyring").root_ids()
