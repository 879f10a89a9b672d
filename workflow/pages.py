"""What rules/report.smk asks: the pages about papers, and what they are made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workflow import drawn, scores
from workflow.context import Context

CODE = ["analysis.report"]


def file(context: Context, papers: list[str]) -> str:
    """The page about these papers: index.html where they are all that is configured."""
    page = "index" if papers == context.config.papers else papers[0]
    return f"{context.shown}/report/{page}.html"


def papers_of(context: Context, page: str) -> list[str]:
    return context.config.papers if page == "index" else [page]


def as_json(context: Context, page: str) -> str:
    """What a page says of each paper."""
    rows = []
    for name in papers_of(context, page):
        paper = context.project.paper(name)[0]
        row = {key: getattr(paper, key) for key in ("title", "authors", "year", "venue", "url", "deviations")}
        for part in drawn.FILES:
            items = drawn.drawable(context, name, part)
            row[part] = [{key: getattr(item, key) for key in ("id", "title", "source")} for item in items]
        absent = [each for each in paper.contents if each.absent]
        row["absent"] = [{key: getattr(each, key) for key in ("name", "shows", "absent")} for each in absent]
        rows.append({"paper": name, **row})
    return json.dumps(rows, sort_keys=True, separators=(",", ":"))


def inputs(context: Context, page: str) -> dict[str, Any]:
    """Inputs of a page; with `partial`, of the experiments that have a finished run."""
    names, partial = papers_of(context, page), context.config.partial
    experiments = [e for n in names for e in context.papers[n].values() if not partial or scores.marks(context, e)]
    templates = sorted((context.root / "analysis" / "templates").glob("*"))
    inside = Path.cwd() == context.root
    return {
        "figures": [path for name in names for path in drawn.files(context, name)],
        "claims": [f"{context.shown}/claims/{name}.json" for name in names],
        "scores": scores.files(context, (e.name for e in experiments)),
        "members": [path for e in experiments for path in scores.members(context, e)],
        "code": context.inputs.code("report", CODE),
        "templates": [str(path.relative_to(context.root) if inside else path) for path in templates if path.is_file()],
    }
