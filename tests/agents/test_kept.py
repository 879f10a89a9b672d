"""A kept agent plays again: what it values is what its paper's network says, and looking changes nothing."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from agents import __main__ as program
from agents.build import acting
from agents.envs.stream import make_streams
from agents.kept import __main__ as kept_program
from agents.kept.load import Kept, after, load, still
from agents.kept.play import Rules, played, under, watch
from agents.kept.screens import Coloured, action_names
from agents.run.evaluate import evaluate
from agents.run.store import Store
from agents.spec.environment import Atari
from tests.agents.specs import fields, spec
from tests.agents.test_resume_kinds import KINDS

CPU = torch.device("cpu")
PLAYED = ("iqn", "qr-dueling", "traces", "dreamer", "r2d2", "n-step-q", "a2c", "impala-lstm-lags", "acer", "trpo")


def untrained(run) -> Kept:
    return Kept(run, {"run": run.name()}, acting(run, 1, CPU, still).agent)


@pytest.mark.parametrize("kind", PLAYED)
def test_each_agent_shows_what_it_chooses_by(kind):
    algorithm, changes = KINDS[kind]
    kept = untrained(spec(algorithm, **changes))
    seen = watch(kept, 6, 0, greedy=True)
    values = np.stack(seen.table["values"].to_pylist())
    assert values.shape == (len(seen.table), len(seen.actions)) and np.isfinite(values).all()
    assert seen.table["action"].to_pylist() == values.argmax(-1).tolist()
    if kept.spec.agent.kind not in ("dqn", "r2d2", "unrolled_q"):
        assert np.allclose(values.sum(-1), 1, atol=1e-5)
    again = watch(kept, 6, 0, greedy=True)
    assert again.table.equals(seen.table)
    assert not watch(kept, 6, 1, greedy=True).table["screen"].equals(seen.table["screen"]) or kind == "dreamer"


def test_the_values_are_the_networks():
    kept = untrained(spec())
    seen = watch(kept, 3, 0, greedy=True)
    stream = make_streams(kept.spec.environment, 1, 500, kept.spec.seed, "evaluation", after(kept.spec))
    assert np.array_equal(
        np.frombuffer(seen.table["screen"][0].as_py(), np.uint8).reshape(seen.shape), 255 * stream.obs[0]
    )
    with torch.no_grad():
        q = kept.agent.online(torch.from_numpy(stream.obs))[0, :, 0]
    assert seen.table["values"][0].as_py() == pytest.approx(q.tolist(), abs=1e-6)
    assert seen.actions == ["noop", "left", "up", "right", "down", "fire"]


def test_an_evaluation_is_that_of_the_run_but_for_what_is_asked():
    kept = untrained(spec())
    rules = Rules(6, sticky=0.0, epsilon=1.0, repetition=3)
    changed = under(kept.spec, rules)
    assert (changed.environment.sticky, changed.evaluation.epsilon, changed.evaluation.streams) == (0.0, 1.0, 2)
    assert played(kept, rules) == evaluate(changed, kept.agent, CPU, after(kept.spec, 3), lambda: True)
    assert [len(played(kept, Rules(n))) for n in (1, 3)] == [1, 3]
    with pytest.raises(SystemExit, match="cartpole/v1 has no sticky actions"):
        under(spec("cartpole_dueling_double", game="v1"), Rules(1, sticky=0.1))


def test_ataris_colours_follow_its_grey_pictures():
    environment = Atari.model_validate({**fields("dqn_nature")["environment"], "game": "breakout", "sticky": 0.25,
                                        "streams": 1})  # fmt: skip
    where = (2_000, 5, "evaluation", 7)
    stream, colour = make_streams(environment, 1, *where), Coloured(environment, *where)
    rng, likeness = np.random.default_rng(0), []
    for _ in range(40):
        screen = colour.seen()
        assert screen.shape == (210, 160, 3)
        grey = Image.fromarray((screen @ np.array([0.299, 0.587, 0.114])).astype(np.uint8))
        small = np.asarray(grey.resize((84, 84), Image.Resampling.BOX), float)
        likeness.append(np.abs(small - stream.obs[0, 0]).mean())
        action = int(rng.integers(4))
        stream.step(np.array([action]))
        colour.follow(action)
    assert max(likeness) < 3
    assert action_names(environment, stream.actions) == ["noop", "fire", "right", "left"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The folder of a finished run in a store."""
    results = tmp_path_factory.mktemp("kept")
    run = spec(budget=300, learning__clock__start_frames=400)
    assert program.main(["train", "--spec", run.canonical(), "--results", str(results)]) == 0
    (code,) = Store(results).codes(run.digest())
    return results / "store" / run.digest() / code


def test_what_a_run_left_plays(finished, tmp_path, capsys):
    kept = load(finished)
    built = acting(kept.spec, 1, CPU, still).agent  # it has learned nothing
    for name, tensor in built.online.state_dict().items():
        assert torch.equal(kept.agent.online.state_dict()[name], tensor)
    capsys.readouterr()
    assert kept_program.main(["evaluate", "--run", str(finished), "--episodes", "4"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rules"] == {"epsilon": kept.spec.evaluation.epsilon, "cap_frames": 500, "sticky": 0.1}
    assert [each["return"] for each in told["episodes"]] == [e.score for e in played(kept, Rules(4))]
    out = tmp_path / "episode.parquet"
    assert kept_program.main(["record", "--run", str(finished), "--steps", "5", "--out", str(out)]) == 0
    about = json.loads(pq.read_schema(out).metadata[b"paper_arcade"])
    assert (about["run"], about["values"], about["shape"]) == (kept.spec.name(), "action values", [4, 10, 10])


def test_tables_are_exported_with_all_their_rows(finished, tmp_path):
    words = ["export", "--run", str(finished), "--out", str(tmp_path), "--to"]
    assert kept_program.main([*words, "csv"]) == 0
    (folder,) = tmp_path.iterdir()
    with (folder / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    table = pq.read_table(finished / "summary.parquet").to_pylist()
    assert [(r["metric"], int(r["frame"]), float(r["mean"])) for r in rows] == [
        (r["metric"], r["frame"], r["mean"]) for r in table
    ]
    assert json.loads((folder / "settings.json").read_text()) == load(finished).facts["spec"]


@pytest.mark.parametrize("to", ["tensorboard", "wandb"])
def test_a_missing_extra_is_named(to, finished, tmp_path, monkeypatch):
    for name in ("tensorboard", "torch.utils.tensorboard", "wandb"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(SystemExit, match=rf"pip install '\.\[{to}\]'"):
        kept_program.main(["export", "--run", str(finished), "--out", str(tmp_path), "--to", to])
