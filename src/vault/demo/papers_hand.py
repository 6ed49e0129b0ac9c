"""A pen: turns text into the strokes of a made-up hand, for signatures and the handwritten note.

Each glyph is a few polylines on a grid where the baseline is 0, small letters are 10 high, capitals and stems 20, and
tails go to -8; a curve is drawn through the points. Every letter is bent a little by a keyed digest, so that no two
are alike, and yet the same text and seed always give the same strokes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

Point = tuple[float, float]
Stroke = list[Point]

# Advance width, then strokes parted by "/"; points are "x,y".
_GLYPHS = {
    "a": "10 8,8 5,10 1,7 1,3 4,0 7,3 8,9/8,9 8,2 10,0",
    "b": "9 2,20 1,10 1,1 4,0 8,3 8,7 5,10 2,7",
    "c": "8 7,8 4,10 1,7 1,3 4,0 7,1",
    "d": "10 8,8 5,10 1,7 1,3 4,0 7,3 9,20/9,20 8,3 10,0",
    "e": "9 1,5 7,6 6,9 4,10 1,7 1,3 4,0 8,2",
    "f": "7 8,18 6,20 4,17 3,5 2,-7/0,9 7,10",
    "g": "9 8,8 5,10 1,7 1,3 4,1 7,4 8,9/8,9 7,-5 4,-8 1,-6",
    "h": "10 2,20 1,9 1,0/1,5 4,9 7,9 8,6 8,2 10,0",
    "i": "5 2,9 2,2 4,0/3,14 3.1,14.5",
    "j": "5 3,9 3,-4 1,-8 -2,-6/4,14 4.1,14.5",
    "k": "9 2,20 1,9 1,0/8,10 2,5/3,6 6,2 9,0",
    "l": "5 3,20 2,8 2,2 5,0",
    "m": "14 1,10 1,0/1,6 4,10 6,8 6,0/6,6 9,10 11,8 11,2 13,0",
    "n": "10 1,10 1,0/1,6 4,10 7,9 8,6 8,2 10,0",
    "o": "9 4,10 1,7 1,3 4,0 7,3 7,7 4,10 6,9 9,9",
    "p": "9 1,10 1,0 0,-8/1,6 4,10 7,8 8,5 6,1 3,0 1,2",
    "q": "9 8,8 5,10 1,7 1,3 4,0 7,3 8,9/8,9 8,-8 10,-5",
    "r": "7 1,10 1,0/1,6 3,9 6,10 7,9",
    "s": "8 7,9 4,10 2,8 4,5 6,3 4,0 1,1",
    "t": "7 3,17 2,6 3,1 6,0/0,10 6,11",
    "u": "10 1,10 1,3 3,0 6,2 8,9/8,9 8,2 10,0",
    "v": "9 1,10 3,3 4,0 6,4 8,10",
    "w": "13 1,10 3,0 6,7 9,0 12,10",
    "x": "9 1,10 4,5 8,0/8,10 4,5 0,0",
    "y": "9 1,10 2,4 5,2 8,9/8,9 6,-4 2,-8 0,-6",
    "z": "9 1,9 8,10 1,0 8,1",
    "E": "12 11,18 6,20 2,17 4,11 8,11/5,11 1,7 2,2 7,0 11,3",
    "F": "11 3,19 3,8 2,0/1,19 11,20/3,10 9,11",
    "H": "14 2,20 2,0/12,20 11,0/2,10 11,11",
    "J": "11 9,19 8,4 5,0 1,3/4,19 12,20",
    "K": "13 2,20 2,0/11,20 2,9/3,10 8,4 12,0",
    "L": "11 4,19 3,8 2,1 6,0 11,2",
    "M": "17 1,0 3,19/3,19 8,6 13,19/13,19 15,2 17,0",
    "O": "15 8,20 3,17 1,9 4,1 9,0 13,6 12,15 7,20 10,19",
    "P": "12 3,19 3,8 2,0/1,17 6,20 11,17 9,11 3,9",
    "S": "11 10,17 7,20 3,17 4,12 8,8 8,3 4,0 0,3",
    "T": "11 0,19 12,20/6,19 6,8 5,0",
    "V": "13 1,20 5,6 6,0 9,8 13,20",
    "A": "14 1,0 6,13 8,20 10,10 13,0/3,7 11,8",
    "1": "7 1,15 5,20 4,8 4,0",
    "2": "10 1,16 5,20 8,16 5,8 1,1 9,1",
    "3": "10 1,18 5,20 7,16 4,11 8,7 6,1 1,1",
    ".": "5 2,0.6 2.5,0",
    ",": "5 3,1 2,-3",
    ":": "6 2,1 2.5,0.5/3,8 3.5,7.5",
    "-": "8 1,6 7,6.6",
}
_DOTS = {"ä": ("a", 3.0), "ö": ("o", 2.0)}
_SPACE = 7.0
_GAP = 2.2


def pen_strokes(text: str, *, seed: str, size: float, slant: float = 0.12, wobble: float = 0.06) -> Iterator[Stroke]:
    """Yield one line of text as strokes; x runs right from 0, y up from the baseline.

    Units: ``size`` is the height of a small letter in the caller's units; ``wobble`` is relative to it.
    Raises: KeyError for a character that the hand does not know.
    """
    scale = size / 10
    x = 0.0
    for index, letter in enumerate(text):
        if letter == " ":
            x += _SPACE + 2 * jitter(seed, index)
            continue
        width, strokes = _glyph(letter)
        for number, stroke in enumerate(strokes):
            by = 0.0 if _is_dot(stroke) else wobble * 10
            bent = [_bend(point, by, f"{seed}|{index}|{number}|{at}") for at, point in enumerate(stroke)]
            lift = 0.8 * jitter(seed, index, "lift")
            yield [((x + px + slant * py) * scale, (py + lift) * scale) for px, py in _smooth(bent)]
        x += width + _GAP + 0.7 * jitter(seed, index, "gap")


def jitter(*key: object) -> float:
    """A number in [-1, 1) that depends on the key alone."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**63 - 1


def _glyph(letter: str) -> tuple[float, list[Stroke]]:
    base, shift = _DOTS.get(letter, (letter, 0.0))
    width, points = _GLYPHS[base].split(" ", 1)
    strokes = [[_point(pair) for pair in stroke.split(" ")] for stroke in points.split("/")]
    if shift:
        strokes += [[(shift, 13.5), (shift + 0.3, 14.3)], [(shift + 4, 13.8), (shift + 4.3, 14.6)]]
    return float(width), strokes


def _is_dot(stroke: Stroke) -> bool:
    return len(stroke) == 2 and abs(stroke[0][1] - stroke[1][1]) < 1


def _point(pair: str) -> Point:
    x, y = pair.split(",")
    return float(x), float(y)


def _bend(point: Point, by: float, key: str) -> Point:
    return point[0] + by * jitter(key, "x"), point[1] + by * jitter(key, "y")


def _smooth(points: Stroke, steps: int = 7) -> Stroke:
    """A Catmull-Rom curve through the points."""
    padded = [points[0], *points, points[-1]]
    curve = [points[0]]
    for before, start, end, after in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        curve += [_between(before, start, end, after, step / steps) for step in range(1, steps + 1)]
    return curve


def _between(before: Point, start: Point, end: Point, after: Point, t: float) -> Point:
    def along(a: float, b: float, c: float, d: float) -> float:
        return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t**3)

    return along(before[0], start[0], end[0], after[0]), along(before[1], start[1], end[1], after[1])
