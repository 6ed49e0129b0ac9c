"""Gathers the pages' messages and brings the catalogues up to date: `make messages`.

Each area (a folder of templates, and the package of the same name) has its own file per language. English is what stands
in the code, so its catalogue is filled here; Finnish and Swedish are written by hand. Nothing is guessed: a message that
changed is a new one, without a translation until somebody writes it.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

PAGES = Path(__file__).parents[1] / "src" / "vault" / "pages"
LANGUAGES = ("fi", "sv", "en")
SHARED = "shell"
_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None}
_OPTIONS = {"trimmed": "true", "newstyle_gettext": "true", "extensions": "jinja2.ext.i18n,jinja2.ext.do",
            "trim_blocks": "true", "lstrip_blocks": "true"}  # fmt: skip


def gather() -> dict[str, Catalog]:
    """The messages of each area, in the order of files and lines."""
    areas: dict[str, Catalog] = {}
    for path in sources():
        method = "jinja2" if path.suffix == ".html" else "python"
        options: Any = _OPTIONS if method == "jinja2" else {}
        found = extract(f"{method}" if method == "python" else "jinja2.ext:babel_extract",
                        io.BytesIO(path.read_bytes()), keywords=_KEYWORDS, options=options)  # fmt: skip
        catalog = areas.setdefault(area_of(path), Catalog(fuzzy=False))
        for _, message, _, _ in found:
            if message:
                catalog.add(message, flags=())
    return areas


def sources() -> Iterator[Path]:
    yield from sorted((PAGES / "templates").rglob("*.html"))
    yield from sorted(PAGES.rglob("*.py"))


def area_of(path: Path) -> str:
    """The folder in which the file lies; what lies in none is shared."""
    inside = path.relative_to(PAGES).parts
    inside = inside[1:] if inside[0] == "templates" else inside
    return inside[0] if len(inside) > 1 else SHARED


def updated(language: str, area: str, messages: Catalog) -> Catalog:
    """The catalogue with what the code holds now, and the translations that are still of it."""
    path = PAGES / "locales" / language / f"{area}.po"
    known = read_po(io.BytesIO(path.read_bytes()), locale=language) if path.exists() else Catalog(locale=language)
    fresh = Catalog(locale=language, fuzzy=False, charset="utf-8", header_comment=f"# {area}, {language}")
    for message in messages:
        if not message.id:
            continue
        before = known.get(message.id)
        plural = isinstance(message.id, tuple)
        empty: Any = ("",) * fresh.num_plurals if plural else ""
        text = message.id if language == "en" else (before.string if before is not None else empty)
        fresh.add(message.id, text, flags={"python-format"} & message.flags)
    return fresh


def render(catalog: Catalog) -> bytes:
    """The file's bytes: no places and no dates, so that it changes only where a text does."""
    out = io.BytesIO()
    write_po(out, catalog, width=120, no_location=True, omit_header=True)
    header = b'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
    plural = f'"Plural-Forms: {catalog.plural_forms}\\n"\n\n'.encode()
    return header + plural + out.getvalue()


def main() -> int:
    """Write every catalogue; with --check write nothing and say which are behind."""
    behind: list[str] = []
    for area, messages in gather().items():
        for language in LANGUAGES:
            path = PAGES / "locales" / language / f"{area}.po"
            text = render(updated(language, area, messages))
            if path.exists() and path.read_bytes() == text:
                continue
            behind.append(str(path.relative_to(PAGES)))
            if "--check" not in sys.argv:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text)
    for name in behind:
        print(f"{name} {'is behind: run make messages' if '--check' in sys.argv else 'was brought up to date'}")
    return 1 if behind and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
