"""What the shipped papers run at their own scale, in numbers: each with its source, read from the expanded specs."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest

from agents.spec.run import Spec, model_of
from analysis.load import read_scores
from analysis.reference import Reference
from analysis.spec.items import Aggregates
from analysis.tables.aggregates import build
from tests.workflow.house import ROOT
from workflow.config import Project
from workflow.expand import Expansion, expand

EVERY = Project(ROOT).paper_names
NATURE = [[32, 8, 4], [64, 4, 2], [64, 3, 1]]  # Mnih et al. 2015
MINATAR_SN = {"minatar/asterix", "minatar/breakout", "minatar/seaquest", "minatar/space_invaders"}  # snrl: its configs


@functools.cache
def expanded(paper: str, scale: str = "paper") -> dict[str, Expansion]:
    return expand(Project(ROOT, {"scale": scale}), paper)


def specs(paper: str, experiment: str, scale: str = "paper") -> dict[str, list[dict[str, Any]]]:
    """Variant -> the specs of its points, as data, flat: dotted key -> value."""
    found: dict[str, list[dict[str, Any]]] = {}
    for point in expanded(paper, scale)[experiment].points:
        tree = json.loads(point.spec("any", 0))
        found.setdefault(point.variant, []).append(dict(_flat(tree)) | {"budget_frames": tree["budget_frames"]})
    return found


def _flat(tree: dict[str, Any], prefix: str = ""):
    for key, value in tree.items():
        yield f"{prefix}{key}", value
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")


QUARTER = {"optimizer.lr": 6.25e-5, "optimizer.epsilon": 0.01 / 32**2 / 16}  # dqn_zoo/prioritized/run_atari.py
A3C = {  # Mnih et al. 2016: the network of its 57 games; 7e-4, 0.1 and 40 from its author's mails
    "network.convolutions": NATURE,
    "agent.unroll": 5,
    "agent.reduction": "sum",
    "optimizer.lr": 7e-4,
    "optimizer.epsilon": 0.1,
    "learning.clip_norm": 40.0,
    "executor.kind": "hogwild",
    "executor.actors": 16,
}
ACTORS = {"executor.kind": "processes", "executor.slots": 2}
IMPALA = ACTORS | {
    "environment.streams": 48,  # actors of a single machine, Espeholt et al. 2018, Table 1
    "executor.actors": 16,  # ours
    "executor.pull_every_steps": 20,  # section 3: at the start of each unroll of 20
    "executor.chunk_steps": 20,
    "learning.batch": 32,  # Table G.1, as the rest
    "agent.unroll": 20,
    "agent.correction.kind": "vtrace",
}
R2D2 = ACTORS | {  # Kapturowski et al. 2019
    "environment.streams": 256,
    "executor.actors": 16,  # ours
    "executor.pull_every_steps": 400,
}
LAGGING = {"environment.streams": 4, "learning.batch": 4, "learning.clock.kind": "unrolls", "executor.kind": "inline"}
ALIKE = {  # both arms of drqn.minatar are evaluated alike
    "evaluation.every_frames": 50_000,
    "evaluation.cap_frames": 10_000,
    "evaluation.epsilon": 0.01,
    "evaluation.streams": 16,
    "evaluation.episodes": 32,
    "evaluation.frames": None,
}
METERED = {  # snrl configs/minatar_dqn_size/default.yaml, the same in all of these studies
    "spectral.power_steps": 5,
    "spectral.target_power_steps": 1,
    "spectral.warmup_steps": 30,
    "spectral.flow": "linear",
}
PENALISED = {  # floringogianu/snrl configs/dqn_minatar.yaml
    "network.convolutions": [[32, 3, 1], [32, 3, 1]],
    "network.units": [128],
    "agent.value.loss": "huber",
    "budget_frames": 2_000_000,
    "optimizer.lr": 2.5e-4,
    "optimizer.epsilon": 3.125e-4,
}
CARTPOLE = {  # y-kamiya/machine-learning-samples, cartpole_rainbow.py
    "environment.solved_length": 150,
    "environment.solved_episodes": 500,
    "budget_frames": 101_200,  # 1,000 + 200 of warm-up, 500 episodes of 200
}
BLOG = {  # y-kamiya/machine-learning-samples@f78a812, config.py and model.py
    "network.convolutions": [[16, 8, 4], [32, 4, 2]],
    "network.units": [256],
    "network.head.kind": "dueling",
    "network.activations.units": "none",
    "optimizer.lr": 1e-4,
    "learning.clock.every_frames": 4,
    "learning.target_every_frames": 4,
    "memory.capacity_steps": 10_000,
    "environment.life_loss": "episode",
    "environment.fire_reset": "lives",
}
NORMS_AS_THEY_ARE = {"spectral.only_shrink": False}
ONE_AT_LEAST = {"spectral.only_shrink": True}  # configs/minatar__grad_div_by_rho: leave_smaller

DREAMERV2 = {  # Hafner et al. 2021, section 2.1, appendices C and D, section 3; danijar/dreamerv2@07d906e
    "agent.discount": 0.999,
    "learning.batch": 50,
    "learning.clock.every_frames": 16,
    "agent.kl_weight": 0.1,
    "agent.starts": None,
    "environment.sticky": 0.25,
    "environment.cap_frames": 108_000,
    "budget_frames": 200_000_000,
}

WANTED: dict[tuple[str, str, str], dict[str, Any]] = {
    ("a3c", "atari", "A3C"): {**A3C, "network.units": [512]},
    ("a3c", "atari", "A3C, LSTM"): {
        **A3C,
        "network.units": [],
        "network.core.before": [512],
        "network.core.units": 256,
    },
    ("noisynet", "a3c", "A3C"): {**A3C, "network.units": [512], "evaluation.noise": False},
    ("noisynet", "a3c", "NoisyNet-A3C"): {
        **A3C,
        "network.units": [512],
        "network.linear.sigma": 0.017,
        "agent.entropy_weight": 0.0,
        "evaluation.noise": True,
    },
    **{("a3c", "lock_free", f"A3C, {n} workers"): {"agent.reduction": "sum"} for n in (2, 4, 8, 16)},
    ("a3c", "lock_free", "A2C"): {"agent.reduction": "mean"},  # openai/baselines a2c
    ("a3c", "batched", "A3C"): {"agent.reduction": "sum"},
    ("a3c", "workers", "A3C"): {"agent.reduction": "sum"},
    ("impala", "throughput", "A3C, 16 workers"): {"agent.reduction": "sum"},
    ("impala", "atari", "IMPALA, shallow"): {**IMPALA, "network.torso.kind": "convolutional"},
    ("impala", "atari", "IMPALA, deep"): {**IMPALA, "network.torso.kind": "residual"},
    **{("impala", "lag", name): LAGGING for name in ("V-trace", "1-step", "epsilon-correction", "No correction")},
    ("impala", "rho_bar", "V-trace"): {**LAGGING, "executor.lags_updates": [10]},
    ("impala", "q_estimate", "v(s+1)"): {**LAGGING, "executor.lags_updates": [10], "agent.q": "vs"},
    ("impala", "q_estimate", "V(s+1)"): {**LAGGING, "executor.lags_updates": [10], "agent.q": "value"},
    **{
        ("impala", "replay", name): {"environment.streams": 2, "learning.batch": 4, "memory.select.replay_share": 0.5}
        for name in ("V-trace", "1-step", "epsilon-correction", "No correction")
    },
    ("apex", "atari", "Ape-X"): {**ACTORS, "environment.streams": 360, "executor.actors": 18},
    ("r2d2", "atari", "R2D2"): R2D2,
    ("r2d2", "feed_forward", "R2D2-FF"): R2D2,
    ("r2d2", "ablations", "submission"): {**R2D2, "memory.select.weights.kind": "none"},
    ("r2d2", "truncation", "zero state"): {**R2D2, "agent.state": "zero"},
    ("per", "atari", "rank-based"): {**QUARTER, "memory.select.kind": "rank"},
    ("per", "atari", "proportional"): {**QUARTER, "memory.select.kind": "proportional"},
    ("per", "dqn", "DQN, rank-based"): {  # Schaul et al. 2016, Table 3
        **QUARTER,
        "memory.select.kind": "rank",
        "memory.select.exponent": {"start": 0.5, "end": 0.0, "end_frames": 200_000_000},
        "memory.select.weights.kind": "none",
        "agent.selector": "target",
    },
    ("per", "weights", "rank-based, no weights"): {**QUARTER, "memory.select.weights.kind": "none"},
    ("per", "weights", "rank-based, full weights"): {  # its Figure 12: the step size of uniform replay
        "memory.select.kind": "rank",
        "memory.select.weights.beta": 1.0,
        "optimizer.lr": 2.5e-4,
        "optimizer.epsilon": 0.01 / 32**2,
    },
    ("dqn", "ablations", "DQN without replay"): {"memory.select.kind": "newest", "budget_frames": 40_000_000},
    ("dqn", "ablations", "DQN without a target network"): {"learning.target_every_frames": 16},
    ("dqn", "ablations", "linear"): {"network.convolutions": [], "network.units": []},
    ("double_dqn", "values", "Double DQN"): {"agent.selector": "online", "network.shared_bias": False},
    ("dueling", "atari", "Single, clipped"): {**QUARTER, "network.head.kind": "plain", "learning.clip_norm": 10.0},
    ("dueling", "prioritized", "Prioritized dueling"): {
        **QUARTER,
        "memory.select.exponent": 0.7,
        "network.head.kind": "dueling",
    },
    ("c51", "atoms", "11 atoms"): {"agent.value.atoms": 11, "exploration.end": 0.05},
    ("c51", "sticky", "C51"): {"environment.sticky": 0.25},
    ("blog", "breakout", "baseline"): {**BLOG, "memory.select.kind": "uniform", "agent.value.loss": "huber"},
    ("blog", "breakout", "+PER +IS"): {**BLOG, "agent.value.loss": "absolute", "memory.select.weights.start": 0.4},
    ("blog", "breakout", "+PER +IS, not annealed"): {**BLOG, "memory.select.weights.beta": 0.4},
    ("blog", "noisy", "noisy"): {**BLOG, "network.linear.sigma": 0.5, "exploration.kind": "none"},
    ("per", "dqn", "DQN"): {"optimizer.lr": 2.5e-4, "optimizer.epsilon": 0.01 / 32**2},  # dqn_zoo/dqn/run_atari.py
    ("per", "cartpole", "baseline"): {**CARTPOLE, "agent.value.loss": "huber"},
    ("per", "cartpole", "+PER"): {**CARTPOLE, "agent.value.loss": "huber", "memory.select.weights.kind": "none"},
    ("per", "cartpole", "+PER +IS"): {**CARTPOLE, "agent.value.loss": "absolute", "memory.select.weights.start": 0.4},
    ("noisynet", "dueling", "Dueling"): QUARTER,
    ("noisynet", "dueling", "NoisyNet-Dueling"): QUARTER,
    ("rainbow", "atari", "Dueling Double DQN"): QUARTER,
    ("rainbow", "atari", "Prioritized Double DQN"): QUARTER,
    **{
        ("drqn", name, variant): {**ALIKE, key: 10}
        for name in ("minatar", "minatar_flickering")
        for variant, key in (("DRQN", "agent.sequence"), ("DQN, 10 frames", "environment.stack"))
    },
    ("drqn", "standard", "DRQN"): {"environment.noop_max": 0},  # dqn_main.cpp, PlayOneEpisode
    ("drqn", "standard", "DQN"): {"environment.noop_max": 0, "environment.stack": 4},
    ("dreamerv2", "atari", "DreamerV2"): {
        **DREAMERV2,
        "agent.reinforce.value": 1.0,
        "agent.entropy_weight.value": 1e-3,
    },
    ("dreamerv2", "atari", "DreamerV2 (schedules)"): {  # faf9e4c: 0.1 of the other gradient, over 2.5e6 agent steps
        **DREAMERV2,
        "agent.reinforce.start": 0.9,
        "agent.reinforce.end_frames": 10_000_000,
        "agent.entropy_weight.end": 3e-4,
    },
    ("dreamerv2", "sources", "discount of Table D.1"): {**DREAMERV2, "agent.discount": 0.995},
    ("dreamerv2", "sources", "released code"): {
        **DREAMERV2,
        "learning.batch": 16,
        "learning.clock.every_frames": 64,
        "environment.actions": "minimal",
    },
    ("dreamerv2", "sources", "DreamerV1"): {"agent.kl.free_nats": 3.0, "agent.reinforce.value": 0.0},
    ("dreamerv2", "montezuma", "DreamerV2, discount 0.99"): {**DREAMERV2, "agent.discount": 0.99},
    ("sn", "schedulers", "SN"): {**NORMS_AS_THEY_ARE, "spectral.bound": 1.0},
    ("sn", "schedulers", "divOut"): NORMS_AS_THEY_ARE,
    **{
        ("sn", "schedulers", name): ONE_AT_LEAST
        for name in ("divGrad", "mulEps", "divGrad (product)", "mulEps (product)")
    },
    ("sn", "bound", "DQN SN[-1,-2,-3]"): {"spectral.only_shrink": True},  # configs/breakout_dqn_Lk: leave_smaller
    **{("sn", "regularisers", name): PENALISED for name in ("DQN", "DQN SN[-2]", "batch normalisation")},
    ("sn", "regularisers", "gradient penalty"): {**PENALISED, "agent.penalty.norm": 2.0, "agent.penalty.weight": 1.0},
}


@pytest.mark.parametrize("key", WANTED, ids="/".join)
def test_a_variant_has_the_numbers_of_its_source(key: tuple[str, str, str]):
    paper, experiment, variant = key
    found = specs(paper, experiment)[variant]
    for dotted, wanted in WANTED[key].items():
        value = pytest.approx(wanted) if isinstance(wanted, float) else wanted
        assert all(spec[dotted] == value for spec in found), (dotted, found[0][dotted])


@pytest.mark.parametrize("experiment", ["schedulers", "bound", "base", "regularisers"])
def test_the_studies_of_spectral_norms_take_the_authors_four_games(experiment: str):
    """configs/minatar__grad_div_by_rho/config.yaml and, for all its name, configs/breakout_dqn_Lk/config*.yaml."""
    assert set(expanded("sn")[experiment].games) == MINATAR_SN


def test_the_baselines_of_bound_and_schedulers_are_plain_dqn_on_their_network():
    (base,) = specs("sn", "base")["DQN"]
    others = [spec for name in ("bound", "schedulers") for points in specs("sn", name).values() for spec in points]
    for spec in others:
        differing = {key for key in spec if spec[key] != base.get(key) and not isinstance(spec[key], dict)}
        studied = {f"spectral.{key}" for key in ("kind", "layers", "bound", "only_shrink", "scope")}
        assert differing <= studied | METERED.keys()
        assert METERED | {key: spec[key] for key in METERED.keys() & differing} == METERED
    paper, _ = Project(ROOT).paper("sn")
    drawn = {figure.id: figure for figure in paper.figures}
    for name in ("bound", "schedulers"):
        assert set(drawn[name].experiments) == {f"sn.{name}", "sn.base"} and drawn[name].reference_lines == ["DQN"]


@pytest.mark.parametrize("paper", EVERY)
def test_on_whole_atari_every_plain_torso_is_the_nature_network(paper: str):
    """49 games and more: none of these papers used the small network of its preliminary studies there."""
    for name, experiment in expanded(paper).items():
        if experiment.games[0].startswith("atari/") and len(experiment.games) >= 49:
            for variant, points in specs(paper, name).items():
                plain = [spec for spec in points if spec["agent.kind"] != "dreamer"]  # whose screens are of 64 pixels
                nets = [(spec["network.torso.kind"], spec["network.convolutions"]) for spec in plain]
                assert all(torso == "residual" or net == NATURE for torso, net in nets), (name, variant)


@pytest.mark.parametrize("paper", EVERY)
def test_at_the_papers_scale_a_run_asks_for_a_core_of_each_process_it_starts(paper: str):
    for name, experiment in expanded(paper).items():
        for point in experiment.points:
            assert point.cluster.cpus >= point.threads, (name, point.variant)


@pytest.mark.parametrize(
    ("paper", "experiments"),
    [("impala", ["atari"]), ("r2d2", ["atari", "feed_forward", "ablations", "truncation"]), ("apex", ["atari"])],
)
def test_distributed_agents_keep_their_actors_and_may_spread_them_over_nodes(paper: str, experiments: list[str]):
    """One line, `executor.kind: ray`, makes each a run over several nodes; validation takes every arm."""
    for name in experiments:
        for point in expanded(paper)[name].points:
            tree = json.loads(point.spec("pong", 0))
            executor = tree["executor"]
            assert (executor["kind"], point.launcher, point.threads) == ("processes", "env", 1 + executor["actors"])
            assert tree["environment"]["streams"] % executor["actors"] == 0
            tree["executor"]["kind"] = "ray"
            assert model_of(tree).model_validate(tree).executor.actors == executor["actors"]


def test_at_small_scales_impala_and_r2d2_act_in_one_process():
    for scale in ("reduced", "smoke"):
        for paper, name in (("impala", "atari"), ("r2d2", "atari"), ("r2d2", "ablations"), ("r2d2", "truncation")):
            for point in expanded(paper, scale)[name].points:
                kind = json.loads(point.spec("any", 0))["executor"]["kind"]
                assert (kind, point.threads, point.cluster.cpus) == ("inline", 1, 1)


@pytest.mark.parametrize("scale", ["paper", "reduced", "smoke"])
def test_in_the_study_of_lags_an_unroll_of_all_streams_makes_one_update(scale: str):
    """Else an update would learn from what parameters some updates older than its lag had done."""
    for name in ("lag", "rho_bar", "q_estimate", "replay"):
        for point in expanded("impala", scale)[name].points:
            spec = Spec.model_validate_json(point.spec("breakout", 0))
            fresh = spec.memory.select.fresh(spec.learning.batch)
            assert fresh == spec.environment.streams
            assert spec.learning.clock.kind == "unrolls"
            assert spec.first_update_frame == fresh * spec.agent.unroll


def test_lags_that_would_not_be_those_asked_for_are_refused():
    point = next(p for p in expanded("impala")["lag"].points if p.vary["executor.lags_updates"] == [10])
    tree = json.loads(point.spec("breakout", 0))
    for streams, select in ((16, {}), (4, {"replay_share": 0.5})):
        tree["environment"]["streams"] = streams
        tree["memory"]["select"] |= select
        with pytest.raises(ValueError, match="an unroll of all streams makes one update"):
            Spec.model_validate(tree)
    tree["environment"]["streams"] = 2  # two new unrolls, two replayed
    Spec.model_validate(tree)


def test_cartpole_is_never_cut_off_before_its_500_episodes():
    """cartpole/v0 ends episodes at 200 frames; the warm-up ends with the episode under way at its last frame."""
    for points in specs("per", "cartpole").values():
        for spec in points:
            longest = spec["exploration.warmup_frames"] + 200 + spec["environment.solved_episodes"] * 200
            assert spec["budget_frames"] >= longest


def published(spec: Aggregates) -> Aggregates:
    """A table without the lines of our runs."""
    rows = [row.model_copy(update={"variant": None}) for row in spec.rows if row.scores is not None]
    return spec.model_copy(update={"rows": rows, "experiments": []})


def test_the_24_cells_of_dreamerv2s_table_1():
    """All as printed, but for one: Table K.1 rounds to whole points, which moves DreamerV2's mean by 0.01."""
    described, _ = Project(ROOT).paper("dreamerv2")
    spec = next(table for table in described.tables if table.id == "aggregates")
    data = build(published(spec), read_scores([]), Reference(ROOT / "config" / "reference")).data
    found = data.assign(cell=data.value.round(2)).set_index(["row", "column"])
    off = found[found.cell != found.printed]
    assert len(found) == 24 and list(off.index) == [("DreamerV2", "Gamer mean")]
    assert off.cell.tolist() == [11.32] and off.printed.tolist() == [11.33]


