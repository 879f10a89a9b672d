"""The ledger: what each paper shows, what shows it here, in which state, and what it costs at the paper's scale.

All of it follows from config/ and from what is kept under docs/, so that a test can compare docs/papers, which
workflow/ledger_pages.py writes, with it. Costs are those of `plan` on a machine that does not change: the one of
workflow/speeds.yaml, with as many cores as a run asks for.
"""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from workflow import beforehand, cost
from workflow.config import Project
from workflow.drawn import FILES
from workflow.expand import Papers, Point
from workflow.models import Content, Paper

BEYOND = "beyond the paper"  # `source` of what the paper does not show
SHEET = "contact_sheet.png"  # under docs/papers/<paper>/: what `arcade sheet` makes at the smallest scale
MANNER = "in the manner of"  # how a `source` begins that names what ours stands for
OURS, PRINTED, READY, ABSENT = STATES = (
    "drawn from our runs",
    "drawn from published numbers",
    "ready at the paper's scale",
    "impossible here",
)


class Cost(NamedTuple):
    """Of runs at the paper's scale, each counted once. `bounded`: runs of which only the time limit is known."""

    runs: int = 0
    core_hours: float = 0.0
    gpu_hours: float = 0.0
    bounded: int = 0

    def __add__(self, other: Any) -> Cost:
        return Cost(*(a + b for a, b in zip(self, other, strict=True)))


class Item(NamedTuple):
    """A figure, table or claim. `kept`: its picture or table under docs/; of a claim, `verdict`: in a kept summary, and
    `beforehand`: what is known of it before any run."""

    paper: str
    part: str
    spec: Any
    kept: Path | None
    verdict: str | None
    beforehand: str = ""

    @property
    def state(self) -> str:
        if not self.spec.experiments:
            return PRINTED
        return OURS if self.kept else READY

    @property
    def target(self) -> str:
        """The file that Snakemake makes of it, under results/<scale>."""
        if self.part == "claims":
            return f"claims/{self.paper}.json"
        return f"{self.part}/{self.paper}/{self.spec.id}.{FILES[self.part][0]}"


class Row(NamedTuple):
    """One thing that a paper shows. `cost`: of all runs behind it."""

    content: Content
    items: list[Item]
    cost: Cost

    @property
    def states(self) -> list[str]:
        """All that its items are, the one that counts first."""
        found = {item.state for item in self.items}
        return [state for state in STATES if state in found] or [ABSENT]

    def stands_in(self, state: str) -> bool:
        """Whether all of its items in that state are studies in its manner, not the thing itself."""
        found = [item.spec.source.startswith(MANNER) for item in self.items if item.state == state]
        return bool(found) and all(found)


class Ledger:
    """The ledger of a checkout. Papers without `contents` have none."""

    def __init__(self, root: Path):
        self.root, self.folder = root, root / "docs" / "papers"
        self.project = Project(root, {"scale": "paper", "device": "auto"})
        self.speeds = cost.read_speeds(root)
        self.expanded = Papers(self.project)
        self.pictures = kept(root)

    @functools.cached_property
    def papers(self) -> dict[str, Paper]:
        found = {name: self.project.paper(name)[0] for name in self.project.paper_names}
        return {name: paper for name, paper in found.items() if paper.contents}

    def rows(self, paper: str) -> list[Row]:
        """A paper's ledger, in its order."""
        found = []
        for content in self.papers[paper].contents:
            items = [self.item(paper, name) for name in content.by or []]
            found.append(Row(content, items, self.cost(e for item in items for e in item.spec.experiments)))
        return found

    def item(self, paper: str, name: str) -> Item:
        """A figure, table or claim, named as in a row of `paper`."""
        other, _, key = name.rpartition(".")
        return self._items(other or paper)[key]

    def beyond(self, paper: str) -> list[Item]:
        """Figures and tables that show what the paper does not."""
        return [i for i in self._items(paper).values() if i.part != "claims" and i.spec.source == BEYOND]

    def claims(self, paper: str) -> list[Item]:
        return [item for item in self._items(paper).values() if item.part == "claims"]

    def unnamed(self, paper: str) -> list[str]:
        """Figures and tables that no row names, and that are not said to be beyond the paper."""
        named = {item.spec.id for row in self.rows(paper) for item in row.items if item.paper == paper}
        named |= {item.spec.id for item in self.beyond(paper)}
        return [key for key, item in self._items(paper).items() if item.part != "claims" and key not in named]

    @functools.cache  # noqa: B019 - one per process
    def _items(self, paper: str) -> dict[str, Item]:
        described, verdicts = self.project.paper(paper)[0], self._verdicts(paper)
        found = {}
        for part in ("figures", "tables", "claims"):
            for spec in getattr(described, part):
                said = verdicts.get(spec.id) if part == "claims" else None
                there = self.folder / paper / "claims.json" if said else self.pictures.get((paper, spec.id))
                known = beforehand.told(self.project, spec) if part == "claims" else ""
                found[spec.id] = Item(paper, part, spec, there, said, known)
        return found

    def _verdicts(self, paper: str) -> dict[str, str]:
        """Claim -> verdict, of the summary that is kept: a copy of results/<scale>/claims/<paper>.json."""
        path = self.folder / paper / "claims.json"
        told = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        return {claim["id"]: claim["verdict"] for claim in told if claim["verdict"] != "not run at this scale"}

    def cost(self, experiments: Iterable[str]) -> Cost:
        """Of all runs of experiments ("paper.experiment"), each run counted once."""
        done: defaultdict[str, set[tuple[str, int]]] = defaultdict(set)
        total = Cost()
        for name in dict.fromkeys(experiments):
            each = self.expanded.experiment(name)
            runs = {(game, seed) for game in each.games for seed in each.seeds}
            for point in each.points:
                new = runs - done[point.template]
                done[point.template] |= new
                total += Cost(*(len(new) * share for share in self._of_one(point, each.games[0])))
        return total

    def _of_one(self, point: Point, game: str) -> Cost:
        """Of one run: games and seeds cost the same."""
        here = cost.Here(cores=point.cluster.cpus)
        found = cost.estimate([cost.Planned(point.run(game, 0))], here, self.speeds)
        return Cost(1, found.core_seconds / 3600, found.gpu_seconds / 3600, found.bounded)


def kept(root: Path) -> dict[tuple[str, str], Path]:
    """(paper, id) -> what is kept of it: docs/papers/<paper>/<id> or docs/results/*/<paper>_<id>, .png or .md."""
    found = {}
    papers = [path.stem for path in (root / "config" / "papers").glob("*.yaml")]
    for path in sorted(root.glob("docs/results/*/*")):
        for paper in papers:
            if path.suffix in (".png", ".md") and path.stem.startswith(f"{paper}_"):
                found[paper, path.stem.removeprefix(f"{paper}_")] = path
    for path in sorted(root.glob("docs/papers/*/*")):
        if path.suffix in (".png", ".md") and path.name != SHEET:
            found[path.parent.name, path.stem] = path
    return found
