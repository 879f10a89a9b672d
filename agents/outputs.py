"""The declared outputs of a run, written once, at its end."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from agents.files import write_atomic
from agents.record import versions, write_table
from agents.spec.base import Identified


class Outcome(NamedTuple):
    status: str  # finished | diverged | preempted
    frames: int  # of the budget
    seconds: float  # wall clock, over all starts
    resumes: int


class Product(NamedTuple):
    """What a finished run hands over: its tables (agents/record.py) and more facts for run.json."""

    outcome: Outcome
    tables: dict[str, pa.Table]
    facts: dict[str, Any]


def write_outputs(folder: Path, spec: Identified, product: Product, fingerprint: str, volatile: dict[str, Any]) -> None:
    """Write the Parquet tables and, last, run.json: where it stands, the others are whole. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    outcome = product.outcome
    provenance = {
        "run": spec.name(),
        "spec": spec.model_dump(mode="json"),
        "digest": spec.digest(),
        "fingerprint": fingerprint,
        "versions": versions(),
        "status": outcome.status,
        "frames": outcome.frames,
    }
    for name, table in product.tables.items():
        write_table(folder / f"{name}.parquet", table, provenance)
    facts = {
        **provenance,
        **volatile,
        **product.facts,
        "device": _device(spec.device),
        "seconds": outcome.seconds,
        "frames_per_second": outcome.frames / outcome.seconds if outcome.seconds else None,
        "resumes": outcome.resumes,
    }
    write_atomic(folder / "run.json", json.dumps(facts, indent=1, sort_keys=True).encode())


def _device(kind: str) -> str:
    if kind == "cpu":
        lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
        return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "cpu")
    import torch

    return torch.cuda.get_device_name()
