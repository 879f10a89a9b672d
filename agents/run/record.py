"""What a run leaves behind: the Parquet tables, their units, and the recorder that fills them.

The tables hold only what the spec, the code and the library versions determine, so that two runs of one spec
can be compared byte by byte. Wall-clock times, hosts and job numbers go to timing.parquet and run.json.
"""

import json
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from agents.run import metrics
from agents.run.files import write_atomic

SCHEMA_VERSION = 1


def _field(name: str, kind: pa.DataType, unit: str, meaning: str) -> pa.Field:
    return pa.field(name, kind, nullable=False, metadata={"unit": unit, "meaning": meaning})


TEXT = pa.dictionary(pa.int32(), pa.string())

SCHEMAS: dict[str, pa.Schema] = {
    "episodes": pa.schema(
        [
            _field("frame", pa.int64(), "frames", "training frames when the episode ended"),
            _field("env", pa.int32(), "1", "which of the environments stepped together"),
            _field("return", pa.float64(), "game score", "raw score of the full game, over all lives"),
            _field("length", pa.int64(), "frames", "length of the episode"),
        ]
    ),
    "evaluations": pa.schema(
        [
            _field("frame", pa.int64(), "frames", "training frames at the evaluation"),
            _field("episode", pa.int32(), "1", "number of the episode within the evaluation"),
            _field("return", pa.float64(), "game score", "raw score of the full game, over all lives"),
            _field("length", pa.int64(), "frames", "length of the episode"),
            _field("truncated", pa.bool_(), "1", "cut at the cap on its length"),
        ]
    ),
    "learning": pa.schema(
        [
            _field("frame", pa.int64(), "frames", "training frames at the reading"),
            _field("update", pa.int64(), "updates", "gradient updates so far"),
            _field("metric", TEXT, "1", "name of the quantity"),
            _field(
                "value",
                pa.float64(),
                "of the metric",
                "mean since the last reading; one measurement for norms, sigma, probes",
            ),
        ]
    ),
    "summary": pa.schema(
        [
            _field("metric", TEXT, "1", "name of the quantity"),
            _field("frame", pa.int64(), "frames", "right edge of the bin, or frame of the evaluation"),
            _field("mean", pa.float64(), "of the metric", "mean within the bin"),
            _field("count", pa.int64(), "1", "values in the mean"),
        ]
    ),
    "timing": pa.schema(
        [
            _field("frame", pa.int64(), "frames", "training frames"),
            _field("seconds", pa.float64(), "s", "wall-clock time spent by this run so far, over all its starts"),
            _field("frames_per_second", pa.float64(), "frames/s", "since the previous row"),
        ]
    ),
}

LOGGED = ("episodes", "evaluations", "learning", "timing")  # written row by row; summary follows from them
PACKAGES = ("torch", "numpy", "numba", "llvmlite", "scipy", "ale-py", "gymnasium", "minatar", "pyarrow", "scikit-learn")


def versions() -> dict[str, str]:
    """Python's version and those of the packages that can change a result."""
    found = {"python": python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


class Recorder:
    """Rows since the last checkpoint, by table. Older rows lie in the checkpoint's parts."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple]] = {name: [] for name in LOGGED}

    def add(self, table: str, *row: Any) -> None:
        """One row, in the order of the table's columns. ValueError for a metric that nothing describes."""
        if table == "learning":
            metrics.check(row[2])
        self._rows[table].append(row)

    def tables(self) -> dict[str, pa.Table]:
        """The rows since `clear`, typed."""
        return {name: table_of(name, rows) for name, rows in self._rows.items()}

    def clear(self) -> None:
        for rows in self._rows.values():
            rows.clear()


def table_of(name: str, rows: Iterable[tuple]) -> pa.Table:
    """Rows as the table of that name, typed."""
    schema = SCHEMAS[name]
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def write_table(path: Path, table: pa.Table, provenance: dict[str, Any]) -> None:
    """Write one declared Parquet output by atomic rename, its provenance in the file's own metadata."""
    described = {**provenance, "schema_version": SCHEMA_VERSION, "table": path.stem}
    schema = table.schema.with_metadata({"paper_arcade": json.dumps(described, sort_keys=True)})
    sink = pa.BufferOutputStream()
    pq.write_table(table.cast(schema).combine_chunks().unify_dictionaries(), sink, compression="zstd")
    write_atomic(path, sink.getvalue().to_pybytes())
