"""A page for each algorithm of config/algorithms and each metric, written anew whenever the site is built.

They lie in docs/, where Sphinx looks for pages, and are not kept. What they say is read from config/, from the pages of
the families of algorithms (docs/algorithms), whose equations they show, and from the code.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from agents.spec.base import Part
from agents.spec.run import VERSION, model_of
from analysis.markdown import table
from analysis.metrics import METRICS, SCORES, Metric
from manual import api, reach, symbols
from manual.symbols import ROOT
from workflow.config import Project
from workflow.models import Paper
from workflow.overlay import merge
from workflow.write import write_if_changed

ALGORITHMS, OF_METRICS = "algorithms/files", "reference/of_metrics"
ALONE = "---\norphan: true\n---\n"  # found by links, not among the contents beside each page
MADE = "```{made} manual.api:equations "
PARTS = ("figures", "tables", "claims")
NAMES = ("metric", "x_metric", "y_metric", "metrics", "count", "x")  # keys that name metrics
CLOCKS = "analysis.clocks"  # makes metrics of a run's clocks


class Equation(NamedTuple):
    """Of a family's page: the words and mathematics before a list of code, and that code, `module:attribute`."""

    family: str
    said: str
    code: list[str]


def write(docs: Path) -> None:
    """All pages; those of what is gone go."""
    for folder, made in ((ALGORITHMS, algorithms()), (OF_METRICS, metrics())):
        (docs / folder).mkdir(parents=True, exist_ok=True)
        for path in (path for path in (docs / folder).glob("*.md") if path.stem not in made):
            path.unlink()
        for name, text in made.items():
            write_if_changed(docs / folder / f"{name}.md", f"{ALONE}{text}\n")


def papers(project: Project) -> dict[str, Paper]:
    """Those of config/papers that can be read."""
    found = {name: project.described(name)[1] for name in project.paper_names}
    return {name: paper for name, paper in found.items() if paper is not None}


def algorithms() -> dict[str, str]:
    """Name of a file of config/algorithms -> its page."""
    project, known = Project(ROOT), equations()
    users = papers(project)
    below = {name: project.algorithm(name).extends for name in project.algorithm_names}
    return {name: _algorithm(project, name, known, users, below) for name in project.algorithm_names}


def equations() -> list[Equation]:
    """All that the families' pages have, in their order."""
    found = []
    for page in sorted((ROOT / "docs/algorithms").glob("*.md")):
        blocks = page.read_text(encoding="utf-8").split("\n\n")
        for i, block in enumerate(blocks):
            if block.startswith(MADE):
                start = i - blocks[i - 1].startswith("```{math}")
                start -= not blocks[start - 1].startswith(("#", "```"))
                code = block.removeprefix(MADE).partition("\n")[0].split()
                found.append(Equation(page.stem, "\n\n".join(blocks[start:i]), code))
    return found


def components(project: Project, algorithm: str) -> list[str]:
    """The code of an algorithm's parts, as a run of it has them."""
    trial = merge(project.algorithm(algorithm).spec, {"environment": {"game": "any"}})
    trial |= {"version": VERSION, "seed": 0, "budget_frames": 1, "device": "cpu", "threads": 1}
    return model_of(trial).model_validate(trial).components()


@functools.cache
def alternatives() -> frozenset[str]:
    """The code of all parts that a spec may have."""
    kinds, codes = [Part], set()
    for kind in kinds:
        kinds += kind.__subclasses__()
        codes |= {kind.code} - {""}
    return frozenset(codes)


def _algorithm(
    project: Project, name: str, known: list[Equation], users: dict[str, Paper], below: dict[str, str | None]
) -> str:
    about, file = project.algorithm(name), project.algorithm_file(name)
    parts = components(project, name)
    mine = reach.reached(parts, alternatives())  # what a spec chooses between is only there if it is chosen
    shown = [(e, code) for e in known if (code := [c for c in e.code if _top(c) in mine])]
    told = {_top(c) for _, code in shown for c in code}
    extends = f" It extends [{about.extends}]({about.extends}.md)." if about.extends else ""
    heirs = ", ".join(f"[{heir}]({heir}.md)" for heir, base in below.items() if base == name)
    blocks = [
        f"# {about.label}: {name}",
        f"{file.data['source']}. Its numbers: [{name}.yaml](../../../config/algorithms/{name}.yaml)."
        + extends + f" Extended by {heirs}." * bool(heirs),
        "## Equations",
        *(text for e, code in shown for text in (e.said, api.equations(" ".join(code)))),
        " · ".join(f"[{family}](../{family}.md)" for family in dict.fromkeys(e.family for e, _ in shown)),
        "## Its other parts",
        table(["code", "what it does"], [[f"{{src}}`{part}`", _first(part)] for part in parts if part not in told]),
        "## Where it is used",
        _uses(users, {key for key in _experiments(users) if name in _named(users, key)}),
    ]  # fmt: skip
    return "\n\n".join(filter(None, blocks))


