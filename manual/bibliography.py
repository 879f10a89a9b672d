"""docs/references.bib: the papers of config/papers in BibTeX. `python -m manual.bibliography` writes it."""

from __future__ import annotations

import sys
from pathlib import Path

from analysis.page import cite
from manual.symbols import ROOT
from workflow.strict_yaml import load

FILE = ROOT / "docs/references.bib"
NOTE = "% Written by `python -m manual.bibliography` from config/papers: not to be edited.\n"


def text(root: Path = ROOT) -> str:
    """All entries, by the names of their files; our own selections are no papers."""
    papers = {path.stem: load(path).data for path in sorted((root / "config/papers").glob("*.yaml"))}
    entries = [cite.bibtex({"paper": name, **paper}) for name, paper in papers.items() if not paper.get("selection")]
    return "\n".join([NOTE, *(f"{entry}\n" for entry in entries)])


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    sys.exit(0)
