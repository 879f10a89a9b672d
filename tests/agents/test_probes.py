"""Probes against linear algebra on constructed networks and memories; and that they disturb nothing."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from agents.build import build
from agents.measure import probes
from agents.measure.probes import PERCENTILES, srank, steepest
from agents.run.checkpoint import Checkpoints
from agents.run.loop import Run
from tests.agents.specs import prioritized, spec
from tests.agents.test_resume import assert_same
from tests.agents.test_resume_kinds import PRIORITY, drive

ALL = [{"kind": "feature_rank", "states": 512}, {"kind": "lipschitz", "states": 64}, "td_error"]
PROBED = {"feature_rank", "lipschitz", "td_error", "input_gradient", "replay_probability"}  # what they measure


def matrix(singular: list[float], rows: int = 30, columns: int = 20) -> torch.Tensor:
    """A matrix with given singular values."""
    g = torch.Generator().manual_seed(0)
    u, _ = torch.linalg.qr(torch.randn(rows, rows, generator=g, dtype=torch.float64))
    v, _ = torch.linalg.qr(torch.randn(columns, columns, generator=g, dtype=torch.float64))
    k = len(singular)
    return u[:, :k] @ torch.diag(torch.tensor(singular, dtype=torch.float64)) @ v[:, :k].t()


@pytest.mark.parametrize(
    ("singular", "delta", "rank"),
    [
        ([1.0] * 7, 0.01, 7),
        ([98.0, 1.5, 0.5], 0.01, 2),  # 98, 99.5 of 100
        ([99.5, 0.3, 0.2], 0.01, 1),
        ([50.0, 30.0, 15.0, 5.0], 0.1, 3),  # 50, 80, 95
        ([50.0, 30.0, 15.0, 5.0], 0.3, 2),
        ([3.0], 0.01, 1),
        ([0.0], 0.01, 0),
    ],
)
def test_the_effective_rank_of_constructed_matrices(singular, delta, rank):
    assert srank(matrix(singular), delta) == rank


def test_the_effective_rank_refuses_what_is_not_finite():
    with pytest.raises(ValueError, match="not finite"):
        srank(torch.tensor([[np.nan, 1.0]]), 0.01)


def test_the_slope_of_a_linear_map_is_its_norm_where_a_pair_lies_along_its_first_singular_vector():
    torch.manual_seed(0)
    w = torch.randn(4, 9, dtype=torch.float64)
    _, s, v = torch.linalg.svd(w)
    x = torch.randn(40, 9, dtype=torch.float64)
    assert steepest(x @ w.t(), x) < s[0].item()
    x = torch.cat((x, x[:1] + 0.3 * v[0]))
    assert steepest(x @ w.t(), x) == pytest.approx(s[0].item(), rel=1e-9)
    assert steepest(torch.ones(3, 4), torch.ones(3, 9)) == 0  # one state three times


class Linear:
    """Q(s) = W s on flat states, in the clothes of a network."""

    def __init__(self, w: torch.Tensor):
        self.w, self.modes = w, []

    def scaled(self, obs: torch.Tensor) -> torch.Tensor:
        return obs.float()

    def values(self, x: torch.Tensor) -> torch.Tensor:
        return (x.flatten(1) @ self.w.t())[..., None]

    def eval(self) -> None:
        self.modes.append("eval")

    def train(self) -> None:
        self.modes.append("train")


def test_the_lipschitz_probe_of_a_linear_network():
    """The greedy slope of q = W s is the norm of one row of W; the pairs stay below W's largest singular value."""
    run = started()
    torch.manual_seed(0)
    w = torch.randn(1, 400)
    agent = SimpleNamespace(online=Linear(w), value=run.parts.learner.agent.value)
    found = probes.lipschitz(agent, run.parts.memory, np.random.default_rng(0), 64)
    norm = w.norm().item()
    assert found["input_gradient[mean]"] == pytest.approx(norm, rel=1e-5)
    assert found["input_gradient[max]"] == pytest.approx(norm, rel=1e-5)
    assert 0 < found["lipschitz"] <= norm
    assert agent.online.modes == ["eval", "train"]


def started(frames: int = 700, **changes) -> Run:
    """A run with something in its memory and some updates."""
    run = Run(spec(budget=2_000, **changes), SimpleNamespace(load=lambda: None))
    while run.frame < frames:
        assert run.iterate()
    return run


def test_the_rank_probe_is_that_of_the_features_of_replayed_states():
    run = started()
    online, memory = run.parts.learner.agent.online, run.parts.memory
    found = probes.feature_rank(run.parts.learner.agent, memory, np.random.default_rng(3), 50)
    with torch.no_grad():
        states = probes._states(online, memory, np.random.default_rng(3), 50)
        hidden = online.head.features.layers[0](online.torso(states)).relu()
    assert found == {"feature_rank": float(srank(hidden, 0.01))} and 1 < found["feature_rank"] <= 50
    with torch.no_grad():
        online.layers[0].weight[0] = np.nan
    assert np.isnan(probes.feature_rank(run.parts.learner.agent, memory, np.random.default_rng(3), 50)["feature_rank"])


