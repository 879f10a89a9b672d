"""The declared outputs of a run, written once, at its end."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from agents.files import sha256, write_atomic
from agents.loop import Outcome, Run
from agents.record import LOGGED, versions, write_table
from agents.summary import summarise


def write_outputs(folder: Path, run: Run, outcome: Outcome, fingerprint: str, volatile: dict[str, Any]) -> None:
    """Write the Parquet tables and, last, run.json: where it stands, the others are whole. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    spec, fresh = run.spec, run.recorder.tables()
    tables = {name: pa.concat_tables([*run.checkpoints.history(name), fresh[name]]) for name in LOGGED}
    tables["summary"] = summarise(tables, spec.budget_frames, spec.record.bins)
    provenance = {
        "run": spec.name(),
        "spec": spec.model_dump(mode="json"),
        "digest": spec.digest(),
        "fingerprint": fingerprint,
        "versions": versions(),
        "status": outcome.status,
        "frames": outcome.frames,
    }
    for name, table in tables.items():
        write_table(folder / f"{name}.parquet", table, provenance)
    facts = {
        **provenance,
        **volatile,
        "device": _device(spec.device),
        "updates": run.parts.learner.updates,
        "seconds": outcome.seconds,
        "frames_per_second": outcome.frames / outcome.seconds if outcome.seconds else None,
        "resumes": outcome.resumes,
        "executor": run.parts.executor.facts(),
        "parameters_sha256": _parameters(run),
    }
    write_atomic(folder / "run.json", json.dumps(facts, indent=1, sort_keys=True).encode())


def _parameters(run: Run) -> str:
    state = run.parts.learner.agent.online.state_dict()
    return sha256(b"".join(state[name].cpu().contiguous().numpy().tobytes() for name in sorted(state)))


def _device(kind: str) -> str:
    if kind == "cpu":
        lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
        return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "cpu")
    import torch

    return torch.cuda.get_device_name()
