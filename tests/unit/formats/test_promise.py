"""The header Vault-Log-Entry: read back as written, and true only with the right key."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import IntegrityBroken, InvalidInput, InvariantViolated
from vault.formats.promise import encode_promise, parse_promise, promise_message, verify_promise
from vault.model import EntryId

ENTRY = EntryId(uuid.UUID("0195f3a0-0000-7000-8000-00000000000e"))
LEAF = bytes(range(32))
AT = dt.datetime(2026, 3, 2, 10, 11, 12, 345, tzinfo=dt.UTC)
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = SIGNER.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def header() -> str:
    return encode_promise(ENTRY, LEAF, AT, "key-1", SIGNER.sign(promise_message(ENTRY, LEAF, AT)))


def test_the_message_is_what_the_spec_says() -> None:
    assert promise_message(ENTRY, LEAF, AT) == (
        b"vault/log-entry-promise/v1\n0195f3a0-0000-7000-8000-00000000000e\n"
        b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n2026-03-02T10:11:12.000345Z\n"
    )


def test_the_header_is_what_the_spec_says() -> None:
    assert header().startswith(
        '0195f3a0-0000-7000-8000-00000000000e; leaf="AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";'
        ' at="2026-03-02T10:11:12.000345Z"; key="key-1"; sig="'
    )


def test_it_is_read_back_and_verifies() -> None:
    promise = parse_promise(header())
    assert (promise.entry, promise.leaf, promise.at, promise.key) == (ENTRY, LEAF, AT, "key-1")
    verify_promise(header(), PUBLIC)


@given(st.datetimes(timezones=st.just(dt.UTC)), st.binary(min_size=32, max_size=32), st.uuids())
def test_any_promise_is_read_back(at: dt.datetime, leaf: bytes, entry: uuid.UUID) -> None:
    signature = SIGNER.sign(promise_message(EntryId(entry), leaf, at))
    value = encode_promise(EntryId(entry), leaf, at, "k", signature)
    promise = parse_promise(value)
    assert (promise.entry, promise.leaf, promise.at, promise.signature) == (entry, leaf, at, signature)
    verify_promise(value, PUBLIC)


def test_another_zone_is_the_same_promise() -> None:
    helsinki = dt.timezone(dt.timedelta(hours=2))
    assert promise_message(ENTRY, LEAF, AT.astimezone(helsinki)) == promise_message(ENTRY, LEAF, AT)


@pytest.mark.parametrize(
    ("old", "new"),
    [("00e;", "00f;"), ("AAEC", "AAED"), (".000345Z", ".000346Z"), ('sig="', 'sig="A')],
    ids=["entry", "leaf", "time", "signature"],
)
def test_a_changed_promise_is_not_true(old: str, new: str) -> None:
    with pytest.raises((IntegrityBroken, InvalidInput)):
        verify_promise(header().replace(old, new, 1), PUBLIC)


def test_another_key_does_not_verify() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\x01").public_key()
    with pytest.raises(IntegrityBroken):
        verify_promise(header(), other.public_bytes(Encoding.Raw, PublicFormat.Raw))
    with pytest.raises(IntegrityBroken):
        verify_promise(header(), b"no key")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("; leaf", ";leaf"),
        ("0195f3a0", "0195F3A0"),
        ("10:11:12", "10:61:12"),
        (".000345Z", "Z"),
        (".000345Z", ".000345+00:00"),
        ('Hh8"', 'Hh9"'),
        ('key="key-1"', 'key="a b"'),
        ("0195f3a0", "\n0195f3a0"),
    ],
)
def test_there_is_one_spelling(old: str, new: str) -> None:
    assert old in header()
    with pytest.raises(InvalidInput):
        parse_promise(header().replace(old, new, 1))
    with pytest.raises(InvalidInput):
        parse_promise(header() + "\n")


def test_wrong_shapes_are_our_own_bug() -> None:
    with pytest.raises(InvariantViolated):
        promise_message(ENTRY, b"short", AT)
    with pytest.raises(InvariantViolated):
        promise_message(ENTRY, LEAF, AT.replace(tzinfo=None))
    with pytest.raises(InvariantViolated):
        encode_promise(ENTRY, LEAF, AT, 'quote"', bytes(64))
    with pytest.raises(InvariantViolated):
        encode_promise(ENTRY, LEAF, AT, "key-1", b"short")