@pytest.mark.parametrize("exponent", [0.6, 1.0])
@pytest.mark.parametrize("kind", ["proportional", "rank"])
def test_td_errors_are_those_last_given_and_probabilities_those_of_the_paper(kind, exponent):
    run = started(memory__select=prioritized(kind, **PRIORITY | {"maximum": None, "exponent": exponent}))
    memory = run.parts.memory
    low, high = memory.store.span()
    keys = np.arange(low, high)
    keys = keys[memory.store.valid(keys)]
    given = np.random.default_rng(0).permutation(len(keys)) / 10 + 0.05
    memory.update(keys, given)
    errors, chances = memory.select.seen()
    assert sorted(errors) == pytest.approx(sorted(given), rel=1e-5)
    p = given + 1e-6 if kind == "proportional" else 1 / (1 + np.argsort(np.argsort(-given)))
    assert sorted(chances) == pytest.approx(sorted(p**exponent / (p**exponent).sum()), rel=1e-6)
    order = np.argsort(errors)
    assert (np.diff(chances[order]) >= 0).all()  # the larger error has the larger chance
    found = probes.td_error(None, memory, np.random.default_rng(0))
    assert found["td_error[q50]"] == pytest.approx(np.median(given), rel=1e-5)
    assert len(found) == 2 * len(PERCENTILES) and "replay_probability[q99.99]" in found


@pytest.mark.parametrize("kind", ["proportional", "rank"])
def test_probes_change_nothing_but_the_record(kind, tmp_path):
    """Runs with and without them end in the same state: parameters, rng, noise, priorities."""
    changes = {
        "memory__select": prioritized(kind, **PRIORITY),
        "network__linear": {"kind": "factorised", "sigma": 0.5},
        "network__normalisation": "batch",
        "evaluation__every_frames": 500,
    }
    ends = []
    for chosen in ([], ALL):
        plan = spec(budget=750, record__probes=chosen, **changes)
        run = Run(plan, Checkpoints(tmp_path / str(len(chosen)), {}, print))
        drive(run, 750)
        ends.append((run.parts.state_dict(), run.recorder.tables()))
    assert_same(ends[0][0], ends[1][0])
    with_probes = ends[1][1]["learning"].to_pylist()
    names = {row["metric"] for row in with_probes}
    assert {"feature_rank", "lipschitz", "td_error[q99]", "sigma[-1]", "sigma[-2]"} <= names
    other = [row for row in with_probes if row["metric"].partition("[")[0] not in PROBED]
    assert other == ends[0][1]["learning"].to_pylist()
    # frame 0 comes before the first update: the memory is empty
    assert [row["frame"] for row in with_probes if row["metric"] == "feature_rank"] == [500]


def test_a_probe_does_not_depend_on_the_others():
    run = started(memory__select=prioritized("proportional", **PRIORITY), record__probes=ALL)
    lone = started(
        memory__select=prioritized("proportional", **PRIORITY), record__probes=[{"kind": "lipschitz", "states": 64}]
    )
    both, alone = run.parts.probes(3), lone.parts.probes(3)
    assert alone and all(both[name] == value for name, value in alone.items())
    assert run.parts.probes(3) == both and run.parts.probes(4)["lipschitz"] != both["lipschitz"]


def test_sigma_is_the_mean_size_of_each_noisy_layers_weights():
    noisy = {"network__linear": {"kind": "factorised", "sigma": 0.5}}
    learner = build(spec(record__norms="none", **noisy)).learner
    output = learner.agent.online.layers[-1]
    sizes = {"sigma[-2]": 0.5 / 1024**0.5, "sigma[-1]": 0.5 / 128**0.5}
    assert learner.read() == pytest.approx(sizes, rel=1e-6)
    with torch.no_grad():
        output.weight_sigma[0] = -3.0  # a sixth of the weights: its sign does not matter
        output.bias_sigma.fill_(9.0)  # not a weight
    assert learner.read()["sigma[-1]"] == pytest.approx(5 / 6 * sizes["sigma[-1]"] + 0.5, rel=1e-6)
    dueling = build(spec(record__norms="none", network__head="dueling", **noisy)).learner
    assert set(dueling.read()) == {f"sigma[-{i}]" for i in (1, 2, 3, 4)}
    assert build(spec(record__norms="none")).learner.read() == {}


def test_features_are_what_the_output_layer_sees():
    for head in ("plain", "dueling"):
        online = build(spec(network__head=head)).learner.agent.online
        obs = torch.randint(0, 2, (5, 4, 10, 10), dtype=torch.uint8)
        with torch.no_grad():
            features = online.features(online.scaled(obs))
            if head == "plain":
                assert torch.allclose(online.head.output(features).view(5, 6, 1), online(obs), atol=1e-6)
            else:
                v, a = online.head.value.output(features[:, :128]), online.head.advantage.output(features[:, 128:])
                assert torch.allclose((v + a - a.mean(1, keepdim=True))[..., None], online(obs), atol=1e-6)


def test_td_errors_of_a_memory_that_keeps_none_are_refused():
    for select in ({"kind": "uniform"}, prioritized("rank", **PRIORITY | {"exponent": 0.0})):
        with pytest.raises(ValueError, match=r"record\.probes td_error needs memory\.select"):
            spec(record__probes=["td_error"], memory__select=select)
    assert (
        "agents.measure.probes:td_error"
        in spec(record__probes=["td_error"], memory__select=prioritized("rank", **PRIORITY)).components()
    )
    before = copy.deepcopy(spec().components())
    assert not any("probes" in part for part in before)
