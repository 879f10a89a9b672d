"""Values learned from unrolls: targets by hand, Sarsa's next action, the target's clock, workers that share it all."""

import numpy as np
import pytest
import torch
from torch import nn

from agents.acting.exploration import Sampled
from agents.build import build
from agents.envs.stream import EpisodeStatistics
from agents.executors.hogwild.actor_learner import ActorLearner
from agents.executors.hogwild.executor import Hogwild
from agents.executors.hogwild.shared_parameters import SharedParameters
from agents.losses.unrolled import n_step_q, one_step_q, one_step_sarsa, td_loss
from agents.rng import generator
from agents.run.checkpoint import Checkpoints
from agents.run.loop import Run
from agents.spec.exploration import SampledExploration
from agents.spec.optimizer import Momentum, RMSprop
from agents.step import Batch
from agents.unrolled_q import UnrolledQ
from tests.agents.specs import given, spec
from tests.agents.test_resume import assert_same

FORMS = ("one_step_q", "one_step_sarsa", "n_step_q")
PAPERS = {"kind": "sampled", "start": 1.0, "ends": [0.1, 0.01, 0.5], "chances": [0.4, 0.3, 0.3]}
TWO = {"executor": {"kind": "hogwild", "actors": 2}, "environment__streams": 2, "learning__batch": 1}


def plan(algorithm: str = "unrolled_q_minatar", **changes):
    """A small run: 4 streams, unrolls of 3, a narrow network."""
    small = {"agent__unroll": 3, "environment__streams": 4, "learning__batch": 1, "network__units": [8]}
    return spec(algorithm, **{**small, **changes})


def begin(folder, **changes) -> Run:
    return Run(plan(**changes), Checkpoints(folder, {}, print))


def column(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)[:, None]


# ---------------------------------------------------------------- targets and losses


@pytest.mark.parametrize(
    ("ends", "wanted"),
    [(False, [3.852576, 3.891491, 2.920698, 2.9502, 2.98]), (True, [1.950596, 1.970299, 0.9801, 0.99, 1.0])],
)
def test_the_forward_view_by_hand(ends, wanted):
    """Rewards 0, 1, 0, 0, 1, gamma 0.99; the best value after them, 2, is cut where the fifth action ended the game."""
    q = torch.full((6, 1, 2), -1.0)
    q[:, 0, 1] = 2.0
    discount = column([0.99] * 4 + [0.0 if ends else 0.99])
    acted = torch.ones(5, 1, dtype=torch.bool)
    found = n_step_q(q, torch.zeros(6, 1, dtype=torch.int64), column([0, 1, 0, 0, 1]), discount, acted)
    assert found.flatten().tolist() == pytest.approx(wanted, abs=1e-5)


def test_the_forward_view_goes_on_into_the_next_episode_but_returns_do_not():
    """The third row is an episode's last: a truncated one bootstraps from it, at gamma 0.5."""
    q = torch.tensor([1.0, 2.0, 8.0, 4.0, 6.0])[:, None, None].repeat(1, 1, 2)
    acted = torch.tensor([True, True, False, True])[:, None]
    action, r, discount = torch.zeros(5, 1, dtype=torch.int64), column([1, 1, 0, 1]), column([0.5, 0.5, 1.0, 0.5])
    assert n_step_q(q, action, r, discount, acted).flatten().tolist() == [3.5, 5.0, 8.0, 4.0]
    discount[1] = 0.0  # terminated
    assert n_step_q(q, action, r, discount, acted).flatten().tolist() == [1.5, 1.0, 8.0, 4.0]


def test_the_one_step_targets_by_hand():
    q = torch.tensor([[[9.0, 9.0, 9.0]], [[0.2, 1.5, -0.3]]])
    action, acted = torch.tensor([[0], [2]]), torch.ones(1, 1, dtype=torch.bool)
    given = (q, action, column([1.0]), column([0.99]), acted)
    assert one_step_q(*given).item() == pytest.approx(2.485)
    assert one_step_sarsa(*given).item() == pytest.approx(0.703)
    for form in (one_step_q, one_step_sarsa, n_step_q):
        with pytest.raises(AssertionError):
            form(q, action, column([1.0, 1.0]), column([0.99]), acted)
        assert not form(q.requires_grad_(), *given[1:]).requires_grad


