"""What the Snakefile and its rules ask: the files, parameters and resources of each job, by name."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from analysis.spec import CLAIMS, FIGURES, TABLES
from workflow.config import RESERVED, Project
from workflow.expand import Expansion, Papers, Run
from workflow.fingerprint import Code, write_if_changed
from workflow.strict_yaml import ConfigError, nearest

RUN_FILES = (
    "run.json",
    "summary.parquet",
    "episodes.parquet",
    "evaluations.parquet",
    "learning.parquet",
    "timing.parquet",
)
FIGURE_FILES = ("pdf", "svg", "png", "csv", "json")
TABLE_FILES = ("csv", "md", "tex", "json")
# The modules behind each command of analysis/. Figures, tables and claims add that of their kind.
CODE = {
    "score": ["analysis.load"],
    "figures": ["analysis.figure"],
    "tables": ["analysis.table"],
    "claims": ["analysis.claims"],
    "report": ["analysis.report"],
}


class Pipeline:
    """One checkout, one configuration, one results folder.

    `main`: this is the process that plans and submits, not one inside a job; only it writes the small files
    that jobs take as inputs (code fingerprints, lists of runs). `dryrun`: replace no list.
    """

    def __init__(
        self,
        root: Path | str,
        overrides: dict[str, Any] | None = None,
        main: bool = True,
        dryrun: Callable[[], bool] = lambda: False,
    ):
        self.root = Path(root).resolve()
        self.main, self.dryrun = main, dryrun
        self.project = Project(self.root, overrides)
        self.config = self.project.config
        self.papers = Papers(self.project)
        self.results = self.config.results.rstrip("/")
        # What is drawn has a folder per scale; runs are shared, since their names say all that made them.
        self.shown = f"{self.results}/{self.config.scale}" + ("/partial" if self.config.partial else "")
        self.limits: dict[str, int] = {}  # of this machine, on what the runs at work here use together; see `bound`
        self._code = Code(self.root)
        self._fresh: dict[str, str] = {}
        if main:
            check_writable(Path(self.results))

    def set_environment(self) -> None:
        """What the rules' shells find: our packages, a `python`, and the switch that must not be a parameter.

        `python` is that of the activated environment, else the one that runs Snakemake.
        """
        activated = os.environ.get("VIRTUAL_ENV") or os.environ.get("CONDA_PREFIX")
        if not activated or not shutil.which("python"):
            os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        os.environ["PYTHONPATH"] = str(self.root)
        accept = self.config.code_changes == "ignore"
        os.environ["ACCEPT_CODE_CHANGES"] = "--accept-code-changes" if accept else ""

    # ------------------------------------------------------------ training

    def run(self, wildcards: Any) -> Run:
        return self.papers.run(wildcards.run)

    def run_code(self, run: Run) -> str:
        """The fingerprint file of the code that a run reaches."""
        parts = run.point.components
        name = f"{run.point.agent}-{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:8]}"
        return self.code(name, (run.point.driver, "agents.outputs", *parts))

    def code(self, name: str, roots: Iterable[str]) -> str:
        """The fingerprint file of that name, brought up to date by the main process.

        It has a folder of its own, as the file of `members` has: Snakemake lists the folders of the first target's
        inputs once, and would hold a file that is written there later for missing.
        """
        path = f"{self.results}/code/{name}/modules.fp"
        if self.main and name not in self._fresh:
            self._fresh[name] = self._code.text(roots)
            if write_if_changed(Path(path), self._fresh[name]):
                # Kept by the hash that run.json notes: `plan` names the modules that changed since.
                seen = hashlib.sha256(self._fresh[name].encode()).hexdigest()
                write_if_changed(Path(f"{self.results}/code/seen/{seen}.fp"), self._fresh[name])
        return path

    def gpus(self, run: Run) -> int:
        return run.point.cluster.gpu if run.point.device == "cuda" else 0

    def within(self, resource: str, wanted: int) -> int:
        """What a run asks for, at most all that there is: one that wants more runs alone, and is warned of before."""
        return min(wanted, self.limits.get(resource, wanted))

    def launch(self, run: Run) -> str:
        """What stands before a run's command."""
        return "python -m workflow.ray_cluster" if run.point.executor == "ray" else "env"

    # ------------------------------------------------------------ scores

    def members(self, experiment: Expansion) -> str:
        """The file that lists an experiment's runs. A dry run leaves one that another run may use."""
        path = Path(f"{self.shown}/experiments/{experiment.name}/runs.json")
        if self.main and str(path) not in self._fresh and not (self.dryrun() and path.exists()):
            self._fresh[str(path)] = ""
            write_if_changed(path, experiment.members())
        return str(path)

    def summaries(self, experiment: Expansion) -> list[str]:
        """The run summaries that an experiment's scores are made of: those that exist, with `partial`."""
        paths = [f"{self.results}/runs/{name}/summary.parquet" for name in self.papers.runs(experiment.name)]
        return [path for path in paths if os.path.exists(path)] if self.config.partial else paths

    def score_input(self, wildcards: Any) -> dict[str, Any]:
        experiment = self.papers.experiment(wildcards.experiment)
        return {
            "members": self.members(experiment),
            "summaries": self.summaries(experiment),
            "code": self.code("scores", CODE["score"]),
        }

    def members_digest(self, wildcards: Any) -> str:
        """Makes a changed list of runs a changed parameter, whatever happened to the file."""
        return hashlib.sha256(self.papers.experiment(wildcards.experiment).members().encode()).hexdigest()[:12]

    def scores(self, experiments: Iterable[str]) -> list[str]:
        return [f"{self.shown}/scores/{name}.parquet" for name in experiments]

    # ------------------------------------------------------------ figures, tables, claims

    def item(self, part: str, paper: str, name: str) -> Any:
        """A figure or table of a paper by its id; raises ConfigError if there is none."""
        items = {item.id: item for item in getattr(self.project.paper(paper)[0], part)}
        if name not in items:
            close = nearest(name, items)
            hint = f"did you mean {close!r}?" if close else f"{part}: {', '.join(items)}"
            raise ConfigError(f"config/papers/{paper}.yaml has no {part[:-1]} {name!r}; {hint}")
        return items[name]

    def drawn_json(self, item: Any) -> str:
        """JSON of a figure, table or claim, with the main config's choices where it makes none."""
        values = item.model_dump(mode="json")
        if "interval" in values and "interval" not in item.model_fields_set:
            values["interval"] = self.config.interval.model_dump(mode="json")
        over_games = "statistics" in values or "game_set" in values
        if over_games and "normalisation" in values and "normalisation" not in item.model_fields_set:
            games = [game for name in item.experiments for game in self.papers.experiment(name).games]
            if games and all(game.startswith("atari/") for game in games):
                values["normalisation"] = self.config.normalisation
        return json.dumps(values, separators=(",", ":"))  # in the file's order, which a profile's metrics are drawn in

    def drawn_input(self, part: str, wildcards: Any) -> dict[str, Any]:
        """Inputs of one figure or table: scores, the code of its kind, the published numbers."""
        item = self.item(part, wildcards.paper, wildcards.id)
        root = (FIGURES if part == "figures" else TABLES)[item.kind]
        return {
            "scores": self.scores(item.experiments),
            "code": self.code(f"{part[:-1]}-{item.kind}", [*CODE[part], root]),
            "reference": self.reference_files(),
        }

    def claims(self, paper: str) -> str:
        """The canonical JSON of a paper's claims."""
        return f"[{','.join(self.drawn_json(claim) for claim in self._claims(paper))}]"

    def claims_input(self, wildcards: Any) -> dict[str, Any]:
        claims = self._claims(wildcards.paper)
        kinds = sorted({claim.kind for claim in claims})
        names = sorted({name for claim in claims for name in getattr(claim, "experiments", [])})
        return {
            "scores": self.scores(names),
            "code": [self.code(f"claim-{kind}", [*CODE["claims"], CLAIMS[kind]]) for kind in kinds],
            "reference": self.reference_files(),
        }

    def _claims(self, paper: str) -> list[Any]:
        return [c for c in self.project.paper(paper)[0].claims if self._drawable(c)]

    def _drawable(self, item: Any) -> bool:
        """With `partial`: whether each experiment behind it has a finished run."""
        names = getattr(item, "experiments", [])
        return not self.config.partial or all(self.summaries(self.papers.experiment(name)) for name in names)

    @property
    def reference(self) -> str:
        """config/reference, relative to the working folder where that is the checkout: paths are part of a
        job's identity, and a clone elsewhere must not redraw everything."""
        return "config/reference" if Path.cwd() == self.root else str(self.root / "config" / "reference")

    def reference_files(self) -> list[str]:
        base = Path(self.reference)
        return sorted(str(path) for pattern in ("*.csv", "curves/*.csv") for path in base.glob(pattern))

    # ------------------------------------------------------------ report and targets

    def figure_files(self, paper: str) -> list[str]:
        """Every file of a paper's figures and tables."""
        described = self.project.paper(paper)[0]
        parts = (("figures", FIGURE_FILES), ("tables", TABLE_FILES))
        return [
            f"{self.shown}/{part}/{paper}/{item.id}.{suffix}"
            for part, suffixes in parts
            for item in getattr(described, part)
            if self._drawable(item)
            for suffix in suffixes
        ]

    def experiments(self, paper: str) -> list[Expansion]:
        """A paper's experiments, those with a finished run only with `partial`."""
        return [e for e in self.papers[paper].values() if not self.config.partial or self.summaries(e)]

    def targets(self, papers: list[str]) -> list[str]:
        """What `snakemake <paper>` makes (or `all`, for several papers). The rest comes with the report."""
        return [self.report(papers), *(f"{self.shown}/claims/{paper}.json" for paper in papers)]

    def check(self, words: Iterable[str]) -> None:
        """Read the papers that a command line names (else the configured ones), to report every problem at
        once and before anything runs. What has a slash or a dot is a file, for Snakemake to judge."""
        papers = self.project.paper_names
        known = ["all", *papers, *(f"{name}_figures" for name in papers)]
        for word in words:
            if word not in known and word not in RESERVED and "/" not in word and "." not in word:
                raise ConfigError(self.project.unknown_target(word, known))
        named = {word.removesuffix("_figures") for word in words} & set(self.project.paper_names)
        wanted = sorted(named) or self.config.papers
        self.project.check(wanted)
        for name in wanted:
            self.papers[name]

    def report(self, papers: list[str]) -> str:
        """The page about these papers: index.html where they are all that is configured."""
        page = "index" if papers == self.config.papers else papers[0]
        return f"{self.shown}/report/{page}.html"

    def report_papers(self, wildcards: Any) -> list[str]:
        return self.config.papers if wildcards.page == "index" else [wildcards.page]

    def report_json(self, wildcards: Any) -> str:
        """What the report says of each paper."""
        rows = []
        for name in self.report_papers(wildcards):
            paper = self.project.paper(name)[0]
            row = {key: getattr(paper, key) for key in ("title", "authors", "year", "venue", "url", "deviations")}
            for part in ("figures", "tables"):
                items = [item for item in getattr(paper, part) if self._drawable(item)]
                row[part] = [{key: getattr(item, key) for key in ("id", "title", "source")} for item in items]
            rows.append({"paper": name, **row, "absent": [item.model_dump() for item in paper.absent]})
        return json.dumps(rows, sort_keys=True, separators=(",", ":"))

    def report_input(self, wildcards: Any) -> dict[str, Any]:
        names = self.report_papers(wildcards)
        experiments = [e for name in names for e in self.experiments(name)]
        templates = sorted((self.root / "analysis" / "templates").glob("*"))
        inside = Path.cwd() == self.root
        return {
            "figures": [path for name in names for path in self.figure_files(name)],
            "claims": [f"{self.shown}/claims/{name}.json" for name in names],
            "scores": self.scores(e.name for e in experiments),
            "members": [self.members(e) for e in experiments],
            "code": self.code("report", CODE["report"]),
            "templates": [str(path.relative_to(self.root) if inside else path) for path in templates if path.is_file()],
        }

    def write_index(self) -> None:
        """results/index.csv: run -> experiments that ask for it. Rows of other scales and papers stay."""
        path, scale = Path(f"{self.results}/index.csv"), self.config.scale
        rows = {row for row in read_index(path) if row[1] not in self.papers.expanded or row[7] != scale}
        for paper, experiments in self.papers.expanded.items():
            for key in experiments:
                runs = self.papers.experiment(f"{paper}.{key}").runs()
                rows |= {
                    (r.name, paper, key, r.point.variant, r.point.algorithm, r.game, str(r.seed), scale) for r in runs
                }
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([INDEX, *sorted(rows)])
        write_if_changed(path, text.getvalue())


INDEX = ("run", "paper", "experiment", "variant", "algorithm", "game", "seed", "scale")


def read_index(path: Path) -> Iterator[tuple[str, ...]]:
    """Rows of results/index.csv (see INDEX); none where there is no such file."""
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            yield from (tuple(row) for row in rows if len(row) == len(INDEX) and tuple(row) != INDEX)


def check_writable(folder: Path) -> None:
    """Make the results folder. Raises ConfigError if nothing can be written in it."""
    probe = folder / f".writable.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(f"the results folder {str(folder)!r} is not writable: {error.strerror}") from None
