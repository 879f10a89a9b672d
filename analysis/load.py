"""Reading what runs leave behind, and the scores files made of it.

`COLUMNS` is this side's copy of the Parquet schemas that training writes. A figure reads only scores files, a
scores file is made only from run summaries, and the speed in run.json. A run that is missing is listed, never
filled in.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analysis import clocks, metrics
from analysis.errors import NoData, UserError, unknown
from analysis.files import read_json, write_atomic
from analysis.labels import labels, planned
from analysis.spec.items import FromRuns
from analysis.text import canonical

METADATA = b"paper_arcade"
CLOCKED = {  # file -> columns that a run's clocks are read of
    "learning.parquet": ("frame", "update"),
    "timing.parquet": ("frame", "seconds", "frames_per_second"),
}
_METRIC = "dictionary<values=string, indices=int32, ordered=0>"
# file -> column -> (Arrow type, unit)
COLUMNS: dict[str, dict[str, tuple[str, str]]] = {
    "episodes.parquet": {
        "frame": ("int64", "frames"),
        "env": ("int32", "1"),
        "return": ("double", "game score"),
        "length": ("int64", "frames"),
    },
    "evaluations.parquet": {
        "frame": ("int64", "frames"),
        "episode": ("int32", "1"),
        "return": ("double", "game score"),
        "length": ("int64", "frames"),
        "truncated": ("bool", "1"),
    },
    "learning.parquet": {
        "frame": ("int64", "frames"),
        "update": ("int64", "updates"),
        "metric": (_METRIC, "1"),
        "value": ("double", "of the metric"),
    },
    "summary.parquet": {
        "metric": (_METRIC, "1"),
        "frame": ("int64", "frames"),
        "mean": ("double", "of the metric"),
        "count": ("int64", "1"),
    },
    "timing.parquet": {
        "frame": ("int64", "frames"),
        "seconds": ("double", "s"),
        "frames_per_second": ("double", "frames/s"),
    },
}
_NAME = pa.dictionary(pa.int32(), pa.string())
SCORES = pa.schema(
    [
        pa.field("run", _NAME),
        pa.field("variant", _NAME),
        pa.field("game", _NAME),
        pa.field("seed", pa.int64()),
        pa.field("status", _NAME),
        pa.field("vary", _NAME),
        pa.field("metric", _NAME),
        pa.field("frame", pa.int64(), metadata={b"unit": b"frames"}),
        pa.field("mean", pa.float64(), metadata={b"unit": b"of the metric"}),
        pa.field("count", pa.int64(), metadata={b"unit": b"1"}),
    ]
)


def read_sealed(folder: Path, name: str) -> bytes:
    """A file of a finished run, checked against the manifest that it was sealed with.

    UserError if it is damaged: the run is no longer sealed then, so that the next start makes it anew.
    """
    manifest = folder / "manifest.json"
    body = read_json(manifest)
    seal = body.pop("seal")
    data = (folder / name).read_bytes() if (folder / name).exists() else b""
    sums = [hashlib.sha256(content).hexdigest() for content in (json.dumps(body, sort_keys=True).encode(), data)]
    if sums != [seal, body.get("files", {}).get(name, {}).get("sha256")]:
        os.replace(manifest, folder / "damaged.json")
        raise UserError(f"{folder / name} is damaged and is not used; start again, and the run is trained anew")
    return data


def few(names: Sequence[str]) -> str:
    """How many runs, and the first of them by name."""
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return f"{len(names)} run{'s'[: len(names) > 1]} ({shown})"


def read_parquet(path: Path, columns: Iterable[str], data: bytes | None = None) -> pa.Table:
    """The named columns and the file's metadata; UserError names the path and the cause.

    `data`: the file's content, where it was read already. No reader of ours has Arrow's threads: one that still lets go
    of what it read while Python ends aborts the process, whose work was done.
    """
    try:
        with pq.ParquetFile(pa.BufferReader(path.read_bytes() if data is None else data)) as file:
            lost = [name for name in columns if name not in file.schema_arrow.names]
            if lost:
                raise UserError(f"{path}: no column {', '.join(lost)}; it has {', '.join(file.schema_arrow.names)}")
            return file.read(columns=list(columns), use_threads=False)
    except FileNotFoundError:
        raise UserError(f"no such file: {path}") from None
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} is cut short or not Parquet: {error}") from error


def metadata_of(table: pa.Table, path: Path) -> dict[str, Any]:
    """The provenance JSON in a file's metadata; UserError where it has none."""
    raw = (table.schema.metadata or {}).get(METADATA)
    if raw is None:
        raise UserError(f"{path}: no 'paper_arcade' entry in its metadata, so it is not ours")
    return json.loads(raw)


# ---------------------------------------------------------------- scores of one experiment


