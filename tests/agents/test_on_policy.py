"""A2C, A3C and IMPALA: V-trace against its sum, losses by hand, unrolls in order, recurrence, lagging parameters."""

import math
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from agents.build import build
from agents.losses.vtrace import n_step_targets, vtrace
from agents.memory.select import Fifo
from agents.memory.store import FrameStore
from agents.nets.normalisation import none
from agents.nets.policy import PolicyValue
from agents.optim.decay import Decay
from agents.policy.actor_critic import ActorCritic
from agents.rng import generator
from agents.run.checkpoint import Checkpoints
from agents.run.loop import Run
from agents.spec.memory import FifoSelect
from agents.step import Batch, SequenceSpec
from tests.agents.specs import given, spec
from tests.agents.test_memory import SHAPE, history

SHORT = {"learning__target_every_frames": None}


def plan(algorithm: str = "a2c_minatar", **changes):
    """A small run of an actor-critic: 4 streams, unrolls of 3, a narrow network."""
    small = {"agent__unroll": 3, "environment__streams": 4, "learning__batch": 4, "network__units": [8]}
    return spec(algorithm, **{**SHORT, **small, **changes})


def begin(tmp_path, **changes) -> Run:
    return Run(plan(**changes), Checkpoints(tmp_path, {}, print))


# ---------------------------------------------------------------- V-trace


def by_the_sum(values, r, discount, ratio, acted, rho_bar, c_bar):
    """Eq. 1, term by term, in float64: one stream."""
    steps, out = len(r), []
    rho = [min(rho_bar, ratio[t]) * acted[t] for t in range(steps)]
    c = [min(c_bar, ratio[t]) * acted[t] for t in range(steps)]
    for s in range(steps):
        total = values[s]
        for t in range(s, steps):
            delta = rho[t] * (r[t] + discount[t] * values[t + 1] - values[t])
            total += math.prod(discount[s:t]) * math.prod(c[s:t]) * delta
        out.append(total)
    return out


