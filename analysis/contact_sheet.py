"""Figures and tables of a paper in one small picture, to see at a glance whether all are what they should be."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from analysis.errors import UserError
from analysis.files import write_atomic

WIDE, MANY = (640, 500), 24  # pixels of a tile's width, and where there are more tiles than this
GAP, NAME = 16, 20  # pixels between tiles, and of the line with a tile's name
MOST = 12  # rows of a table that are shown
HEAD = 11  # letters of a line of a table's head
TEXT = 12  # pixels of a table's letters, before it is made as narrow as a tile
COLOURS = 256  # of the PNG


def contact_sheet(figures: Sequence[Path], tables: Sequence[Path], out: Path) -> None:
    """Write a PNG of figures (PNG) and tables (their JSON), each under its name; UserError for a file that is none."""
    named = [(path.stem, _figure(path)) for path in figures] + [(path.stem, _table(path)) for path in tables]
    if not named:
        raise UserError("there is no figure and no table to show")
    wide = WIDE[len(named) > MANY]
    sheet = _laid([(name, _narrowed(picture, wide)) for name, picture in named], wide)
    small = sheet.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    write_atomic(out, partial(small.save, format="PNG", optimize=True))


def columns(heights: Sequence[int], wide: int) -> list[list[int]]:
    """Which tiles stand in which column: each in the shortest so far; as many columns as make about a square."""
    area = sum(heights) * wide
    count = max(1, min(len(heights), round(area**0.5 / wide)))
    found: list[list[int]] = [[] for _ in range(count)]
    filled = [0] * count
    for tile, high in enumerate(heights):
        shortest = filled.index(min(filled))
        found[shortest].append(tile)
        filled[shortest] += high
    return found


def _laid(tiles: list[tuple[str, Image.Image]], wide: int) -> Image.Image:
    """All tiles on white, with a line around each."""
    heights = [NAME + picture.height + GAP for _, picture in tiles]
    places = columns(heights, wide)
    high = max(sum(heights[tile] for tile in column) for column in places)
    sheet = Image.new("RGB", (len(places) * (wide + GAP) + GAP, high + GAP), "white")
    pen, font = ImageDraw.Draw(sheet), _font(14, bold=True)
    for k, column in enumerate(places):
        left, top = GAP + k * (wide + GAP), GAP
        for tile in column:
            name, picture = tiles[tile]
            pen.text((left, top), name, fill="#1b4f8a", font=font)
            sheet.paste(picture, (left, top + NAME))
            pen.rectangle((left - 1, top + NAME - 1, left + wide, top + NAME + picture.height), outline="#d0d0d0")
            top += heights[tile]
    return sheet


def _narrowed(picture: Image.Image, wide: int) -> Image.Image:
    """As wide as a tile, what is narrower with white beside it."""
    if picture.width <= wide:
        whole = Image.new("RGB", (wide, picture.height), "white")
        whole.paste(picture, (0, 0))
        return whole
    return picture.resize((wide, max(1, round(picture.height * wide / picture.width))), Image.Resampling.LANCZOS)


def _figure(path: Path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            return picture.convert("RGB")
    except OSError as error:
        raise UserError(f"{path} is no figure's PNG: {error}") from None


def _table(path: Path) -> Image.Image:
    """The head and the first rows of a table, as text."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        head, body = said["head"], said["body"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is no table's JSON: {error!r}") from None
    lines = textwrap.TextWrapper(HEAD, break_long_words=False, break_on_hyphens=False)
    names = [lines.wrap(str(cell)) or [""] for cell in head]
    tall = max(map(len, names))  # lines of the head, which stand at its foot
    rows = [list(line) for line in zip(*([""] * (tall - len(name)) + name for name in names), strict=True)]
    rows += [list(map(str, row)) for row in body[:MOST]]
    font, strong = _font(TEXT), _font(TEXT, bold=True)
    widths = [max(int(strong.getlength(cell)) for cell in column) + 12 for column in zip(*rows, strict=True)]
    more = len(body) - MOST
    line = TEXT + 6
    picture = Image.new("RGB", (sum(widths) + 8, line * (len(rows) + (more > 0)) + 6), "white")
    pen = ImageDraw.Draw(picture)
    for y, row in enumerate(rows):
        left = 4
        for x, (cell, wide) in enumerate(zip(row, widths, strict=True)):
            letters = strong if y < tall else font
            at = left if x == 0 else left + wide - 8 - letters.getlength(cell)
            pen.text((at, 3 + y * line), cell, fill="black", font=letters)
            left += wide
    pen.line((2, tall * line + 1, picture.width - 3, tall * line + 1), fill="#888888")
    if more > 0:
        pen.text((4, 3 + len(rows) * line), f"and {more} rows more", fill="#666666", font=font)
    return picture


def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The figures' own letters, which lie in matplotlib's folder."""
    found = find_spec("matplotlib")
    assert found is not None and found.origin is not None
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / name), size)
