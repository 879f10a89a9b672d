"""No update of a plain agent makes the host wait for a GPU, as far as this can be known without one.

Agents are built and learn on torch's meta device, whose tensors have a shape but no numbers, and for which agents do as
on a GPU. Who asks for a number, or for a shape that follows from numbers, gets an error; so does, in an update, who
copies from one place to another.
"""

from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from agents import build as building
from agents.learner import Learner
from agents.nets.network import Network
from agents.spec import Spec
from agents.step import Batch
from tests.agents.specs import spec
from tests.agents.test_resume_kinds import KINDS, SHORT

DEVICE = torch.device("meta")
CASES = {
    "dqn": ("dqn_minatar_sn", {"agent__selector": "online"}),
    "r2d2": (KINDS["r2d2"][0], KINDS["r2d2"][1] | {"agent__measure_delta_q": False}),
    "sn": ("dqn_minatar_sn", {"spectral__layers": [-2, -3], "spectral__kind": "weights"}),
    **{kind: KINDS[kind] for kind in ("rainbow", "qr-dueling", "batch-norm", "gradient-penalty", "independent-noise")},
    **{kind: KINDS[kind] for kind in ("rmsprop", "drqn", "drqn_sequential", "a2c", "impala-lstm-lags", "noisy-a3c")},
}


class Still(TorchDispatchMode):
    """Refuses copies between places: of numbers to a GPU, of results from there."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if "copy" in str(func) and isinstance(out, torch.Tensor):
            places = {x.device.type for x in (*args, out) if isinstance(x, torch.Tensor)}
            assert len(places) == 1, f"{func} from one place to another"
        return out


def drawn(kind: str) -> tuple[Spec, Batch]:
    """The spec of a case and a batch of its own, on the CPU."""
    algorithm, changes = CASES[kind]
    plan = spec(algorithm, **{**SHORT, **changes, "evaluation__trials": [], "record__probes": []})
    parts = building.build(plan)  # on the CPU, for a batch
    while not parts.memory.due(1) or parts.memory.store.count * plan.environment.streams < 200:
        parts.memory.add(parts.actor.step())
        parts.memory.see(*parts.actor.current())
    batch = parts.memory.draw(0)
    if not isinstance(batch.weight, torch.Tensor):  # of the compiled agent
        batch = parts.memory.store.gather(batch.key, batch.weight)
    return plan, batch


def placed(network: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    """`network.to(device)`, which knows no tensors without numbers."""
    for module in network.modules():
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            moved = torch.empty_like(tensor, device=device)
            parameter = isinstance(tensor, torch.nn.Parameter)
            setattr(module, name, torch.nn.Parameter(moved) if parameter else moved)
    return network


@pytest.mark.parametrize("kind", CASES)
def test_the_host_is_asked_for_nothing(kind, monkeypatch):
    plan, batch = drawn(kind)
    on_the_host = {**vars(torch), "Generator": lambda device: torch.Generator()}  # there is none for the device
    monkeypatch.setattr(building, "torch", SimpleNamespace(**on_the_host))
    monkeypatch.setattr(Network, "to", placed)
    acting = building.acting(plan, 1, DEVICE, lambda network: building._step(plan, network, lambda: 0))
    gauges, tracked, readers = building._gauges(plan, acting.agent, acting.rng)
    learner = Learner(acting.agent, gauges, tracked, readers)
    extras = {name: torch.empty(x.shape, dtype=x.dtype, device=DEVICE) for name, x in batch.extras.items()}
    sent = Batch(*(torch.empty(x.shape, dtype=x.dtype, device=DEVICE) for x in batch[:7]), extras, batch.key)
    for _ in range(2):
        with Still():
            learned = learner.learn(sent)
    assert learned.device == DEVICE and learner.updates == 2


def test_who_asks_is_found():
    x = torch.ones(3, device=DEVICE)
    asking = (x.sum().item, lambda: bool(x.any()), lambda: x[x > 0], lambda: x.nonzero(), lambda: x.cpu().sum())
    for ask in (*asking, lambda: torch.ones(3).to(DEVICE)):
        with pytest.raises((RuntimeError, NotImplementedError, AssertionError)), Still():
            ask()
