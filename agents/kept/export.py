"""Finished runs for other programs: their tables as CSV, or through the writers of TensorBoard and Weights & Biases.

What is told of each run is its summary (agents/run/summary.py): metric, frame, mean. Frames are the step of both.
"""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

TABLES = ("episodes", "evaluations", "learning", "summary", "timing")
SETTINGS = "settings.json"


def to_csv(folder: Path, facts: dict[str, Any], out: Path) -> None:
    """Each table of a run as `<out>/<run>/<table>.csv`, and its settings as JSON."""
    into = out / facts["run"]
    into.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        if (folder / f"{name}.parquet").exists():
            table = _table(folder / f"{name}.parquet")
            for i, field in enumerate(table.schema):  # CSV knows no dictionaries
                if str(field.type).startswith("dictionary"):
                    table = table.set_column(i, field.name, table.column(i).cast("string"))
            csv.write_csv(table, into / f"{name}.csv")
    (into / SETTINGS).write_text(json.dumps(facts["spec"], indent=1), encoding="utf-8")


def to_tensorboard(folder: Path, facts: dict[str, Any], out: Path) -> None:
    """A run's summary as TensorBoard's events in `<out>/<run>/`. SystemExit: its package is missing."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise SystemExit(f"{error}: this needs the extra: pip install '.[tensorboard]'") from error
    writer = SummaryWriter(str(out / facts["run"]))
    for metric, frame, mean in points(folder):
        writer.add_scalar(metric, mean, frame)
    writer.add_text("spec", f"```\n{json.dumps(facts['spec'], indent=1)}\n```")
    writer.close()


def to_wandb(folder: Path, facts: dict[str, Any], out: Path, project: str) -> None:
    """A run's summary as an offline run of Weights & Biases under `<out>/wandb/`. SystemExit: its package is missing.

    `wandb sync` sends it; WANDB_MODE=online does so at once. A run that was sent before is the same run there.
    """
    try:
        import wandb
    except ImportError as error:
        raise SystemExit(f"{error}: this needs the extra: pip install '.[wandb]'") from error
    import os

    out.mkdir(parents=True, exist_ok=True)
    name = facts["run"]
    mode = os.environ.get("WANDB_MODE", "offline")
    run = wandb.init(project=project, name=name, id=facts["digest"][:32], config=facts["spec"], dir=str(out), mode=mode)
    by_frame: dict[int, dict[str, float]] = {}
    for metric, frame, mean in points(folder):
        by_frame.setdefault(frame, {})[metric] = mean
    for frame, values in sorted(by_frame.items()):
        run.log(values, step=frame)
    run.finish()


def points(folder: Path) -> list[tuple[str, int, float]]:
    """(metric, frame, mean) of a run's summary, in its order."""
    table = _table(folder / "summary.parquet", ["metric", "frame", "mean"])
    return [(row["metric"], row["frame"], row["mean"]) for row in table.to_pylist()]


def _table(path: Path, columns: list[str] | None = None) -> pa.Table:
    return pq.ParquetFile(pa.BufferReader(path.read_bytes())).read(columns, use_threads=False)
