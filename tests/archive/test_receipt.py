"""The archive's receipt: it stands for exactly what was sent, or says what does not match."""

from __future__ import annotations

import base64
import json

import msgspec
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey

from tests.archive.making import IDENTITY, make_case, send
from vault.archive.keys import IDENTITY_FILE, PUBLIC_FILE, SIGNING_FILE, load_identities, load_signing_key, make_keys
from vault.archive.receive import receive_package
from vault.errors import Conflict, InvalidInput, SettingsWrong
from vault.formats.ageformat import Digest, recipient_of
from vault.formats.canonical import encode_canonical
from vault.formats.receipt import (
    FORMAT,
    REQUIRED_CHECKS,
    TYPE,
    Expected,
    load_public_keys,
    parse_receipt,
    sign_receipt,
    verify_receipt,
)


@pytest.fixture
def key(tmp_path):
    make_keys(tmp_path / "keys")
    return load_signing_key(tmp_path / "keys" / SIGNING_FILE)


@pytest.fixture
def keys(tmp_path, key):
    return load_public_keys(json.loads((tmp_path / "keys" / PUBLIC_FILE).read_text()))


@pytest.fixture
def sent(tmp_path, key):
    """What was sent, the receipt, and its JWS."""
    made = send(make_case(), tmp_path)
    expected = Expected(
        transfer=made.facts.transfer,
        archive="arkisto",
        package=made.package,
        tar=made.totals.tar,
        files=made.totals.files,
        payload_bytes=made.totals.payload_bytes,
    )
    receipt, signed = receive_package(
        made.path("package"), made.path("label"), [IDENTITY], key, archive="arkisto", received_by="arkistonhoitaja-1"
    )
    return expected, receipt, signed


def test_p08_a_receipt_for_what_was_sent_is_good(sent, keys) -> None:
    expected, receipt, signed = sent
    verify_receipt(signed, keys, expected)
    assert parse_receipt(signed, keys) == receipt
    assert receipt.checks == REQUIRED_CHECKS
    assert receipt.received_by == "arkistonhoitaja-1"
    assert receipt.format == FORMAT


def test_the_receipt_is_a_plain_jws(sent, key) -> None:
    """Verified without this project's code."""
    _, _, signed = sent
    head, payload, signature = signed.split(".")
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {"alg": "EdDSA", "typ": TYPE, "kid": key.thumbprint()}
    key.public_key.verify(base64.urlsafe_b64decode(signature + "=="), f"{head}.{payload}".encode())


@pytest.mark.parametrize("name", ["transfer", "archive", "package", "tar", "files", "payload_bytes"])
def test_p08_a_receipt_for_something_else_is_refused_and_says_what(name, sent, keys) -> None:
    expected, _, signed = sent
    others = {"transfer": "00000000-0000-4000-8000-000000000000", "archive": "another", "files": 3, "payload_bytes": 4}
    other = others.get(name, Digest(expected.tar.size, "0" * 64))
    with pytest.raises(InvalidInput, match=f"than what was sent: {name};") as refused:
        verify_receipt(signed, keys, msgspec.structs.replace(expected, **{name: other}))
    assert (refused.value.narrow, refused.value.field) == ("receipt-mismatch", name)


def test_p08_a_receipt_that_skipped_a_check_is_refused(sent, key, keys) -> None:
    expected, receipt, _ = sent
    for missing in REQUIRED_CHECKS:
        checks = tuple(check for check in receipt.checks if check != missing)
        with pytest.raises(InvalidInput, match="checks"):
            verify_receipt(sign_receipt(msgspec.structs.replace(receipt, checks=checks), key), keys, expected)


def test_p08_a_receipt_of_another_hand_is_refused(sent, keys, key) -> None:
    expected, receipt, signed = sent
    stranger = OKPKey.generate_key("Ed25519")
    body = encode_canonical(msgspec.to_builtins(receipt))
    head = {"alg": "EdDSA", "typ": TYPE, "kid": key.thumbprint()}
    first, payload, signature = signed.split(".")
    public = key.as_dict(private=False)["x"]
    none = base64.urlsafe_b64encode(json.dumps(head | {"alg": "none"}).encode()).rstrip(b"=").decode()
    wrong = [
        sign_receipt(receipt, stranger),
        f"{first}.{payload}.{'A' * 86}",
        f"{none}.{payload}.",
        f"{none}.{payload}.{signature}",
        jws.serialize_compact(head | {"alg": "HS256"}, body, OctKey.import_key(public), algorithms=["HS256"]),
        jws.serialize_compact(head | {"alg": "ES256"}, body, ECKey.generate_key("P-256"), algorithms=["ES256"]),
        jws.serialize_compact(head | {"alg": "Ed25519", "typ": "JWT"}, body, key, algorithms=["Ed25519"]),
        jws.serialize_compact(head | {"alg": "Ed25519"}, b"{}", key, algorithms=["Ed25519"]),
        "", ".", "..", "a.b.c", "ä.b.c", signed + "x", "x" * 100_000, f"{first}.{payload}", signed[:-4] + "AAAA",
    ]  # fmt: skip
    for text in wrong:
        with pytest.raises(InvalidInput) as refused:
            verify_receipt(text, keys, expected)
        assert refused.value.narrow == "receipt-invalid"


def test_only_public_ed25519_keys_are_taken(key) -> None:
    for wrong in (None, {}, [], {"keys": []}, "x", key.as_dict(private=True), ECKey.generate_key("P-256").as_dict(),
                  {"keys": ["x"]}, OKPKey.generate_key("X25519").as_dict(private=False)):  # fmt: skip
        with pytest.raises(SettingsWrong):
            load_public_keys(wrong)


def test_keys_are_private_and_never_overwritten(tmp_path) -> None:
    made = make_keys(tmp_path / "mine")
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "mine").iterdir()} == {0o600}
    [identity] = load_identities([tmp_path / "mine" / IDENTITY_FILE])
    assert recipient_of(identity) == made.recipient
    before = {path: path.read_bytes() for path in (tmp_path / "mine").iterdir()}
    with pytest.raises(Conflict):
        make_keys(tmp_path / "mine")
    assert {path: path.read_bytes() for path in (tmp_path / "mine").iterdir()} == before
    assert b"PRIVATE" not in before[tmp_path / "mine" / PUBLIC_FILE]
    assert b'"d"' not in before[tmp_path / "mine" / PUBLIC_FILE]


def test_keys_that_others_could_read_are_not_used(tmp_path) -> None:
    make_keys(tmp_path / "mine")
    for name, load in ((IDENTITY_FILE, lambda path: load_identities([path])), (SIGNING_FILE, load_signing_key)):
        (tmp_path / "mine" / name).chmod(0o640)
        with pytest.raises(SettingsWrong, match="others could use it"):
            load(tmp_path / "mine" / name)


@pytest.mark.parametrize("content", ["", "# only words\n", "AGE-SECRET-KEY-1XYZ\n", "-----BEGIN PRIVATE KEY-----"])
def test_a_malformed_key_file_is_refused_without_being_repeated(content, tmp_path) -> None:
    path = tmp_path / "key"
    path.write_text(content)
    path.chmod(0o600)
    for load in (lambda: load_identities([path]), lambda: load_signing_key(path)):
        with pytest.raises(SettingsWrong) as refused:
            load()
        assert "XYZ" not in str(refused.value)
