"""What a run leaves behind, written once, at its end."""

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from agents.run.code import fingerprint
from agents.run.files import write_atomic
from agents.run.record import versions, write_table
from agents.run.store import CODE
from agents.spec.base import Identified


class Outcome(NamedTuple):
    status: str  # finished | diverged | preempted
    frames: int  # of the budget
    seconds: float  # wall clock, over all starts
    resumes: int


class Product(NamedTuple):
    """What a finished run hands over: its tables (agents/run/record.py), more facts for run.json, and what it learned.

    `weights`: name -> tensor, of the network that acts; None where a study has none.
    """

    outcome: Outcome
    tables: dict[str, pa.Table]
    facts: dict[str, Any]
    weights: dict[str, Any] | None


def write_outputs(folder: Path, spec: Identified, product: Product, code: str, volatile: dict[str, Any]) -> None:
    """Write the Parquet tables, run.json, weights.pt and the text that `code`'s fingerprint is of. Raises OSError."""
    outcome = product.outcome
    provenance = {
        "run": spec.name(),
        "spec": spec.model_dump(mode="json"),
        "digest": spec.digest(),
        "fingerprint": fingerprint(code),
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
    if product.weights is not None:
        write_atomic(folder / "weights.pt", _weights(product.weights))
    write_atomic(folder / CODE, code.encode())


def _weights(tensors: dict[str, Any]) -> bytes:
    """Plain tensors, which `torch.load(weights_only=True)` reads; equal bytes for equal tensors."""
    import torch

    raw = io.BytesIO()
    torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in sorted(tensors.items())}, raw)
    return raw.getvalue()


def _device(kind: str) -> str:
    if kind == "cpu":
        lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
        return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "cpu")
    import torch

    return torch.cuda.get_device_name()
