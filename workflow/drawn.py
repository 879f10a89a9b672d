"""What rules/figures.smk asks: the specs, inputs and code of figures, tables and claims."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from analysis.spec.items import CLAIMS, FIGURES, TABLES
from workflow import scores
from workflow.context import Context
from workflow.expand import Run
from workflow.items import takes_normalisation
from workflow.strict_yaml import ConfigError, nearest

FILES = {"figures": ("pdf", "svg", "png", "csv", "json"), "tables": ("csv", "md", "tex", "json")}
# The modules behind each command of analysis/, to which those of the kinds drawn are added.
CODE = {"figures": "analysis.figure", "tables": "analysis.table", "claims": "analysis.claims"}
KINDS = {"figures": FIGURES, "tables": TABLES}
FIRST = 1_000_000  # priority above that of every run
DREAM, ANIMATION = ["agents.dream"], ["analysis.animation"]  # where the code of what is imagined begins


def files(context: Context, paper: str) -> list[str]:
    """Every file of a paper's figures and tables, with the animations of what world models imagined."""
    drawn = [
        f"{context.shown}/{part}/{paper}/{item.id}.{suffix}"
        for part, suffixes in FILES.items()
        for item in drawable(context, paper, part)
        for suffix in suffixes
    ]
    dreams = [item for item in drawable(context, paper, "figures") if dreamt(context, item)]
    return drawn + [f"{context.shown}/figures/{paper}/{item.id}.gif" for item in dreams]


def drawable(context: Context, paper: str, part: str) -> list[Any]:
    """A paper's figures, tables or claims; with `partial` those whose experiments all have a finished run."""
    items = getattr(context.project.paper(paper)[0], part)
    if not context.config.partial:
        return items
    return [
        item for item in items if all(scores.marks(context, context.papers.experiment(n)) for n in item.experiments)
    ]


def item(context: Context, part: str, paper: str, name: str) -> Any:
    """A figure or table of a paper by its id; raises ConfigError if there is none."""
    items = {item.id: item for item in getattr(context.project.paper(paper)[0], part)}
    if name not in items:
        close = nearest(name, items)
        hint = f"did you mean {close!r}?" if close else f"{part}: {', '.join(items)}"
        raise ConfigError(f"config/papers/{paper}.yaml has no {part[:-1]} {name!r}; {hint}")
    return items[name]


def spec(context: Context, part: str, wildcards: Any) -> str:
    """JSON of one figure or table."""
    return as_json(context, item(context, part, wildcards.paper, wildcards.id))


def as_json(context: Context, item: Any) -> str:
    """JSON of a figure, table or claim, with the main config's choices where it makes none."""
    values = item.model_dump(mode="json")
    if "interval" in values and "interval" not in item.model_fields_set:
        values["interval"] = context.config.interval.model_dump(mode="json")
    games = (game for name in item.experiments for game in context.papers.experiment(name).games)
    if takes_normalisation(item, games):
        values["normalisation"] = context.config.normalisation
    return json.dumps(values, separators=(",", ":"))  # in the file's order, which a profile's metrics are drawn in


def dreamt(context: Context, item: Any) -> Run | None:
    """The run whose world model a figure shows: the first of its variant that is asked for at this scale.

    None for figures that show none, where there is no such run, and where it is not finished and nothing is trained.
    """
    if not item.dreams:
        return None
    for run in context.papers.experiment(item.experiments[0]).runs():
        varied = all(run.point.vary.get(key) == value for key, value in item.where.items())
        if run.point.variant == item.variants[0] and run.game in (item.games or [run.game]) and varied:
            there = context.trains or context.finished.problem(run) is None
            return run if there else None
    return None


def dream(context: Context, wildcards: Any) -> dict[str, Any]:
    """Inputs of what a figure's world model imagines."""
    run = dreamt(context, item(context, "figures", wildcards.paper, wildcards.id))
    if run is None:
        raise ConfigError(f"{wildcards.paper}: figure {wildcards.id!r} shows no world model of a run at this scale")
    return {"mark": context.finished.mark(run), "code": context.inputs.code("dream", DREAM)}


def animation(context: Context, wildcards: Any) -> dict[str, Any]:
    """Inputs of the same as a GIF."""
    return {
        "dreams": [f"{context.shown}/dreams/{wildcards.paper}/{wildcards.id}.parquet"],
        "code": context.inputs.code("animation", ANIMATION),
    }


def dream_options(context: Context, wildcards: Any) -> list[str]:
    """The command line of the same, without its output."""
    shown = item(context, "figures", wildcards.paper, wildcards.id)
    run = dreamt(context, shown)
    folder = context.finished.folder(run) if run else ""
    return ["--run", str(folder), "--steps", str(shown.steps), "--context", str(shown.context)]


def priority(context: Context, part: str, wildcards: Any) -> int:
    """What needs no run is drawn before any run is trained."""
    return 0 if item(context, part, wildcards.paper, wildcards.id).experiments else FIRST


def code(context: Context, part: str, wildcards: Any) -> list[str]:
    """Where the code of one figure or table begins."""
    return [CODE[part], KINDS[part][item(context, part, wildcards.paper, wildcards.id).kind]]


def inputs(context: Context, part: str, wildcards: Any) -> dict[str, Any]:
    """Inputs of one figure or table: scores, the code of its kind, the published numbers."""
    drawn = item(context, part, wildcards.paper, wildcards.id)
    return {
        "scores": scores.files(context, drawn.experiments),
        "dreams": [f"{context.shown}/dreams/{wildcards.paper}/{drawn.id}.parquet"] if dreamt(context, drawn) else [],
        "code": context.inputs.code(f"{part[:-1]}-{drawn.kind}", code(context, part, wildcards)),
        "reference": reference_files(context),
    }


def claims(context: Context, paper: str) -> str:
    """The canonical JSON of a paper's claims."""
    return f"[{','.join(as_json(context, claim) for claim in drawable(context, paper, 'claims'))}]"


def claims_code(context: Context, paper: str) -> list[str]:
    """Where the code of a paper's claims begins."""
    return [CODE["claims"], *sorted({CLAIMS[claim.kind] for claim in drawable(context, paper, "claims")})]


def claims_inputs(context: Context, paper: str) -> dict[str, Any]:
    names = sorted({name for claim in drawable(context, paper, "claims") for name in claim.experiments})
    return {
        "scores": scores.files(context, names),
        "code": context.inputs.code(f"claims-{paper}", claims_code(context, paper)),
        "reference": reference_files(context),
    }


def reference(context: Context) -> str:
    """config/reference, relative to the working folder where that is the checkout: paths are part of a job's
    identity, and a clone elsewhere must not redraw everything."""
    return "config/reference" if Path.cwd() == context.root else str(context.root / "config" / "reference")


def reference_files(context: Context) -> list[str]:
    base = Path(reference(context))
    return sorted(str(path) for pattern in ("*.csv", "curves/*.csv") for path in base.glob(pattern))
