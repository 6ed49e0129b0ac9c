"""The words of the pages: catalogues in three languages, read at start, and which of them a request gets.

A message is written in English where it is used; ``locales/<language>/<area>.po`` holds its translations. An area is a
folder of ``templates`` and the package of the same name beside it; ``shell`` is what all share.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

LANGUAGES: Final = ("fi", "sv", "en")
NAMES: Final[Mapping[str, str]] = {"fi": "Suomeksi", "sv": "På svenska", "en": "In English"}
COOKIE: Final = "vault-language"

_WANTED = re.compile(r"^\s*([a-z]{2})(?:-[a-z0-9]+)*\s*(?:;\s*q=([0-9.]+))?\s*$", re.IGNORECASE)


def N_(message: str) -> str:  # noqa: N802 (the name by which gettext's tools find it)
    """Mark a message for the catalogues; it is translated where it is shown."""
    return message


def load_catalogues() -> dict[str, Translations]:
    """The translations of every language, from all areas as one. Raises: OSError, ValueError for a broken catalogue."""
    return {language: _translations(read_language(language)) for language in LANGUAGES}


def read_language(language: str) -> dict[str, Catalog]:
    """The catalogues of one language by area."""
    folder = files("vault.pages") / "locales" / language
    found: dict[str, Catalog] = {}
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        if file.name.endswith(".po"):
            text = io.BytesIO(file.read_bytes())
            found[file.name.removesuffix(".po")] = read_po(text, locale=language, abort_invalid=True)
    return found


def _translations(areas: Mapping[str, Catalog]) -> Translations:
    whole: Translations | None = None
    for catalog in areas.values():
        compiled = io.BytesIO()
        write_mo(compiled, catalog)
        compiled.seek(0)
        one = Translations(compiled)
        if whole is None:
            whole = one
        else:
            whole.merge(one)
    if whole is None:
        raise ValueError("there is no catalogue")
    return whole


def missing(catalog: Catalog) -> list[str]:
    """The messages of a catalogue that have no translation of their own, or one that somebody must look at."""
    return [str(message.id) for message in catalog if message.id and (message.fuzzy or not _is_whole(message))]


def _is_whole(message: Message) -> bool:
    texts = message.string if isinstance(message.string, tuple) else (message.string,)
    return bool(texts) and all(texts)


def choose_language(chosen: str | None, own: str | None, accepted: str | None) -> str:
    """The language of a page: the one that was chosen, else the person's own, else the browser's first, else Finnish."""
    for one in (chosen, own):
        if one in LANGUAGES:
            return str(one)
    parts = [_WANTED.match(part) for part in (accepted or "")[:500].split(",")]
    wanted = [(-_weight(part[2]), part[1].lower()) for part in parts if part and part[1].lower() in LANGUAGES]
    return min(wanted, key=lambda one: one[0])[1] if wanted else LANGUAGES[0]


def _weight(text: str | None) -> float:
    try:
        return 1.0 if text is None else float(text)
    except ValueError:
        return 0.0
