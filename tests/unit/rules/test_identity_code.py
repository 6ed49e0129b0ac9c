"""Personal identity codes; all examples are from the temporary range, which no real person has."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.fi import hetu  # an independent implementation

from vault.errors import InvalidInput
from vault.rules.identity_code import FIELD, IdentityCode, parse_identity_code, require_same_birth

SIGNS = {"+": 1800} | dict.fromkeys("-YXWVU", 1900) | dict.fromkeys("ABCDEF", 2000)
ALPHABET = "0123456789ABCDEFHJKLMNPRSTUVWXY"


@st.composite
def codes(draw):
    sign = draw(st.sampled_from(sorted(SIGNS)))
    day = draw(st.dates(dt.date(SIGNS[sign], 1, 1), dt.date(SIGNS[sign] + 99, 12, 31)))
    serial = draw(st.integers(900, 999))
    digits = f"{day:%d%m}{day.year % 100:02d}{serial}"
    return f"{digits[:6]}{sign}{serial}{ALPHABET[int(digits) % 31]}", day


def refused(text: str) -> InvalidInput:
    with pytest.raises(InvalidInput) as raised:
        parse_identity_code(text)
    assert (raised.value.narrow, raised.value.field) == ("invalid-identity-code", FIELD)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    return raised.value


@given(codes())
def test_every_code_is_read_with_its_day_and_survives_case_and_space(code_and_day):
    code, day = code_and_day
    assert hetu.is_valid(code, allow_temporary=True)
    assert parse_identity_code(code) == IdentityCode(code, day)
    assert parse_identity_code(f"  {code[:6].lower()} {code[6:].lower()}\n") == IdentityCode(code, day)


@given(codes(), st.integers(0, 10), st.sampled_from(ALPHABET + "+-IOZG"))
def test_one_wrong_character_agrees_with_the_independent_implementation(code_and_day, place, character):
    code = code_and_day[0][:place] + character + code_and_day[0][place + 1 :]
    if hetu.is_valid(code, allow_temporary=True):
        assert parse_identity_code(code).code == code
    else:
        refused(code)


@given(st.text(max_size=14))
def test_anything_else_is_refused_without_being_repeated(text):
    if hetu.is_valid(text, allow_temporary=True):
        return
    error = refused(text)
    if len(text.strip()) > 3:
        assert text.strip() not in str(error)


def test_the_sign_is_part_of_the_identity():
    assert parse_identity_code("010190-999W") != parse_identity_code("010190Y999W")
    assert parse_identity_code("010190-999W").born == parse_identity_code("010190Y999W").born
    assert parse_identity_code("010190A999W").born == dt.date(2090, 1, 1)
    assert parse_identity_code("010190+999W").born == dt.date(1890, 1, 1)
    refused("010190999W")
    refused("010190–999W")  # a dash that looks like the sign


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("010190-0016", "serial"),
        ("010190-999X", "check"),
        ("300290-999T", "day"),
        ("290200-999D", "day"),
        ("010190-999", "eleven"),
        ("010190-999WW", "eleven"),
        ("٠١٠١٩٠-999W", "eleven"),
        ("010190ſ999W", "eleven"),
        ("", "eleven"),
    ],
)
def test_a_refusal_says_why_and_never_which(code, why):
    digits = code[:6] + code[7:10]
    if why in {"serial", "day"}:  # everything else about the example is right
        code = code[:10] + ALPHABET[int(digits) % 31]
    error = refused(code)
    assert why in error.detail
    assert not code or code not in error.detail


def test_leap_day_is_told_by_the_century():
    digits = "290200"
    check = ALPHABET[int(digits + "999") % 31]
    assert parse_identity_code(f"{digits}A999{check}").born == dt.date(2000, 2, 29)
    refused(f"{digits}-999{check}")


def test_birth_day_must_be_the_codes_own():
    code = parse_identity_code("010190-999W")
    require_same_birth(code, dt.date(1990, 1, 1))
    with pytest.raises(InvalidInput) as raised:
        require_same_birth(code, dt.date(1990, 1, 2))
    assert (raised.value.narrow, raised.value.field) == ("birth-day-differs", "client.born")
    assert "1990" not in str(raised.value)


def test_a_repr_tells_nothing():
    code = parse_identity_code("010190-999W")
    assert "010190" not in f"{code!r} {code} {[code]}"
