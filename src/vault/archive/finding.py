"""Finding a person's packages by the small descriptors beside them; each is opened, none is kept.

Source: docs/spec/archive-package.md §9.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from vault.archive.files import read_small
from vault.archive.journal import append_entry
from vault.errors import InvalidInput, VaultError
from vault.formats.label import DESCRIPTOR_SUFFIX, Descriptor, Names, open_descriptor

_MAX_DESCRIPTOR = 64 * 1024


class Found(msgspec.Struct, frozen=True):
    """A package that matches, and what its descriptor says. ``package`` need not exist where the descriptor lies."""

    package: Path
    descriptor: Descriptor


class Search(msgspec.Struct, frozen=True):
    """What a search came to; ``unopened`` are descriptors that no identity opened or that are damaged."""

    found: tuple[Found, ...]
    looked_at: int
    unopened: tuple[Path, ...]


def find_packages(
    folder: Path,
    identities: Sequence[str],
    *,
    name: str | None = None,
    code: str | None = None,
    searched_by: str,
    journal: Path,
) -> Search:
    """All packages below a folder whose client has that code, or whose name holds every word of ``name``.

    Capital letters and the order of words do not matter. The journal tells that there was a search and what it found,
    never what was searched for; it is written before anything is returned.
    Raises: InvalidInput unless exactly one of name and code is given; SettingsWrong when the journal cannot be written.
    """
    if bool(name and name.strip()) == bool(code and code.strip()):
        raise InvalidInput("a search needs a name or a personal identity code", field="name")
    found: list[Found] = []
    unopened: list[Path] = []
    paths = sorted(folder.rglob(f"*{DESCRIPTOR_SUFFIX}"))
    for path, descriptor in _descriptors(paths, identities):
        if descriptor is None:
            unopened.append(path)
        elif _is_match(descriptor, name, code):
            found.append(Found(path.parent / Names(descriptor.transfer).package, descriptor))
    append_entry(
        journal, "find", by=searched_by, looked_at=len(paths), found=[str(hit.descriptor.transfer) for hit in found]
    )
    return Search(tuple(found), len(paths), tuple(unopened))


def _descriptors(paths: Sequence[Path], identities: Sequence[str]) -> Iterator[tuple[Path, Descriptor | None]]:
    for path in paths:
        try:
            yield path, open_descriptor(read_small(path, _MAX_DESCRIPTOR), identities)
        except VaultError:
            yield path, None


def _is_match(descriptor: Descriptor, name: str | None, code: str | None) -> bool:
    if code and code.strip():
        return (descriptor.personal_identity_code or "").upper() == code.strip().upper()
    return set(_words(name or "")) <= set(_words(descriptor.name))


def _words(name: str) -> list[str]:
    return unicodedata.normalize("NFC", name).casefold().replace(",", " ").split()
