"""How a package is handed over, in words: for the desk, and for the person who has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vault.pages.texts import N_

HANDED: Final[Mapping[str, str]] = {
    "medium-in-person": N_("On a memory stick or disc, in person"),
    "print-in-person": N_("Printed on paper, in person"),
    "medium-by-letter": N_("On a memory stick or disc, by registered letter"),
    "print-by-letter": N_("Printed on paper, by registered letter"),
}