def collect_scores(experiment: Mapping[str, Any], store: Path) -> pa.Table:
    """Summaries of an experiment's runs as one table [run x metric x frame].

    `experiment` is the JSON that lists its runs and where in the store each is sealed. Runs that are not are listed
    in the metadata ('missing'). UserError for a damaged summary or an experiment without its keys.
    """
    lost = [key for key in ("paper", "experiment", "scale", "runs") if key not in experiment]
    if lost:
        raise UserError(f"experiment JSON: no key {', '.join(lost)}")
    keep = experiment.get("metrics")
    tables, missing = [], []
    for entry in experiment["runs"]:
        path = Path(store) / entry["sealed"] / "summary.parquet"
        if not path.with_name("manifest.json").exists():
            missing.append(entry)
            continue
        summary = read_parquet(path, COLUMNS["summary.parquet"], read_sealed(path.parent, path.name))
        status = metadata_of(summary, path).get("status", "finished")
        summary = summary.set_column(
            summary.column_names.index("metric"), "metric", summary["metric"].cast(pa.string())
        )
        facts = json.loads(read_sealed(path.parent, "run.json"))
        summary = _with_speed(summary, facts, experiment.get("budget_frames"))
        if experiment.get("clock", "frames") == "frames" and (keep is None or set(keep) & set(clocks.NAMES)):
            sealed = {path.with_name(name): columns for name, columns in CLOCKED.items()}
            noted = (read_parquet(file, names, read_sealed(path.parent, file.name)) for file, names in sealed.items())
            summary = pa.concat_tables([summary, _rows(clocks.readings(summary, *noted, facts), summary)])
        if keep is not None:
            summary = summary.filter(pc.is_in(summary["metric"], pa.array(list(keep), pa.string())))
        if len(summary) == 0:  # a run that left nothing is known by one row without metric and number
            nothing = {"metric": "", "frame": 0, "mean": None, "count": 0}
            summary = pa.Table.from_pylist([nothing], schema=summary.schema)
        names = [entry["run"], entry["variant"], entry["game"], status, canonical(entry.get("vary") or {})]
        run, variant, game, state, vary = (_constant(name, len(summary)) for name in names)
        seed = pa.array([entry["seed"]] * len(summary), pa.int64())
        metric = summary["metric"].combine_chunks().dictionary_encode().cast(_NAME)
        data = [summary[name].cast(SCORES.field(name).type) for name in ("frame", "mean", "count")]
        tables.append(pa.Table.from_arrays([run, variant, game, seed, state, vary, metric, *data], schema=SCORES))
    table = pa.concat_tables(tables).unify_dictionaries() if tables else SCORES.empty_table()
    about = {
        "schema_version": 1,
        "table": "scores",
        "experiment": {key: value for key, value in experiment.items() if key != "runs"},
        "planned": len(experiment["runs"]),
        "missing": missing,
    }
    return table.combine_chunks().replace_schema_metadata({METADATA: canonical(about).encode()})


def _with_speed(summary: pa.Table, info: Mapping[str, Any], frame: int | None) -> pa.Table:
    """A summary and what the wall clock said of the run, which is no part of it: frames per second."""
    if info.get("frames_per_second") is None:
        return summary
    row = {
        "metric": "frames_per_second",
        "frame": frame or info["frames"],
        "mean": info["frames_per_second"],
        "count": 1,
    }
    return pa.concat_tables([summary, _rows([row], summary)])


def _rows(rows: Iterable[dict[str, Any]], summary: pa.Table) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=summary.schema)


def _constant(text: str, length: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array([0] * length, pa.int32()), pa.array([text], pa.string()))


def write_scores(experiment: Path, store: Path, out: Path, missing_allowed: bool = True) -> list[str]:
    """Make one scores file; returns the names of the missing runs. UserError if there are any and none may be."""
    table = collect_scores(read_json(experiment), store)
    missing = [entry["run"] for entry in metadata_of(table, out)["missing"]]
    if missing and not missing_allowed:
        raise UserError(f"{few(missing)} did not finish: see logs/train/ in the results, and start again")
    write_atomic(out, lambda path: pq.write_table(table, path, compression="zstd"))
    return missing


# ---------------------------------------------------------------- scores of several experiments, for a figure


@dataclass(frozen=True)
class Scores:
    """Rows of the chosen experiments and what is known about them."""

    rows: pd.DataFrame  # columns of SCORES, and `experiment`
    experiments: dict[str, dict[str, Any]]  # 'paper.experiment' -> its JSON without runs
    missing: list[dict[str, Any]]
    dreams: Sequence[Path] = ()  # files of what world models imagine, for the figures that show it


