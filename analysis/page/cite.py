"""BibTeX of the papers of a page, of what their files in config/papers say."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

OURS = """@software{paper_arcade,
  title = {{Paper Arcade: deep-RL papers on the Arcade, from YAML to finished figures}},
  author = {{Paper Arcade contributors}},
  note = {%s},
}"""
_TEX = str.maketrans({"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": "", "}": "", "\\": ""})


def bibtex(paper: Mapping[str, Any]) -> str:
    """One entry: `authors` in one text divided by commas, `year`, `venue`, `url` (of arXiv: its number)."""
    authors = [name.strip() for name in re.split(r",| and ", paper["authors"]) if name.strip()]
    authors = ["others" if re.fullmatch(r"et al\.?|others", name) else name for name in authors]
    venue, url = str(paper.get("venue") or ""), str(paper.get("url") or "")
    fields = {"title": f"{{{_tex(paper['title'])}}}", "author": " and ".join(map(_tex, authors))}
    if paper.get("year"):
        fields["year"] = str(paper["year"])
    if venue and venue != "none":
        fields["howpublished"] = _tex(venue)
    if arxiv := re.search(r"arxiv\.org/(?:abs|pdf)/([\w.-]+?)(?:v\d+)?(?:\.pdf)?$", url):
        fields |= {"eprint": arxiv[1], "archiveprefix": "arXiv"}
    if url:
        fields["url"] = url
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@misc{{{_key(paper, authors)},", *lines, "}"])


def ours(commit: str) -> str:
    """The entry of this program."""
    return OURS % (f"commit {commit}" if commit else "as used")


def _key(paper: Mapping[str, Any], authors: list[str]) -> str:
    """'gogianu2021sn': the first author's last word, the year, the paper's name here."""
    last = authors[0].split()[-1] if authors else ""
    plain = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode().lower()
    return re.sub(r"\W", "", f"{plain}{paper.get('year') or ''}{paper['paper']}")


def _tex(text: str) -> str:
    return str(text).translate(_TEX)
