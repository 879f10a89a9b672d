"""docs/papers: the ledger (workflow/ledger.py) as Markdown, one page a paper and an index."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.markdown import table
from workflow import settings
from workflow.ledger import OURS, SHEET, STATES, Cost, Item, Ledger, Row
from workflow.overlay import flatten
from workflow.scales import exactly
from workflow.write import write_if_changed

LONG = 60  # characters of a value beyond which a page shows its beginning
NOTE = "Written by `python -m workflow ledger` from config/ and from what is kept under docs/: not to be edited."
UNJUDGED = "Without a verdict: no summary of claims that is kept under docs/ judges it; its runs may be newer."
COSTS = """\
Costs are those of `python -m workflow plan`, each run once, on cores of the machine in workflow/speeds.yaml. Of runs on
GPUs only the time limits are known: with them the hours are a bound (`≤`), not an estimate."""
TARGETS = """\
What stands under "here" is made at the paper's scale by

```sh
snakemake --profile slurm results/paper/HERE --config scale=paper
```

and at the reduced one by `snakemake --cores all results/reduced/HERE`. "In its manner": by a smaller study of the same
question."""


def pages(ledger: Ledger) -> dict[Path, str]:
    """Path -> text of every page."""
    found = {ledger.folder / "README.md": _index(ledger)}
    return found | {ledger.folder / f"{paper}.md": page(ledger, paper) for paper in ledger.papers}


def stale(ledger: Ledger) -> list[Path]:
    """Pages that do not say what they should, or should not be there."""
    wanted = pages(ledger)
    there = {path: path.read_text(encoding="utf-8") for path in ledger.folder.glob("*.md")}
    return sorted(path for path in wanted.keys() | there.keys() if wanted.get(path) != there.get(path))


def write(root: Path) -> list[Path]:
    """Bring docs/papers up to date; returns the files that changed."""
    wanted = pages(ledger := Ledger(root))
    gone = [path for path in ledger.folder.glob("*.md") if path not in wanted]
    for path in gone:
        path.unlink()
    return [path for path, content in wanted.items() if write_if_changed(path, content)] + gone


def _index(ledger: Ledger) -> str:
    lines = []
    total = [0] * (len(STATES) + 2)
    for name, paper in ledger.papers.items():
        rows = ledger.rows(name)
        first = [row.states[0] for row in rows]
        counts = [
            len(rows),
            *(first.count(state) for state in STATES),
            sum(row.stands_in(row.states[0]) for row in rows),
        ]
        total = [a + b for a, b in zip(total, counts, strict=True)]
        cost = ledger.cost(f"{name}.{key}" for key in paper.experiments)
        lines.append([f"[{name}]({name}.md)", f"{paper.title}, {paper.year}", *counts, *_told(cost)])
    head = ["", "paper", "rows", *STATES, "in its manner", "runs", "core-hours", "GPU-hours"]
    lines.append(["", "all", *total, "", "", ""])
    return f"""# What the papers show

One row for each figure, table and stated result of each paper, counted once, by the first of these that holds:

