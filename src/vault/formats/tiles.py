"""The tree cut into tiles of 256 hashes: where a node lies, how the tiles grow, what a tile is called.

Level 0 holds the entries' leaf hashes; a hash at level l + 1 is the root of a full tile at level l. Tiles only grow:
a wider partial tile begins with the narrower one.

Source: C2SP tlog-tiles; docs/spec/log-tree.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from vault.errors import InvalidInput, InvariantViolated
from vault.formats.merkle import EMPTY_ROOT, HASH_SIZE, Node, Range, range_hash, range_nodes, root_of

HEIGHT = 8
WIDTH = 1 << HEIGHT
MAX_LEVEL = 7
"""No tree of fewer than 2**63 leaves has a tile above this level."""

TileId = tuple[int, int]
"""Level and index of a tile."""

_PATH = re.compile(r"((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


class Part(msgspec.Struct, frozen=True):
    """Hashes to be put behind the first ``at`` hashes of a tile."""

    level: int
    n: int
    at: int
    hashes: bytes


class Edge(msgspec.Struct, frozen=True):
    """A tree's size and, by level, the hashes of its unfinished right tiles: all that appending needs."""

    size: int = 0
    tiles: tuple[bytes, ...] = ()

    def root(self) -> bytes:
        """The tree's root, RFC 9162 §2.1.1."""
        reached: list[bytes] = []
        for tile in self.tiles:
            hashes = split_hashes(tile) + reached
            reached = [root_of(hashes)] if hashes else []
        return reached[0] if reached else EMPTY_ROOT


def grow(edge: Edge, leaves: Sequence[bytes]) -> tuple[Edge, list[Part]]:
    """Append leaves: the new edge, and what each tile gains, level by level and left to right."""
    parts: list[Part] = []
    tiles: list[bytes] = []
    level, count, more = 0, edge.size, list(leaves)
    while count or more:
        at = count % WIDTH
        pending = (split_hashes(edge.tiles[level]) if level < len(edge.tiles) else []) + more
        if len(pending) != at + len(more):
            raise InvariantViolated("the tree's edge does not fit its size")
        first = count // WIDTH
        rows = [pending[i : i + WIDTH] for i in range(0, len(pending), WIDTH)]
        gains = [(first + i, at if i == 0 else 0, row) for i, row in enumerate(rows)]
        parts += [Part(level, n, had, b"".join(row[had:])) for n, had, row in gains if len(row) > had]
        full = [root_of(row) for row in rows if len(row) == WIDTH]
        tiles.append(b"".join(rows[-1]) if rows and len(rows[-1]) < WIDTH else b"")
        level, count, more = level + 1, count // WIDTH, full
    return Edge(edge.size + len(leaves), tuple(tiles)), parts


def edge_tiles(size: int) -> list[tuple[TileId, int]]:
    """The unfinished right tile of each level of a tree of that size, with its width, which may be 0."""
    tiles = []
    level = 0
    while size >> (HEIGHT * level):
        count = size >> (HEIGHT * level)
        tiles.append(((level, count // WIDTH), count % WIDTH))
        level += 1
    return tiles


def tiles_of(ranges: Iterable[Range]) -> set[TileId]:
    """The tiles from which ``read_range`` takes those ranges."""
    return {_place(node)[0] for start, end in ranges for node in range_nodes(start, end)}


def read_range(start: int, end: int, tiles: Mapping[TileId, bytes]) -> bytes:
    """The hash of a proof's range. Raises: InvalidInput when a tile is missing or too short for it."""

    def read(node: Node) -> bytes:
        tile, offset, count = _place(node)
        content = tiles.get(tile, b"")[offset * HASH_SIZE : (offset + count) * HASH_SIZE]
        if len(content) != count * HASH_SIZE:
            raise InvalidInput(f"tile {tile[1]} of level {tile[0]} is missing or too short", field="tile")
        return root_of(split_hashes(content))

    return range_hash(start, end, read)


def width_at(level: int, n: int, size: int) -> int:
    """How many hashes the tile has in a tree of that size; 0 when there is none, 256 when it is full."""
    return max(0, min(WIDTH, (size >> (HEIGHT * level)) - n * WIDTH))


def tile_path(level: int, n: int, width: int) -> str:
    """``<L>/<N>[.p/<W>]``, without ``tile/`` before it."""
    groups = [f"{n % 1000:03}"]
    while n := n // 1000:
        groups.append(f"x{n % 1000:03}")
    return f"{level}/{'/'.join(reversed(groups))}{f'.p/{width}' if width < WIDTH else ''}"


def parse_tile_path(path: str) -> tuple[int, int, int]:
    """Level, index and width of ``<L>/<N>[.p/<W>]``. Raises: InvalidInput for any other spelling."""
    level_text, _, rest = path.partition("/")
    match = _PATH.fullmatch(rest)
    if match and level_text.isascii() and level_text.isdigit():
        level, n, width = int(level_text), int(re.sub("[x/]", "", match[1])), int(match[2] or WIDTH)
        if level <= 63 and n < 2**63 and tile_path(level, n, width) == path and bool(match[2]) == (width < WIDTH):
            return level, n, width
    raise InvalidInput("this is no tile's path", field="tile")


def split_hashes(content: bytes) -> list[bytes]:
    """The hashes of a tile, one by one."""
    if len(content) % HASH_SIZE:
        raise InvariantViolated("a tile is made of whole hashes")
    return [content[i : i + HASH_SIZE] for i in range(0, len(content), HASH_SIZE)]


def _place(node: Node) -> tuple[TileId, int, int]:
    """The tile that a node is computed from, and which of its hashes: first and count."""
    level, inside = divmod(node[0], HEIGHT)
    first = node[1] << inside
    return (level, first // WIDTH), first % WIDTH, 1 << inside
