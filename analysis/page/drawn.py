"""What earlier steps drew and judged, as the page reads it: UserError, with what to do, for a file that is damaged."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
from PIL import Image

from analysis.errors import UserError
from analysis.files import read_json

# What every caption and every judgement has: analysis/caption.py, analysis/claims.py.
CAPTION = {"id", "kind", "title", "source", "text", "runs", "experiments", "scales", "missing", "diverged"}
JUDGED = {"id", "kind", "text", "source", "published", "verdict", "ours", "why", "basis", "weak", "seeds", "runs"}
ANEW = "delete this file, and the same command makes it anew"
OTHER = "this is not what was written there"


def made(path: Path, kind: type, keys: Set[str]) -> Any:
    """JSON that an earlier step wrote, an object with these keys or a list of such; UserError where it is damaged, with
    what to do."""
    try:
        found = read_json(path)
        each = found if isinstance(found, list) else [found]
        if not isinstance(found, kind) or not all(isinstance(one, dict) and keys <= one.keys() for one in each):
            raise UserError(f"cannot read {path}: {OTHER}")
    except UserError as error:
        raise UserError(f"{error}; {ANEW}") from None
    return found


def numbers(path: Path, about: Mapping[str, Any]) -> pd.DataFrame:
    """A figure's data file; names in it stay text, whatever they look like. UserError where it is missing, or not the
    one that was written with the caption `about`."""
    if not path.exists():
        raise UserError(f"no such file: {path}, which was written with its figure; the same command makes it anew")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != about.get("csv_sha256"):
        raise UserError(f"{path} is not what was written with its figure: it is damaged or was edited; {ANEW}")
    names = dict.fromkeys(("panel", "label", "role", "row"), "")
    table = pd.read_csv(io.BytesIO(data), dtype=dict.fromkeys(names, str), keep_default_na=False, na_values=[""])
    return table.fillna(names)


def vector(path: Path) -> bytes:
    """A figure's SVG; UserError where it is none, or not a whole one."""
    data = path.read_bytes()
    try:
        whole = ElementTree.fromstring(data).tag.endswith("svg")
    except ElementTree.ParseError:
        whole = False
    if not whole:
        raise UserError(f"cannot read {path}: {OTHER}; {ANEW}")
    return data


def fewer_colours(png: Path) -> bytes:
    """A picture of lines and letters with 256 colours, in a third of the bytes; UserError where it is none, or not a
    whole one."""
    out = io.BytesIO()
    try:
        with Image.open(png) as picture:
            few = picture.convert("RGB").quantize(256)
    except (OSError, SyntaxError):
        raise UserError(f"cannot read {png}: {OTHER}; {ANEW}") from None
    few.save(out, "png", optimize=True)
    return out.getvalue()


def points(svg: bytes, key: bytes) -> float:
    """The `width` or `height` that an SVG asks for, points; 300 where it names none."""
    found = re.search(rb"<svg[^>]*\b" + key + rb'="([\d.]+)pt"', svg)
    return float(found.group(1)) if found else 300.0
