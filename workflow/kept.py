"""What to do with what finished runs left and what is drawn of it: each in a process of its own, which knows torch
or matplotlib."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from agents.run.store import Store
from workflow import catalogue, runs, text
from workflow.missing import need
from workflow.runs import Record
from workflow.strict_yaml import ConfigError

NEEDS = {"agents.kept": ("torch", "numpy", "pyarrow"), "analysis": ("PIL", "matplotlib", "pandas", "pyarrow")}


def video(root: Path, results: Path, options: argparse.Namespace) -> int:
    """An episode as a picture; says where it is."""
    if options.steps < 1:
        raise ConfigError(f"--steps takes a number of 1 or more, not {options.steps}")
    need(*NEEDS["analysis"])  # after an episode it would be late
    run = runs.find(results, options.run)
    out = options.out or results / "videos" / f"{run.name}.gif"
    if out.suffix not in (".gif", ".mp4"):
        raise ConfigError(f"--out {out}: .gif and .mp4 are what can be written")
    words = ["--steps", str(options.steps), "--episode", str(options.episode)]
    words += ["--as-evaluated"] * options.as_evaluated
    with tempfile.TemporaryDirectory() as folder:
        episode = f"{folder}/episode.parquet"
        code = call(root, "agents.kept", "record", "--run", str(_folder(results, run)), "--out", episode, *words)
        code = code or call(root, "analysis", "film", "--episode", episode, "--out", str(out))
    if not code:
        print(out)
    return int(bool(code))


def evaluate(root: Path, results: Path, options: argparse.Namespace) -> int:
    """Mean and spread of episodes that a kept agent plays."""
    if options.episodes < 1:
        raise ConfigError(f"--episodes takes a number of 1 or more, not {options.episodes}")
    for name in ("sticky", "epsilon"):
        chance = getattr(options, name)
        if chance is not None and not 0 <= chance <= 1:
            raise ConfigError(f"--{name} takes a chance from 0 to 1, not {chance:g}")
    run = runs.find(results, options.run)
    words = ["--episodes", str(options.episodes), "--repetition", str(options.repetition)]
    for name in ("sticky", "epsilon"):
        words += [f"--{name}", str(getattr(options, name))] if getattr(options, name) is not None else []
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        code = call(root, "agents.kept", "evaluate", "--run", str(_folder(results, run)), *words, out=said.fileno())
        said.seek(0)
        found = None if code else json.loads(said.read())
    if found is None:
        return 1
    last = catalogue.scores(results / "runs" / run.name)
    told = summed(found) | {"of_the_run": last}
    print(json.dumps(told, indent=1) if options.json else render(told))
    return 0


def summed(found: dict[str, Any]) -> dict[str, Any]:
    """Episodes with the mean of their returns, its standard error and their standard deviation (None at one)."""
    returns = [each["return"] for each in found["episodes"]]
    spread = stdev(returns) if len(returns) > 1 else None
    error = None if spread is None else spread / sqrt(len(returns))
    return found | {"mean": fmean(returns), "standard_deviation": spread, "standard_error": error}


def render(told: dict[str, Any]) -> str:
    """The same as text. The spread is of one agent's episodes: it says nothing of other seeds."""
    returns = [each["return"] for each in told["episodes"]]
    around = "" if told["standard_error"] is None else f" ± {told['standard_error']:.3g} (standard error)"
    lengths = fmean(each["length"] for each in told["episodes"])
    cut = sum(each["truncated"] for each in told["episodes"])
    lines = [
        told["run"],
        f"mean return {told['mean']:.4g}{around}, n = {len(returns)} episodes of this one agent",
        f"from {min(returns):g} to {max(returns):g}; {lengths:.0f} frames long on average, {cut} cut at the cap",
        "rules: " + ", ".join(f"{key} {value}" for key, value in told["rules"].items()),
    ]
    lines += [f"in training, last {metric}: {value:.4g}" for metric, value in told["of_the_run"].items()]
    return "\n".join(lines)


def export(root: Path, results: Path, options: argparse.Namespace) -> int:
    """All runs that have one of the given pieces in their name."""
    known = catalogue.names(results)
    fitting = ([name for name in known if piece in name] or [runs.named(results, piece)] for piece in options.runs)
    names = dict.fromkeys(name for some in fitting for name in some)
    out = options.out or results / "export" / options.to
    folders = [str(_folder(results, runs.find(results, name))) for name in names]
    words = ["--to", options.to, "--out", str(out), "--project", options.project, "--run", *folders]
    code = call(root, "agents.kept", "export", *words)
    if not code:
        print(f"{text.count(len(folders), 'run')} in {out}")
    return int(bool(code))


def _folder(results: Path, run: Record) -> Path:
    """Where a shown run lies in the store."""
    digest, code = run.facts.get("digest"), run.facts.get("fingerprint")
    if not digest or not code:
        raise ConfigError(f"{run.name}: run.json does not say where its result lies in the store")
    return Store(results).folder(digest, code)


def call(root: Path, module: str, *words: str, out: int | None = None) -> int:
    """A module of the checkout on one core; -> its exit code. What it says goes where this process says things."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = os.environ | one | {"PYTHONPATH": str(root)}
    sys.stdout.flush()
    need(*NEEDS[module])  # said at once, and by this process
    return subprocess.run([sys.executable, "-m", module, *words], stdout=out, env=environment, check=False).returncode
