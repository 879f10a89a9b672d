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

from agents.run.attempts import memory
from agents.run.code import Code, CodeError, fingerprint
from agents.run.files import beside
from analysis.spec import CLAIMS, FIGURES, TABLES
from workflow.config import RESERVED, Project
from workflow.expand import Expansion, Papers, Run
from workflow.fingerprint import write_if_changed
from workflow.finished import Finished
from workflow.strict_yaml import ConfigError, nearest

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
        self._fresh: set[str] = set()
        any_code = self.config.code_changes == "ignore"
        self.finished = Finished(Path(self.results), self._code, any_code, main, dryrun)

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

    def mem_mb(self, run: Run) -> int:
        """Memory of a run's next start, in MB: more than its algorithm asks for only after it ran out of it."""
        return self.within("mem_mb", memory(Path(self.results) / "work" / run.name, run.point.cluster.mem_mb))

    def job_logs(self) -> Path:
        """Where the logs of cluster jobs lie: with the results that they belong to."""
        return Path(self.results).absolute() / "logs" / "slurm"

    def code(self, name: str, roots: Iterable[str]) -> list[str]:
        """The fingerprint file of that name, brought up to date by the main process; a dry run writes nothing.

        It has a folder of its own, as the file of `members` has: Snakemake lists the folders of the first target's
        inputs once, and would hold a file that is written there later for missing.
        """
        return self._written(Path(f"{self.results}/code/{name}/modules.fp"), lambda: self._code_text(roots))

    def _code_text(self, roots: Iterable[str]) -> str:
        try:
            return self._code.text(roots)
        except CodeError as error:
            raise ConfigError(str(error)) from None

    def _written(self, path: Path, text: Callable[[], str]) -> list[str]:
        """The path of a small input, which says `text()`; none where a dry run finds no file."""
        if self.main and str(path) not in self._fresh and not self.dryrun():
            self._fresh.add(str(path))
            write_if_changed(path, text())
        return [] if self.dryrun() and not path.exists() else [str(path)]

    def code_sum(self, roots: Iterable[str]) -> str:
        """Makes changed code a changed parameter, whatever happened to its file."""
        return fingerprint(self._code_text(roots))[:12]

    def gpus(self, run: Run) -> int:
        return run.point.cluster.gpu if run.point.device == "cuda" else 0

    def within(self, resource: str, wanted: int) -> int:
        """What a run asks for, at most all that there is: one that wants more runs alone, and is warned of before."""
        return min(wanted, self.limits.get(resource, wanted))

    def launch(self, run: Run) -> str:
        """What stands before a run's command."""
        return run.point.launcher

    # ------------------------------------------------------------ scores

    def members(self, experiment: Expansion) -> list[str]:
        """The file that lists an experiment's runs."""
        path = Path(f"{self.shown}/experiments/{experiment.name}/runs.json")
        return self._written(path, lambda: self._members(experiment))

    def _members(self, experiment: Expansion) -> str:
        return experiment.members(self.finished.place)

    def marks(self, experiment: Expansion) -> list[str]:
        """What tells Snakemake that an experiment's runs are finished: of the finished ones only, with `partial`."""
        runs = self.papers.runs(experiment.name).values()
        return [self.finished.mark(run) for run in runs if not self.config.partial or not self.finished.problem(run)]

    def score_input(self, wildcards: Any, forced: set[str]) -> dict[str, Any]:
        """Inputs of an experiment's scores. Marks of runs that are not whole in the store join `forced`.

        Snakemake would not train these where the scores made of them are up to date by its own account.
        """
        experiment = self.papers.experiment(wildcards.experiment)
        runs = self.papers.runs(experiment.name).values()
        forced.update(self.finished.mark(run) for run in runs if self.finished.problem(run) is not None)
        return {
            "members": self.members(experiment),
            "marks": self.marks(experiment),
            "code": self.code("scores", CODE["score"]),
        }

    def members_digest(self, wildcards: Any) -> str:
        """Makes a changed list of runs a changed parameter, whatever happened to the file."""
        return hashlib.sha256(self._members(self.papers.experiment(wildcards.experiment)).encode()).hexdigest()[:12]

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

    def drawn_code(self, part: str, wildcards: Any) -> list[str]:
        """Where the code of one figure or table begins."""
        kind = self.item(part, wildcards.paper, wildcards.id).kind
        return [*CODE[part], (FIGURES if part == "figures" else TABLES)[kind]]

    def drawn_input(self, part: str, wildcards: Any) -> dict[str, Any]:
        """Inputs of one figure or table: scores, the code of its kind, the published numbers."""
        item = self.item(part, wildcards.paper, wildcards.id)
        return {
            "scores": self.scores(item.experiments),
            "code": self.code(f"{part[:-1]}-{item.kind}", self.drawn_code(part, wildcards)),
            "reference": self.reference_files(),
        }

    def claims(self, paper: str) -> str:
        """The canonical JSON of a paper's claims."""
        return f"[{','.join(self.drawn_json(claim) for claim in self._claims(paper))}]"

    def claims_code(self, wildcards: Any) -> list[str]:
        """Where the code of a paper's claims begins."""
        return [*CODE["claims"], *sorted({CLAIMS[claim.kind] for claim in self._claims(wildcards.paper)})]

    def claims_input(self, wildcards: Any) -> dict[str, Any]:
        claims = self._claims(wildcards.paper)
        names = sorted({name for claim in claims for name in getattr(claim, "experiments", [])})
        return {
            "scores": self.scores(names),
            "code": self.code(f"claims-{wildcards.paper}", self.claims_code(wildcards)),
            "reference": self.reference_files(),
        }

    def _claims(self, paper: str) -> list[Any]:
        return [c for c in self.project.paper(paper)[0].claims if self._drawable(c)]

    def _drawable(self, item: Any) -> bool:
        """With `partial`: whether each experiment behind it has a finished run."""
        names = getattr(item, "experiments", [])
        return not self.config.partial or all(self.marks(self.papers.experiment(name)) for name in names)

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
        return [e for e in self.papers[paper].values() if not self.config.partial or self.marks(e)]

    def asked(self, targets: Iterable[str]) -> dict[str, Run]:
        """Run name -> run, of all that these targets are made of (papers, their figures, files; none: `all`)."""
        found: dict[str, Run] = {}
        for target in list(targets) or ["all"]:
            for name in self._asked_experiments(target):
                found |= self.papers.runs(name)
            if target.startswith(f"{self.results}/sealed/"):
                run = self.papers.run(target.removeprefix(f"{self.results}/sealed/").partition("/")[0])
                found[run.name] = run
        return found

    def _asked_experiments(self, target: str) -> list[str]:
        if target == "all":
            return [name for paper in self.config.papers for name in self._asked_experiments(paper)]
        paper = target.removesuffix("_figures")
        if paper in self.project.paper_names:
            described = self.project.paper(paper)[0]
            items = [*described.figures, *described.tables]
            own = [] if target != paper else [f"{paper}.{key}" for key in self.papers[paper]]
            items += [] if target != paper else described.claims
            return list(dict.fromkeys([*own, *(name for item in items for name in getattr(item, "experiments", []))]))
        match Path(target.removeprefix(f"{self.shown}/")).parts:
            case ["scores", file]:
                return [file.removesuffix(".parquet")]
            case ["report", file]:
                return self._asked_experiments("all" if file == "index.html" else file.removesuffix(".html"))
            case ["claims", file]:
                claims = self._claims(file.removesuffix(".json"))
                return [name for claim in claims for name in getattr(claim, "experiments", [])]
            case [("figures" | "tables") as part, paper, file]:
                return list(getattr(self.item(part, paper, file.partition(".")[0]), "experiments", []))
        return []

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
            "members": [path for e in experiments for path in self.members(e)],
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
    probe = beside(folder / "writable")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"the results folder {str(folder)!r} is not writable: {error.strerror}") from None
