"""Everyday commands: python -m workflow COMMAND.

run TARGETS      Snakemake on all cores, with a line of progress per run; options after -- go to Snakemake
plan [TARGETS]   what would run and why, and what it may cost
pilots [TARGETS] SLURM allocations that each train many of the runs that the store lacks
status           how far every run and pilot is; --watch keeps looking
runs             the finished runs and what differs between them
diff A B         what differs between two runs
explain RUN      everything that determined one run
done PAPER       the paths of a paper's figures and report
gc               what the results hold that nothing needs any more; --delete removes it
check            read all of config/ and say everything that is wrong with it
schema           write config/schema/*.json
ledger           write docs/papers: what each paper shows, what shows it here; --check says which pages are stale
"""

from __future__ import annotations

import argparse
import gc as garbage
import signal
import sys
import time
from pathlib import Path
from typing import Any

try:
    from analysis.spec import SCALES
    from workflow import drawn, environment, gc, ledger_pages, lookahead, pages, pilots, runs, schema, status, targets
    from workflow.config import Project
    from workflow.context import Context
    from workflow.expand import expand
    from workflow.invocation import invocation
    from workflow.ledger import Ledger
    from workflow.plan import plan
    from workflow.progress import run
    from workflow.strict_yaml import ConfigError, Document
    from workflow.terminal import say, silence, take_any_text
except ModuleNotFoundError as error:
    from workflow.missing import explain

    sys.exit(explain(error))

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str] | None = None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    passed: list[str] = []
    if "--" in words:
        words, passed = words[: words.index("--")], words[words.index("--") + 1 :]
    take_any_text()
    try:
        try:
            options = _parser().parse_args(words)
        except SystemExit:
            sys.stdout.flush()  # the help, which a reader may have left
            raise
        code = _command(options, passed)
        sys.stdout.flush()
        return code
    except ConfigError as error:
        say(f"{error}\n", sys.stderr)
        return 1
    except BrokenPipeError:  # | head
        silence(sys.stdout)
        return 0
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _command(options: argparse.Namespace, passed: list[str]) -> int:
    if options.command == "ledger":
        return _ledger(options.check)
    overrides = _overrides(options.config)
    if options.command == "schema":
        for path in schema.write(ROOT):
            print(path.relative_to(ROOT))
        return 0
    project = Project(ROOT, overrides)
    if options.command == "check":
        return _check(project, overrides)
    # Looking needs no writable results; Snakemake itself writes what its jobs take in.
    context = Context.read(ROOT, overrides, main=options.command == "run")
    results = Path(context.results)
    if options.command == "runs":
        print(runs.overview(results, options.all_columns, options.csv))
    elif options.command == "diff":
        print(runs.diff(results, options.a, options.b))
    elif options.command == "explain":
        print(runs.explain(results, options.run))
    elif options.command == "done":
        return _done(context, options.paper)
    elif options.command == "gc":
        print(gc.collect(context, options.delete, time.time()))
    elif options.command == "status":
        _status(context, options)
    else:
        targets.check(context, options.targets)
        if options.command == "run":
            environment.set_for_jobs(context)
            asked = invocation(environment.snakemake_command(context, options.targets, *passed)[3:])
            _note(lookahead.look(context, asked))
            return run(context, options.targets, passed)
        if options.command == "pilots":
            environment.set_for_jobs(context)
            asked = pilots.Asked(options.jobs, options.cores, options.gpu_slots, options.time)
            print(pilots.submit(context, options.targets, asked))
            return 0
        garbage.disable()  # thousands of runs, which all stay
        print(plan(context, options.targets))
        _note(lookahead.doubts(context, options.targets))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m workflow", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="over config/config.yaml")
    add = parser.add_subparsers(dest="command", required=True, metavar="COMMAND").add_parser
    add("run", parents=[common]).add_argument("targets", nargs="*")
    add("plan", parents=[common]).add_argument("targets", nargs="*")
    command = add("pilots", parents=[common])
    command.add_argument("targets", nargs="*")
    command.add_argument("--jobs", type=int, required=True, metavar="N", help="allocations, at most")
    command.add_argument("--cores", type=int, required=True, metavar="K", help="of each")
    command.add_argument("--gpu-slots", type=int, metavar="S", help="runs that share a pilot's GPU (1)")
    command.add_argument(
        "--time", metavar="HH:MM:SS", help="of each (the partition's default); unfinished work goes on"
    )
    command = add("status", parents=[common])
    command.add_argument("papers", nargs="*")
    command.add_argument("--watch", action="store_true", help="until interrupted")
    command.add_argument("--all", action="store_true", help="every run, however many")
    command = add("runs", parents=[common])
    command.add_argument("--all-columns", action="store_true", help="also the keys that all runs share")
    command.add_argument("--csv", action="store_true")
    command = add("diff", parents=[common])
    command.add_argument("a")
    command.add_argument("b")
    add("explain", parents=[common]).add_argument("run")
    add("done", parents=[common]).add_argument("paper")
    add("gc", parents=[common]).add_argument("--delete", action="store_true", help="remove what is listed")
    add("check", parents=[common])
    add("schema", parents=[common])
    add("ledger").add_argument("--check", action="store_true", help="write nothing; 1 if a page is stale")
    return parser


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


def _note(warnings: list[str]) -> None:
    for warning in warnings:
        say(f"note: {warning}\n", sys.stderr)


def _check(project: Project, overrides: dict[str, Any]) -> int:
    """All files, and each paper at each scale."""
    project.check()
    problems: dict[Any, None] = {}
    notes: dict[str, None] = {str(unused): None for unused in project.unused_presets()}
    for scale in SCALES:
        scaled = Project(ROOT, overrides | {"scale": scale})
        for paper in project.paper_names:
            try:
                notes |= {str(doubt): None for e in expand(scaled, paper).values() for doubt in e.doubts}
            except ConfigError as error:
                problems |= dict.fromkeys(error.problems)
    if problems:
        raise ConfigError(problems)
    _note(list(notes))
    print(f"config/ is in order: {len(project.algorithm_names)} algorithms, {len(project.paper_names)} papers")
    return 0


def _ledger(check: bool) -> int:
    """Pages that were, or with `check` ought to be, written anew."""
    changed = ledger_pages.stale(Ledger(ROOT)) if check else ledger_pages.write(ROOT)
    for path in changed:
        print(f"{path.relative_to(ROOT)}{' is stale: python -m workflow ledger' * check}")
    return int(check and bool(changed))


def _paper(context: Context, name: str) -> str:
    known = context.project.paper_names
    if name not in known:
        raise ConfigError([Document("config/papers", None).problem((), f"unknown paper {name!r}", name, known)])
    return name


def _done(context: Context, name: str) -> int:
    """Print what there is of a paper; 1 if something is missing."""
    paths = [p for p in drawn.files(context, _paper(context, name)) if p.endswith((".pdf", ".md"))]
    paths.append(pages.file(context, [name]))
    for path in paths:
        print(path if Path(path).exists() else f"{path} (missing)")
    return int(not all(Path(path).exists() for path in paths))


def _status(context: Context, options: argparse.Namespace) -> None:
    papers = [_paper(context, name) for name in options.papers] or context.config.papers
    while True:
        shown = status.render(status.states(context, papers), limit=10**9 if options.all else 40)
        if of_pilots := pilots.overview(Path(context.results)):
            shown += f"\n\n{of_pilots}"
        if not options.watch:
            print(shown)
            return
        print(f"\x1b[H\x1b[2J{shown}" if sys.stdout.isatty() else shown + "\n", flush=True)
        try:
            time.sleep(2)
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    sys.exit(main())
