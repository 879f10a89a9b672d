"""What each command of `arcade` does. Each imports what it needs: most are answered before all of it is read."""

from __future__ import annotations

import argparse
import gc as garbage
from pathlib import Path
from typing import Any

from workflow import main_config
from workflow.files import Files
from workflow.strict_yaml import ConfigError
from workflow.terminal import note, print_json, wait, width


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
            _runs(Files(root), _results(root, overrides), options)
        case "diff":
            _diff(_results(root, overrides), options)
        case "explain":
            _explain(root, overrides, options)
        case "video" | "evaluate" | "export":
            return _kept(root, _results(root, overrides), options)
        case "run":
            from workflow import wanted

            return wanted.run(root, overrides, options.targets, passed)
        case _:
            from workflow import wanted

            return wanted.look(root, overrides, options)
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


def _results(root: Path, overrides: dict[str, Any]) -> Path:
    return Path(main_config.read(Files(root), overrides).results)


def _runs(files: Files, results: Path, options: argparse.Namespace) -> None:
    from workflow import run_table

    if options.paper is not None:
        files.paper(options.paper)
    asked = run_table.Asked(options.paper, tuple(options.where), options.sort, options.all_columns)
    garbage.disable()  # thousands of runs, which all stay
    found = run_table.table(results, asked)
    if options.json:
        print_json(run_table.facts(found))
    else:
        print(run_table.overview(found, results, options.csv, width()))
    garbage.freeze()  # else the interpreter looks through all of it once more at its end


def _diff(results: Path, options: argparse.Namespace) -> None:
    from workflow import runs

    found = runs.diff(results, options.a, options.b)
    if options.json:
        print_json(found._asdict())
    else:
        print(runs.side_by_side(found))


def _explain(root: Path, overrides: dict[str, Any], options: argparse.Namespace) -> None:
    from workflow import origins

    found = origins.explain(root, overrides, _results(root, overrides), options.run)
    if options.json:
        print_json(origins.facts(found))
    else:
        print(origins.render(found, width()))


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
        wait("reading all of config/ …")
    found = check(root, overrides)
    if as_json:
        print_json(found.facts())
        return int(bool(found.problems))
    if found.problems:
        raise ConfigError(found.problems)
    note(found.notes)
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
