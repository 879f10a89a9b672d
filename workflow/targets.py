"""What can be asked for by name (rules/targets.smk) or as a file, and the runs that it is made of."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from workflow import drawn, pages
from workflow.config import RESERVED
from workflow.context import Context
from workflow.expand import Run
from workflow.strict_yaml import ConfigError


def names(context: Context) -> list[str]:
    """`all`, each paper, and each paper's figures."""
    papers = context.project.paper_names
    return ["all", *papers, *(f"{paper}_figures" for paper in papers)]


def files(context: Context, papers: list[str]) -> list[str]:
    """What `snakemake <paper>` makes (or `all`, for several papers). The rest comes with the report."""
    return [pages.file(context, papers), *(f"{context.shown}/claims/{paper}.json" for paper in papers)]


def check(context: Context, words: Iterable[str]) -> None:
    """Read the papers that a command line names (else the configured ones), to report every problem at
    once and before anything runs. What has a slash or a dot is a file, for Snakemake to judge. Raises ConfigError."""
    known = names(context)
    for word in words:
        if word not in known and word not in RESERVED and "/" not in word and "." not in word:
            raise ConfigError(context.project.unknown_target(word, known))
    named = {word.removesuffix("_figures") for word in words} & set(context.project.paper_names)
    wanted = sorted(named) or context.config.papers
    context.project.check(wanted)
    for name in wanted:
        context.papers[name]


def runs_behind(context: Context, targets: Iterable[str]) -> dict[str, Run]:
    """Run name -> run, of all that these targets are made of (papers, their figures, files; none: `all`)."""
    found: dict[str, Run] = {}
    for target in list(targets) or ["all"]:
        for name in _experiments(context, target):
            found |= context.papers.runs(name)
        if target.startswith(f"{context.results}/sealed/"):
            run = context.papers.run(target.removeprefix(f"{context.results}/sealed/").partition("/")[0])
            found[run.name] = run
    return found


def missing(context: Context, targets: Iterable[str]) -> list[Run]:
    """The runs behind the targets that have left no whole result yet."""
    return [run for run in runs_behind(context, targets).values() if context.finished.problem(run) is not None]


def to_make(context: Context, targets: list[str]) -> list[str]:
    """Files that these targets are made by way of: marks of the runs that are missing, the pages, the targets."""
    found = [context.finished.mark(run) for run in missing(context, targets)] if context.trains else []
    papers = [name for name in targets if name in context.project.paper_names]
    named = [[name] for name in papers] if targets and "all" not in targets else [context.config.papers]
    return found + targets + [path for names in named for path in files(context, names)]


def _experiments(context: Context, target: str) -> list[str]:
    """The experiments behind a target, as "paper.experiment"; none for a file that has none."""
    if target == "all":
        return [name for paper in context.config.papers for name in _experiments(context, paper)]
    paper = target.removesuffix("_figures")
    if paper in context.project.paper_names:
        described = context.project.paper(paper)[0]
        items = [*described.figures, *described.tables]
        own = [] if target != paper else [f"{paper}.{key}" for key in context.papers[paper]]
        items += [] if target != paper else described.claims
        return list(dict.fromkeys([*own, *(name for item in items for name in item.experiments)]))
    match Path(target.removeprefix(f"{context.shown}/")).parts:
        case ["scores", file]:
            return [file.removesuffix(".parquet")]
        case ["report", file]:
            return _experiments(context, "all" if file == "index.html" else file.removesuffix(".html"))
        case ["claims", file]:
            claims = drawn.drawable(context, file.removesuffix(".json"), "claims")
            return [name for claim in claims for name in claim.experiments]
        case ["dreams", paper, file]:
            return drawn.item(context, "figures", paper, file.partition(".")[0]).experiments
        case [("figures" | "tables") as part, paper, file]:
            return drawn.item(context, part, paper, file.partition(".")[0]).experiments
    return []