def read_scores(paths: Iterable[Path]) -> Scores:
    """Read scores files, metadata included; UserError for one that is missing, damaged or not ours."""
    rows, experiments, missing = [], {}, []
    for path in map(Path, paths):
        table = read_parquet(path, SCORES.names)
        about = metadata_of(table, path)
        name = f"{about['experiment']['paper']}.{about['experiment']['experiment']}"
        experiments[name] = about["experiment"] | {"planned": about["planned"]}
        missing += [entry | {"experiment": name} for entry in about["missing"]]
        rows.append(table.to_pandas(use_threads=False).assign(experiment=name))
    empty = SCORES.empty_table().to_pandas(use_threads=False).assign(experiment="")
    frame = pd.concat(rows, ignore_index=True) if rows else empty
    # concatenated categories with different values fall back to objects; plain strings compare most simply
    for column in ("run", "variant", "game", "status", "vary", "metric", "experiment"):
        frame[column] = frame[column].astype(str)
    return Scores(frame, experiments, missing)


def chosen(scores: Scores, spec: FromRuns) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Rows (of every metric) of the runs that a figure, table or claim asks for, and its runs that are missing.

    UserError names an experiment, variant, game or key that is unknown.
    """
    for name in spec.experiments:
        if name not in scores.experiments:
            raise unknown("experiment", name, scores.experiments)
    rows = scores.rows[scores.rows.experiment.isin(spec.experiments)]
    if len(spec.experiments) > 1:  # experiments may share runs
        rows = rows.drop_duplicates(["run", "variant", "metric", "frame"])
    missing = [entry for entry in scores.missing if entry["experiment"] in spec.experiments]
    for column, wanted in (("variant", spec.variants), ("game", spec.games)):
        if wanted is None:
            continue
        planned = set(rows[column]) | {entry[column] for entry in missing}
        for name in wanted:
            if name not in planned:
                raise unknown(column, name, planned, ", ".join(spec.experiments))
        rows = rows[rows[column].isin(wanted)]
        missing = [entry for entry in missing if entry[column] in wanted]
    if spec.where:
        vary = {text: json.loads(text) for text in rows.vary.unique()}
        settings = [*vary.values(), *(entry.get("vary") or {} for entry in missing)]
        keys = {key for values in settings for key in values}
        for key in spec.where:
            if key not in keys:
                raise unknown("varied key", key, keys, "where")
        kept = [values for values in settings if all(k in values and values[k] == v for k, v in spec.where.items())]
        if not kept:
            raise UserError(f"no run matches where {canonical(spec.where)}")
        rows = rows[rows.vary.isin([text for text, values in vary.items() if values in kept])]
        missing = [entry for entry in missing if (entry.get("vary") or {}) in kept]
    return rows, list({(entry["run"], entry["variant"]): entry for entry in missing}.values())


def planned_variants(scores: Scores, spec: FromRuns) -> set[str]:
    """Variants that a figure, table or claim asks for, with or without a finished run."""
    rows, missing = chosen(scores, spec)
    return set(rows.variant) | {entry["variant"] for entry in missing}


def planned_labels(scores: Scores, spec: FromRuns) -> set[str]:
    """The same, and what figures call each of their settings."""
    return planned(*chosen(scores, spec))


def varied_keys(scores: Scores, spec: FromRuns) -> set[str]:
    """Keys that the runs it asks for vary, finished or not."""
    rows, missing = chosen(scores, spec)
    settings = [*map(json.loads, rows.vary.unique()), *(entry.get("vary") or {} for entry in missing)]
    return {key for values in settings for key in values}


def select(scores: Scores, spec: FromRuns, metric: str | None = None) -> pd.DataFrame:
    """Rows of one metric that a figure, table or claim asks for, with a column `label`.

    A variant whose runs differ in varied keys becomes one label per combination, so that different settings
    are never averaged as if they were seeds. A run without a value of the metric has one row without a number, so
    that it is counted. UserError names an experiment, metric, variant, game or key that is unknown; NoData says why
    none of the runs has a value.
    """
    rows, missing = chosen(scores, spec)
    metric = metric or spec.metric
    names = set(scores.rows.metric[scores.rows.experiment.isin(spec.experiments)]) - {""}
    where = ", ".join(spec.experiments)
    if names and metric not in names and not metrics.known(metric):
        raise unknown("metric", metric, names | set(metrics.METRICS), where)
    if rows.empty:
        raise NoData(f"no finished run in {where}")
    silent = rows[~rows.run.isin(rows.run[rows.metric == metric])].drop_duplicates(["run", "variant"])
    silent = silent.assign(metric=metric, frame=0, mean=float("nan"), count=0)
    rows = pd.concat([rows[rows.metric == metric], silent])
    if not np.isfinite(rows["mean"]).any():
        raise NoData(f"no run in {where} has a value of {metric}: {metrics.absence(metric)}")
    rows["label"] = labels(rows, missing)
    seen = rows.drop_duplicates(["label", "game", "seed", "run"])
    twice = seen[seen.duplicated(["label", "game", "seed"], keep=False)]
    if len(twice):
        first = twice.iloc[0]
        raise UserError(
            f"several runs of {first.label!r} on {first.game} with seed {first.seed} "
            f"({', '.join(sorted(twice.run)[:2])}): choose with 'variants' or 'where'"
        )
    return rows