- **{STATES[0]}**: kept under docs/, made at the reduced scale (at the paper's, where an experiment has no other);
- **{STATES[1]}**: it needs no run;
- **{STATES[2]}**: its experiments are configured as its authors ran them, one command away;
- **{STATES[3]}**: with the reason.

"In its manner": of these rows, those for which that is a smaller study of the same question, not the paper's own. Runs
and hours are those of the whole paper at its own scale. {NOTE}

{table(head, lines, right=9)}

{COSTS}
"""


def page(ledger: Ledger, name: str) -> str:
    """A paper's page."""
    paper, rows = ledger.papers[name], ledger.rows(name)
    parts = [
        f"# {paper.title}",
        f"{paper.authors}. {paper.venue}, {paper.year}. {f'<{paper.url}>' * bool(paper.url)}",
        f"[config/papers/{name}.yaml](../../config/papers/{name}.yaml) · [all papers](README.md). {NOTE}",
        "## What the paper shows",
        TARGETS,
        COSTS,
        table(
            ["in the paper", "shows", "state", "here", "runs", "core-hours", "GPU-hours"],
            [_row(ledger, name, row) for row in rows],
            right=3,
        ),
        *_beyond(ledger, name),
        *_at_a_glance(ledger, name),
        *_pictures(ledger, name, rows),
        *_experiments(ledger, name),
        *_settings(ledger, name),
    ]
    if paper.deviations:
        parts += ["## Deviations", "\n".join(f"- {each}" for each in paper.deviations)]
    if paper.claims:
        told = [_claim(item) for item in ledger.claims(name)]
        parts += ["## Claims", table(["claim", "source", "published", "verdict"], told)]
        if any(not verdict for *_, verdict in told):
            parts.append(UNJUDGED)
    return "\n\n".join(parts) + "\n"


def _claim(item: Item) -> list[object]:
    spec = item.spec
    judged = item.verdict or ("" if spec.experiments else "needs no run")
    return [spec.text, spec.source, spec.published or "", "; ".join(filter(None, [judged, item.beforehand]))]


def _row(ledger: Ledger, paper: str, row: Row) -> Sequence[object]:
    if row.content.absent:
        return [row.content.name, row.content.shows, f"{row.states[0]}: {row.content.absent}", "", *_told(Cost())]
    state = "; ".join(f"{state}{', in its manner' * row.stands_in(state)}" for state in row.states)
    here = "<br>".join(_link(ledger, item) for item in row.items)
    return [row.content.name, row.content.shows, state, here, *_told(row.cost)]


def _link(ledger: Ledger, item: Item) -> str:
    """An item's target, and what is kept of it."""
    shown = f"`{item.target}`" + (f" ({item.spec.id})" if item.part == "claims" else "")
    return f"{shown} [kept]({_relative(ledger, item.kept)})" if item.kept else shown


def _relative(ledger: Ledger, path: Path) -> str:
    return Path(os.path.relpath(path, ledger.folder)).as_posix()


def _beyond(ledger: Ledger, name: str) -> list[str]:
    rows = [[item.spec.title, item.state, _link(ledger, item)] for item in ledger.beyond(name)]
    return ["Beyond the paper:", table(["shows", "state", "here"], rows)] if rows else []


def _at_a_glance(ledger: Ledger, name: str) -> list[str]:
    """The paper's contact sheet, where one is kept."""
    path = ledger.folder / name / SHEET
    if not path.exists():
        return []
    about = f"""\
All figures and tables as `arcade sheet {name} --config scale=smoke` shows them: after seconds of training, which show
how each looks, and nothing of what is learned. What has published numbers alone is so at every scale."""
    return ["## At a glance", about, f"![all figures and tables of {name}]({_relative(ledger, path)})"]


def _pictures(ledger: Ledger, name: str, rows: list[Row]) -> list[str]:
    """What is kept of our runs, with the caption that is kept beside it."""
    items = [item for row in rows for item in row.items] + ledger.beyond(name)
    parts = []
    for item in dict.fromkeys(each.kept for each in items if each.state == OURS and each.part != "claims"):
        spec = next(each.spec for each in items if each.kept == item)
        caption = item.with_suffix(".json")
        said = json.loads(caption.read_text(encoding="utf-8"))["text"] if caption.exists() else ""
        source = f" ({spec.source})" if spec.source else ""
        parts.append(f"**{spec.title}**{source}. {said}".rstrip())
        place = _relative(ledger, item)
        parts.append(f"![{spec.title}]({place})" if item.suffix == ".png" else f"[{place}]({place})")
    about = "Settings, seeds and commands of what lies there are in [docs/results](../results/README.md)."
    return ["## Drawn from our runs", about, *parts] if parts else []


def _experiments(ledger: Ledger, name: str) -> list[str]:
    """What trains at the paper's scale."""
    rows = []
    for key, experiment in ledger.papers[name].experiments.items():
        each = ledger.expanded.experiment(f"{name}.{key}")
        changes = [f"`{at}` {_short(value)}" for at, value in flatten(experiment.set)]
        changes += [f"`{at}`: {len(values)} values" for at, values in (experiment.vary | experiment.zip).items()]
        rows.append(
            [f"`{key}`", experiment.title, " · ".join(experiment.variants or [experiment.algorithm]),
             "; ".join(changes), len(each.games), len(each.seeds), f"{exactly(each.budget_frames)} {each.clock}",
             *_told(ledger.cost([each.name]))]
        )  # fmt: skip
    head = ["experiment", "", "variants", "sets, varies", "games", "seeds", "budget", "runs", "core-hours", "GPU-hours"]
    return ["## Experiments at the paper's scale", table(head, rows, right=6)] if rows else []


def _settings(ledger: Ledger, name: str) -> list[str]:
    """The files of all algorithms that the paper's experiments run."""
    experiments = ledger.papers[name].experiments
    used = {point.algorithm: None for key in experiments for point in ledger.expanded[name][key].points}
    parts = (
        ["## Settings", "What each algorithm's file sets; what has no source of its own has the file's."]
        if used
        else []
    )
    for algorithm in used:
        found = settings.read(ledger.root, algorithm)
        on = f" All else is as in {_file(found.extends)}." if found.extends else ""
        parts.append(f"**{found.label}**, {_file(algorithm)}. Source: {found.source}.{on}")
        parts.append(table(["key", "value", ""], [[f"`{s.key}`", _short(s.value), s.comment] for s in found.rows]))
    return parts


def _file(algorithm: str) -> str:
    return f"[{algorithm}](../../config/algorithms/{algorithm}.yaml)"


def _short(value: Any) -> str:
    shown = value if isinstance(value, str) else json.dumps(value)
    return f"`{shown}`" if len(shown) <= LONG else f"`{shown[:LONG]}…`"


def _told(cost: Cost) -> list[str]:
    """Runs, core-hours and GPU-hours as cells."""
    if not cost.runs:
        return ["", "", ""]
    bound = "≤ " if cost.bounded else ""
    return [f"{cost.runs:,}", bound + _hours(cost.core_hours), bound + _hours(cost.gpu_hours) if cost.gpu_hours else ""]


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.1f}" if hours >= 0.1 else f"{hours:.2g}"
