"""What a results folder holds that no configuration and no code needs any more.

Needed is what any paper asks for at any scale with the present code: its results, links, marks, work under way, and
what is drawn of them; and finished runs of the same that were asked for with another `--config device` or `threads`,
which the command line that collects cannot know.
Nothing that a living process works on is ever named, and nothing of a name or kind that is never made where it lies: it
is somebody's own, as every symbolic link is, and what lies behind it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from agents.run.lease import living
from agents.run.store import MANIFEST, problem, read
from analysis.spec.items import SCALES
from workflow import drawn, text
from workflow.config import Project
from workflow.context import Context
from workflow.expand import RUN_NAME, Papers, Run
from workflow.finished import Finished, digest
from workflow.strict_yaml import ConfigError

NESTED = ("store", "sealed", "figures", "tables", "dreams")  # whose folders go with the last thing in them
# Names that are made, of results, of figures and tables, of papers and of experiments; a run's is RUN_NAME.
DIGEST, ITEM = re.compile(r"[0-9a-f]{64}"), re.compile(r"[a-z0-9][a-z0-9_.-]*")
PAPER, EXPERIMENT = re.compile(r"[a-z0-9][a-z0-9_-]*"), re.compile(r"[a-z0-9_-]+\.[a-z0-9_-]+")
HOURS = 24.0  # a leftover of a process that died is one only after this long: its host may not be this one


class Waste(NamedTuple):
    path: Path
    why: str


def needed(project: Project) -> dict[str, Run]:
    """Run name -> run, of every paper at every scale. Raises ConfigError for anything wrong in config/, files under a
    name that is not read among it: nothing may be missed."""
    project.check()
    found: dict[str, Run] = {}
    for scale in SCALES:
        papers = Papers(Project(project.root, project.overrides | {"scale": scale}))
        for paper in project.paper_names:
            for key in papers[paper]:
                found |= papers.runs(f"{paper}.{key}")
    return found


def waste(context: Context, now: float) -> list[Waste]:
    """What may go, in the order of its paths. `now`: seconds since the epoch."""
    runs, results = needed(context.project), Path(context.results)
    runs |= _elsewhere(context.finished, runs)
    busy = {path.parent.name for path in (results / "work").glob("*/lease.json") if living(path)}
    found = [*_store(context.finished, runs, busy, now), *_shown(context.finished, runs, busy), *_drawn(context)]
    for work in _folders(results / "work", RUN_NAME):
        if work.name in busy:
            continue
        if work.name not in runs:
            found.append(Waste(work, "checkpoints of a run that nothing asks for"))
        elif context.finished.problem(runs[work.name]) is None:
            found.append(Waste(work, "checkpoints of a finished run"))
    return sorted(found)


def _folders(parent: Path, name: re.Pattern[str]) -> list[Path]:
    """The folders in another one that have such a name, and are no links."""
    return sorted(path for path in parent.glob("*/") if name.fullmatch(path.name) and not path.is_symlink())


def _files(parent: Path, name: re.Pattern[str], suffix: str) -> list[Path]:
    """The files in a folder whose name without the suffix is such a one, and which are no links."""
    found = sorted(parent.glob(f"*.{suffix}"))
    return [path for path in found if name.fullmatch(path.stem) and path.is_file() and not path.is_symlink()]


def _elsewhere(finished: Finished, runs: dict[str, Run]) -> dict[str, Run]:
    """Needed runs as they were finished on another device or with other threads."""
    alike = {_alike(json.loads(run.spec)): run for run in runs.values()}
    found = {}
    for folder in finished.store.results_of():
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            sealed = read(folder)
            if sealed.run not in runs:
                spec = json.loads((folder / "run.json").read_bytes())["spec"]
                if run := alike.get(_alike(spec)):
                    text = json.dumps(spec, sort_keys=True, separators=(",", ":"))
                    found[sealed.run] = run._replace(name=sealed.run, spec=text)
    return found


def _alike(spec: dict[str, Any]) -> str:
    return json.dumps({**spec, "device": None, "threads": None}, sort_keys=True)


def _store(finished: Finished, runs: dict[str, Run], busy: set[str], now: float) -> Iterator[Waste]:
    wanted = {digest(run): run for run in runs.values()}
    working = {name.rpartition(".")[2] for name in busy}  # the digest's beginning, as names have it
    for folder in finished.store.results_of():
        spec = folder.parent.name
        if spec[:12] in working or not DIGEST.fullmatch(spec) or folder.is_symlink() or folder.parent.is_symlink():
            continue
        if folder.name.startswith("."):
            if now - folder.stat().st_mtime > HOURS * 3600:
                yield Waste(folder, "left half by a process that died")
        elif spec not in wanted:
            yield Waste(folder, "result of a run that nothing asks for")
        elif folder.name != finished.code(wanted[spec]):
            yield Waste(folder, "result of other code")
        elif problem(folder) is not None and not (folder / MANIFEST).exists():
            yield Waste(folder, "damaged result")


def _shown(finished: Finished, runs: dict[str, Run], busy: set[str]) -> Iterator[Waste]:
    for kind in ("runs", "sealed"):
        for folder in _folders(finished.store.results / kind, RUN_NAME):
            if folder.name not in runs and folder.name not in busy:
                yield Waste(folder, "a run that nothing asks for")
    for name, run in runs.items():
        for mark in (finished.store.results / "sealed" / name).glob("*"):
            if mark.name != finished.code(run) and name not in busy:
                yield Waste(mark, "mark of other code")


def _drawn(context: Context) -> Iterator[Waste]:
    """What was made of papers, experiments, figures and tables that no file of config/ has; at any scale.

    Where they lie, files of other names than those that are made there are somebody's own.
    """
    papers = {name: context.project.paper(name)[0] for name in context.project.paper_names}
    ids = {part: {n: {item.id for item in getattr(p, part)} for n, p in papers.items()} for part in drawn.FILES}
    ids["dreams"] = ids["figures"]
    ends = {"dreams": ("parquet",), "figures": (*drawn.FILES["figures"], "gif"), "tables": drawn.FILES["tables"]}
    experiments = {f"{name}.{key}" for name, paper in papers.items() for key in paper.experiments}
    single = {"claims": "json", "report": "html", "sheets": "png"}
    for shown in (Path(context.results, scale, part) for scale in SCALES for part in ("", "partial")):
        for part, suffixes in ends.items():
            for folder in _folders(shown / part, PAPER):
                for path in (path for suffix in suffixes for path in _files(folder, ITEM, suffix)):
                    if path.stem not in ids[part].get(folder.name, ()):
                        yield Waste(path, f"of {part} that no paper has")
        for part, suffix in single.items():
            for path in _files(shown / part, PAPER, suffix):
                if path.stem not in {*papers, "index"}:
                    yield Waste(path, "of a paper that is none")
        for path in [*_files(shown / "scores", EXPERIMENT, "parquet"), *_folders(shown / "experiments", EXPERIMENT)]:
            if path.name.removesuffix(".parquet") not in experiments:
                yield Waste(path, "of an experiment that no paper has")


def size(path: Path, seen: set[tuple[int, int]]) -> int:
    """Bytes that go with a file or folder; a file with several links counts where the last of them goes."""
    total = 0
    files = [path] if path.is_file() else [Path(top) / name for top, _, names in os.walk(path) for name in names]
    for file in files:
        found = file.lstat()
        key = (found.st_dev, found.st_ino)
        if stat.S_ISREG(found.st_mode) and key not in seen:
            seen.add(key)
            total += found.st_size
    return total


def _removed(path: Path) -> str | None:
    """Remove a file or folder, and the folder that is left empty; -> why it is still there."""
    try:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        if path.parent.parent.name in NESTED and not any(path.parent.iterdir()):
            path.parent.rmdir()
    except FileNotFoundError:  # somebody else removed it
        return None
    except OSError as error:
        return f"  {error.filename or path}: {error.strerror or error}"
    return None


def collect(context: Context, delete: bool, now: float) -> str:
    """The account, as text; with `delete`, what it names is removed. ConfigError where some of it cannot be."""
    found, seen = waste(context, now), set()
    if not found:
        return f"{context.results}: nothing that is not needed"
    rows = [[str(each.path), each.why, size(each.path, seen)] for each in found]
    total = sum(row[2] for row in rows)
    if stuck := [why for each in found if (why := _removed(each.path))] if delete else []:
        raise ConfigError("not all could be removed; what could is gone:\n" + "\n".join(stuck))
    table = text.table(["path", "why", "size"], [[*row[:2], text.size(row[2])] for row in rows], right=("size",))
    end = "removed" if delete else "would go; `python -m workflow gc --delete` removes them"
    return f"{table}\n\n{len(rows)} places, {text.size(total)} {end}"
