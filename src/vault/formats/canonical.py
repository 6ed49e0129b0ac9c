"""Canonical JSON: the one byte string for a value, so that it can be hashed and signed.

Source: RFC 8785 (JCS), for strings, integers, booleans, null, arrays and objects; floating point numbers are refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from vault.errors import InvalidInput, InvariantViolated

# RFC 8785 §3.2.2.3 sees every number as an IEEE 754 double; beyond this, not every integer is one.
MAX_INTEGER = 2**53 - 1


def encode_canonical(value: object) -> bytes:
    """The canonical UTF-8 bytes of a JSON value (lists or tuples, dicts with string keys).

    Raises: InvalidInput for a lone surrogate or an integer beyond 2^53 - 1; InvariantViolated for a float or any other
    type, which our own code must not pass.
    Source: RFC 8785 §3.2.
    """
    return _text(value).encode()


def provisions_digest(provisions: Sequence[Mapping[str, object]]) -> bytes:
    """SHA-256 (32 bytes) of the canonical list of a consent's provisions, in the order of the form.

    Source: docs/spec/log-entry.md; RFC 8785.
    """
    return hashlib.sha256(encode_canonical(list(provisions))).digest()


def _text(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return _integer(value)
        case str():
            return _string(value)
        case list() | tuple():
            return "[" + ",".join(map(_text, value)) + "]"
        case dict():
            return "{" + ",".join(f"{_string(k)}:{_text(value[k])}" for k in sorted(value, key=_utf16)) + "}"
        case _:
            raise InvariantViolated(f"a {type(value).__name__} has no canonical form")


def _integer(value: int) -> str:
    if abs(value) > MAX_INTEGER:
        raise InvalidInput("an integer lies beyond 2^53 - 1")
    return str(int(value))


def _string(value: str) -> str:
    # RFC 8785 §3.2.2.2 escapes the quote, the backslash and the control characters below U+0020 (five by letter, the
    # others as lower-case \uhhhh) and nothing else; json.dumps writes exactly that.
    _utf16(value)
    return json.dumps(str(value), ensure_ascii=False)


def _utf16(key: object) -> bytes:
    """Sorting key: names compare as arrays of UTF-16 code units, not of code points (RFC 8785 §3.2.3)."""
    if not isinstance(key, str):
        raise InvariantViolated("an object's key is a string")
    try:
        return key.encode("utf-16-be")
    except UnicodeEncodeError:
        raise InvalidInput("a string holds a lone surrogate") from None
