"""What an archive must look at: packages whose keeping ends, by the labels in clear; nothing is opened and nothing removed.

Source: docs/spec/archive-package.md §8.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec

from vault.archive.files import read_small
from vault.errors import VaultError
from vault.formats.label import MAX_LABEL, Label, parse_label

LABEL_SUFFIX = ".label.json"


class Due(msgspec.Struct, frozen=True):
    """Packages whose last day of keeping has passed, the oldest first; ``unread`` are labels that cannot be read."""

    labels: tuple[Label, ...]
    looked_at: int
    unread: tuple[Path, ...]


def find_due(folder: Path, on: dt.date) -> Due:
    """All labels below a folder whose ``retention_ends`` lies before that day."""
    found: list[Label] = []
    unread: list[Path] = []
    paths = sorted(folder.rglob(f"*{LABEL_SUFFIX}"))
    for path in paths:
        try:
            label = parse_label(read_small(path, MAX_LABEL))
        except VaultError:
            unread.append(path)
            continue
        if label.retention_ends is not None and label.retention_ends < on:
            found.append(label)
    found.sort(key=lambda label: (str(label.retention_ends), str(label.transfer)))
    return Due(tuple(found), len(paths), tuple(unread))
