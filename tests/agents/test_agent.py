"""What an agent may do within its own file: gradient steps, followers, line searches, and two agents made of them.

The agents (own_agents.py) have several networks, several optimizers and several steps per update, or none but a line
search. The training loop, executors and checkpoints know nothing of that.
"""

import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from agents.agent import acting_state
from agents.executors import pool
from agents.optim.objective import backtrack
from agents.optim.step import Follower, GradientStep
from agents.run import metrics
from agents.run.checkpoint import Checkpoints
from agents.run.heartbeat import Heartbeat
from agents.run.loop import Run, train
from agents.spec.agent import DQN
from agents.spec.optimizer import SGD as SGDSpec
from tests.agents import own_agents
from tests.agents.own_agents import Critics, LineSearch, SquaredError, preference
from tests.agents.specs import spec
from tests.agents.test_resume import assert_same

AGENTS = {"Critics": Critics, "LineSearch": LineSearch}
BUDGET = 900
SHORT = {
    "record__norms": "none",
    "environment__streams": 3,
    "learning__clock__start_frames": 60,
    "learning__clock__every_frames": 12,
    "learning__target_every_frames": 24,
    "memory__capacity_steps": 600,
    "evaluation__every_frames": 400,
    "evaluation__episodes": 2,
    "record__learning_every_frames": 50,
    "network__units": [16],
}


@pytest.fixture
def plan(monkeypatch):
    """plan(agent, …): the spec of a small run of one of ours."""
    monkeypatch.setenv(own_agents.CHOSEN, "")
    monkeypatch.setattr(DQN, "code", DQN.code)  # put back afterwards

    monkeypatch.setattr(metrics, "check", lambda name: None)  # theirs stand in no table

    def made(name: str, **changes):
        own_agents.use(name)
        return spec(budget=BUDGET, **SHORT | changes)

    return made


def begin(plan, folder: Path) -> Run:
    return Run(plan, Checkpoints(folder, {}, print))


def go_on(run: Run, folder: Path, frame: float = math.inf):
    """Train until a frame, as a program does that is asked to leave there."""
    heartbeat = Heartbeat(folder / "heartbeat.json", "run", run.spec.budget_frames, 0)
    return train(run, heartbeat, lambda: run.frame >= frame, lambda: None, 1e9)


def copied(network: nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in network.parameters()]


