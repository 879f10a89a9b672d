"""Commands about what the configuration asks for: all runs, figures and tables of its papers.

Each imports what it needs beside the configuration: most are answered before all of it is read.
"""

from __future__ import annotations

import argparse
import gc as garbage
import sys
import time
from pathlib import Path
from typing import Any

from workflow import text
from workflow.context import Context
from workflow.strict_yaml import ConfigError
from workflow.terminal import Screen, note, print_json, say, wait, width


def look(root: Path, overrides: dict[str, Any], options: argparse.Namespace) -> int:
    """Do what needs no writable results. -> exit code."""
    context = Context.read(root, overrides, main=False)
    match options.command:
        case "done":
            return _done(context, options.paper)
        case "sheet":
            return _sheet(context, context.project.files.paper(options.paper), options.out)
        case "gc":
            from workflow import gc

            wait("looking at every paper at every scale: a minute or so …")
            print(gc.collect(context, options.delete, time.time()))
        case "status":
            _status(context, options)
        case "pilots":
            _pilots(context, options)
        case "plan":
            _plan(context, options)
    return 0


OURS = ("--config", "-C", "--configfile", "--configfiles")  # which the paths told, and what is looked at, follow too


def run(root: Path, overrides: dict[str, Any], words: list[str], passed: list[str]) -> int:
    """Snakemake writes what its jobs take in. What is done before it starts takes seconds, and is told."""
    if late := [word for word in passed if word.split("=")[0] in OURS]:
        raise ConfigError(f"{late[0]} stands behind --, where words go to Snakemake alone: write it before --")
    shown = Screen(sys.stdout)
    shown.draw(["reading config/ …"])
    from workflow import environment, locker, lookahead, pages, progress, targets
    from workflow.invocation import invocation

    context = Context.read(root, overrides)
    targets.check(context, words)
    environment.set_for_jobs(context)
    asked = invocation(environment.snakemake_command(context, words, *passed)[3:])
    shown.draw([f"looking at {text.count(len(targets.runs_behind(context, words)), 'run')} …"])
    if left := locker.unlock_if_dead():
        say(f"unlocked this folder: the Snakemake that had locked it is dead ({left})\n")
    if asked.runs and "--nolock" not in passed and locker.held(targets.to_make(context, words)):
        raise ConfigError(locker.holder())
    warnings = lookahead.look(context, asked)
    shown.draw([])
    note(warnings)
    code = progress.run(context, words, passed)
    if not code and asked.runs:
        say("".join(f"{line}\n" for line in pages.made(context, words)))
    return code


def _pilots(context: Context, options: argparse.Namespace) -> None:
    from workflow import environment, pilots, targets

    targets.check(context, options.targets)
    environment.set_for_jobs(context)
    asked = pilots.Asked(options.jobs, options.cores, options.gpu_slots, options.time)
    print(pilots.submit(context, options.targets, asked))


def _plan(context: Context, options: argparse.Namespace) -> None:
    from workflow import lookahead, targets
    from workflow.plan import facts, plan, render

    targets.check(context, options.targets)
    garbage.disable()  # thousands of runs, which all stay
    found = plan(context, options.targets)
    if options.json:
        print_json(facts(found))
    else:
        print(render(found, context.results))
    note(lookahead.doubts(context, options.targets))


def _status(context: Context, options: argparse.Namespace) -> None:
    from workflow import pilots, status

    papers = [context.project.files.paper(name) for name in options.papers] or context.config.papers
    while True:
        states, of_pilots = status.states(context, papers), pilots.overview(Path(context.results))
        if options.json:
            print_json({"runs": states, "pilots": of_pilots})
            return
        shown = status.render(states, 10**9 if options.all else 40, width())
        if of_pilots:
            shown += f"\n\n{pilots.render(of_pilots)}"
        if not options.watch:
            print(shown)
            return
        print(f"\x1b[H\x1b[2J{shown}" if sys.stdout.isatty() else shown + "\n", flush=True)
        try:
            time.sleep(2)
        except KeyboardInterrupt:
            return


def _done(context: Context, name: str) -> int:
    """Print what there is of a paper; 1 if something is missing."""
    from workflow import drawn, pages

    paths = [p for p in drawn.files(context, context.project.files.paper(name)) if p.endswith((".pdf", ".md"))]
    paths.append(pages.file(context, [name]))
    missing = [path for path in paths if not Path(path).exists()]
    for path in paths:
        print(f"{path} (missing)" if path in missing else path)
    if missing:
        print(f"`run {name}` makes what is missing")
    return int(bool(missing))


def _sheet(context: Context, paper: str, out: Path | None) -> int:
    """A paper's figures and tables that are drawn, in one picture; says where it is, and what is not there."""
    from workflow import drawn, kept

    shown, wanted = Path(context.shown), {}
    for part, suffix in (("figures", "png"), ("tables", "json")):
        items = drawn.drawable(context, paper, part)
        wanted[part] = [shown / part / paper / f"{item.id}.{suffix}" for item in items]
    there = {part: [str(path) for path in paths if path.exists()] for part, paths in wanted.items()}
    lost = [path.stem for paths in wanted.values() for path in paths if not path.exists()]
    if not any(there.values()):
        scale = context.config.scale
        raise ConfigError(f"nothing of {paper} is drawn at scale {scale}: arcade run {paper} --config scale={scale}")
    out = out or shown / "sheets" / f"{paper}.png"
    words = ["--figures", *there["figures"], "--tables", *there["tables"]]
    code = kept.call(context.root, "analysis", "sheet", "--out", str(out), *words)
    if not code:
        print(out)
        if lost:
            print(f"not drawn yet: {', '.join(lost)}")
    return int(bool(code))
