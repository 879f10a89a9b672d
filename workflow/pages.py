"""What rules/report.smk asks: the pages about papers, and what they are made of."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workflow import beforehand, drawn, scores
from workflow.context import Context
from workflow.expand import Expansion

CODE = ["analysis.report"]
NAMED = 6  # figures of a paper whose paths are said one by one, at most


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
        told = ("title", "authors", "year", "venue", "url", "selection", "deviations")
        row = {key: getattr(paper, key) for key in told}
        for part in drawn.FILES:
            items = drawn.drawable(context, name, part)
            row[part] = [{key: getattr(item, key) for key in ("id", "title", "source")} for item in items]
        claims = drawn.drawable(context, name, "claims")
        row["beforehand"] = {each.id: text for each in claims if (text := beforehand.told(context.project, each))}
        row["contents"] = [{"by": each.by} for each in paper.contents if each.by]
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
        "films": films(context, experiments),
        "templates": [str(path.relative_to(context.root) if inside else path) for path in templates if path.is_file()],
    }


def films(context: Context, experiments: Iterable[Expansion]) -> list[str]:
    """What `arcade video` made of their runs."""
    found = [path for path in sorted(Path(context.results, "videos").glob("*.*")) if path.suffix in (".gif", ".mp4")]
    asked = {run for e in experiments for run in context.papers.runs(e.name)} if found else set()
    return [str(path) for path in found if path.stem in asked]


def made(context: Context, words: list[str]) -> list[str]:
    """Lines that say where what was made of these targets lies: figures, tables and the page."""
    names = context.project.paper_names
    papers = [word for word in words if word in names]
    drawn_alone = [word.removesuffix("_figures") for word in words if word.removesuffix("_figures") in names]
    if not words or "all" in words:
        papers = drawn_alone = context.config.papers
    lines = [line for paper in dict.fromkeys(drawn_alone) for line in _pictures(context, paper)]
    pages = [[paper] for paper in papers] if words and "all" not in words else [papers]
    found = dict.fromkeys(file(context, page) for page in pages if page)
    return lines + [f"report: {path}" for path in found if Path(path).exists()]


def _pictures(context: Context, paper: str) -> list[str]:
    """A paper's figures and tables, each where they are few, else their folders."""
    lines = []
    for part, suffix in (("figures", ".pdf"), ("tables", ".md")):
        paths = [path for path in drawn.files(context, paper) if path.endswith(suffix) and Path(path).exists()]
        if len(paths) > NAMED:
            lines.append(f"{part}: {len(paths)} in {Path(paths[0]).parent}/")
        else:
            lines += [f"{part[:-1]}: {path}" for path in paths]
    return lines


def energy(context: Context) -> str:
    """The watts that energy is estimated with, as JSON; 'null' for none."""
    given = context.config.energy
    return json.dumps(given and given.model_dump())
