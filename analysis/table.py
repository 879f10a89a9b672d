"""Make one table and save it: CSV (full precision), Markdown, LaTeX, JSON caption.

A kind is a module of analysis/tables/ with `build(spec, scores, reference) -> Sheet`. It raises UserError for a mistake
in the spec, and NoData where no run has anything to show.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import caption
from analysis.errors import NoData
from analysis.files import csv_text, dump_json, resolve, target, write_text
from analysis.load import read_scores
from analysis.markdown import escape, one_line, table
from analysis.reference import Reference
from analysis.spec.items import TABLES, TableSpec


@dataclass
class Sheet:
    """A table for readers (`head`, `body` of text) and the numbers behind it in long form."""

    head: list[str]
    body: list[list[str]]
    data: pd.DataFrame
    caption: dict[str, Any]


def make_table(spec: TableSpec, scores: Iterable[Path], reference: Path, out: Path) -> list[Path]:
    """Build `spec` and write out.csv, .md, .tex and .json; returns their paths. UserError for mistakes of the input."""
    loaded = read_scores(scores)
    try:
        sheet: Sheet = resolve(TABLES[spec.kind])(spec, loaded, Reference(reference))
    except NoData as reason:
        columns = ["label", "role", "value", "low", "high", "n"]
        about = caption.without_data(spec, loaded, str(reason))
        sheet = Sheet(["No data"], [[str(reason)]], pd.DataFrame(columns=columns), about)
    texts = {
        "csv": csv_text(sheet.data),
        "md": markdown(sheet),
        "tex": latex(sheet, f"{out.parent.name}-{out.name}"),
        "json": dump_json(sheet.caption | {"head": sheet.head, "body": sheet.body}),
    }
    for suffix, text in texts.items():
        write_text(target(out, suffix), text)
    return [target(out, suffix) for suffix in texts]


def markdown(sheet: Sheet) -> str:
    """A Markdown table, its first column to the left, with the caption below it."""
    head, *body = ([escape(cell) for cell in line] for line in (sheet.head, *sheet.body))
    return f"{table(head, body, right=len(head) - 1)}\n\n{escape(sheet.caption['text'])}\n"


_LATEX = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
          "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
          "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "`": r"\textasciigrave{}",
          "±": r"$\pm$", "–": "--", "−": "$-$"}  # fmt: skip


def tex_escape(text: str) -> str:
    """Text that LaTeX sets as it is."""
    text = "".join(_LATEX.get(character, character) for character in re.sub("-(?=-)", "-\0", one_line(text)))
    text = text.replace("\0", "{}")  # two hyphens would become a dash
    # after \\\\ or \\midrule, a bracket or star at the start of a row would be an option of theirs
    return f"{{}}{text}" if text[:1] in ("[", "*") else text


def latex(sheet: Sheet, label: str) -> str:
    """A booktabs table environment, ready for \\input; `label` is no other table's in a document."""
    line = lambda cells: " & ".join(map(tex_escape, cells)) + r" \\"  # noqa: E731
    parts = [
        r"\begin{table}[t]",
        r"\centering\small",
        rf"\begin{{tabular}}{{l{'r' * (len(sheet.head) - 1)}}}",
        r"\toprule",
        line(sheet.head),
        r"\midrule",
        *map(line, sheet.body),
        r"\bottomrule",
        r"\end{tabular}",
        rf"\caption{{{tex_escape(sheet.caption['title'])}. {tex_escape(sheet.caption['text'])}}}",
        rf"\label{{tab:{label}}}",
        r"\end{table}",
    ]
    return "\n".join(parts) + "\n"
