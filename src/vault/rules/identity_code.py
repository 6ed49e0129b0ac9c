"""The Finnish personal identity code: its form, its check character and the birth day inside it.

The century sign is part of the identity: 010190-999W and 010190Y999W are two people with the same check character.
Source: FI 690/2022 § 2 (century signs); design.md §4.
"""

from __future__ import annotations

import datetime as dt
import re

import msgspec

from vault.errors import InvalidInput

FIELD = "client.personal_identity_code"

_CHECK_CHARACTERS = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_CENTURIES = {"+": 1800} | dict.fromkeys("-YXWVU", 1900) | dict.fromkeys("ABCDEF", 2000)
_FORM = re.compile(
    r"(?P<day>[0-9]{2})(?P<month>[0-9]{2})(?P<year>[0-9]{2})(?P<sign>[-+YXWVUABCDEF])(?P<serial>[0-9]{3})"
    r"(?P<check>[0-9A-FHJ-NPR-Y])"
)


class IdentityCode(msgspec.Struct, frozen=True):
    """A code that has been checked, in its only spelling: eleven upper-case characters, the sign included."""

    code: str
    born: dt.date

    def __repr__(self) -> str:
        """Tell nothing: a code must never reach a log line by way of a repr."""
        return "IdentityCode(...)"


def parse_identity_code(text: str) -> IdentityCode:
    """Check a personal identity code and give its one spelling and birth day.

    Case and white space are forgiven, nothing else is; temporary codes (serial 900 to 999) are codes like others.
    Raises: InvalidInput (``invalid-identity-code``), which never repeats the code.
    Source: FI 690/2022 § 2.
    """
    code = "".join(text.split()).upper() if text.isascii() else ""
    parts = _FORM.fullmatch(code)
    if parts is None:
        raise _wrong("a personal identity code has eleven characters, such as ddmmyy-nnnc")
    if int(parts["serial"]) < 2:
        raise _wrong("the serial number of a personal identity code is 002 to 999")
    if parts["check"] != _check_character(code):
        raise _wrong("the check character of the personal identity code does not match")
    return IdentityCode(code, _born(parts))


def require_same_birth(code: IdentityCode, born: dt.date) -> None:
    """Refuse a birth day that is not the code's own.

    Raises: InvalidInput (``birth-day-differs``) for the field ``client.born``; repeats neither day nor code.
    Source: FI 690/2022 § 2 (the code holds the day of birth).
    """
    if code.born != born:
        raise InvalidInput(
            "the birth day is not the one in the personal identity code", field="client.born", code="birth-day-differs"
        )


def _check_character(code: str) -> str:
    return _CHECK_CHARACTERS[int(code[:6] + code[7:10]) % len(_CHECK_CHARACTERS)]


def _born(parts: re.Match[str]) -> dt.date:
    year = _CENTURIES[parts["sign"]] + int(parts["year"])
    try:
        return dt.date(year, int(parts["month"]), int(parts["day"]))
    except ValueError:
        # "from None": the message of the inner error would stand in a traceback, next to parts of the code.
        raise _wrong("the personal identity code holds a day that does not exist") from None


def _wrong(detail: str) -> InvalidInput:
    return InvalidInput(detail, field=FIELD, code="invalid-identity-code")
