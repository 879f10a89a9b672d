"""The table of finished runs: chosen, sorted, and with only the columns that differ."""

from __future__ import annotations

import csv
import functools
import io
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from workflow import catalogue, index, text
from workflow.catalogue import Catalogue, Entry
from workflow.runs import LISTED, cell, score, telling
from workflow.strict_yaml import ConfigError, nearest

HIDDEN = ("seed", "environment.game", "environment.suite", "agent.kind")  # all in the run's name
# What a run may be sorted by or chosen by beside its settings.
COLUMNS = ("run", "paper", "experiment", "variant", "algorithm", "scale", "game", "seed", "status", "frames",
           "frames_per_second", "seconds", "return")  # fmt: skip


class Asked(NamedTuple):
    """What is asked of the table of runs. `where`: KEY=VALUE words, all of which a run has to fit."""

    paper: str | None = None
    where: tuple[str, ...] = ()
    sort: str | None = None
    all_columns: bool = False


class Table(NamedTuple):
    """The runs that fit, in order: entry, who asks for it, its values of `keys` (absent ones are not there).

    `of`: all finished runs.
    """

    rows: list[tuple[Entry, list[index.Row], dict[str, Any]]]
    keys: list[str]
    of: int


def table(results: Path, asked: Asked) -> Table:
    """The finished runs that are asked for, with the keys that differ among them, or all. Raises ConfigError."""
    kept = catalogue.read(results)
    behind: dict[str, list[index.Row]] = defaultdict(list)
    rows = index.read(results / "index.csv")
    for row in rows if asked.paper is None else (row for row in rows if row.paper == asked.paper):
        behind[row.run].append(row)
    chosen = every = [entry for entry in kept.entries if asked.paper is None or entry.run in behind]
    for word in asked.where:
        key, is_given, wanted = word.partition("=")
        if not is_given:
            raise ConfigError(f"--where takes KEY=VALUE, not {word!r}")
        key = _key(kept, every, key)
        chosen = [entry for entry in chosen if _fits(_values(kept, entry, behind[entry.run], key), wanted)]
    if asked.sort:
        key = _key(kept, every, asked.sort)
        chosen.sort(key=lambda entry: _rank(_values(kept, entry, behind[entry.run], key)))
    settings = {n: kept.settings(n) for n in dict.fromkeys(entry.template for entry in chosen)}
    if asked.all_columns:
        keys = list(dict.fromkeys(key for each in settings.values() for key in each))
    else:
        keys = [key for key in telling(list(settings.values())) if key not in HIDDEN]
    own = {"environment.game": "game", "seed": "seed"}.items()
    shared = {n: {key: spec[key] for key in keys if key in spec} for n, spec in settings.items()}
    rows = [(entry, behind[entry.run], shared[entry.template]) for entry in chosen]
    if asked.all_columns:
        rows = [
            (entry, asking, values | {key: getattr(entry, name) for key, name in own if key in values})
            for entry, asking, values in rows
        ]
    return Table(rows, keys, len(kept.entries))


def _key(kept: Catalogue, entries: list[Entry], word: str) -> str:
    """The column or setting that a word names: in full, or by the end of its dotted key. Raises ConfigError."""
    known = dict.fromkeys(key for each in catalogue.used(kept, entries) for key in each)
    if word in COLUMNS or word in known or not entries:
        return word
    ends = [key for key in known if key.endswith(f".{word}")]
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise ConfigError(f"{word!r} could be {' or '.join(ends[:LISTED])}")
    guess = nearest(word, [*COLUMNS, *known])
    hint = f"; did you mean {guess!r}?" if guess else f"; columns: {', '.join(COLUMNS)}, and all settings"
    raise ConfigError(f"no run has {word!r}{hint}")


def _values(kept: Catalogue, entry: Entry, rows: list[index.Row], key: str) -> list[Any]:
    """A run's values of a column or setting: several where several experiments ask for it."""
    spec = kept.settings(entry.template)
    match key:
        case "return":
            return [entry.score]
        case "game" | "environment.game":
            return [entry.game, f"{spec.get('environment.suite')}/{entry.game}"]
        case "run" | "seed" | "status" | "frames" | "seconds" | "frames_per_second":
            return [getattr(entry, key)]
        case "paper" | "experiment" | "variant" | "algorithm" | "scale":
            return [getattr(row, key) for row in rows]
    return [spec[key]] if key in spec else []