def test_the_loss_is_half_the_square_or_hubers():
    q = torch.tensor([[[1.0, 0.0]], [[0.0, 2.0]]], requires_grad=True)
    action, targets = torch.tensor([[0], [1]]), column([1.5, 5.0])
    assert td_loss(q, action, targets, "squared").flatten().tolist() == [0.125, 4.5]
    assert td_loss(q, action, targets, "huber").flatten().tolist() == [0.125, 2.5]
    td_loss(q, action, targets, "squared").sum().backward()
    assert q.grad.flatten().tolist() == [-0.5, 0.0, 0.0, -3.0]
    with pytest.raises(KeyError):
        td_loss(q, action, targets, "absolute")


class Table(nn.Module):
    """A network whose values are given, [T + 1, B, A, 1], as many rows as it is asked for."""

    core = None

    def __init__(self, q: torch.Tensor):
        super().__init__()
        self.q = nn.Parameter(q[..., None])

    def unroll(self, obs, *_):
        return self.q[: len(obs)], None


@pytest.mark.parametrize("form", FORMS)
def test_an_update_by_hand(form):
    """Rewards 1 and 3, gamma 0.5, actions 0, 1 and then 1; values of the three rows (1, 2), (4, 6) and (8, 3)."""
    net = Table(torch.tensor([[[1.0, 2.0]], [[4.0, 6.0]], [[8.0, 3.0]]]))
    part = plan(agent__form=form, agent__unroll=2).agent
    agent, none = UnrolledQ(part, given(net, 2), part.form.make()), torch.zeros(3, 1, dtype=torch.bool)
    batch = Batch(
        obs=torch.zeros(3, 1, 1), action=torch.tensor([[0], [1]]), reward=column([1.0, 3.0]),
        discount=column([0.5, 0.5]), first=none, last=none, weight=torch.ones(1),
        extras={"taken": torch.tensor([[0], [1], [1]])}, key=np.zeros(1, np.int64),
    )  # fmt: skip
    # y = (1 + 0.5 * 6, 3 + 0.5 * 8); Sarsa's second one is 3 + 0.5 * 3; the return of two steps 1 + 0.5 * 7
    one, two = {"one_step_q": (3.0, 1.0), "one_step_sarsa": (3.0, -1.5), "n_step_q": (3.5, 1.0)}[form]
    loss, learned = agent.loss(batch)
    assert loss.item() == 0.5 * (one**2 + two**2) and learned.priorities.tolist() == [one]
    assert learned.metrics == {"loss": loss / 2, "q_mean": 3.25, "learned_td_error": (one + abs(two)) / 2}
    loss.backward()
    assert net.q.grad.flatten().tolist() == [-one, 0.0, 0.0, -two, 0.0, 0.0]  # the bootstrap has none


# ---------------------------------------------------------------- what is learned from, and when


def test_sarsa_bootstraps_from_the_action_that_is_taken_next(tmp_path):
    run = begin(tmp_path, agent__form="one_step_sarsa", environment__cap_frames=7)
    store, agent, seen = run.parts.memory.store, run.parts.learner.agent, []
    learn = agent.learn

    def watched(batch: Batch):
        rows = store.sequence(batch.key)
        assert store.count * 4 > rows.max()  # the row after the unroll has been acted on
        np.testing.assert_array_equal(batch.extras["taken"], store.read("action", rows))
        seen.append(rows[-1, 0])
        return learn(batch)

    agent.learn = watched
    for _ in range(30):
        run.iterate()
    assert len(seen) == 9 * 4 and run.spec.first_update_frame == 4 * 4


@pytest.mark.parametrize("form", FORMS)
def test_a_run_copies_its_target_when_frames_pass_the_period(form, tmp_path):
    run = begin(tmp_path, agent__form=form, learning__target_every_frames=50)
    agent, copies = run.parts.learner.agent, 0
    for _ in range(60):
        before = [p.clone() for p in agent.target.parameters()]
        run.iterate()
        if agent.copies.item() > copies:
            copies = agent.copies.item()
            assert copies == run.frame // 50
        else:
            assert all(torch.equal(a, b) for a, b in zip(before, agent.target.parameters(), strict=True))
    assert copies == 4 and run.parts.learner.updates >= 76


def test_a_step_at_a_time_it_is_dqn_without_replay(tmp_path):
    """All actions random and a rate that nothing scales, so that only the order of transitions and copies counts."""
    plain = {
        "optimizer": {"kind": "sgd", "lr": 0.01, "momentum": 0.0},
        "exploration": {"kind": "fixed", "values": [1.0]},
        "environment__streams": 1,
        "network__units": [8],
        "learning__lr_decay_frames": None,
        "learning__target_every_frames": 40,
    }
    ours = begin(tmp_path / "ours", **plain, agent__unroll=1, agent__form="one_step_q", agent__loss="huber")
    dqn = spec("dqn_minatar_no_replay", **plain, learning__clock__start_frames=1)
    theirs = Run(dqn, Checkpoints(tmp_path / "theirs", {}, print))
    while theirs.parts.learner.updates < 200:  # an episode's last row is no update of DQN's
        theirs.iterate()
    while ours.frame < 200:
        ours.iterate()
    pairs = zip(*(run.parts.learner.agent.online.state_dict().values() for run in (ours, theirs)), strict=True)
    for one, two in pairs:
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)
    assert not torch.equal(ours.parts.learner.agent.online.state_dict()["head.output.bias"], torch.zeros(6))


