"""One thing that `vault doctor` looked at."""

from __future__ import annotations

from typing import Literal

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """``note`` is nothing wrong: something that is not set, and what would need it."""

    state: Literal["ok", "wrong", "note"]
    what: str
    found: str
    remedy: str = ""