@pytest.mark.parametrize(("rho_bar", "c_bar"), [(1.0, 1.0), (10.0, 1.0), (100.0, 2.0), (0.5, 0.3)])
def test_v_trace_is_the_papers_sum(rho_bar, c_bar):
    rng = np.random.default_rng(0)
    steps, streams = 12, 40
    values, r = rng.normal(size=(steps + 1, streams)), rng.normal(size=(steps, streams))
    log_ratio = rng.normal(size=(steps, streams))
    acted = rng.random((steps, streams)) < 0.8
    discount = np.where(acted & (rng.random((steps, streams)) < 0.1), 0.0, 0.9)
    got = vtrace(*map(torch.from_numpy, (values, r, discount, log_ratio, acted)), rho_bar, c_bar, "vs")
    for b in range(streams):
        wanted = by_the_sum(values[:, b], r[:, b], discount[:, b], np.exp(log_ratio[:, b]), acted[:, b], rho_bar, c_bar)
        np.testing.assert_allclose(got.vs[:, b].numpy(), wanted, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(got.vs[~torch.from_numpy(acted)], values[:-1][~acted])
    following = np.concatenate([got.vs[1:].numpy(), values[-1:]])
    np.testing.assert_allclose(got.advantage, (r + discount * following - values[:-1]) * acted)
    other = vtrace(*map(torch.from_numpy, (values, r, discount, log_ratio, acted)), rho_bar, c_bar, "value")
    np.testing.assert_allclose(other.advantage, (r + discount * values[1:] - values[:-1]) * acted)


def test_on_policy_it_is_the_n_step_return():
    # gamma 0.5: the episode ends by truncation after row 1 (row 2 is its last), another begins at row 3
    values = torch.tensor([[1.0], [2.0], [10.0], [3.0], [4.0]])
    r, discount = torch.tensor([[1.0], [1.0], [0.0], [5.0]]), torch.tensor([[0.5], [0.5], [1.0], [0.5]])
    acted = torch.tensor([[True], [True], [False], [True]])
    got = n_step_targets(values, r, discount, acted, "vs")
    # R_3 = 5 + 0.5 * 4; the last row is V itself; R_1 = 1 + 0.5 * 10; R_0 = 1 + 0.5 * 6
    assert got.vs.flatten().tolist() == [4.0, 6.0, 10.0, 7.0]
    assert got.advantage.flatten().tolist() == [3.0, 4.0, 0.0, 4.0]
    discount[1] = 0.0  # by termination: what comes after counts nothing
    assert n_step_targets(values, r, discount, acted, "vs").vs.flatten().tolist() == [1.5, 1.0, 10.0, 7.0]


# ---------------------------------------------------------------- losses


class Table(torch.nn.Module):
    """A network whose outputs are given: logits [T + 1, B, A] and value [T + 1, B]."""

    core = None

    def __init__(self, logits: torch.Tensor, value: torch.Tensor):
        super().__init__()
        self.out = PolicyValue(torch.nn.Parameter(logits), torch.nn.Parameter(value))
        self.logits, self.value = self.out

    def resample(self, rng) -> None:
        pass

    def unroll(self, *_):
        return self.out, None


def two_steps(**changes):
    """Policy uniform over 2 actions, V = 1, 2, 3; gamma 0.5; rewards 1 and 2; acted with probabilities 1/4, 1/2."""
    fields = {"agent__entropy_weight": 0.1, "agent__baseline_weight": 2.0, "agent__unroll": 2, **changes}
    net = Table(torch.zeros(3, 1, 2), torch.tensor([[1.0], [2.0], [3.0]]))
    agent = ActorCritic(plan(**fields).agent, given(net, 2))
    behaviour = torch.tensor([[[0.25, 0.75]], [[0.5, 0.5]], [[0.5, 0.5]]]).log()
    none = torch.zeros(3, 1, dtype=torch.bool)
    batch = Batch(
        obs=torch.zeros(3, 1, 1),
        action=torch.tensor([[0], [1]]),
        reward=torch.tensor([[1.0], [2.0]]),
        discount=torch.full((2, 1), 0.5),
        first=none,
        last=none,
        weight=torch.ones(1),
        extras={"logits": behaviour},
        key=np.zeros(1, np.int64),
    )
    loss, learned = agent.loss(batch)
    return net, loss, learned.metrics


LN2 = math.log(2)


def test_the_loss_of_two_steps_by_hand():
    net, loss, metrics = two_steps(agent__reduction="sum")
    # R_1 = 2 + 0.5 * 3 = 3.5, R_0 = 1 + 0.5 * 3.5 = 2.75; advantages 1.75 and 1.5; log pi = -ln 2 throughout
    policy, baseline, entropy = 3.25 * LN2, 0.5 * (1.75**2 + 1.5**2), 2 * LN2
    means = [metrics[name].item() for name in ("policy_loss", "baseline_loss", "entropy")]  # over the two steps
    assert means == pytest.approx([policy / 2, baseline / 2, entropy / 2])
    assert loss.item() == pytest.approx(policy + 2.0 * baseline - 0.1 * entropy)
    loss.backward()
    assert net.value.grad.flatten().tolist() == pytest.approx([-2 * 1.75, -2 * 1.5, 0.0])  # the bootstrap has none
    # d(-A log pi(a))/d logit_a = -A (1 - pi(a)); the entropy of a uniform policy is at its top
    assert net.logits.grad[0, 0].tolist() == pytest.approx([-1.75 / 2, 1.75 / 2])
    _, mean, same = two_steps(agent__reduction="mean")
    assert mean.item() == pytest.approx((policy + 2.0 * baseline - 0.1 * entropy) / 2) and same == metrics


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_unrolls_that_are_all_an_episodes_last_row_teach_nothing(tmp_path, reduction):
    """One row of one stream is an update: at the end of an episode nothing was done in it."""
    one = {"environment__streams": 1, "learning__batch": 1, "agent__unroll": 1, "agent__reduction": reduction}
    run = Run(plan(**one), Checkpoints(tmp_path, {}, print))
    agent, ends, learn = run.parts.learner.agent, [], run.parts.learner.agent.learn

    def watched(batch: Batch):
        learned = learn(batch)
        assert all(math.isfinite(float(value)) for value in learned.metrics.values())
        if batch.last[0].all():
            ends.append(learned)
        return learned

    agent.learn = watched
    while len(ends) < 2:
        assert run.iterate()
    assert {float(end.metrics[name]) for end in ends for name in ("policy_loss", "entropy", "grad_norm")} == {0.0}


def test_the_corrections_by_hand():
    # ratios 0.5 / 0.25 = 2 and 1; with rho_bar 1.5, c_bar 1:
    # v_1 = 2 + 1 (2 + 1.5 - 2) = 3.5;  v_0 = 1 + 1.5 (1 + 1 - 1) + 0.5 * 1 * (3.5 - 2) = 3.25
    vtrace, one_step = {"kind": "vtrace", "rho_bar": 1.5, "c_bar": 1.0}, {"kind": "one_step", "rho_bar": 1.5}

    def terms(**changes) -> list[float]:
        """Policy gradient and baseline, summed over the steps; what is learned from is made of just these."""
        _, loss, metrics = two_steps(agent__reduction="sum", **changes)
        policy, baseline, entropy = (2 * metrics[name].item() for name in ("policy_loss", "baseline_loss", "entropy"))
        assert loss.item() == pytest.approx(policy + 2.0 * baseline - 0.1 * entropy)
        return [policy, 2.0 * baseline]

    assert terms(agent__correction=vtrace) == pytest.approx([(1.5 * 1.75 + 1.5) * LN2, 2.25**2 + 1.5**2])
    assert terms(agent__correction=vtrace, agent__q="value")[0] == pytest.approx((1.5 * 1.0 + 1.5) * LN2)
    assert terms(agent__correction=one_step) == pytest.approx([(1.5 * 1.75 + 1.5) * LN2, 1.75**2 + 1.5**2])
    assert terms(agent__correction="epsilon")[0] == pytest.approx(-3.25 * math.log(0.5 + 1e-6), rel=1e-7)


# ---------------------------------------------------------------- unrolls in order


@pytest.mark.parametrize("size", [1, 2, 3, 6])
@pytest.mark.parametrize("ahead", [False, True])
def test_every_unroll_once_and_in_order(size, ahead):
    streams, window, steps = 3, 4, history(200, 3, seed=1)
    sequence_spec = SequenceSpec(window, tuple(range(window + 1)), cross_episodes=True, bootstrap_on_current=ahead)
    store = FrameStore(50 * streams, streams, SHAPE, np.uint8, 1, sequence_spec, 0.9)
    select, rng, seen = Fifo(FifoSelect(kind="fifo", replay_share=0.0), store), generator(0, "memory"), []
    for t, step in enumerate(steps[:-1]):
        store.add(step)
        if ahead:
            store.see(steps[t + 1].obs, steps[t + 1].first, steps[t + 1].last)
        for _ in range(select.due(0, size)):
            keys, weight = select.draw(rng, size, 0)
            batch = store.gather(keys, weight)
            seen += keys.tolist()
            for i, (row, b) in enumerate(zip(*np.divmod(keys, streams), strict=True)):
                rows = steps[row : row + window + 1]
                assert batch.action[:, i].tolist() == [s.action[b] for s in rows[:-1]]
                np.testing.assert_allclose(batch.reward[:, i], [s.reward[b] for s in rows[:-1]])
                assert batch.last[:, i].tolist() == [bool(s.last[b]) for s in rows]
                assert batch.first[:, i].tolist() == [bool(s.first[b]) for s in rows]
                np.testing.assert_array_equal(batch.obs[:, i].flatten(1), [s.obs[b].ravel() for s in rows])
        whole = (t + ahead) // window * streams  # complete ones: learning never waits for more than a batch
        assert len(seen) == whole - whole % size
    assert seen == [k * window * streams + b for k in range(len(steps)) for b in range(streams)][: len(seen)]
    assert len(seen) >= (len(steps) - 1 - window) // window * streams - size


def test_a_batch_is_partly_replayed():
    streams, window, steps = 2, 3, history(400, 2, seed=2)
    store = FrameStore(
        40 * streams,
        streams,
        SHAPE,
        np.uint8,
        1,
        SequenceSpec(window, (0, window), cross_episodes=True, bootstrap_on_current=True),
        0.9,
    )
    select, rng = Fifo(FifoSelect(kind="fifo", replay_share=0.5), store), generator(0, "memory")
    new, old = [], []
    for step, following in pairwise(steps):
        store.add(step)
        store.see(following.obs, following.first, following.last)
        for _ in range(select.due(0, 4)):
            keys, _ = select.draw(rng, 4, 0)
            new += keys[:2].tolist()
            old += [(store.count + 1 - int(k) // streams) for k in keys[2:]]  # rows back from the one in view
            assert all(int(k) // streams % window == 0 for k in keys)
    assert new == [k * window * streams + b for k in range(len(new) // 2) for b in range(streams)]
    assert len(old) == len(new) and min(old) == window + 1 and 35 <= max(old) <= 40


# ---------------------------------------------------------------- recurrent rows


def test_a_recurrent_unroll_sees_what_acting_saw(tmp_path):
    """Logits of acting and learning agree at every row, across the ends of episodes within an unroll."""
    run = begin(
        tmp_path,
        agent__unroll=20,
        network__core={"kind": "lstm", "before": [], "units": 6, "inputs": True},
        environment__cap_frames=7,
        learning__batch=16,  # more than are made here: nothing is learned
    )
    for _ in range(50):
        run.iterate()
    store, agent = run.parts.memory.store, run.parts.learner.agent
    assert not run.parts.learner.updates
    batch = store.gather(np.array([0, 1, 20 * 4 + 2, 20 * 4 + 3]), np.ones(4, np.float32))
    assert batch.last[:-1].any() and batch.first[1:].any()
    with torch.no_grad():
        out = agent.unroll(batch)
    torch.testing.assert_close(out.logits[:-1], batch.extras["logits"][:-1], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(batch.extras["state"][1], torch.zeros(4, 2, 6))
    assert (batch.extras["state"][batch.first] == 0).all()


# ---------------------------------------------------------------- lagging parameters


def parameters(agent) -> list[torch.Tensor]:
    return [p.detach().clone() for p in agent.online.parameters()]


def test_streams_act_with_the_parameters_of_so_many_updates_ago(tmp_path):
    lags = [0, 2, 5]
    run = begin(tmp_path, executor__lags_updates=lags, environment__streams=3, learning__batch=3)
    acting, agent = run.parts.executor.acting, run.parts.learner.agent
    past = [parameters(agent)]
    for iteration in range(60):
        if iteration % 3 == 0:  # an unroll starts: these act until the next one
            wanted = [past[max(0, len(past) - 1 - lag)] for lag in lags]
            versions = [max(0, len(past) - 1 - lag) for lag in lags]
        run.iterate()
        for group, tensors in zip(acting.groups, wanted, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(parameters(group.agent), tensors, strict=True))
        store = run.parts.memory.store
        row = (store.count - 1) % store.rows
        assert store.field["version"][row].tolist() == versions
        if run.parts.learner.updates == len(past):
            past.append(parameters(agent))
    assert len(past) == 21 and len(acting._ring) == 6
    assert run.parts.learner.read()["policy_lag"] > 1.5  # (0 + 2 + 5) / 3 once there are so many


@pytest.mark.parametrize(("lag", "share", "batch"), [(0, 0.0, 4), (1, 0.0, 4), (7, 0.0, 4), (0, 0.5, 8)])
def test_the_lag_that_is_recorded_is_the_one_asked_for(tmp_path, lag, share, batch):
    """Where an unroll of all streams makes one update; with a lag of 0 pi is then what acted, to the bit of a float."""
    select = {"kind": "fifo", "replay_share": share}
    run = begin(tmp_path, executor__lags_updates=[lag], learning__batch=batch, memory__select=select)
    learner = run.parts.learner
    while learner.updates < 12:
        run.iterate()
    learner.totals()
    while learner.updates < 20:
        run.iterate()
    found = learner.read()
    if not share:  # what is replayed is as old as it is
        assert found["policy_lag"] == lag
    assert run.parts.memory.select.taken == 20 * 4
    assert (found["ratio_mean"] == pytest.approx(1, abs=1e-6)) == (lag == 0 and not share)


def test_lags_change_nothing_where_parameters_are_the_same(tmp_path):
    """Before the first update a run with lags acts as one without; and without lags the ratios are 1."""
    plain, ring = begin(tmp_path / "a", learning__batch=40), begin(tmp_path / "b", learning__batch=40)
    acting = ring.parts.executor.acting
    acting.__init__(ring.parts.learner.agent, [0, 0, 0, 1], 4)
    assert len(acting.groups) == 2
    for run in (plain, ring):  # without an update all parameters are the same ones, whatever the lag
        for _ in range(20):
            run.iterate()
    logits = [run.parts.memory.store.field["logits"] for run in (plain, ring)]
    np.testing.assert_allclose(*logits, rtol=1e-5, atol=1e-6)
    fresh = begin(tmp_path / "c")
    for _ in range(45):
        fresh.iterate()
    readings = fresh.parts.learner.read()
    assert readings["policy_lag"] == 0 and readings["ratio_mean"] == pytest.approx(1, abs=1e-6)
    acting = fresh.parts.executor.acting
    assert acting.groups == [] and acting.agent is fresh.parts.learner.agent


# ---------------------------------------------------------------- parts


def test_the_learning_rate_falls_to_zero():
    at, optimizer = [0], SimpleNamespace(rates=[1.0, 0.5])
    decay = Decay(optimizer, lambda: at[0], 200)
    for frame, rates in [(0, [1.0, 0.5]), (50, [0.75, 0.375]), (200, [0.0, 0.0]), (300, [0.0, 0.0])]:
        at[0] = frame
        decay()
        assert optimizer.rates == rates


def test_a_run_decays_its_learning_rate(tmp_path):
    run = begin(tmp_path, learning__lr_decay_frames=1_000)
    while run.frame < 500:
        run.iterate()
    assert run.parts.learner.agent.step.optimizer.rates[0] == pytest.approx(7e-4 * 0.5, rel=0.03)


def test_the_residual_network_has_the_papers_shape():
    tree = plan("impala_minatar", network__torso="residual", network__convolutions=[(16, 3, 2), (32, 3, 2), (32, 3, 2)])
    torso = tree.network.torso.make(tree.network, (4, 84, 84), none)
    assert len(torso.layers) == 15 and torso.size == 32 * 11 * 11
    assert torso(torch.rand(2, 4, 84, 84)).shape == (2, 3872)
    tail = torch.nn.ModuleList([torch.nn.Linear(torso.size, 256), torch.nn.LSTM(256, 256), torch.nn.Linear(256, 19)])
    count = sum(p.numel() for part in (torso, tail) for p in part.parameters())
    assert 1.5e6 < count < 1.7e6  # "1.6 million" with the LSTM
    small = tree.network.torso.make(tree.network, (4, 10, 10), none)  # MinAtar: 10, 5, 3, 2 pixels
    assert small(torch.rand(2, 4, 10, 10)).shape == (2, 32 * 2 * 2)


def test_specs_that_make_no_sense_are_refused():
    clock = {"kind": "frames", "start_frames": 0, "every_frames": 4}
    for changes, text in [
        ({"exploration": {"kind": "fixed", "values": [0.1]}}, "exploration none and"),
        ({"evaluation__epsilon": 0.1}, r"evaluation\.epsilon 0"),
        ({"memory__select": "uniform"}, r"memory\.select fifo, not uniform"),
        ({"memory__select": "newest"}, r"clock unrolls is for memory\.select fifo or trajectories, not newest"),
        ({"learning__clock": clock}, r"memory\.select fifo needs learning\.clock unrolls, not frames"),
        ({"agent__correction": {"kind": "vtrace", "rho_bar": 1.0, "c_bar": 2.0}}, "rho_bar must be at least c_bar"),
        ({"network__head": "plain"}, r"agent actor_critic needs network\.head actor_critic, not plain"),
    ]:
        with pytest.raises(ValueError, match=text):
            plan(**changes)


def test_build_puts_noise_into_policy_and_value():
    noisy = build(plan(network__linear={"kind": "independent", "sigma": 0.017})).learner.agent
    one = noisy.online.head.policy.eps.clone()
    assert noisy.online.noisy
    noisy.online.resample(noisy.noise)
    assert not torch.equal(one, noisy.online.head.policy.eps)
