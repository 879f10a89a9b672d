"""Commands of the analysis: python -m analysis scores | figure | table | sheet | claims | report.

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

from analysis.errors import UserError, unknown
from analysis.spec import items as specs
from analysis.spec.complaints import complaint


def parser() -> argparse.ArgumentParser:
    """The command line's arguments; whatever a command reads or writes is one of them."""
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
    figure = command("figure", "Draw one figure: PDF, SVG, PNG, CSV, JSON caption.", spec="a figure")
    figure.add_argument("--dreams", nargs="*", default=[], type=Path, metavar="PARQUET", help="what is imagined")
    animation = command("animation", "Make the GIF of what a world model imagined.")
    animation.add_argument("--dreams", required=True, type=Path, metavar="PARQUET", help="what is imagined")
    film = command("film", "Make the GIF or MP4 of an episode that a kept agent played.")
    film.add_argument("--episode", required=True, type=Path, metavar="PARQUET", help="what it played")
    command("table", "Make one table: CSV, Markdown, LaTeX, JSON caption.", spec="a table")
    sheet = command("sheet", "Put figures and tables into one small picture.")
    sheet.add_argument("--figures", nargs="*", default=[], type=Path, metavar="PNG", help="figures, in their order")
    sheet.add_argument("--tables", nargs="*", default=[], type=Path, metavar="JSON", help="tables, in their order")
    command("claims", "Check a paper's claims.", spec="a list of claims")
    report = command("report", "Make the HTML report.")
    report.add_argument("--papers", required=True, metavar="JSON", help="list of papers as JSON, or @file")
    report.add_argument("--figures", required=True, type=Path, metavar="DIR", help="<paper>/<id>.* of figures")
    report.add_argument("--tables", type=Path, metavar="DIR", help="<paper>/<id>.* of tables; default: as figures")
    report.add_argument("--claims", nargs="*", default=[], type=Path, metavar="JSON", help="<paper>.json of claims")
    report.add_argument("--experiments", nargs="*", default=[], type=Path, metavar="JSON", help="experiments' files")
    report.add_argument("--store", required=True, type=Path, metavar="DIR", help="folder of the sealed results")
    report.add_argument("--reference", type=Path, metavar="DIR", help="config/reference: other scales of its curves")
    report.add_argument("--energy", metavar="JSON", help="core_watts, gpu_watts and overhead, for an estimate")
    return top


def _json(text: str, option: str) -> Any:
    """JSON given inline, or in a file as @path."""
    try:
        return json.loads(Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text)
    except (OSError, json.JSONDecodeError) as error:
        raise UserError(f"{option}: not readable JSON: {error}") from error


def _validate(adapter: TypeAdapter[Any], form: Any, value: Any) -> Any:
    """The typed spec; UserError names the first faulty key and the nearest valid choice. `adapter`: that of `form`."""
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise _explain(error.errors(), form, value) from None


def _explain(problems: list[Any], form: Any, value: Any) -> UserError:
    location, message, bad, valid = complaint(problems[0], form, value)
    items = value if isinstance(value, list) else [value]
    first = items[location[0]] if location and isinstance(location[0], int) else next(iter(items), None)
    name = first.get("id", "?") if isinstance(first, dict) else "?"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    where = ".".join(map(str, location))
    if problems[0]["type"] == "union_tag_invalid":
        return unknown("kind", bad, valid, f"{name}{more}")
    if what := {"extra_forbidden": "key", "literal_error": "value"}.get(problems[0]["type"]):
        return unknown(what, bad, valid, f"{name}: {where}{more}")
    return UserError(f"{name}: {where or 'spec'}: {message}"[:400] + more)


def run(arguments: argparse.Namespace) -> None:
    """Do what the arguments ask for. UserError for a mistake of the user's."""
    # imports here: 'scores' needs no plotting, and --help needs nothing
    if arguments.command == "scores":
        from analysis.load import few, write_scores

        missing = write_scores(arguments.experiment, arguments.store, arguments.out, arguments.missing_allowed)
        if missing:
            print(f"{few(missing)} not finished yet", file=sys.stderr)
    elif arguments.command == "figure":
        from analysis.figure import make_figure

        spec = _validate(specs.figure_adapter, specs.FigureSpec, _json(arguments.spec, "--spec"))
        make_figure(spec, arguments.scores, arguments.reference, arguments.out, arguments.dreams)
    elif arguments.command == "animation":
        from analysis.animation import animate

        animate(arguments.dreams, arguments.out)
    elif arguments.command == "film":
        from analysis.film import film

        film(arguments.episode, arguments.out)
    elif arguments.command == "table":
        from analysis.table import make_table

        spec = _validate(specs.table_adapter, specs.TableSpec, _json(arguments.spec, "--spec"))
        make_table(spec, arguments.scores, arguments.reference, arguments.out)
    elif arguments.command == "sheet":
        from analysis.contact_sheet import contact_sheet

        contact_sheet(arguments.figures, arguments.tables, arguments.out)
    elif arguments.command == "claims":
        from analysis.claims import check

        claims = _validate(specs.claims_adapter, list[specs.ClaimSpec], _json(arguments.spec, "--spec"))
        check(claims, arguments.scores, arguments.reference, arguments.out)
    else:
        from analysis.page.cost import watts
        from analysis.report import make_report

        papers = _json(arguments.papers, "--papers")
        if not isinstance(papers, list) or not all(isinstance(p, dict) and "paper" in p for p in papers):
            raise UserError("--papers: needs a list of objects with at least the key 'paper'")
        make_report(
            papers, arguments.figures, arguments.claims, arguments.experiments, arguments.store, arguments.out,
            arguments.tables, arguments.reference, watts(_json(arguments.energy or "null", "--energy")),
        )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """The program; -> exit code: 0, or 2 after a line on stderr about a mistake of the user's."""
    arguments = parser().parse_args(argv)
    try:
        run(arguments)
    except UserError as error:
        print(f"analysis {arguments.command}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
