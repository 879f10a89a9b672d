"""What the runs of a page took: on which hardware, how many core-hours, and roughly how much energy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from analysis.errors import UserError


class Watts(NamedTuple):
    """What energy is estimated with: `energy` of config/config.yaml."""

    core: float  # W
    gpu: float  # W
    overhead: float  # energy of the building for one of its computers


def watts(given: Mapping[str, float] | None) -> Watts | None:
    """Of the mapping that config.yaml has; None where it has none. UserError for other keys."""
    if given is None:
        return None
    if set(given) != {"core_watts", "gpu_watts", "overhead"}:
        raise UserError(f"--energy: wants core_watts, gpu_watts and overhead, not {', '.join(given)}")
    return Watts(given["core_watts"], given["gpu_watts"], given["overhead"])


def cores(spec: Mapping[str, Any]) -> int:
    """Cores that a run keeps busy: threads of its learner, and each actor beside it.

    `hogwild` has no learner beside its actors, and `inline` has no actors.
    """
    executor = spec.get("executor") or {}
    actors = int(executor.get("actors") or 0)
    beside = 0 if executor.get("kind") == "hogwild" and actors else int(spec.get("threads") or 1)
    return beside + actors


def spent(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Per device: runs, hosts, hours by the clock, core-hours and GPU-hours."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["seconds"] is None:
            continue
        one = found.setdefault(
            row["device"] or "unknown", {"runs": 0, "hosts": set(), "hours": 0.0, "core_hours": 0.0, "gpu_hours": 0.0}
        )
        hours = row["seconds"] / 3600
        one["runs"] += 1
        one["hosts"].add(row["host"])
        one["hours"] += hours
        one["core_hours"] += hours * row["cores"]
        one["gpu_hours"] += hours * row["gpu"]
    return [{"device": name, **one, "hosts": len(one["hosts"])} for name, one in sorted(found.items())]


def energy(devices: Sequence[Mapping[str, Any]], watts: Watts) -> float:
    """Kilowatt-hours."""
    of_cores = sum(device["core_hours"] for device in devices) * watts.core
    of_gpus = sum(device["gpu_hours"] for device in devices) * watts.gpu
    return watts.overhead * (of_cores + of_gpus) / 1000


def estimate(devices: Sequence[Mapping[str, Any]], watts: Watts | None) -> str:
    """A sentence on the energy and how it was estimated; '' where nothing was spent or no watts are given."""
    if watts is None or not devices:
        return ""
    gpus = f" plus GPU-hours × {watts.gpu:g} W" if any(device["gpu_hours"] for device in devices) else ""
    return (
        f"Energy, estimated and not measured: {amount(energy(devices, watts))} kWh = "
        f"(core-hours × {watts.core:g} W{gpus}) × {watts.overhead:g} for the building "
        "(`energy` in config/config.yaml); memory, idle cores, and work that was lost and done again are not in it."
    )


def amount(value: float) -> str:
    """'0.012', '1.2', '12', '1,200': two digits, or all before the point."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