def test_the_tables_of_per_and_rainbow_print_their_own_papers_numbers():
    shown = {}
    reference = Reference(ROOT / "config" / "reference")
    for paper in ("per", "rainbow"):
        described, _ = Project(ROOT).paper(paper)
        for spec in (t for t in described.tables if t.kind == "aggregates"):
            shown[paper, spec.id] = {
                line[0]: line[1:-1] for line in build(published(spec), read_scores([]), reference).body
            }
    assert shown["per", "aggregates"] == {  # Schaul et al. 2016, Table 1: recomputed (printed)
        "DQN": ["48 (48)", "122 (122)", "52", "–", "14 (15)"],
        "DQN, rank-based": ["106 (106)", "355 (355)", "130", "41 (41)", "25 (25)"],
        "Double DQN (tuned)": ["111 (111)", "418 (418)", "115", "–", "30 (30)"],
        "Double DQN, rank-based": ["113 (113)", "454 (454)", "142", "38 (38)", "33 (33)"],
        "Double DQN, proportional": ["128 (128)", "551 (551)", "171", "42 (42)", "33 (33)"],
    }
    noop, human = shown["rainbow", "medians_noop"], shown["rainbow", "medians_human"]  # Hessel et al. 2018, Table 2
    assert (noop["DDQN"][0], noop["Dueling DDQN"][0]) == ("118 (117)", "151 (151)")
    assert noop["Distributional DQN, arXiv version"][0] == "169 (164)"
    assert noop["Distributional DQN, published version"][0] == "169 (185)"
    assert (human["DDQN"][0], human["Prioritized DDQN"][0]) == ("111 (110)", "128 (128)")
    assert (human["Dueling DDQN"][0], human["A3C"][0]) == ("117 (117)", "117 (116)")
