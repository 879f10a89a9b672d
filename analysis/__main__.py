"""Commands of the analysis: python -m analysis scores | figure | table | claims | report.

Every input is an explicit argument. A mistake of the user ends with one line on stderr and exit code 2.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from analysis import spec as specs
from analysis.errors import UserError, unknown


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m analysis", description="Scores, figures, tables, claims, report.")
    commands = top.add_subparsers(dest="command", required=True)

    def command(name: str, text: str, *, spec: str = "") -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        if spec:
            sub.add_argument("--spec", required=True, metavar="JSON", help=f"{spec} as JSON, or @file")
            sub.add_argument("--scores", nargs="*", default=[], type=Path, metavar="PARQUET", help="scores files")
            sub.add_argument("--reference", required=True, type=Path, metavar="DIR", help="config/reference")
        sub.add_argument("--out", required=True, type=Path, help="file to write (figure, table: without suffix)")
        return sub

    scores = command("scores", "Collect the summaries of one experiment's runs.")
    scores.add_argument("--experiment", required=True, type=Path, metavar="JSON", help="the experiment's file")
    scores.add_argument("--store", required=True, type=Path, metavar="DIR", help="folder of the sealed results")
    scores.add_argument("--missing-allowed", action="store_true", help="score the runs that are there")
    command("figure", "Draw one figure: PDF, SVG, PNG, CSV, JSON caption.", spec="a figure")
    command("table", "Make one table: CSV, Markdown, LaTeX, JSON caption.", spec="a table")
    command("claims", "Check a paper's claims.", spec="a list of claims")
    report = command("report", "Make the HTML report.")
    report.add_argument("--papers", required=True, metavar="JSON", help="list of papers as JSON, or @file")
    report.add_argument("--figures", required=True, type=Path, metavar="DIR", help="<paper>/<id>.* of figures")
    report.add_argument("--tables", type=Path, metavar="DIR", help="<paper>/<id>.* of tables; default: as figures")
    report.add_argument("--claims", nargs="*", default=[], type=Path, metavar="JSON", help="<paper>.json of claims")
    report.add_argument("--experiments", nargs="*", default=[], type=Path, metavar="JSON", help="experiments' files")
    report.add_argument("--store", required=True, type=Path, metavar="DIR", help="folder of the sealed results")
    return top


def _json(text: str, option: str) -> Any:
    """JSON given inline, or in a file as @path."""
    try:
        return json.loads(Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text)
    except (OSError, json.JSONDecodeError) as error:
        raise UserError(f"{option}: not readable JSON: {error}") from error


def _validate(adapter: TypeAdapter[Any], value: Any, kinds: dict[str, str]) -> Any:
    """The typed spec; UserError names the first faulty key and the nearest valid choice."""
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise _explain(error, value, kinds) from None


def _explain(error: ValidationError, value: Any, kinds: dict[str, str]) -> UserError:
    problems = error.errors()
    problem = problems[0]
    place = [part for part in problem["loc"] if part not in kinds]
    where = ".".join(str(part) for part in place)
    items = value if isinstance(value, list) else [value]
    first = items[place[0]] if place and isinstance(place[0], int) and isinstance(value, list) else items[0]
    name = first.get("id", "?") if isinstance(first, dict) else "?"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if problem["type"] == "union_tag_invalid":
        return unknown("kind", first["kind"], kinds, f"{name}{more}")
    if problem["type"] == "extra_forbidden":
        return unknown("key", place[-1], _keys(problem["loc"], first), f"{name}: {where}{more}")
    return UserError(f"{name}: {where or 'spec'}: {problem['msg']}, got {problem.get('input')!r}"[:400] + more)


def _keys(location: tuple[int | str, ...], first: Any) -> list[str]:
    """Keys allowed where an unknown key was found."""
    models = {m.model_fields["kind"].annotation.__args__[0]: m for m in _models() if "kind" in m.model_fields}
    model = models.get(first.get("kind")) if isinstance(first, dict) else None
    steps = [part for part in location[:-1] if isinstance(part, str) and part not in models]
    for step in steps:
        model = next((m for m in _inner(model, step)), None)
    return sorted(model.model_fields) if model else []


def _models() -> list[type[specs.Strict]]:
    found, queue = [], [specs.Strict]
    while queue:
        queue += (children := queue.pop().__subclasses__())
        found += children
    return found


def _inner(model: Any, field: str) -> list[Any]:
    """Models inside a field's annotation."""
    if model is None or field not in model.model_fields:
        return []
    queue, found = [model.model_fields[field].annotation], []
    while queue:
        item = queue.pop()
        if isinstance(item, type) and issubclass(item, specs.Strict):
            found.append(item)
        queue += getattr(item, "__args__", ())
    return found


def run(arguments: argparse.Namespace) -> None:
    # imports here: 'scores' needs no plotting, and --help needs nothing
    if arguments.command == "scores":
        from analysis.load import few, write_scores

        missing = write_scores(arguments.experiment, arguments.store, arguments.out, arguments.missing_allowed)
        if missing:
            print(f"{few(missing)} not finished yet", file=sys.stderr)
    elif arguments.command == "figure":
        from analysis.figure import make_figure

        spec = _validate(specs.figure_adapter, _json(arguments.spec, "--spec"), specs.FIGURES)
        make_figure(spec, arguments.scores, arguments.reference, arguments.out)
    elif arguments.command == "table":
        from analysis.table import make_table

        spec = _validate(specs.table_adapter, _json(arguments.spec, "--spec"), specs.TABLES)
        make_table(spec, arguments.scores, arguments.reference, arguments.out)
    elif arguments.command == "claims":
        from analysis.claims import check

        claims = _validate(specs.claims_adapter, _json(arguments.spec, "--spec"), specs.CLAIMS)
        check(claims, arguments.scores, arguments.reference, arguments.out)
    else:
        from analysis.report import make_report

        papers = _json(arguments.papers, "--papers")
        if not isinstance(papers, list) or not all(isinstance(p, dict) and "paper" in p for p in papers):
            raise UserError("--papers: needs a list of objects with at least the key 'paper'")
        make_report(
            papers, arguments.figures, arguments.claims, arguments.experiments, arguments.store, arguments.out,
            arguments.tables,
        )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    try:
        run(arguments)
    except UserError as error:
        print(f"analysis {arguments.command}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
