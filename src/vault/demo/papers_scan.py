"""A large scan: a TIFF of grey A4 pages at 300 dpi, made piece by piece, never whole in memory.

The pixels are noise, which does not compress: what is measured on this file is not flattered by a packing proxy or disk.
Layout (TIFF 6.0): 8 bytes of header and the resolution, then every page's pixels, then every page's directory.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator

WIDTH, HEIGHT = 2480, 3508
_PIECE = 1 << 20
_HEADER = 24
_TAGS = 14
_DIRECTORY = 2 + 12 * _TAGS + 4
SMALLEST = _HEADER + WIDTH + _DIRECTORY
_SHORT, _LONG, _RATIONAL = 3, 4, 5


def scan_chunks(size: int) -> Iterator[bytes]:
    """Yield a TIFF of exactly ``size`` bytes in pieces of at most 1 MiB; the same size gives the same bytes.

    Raises: ValueError below SMALLEST, where not one row of pixels fits, and from 4 GiB on, where TIFF's offsets end.
    """
    if not SMALLEST <= size < 1 << 32:
        raise ValueError(f"a scan has from {SMALLEST} to {(1 << 32) - 1} bytes")
    return _pieces(size, _heights(size))


def _heights(size: int) -> list[int]:
    """Rows of each page: as many whole pages as fit, then one with the rows that are left."""
    whole = (size - _HEADER) // (WIDTH * HEIGHT + _DIRECTORY)
    left = size - _HEADER - whole * (WIDTH * HEIGHT + _DIRECTORY)
    rows = max(0, (left - _DIRECTORY) // WIDTH)
    return [HEIGHT] * whole + ([rows] if rows else [])


def _pieces(size: int, heights: list[int]) -> Iterator[bytes]:
    first = size - _DIRECTORY * len(heights)
    yield struct.pack("<2sHLLLLL", b"II", 42, first, 300, 1, 300, 1)
    for number, start in enumerate(range(_HEADER, first, _PIECE)):
        yield hashlib.shake_128(b"scan %d" % number).digest(min(_PIECE, first - start))
    offset = _HEADER
    for page, rows in enumerate(heights):
        last = page == len(heights) - 1
        yield _directory(page, len(heights), rows, offset, 0 if last else first + _DIRECTORY * (page + 1))
        offset += rows * WIDTH


def _directory(page: int, pages: int, rows: int, offset: int, following: int) -> bytes:
    entries = [
        (254, _LONG, 1, 2),  # one page of several
        (256, _LONG, 1, WIDTH),
        (257, _LONG, 1, rows),
        (258, _SHORT, 1, 8),  # bits per sample
        (259, _SHORT, 1, 1),  # no compression
        (262, _SHORT, 1, 1),  # 0 is black
        (273, _LONG, 1, offset),
        (277, _SHORT, 1, 1),  # samples per pixel
        (278, _LONG, 1, rows),  # one strip
        (279, _LONG, 1, rows * WIDTH),
        (282, _RATIONAL, 1, 8),
        (283, _RATIONAL, 1, 16),
        (296, _SHORT, 1, 2),  # inches
        (297, _SHORT, 2, page | pages << 16),
    ]
    return (
        struct.pack("<H", _TAGS)
        + b"".join(struct.pack("<HHLL", *entry) for entry in entries)
        + struct.pack("<L", following)
    )