# ---------------------------------------------------------------- sampled epsilons


def test_epsilons_go_from_one_to_where_each_was_drawn_to():
    epsilon = Sampled(SampledExploration(**PAPERS, end_frames=4_000_000), 20_000, generator(0, "epsilon"))
    shares = [(epsilon.ends == end).mean() for end in (0.1, 0.01, 0.5)]
    assert shares == pytest.approx([0.4, 0.3, 0.3], abs=0.02) and epsilon.ends.mean() == pytest.approx(0.193, abs=5e-3)
    statistics, at = EpisodeStatistics(20_000, 4), [np.flatnonzero(epsilon.ends == end)[0] for end in (0.1, 0.01, 0.5)]
    for frame, wanted in [(0, [1, 1, 1]), (1_000_000, [0.775, 0.7525, 0.875]), (9_000_000, [0.1, 0.01, 0.5])]:
        statistics.frames = frame
        assert epsilon(statistics)[at] == pytest.approx(wanted)
    with pytest.raises(ValueError, match="chances must be one for each of the 3 ends, and 1 together"):
        SampledExploration(**PAPERS | {"chances": [0.4, 0.3, 0.2]}, end_frames=1)


def test_a_workers_epsilons_are_those_of_its_environments_in_every_incarnation():
    several = {"executor": {"kind": "hogwild", "actors": 2}, "environment__streams": 6, "learning__batch": 3}
    turns = build(plan(environment__streams=6)).actor.epsilon
    run = plan(**several)
    agent = build(run).learner.agent
    shared = SharedParameters(agent.step, 2, agent.common)
    found = []
    for number, incarnation in ((0, 0), (1, 0), (0, 1)):
        worker = ActorLearner(run, number, incarnation, shared.descriptor)
        worker.parts.actor.stream.statistics.frames = 10**6
        found.append(worker.parts.actor.epsilon(worker.parts.actor.stream.statistics).tolist())
    assert found == [turns.ends[:3].tolist(), turns.ends[3:].tolist(), turns.ends[:3].tolist()]
    assert len(set(turns.ends)) > 1


# ---------------------------------------------------------------- optimizers


def steps(part, gradients: list[tuple[int, float]], shared: bool) -> float:
    """A number from 0 on after steps of two workers, each (worker, gradient); statistics shared or each its own."""
    weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    rules = [part.make([weight]) for _ in range(2)]
    for worker, gradient in gradients:
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        rules[0 if shared else worker].step()
    return weight.item()


def test_steps_of_two_workers_by_hand():
    sequence = [(0, 1.0), (1, 0.5), (0, 1.0)]
    rmsprop = {"kind": "rmsprop", "lr": 0.01, "epsilon": 0.1, "decay": 0.99, "centered": False}
    nature, ones = (RMSprop(**rmsprop, form=form) for form in ("nature", "tensorflow"))
    assert steps(nature, sequence, shared=True) == pytest.approx(-0.07366247, abs=1e-8)
    assert steps(nature, sequence, shared=False) == pytest.approx(-0.07464806, abs=1e-8)
    assert steps(ones, sequence, shared=True) == pytest.approx(-0.02388524, abs=1e-8)
    assert steps(Momentum(kind="momentum", lr=0.01, decay=0.99), sequence, shared=False) == pytest.approx(-0.000349)


# ---------------------------------------------------------------- without locks


def test_one_lock_free_worker_learns_as_one_that_takes_turns_does():
    one = TWO | {"executor": {"kind": "hogwild", "actors": 1}, "environment__streams": 1}
    changes = one | {"learning__target_every_frames": 50, "agent__form": "one_step_sarsa"}
    turns, main = (
        build(plan(**changes, executor__kind="inline", executor__lags_updates=[0], executor__actors=...), 0, 0),
        None,
    )
    hogwild = plan(**changes)
    main = build(hogwild)
    agent = main.learner.agent
    shared = SharedParameters(agent.step, 1, agent.common)
    worker = ActorLearner(hogwild, 0, 0, shared.descriptor)
    for _ in range(200):
        turns.executor.advance(0.0)
        worker.iterate()
    assert shared.version == turns.learner.updates == 66 and shared.frame == turns.actor.frames
    assert_same(turns.learner.agent.state_dict()["networks"], agent.state_dict()["networks"])
    assert agent.copies.item() == turns.learner.agent.copies.item() == shared.frame // 50


