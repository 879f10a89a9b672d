"""What a finished run's world model makes of an episode: the stretch, its rows, and the file."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch.nn import functional as F

from agents import __main__ as program
from agents import dream
from agents.build import build
from agents.losses.latent import Categorical, Gaussian
from agents.run.store import Store
from tests.agents.specs import spec
from tests.agents.test_dreamer import SMALL, agent_of


def test_means_of_beliefs():
    raw = torch.tensor([[0.7, 0.2, 0.1], [0.5, 0.25, 0.25]]).log().flatten()
    assert torch.allclose(Categorical(2, 3).mean(raw), torch.tensor([0.7, 0.2, 0.1, 0.5, 0.25, 0.25]))
    assert Gaussian(2, "softplus", 0.1).mean(torch.tensor([1.0, -2.0, 5.0, 5.0])).tolist() == [1.0, -2.0]


def test_the_stretch_is_of_one_episode_and_has_the_most_rewards_after_its_context():
    first = np.zeros(20, bool)
    first[[0, 6, 17]] = True  # episodes of 6, 11 and 3 rows
    reward = np.zeros(20)
    reward[[4, 5, 9, 15, 18]] = 1.0
    assert dream.stretch(first, reward, 5, 2) == slice(1, 6)  # rows 3 to 5 hold two
    assert dream.stretch(first, reward, 8, 1) == slice(8, 16)  # rows 9 to 15 hold two: in the second episode alone
    assert dream.stretch(first, reward, 30, 1) == slice(6, 17)  # the longest episode
    assert dream.stretch(first, np.zeros(20), 5, 2) == slice(0, 5)


def rows_of(agent, length: int) -> dream.Played:
    rng = np.random.default_rng(0)
    shape = tuple(agent.model.decoder.shape)
    obs = rng.integers(0, 2, size=(length, *shape)).astype(np.uint8)
    action = rng.integers(agent.policy.size, size=length)
    discount = np.array([1.0] * (length - 1) + [0.0], np.float32)
    return dream.Played(obs, action, np.arange(length, dtype=np.float32), discount, np.zeros(length, bool))


def test_what_is_followed_and_what_is_imagined():
    """Against the cell, the beliefs and the heads taken one by one."""
    agent, length, context = agent_of(), 5, 2
    model, latent, gamma = agent.model, agent.model.rssm.latent, agent.spec.discount
    rows = rows_of(agent, length)
    found = dream.dream(agent, rows, context, torch.Generator().manual_seed(3))
    assert {name: (seen.start, len(seen.image)) for name, seen in found.items()} == {
        "seen": (0, 5), "decoded": (0, 5), "mean": (2, 3), "sample 1": (2, 3), "sample 2": (2, 3)
    }  # fmt: skip
    assert torch.equal(found["seen"].image, torch.from_numpy(rows.obs).float())
    assert torch.allclose(found["seen"].reward, torch.arange(5.0).tanh())
    assert found["seen"].discount.tolist() == pytest.approx([gamma] * 4 + [0.0])

    noise = torch.Generator().manual_seed(3)
    draws = latent.noise((length, 1), noise)
    action = F.one_hot(torch.from_numpy(rows.action), agent.policy.size).float()[:, None]
    with torch.no_grad():
        state, decoded = model.rssm.initial(1), []
        for t in range(length):
            led = torch.zeros_like(action[0]) if t == 0 else action[t]
            x = F.elu(model.rssm.enter(torch.cat([state.z, led], -1)))
            h = model.rssm.cell(x, state.h)
            embedded = model.embed(torch.from_numpy(rows.obs[t]).float()[None, None])[0]
            raw = model.rssm.posterior_output(F.elu(model.rssm.posterior_hidden(torch.cat([h, embedded], -1))))
            state = type(state)(h, latent.sample(raw, draws[t]))
            decoded.append(model.decoder(state).sigmoid())
            if t == context - 1:
                start = state
        assert torch.allclose(torch.cat(decoded), found["decoded"].image, atol=1e-5)
        x = F.elu(model.rssm.enter(torch.cat([start.z, action[context]], -1)))
        h = model.rssm.cell(x, start.h)
        expected = type(start)(h, latent.mean(model.rssm.prior(h)))
        assert torch.allclose(found["mean"].image[0], model.decoder(expected)[0].sigmoid(), atol=1e-5)
        assert found["mean"].reward[0].item() == pytest.approx(model.rewards(expected).item(), abs=1e-5)
        assert found["mean"].discount[0].item() == pytest.approx(model.discounts(expected).sigmoid().item(), abs=1e-5)
    assert not torch.equal(found["sample 1"].image, found["sample 2"].image)
    short = dream.dream(agent, rows_of(agent, 3), 4, noise)  # an episode of untrained play: nothing is left to imagine
    assert short.keys() == {"seen", "decoded"}


def test_a_finished_run_dreams_the_same_twice(tmp_path):
    run = spec("dreamer_minatar", budget=300, **SMALL | {"learning__clock__every_frames": 50})
    assert program.main(["train", "--spec", run.canonical(), "--results", str(tmp_path)]) == 0
    (code,) = Store(tmp_path).codes(run.digest())
    options = ["--run", str(tmp_path / "store" / run.digest() / code), "--steps", "6", "--context", "3"]
    for name in ("a", "b"):
        assert dream.main([*options, "--out", str(tmp_path / name / "dream.parquet")]) == 0
    first, other = ((tmp_path / name / "dream.parquet").read_bytes() for name in ("a", "b"))
    assert first == other
    table = pq.read_table(tmp_path / "a" / "dream.parquet")
    about = json.loads(table.schema.metadata[b"paper_arcade"])
    assert (about["run"], about["context"], about["shape"]) == (run.name(), 3, [4, 10, 10])
    assert table.column("row").to_pylist() == [*["seen"] * 6, *["decoded"] * 6, *["mean"] * 3, *["sample 1"] * 3,
                                               *["sample 2"] * 3]  # fmt: skip
    assert all(len(image) == 400 and 0 <= min(image) and max(image) <= 1 for image in table.column("image").to_pylist())


def test_a_model_of_stacks_is_shown_stacks_and_its_newest_image_is_kept():
    run = spec("dreamer_minatar", **SMALL, environment__stack=3)
    agent = build(run).learner.agent
    rows = dream.play(run, agent, 4)
    assert rows.obs.shape == (4, 12, 10, 10) and rows.first.tolist() == [True, False, False, False]
    assert not rows.obs[0, :8].any() and np.array_equal(rows.obs[3, 4:8], rows.obs[2, 8:])
    found = dream.dream(agent, rows, 2, torch.Generator().manual_seed(0))
    shown = dream.table(found, 4).column("image").to_pylist()
    assert shown[3] == rows.obs[3, 8:].flatten().tolist()
    assert shown[4] == found["decoded"].image[0, 8:].flatten().tolist()


@pytest.mark.parametrize(("steps", "context"), [("6", "0"), ("0", "1"), ("3", "3")])
def test_something_is_seen_and_something_imagined(steps, context, tmp_path, capsys):
    """The state before the first image would be the last one's, else."""
    with pytest.raises(SystemExit):
        dream.main(["--run", str(tmp_path), "--steps", steps, "--context", context, "--out", str(tmp_path / "x")])
    assert f"--context {context} must be at least 1 and below --steps {steps}" in capsys.readouterr().err


def test_what_cannot_dream_says_so(tmp_path):
    options = ["--steps", "6", "--context", "3", "--out", str(tmp_path / "dream.parquet")]
    with pytest.raises(SystemExit, match="there is none"):
        dream.main(["--run", str(tmp_path / "no" / "run"), *options])
    run = spec(budget=300, learning__clock__start_frames=400)
    assert program.main(["train", "--spec", run.canonical(), "--results", str(tmp_path)]) == 0
    (code,) = Store(tmp_path).codes(run.digest())
    with pytest.raises(SystemExit, match="agent dqn has no world model to dream with"):
        dream.main(["--run", str(tmp_path / "store" / run.digest() / code), *options])