def equal(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


# ---------------------------------------------------------------- parts by hand


class One(nn.Module):
    """One number, and one buffer."""

    def __init__(self, value: float):
        super().__init__()
        self.w, self.seen = nn.Parameter(torch.tensor(value)), nn.Buffer(torch.tensor(value))


def steps_of(network: One, clip_norm: float | None) -> GradientStep:
    return GradientStep(SGDSpec(kind="sgd", lr=0.125, momentum=0.0).make(network.parameters()), clip_norm, [])


def test_steps_down_a_loss_and_along_gradients():
    net, other = One(1.0), One(2.0)
    step = steps_of(net, None)
    assert step.down((net.w - 3) ** 2).item() == 4 and net.w.item() == 1.5  # 1 + 4 / 8
    assert step.down((net.w - 3) ** 2).item() == 3 and net.w.item() == 1.875  # the loss anew: 1.5 + 3 / 8
    assert step.along([torch.tensor(-1.0)]).item() == 1 and net.w.item() == 2.0
    assert step.down(other.w * net.w).item() == 2 and net.w.item() == 1.75
    assert other.w.item() == 2 and other.w.grad is None  # the way through another network leaves no trace there
    clipped = steps_of(other, 0.5)
    assert clipped.down(other.w**2).item() == 4 and other.w.item() == pytest.approx(2 - 0.5 / 8)
    assert (step.steps, clipped.steps) == (4, 1)


def test_followers_average_or_copy_on_their_updates():
    source, slow, late, both = One(0.0), One(0.0), One(0.0), One(8.0)
    followers = [Follower(source, slow, 1, 0.25), Follower(source, late, 3, 1), Follower(source, both, 2, 0.5)]
    found = []
    for update in range(1, 6):
        source.w.data.fill_(update)
        source.seen.fill_(-update)
        for follower in followers:
            follower.after(update)
        found.append([each.w.item() for each in (slow, late, both)])
    # 1/4 n + 3/4 before: 1/4, 1/2 + 3/16, 3/4 + 33/64, 1 + 243/256, 5/4 + 1497/1024; (2 + 8) / 2, then (4 + 5) / 2
    assert found == [[0.25, 0, 8], [0.6875, 0, 5], [1.265625, 3, 5], [1.94921875, 3, 4.5], [2.7119140625, 3, 4.5]]
    assert [each.seen.item() for each in (slow, late, both)] == [-5, -3, -4]


class Parabola:
    """(w - 1)^2, or no number beyond `edge`; divergence w^2 / 2, from w = 0."""

    def __init__(self, w: nn.Parameter, edge: float = math.inf):
        self.w, self.edge = w, edge

    def loss(self) -> torch.Tensor:
        return (self.w - 1) ** 2 if self.w < self.edge else self.w * math.nan

    def divergence(self) -> torch.Tensor:
        return self.w**2 / 2


@pytest.mark.parametrize(
    ("step", "tries", "bound", "edge", "share", "loss", "divergence"),
    [
        (1.5, 3, math.inf, math.inf, 1, 0.25, 1.125),  # it helps as it is
        (3.0, 3, math.inf, math.inf, 0.5, 0.25, 1.125),  # w = 3: 4
        (3.0, 3, 0.5, math.inf, 0.25, 0.0625, 0.28125),  # w = 1.5 is beyond the bound, w = 0.75 within it
        (3.0, 3, 1.125, math.inf, 0.5, 0.25, 1.125),  # on the bound is within it
        (2.0, 1, math.inf, math.inf, 0, 1, 0),  # w = 2: as good as before is no better
        (3.0, 2, 0.5, math.inf, 0, 1, 0),
        (-3.0, 9, math.inf, math.inf, 0, 1, 0),  # uphill
        (1.5, 2, math.inf, 1.0, 0.5, 0.0625, 0.28125),  # w = 1.5 has no loss
        (1.5, 9, math.inf, -1.0, 0, math.nan, 0),  # nor has w = 0: nothing is smaller
    ],
)
def test_a_line_search_by_hand(step, tries, bound, edge, share, loss, divergence):
    w = nn.Parameter(torch.tensor(0.0))
    found = backtrack(Parabola(w, edge), [w], [torch.tensor(step)], 0.5, tries, bound)
    assert found.share == share and w.item() == share * step and w.requires_grad
    assert [found.loss.item(), found.divergence.item()] == pytest.approx([loss, divergence], nan_ok=True)


def test_a_search_in_vain_leaves_the_same_bits():
    network = nn.Linear(3, 2)
    before = copied(network)

    class Worse:
        def loss(self) -> torch.Tensor:
            return sum((one - other).abs().sum() for one, other in zip(network.parameters(), before, strict=True))

        def divergence(self) -> torch.Tensor:
            return self.loss()

    found = backtrack(Worse(), [*network.parameters()], [torch.full_like(p, 0.1) for p in before], 0.7, 20, math.inf)
    assert found == (0, 0, 0) and equal(copied(network), before)


# ---------------------------------------------------------------- agents made of them


def test_several_networks_optimizers_and_steps_as_written_out(plan, tmp_path):
    """Against torch's own optimizers, and averages and copies worked out number by number, over seven updates."""
    run = begin(plan("Critics"), tmp_path)
    agent, memory, learner = run.parts.learner.agent, run.parts.memory, run.parts.learner
    critic, policy = (copy.deepcopy(agent.networks[name]) for name in ("critic", "policy"))
    slow, late = ([p.double().numpy() for p in copied(net)] for net in (critic, policy))
    numbers = run.spec.optimizer
    one = torch.optim.Adam(critic.parameters(), numbers.lr, (numbers.beta1, numbers.beta2), numbers.epsilon)
    two = torch.optim.Adam(policy.parameters(), 1e-3, (0.5, 0.9), 1e-8)
    while run.frame < 60:
        run.iterate()
    for update in range(1, 8):
        batch = memory.draw(run.frame)
        learner.learn(batch)
        slow_critic, late_policy = copy.deepcopy(critic), copy.deepcopy(policy)
        for net, arrays in ((slow_critic, slow), (late_policy, late)):
            for p, array in zip(net.parameters(), arrays, strict=True):
                p.data.copy_(torch.from_numpy(array))
        at = torch.arange(len(batch.key))
        goal = batch.reward[0] + batch.discount[0] * slow_critic(batch.obs[1])[..., 0].max(1).values.detach()
        for _ in range(3):
            one.zero_grad()
            ((critic(batch.obs[0])[at, batch.action[0], 0] - goal) ** 2).mean().backward()
            one.step()
        q, logits = critic(batch.obs[0])[..., 0].detach(), policy(batch.obs[0])
        two.zero_grad()
        gap = logits - late_policy(batch.obs[0]).detach()
        ((gap**2).mean() - (logits.exp() / logits.exp().sum(1, keepdim=True) * q).sum(1).mean()).backward()
        nn.utils.clip_grad_norm_(policy.parameters(), 0.05)
        two.step()
        slow = [0.25 * p.double().numpy() + 0.75 * old for p, old in zip(copied(critic), slow, strict=True)]
        if update in (3, 6):
            late = [p.double().numpy() for p in copied(policy)]
        for name, wanted in (("critic", copied(critic)), ("policy", copied(policy))):
            for p, array in zip(agent.networks[name].parameters(), wanted, strict=True):
                torch.testing.assert_close(p.detach(), array, rtol=1e-4, atol=1e-6)
        for name, arrays in (("slow_critic", slow), ("late_policy", late)):
            for p, array in zip(agent.networks[name].parameters(), arrays, strict=True):
                np.testing.assert_allclose(p.numpy(), array, rtol=1e-4, atol=1e-6)
    assert agent.steps["critic"].steps == 21 and agent.steps["policy"].steps == 7 == learner.updates
    assert learner.read()["policy_grad_norm"] > 0.05 and not equal(copied(policy), [torch.from_numpy(a) for a in late])


def test_a_line_search_never_makes_things_worse(plan, tmp_path, monkeypatch):
    """Every stride, made again one share after the other; some are made whole, some in part, some not at all."""
    run, shares = begin(plan("LineSearch"), tmp_path), []
    agent, search = run.parts.learner.agent, LineSearch.search

    def watched(self, objective: SquaredError):
        before, stride = copied(objective.network), self.stride
        loss = objective.loss().item()
        found = search(self, objective)
        twin, wanted = copy.deepcopy(objective.network), 0
        other = SquaredError(twin, agent.networks["target"], objective.batch)
        for share in (1, 0.25):
            for p, old, direction in zip(twin.parameters(), before, self.direction, strict=True):
                p.data.copy_(old + share * (direction * stride))
            other.before = objective.before
            if other.loss().item() < loss and other.divergence().item() <= LineSearch.BOUND:
                wanted = share
                break
        else:
            assert equal(copied(objective.network), before)
        assert found.share == wanted and objective.loss().item() <= loss
        if wanted:
            assert all(map(torch.allclose, copied(objective.network), copied(twin)))
        shares.append(wanted)
        return found

    monkeypatch.setattr(LineSearch, "search", watched)
    go_on(run, tmp_path)
    assert len(shares) == run.parts.learner.updates == (BUDGET - 60) // 12 and set(shares) == {0, 0.25, 1}


@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.parametrize("lags", [[0], [0, 2, 5]])
def test_they_train_and_are_taken_up_again_to_the_bit(name, lags, plan, tmp_path):
    run_spec = plan(name, executor__lags_updates=lags)
    calm = begin(run_spec, tmp_path / "calm")
    outcome = go_on(calm, tmp_path)
    assert outcome.status == "finished" and calm.parts.learner.updates == (BUDGET - 60) // 12
    for cut in (90, 400, 633):
        run = begin(run_spec, tmp_path / "cut")
        assert go_on(run, tmp_path, cut).status == "preempted"
        while run.frame < min(BUDGET, cut + 40):  # lost again
            run.iterate()
    run = begin(run_spec, tmp_path / "cut")
    assert type(run.parts.learner.agent) is AGENTS[name] and run.resumes == 3
    ended = go_on(run, tmp_path)
    assert_same(calm.parts.state_dict(), run.parts.state_dict())
    one, two = calm.product(outcome), run.product(ended)
    assert one.facts == two.facts and one.tables.keys() == two.tables.keys()
    for table in one.tables.keys() - {"timing"}:
        assert one.tables[table].to_pylist() == two.tables[table].to_pylist()
    for network, tensors in acting_networks_of(calm).items():
        for key, tensor in tensors.items():
            assert torch.equal(two.weights[f"{network}.{key}" if name == "Critics" else key], tensor)
    assert len(two.weights) == sum(map(len, acting_networks_of(calm).values()))


def acting_networks_of(run: Run) -> dict[str, dict[str, torch.Tensor]]:
    agent = run.parts.learner.agent
    return {name: agent.networks[name].state_dict() for name in agent.acting}


@pytest.mark.parametrize("name", AGENTS)
def test_where_parameters_lag_all_networks_that_act_do(name, plan, tmp_path):
    run = begin(plan(name, executor__lags_updates=[0, 2, 5]), tmp_path)
    agent, acting, past = run.parts.learner.agent, run.parts.executor.acting, []

    def note() -> None:
        past.append({key: tensor.clone() for key, tensor in acting_state(agent).items()})

    note()
    run.parts.learner.listeners.append(note)
    acted = 0
    while run.frame < 300:
        version = run.parts.learner.updates
        run.iterate()
        for group in acting.groups:
            assert_same(dict(acting_state(group.agent)), past[max(0, version - group.lag)])
            acted += version > group.lag
    assert acted > 100 and not equal([*past[-1].values()], [*past[-2].values()])
    if name == "LineSearch":  # it keeps the versions with its rows
        store = run.parts.memory.store
        newest = store.field["version"][(store.count - 1) % store.rows].tolist()
        assert newest == [version, version - 2, version - 5]
        learning = run.recorder.tables()["learning"].to_pylist()
        assert [row["value"] for row in learning if row["metric"] == "policy_lag"][-1] > 5  # what is replayed is older


@pytest.mark.parametrize("name", AGENTS)
def test_processes_act_with_what_was_learned(name, plan, tmp_path, monkeypatch):
    """Every action of every worker is the greedy one by the parameters that it says it had fetched."""
    monkeypatch.setattr(pool.Nursery, "program", own_agents.__name__)  # its forks know our agents
    monkeypatch.setattr(pool.Nursery, "now", None)
    executor = {"kind": "processes", "actors": 3, "slots": 2, "chunk_steps": 5, "pull_every_steps": 5}
    greedy = {"exploration__start": 0.0, "exploration__end": 0.0}
    run = begin(plan(name, executor=executor, **greedy), tmp_path)
    agent, source, past, rows = run.parts.learner.agent, run.parts.executor, [], []
    take = source.take

    def note() -> None:
        past.append({key: copy.deepcopy(net) for key, net in agent.networks.items() if key in agent.acting})

    def taken(seconds: float, frame: int):
        chunk = take(seconds, frame)
        if chunk is not None:
            rows.append({field: chunk[field].copy() for field in ("obs", "action", "version")})
        return chunk

    note()
    run.parts.learner.listeners.append(note)
    monkeypatch.setattr(source, "take", taken)
    try:
        while run.frame < 400:
            assert run.iterate()
    finally:
        source.close()
    versions, actions = set(), set()
    for chunk in rows:
        flat = [chunk[field].reshape(15, *chunk[field].shape[2:]) for field in ("obs", "action", "version")]
        for obs, action, version in zip(*flat, strict=True):
            networks, seen = past[int(version)], torch.from_numpy(obs)[None]
            with torch.no_grad():
                values = preference(networks, seen) if name == "Critics" else networks["online"](seen)[..., 0]
            assert values.max() - values[0, int(action)] < 1e-5
            versions.add(int(version)), actions.add(int(action))
    assert max(versions) > 15 and len(versions) > 5 and len(actions) > 1
