"""docs/references.bib: the papers of config/papers in BibTeX. `python -m manual.bibliography` writes it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from manual.symbols import ROOT
from workflow.strict_yaml import load

FILE = ROOT / "docs/references.bib"
OURS = ("demo", "evidence", "laptop")  # selections of ours, not papers
NOTE = "% Written by `python -m manual.bibliography` from config/papers: not to be edited.\n"
JOURNALS = ("Nature", "arXiv", "a blog")


def text(root: Path = ROOT) -> str:
    """All entries, by the names of their files."""
    names = sorted(path.stem for path in (root / "config/papers").glob("*.yaml"))
    return NOTE + "".join(entry(root, name) for name in names if name not in OURS)


def entry(root: Path, name: str) -> str:
    """The paper of config/papers/<name>.yaml."""
    paper = load(root / f"config/papers/{name}.yaml").data
    kind, place = ("article", "journal") if paper["venue"] in JOURNALS else ("inproceedings", "booktitle")
    if paper["venue"] == "a blog":
        kind, place = "misc", "howpublished"
    fields = {
        "title": f"{{{paper['title']}}}",
        "author": " and ".join(re.sub("^and ", "", each.strip()) for each in paper["authors"].split(",")),
        "year": paper["year"],
        place: paper["venue"],
        "url": paper["url"],
    }
    if found := re.fullmatch(r"https://arxiv\.org/abs/(.+)", paper["url"]):
        fields |= {"eprint": found[1], "archiveprefix": "arXiv"}
    lines = "".join(f"  {key} = {{{value}}},\n" for key, value in fields.items())
    return f"\n@{kind}{{{name},\n{lines}}}\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    sys.exit(0)
