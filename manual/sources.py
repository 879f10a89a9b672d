"""The code as pages of numbered lines, to which links lead; without the site's frame, which costs more than all."""

from __future__ import annotations

import html
from pathlib import Path

from manual.symbols import ROOT

FOLDER = "code"
PLACES = ("agents", "analysis")
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title><style>
:root {{ color-scheme: light dark; }}
body {{ margin: 1rem; font: 14px/1.45 ui-monospace, monospace; }}
pre {{ margin: 0; overflow-x: auto; }}
a {{ color: inherit; opacity: .5; text-decoration: none; user-select: none; }}
:target {{ background: #fd06; }}
</style></head><body><p>{name}</p><pre>{lines}</pre></body></html>
"""


def write(out: Path) -> None:
    """A page for each file, where it is not there as it should be; pages of files that are gone go."""
    names = [path.relative_to(ROOT).as_posix() for place in PLACES for path in sorted((ROOT / place).rglob("*.py"))]
    pages = {out / FOLDER / f"{name}.html": name for name in names}
    for page in (page for page in (out / FOLDER).rglob("*.html") if page not in pages):
        page.unlink()
    for page, name in pages.items():
        text = PAGE.format(name=name, lines=_lines((ROOT / name).read_text(encoding="utf-8")))
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(text, encoding="utf-8")


def _lines(text: str) -> str:
    lines = html.escape(text, quote=False).splitlines()
    width = len(str(len(lines)))
    return "\n".join(
        f'<span id="L{n}"><a href="#L{n}">{n:>{width}}</a>  {line}</span>' for n, line in enumerate(lines, start=1)
    )
