"""A small checkout with made-up work: a paper whose jobs only touch what they should make."""

from __future__ import annotations

import functools
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from agents.run import essence
from agents.run.code import fingerprint
from agents.run.store import CODE, read
from workflow.context import Context
from workflow.finished import digest
from workflow.plan import Job, parse

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("agents", "analysis", "workflow", "rules", "config", "Snakefile")
TRIGGERS = ("--rerun-triggers", "mtime", "input", "params", "software-env")

# Two experiments that share the runs of lr 1e-3; SN alone reaches agents/optim/spectral.py.
PAPER = """\
title: House
authors: Nobody
year: 2026
venue: tests
url: ""
experiments:
  base:
    title: Base
    algorithm: dqn_minatar_sn
    games: [minatar/breakout, minatar/asterix]
    seeds: 2
    budget_frames: 1000
    set: { record.norms: none, optimizer.lr: 1e-3 }
    variants:
      DQN: {}
      SN: { spectral.kind: weights, spectral.layers: [-2] }
    scales:
      smoke: { reduced: nothing but seeds, seeds: 1 }
  sweep:
    title: Sweep
    algorithm: dqn_minatar_sn
    games: [minatar/breakout]
    seeds: [0, 1]
    budget_frames: 1000
    set: { record.norms: none }
    vary: { optimizer.lr: [1e-3, 1e-2] }
    scales:
      smoke: { reduced: nothing but seeds, seeds: [0] }
figures:
  - { id: curves, kind: learning_curves, title: Curves, experiments: [house.base] }
  - { id: swept, kind: learning_curves, title: Swept, experiments: [house.sweep] }
  - { id: bars, kind: per_game_bars, title: Bars, experiments: [house.base] }
claims:
  - { id: better, kind: greater, text: SN is better., experiments: [house.base], a: SN, b: DQN,
      games: [minatar/breakout] }
"""

# Stands for `python -m agents train` and `python -m analysis …`: same names, no work.
PYTHON = f"""#!{sys.executable} -SE
import hashlib, json, os, sys
words = sys.argv[2:]
if sys.argv[1] == "-c":  # which versions are installed
    print(json.dumps(dict(torch="2.13.0")))
    sys.exit()
def option(name):
    return words[words.index(name) + 1]
def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
if words[:2] == ["agents", "train"]:
    text = option("--spec")
    spec, digest = json.loads(text), hashlib.sha256(text.encode()).hexdigest()
    env = spec["environment"]
    name = f"{{spec['agent']['kind']}}.{{env['suite']}}-{{env['game']}}.s{{spec['seed']}}.{{digest[:12]}}"
    sys.path.insert(0, {str(ROOT)!r})
    from agents.run.store import CODE, Store, read
    store, code = Store(option("--results")), option("--code")
    def result(folder):
        for table in ("summary", "episodes", "evaluations", "learning", "timing"):
            write(f"{{folder}}/{{table}}.parquet", name + code)
        facts = dict(spec=spec, fingerprint=code, status="finished", frames=1000, seconds=10.0)
        write(f"{{folder}}/run.json", json.dumps(facts | dict(frames_per_second=100.0, versions=dict(torch="2"))))
        write(f"{{folder}}/{{CODE}}", open(f"codes/{{code}}").read() if os.path.exists(f"codes/{{code}}") else "")
    print(f"trained {{name}} {{code}}", file=open("trainings", "a"))
    store.show(read(store.seal(name, digest, code, result)))
elif words[0] == "analysis":
    suffixes = dict(figure=".pdf .svg .png .csv .json", table=".csv .md .tex .json").get(words[1], "")
    for suffix in suffixes.split() or [""]:
        write(option("--out") + suffix, " ".join(words))
else:
    sys.exit(f"the stand-in for python does not know {{words}}")
"""


def copy_checkout(source: Path, target: Path, also: tuple[str, ...] = ()) -> Path:
    """Copy what the workflow is made of (and `also`), with new modification times as `git clone` has them."""
    for name in (*PARTS, *also):
        if (source / name).is_dir():
            shutil.copytree(
                source / name,
                target / name,
                copy_function=shutil.copyfile,
                ignore=shutil.ignore_patterns("__pycache__"),
            )
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, target / name)
    return lend_essence(target)


def lend_essence(checkout: Path) -> Path:
    """Let a checkout know what was found in sources here: it goes by what they say, and so is right for all."""
    if essence.KEPT.exists():
        kept = checkout / essence.KEPT.relative_to(ROOT)
        kept.parent.mkdir(exist_ok=True)
        shutil.copyfile(essence.KEPT, kept)
    return checkout


def build(folder: Path) -> Path:
    """A checkout with the paper above as its only one, and the stand-in for python in bin/."""
    copy_checkout(ROOT, folder)
    for path in (folder / "config" / "papers").glob("*.yaml"):
        path.unlink()
    (folder / "config" / "papers" / "house.yaml").write_text(PAPER)
    config = folder / "config" / "config.yaml"
    config.write_text(
        config.read_text().replace("papers: [demo]", "papers: [house]").replace("scale: reduced", "scale: paper")
    )
    python = folder / "bin" / "python"
    python.parent.mkdir()
    python.write_text(PYTHON)
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return folder


def without_notes(text: str) -> list[str]:
    """Lines of what a command said, without its notes about the house's budgets, in which nothing is learned."""
    return [line for line in text.splitlines() if not line.startswith("note: ")]


def seal(context: Context, name: str, **facts: object) -> None:
    """Keep a made-up result of a run, as if it had been trained with the present code."""
    run, text = context.papers.run(name), context.finished.code_text(context.papers.run(name))
    known = {"spec": json.loads(run.spec), "status": "finished", "frames": 1000, "seconds": 10.0}

    def result(folder: Path) -> None:
        (folder / "summary.parquet").write_text(name)
        (folder / "run.json").write_text(json.dumps(known | facts))
        (folder / CODE).write_text(text)

    context.finished.store.show(read(context.finished.store.seal(name, digest(run), fingerprint(text), result)))


def snakemake(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in a checkout made by `build`; `python` in its rules is the stand-in."""
    environment = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "VIRTUAL_ENV": str(folder)}
    environment.pop("PYTHONPATH", None)
    with tempfile.TemporaryDirectory() as printed:
        output = f"{printed}/snakemake"
        request = {"folder": str(folder), "environment": environment, "words": words, "output": output}
        print(json.dumps(request), file=forks().stdin, flush=True)
        code = int(forks().stdout.readline())
        return subprocess.CompletedProcess(words, code, *(Path(output + end).read_text() for end in (".out", ".err")))


@functools.cache
def forks() -> subprocess.Popen[str]:
    """The process that each call of Snakemake is a fork of: importing it takes longer than most of them."""
    command = [sys.executable, "-P", str(Path(__file__).with_name("forks.py"))]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def planned(folder: Path, *words: str) -> list[Job]:
    """The jobs of a dry run."""
    done = snakemake(folder, *words, "--dry-run", "--nocolor", *TRIGGERS)
    assert done.returncode == 0, done.stdout + done.stderr
    return parse(done.stdout + done.stderr)
