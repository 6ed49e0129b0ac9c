"""The keyring of files: chains of keys, fields and rotation."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from vault.adapters.keyring import files
from vault.adapters.keyring.file import FileKeyring
from vault.errors import InvalidInput, InvariantViolated, KeyUnopenable
from vault.model import Act, Clearance, EntryId, KeyKind, WrappedKey
from vault.oauth.tokens import IssuerKeys
from vault.ports import Keyring

CASE, CLIENT, DOCUMENT = (f"0195f3a0-0000-7000-8000-00000000000{n}" for n in (1, 2, 3))
CONTEXT = f"document.about|{DOCUMENT}"


def clearance(*keys: WrappedKey) -> Clearance:
    return Clearance(
        entry=EntryId(uuid.UUID(int=1)),
        at=dt.datetime(2026, 3, 2, tzinfo=dt.UTC),
        leaf=bytes(32),
        act=Act.OPEN,
        basis="consent",
        consent=None,
        provision=None,
        facts={},
        keys=keys,
    )


def chain(ring: Keyring) -> tuple[WrappedKey, WrappedKey, WrappedKey]:
    """A new epoch, case and document key, as a first filing makes them."""
    empty = clearance()
    epoch = ring.create(empty, KeyKind.EPOCH, "2026-03")
    case = ring.create(empty, KeyKind.CASE, CASE, parent=epoch.name, beside=[epoch])
    document = ring.create(empty, KeyKind.DOCUMENT, DOCUMENT, parent=case.name, beside=[epoch, case])
    return epoch, case, document


# ------------------------------------------------------------------------------------------------ chains


def test_a_document_key_opens_through_its_chain(ring: FileKeyring) -> None:
    epoch, case, document = chain(ring)
    assert epoch.parent == ring.current_root
    assert (case.parent, document.parent) == ("epoch:2026-03", f"case:{CASE}")
    key = ring.document_key(clearance(), DOCUMENT, beside=[epoch, case, document])
    assert len(key) == 32
    assert ring.document_key(clearance(document, epoch, case), DOCUMENT) == key
    assert ring.document_key(clearance(epoch, document), DOCUMENT, beside=[case]) == key


def test_every_key_is_new(ring: FileKeyring) -> None:
    first, second = chain(ring), chain(ring)
    assert ring.document_key(clearance(*first), DOCUMENT) != ring.document_key(clearance(*second), DOCUMENT)
    assert all(a.wrapped != b.wrapped for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_chain_with_a_gap_does_not_open(ring: FileKeyring, missing: int) -> None:
    keys = list(chain(ring))
    del keys[missing]
    with pytest.raises(KeyUnopenable):
        ring.document_key(clearance(*keys), DOCUMENT)


def test_a_cycle_does_not_open(ring: FileKeyring) -> None:
    epoch, case, document = chain(ring)
    looped = msgspec.structs.replace(epoch, parent=document.name)
    with pytest.raises(KeyUnopenable):
        ring.document_key(clearance(looped, case, document), DOCUMENT)
    own = msgspec.structs.replace(document, parent=document.name)
    with pytest.raises(KeyUnopenable):
        ring.document_key(clearance(own), DOCUMENT)


def test_a_key_does_not_open_under_another_name(ring: FileKeyring) -> None:
    epoch, case, document = chain(ring)
    other = msgspec.structs.replace(document, subject=CLIENT)
    with pytest.raises(KeyUnopenable):
        ring.document_key(clearance(epoch, case, other), CLIENT)
    as_document = msgspec.structs.replace(case, kind=KeyKind.DOCUMENT)
    with pytest.raises(KeyUnopenable):
        ring.document_key(clearance(epoch, as_document), CASE)


def test_the_keys_of_one_keyring_do_not_open_in_another(ring: FileKeyring, tmp_path: Path) -> None:
    other = FileKeyring.create_new(tmp_path / "other")
    with pytest.raises(KeyUnopenable):
        other.document_key(clearance(*chain(ring)), DOCUMENT)
    with pytest.raises(KeyUnopenable):
        other.open_own("assertion|1", ring.seal_own("assertion|1", b"text"))


@pytest.mark.parametrize("root", ["root:", "root:00000000", "root:../../etc", "root:current", "nothing"])
def test_a_parent_that_is_not_there(ring: FileKeyring, root: str) -> None:
    with pytest.raises(KeyUnopenable):
        ring.create(clearance(), KeyKind.EPOCH, "2026-03", parent=root)


# ------------------------------------------------------------------------------------------------ fields and lookup


def test_fields_open_with_their_key_and_context_only(ring: FileKeyring) -> None:
    epoch, case, _ = chain(ring)
    door = clearance(epoch, case)
    sealed = ring.seal(door, case.name, CONTEXT, b"Kuntoutuspalaute")
    assert sealed[:1] == b"\x01"
    assert b"Kuntoutus" not in sealed
    assert ring.open(door, case.name, CONTEXT, sealed) == b"Kuntoutuspalaute"
    assert ring.open(clearance(), case.name, CONTEXT, sealed, beside=[epoch, case]) == b"Kuntoutuspalaute"
    with pytest.raises(KeyUnopenable):
        ring.open(door, case.name, f"document.about|{CASE}", sealed)
    with pytest.raises(KeyUnopenable):
        ring.open(door, epoch.name, CONTEXT, sealed)
    with pytest.raises(KeyUnopenable):
        ring.open(clearance(case), case.name, CONTEXT, sealed)


def test_two_seals_of_the_same_text_differ(ring: FileKeyring) -> None:
    door = clearance(*chain(ring))
    assert len({ring.seal(door, f"case:{CASE}", CONTEXT, b"text") for _ in range(50)}) == 50
    assert len({ring.seal_own("assertion|1", b"text") for _ in range(50)}) == 50


def test_own_fields(ring: FileKeyring) -> None:
    sealed = ring.seal_own("professional.name|1", b"Olli Hoitaja")
    assert sealed[1:5].hex() == ring.own_root != ring.current_root.removeprefix("root:")
    assert ring.open_own("professional.name|1", sealed).decode() == "Olli Hoitaja"
    with pytest.raises(KeyUnopenable):
        ring.open_own("professional.name|2", sealed)
    with pytest.raises(KeyUnopenable):
        ring.open_own("professional.name|1", b"\x01" + bytes(4) + sealed[5:])


def test_lookup_finds_the_same_and_keeps_apart_what_differs(ring: FileKeyring) -> None:
    door = clearance(ring.create(clearance(), KeyKind.LOOKUP, "lookup"))
    found = ring.lookup(door, "personal-identity-code", "010190-999P")
    assert len(found) == 32
    assert ring.lookup(door, "personal-identity-code", "010190-999P") == found
    assert ring.lookup(door, "personal-identity-code", "010190-998N") != found
    assert ring.lookup(door, "another", "010190-999P") != found
    other = clearance(ring.create(clearance(), KeyKind.LOOKUP, "lookup"))
    assert ring.lookup(other, "personal-identity-code", "010190-999P") != found
    with pytest.raises(KeyUnopenable):
        ring.lookup(clearance(), "personal-identity-code", "010190-999P")
    with pytest.raises(InvariantViolated):
        ring.lookup(door, "a|b", "text")


# ------------------------------------------------------------------------------------------------ rotation


def test_rewrapping_keeps_the_key(ring: FileKeyring) -> None:
    epoch, case, document = chain(ring)
    key = ring.document_key(clearance(epoch, case, document), DOCUMENT)
    door = clearance(epoch, case)
    april = ring.create(door, KeyKind.EPOCH, "2026-04")
    moved = ring.rewrap(door, case, parent=april.name, beside=[april])
    assert (moved.name, moved.parent) == (case.name, "epoch:2026-04")
    assert ring.document_key(clearance(april, moved, document), DOCUMENT) == key
    # Without the new epoch key nothing opens, though the old one is still there.
    with pytest.raises(KeyUnopenable):
        ring.document_key(clearance(epoch, moved, document), DOCUMENT)


def test_a_new_root_takes_over(ring: FileKeyring, tmp_path: Path) -> None:
    epoch, case, document = chain(ring)
    sealed = ring.seal_own("assertion|1", b"text")
    key = ring.document_key(clearance(epoch, case, document), DOCUMENT)
    old = ring.current_root
    assert ring.new_root() == ring.current_root.removeprefix("root:")
    assert ring.current_root != old
    assert len(ring.root_ids()) == 3
    moved = ring.rewrap(clearance(epoch), epoch)
    assert (epoch.parent, moved.parent) == (old, ring.current_root)
    for opener in (ring, FileKeyring(tmp_path / "keyring")):
        assert opener.document_key(clearance(moved, case, document), DOCUMENT) == key
        assert opener.document_key(clearance(epoch, case, document), DOCUMENT) == key
        assert opener.open_own("assertion|1", sealed) == b"text"


def test_a_root_added_by_another_process_is_found(ring: FileKeyring, tmp_path: Path) -> None:
    other = FileKeyring(tmp_path / "keyring")
    other.new_root()
    assert ring.open_own("assertion|1", other.seal_own("assertion|1", b"text")) == b"text"
    assert ring.current_root == other.current_root


def test_without_its_root_key_nothing_opens(ring: FileKeyring, tmp_path: Path) -> None:
    """What shredding rests on: re-wrap what survives, then destroy the old key."""
    keys = chain(ring)
    old = ring.current_root.removeprefix("root:")
    ring.new_root()
    (tmp_path / "keyring" / f"root-{old}.key").unlink()
    with pytest.raises(KeyUnopenable):
        FileKeyring(tmp_path / "keyring").document_key(clearance(*keys), DOCUMENT)


def test_a_root_that_was_destroyed_is_gone_and_one_in_use_stays(ring: FileKeyring, tmp_path: Path) -> None:
    keys, own = chain(ring), ring.seal_own("assertion|1", b"text")
    old = ring.current_root.removeprefix("root:")
    assert not ring.destroy_root(old)
    ring.new_root()
    assert not ring.destroy_root(ring.own_root)
    assert ring.destroy_root(old)
    assert ring.destroy_root(old)
    assert not (tmp_path / "keyring" / f"root-{old}.key").exists()
    for opener in (ring, FileKeyring(tmp_path / "keyring")):
        with pytest.raises(KeyUnopenable):
            opener.document_key(clearance(*keys), DOCUMENT)
        assert opener.open_own("assertion|1", own) == b"text"


def test_a_keyring_with_one_root_for_both_keeps_it_for_what_it_sealed(ring: FileKeyring, tmp_path: Path) -> None:
    """As keyrings were made before: the pointer appears at the first rotation."""
    directory = tmp_path / "keyring"
    (directory / "own").unlink()
    old = FileKeyring(directory)
    sealed = old.seal_own("assertion|1", b"text")
    assert old.own_root == old.current_root.removeprefix("root:")
    old.new_root()
    assert not old.destroy_root(sealed[1:5].hex())
    assert FileKeyring(directory).open_own("assertion|1", sealed) == b"text"


def test_a_root_of_another_process_wraps_from_now_on(ring: FileKeyring, tmp_path: Path) -> None:
    FileKeyring(tmp_path / "keyring").new_root()
    assert ring.create(clearance(), KeyKind.EPOCH, "2026-05").parent == FileKeyring(tmp_path / "keyring").current_root


# ------------------------------------------------------------------------------------------------ signing keys


def test_promises_are_signed_with_the_published_key(ring: FileKeyring, tmp_path: Path) -> None:
    kid, signature = ring.sign_promise(b"message")
    published, public = ring.promise_public()
    assert kid == published
    Ed25519PublicKey.from_public_bytes(public).verify(signature, b"message")
    assert FileKeyring(tmp_path / "keyring").promise_public() == (published, public)


def test_the_newest_issuer_key_signs_and_the_older_stay(ring: FileKeyring, tmp_path: Path) -> None:
    (first, _), *others = ring.issuer_keys()
    assert others == []
    second = ring.new_issuer_key()
    third = ring.new_issuer_key()
    assert [kid for kid, _ in ring.issuer_keys()] == [third, second, first]
    # Also after the files were copied in another order, as a restore does.
    for kid in (third, first, second):
        os.utime(tmp_path / "keyring" / f"issuer-{kid}.key")
    assert [kid for kid, _ in FileKeyring(tmp_path / "keyring").issuer_keys()] == [third, second, first]


def test_an_issuer_key_of_another_process_is_found_and_an_ended_one_is_gone(ring: FileKeyring, tmp_path: Path) -> None:
    other = FileKeyring(tmp_path / "keyring")
    [(first, _)] = ring.issuer_keys()
    second = other.new_issuer_key()
    assert [kid for kid, _ in ring.issuer_keys()] == [second, first]
    for wrong in (second, "nothing", "../current"):
        with pytest.raises(InvalidInput):
            other.end_issuer_key(wrong)
    other.end_issuer_key(first)
    assert [kid for kid, _ in ring.issuer_keys()] == [second]
    assert not [path for path in (tmp_path / "keyring").iterdir() if first in path.name or path.name.startswith(".")]


def test_a_new_issuer_key_is_published_first_and_signs_when_its_time_has_come(
    ring: FileKeyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica whose copy of the keyring is behind until then refuses no token."""
    behind = tmp_path / "behind"
    shutil.copytree(tmp_path / "keyring", behind)
    replica = FileKeyring(behind)
    [(first, _)] = ring.issuer_keys()
    second = ring.new_issuer_key(dt.timedelta(hours=1))
    at = dt.datetime.now(dt.UTC)
    for later, signer in ((dt.timedelta(minutes=59), first), (dt.timedelta(minutes=61), second)):
        monkeypatch.setattr(files, "now", lambda moment=at + later: moment)
        assert next(kid for kid, _ in ring.issuer_keys()) == signer
        assert {kid for kid, _ in ring.issuer_keys()} == {first, second}
        ours, theirs = (IssuerKeys([key for _, key in one.issuer_keys()]) for one in (ring, replica))
        assert theirs.verify(ours.sign(b"{}")) == b"{}"
        with pytest.raises(InvalidInput):
            ring.end_issuer_key(signer)
        shutil.copy2(tmp_path / "keyring" / f"issuer-{second}.key", behind)
    ring.end_issuer_key(first)
    assert [kid for kid, _ in ring.issuer_keys()] == [second]


def test_several_threads_at_once(ring: FileKeyring) -> None:
    door = clearance(*chain(ring))
    expected = ring.document_key(door, DOCUMENT)
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: ring.document_key(door, DOCUMENT), range(400)))
    assert keys == {expected}


def test_a_root_key_written_by_the_spec_is_read(ring: FileKeyring, tmp_path: Path) -> None:
    """A recovery copy typed in by hand: docs/spec/keys.md §6 and §8."""
    file = tmp_path / "keyring" / "root-589e8734.key"
    file.write_text("vault-root-key/v1 589e8734\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n")
    file.chmod(0o600)
    assert "589e8734" in FileKeyring(tmp_path / "keyring").root_ids()
