"""A page written by hand and photographed on a table: uneven light, a slight turn, grain; JPEG of 1-2 MB."""

from __future__ import annotations

import hashlib
import io

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from vault.demo.papers_hand import pen_strokes

_PAGE = (1500, 2100)
_SHOT = (1900, 2530)
_PEN = (34, 48, 118)


def photograph(text: str) -> bytes:
    """The JPEG of ``text`` as a photographed, handwritten page; the same text gives the same bytes on one Pillow."""
    shot = _on_table(_written_page(text))
    shot = _lit(shot.filter(ImageFilter.GaussianBlur(0.7)))
    out = io.BytesIO()
    _grained(shot).save(out, "JPEG", quality=88, dpi=(220, 220))
    return out.getvalue()


def _written_page(text: str) -> Image.Image:
    """A squared exercise-book page with the text in ink."""
    page = Image.new("RGB", _PAGE, (250, 248, 240))
    draw = ImageDraw.Draw(page)
    for step in range(30, max(_PAGE), 50):
        draw.line([(step, 0), (step, _PAGE[1])], fill=(206, 218, 230), width=2)
        draw.line([(0, step), (_PAGE[0], step)], fill=(206, 218, 230), width=2)
    draw.line([(150, 0), (150, _PAGE[1])], fill=(226, 150, 150), width=3)
    for row, line in enumerate(text.splitlines()):
        _write(draw, line, row)
    return page


def _write(draw: ImageDraw.ImageDraw, line: str, row: int) -> None:
    """Write one line; the first is larger and underlined, and every line climbs a little, as a hand does."""
    size = 38.0 if row == 0 else 27.0
    left, base = 190.0 + 8 * (len(line) - len(line.lstrip())), 165.0 + 95 * row
    last = left
    for stroke in pen_strokes(line.strip(), seed=f"note {row}", size=size):
        points = [(left + x, base - y - 0.012 * x) for x, y in stroke]
        draw.line(points, fill=_PEN, width=6, joint="curve")
        for x, y in (points[0], points[-1]):
            draw.ellipse([x - 3, y - 3, x + 3, y + 3], fill=_PEN)
        last = max(last, points[-1][0])
    if row == 0:
        draw.line([(left, base + 30), (last, base + 14)], fill=_PEN, width=6)


def _on_table(page: Image.Image) -> Image.Image:
    """The page on brown wood, seen a little from the side and turned by two degrees."""
    table = _wood()
    shadow = Image.new("L", _SHOT, 0)
    sheet = Image.new("RGB", _SHOT)
    at = ((_SHOT[0] - _PAGE[0]) // 2, (_SHOT[1] - _PAGE[1]) // 2)
    sheet.paste(page, at)
    mask = Image.new("L", _SHOT, 0)
    mask.paste(255, (*at, at[0] + _PAGE[0], at[1] + _PAGE[1]))
    sheet, mask = _tilted(sheet), _tilted(mask)
    shadow.paste(130, (18, 22), mask)
    table.paste((38, 26, 18), (0, 0), shadow.filter(ImageFilter.GaussianBlur(26)))
    table.paste(sheet, (0, 0), mask)
    return table


def _tilted(image: Image.Image) -> Image.Image:
    width, height = _SHOT
    corners = (-35, -20, 25, height + 15, width + 20, height - 15, width - 30, 25)
    seen = image.transform(_SHOT, Image.Transform.QUAD, corners, Image.Resampling.BICUBIC)
    return seen.rotate(-2.1, Image.Resampling.BICUBIC)


def _wood() -> Image.Image:
    """Wood: noise drawn out along the grain."""
    grain = _noise((_SHOT[0] // 6, 9), "wood").resize(_SHOT, Image.Resampling.BICUBIC)
    dark, light = Image.new("RGB", _SHOT, (92, 62, 40)), Image.new("RGB", _SHOT, (142, 102, 68))
    return Image.composite(light, dark, grain)


def _lit(shot: Image.Image) -> Image.Image:
    """Light from a window at the upper left, falling off towards the lower right."""
    light = Image.new("L", (3, 3))
    light.putdata([255, 244, 214, 246, 228, 196, 220, 198, 160])
    warm = Image.merge("RGB", [light, light.point(lambda v: int(v * 0.985)), light.point(lambda v: int(v * 0.95))])
    return ImageChops.multiply(shot, warm.resize(_SHOT, Image.Resampling.BICUBIC))


def _grained(shot: Image.Image) -> Image.Image:
    """Sensor grain, a little coarser than one pixel."""
    grain = _noise(_SHOT, "grain").filter(ImageFilter.GaussianBlur(0.8))
    grain = grain.point(lambda v: 128 + int((v - 128) * 0.24))
    return ImageChops.add(shot, Image.merge("RGB", [grain] * 3), scale=1, offset=-128)


def _noise(size: tuple[int, int], seed: str) -> Image.Image:
    """Even grey noise that depends on the seed alone."""
    return Image.frombytes("L", size, hashlib.shake_256(seed.encode()).digest(size[0] * size[1]))
