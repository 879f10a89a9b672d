"""What finished runs left behind: the table of runs, and what two runs differ in."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

from workflow import index, text
from workflow.overlay import flatten
from workflow.strict_yaml import ConfigError, nearest


class Record(NamedTuple):
    """One run's run.json, with its spec and versions flattened to dotted keys."""

    name: str
    facts: dict[str, Any]
    spec: dict[str, Any]
    versions: dict[str, Any]


def read(folder: Path) -> Record | None:
    """The run in results/runs/<run>, or None where there is no readable run.json."""
    try:
        facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        return Record(folder.name, facts, dict(flatten(facts["spec"])), dict(flatten(facts.get("versions", {}))))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def finished(results: Path) -> list[Record]:
    """All finished runs, by name."""
    return [run for folder in sorted((results / "runs").glob("*")) if (run := read(folder))]


def find(results: Path, name: str) -> Record:
    """A finished run by its name, or its beginning or end; ConfigError if not exactly one fits."""
    names = sorted(folder.name for folder in (results / "runs").glob("*"))
    fitting = [n for n in names if n == name] or [n for n in names if n.startswith(name) or n.endswith(name)]
    if len(fitting) > 1:
        raise ConfigError(f"{name!r} could be any of {len(fitting)} runs: {', '.join(fitting[:6])}, …")
    run = read(results / "runs" / fitting[0]) if fitting else None
    if run is None and fitting:
        raise ConfigError(f"{fitting[0]}: run.json is missing or not readable")
    if run is None:
        guess = nearest(name, names)
        raise ConfigError(f"no run {name!r} in {results / 'runs'}" + (f"; did you mean {guess!r}?" if guess else ""))
    return run


def differing(specs: list[dict[str, Any]]) -> list[str]:
    """Keys whose values are not the same in all."""
    keys = dict.fromkeys(key for spec in specs for key in spec)
    return [key for key in keys if len({json.dumps(spec.get(key, "absent")) for spec in specs}) > 1]


def _told_by_kind(key: str, specs: list[dict[str, Any]]) -> bool:
    """Whether a key is there in some only, since others have another kind of its part, and the same wherever it is."""
    steps = key.split(".")
    kinds = [kind for n in range(1, len(steps)) if (kind := ".".join([*steps[:n], "kind"])) != key]
    values = {json.dumps(spec[key]) for spec in specs if key in spec}
    return len(values) == 1 and any(len({spec.get(kind) for spec in specs}) > 1 for kind in kinds)


def telling(specs: list[dict[str, Any]]) -> list[str]:
    """Keys whose values are not the same in all, but for those that a part's kind already tells."""
    return [key for key in differing(specs) if not _told_by_kind(key, specs)]


def overview(results: Path, all_columns: bool, as_csv: bool) -> str:
    """The table of finished runs: the keys that differ among them, or all of them."""
    runs = finished(results)
    specs = [run.spec for run in runs]
    asked: dict[str, list[str]] = {}
    for row in index.read(results / "index.csv"):
        asked.setdefault(row.run, []).append(f"{row.paper}.{row.experiment}: {row.variant}")
    hidden = ("seed", "environment.game", "environment.suite", "agent.kind")  # all in the run's name
    keys = list(dict.fromkeys(key for spec in specs for key in spec))
    if not all_columns:
        keys = [key for key in telling(specs) if key not in hidden]
    head = ["run", "asked for by", "status", "frames", "frames/s", "time", *keys]
    rows = [
        [
            run.name,
            "; ".join(asked.get(run.name, ["nothing"])),
            run.facts.get("status"),
            run.facts.get("frames") if as_csv else text.frames(run.facts.get("frames")),
            _round(run.facts.get("frames_per_second")),
            run.facts.get("seconds") if as_csv else text.duration(run.facts.get("seconds")),
            *(_cell(run.spec[key]) if key in run.spec else None for key in keys),
        ]
        for run in runs
    ]
    if as_csv:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([head, *rows])
        return out.getvalue().rstrip("\n")
    if not rows:
        return f"no finished runs in {results / 'runs'}"
    return text.table(head, rows, right=("frames", "frames/s", "time"))


def diff(results: Path, first: str, second: str) -> str:
    """What differs between two finished runs: spec, versions, code, outcome."""
    a, b = find(results, first), find(results, second)
    rows = []
    for label, left, right in (
        ("spec", a.spec, b.spec),
        ("versions", a.versions, b.versions),
        (
            "",
            *({k: r.facts.get(k) for k in ("fingerprint", "status", "frames", "host", "device")} for r in (a, b)),
        ),
    ):
        for key in differing([left, right]):
            name = f"{label}.{key}" if label == "versions" else key
            rows.append([name, *(_cell(side[key]) if key in side else None for side in (left, right))])
    if not rows:
        return f"{a.name} and {b.name}: no difference"
    return text.table(["", a.name, b.name], rows)


def explain(results: Path, name: str) -> str:
    """Every hyperparameter and fact of one run."""
    run = find(results, name)
    facts = {k: v for k, v in run.facts.items() if k not in ("spec", "versions", "run")}
    rows = [
        *run.spec.items(),
        *((f"versions.{k}", v) for k, v in run.versions.items()),
        *sorted(facts.items()),
    ]
    return f"{run.name}\n\n" + text.table(["key", "value"], [[k, _cell(v)] for k, v in rows])


def _round(value: float | None) -> str | None:
    return None if value is None else f"{value:.0f}"


def _cell(value: Any) -> str:
    shown = value if isinstance(value, str) else json.dumps(value)
    return shown[:16] + "…" if len(shown) == 64 else shown  # a hash
