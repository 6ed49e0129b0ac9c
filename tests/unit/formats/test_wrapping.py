"""Wrapped keys and sealed fields: they open in their own place only, and fail in one way only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import InvariantViolated, KeyUnopenable
from vault.formats import wrapping
from vault.model import KeyKind

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "keys.json").read_text())
PARENT = bytes(range(32))
KEY = bytes(range(100, 132))
NONCE = bytes(12)
ROOT_ID = b"\x01\x02\x03\x04"
CONTEXT = "document.about|0195f3a0-0000-7000-8000-000000000002"


def wrap(**changes: Any) -> bytes:
    about: dict[str, Any] = {"kind": KeyKind.CASE, "subject": "a-case", "parent": "epoch:2026-03", "nonce": NONCE}
    return wrapping.wrap_key(PARENT, KEY, **(about | changes))


def unwrap(wrapped: bytes, parent_key: bytes = PARENT, **changes: Any) -> bytes:
    about: dict[str, Any] = {"kind": KeyKind.CASE, "subject": "a-case", "parent": "epoch:2026-03"}
    return wrapping.unwrap_key(parent_key, wrapped, **(about | changes))


def test_the_worked_examples_of_the_spec() -> None:
    key, field, own = VECTORS["wrapped_key"], VECTORS["sealed_field"], VECTORS["own_sealed_field"]
    wrapped = wrapping.wrap_key(
        bytes.fromhex(key["parent_key"]),
        bytes.fromhex(key["key"]),
        kind=KeyKind(key["kind"]),
        subject=key["subject"],
        parent=key["parent"],
        nonce=bytes.fromhex(key["nonce"]),
    )
    assert wrapped.hex() == key["wrapped"]
    nonce = bytes.fromhex(field["nonce"])
    parent = bytes.fromhex(field["parent_key"])
    sealed = wrapping.seal_field(parent, field["context"], field["plaintext"].encode(), nonce=nonce)
    assert sealed.hex() == field["sealed"]
    root = bytes.fromhex(own["root_key"])
    root_id = bytes.fromhex(own["root_id"])
    sealed = wrapping.seal_own_field(root, root_id, own["context"], own["plaintext"].encode(), nonce=nonce)
    assert sealed.hex() == own["sealed"]


def test_a_wrapped_key_has_61_bytes_and_opens() -> None:
    wrapped = wrap()
    assert len(wrapped) == wrapping.WRAPPED_KEY_SIZE == 61
    assert wrapped[:13] == b"\x01" + NONCE
    assert unwrap(wrapped) == KEY


@pytest.mark.parametrize(
    "changes", [{"kind": KeyKind.DOCUMENT}, {"subject": "another"}, {"parent": "epoch:2026-04"}, {"parent": "root:0a"}]
)
def test_a_wrapped_key_opens_nowhere_else(changes: dict[str, Any]) -> None:
    with pytest.raises(KeyUnopenable):
        unwrap(wrap(), **changes)


def test_a_wrapped_key_needs_its_parent() -> None:
    with pytest.raises(KeyUnopenable):
        unwrap(wrap(), parent_key=KEY)


@given(st.integers(0, 60), st.integers(1, 255))
def test_any_flipped_byte_of_a_wrapped_key_is_found(place: int, flip: int) -> None:
    wrapped = bytearray(wrap())
    wrapped[place] ^= flip
    with pytest.raises(KeyUnopenable):
        unwrap(bytes(wrapped))


@given(st.binary(max_size=130))
def test_anything_else_is_no_wrapped_key_and_no_field(junk: bytes) -> None:
    with pytest.raises(KeyUnopenable):
        unwrap(junk)
    with pytest.raises(KeyUnopenable):
        wrapping.open_field(PARENT, CONTEXT, junk)
    with pytest.raises(KeyUnopenable):
        wrapping.open_own_field(PARENT, CONTEXT, junk)


def test_all_failures_look_alike() -> None:
    """No oracle: neither class nor message tells what was wrong."""
    wrapped = wrap()
    wrong = [b"", wrapped[:-1], b"\x02" + wrapped[1:], wrapped[:-1] + b"\x00", wrapped + b"\x00"]
    said = set()
    for value in wrong:
        with pytest.raises(KeyUnopenable) as caught:
            unwrap(value)
        said.add((type(caught.value), str(caught.value), caught.value.__cause__))
    assert len(said) == 1


def test_names_with_a_bar_are_refused() -> None:
    with pytest.raises(InvariantViolated):
        wrap(subject="a|b")
    with pytest.raises(InvariantViolated):
        wrap(parent="epoch:a|b")


@given(st.binary(max_size=300))
def test_a_field_opens_with_its_context_only(plaintext: bytes) -> None:
    sealed = wrapping.seal_field(PARENT, CONTEXT, plaintext, nonce=NONCE)
    assert len(sealed) == len(plaintext) + 29
    assert wrapping.open_field(PARENT, CONTEXT, sealed) == plaintext
    for other in ("document.about|another-row", "document.name|0195f3a0-0000-7000-8000-000000000002"):
        with pytest.raises(KeyUnopenable):
            wrapping.open_field(PARENT, other, sealed)
    with pytest.raises(KeyUnopenable):
        wrapping.open_field(KEY, CONTEXT, sealed)


@given(st.data(), st.integers(1, 255))
def test_any_flipped_byte_of_a_field_is_found(data: st.DataObject, flip: int) -> None:
    field = wrapping.seal_field(PARENT, CONTEXT, b"text", nonce=NONCE)
    own = wrapping.seal_own_field(PARENT, ROOT_ID, CONTEXT, b"text", nonce=NONCE)
    for sealed, open_it in ((bytearray(field), wrapping.open_field), (bytearray(own), wrapping.open_own_field)):
        sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= flip
        with pytest.raises(KeyUnopenable):
            open_it(PARENT, CONTEXT, bytes(sealed))


def test_an_own_field_names_its_root_key() -> None:
    sealed = wrapping.seal_own_field(PARENT, ROOT_ID, CONTEXT, b"text", nonce=NONCE)
    assert len(sealed) == 4 + 33
    assert wrapping.root_id_of(sealed) == ROOT_ID
    assert wrapping.open_own_field(PARENT, CONTEXT, sealed) == b"text"


def test_an_own_field_is_no_other_field() -> None:
    """The two kinds have different keys also under the same parent."""
    sealed = wrapping.seal_own_field(PARENT, ROOT_ID, CONTEXT, b"text", nonce=NONCE)
    with pytest.raises(KeyUnopenable):
        wrapping.open_field(PARENT, CONTEXT, b"\x01" + sealed[5:])


@pytest.mark.parametrize("context", ["", "purpose", "|row"])
def test_a_context_has_a_purpose(context: str) -> None:
    with pytest.raises(InvariantViolated):
        wrapping.seal_field(PARENT, context, b"text", nonce=NONCE)


def test_wrong_lengths_are_our_own_bug() -> None:
    with pytest.raises(InvariantViolated):
        wrapping.wrap_key(PARENT, b"short", kind=KeyKind.CASE, subject="a", parent="b", nonce=NONCE)
    with pytest.raises(InvariantViolated):
        wrapping.seal_field(PARENT, CONTEXT, b"text", nonce=b"short")
    with pytest.raises(InvariantViolated):
        wrapping.seal_own_field(PARENT, b"id", CONTEXT, b"text", nonce=NONCE)
