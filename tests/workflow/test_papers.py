"""The shipped papers: their run lists at full scale, and that every scale of them expands."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from agents.spec.run import Spec
from analysis import style
from tests.workflow.house import ROOT
from workflow import drawn
from workflow.config import Project
from workflow.context import Context
from workflow.expand import expand
from workflow.training import gpus

PAPERS = (
    "sn", "noisynet", "per", "rainbow", "dqn", "double_dqn", "dueling", "c51", "blog", "minatar", "a3c", "impala",
    "apex", "r2d2", "drqn", "acktr", "dreamerv2",
)  # fmt: skip


def runs(paper: str, scale: str = "paper") -> dict[str, list[str]]:
    """Experiment -> names of its runs."""
    found = expand(Project(ROOT, {"scale": scale}), paper)
    return {name: [run.name for run in each.runs()] for name, each in found.items()}


def test_the_spectral_normalisation_paper_has_its_full_run_list():
    """2 seeds x (2,880 settings of Adam + 3,024 of RMSprop + 504 of SGD), and 324 + 432 runs on Atari."""
    found = runs("sn")
    sizes = {name: len(set(names)) for name, names in found.items()}
    assert (sizes["sweep_adam"], sizes["sweep_rmsprop"], sizes["sweep_sgd"]) == (5760, 6048, 1008)
    sweep = {run for name in ("sweep_adam", "sweep_rmsprop", "sweep_sgd") for run in found[name]}
    assert len(sweep) == 12_816 == 2 * (2880 + 3024 + 504)
    assert (sizes["atari_c51"], sizes["atari_dqn"], sizes["atari_layers"]) == (324, 432, 100)
    assert (sizes["size"], sizes["layers"]) == (10 * 48, 10 * 96)
    assert (sizes["rank"], sizes["regularisers"], sizes["weight_decay"]) == (10 * 20, 10 * 16, 10 * 20)
    assert (sizes["optim_rmsprop"], sizes["optim_sgd"]) == (2 * 192, 2 * 48)  # configs/minatar_dqn_optim
    assert (sizes["nonstationary"], sizes["atari_regularisers"]) == (10 * 4 * 2, 10 * 5 * 2)
    assert set(found["all_layers"]) < {*found["base"], *found["schedulers"]} and sizes["all_layers"] == 10 * 4 * 6
    assert (sizes["schedulers"], sizes["bound"], sizes["base"]) == (10 * 4 * 36, 10 * 4 * 18, 10 * 4)


def test_the_sweep_varies_what_the_paper_varied():
    (adam, rmsprop, sgd) = (
        expand(Project(ROOT, {"scale": "paper"}), "sn")[f"sweep_{name}"] for name in ("adam", "rmsprop", "sgd")
    )
    nets = {json.dumps([p.vary["network.convolutions"], p.vary["network.units"]]) for p in adam.points}
    shapes = sorted((len(n[0]), n[0][0][0], n[1][0]) for n in map(json.loads, nets))
    assert shapes == [(1, 24, 128), (2, 24, 128), (2, 32, 256), (3, 24, 128), (3, 32, 256), (4, 24, 128)]
    assert all(each.games == adam.games and len(each.games) == 4 for each in (rmsprop, sgd))
    assert "minatar/freeway" not in adam.games
    spec = Spec.model_validate_json(next(rmsprop.runs()).spec)
    assert (spec.optimizer.kind, spec.optimizer.decay, spec.optimizer.centered) == ("rmsprop", 0.95, True)
    assert Spec.model_validate_json(next(sgd.runs()).spec).optimizer.momentum == 0
    assert spec.budget_frames == 5_000_000


@pytest.mark.parametrize(
    ("paper", "sizes"),
    [
        ("noisynet", {"dqn": 2 * 57 * 3, "dueling": 2 * 57 * 3, "a3c": 2 * 57 * 3, "minatar": 200}),
        ("per", {"atari": 3 * 57, "dqn": 2 * 49, "selected": 3 * 7 * 8, "weights": 3 * 7 * 8, "minatar": 300,
                 "cartpole": 300, "cliffwalk": 50, "cliffwalk_linear": 40, "digits": 30}),
        ("dqn", {"atari": 49, "curves": 2, "ablations": 5 * 5, "minatar": 4 * 5 * 10}),
        ("double_dqn", {"values": 2 * 6 * 6, "atari": 3 * 57, "minatar": 2 * 5 * 10}),
        ("dueling", {"corridor": 2 * 3 * 10, "atari": 3 * 57, "prioritized": 2 * 57}),
        ("c51", {"atoms": 6 * 5, "atari": 2 * 57 * 3, "sticky": 2 * 57, "space_invaders": 1, "pong": 1,
                 "minatar": 4 * 5 * 10}),
        ("blog", {"breakout": 4, "noisy": 2, "minatar": 4 * 10, "minatar_noisy": 2 * 10}),
        ("dreamerv2", {"atari": 2 * 55 * 5, "model_free": 4 * 55 * 5, "sources": 4 * 55 * 2, "montezuma": 6,
                       "minatar": 10 * 5 * 5, "minatar_games": 5 * 5}
         | dict.fromkeys(("latents", "gradients", "policy", "rest"), 3 * 55 * 2)),
        ("rainbow", {"atari": 7 * 57, "ablations": 8 * 57, "a3c": 57, "saber": 330, "minatar": 400}),
        (
            "apex",
            {"atari": 57, "capacity_atari": 6 * 4, "exploration_atari": 6 * 2,
             "capacity": 5 * 5 * 4, "exploration": 5 * 5 * 3, "executors": 5 * 5 * 2, "actors": 5 * 3}
            | dict.fromkeys((f"scaling_{actors}" for actors in (8, 16, 32, 64, 128, 256)), 6)
            | dict.fromkeys(("recency_32", "recency_64", "recency_128"), 6)
            | dict.fromkeys(("streams_1", "streams_4", "streams_16", "streams_64", "copies_1", "copies_4"), 25),
        ),
        (
            "a3c",
            {"atari": 3 * 57 * 5, "draws": 5 * 4 * 50, "threads": 7 * 4 * 5 * 10, "optimizers": 4 * 2 * 3 * 50,
             "methods": 2 * 4 * 3, "learning_rate": 9 * 2 * 3, "learning_rate_q": 2 * 9 * 2 * 3,
             "statistics": 3 * 9 * 3, "workers": 3 * 5 * 2 * 3, "batched": 2 * 2 * 3, "lock_free": 6 * 3,
             "lock_free_n_step": 5 * 3, "lock_free_one_step": 5 * 3},
        ),
        (
            "impala",
            {"atari": 2 * 57, "lag": 4 * 5 * 6, "replay": 4 * 6, "rho_bar": 3 * 6, "c_bar": 3 * 6,
             "q_estimate": 2 * 6, "hyperparameters": 3 * 2 * 24, "replay_hyperparameters": 4 * 2 * 24,
             "fixed_point": 7 * 10, "traces": 5 * 10, "throughput": 6 * 3},
        ),
        (
            "r2d2",
            {"atari": 3 * 57, "feed_forward": 57, "ablations": 7 * 4 * 3, "truncation": 2, "replay_age": 4 * 3,
             "minatar_delta_q": 4 * 2 * 3, "burn_in": 6 * 2 * 3, "recall": 2 * 5, "minigrid": 2 * 4 * 5},
        ),
        (
            "drqn",
            {"standard": 2 * 9, "four_frames": 2 * 9, "flickering": 2 * 10,
             "minatar": 2 * 3, "minatar_flickering": 2 * 3, "updates": 2 * 3},
        ),
        (
            "acktr",
            {"atari": 6 * 3 * 2, "atlantis": 2 * 2, "appendix": 44, "minatar": 3 * 4 * 3, "batch": 2 * 2 * 3,
             "critic": 4 * 3, "radius": 3 * 3, "rates_acktr": 5 * 3, "rates_a2c": 5 * 3,
             "rates_acer": 5 * 3, "rates_trpo": 5 * 3, "mujoco": 8 * 3 * 3, "mujoco_critic": 4 * 3},
        ),
        ("minatar", {"stepsize": 4 * 5 * 7 * 30} | dict.fromkeys(
            ("asterix", "breakout", "freeway", "seaquest", "space_invaders"), 4 * 30)),
    ],
)  # fmt: skip
def test_the_other_papers_have_theirs(paper: str, sizes: dict[str, int]):
    assert {name: len(set(names)) for name, names in runs(paper).items()} == sizes


def test_runs_shared_by_experiments_are_one():
    rainbow, minatar = runs("rainbow"), runs("minatar")
    assert len(set(rainbow["atari"]) & set(rainbow["ablations"])) == 2 * 57  # Rainbow and DQN
    per, double, dueling = runs("per"), runs("double_dqn"), runs("dueling")
    assert len(set(per["atari"]) & set(per["selected"])) == 3 * 7  # the first of eight seeds
    assert len(set(per["selected"]) & set(per["weights"])) == 7 * 8  # Double DQN
    assert set(rainbow["a3c"]) < set(runs("a3c")["atari"])
    assert set(runs("dqn")["atari"]) < set(per["dqn"])
    assert len(set(double["atari"]) & set(rainbow["atari"])) == 2 * 57  # DQN and tuned Double DQN
    assert len(set(dueling["atari"]) & set(rainbow["atari"])) == 2 * 57  # Dueling and tuned Double DQN
    assert len(set(dueling["prioritized"]) & set(per["atari"])) == 57  # rank-based
    assert len(set(runs("c51")["atari"]) & set(rainbow["atari"])) == 2 * 57  # C51 and DQN
    drqn = runs("drqn")
    assert len(set(drqn["minatar"]) & set(drqn["updates"])) == 3  # DRQN, with its random updates
    for game in ("asterix", "breakout", "freeway", "seaquest", "space_invaders"):
        assert set(minatar[game]) < set(minatar["stepsize"])  # the best step sizes are among the sweep's


def test_each_ablation_of_rainbow_takes_one_part_away():
    points = expand(Project(ROOT, {"scale": "paper"}), "rainbow")["ablations"].points
    spec = {p.variant: json.loads(p.template) for p in points}
    full = spec["Rainbow"]

    def changed(variant: str) -> set[str]:
        def walk(a, b, at=""):
            for key in a.keys() | b.keys():
                if isinstance(a.get(key), dict) and isinstance(b.get(key), dict):
                    yield from walk(a[key], b[key], f"{at}{key}.")
                elif a.get(key) != b.get(key):
                    yield f"{at}{key}"

        return {key.rpartition(".")[0] or key for key in walk(full, spec[variant])}

    assert changed("no double") == {"agent"}
    assert changed("no priority") == {"memory.select"}
    assert changed("no dueling") == {"network.head"}
    assert changed("no multi-step") == {"agent"} and spec["no multi-step"]["agent"]["n_step"] == 1
    assert changed("no distribution") == {"agent.value"}
    assert changed("no noise") == {"network.linear", "exploration"}


def test_r2d2_and_drqn_differ_in_what_the_papers_say():
    """Four ways to start a replayed state; one agent for both halves of "better under flicker only"."""
    spec = {
        name: {(p.variant): json.loads(p.template) for p in each.points}
        for paper in ("r2d2", "drqn")
        for name, each in expand(Project(ROOT, {"scale": "reduced"}), paper).items()
    }
    starts = {name: (s["agent"]["state"], s["agent"]["burn_in"]) for name, s in spec["minatar_delta_q"].items()}
    assert starts == {
        "zero state": ("zero", 0), "zero state + burn-in": ("zero", 10),
        "stored state": ("stored", 0), "stored state + burn-in": ("stored", 10),
    }  # fmt: skip
    for name, state in (("zero state", "zero"), ("stored state", "stored")):
        s = spec["recall"][name]
        assert s["agent"]["state"] == state
        # no sequence that begins after the cue holds it, and none that begins with it learns from the choice
        assert s["agent"]["sequence"] + s["agent"]["burn_in"] < s["environment"]["delay"] + 2
    for name, whole in spec["minatar"].items():
        blank = json.loads(json.dumps(spec["minatar_flickering"][name]))
        assert (whole["environment"].pop("flicker"), blank["environment"].pop("flicker")) == (0.0, 0.5)
        assert whole == blank


def test_dreamers_ablations_leave_out_one_part_each():
    """Hafner et al. 2021, section 3.2 and appendices G to J: what differs from the agent with all parts."""
    expanded = expand(Project(ROOT, {"scale": "paper"}), "dreamerv2")
    points = [point for name in ("latents", "gradients", "policy", "rest") for point in expanded[name].points]
    found = {point.variant: json.loads(point.spec("any", 0)) for point in points}
    full = found.pop("DreamerV2")
    parts = [part for part in full if isinstance(full[part], dict)]
    differs = {
        name: {f"{part}.{key}": spec[part][key] for part in parts for key in full[part]
               if spec[part][key] != full[part][key]}
        for name, spec in found.items()
    }  # fmt: skip
    assert differs == {
        "no discrete latents": {"network.latent": {"kind": "gaussian", "variables": 30, "form": "sigmoid2",
                                                   "least": 0.1}},
        "no KL balancing": {"agent.kl": {"kind": "plain", "free_nats": 0.0}},
        "no image gradients": {"agent.shapes_state": ["reward", "discount"]},
        "no reward gradients": {"agent.shapes_state": ["image", "discount"]},
        "no straight-through": {"agent.reinforce": {"kind": "constant", "value": 1.0}},
        "no policy reinforce": {"agent.reinforce": {"kind": "constant", "value": 0.0}},
        "no layer norm": {"network.cell": "bare"},
        "random data": {"exploration.end": 1.0},
    }  # fmt: skip
    assert full["agent"]["reinforce"]["kind"] == full["agent"]["entropy_weight"]["kind"] == "linear"


@pytest.mark.parametrize("paper", PAPERS)
def test_small_scales_say_what_they_reduce_and_stay_small(paper: str):
    """Reduced: at most 5M frames of training in all; smoke: at most 24 runs of at most 1,000 frames.

    ACKTR's four agents are compared on three games after 500k frames, by three seeds: at most 36M there.
    """
    for scale in ("reduced", "smoke"):
        found = expand(Project(ROOT, {"scale": scale}), paper)
        budgets = {run.name: each.budget_frames for each in found.values() for run in each.runs()}
        assert all(each.reduced.endswith(".") for each in found.values())
        if scale == "reduced":
            frames = {run.name: e.budget_frames for e in found.values() if e.clock == "frames" for run in e.runs()}
            assert sum(frames.values()) <= (36_000_000 if paper == "acktr" else 5_000_000)
        else:
            assert len(budgets) <= 24 and max(budgets.values()) <= 1000


@pytest.mark.parametrize("paper", PAPERS)
def test_absent_figures_have_a_reason(paper: str):
    described, _ = Project(ROOT).paper(paper)
    assert all(row.absent is None or row.absent.endswith(".") for row in described.contents)
    assert described.figures and described.tables and described.claims and described.deviations


@pytest.mark.parametrize("paper", PAPERS)
def test_variants_drawn_side_by_side_have_colours_of_their_own(paper):
    for name, experiment in expand(Project(ROOT, {"scale": "smoke"}), paper).items():
        shades = style.shades(point.variant for point in experiment.points)
        for (a, one), (b, other) in itertools.combinations(shades.items(), 2):
            gap = np.linalg.norm(np.subtract(to_rgb(one), to_rgb(other)))
            assert gap > 0.1, f"{paper}.{name}: {a} and {b} look alike"


def test_lock_free_workers_run_at_the_papers_scale_on_cpus_and_take_turns_at_the_reduced_one():
    kinds = {}
    for scale in ("paper", "reduced", "smoke"):
        project = Project(ROOT, {"scale": scale, "device": "cuda"})
        points = expand(project, "a3c")["atari"].points + expand(project, "noisynet")["a3c"].points
        for point in points:
            spec = json.loads(point.template)
            kinds[scale, point.variant] = spec["executor"]["kind"], point.threads, spec["device"]
    names = ("A3C", "A3C, LSTM", "NoisyNet-A3C")
    assert {kinds["paper", name] for name in names} == {("hogwild", 16, "cpu")}
    assert {kinds[scale, name] for scale in ("reduced", "smoke") for name in names} == {("inline", 1, "cpu")}  # gpu: 0
    assert kinds["paper", "A2C"] == ("inline", 1, "cuda")


def test_no_gpu_is_asked_for_who_cannot_use_it():
    context = Context.read(ROOT, {"scale": "paper", "device": "cuda"}, main=False)
    found = {run.point.variant: gpus(run) for run in context.papers["a3c"]["atari"].runs()}
    assert found == {"A3C": 0, "A3C, LSTM": 0, "A2C": 1}


def test_a_profile_is_drawn_in_the_files_order():
    context = Context.read(ROOT, {"papers": ["r2d2"]}, main=False)
    spec = json.loads(drawn.as_json(context, drawn.item(context, "figures", "r2d2", "recall_truncated")))
    for panel in spec["panels"]:
        assert list(panel["metrics"]) == ["0", "1", "2", "4", "8", "16", "all"]