def _fits(values: list[Any], wanted: str) -> bool:
    """Whether one of the values is the wanted one, as text or as a number."""
    try:
        number = float(wanted.replace("_", ""))
    except ValueError:
        number = None
    return any(
        cell(value) == wanted or (number is not None and isinstance(value, int | float) and value == number)
        for value in values
    )


def _rank(values: list[Any]) -> tuple[int, float, str]:
    """Numbers, the largest first, then texts from a to z, then what has no value."""
    value = values[0] if values else None
    if value is None:
        return 2, 0.0, ""
    if isinstance(value, int | float):
        return 0, -value, ""
    return 1, 0.0, cell(value)


def overview(found: Table, results: Path, as_csv: bool, width: int | None = None) -> str:
    """The table as text; `width`: columns of the terminal that it has to fit, None for any. CSV has plain numbers.

    On a terminal runs of one experiment are told by their variants alone.
    """
    if not found.rows and not as_csv:
        if found.of:
            return f"none of {found.of} finished runs fits in {results / 'runs'}"
        return f"no finished runs in {results / 'runs'}; `status` shows what is at work, `run` begins"
    scored = as_csv or any(entry.score is not None for entry, _, _ in found.rows)
    head = ["run", "asked for by", "status", "frames", "frames/s", "time", *["return"] * scored, *found.keys]
    one = width is not None and len({(row.paper, row.experiment) for _, rows, _ in found.rows for row in rows}) == 1
    cells: dict[int, list[str | None]] = {}  # runs that differ in game and seed alone share their settings
    for _, _, values in found.rows:
        if id(values) not in cells:
            cells[id(values)] = [cell(values[key]) if key in values else None for key in found.keys]
    entries = [entry for entry, _, _ in found.rows]
    frames, seconds, returns = ([getattr(entry, key) for entry in entries] for key in ("frames", "seconds", "score"))
    columns: list[Iterable[Any]] = [
        [entry.run for entry in entries],
        [_asked_for_by(rows, one) for _, rows, _ in found.rows],
        [entry.status for entry in entries],
        frames if as_csv else [text.frames(count) for count in frames],
        [_round(entry.frames_per_second) for entry in entries],
        seconds if as_csv else [text.duration(time) for time in seconds],
        *[returns if as_csv else [score(value) for value in returns]] * scored,
        *zip(*[cells[id(values)] for _, _, values in found.rows], strict=True),
    ]
    if as_csv:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([head, *zip(*columns, strict=True)])
        return out.getvalue().rstrip("\n")
    if width is not None:
        head, columns = _arranged(head, columns)
    return text.of_columns(head, columns, right=("frames", "frames/s", "time", "return"), width=width)


def _asked_for_by(rows: list[index.Row], one: bool) -> str:
    """`one`: all runs of the table are of one experiment."""
    return "; ".join([r.variant if one else f"{r.paper}.{r.experiment}: {r.variant}" for r in rows]) or "nothing"


def _arranged(head: list[str], columns: list[Iterable[Any]]) -> tuple[list[str], list[Iterable[Any]]]:
    """For a terminal, which may have no room for all: what tells runs apart comes first, what all share is left out."""
    places = {
        "run": 0,
        "return": 1,
        "asked for by": 2,
        "status": 3,
        "frames": 5,
        "frames/s": 6,
        "time": 7,
    }  # settings: 4
    shared = [i for i, name in enumerate(head) if name in ("status", "frames") and len(set(columns[i])) == 1]
    order = sorted((i for i in range(len(head)) if i not in shared), key=lambda i: places.get(head[i], 4))
    return [head[i] for i in order], [columns[i] for i in order]


def facts(found: Table) -> list[dict[str, Any]]:
    """The table for machines."""
    return [
        {
            "run": entry.run,
            "game": entry.game,
            "seed": entry.seed,
            "status": entry.status,
            "frames": entry.frames,
            "seconds": entry.seconds,
            "frames_per_second": entry.frames_per_second,
            "return": entry.score,
            "return_metric": entry.metric,
            "asked_for_by": [
                {key: getattr(row, key) for key in ("paper", "experiment", "variant", "algorithm", "scale")}
                for row in rows
            ],
            "settings": values,
        }
        for entry, rows, values in found.rows
    ]


@functools.cache
def _round(value: float | None) -> str | None:
    return None if value is None else f"{value:.0f}"