def _top(code: str) -> str:
    module, _, attribute = code.partition(":")
    return f"{module}:{attribute.partition('.')[0]}"


def _first(code: str) -> str:
    return symbols.said(symbols.find(code)).partition("\n\n")[0].replace("\n", " ")


def _experiments(users: dict[str, Paper]) -> Iterator[str]:
    yield from (f"{name}.{key}" for name, paper in users.items() for key in paper.experiments)


def _named(users: dict[str, Paper], experiment: str) -> set[str]:
    """The algorithms that an experiment names, for all its variants and scales."""
    paper, _, key = experiment.partition(".")
    return {value for path, value in _texts(users[paper].experiments[key].model_dump()) if path == "algorithm"}


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """(key, text) of all texts within."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for inner, each in value.items():
            yield from _texts(each, inner)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each, key)


def _uses(users: dict[str, Paper], experiments: set[str]) -> str:
    """The experiments, and the figures, tables and claims of them, by paper."""
    rows = []
    for name, paper in users.items():
        own = [key for key in paper.experiments if f"{name}.{key}" in experiments]
        items = {part: [i.id for i in getattr(paper, part) if experiments & set(i.experiments)] for part in PARTS}
        if own or any(items.values()):
            rows.append([_paper(name, paper), _list(own), *(_list(ids) for ids in items.values())])
    return table(["paper", "experiments", *PARTS], rows) if rows else "No experiment names it: others extend it."


def _paper(name: str, paper: Paper) -> str:
    page = f"papers/{name}.md" if (ROOT / f"docs/papers/{name}.md").exists() else f"../config/papers/{name}.yaml"
    return f"[{paper.title}](../../{page})"


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def metrics() -> dict[str, str]:
    """Name of a metric -> its page."""
    users = papers(Project(ROOT))
    shown = [
        (_paper(name, paper), part, item.id, [text for key, text in _texts(item.model_dump()) if key in NAMES])
        for name, paper in users.items()
        for part in PARTS
        for item in getattr(paper, part)
    ]
    return {name: _metric(name, metric, shown) for name, metric in METRICS.items()}


def _metric(name: str, metric: Metric, shown: list[tuple[str, str, str, list[str]]]) -> str:
    """`shown`: paper, part, id of all that is drawn, and the metrics that it names."""
    said = _sayers()
    sources = dict.fromkeys([*said.get(name, ()), *said.get(name.removesuffix("_"), ())])
    column = f"`mean` of the rows of an experiment's scores whose `metric` is `{name}`"
    if not all(code.startswith(CLOCKS) for code in sources):
        column = f"`mean` of the rows of `summary.parquet`, and of an experiment's scores, whose `metric` is `{name}`"
        column += "" if name in SCORES else "; each reading: `value` in `learning.parquet`"
    end = "" if name.endswith("_") else r"(\[.*\])?$"  # a condition or a bracket goes on with the name
    found: dict[tuple[str, str], list[str]] = {}
    for paper, part, item, names in shown:
        if any(re.match(re.escape(name) + end, each) for each in names):
            found.setdefault((paper, part), []).append(item)
    rows = [[paper, part, _list(ids)] for (paper, part), ids in found.items()]
    more = " The name goes on with the condition that is meant." if name.endswith("_") else ""
    blocks = [
        f"# {name}",
        f"{metric.meaning[0].upper()}{metric.meaning[1:]}.{more}",
        table(["what", ""], [["unit", metric.unit], ["axis", metric.axis], ["column", column]]),
        "## Where it is drawn",
        table(["paper", "", "which"], rows) if rows else "No figure, table or claim of config/papers names it.",
        "## Where it is named in the code",
        "\n".join(f"- {{src}}`{code}`" for code in sources),
        "[All metrics](../metrics.md) · [columns](../columns.md)",
    ]
    return "\n\n".join(filter(None, blocks))


@functools.cache
def _sayers() -> dict[str, list[str]]:
    """Text up to its bracket -> the functions and classes of what records that say it."""
    found: dict[str, list[str]] = {}
    for path in (*sorted((ROOT / "agents").rglob("*.py")), ROOT / "analysis/clocks.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for node in symbols.tree(module).body if not module.startswith("agents.spec") else ():
            texts = (n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str))
            for text in {text.partition("[")[0] for text in texts} if isinstance(node, symbols.Symbol) else ():
                found.setdefault(text, []).append(f"{module}:{node.name}")
    return found
