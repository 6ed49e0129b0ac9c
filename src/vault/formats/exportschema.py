"""The files below ``data/`` of an export, and the schema that all of them keep.

Source: docs/spec/export.md §3; docs/spec/export.schema.json is made from these structs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from vault.formats.exportacts import Asked, Authority, Difference, EarlierExport, Looked, Notice
from vault.formats.exportdata import FORMAT, Answer, Case, Consent, Paper, Person, Prohibition

FILES: Mapping[str, Any] = {
    "export": Answer,
    "client": Person | None,
    "cases": list[Case],
    "documents": list[Paper],
    "consents": list[Consent],
    "prohibitions": list[Prohibition],
    "notices": list[Notice],
    "differences": list[Difference],
    "requests": list[Asked],
    "authorities": list[Authority],
    "exports": list[EarlierExport],
    "openings": list[Looked],
}
"""What stands in each ``data/<name>.json``."""


def encode(content: object) -> bytes:
    """Readable JSON: two spaces, a last line's end.

    Source: docs/spec/export.md §3.
    """
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def schema() -> bytes:
    """The JSON Schema (2020-12) of all files below ``data/``: each is ``#/$defs/file.<name>``.

    Source: docs/spec/export.md §3.
    """
    shapes, components = msgspec.json.schema_components(list(FILES.values()), ref_template="#/$defs/{name}")
    files = {f"file.{name}": shape for name, shape in zip(FILES, shapes, strict=True)}
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{FORMAT.replace('/', ':')}",
        "title": "The files below data/ of a client's export",
        "$defs": files | components,
    }
    return (json.dumps(whole, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
