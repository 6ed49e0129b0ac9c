"""Canonical JSON: the RFC's own examples, as far as they hold no floating point number."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import InvalidInput, InvariantViolated
from vault.formats.canonical import MAX_INTEGER, encode_canonical, provisions_digest

strings = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | strings,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(strings, inner, max_size=4),
    max_leaves=12,
)


def test_rfc_8785_section_3_2_2() -> None:
    given_text = r"""{"string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"""
    expected = '{"literals":[null,true,false],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    assert encode_canonical(json.loads(given_text)) == expected.encode()


def test_rfc_8785_section_3_2_3_sorts_by_utf_16() -> None:
    given_text = r"""{"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis"}"""
    assert list(json.loads(encode_canonical(json.loads(given_text))).values()) == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


def test_rfc_8785_control_characters() -> None:
    assert encode_canonical("\b\t\n\f\r\x00\x1f\x7f/") == b'"\\b\\t\\n\\f\\r\\u0000\\u001f\x7f/"'


def test_rfc_8785_integers() -> None:
    assert encode_canonical([0, -1, MAX_INTEGER, -MAX_INTEGER]) == b"[0,-1,9007199254740991,-9007199254740991]"


@given(values)
def test_it_is_json_and_says_the_same(value: object) -> None:
    encoded = encode_canonical(value)
    assert json.loads(encoded) == value
    assert encode_canonical(json.loads(encoded)) == encoded


@given(st.dictionaries(strings, st.integers(0, 9), max_size=6))
def test_the_order_of_members_does_not_matter(value: dict[str, int]) -> None:
    assert encode_canonical(dict(reversed(value.items()))) == encode_canonical(value)


@pytest.mark.parametrize("value", [1.0, float("nan"), b"bytes", {1: "a"}, {"a": {1, 2}}])
def test_what_has_no_canonical_form_is_our_own_bug(value: object) -> None:
    with pytest.raises(InvariantViolated):
        encode_canonical(value)


@pytest.mark.parametrize("value", ["\ud800", {"\udc00": 1}, MAX_INTEGER + 1, [-MAX_INTEGER - 1]])
def test_what_a_caller_may_send_but_json_cannot_carry(value: object) -> None:
    with pytest.raises(InvalidInput):
        encode_canonical(value)


def test_the_digest_of_provisions() -> None:
    provisions: list[dict[str, object]] = [
        {"effect": "permit", "actions": ["read"]},
        {"effect": "deny", "documents": [{"type": "b-lausunto"}]},
    ]
    text = b'[{"actions":["read"],"effect":"permit"},{"documents":[{"type":"b-lausunto"}],"effect":"deny"}]'
    assert provisions_digest(provisions) == hashlib.sha256(text).digest()
    assert provisions_digest(provisions[::-1]) != provisions_digest(provisions)
