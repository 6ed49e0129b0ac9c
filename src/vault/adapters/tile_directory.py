"""A log's tiles as files, in the layout of C2SP tlog-tiles: the monitor's own copy, which anyone may verify offline.

Order: tiles first, then `checkpoint`, which says how much of them counts. If we stop in between, the older checkpoint
still finds its narrower tiles.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from vault.adapters.remembered import RememberedFile
from vault.formats.merkle import HASH_SIZE
from vault.formats.tiles import WIDTH, Edge, Part, TileId, tile_path, width_at


class TileDirectory:
    """monitor.Mirror. Raises: SettingsWrong when another process uses the directory."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._root = directory / "tile"
        self._checkpoint = RememberedFile(directory / "checkpoint")

    def note(self) -> str | None:
        """The checkpoint that was saved last."""
        content = self._checkpoint.load()
        return None if content is None else content.decode()

    def tile(self, tile: TileId, size: int) -> bytes:
        """The tile as it is in a tree of that size; shorter when the files are damaged."""
        width = width_at(*tile, size)
        paths = [self._root / tile_path(*tile, one) for one in dict.fromkeys((width, WIDTH)) if one]
        found = next((path for path in paths if path.is_file()), None)
        return found.read_bytes()[: width * HASH_SIZE] if found else b""

    def extend(self, old: Edge, parts: Sequence[Part], note: str) -> None:
        """Save what the tiles gained since ``old``, and then the checkpoint; durable when this returns."""
        for part in parts:
            held = old.tiles[part.level] if part.at else b""
            self._write(part.level, part.n, held + part.hashes)
        self._checkpoint.save(note.encode())
        for part in parts:
            self._forget_narrower(part.level, part.n, part.at + len(part.hashes) // HASH_SIZE)

    def close(self) -> None:
        self._checkpoint.close()

    def _write(self, level: int, n: int, content: bytes) -> None:
        path = self._root / tile_path(level, n, len(content) // HASH_SIZE)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def _forget_narrower(self, level: int, n: int, width: int) -> None:
        partial = (self._root / tile_path(level, n, 1)).parent
        if width == WIDTH:
            shutil.rmtree(partial, ignore_errors=True)
        else:
            for path in partial.iterdir():
                if int(path.name) < width:
                    path.unlink()
