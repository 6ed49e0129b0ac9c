"""The pages' own files, under names that hold the digest of their content, so that a browser keeps them for a year."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

import msgspec
from litestar import Response, Router, get
from litestar.params import FromPath

FOLDER: Final = "/static"
_MEDIA_TYPES: Final[Mapping[str, str]] = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


class StaticFile(msgspec.Struct, frozen=True):
    """One file, whole in memory: all of them are some tens of kilobytes."""

    path: str
    media_type: str
    content: bytes


def load_static() -> dict[str, StaticFile]:
    """The files by the plain names that templates use."""
    found: dict[str, StaticFile] = {}
    for file in (files("vault.pages") / "static").iterdir():
        stem, _, ending = file.name.rpartition(".")
        if ending in _MEDIA_TYPES:
            content = file.read_bytes()
            name = f"{stem}.{hashlib.sha256(content).hexdigest()[:16]}.{ending}"
            found[file.name] = StaticFile(f"{FOLDER}/{name}", _MEDIA_TYPES[ending], content)
    return found


def static_router(known: Mapping[str, StaticFile]) -> Router:
    """Serves exactly these files and nothing from the disk."""
    by_path = {file.path: file for file in known.values()}

    @get("/{name:str}", name="static-file", include_in_schema=False)
    async def static_file(name: FromPath[str]) -> Response[bytes]:
        file = by_path.get(f"{FOLDER}/{name}")
        if file is None:
            return Response(b"", status_code=404, media_type="text/plain")
        kept = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(file.content, media_type=file.media_type, headers=kept)

    return Router(FOLDER, route_handlers=[static_file])
