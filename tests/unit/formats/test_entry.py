"""The log entry's bytes: the worked example, and what must not be possible with them."""

from __future__ import annotations

import base64
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import IntegrityBroken, InvalidInput, InvariantViolated
from vault.formats import entry
from vault.formats.entry import FIELDS, FieldValue
from vault.model import EntryId

VECTOR: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "log-entry.json").read_text())
ENTRY = EntryId(uuid.UUID(VECTOR["entry"]))
SALTS = [bytes.fromhex(salt) for salt in VECTOR["salts"]]
DIGESTS = [bytes.fromhex(digest) for digest in VECTOR["digests"]]
LEAF = bytes.fromhex(VECTOR["leaf"])

strings = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
field_values = st.none() | strings | st.integers(-(2**53), 2**53) | st.lists(strings, max_size=3)


def test_the_worked_example() -> None:
    values = VECTOR["values"]
    assert list(FIELDS) == VECTOR["fields"]
    disclosures = [entry.disclosure(s, n, values.get(n)) for s, n in zip(SALTS, FIELDS, strict=True)]
    assert disclosures == VECTOR["disclosures"]
    assert list(entry.commitments(SALTS, values)) == DIGESTS
    data = entry.leaf_data(ENTRY, DIGESTS)
    assert len(data) == 1 + 16 + 32 * len(FIELDS)
    assert data[:17] == b"\x01" + ENTRY.bytes
    assert entry.leaf_hash(data) == LEAF
    entry.verify_leaf(LEAF, ENTRY, DIGESTS, disclosures)


def test_rfc_9901_digest() -> None:
    """RFC 9901 §4.2.3 gives this disclosure (with spaces, as others write it) and its digest."""
    text = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"
    digest = entry.encode_b64url(entry.disclosure_digest(text))
    assert digest == "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0"
    assert entry.parse_disclosure(text)[1:] == ("family_name", "Möbius")


@given(st.binary(min_size=16, max_size=16), st.sampled_from(FIELDS), field_values)
def test_a_disclosure_is_read_back(salt: bytes, name: str, value: FieldValue) -> None:
    text = entry.disclosure(salt, name, value)
    assert entry.parse_disclosure(text) == (salt, name, value)
    written = base64.urlsafe_b64decode(text + "==")
    assert written == json.dumps(json.loads(written), ensure_ascii=False, separators=(",", ":")).encode()


@given(st.sampled_from(range(len(FIELDS))), st.sampled_from(range(len(FIELDS))), field_values)
def test_another_value_or_place_does_not_verify(shown: int, place: int, value: FieldValue) -> None:
    """A disclosure made up with the true salt of another field, or with another value, is refused."""
    name = FIELDS[place]
    made_up = entry.disclosure(SALTS[shown], name, value)
    if made_up == VECTOR["disclosures"][place]:
        entry.verify_leaf(LEAF, ENTRY, DIGESTS, [made_up])
    else:
        with pytest.raises(IntegrityBroken):
            entry.verify_leaf(LEAF, ENTRY, DIGESTS, [made_up])


@given(st.integers(0, len(FIELDS) - 1), st.integers(0, 31), st.integers(1, 255))
def test_a_changed_digest_makes_another_leaf(index: int, place: int, flip: int) -> None:
    digests = [bytearray(digest) for digest in DIGESTS]
    digests[index][place] ^= flip
    with pytest.raises(IntegrityBroken):
        entry.verify_leaf(LEAF, ENTRY, [bytes(digest) for digest in digests])


def test_the_leaf_is_bound_to_entry_and_order() -> None:
    for other, digests in (
        (EntryId(uuid.UUID(int=ENTRY.int + 1)), DIGESTS),
        (ENTRY, DIGESTS[::-1]),
        (ENTRY, DIGESTS[:-1]),
        (ENTRY, [*DIGESTS, DIGESTS[0]]),
        (ENTRY, [DIGESTS[0] + DIGESTS[1][:1], DIGESTS[1][1:], *DIGESTS[2:]]),
    ):
        with pytest.raises(IntegrityBroken):
            entry.verify_leaf(LEAF, other, digests)


def test_after_the_salts_are_erased_the_leaf_stands() -> None:
    entry.verify_leaf(LEAF, ENTRY, DIGESTS)


def test_equal_values_do_not_show() -> None:
    digests = entry.commitments(SALTS, {})
    assert len(set(digests)) == len(FIELDS)


@pytest.mark.parametrize(
    "text", ["", "WyJ", "a b", "W10", "WzEsMiwzXQ", "WyJhIiwiYiJd", "eyJhIjoxfQ", "WyIiLCJhdCIsdHJ1ZV0"]
)
def test_malformed_disclosures(text: str) -> None:
    with pytest.raises(InvalidInput):
        entry.parse_disclosure(text)


@pytest.mark.parametrize("text", ["QQ==", "QR", "Q", "Q+", "Q\n", "QQ\n", "ä"])
def test_base64url_has_one_spelling(text: str) -> None:
    with pytest.raises(ValueError):
        entry.parse_b64url(text)


def test_wrong_shapes_are_our_own_bug() -> None:
    with pytest.raises(InvariantViolated):
        entry.disclosure(b"short", "at", None)
    with pytest.raises(InvariantViolated):
        entry.disclosure(bytes(16), "unheard-of", None)
    with pytest.raises(InvariantViolated):
        entry.commitments(SALTS, {"unheard-of": None})
    with pytest.raises(InvariantViolated):
        entry.commitments(SALTS[1:], {})
    with pytest.raises(InvariantViolated):
        entry.disclosure(bytes(16), "bytes", True)
