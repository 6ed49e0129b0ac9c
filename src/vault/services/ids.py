"""Fresh ids: UUID version 7, ordered by time (RFC 9562 §5.7)."""

from __future__ import annotations

import secrets
import time
import uuid


def timeless_id() -> uuid.UUID:
    """A UUIDv7 whose time is any since 1970: it does not tell when it was made."""
    return _version_7(secrets.randbelow(time.time_ns() // 1_000_000))


def new_id() -> uuid.UUID:
    """A UUIDv7 of now: 48 bits of milliseconds, 74 random bits."""
    return _version_7(time.time_ns() // 1_000_000)


def _version_7(milliseconds: int) -> uuid.UUID:
    value = milliseconds << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    return uuid.UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
