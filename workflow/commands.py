"""What each command of `arcade` does. Each imports what it needs: most are answered before all of it is read."""

from __future__ import annotations

import argparse
import gc as garbage
import json
import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workflow import text
from workflow.config import Project
from workflow.context import Context
from workflow.strict_yaml import ConfigError, Document
from workflow.terminal import Screen, say


def do(root: Path, options: argparse.Namespace, passed: list[str]) -> int:
    """Do what the words say; `passed`: those for Snakemake. -> exit code. Raises ConfigError."""
    match options.command:
        case "ledger":
            return _ledger(root, options.check)
        case "docs":
            from workflow import site

            return site.build(root, options.out)
        case "completion":
            from workflow.completion import shellcode

            print(shellcode(options.shell))
            return 0
    overrides = _overrides(options.config)
    match options.command:
        case "schema":
            from workflow import schema

            for path in schema.write(root):
                print(path.relative_to(root))
        case "check":
            return _check(root, overrides, options.json)
        case "runs":
            _runs(Project(root, overrides), options)
        case "diff":
            _diff(Path(Project(root, overrides).config.results), options)
        case "explain":
            _explain(root, overrides, options)
        case "video" | "evaluate" | "export":
            return _kept(root, Path(Project(root, overrides).config.results), options)
        case "run":
            return _run(root, overrides, options.targets, passed)
        case _:  # looking needs no writable results
            return _of_all(Context.read(root, overrides, main=False), options)
    return 0


def _of_all(context: Context, options: argparse.Namespace) -> int:
    """Commands about the runs that the configuration asks for."""
    match options.command:
        case "done":
            return _done(context, options.paper)
        case "sheet":
            from workflow import kept

            return kept.sheet(context, _known(context.project, options.paper), options.out)
        case "gc":
            from workflow import gc

            _wait("looking at every paper at every scale: a minute or so …")
            print(gc.collect(context, options.delete, time.time()))
        case "status":
            _status(context, options)
        case "pilots":
            _pilots(context, options)
        case "plan":
            _plan(context, options)
    return 0


def _overrides(words: list[str]) -> dict[str, Any]:
    """KEY=VALUE words, the values read as Snakemake's --config reads them."""
    import yaml

    wrong = [word for word in words if "=" not in word]
    if wrong:
        raise ConfigError(f"--config takes KEY=VALUE, not {wrong[0]!r}")
    found: dict[str, Any] = {}
    for key, value in (word.split("=", 1) for word in words):
        try:
            found[key] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, KeyError) as error:
            why = getattr(error, "problem", None) or error
            raise ConfigError(f"--config: {key}: not valid YAML: {why}, in {value!r}") from None
    return found


OURS = ("--config", "-C", "--configfile", "--configfiles")  # which the paths told, and what is looked at, follow too


def _run(root: Path, overrides: dict[str, Any], words: list[str], passed: list[str]) -> int:
    """Snakemake writes what its jobs take in. What is done before it starts takes seconds, and is told."""
    if late := [word for word in passed if word.split("=")[0] in OURS]:
        raise ConfigError(f"{late[0]} stands behind --, where words go to Snakemake alone: write it before --")
    shown = Screen(sys.stdout)
    shown.draw(["reading config/ …"])
    from workflow import environment, locker, lookahead, pages, targets
    from workflow.invocation import invocation
    from workflow.progress import run

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
    _note(warnings)
    code = run(context, words, passed)
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
        _print_json(facts(found))
    else:
        print(render(found, context.results))
    _note(lookahead.doubts(context, options.targets))


def _runs(project: Project, options: argparse.Namespace) -> None:
    from workflow import run_table

    results = Path(project.config.results)
    if options.paper is not None:
        _known(project, options.paper)
    asked = run_table.Asked(options.paper, tuple(options.where), options.sort, options.all_columns)
    garbage.disable()  # thousands of runs, which all stay
    found = run_table.table(results, asked)
    if options.json:
        _print_json(run_table.facts(found))
    else:
        print(run_table.overview(found, results, options.csv, _width()))
    garbage.freeze()  # else the interpreter looks through all of it once more at its end


def _diff(results: Path, options: argparse.Namespace) -> None:
    from workflow import runs

    found = runs.diff(results, options.a, options.b)
    if options.json:
        _print_json(found._asdict())
    else:
        print(runs.side_by_side(found))


def _explain(root: Path, overrides: dict[str, Any], options: argparse.Namespace) -> None:
    from workflow import origins

    found = origins.explain(root, overrides, Path(Project(root, overrides).config.results), options.run)
    if options.json:
        _print_json(origins.facts(found))
    else:
        print(origins.render(found, _width()))


def _kept(root: Path, results: Path, options: argparse.Namespace) -> int:
    from workflow import kept

    match options.command:
        case "video":
            return kept.video(root, results, options)
        case "evaluate":
            return kept.evaluate(root, results, options)
    return kept.export(root, results, options)


def _check(root: Path, overrides: dict[str, Any], as_json: bool) -> int:
    """All files, and each paper at each scale."""
    from workflow.checked import check

    if not as_json:
        _wait("reading all of config/ …")
    found = check(root, overrides)
    if as_json:
        _print_json(found.facts())
        return int(bool(found.problems))
    if found.problems:
        raise ConfigError(found.problems)
    _note(found.notes)
    print(f"config/ is in order: {found.algorithms} algorithms, {found.papers} papers")
    return 0


def _ledger(root: Path, check: bool) -> int:
    """Pages that were, or with `check` ought to be, written anew."""
    from workflow import ledger_pages
    from workflow.ledger import Ledger

    changed = ledger_pages.stale(Ledger(root)) if check else ledger_pages.write(root)
    for path in changed:
        print(f"{path.relative_to(root)}{' is stale: python -m workflow ledger' * check}")
    return int(check and bool(changed))


def _known(project: Project, paper: str) -> str:
    known = project.paper_names
    if paper not in known:
        raise ConfigError([Document("config/papers", None).problem((), f"unknown paper {paper!r}", paper, known)])
    return paper


def _done(context: Context, name: str) -> int:
    """Print what there is of a paper; 1 if something is missing."""
    from workflow import drawn, pages

    paths = [p for p in drawn.files(context, _known(context.project, name)) if p.endswith((".pdf", ".md"))]
    paths.append(pages.file(context, [name]))
    missing = [path for path in paths if not Path(path).exists()]
    for path in paths:
        print(f"{path} (missing)" if path in missing else path)
    if missing:
        print(f"`run {name}` makes what is missing")
    return int(bool(missing))


def _status(context: Context, options: argparse.Namespace) -> None:
    from workflow import pilots, status

    papers = [_known(context.project, name) for name in options.papers] or context.config.papers
    while True:
        states, of_pilots = status.states(context, papers), pilots.overview(Path(context.results))
        if options.json:
            _print_json({"runs": states, "pilots": of_pilots})
            return
        shown = status.render(states, 10**9 if options.all else 40, _width())
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


def _wait(line: str) -> None:
    """What takes long is told to whoever looks at a terminal, not to a file or a program."""
    if sys.stderr.isatty():
        say(f"{line}\n", sys.stderr)


def _note(warnings: Iterable[object]) -> None:
    for warning in warnings:
        say(f"note: {warning}\n", sys.stderr)


def _print_json(value: Any) -> None:
    """ASCII, whatever the locale; what is not a number in JSON is null."""
    print(json.dumps(_plain(value), allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not abs(value) < float("inf") else value


def _width() -> int | None:
    """Characters of the terminal that is written to; None where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
