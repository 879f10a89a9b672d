"""No update of a plain agent makes the host wait for a GPU, as far as this can be known without one.

Agents are built and learn on tensors that have a shape and a place on a GPU but no numbers (torch's FakeTensorMode): who
asks for a number, for a shape that follows from numbers, or mixes places, gets an error; so does, in an update, who
copies from one place to another.
"""

from types import SimpleNamespace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from agents import build as building
from agents.learner import Learner
from agents.spec import Spec
from agents.step import Batch
from tests.agents.specs import spec
from tests.agents.test_resume_kinds import KINDS, SHORT

GPU = torch.device("cuda", 0)
LSTM = {"network__core": {"kind": "lstm", "before": [8], "units": 8, "inputs": True}}
R2D2 = ("r2d2_minatar", {"agent__sequence": 6, "agent__burn_in": 3, "agent__period": 3, **LSTM})
CASES = {
    "dqn": ("dqn_minatar_sn", {"agent__selector": "online"}),
    "r2d2": R2D2,
    "sn": ("dqn_minatar_sn", {"spectral__layers": [-2, -3], "spectral__kind": "weights"}),
    **{kind: KINDS[kind] for kind in ("rainbow", "qr-dueling", "batch-norm", "gradient-penalty", "independent-noise")},
    **{kind: KINDS[kind] for kind in ("rmsprop", "drqn", "drqn_sequential", "a2c", "impala-lstm-lags", "noisy-a3c")},
}


class Still(TorchDispatchMode):
    """Refuses copies between places: of numbers to the GPU, of results from there."""

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


@pytest.mark.parametrize("kind", CASES)
def test_the_host_is_asked_for_nothing(kind, monkeypatch):
    plan, batch = drawn(kind)
    on_the_host = {**vars(torch), "Generator": lambda device: torch.Generator()}  # there is none for a GPU here
    monkeypatch.setattr(building, "torch", SimpleNamespace(**on_the_host))
    with FakeTensorMode(allow_non_fake_inputs=True):
        acting = building.acting(plan, 1, GPU, lambda network: building._step(plan, network, lambda: 0))
        gauges, tracked, readers = building._gauges(plan, acting.agent, acting.rng)
        learner = Learner(acting.agent, gauges, tracked, readers)
        extras = {name: torch.empty(x.shape, dtype=x.dtype, device=GPU) for name, x in batch.extras.items()}
        sent = Batch(*(torch.empty(x.shape, dtype=x.dtype, device=GPU) for x in batch[:7]), extras, batch.key)
        for _ in range(2):
            with Still():
                learned = learner.learn(sent)
        assert learned.device == GPU and learner.updates == 2