def test_workers_share_a_target_that_is_copied_once_from_the_shared_parameters():
    run = plan(**TWO, learning__target_every_frames=10)
    agent = build(run).learner.agent
    shared = SharedParameters(agent.step, 2, agent.common)
    one, two = (ActorLearner(run, number, 0, shared.descriptor) for number in range(2))
    while shared.updates[1] < 1:
        two.iterate()
    shared.frames[0] = 10
    while agent.copies.item() < 1:
        one.iterate()
    newest = [p.clone() for p in agent.step.parameters]
    for each in (agent, one.learner.agent, two.learner.agent):
        assert all(torch.equal(p, q) for p, q in zip(each.target.parameters(), newest, strict=True))
    made = shared.version
    while shared.version == made:
        two.iterate()
    assert agent.copies.item() == 1
    assert not torch.equal(agent.step.parameters[0], newest[0])
    assert torch.equal(agent.target.get_parameter("torso.layers.0.weight"), newest[0])  # no second copy


@pytest.mark.parametrize("kind", ["rmsprop", "momentum"])
def test_statistics_of_ones_own_are_kept_for_each_worker(kind, tmp_path):
    optimizer = {"momentum": {"kind": "momentum", "lr": 1e-3, "decay": 0.9}}.get(kind, {"kind": "rmsprop"})
    own = {**TWO, "executor": {"kind": "hogwild_own", "actors": 2}, "optimizer": optimizer}
    run = plan(**own)
    main = build(run)
    executor: Hogwild = main.executor
    shared = executor.shared = executor._share()
    one, two = (ActorLearner(run, number, 0, shared.descriptor) for number in range(2))
    while shared.updates[0] < 3:
        one.iterate()
    assert any(tensor[0].abs().max() > 0 for tensor in shared.own)
    assert all(tensor[1].abs().max() == 0 for tensor in shared.own)
    assert all(torch.equal(p, q) for p, q in zip(one.step.moved, two.step.moved, strict=True))
    saved = executor.state_dict()
    again = build(run).executor
    again.load_state_dict(saved)
    assert_same(again.state_dict()["statistics"], saved["statistics"])
    shared = again._share()
    assert_same(shared.own, saved["statistics"])
    second = ActorLearner(run, 0, 1, shared.descriptor)
    held = [tensor for tensor in second.step.shared.optimizer.state_dict().values() if isinstance(tensor, list)]
    assert_same([tensor for each in held for tensor in each], [tensor[0] for tensor in saved["statistics"]])


def test_what_does_not_go_together_is_refused_by_name():
    lstm = {"kind": "lstm", "before": [], "units": 8, "inputs": False}
    clock = {"kind": "frames", "start_frames": 0, "every_frames": 4}
    actors = {"kind": "processes", "actors": 2, "slots": 2, "chunk_steps": 5, "pull_every_steps": 10}
    for changes, text in [
        (
            {"network__core": lstm},
            r"network\.core lstm needs an agent that learns from sequences, not agent unrolled_q",
        ),
        ({"network__linear": {"kind": "independent", "sigma": 0.017}}, r"network\.linear plain, not independent"),
        ({"network__head": "actor_critic"}, r"agent unrolled_q needs network\.head plain or dueling, not actor_critic"),
        ({"memory__select": "uniform"}, r"none twice: memory\.select fifo, not uniform"),
        ({"memory__select__replay_share": 0.5}, r"memory\.select\.replay_share 0, not 0\.5"),
        ({"learning__clock": clock}, r"memory\.select fifo needs learning\.clock unrolls, not frames"),
        ({"learning__target_every_frames": None}, r"target_every_frames must be a number with agent unrolled_q"),
        ({"learning__batch": 3}, r"learning\.batch 3 must divide environment\.streams times memory\.copies, 4"),
        ({"executor": actors}, r"agent unrolled_q learns where it acts: executor inline or hogwild, not processes"),
        (
            TWO | {"optimizer": {"kind": "momentum", "lr": 1e-3, "decay": 0.9}},
            r"executor hogwild needs optimizer rmsprop",
        ),
    ]:
        with pytest.raises(ValueError, match=text):
            plan(**changes)
    with pytest.raises(
        ValueError, match=r"agent dqn copies its target network by the clock: learning\.clock frames, not"
    ):
        spec(learning__clock="unrolls", memory__select={"kind": "fifo", "replay_share": 0.0})
