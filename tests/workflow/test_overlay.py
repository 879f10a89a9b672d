"""Layers of numbers on parts of several kinds: what is kept, what is gone, and what is told of keys that nobody has."""

# ruff: noqa: E501 - one case a line

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from agents.spec.run import Spec
from tests.agents.specs import has
from workflow.config import Project
from workflow.expand import Papers, expand
from workflow.overlay import chooses_anew, leaves, merge
from workflow.strict_yaml import ConfigError
from workflow.typed import knows

PAPER, ALGORITHM = "config/papers/house.yaml", "config/algorithms/dqn_minatar_sn.yaml"
ALTERNATIVES = {
    "spectral": {"weights": {"steps": 5, "bound": 1.0}, "output": {"steps": 7}},
    "agent.value": {"quantile": {"kappa": 1.0}},
    "head": {"dueling": {}},
}
TREE = {
    "spectral": "none",
    "optimizer": {"kind": "adam", "lr": 1, "beta1": 2},
    "agent": {"kind": "dqn", "value": {"kind": "scalar", "loss": "huber"}},
    "head": "plain",
}


# ---------------------------------------------------------------- merge


@pytest.mark.parametrize(
    ("over", "at", "wanted"),
    [
        ({"spectral": {"kind": "weights"}}, "spectral", {"kind": "weights", "steps": 5, "bound": 1.0}),
        ({"spectral": {"kind": "weights", "steps": 9}}, "spectral", {"kind": "weights", "steps": 9, "bound": 1.0}),
        ({"spectral": "output"}, "spectral", {"kind": "output", "steps": 7}),
        ({"spectral": "none"}, "spectral", "none"),
        ({"spectral": {"steps": 3}}, "spectral", {"kind": "none", "steps": 3}),  # which its model refuses
        ({"optimizer": {"lr": 3}}, "optimizer", {"kind": "adam", "lr": 3, "beta1": 2}),
        ({"optimizer": {"kind": "adam", "lr": 3}}, "optimizer", {"kind": "adam", "lr": 3, "beta1": 2}),
        ({"optimizer": "adam"}, "optimizer", {"kind": "adam", "lr": 1, "beta1": 2}),
        ({"optimizer": "sgd"}, "optimizer", {"kind": "sgd"}),
        ({"optimizer": {"kind": "sgd", "lr": 3}}, "optimizer", {"kind": "sgd", "lr": 3}),
        ({"agent": {"value": {"kind": "quantile"}}}, "agent", {"kind": "dqn", "value": {"kind": "quantile", "kappa": 1.0}}),
        ({"agent": {"value": "quantile"}}, "agent", {"kind": "dqn", "value": {"kind": "quantile", "kappa": 1.0}}),
        ({"agent": {"kind": "r2d2", "value": {"kind": "quantile"}}}, "agent", {"kind": "r2d2", "value": {"kind": "quantile", "kappa": 1.0}}),
        ({"head": "dueling"}, "head", {"kind": "dueling"}),
        ({"head": {"kind": "plain"}}, "head", {"kind": "plain"}),
    ],
)  # fmt: skip
def test_a_part_of_another_kind_starts_from_its_alternative(over, at, wanted):
    tree, alternatives = copy.deepcopy(TREE), copy.deepcopy(ALTERNATIVES)
    given = copy.deepcopy(over)
    found = merge(tree, given, alternatives)
    assert found[at] == wanted
    assert {key: value for key, value in found.items() if key != at} == {k: v for k, v in TREE.items() if k != at}
    assert (tree, given, alternatives) == (TREE, over, ALTERNATIVES)  # nothing that was given is changed


def test_from_kind_to_kind_and_back_no_number_of_the_former_is_left():
    weights = merge(TREE, {"spectral": {"kind": "weights", "bound": 4.0}}, ALTERNATIVES)
    output = merge(weights, {"spectral": {"kind": "output"}}, ALTERNATIVES)
    assert output["spectral"] == {"kind": "output", "steps": 7}
    assert merge(output, {"spectral": {"kind": "weights"}}, ALTERNATIVES)["spectral"]["bound"] == 1.0


def test_leaves_tell_what_chooses_a_kind_first():
    layer = {
        "spectral.bound": 2,
        "agent.value.kappa": 0,
        "agent": {"n_step": 3, "value": {"kind": "quantile", "quantiles": 5}},
        "spectral.kind": "weights",
        "optimizer": {"lr": 1},
    }
    assert leaves(layer, ("set",)) == [
        ("spectral.kind", ("set", "spectral.kind"), "weights"),
        ("spectral.bound", ("set", "spectral.bound"), 2),
        ("agent.n_step", ("set", "agent", "n_step"), 3),
        ("agent.value", ("set", "agent", "value"), {"kind": "quantile", "quantiles": 5}),
        ("optimizer.lr", ("set", "optimizer", "lr"), 1),
        ("agent.value.kappa", ("set", "agent.value.kappa"), 0),
    ]


def test_what_a_tree_has():
    assert has(TREE, "agent.value.loss") and has(TREE, "spectral") and not has(TREE, "spectral.bound")
    assert has(TREE, "spectral.kind") and has(TREE, "agent.value.kind")  # a part written as its kind alone, too
    assert not has(TREE, "optimizer.lr.x") and not has(TREE, "nothing.kind")


def test_what_a_model_knows_given_the_kinds_of_parts():
    tree = {
        "agent": {"kind": "dqn", "value": "categorical"},
        "spectral": {"kind": "lr"},
        "network": {"linear": "plain"},
    }
    assert all(knows(Spec, tree, key) for key in ("agent.n_step", "agent.value.atoms", "spectral.scope", "optimizer"))
    assert not any(
        knows(Spec, tree, key) for key in ("agent.unroll", "agent.value.loss", "spectral.bound", "agent.x.y")
    )
    assert knows(Spec, tree, "network.linear.kind") and not knows(Spec, tree, "network.linear.sigma")
    assert knows(Spec, {"environment": {"suite": "atari"}}, "environment.repeat")
    assert not knows(Spec, {"environment": {"suite": "minatar"}}, "environment.repeat")


def test_what_chooses_another_kind():
    assert chooses_anew(TREE, "spectral.kind", "weights") and chooses_anew(TREE, "agent.value", "quantile")
    assert chooses_anew(TREE, "spectral", {"kind": "weights"}) and chooses_anew(TREE, "optimizer", {"kind": "sgd"})
    same = [("spectral.kind", "none"), ("agent.value", "scalar"), ("optimizer", {"kind": "adam", "lr": 5})]
    assert not any(chooses_anew(TREE, *each) for each in [*same, ("agent.value.loss", "squared"), ("optimizer.lr", 2)])


# ---------------------------------------------------------------- layers of an experiment


def edit(project: Path, *changes: tuple[str, str], file: str = PAPER) -> None:
    path = project / file
    text = path.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path.write_text(text)


def told(project: Path, scale: str = "paper") -> list[str]:
    with pytest.raises(ConfigError) as error:
        expand(Project(project, {"scale": scale}), "house")
    return [str(problem) for problem in error.value.problems]


def parts(project: Path, key: str, scale: str = "paper", experiment: str = "house.base") -> dict[str, list]:
    """Variant -> the part of that name, of its points."""
    found: dict[str, list] = {}
    for point in Papers(Project(project, {"scale": scale})).experiment(experiment).points:
        part = json.loads(point.template)
        for name in key.split("."):
            part = part[name]
        found.setdefault(point.variant, []).append(part)
    return found


SET = "set: { record.norms: none, optimizer.lr: 1e-3 }"
BEST = ("kind: greater,", "kind: best_greater,")  # the house's claim, where its experiment is a sweep
WEIGHTS = {
    "kind": "weights", "layers": [-2], "power_steps": 5, "target_power_steps": 1, "warmup_steps": 30, "bound": 1.0,
    "only_shrink": False, "flow": "linear",
}  # fmt: skip


def test_a_shared_number_goes_to_the_variants_that_have_it(project: Path):
    edit(project, (SET, "set: { record.norms: none, optimizer.lr: 1e-3, spectral.power_steps: 9 }"))
    assert parts(project, "spectral") == {"DQN": [{"kind": "none"}], "SN": [WEIGHTS | {"power_steps": 9}]}


def test_a_shared_kind_alone_may_take_the_place_of_another(project: Path):
    for kind in ("spectral: output", "spectral.kind: output", "spectral: { kind: output }"):
        edit(project, (SET, f"set: {{ record.norms: none, spectral.layers: [-1], {kind} }}"))
        output = {"kind": "output", "layers": [-1], "power_steps": 5, "target_power_steps": 1, "warmup_steps": 30}
        assert parts(project, "spectral") == {"DQN": [output | {"only_shrink": False}], "SN": [WEIGHTS]}
        edit(project, (f"set: {{ record.norms: none, spectral.layers: [-1], {kind} }}", SET))


def test_a_shared_number_outlives_a_shared_kind_that_a_variant_replaces(project: Path):
    edit(
        project,
        ("SN: {", "SN: { record.norms: { kind: spectral, layers: [-1], power_steps: 30 },"),
        ("seeds: 1 }\n", "seeds: 1, set: { record.norms.power_steps: 2 } }\n"),
    )
    norms = {"kind": "spectral", "layers": [-1], "power_steps": 30}
    assert parts(project, "record.norms") == {"DQN": [{"kind": "none"}], "SN": [norms]}
    assert parts(project, "record.norms", "smoke") == {"DQN": [{"kind": "none"}], "SN": [norms]}  # the variant's counts
    edit(project, ("layers: [-1], power_steps: 30 },", "layers: [-1] },"), ("power_steps: 2", "power_steps: 3"))
    alternatives = "alternatives: # what a part starts from where another kind of it is chosen\n"
    edit(
        project, (alternatives, f"{alternatives}  record.norms: {{ spectral: {{ power_steps: 7 }} }}\n"), file=ALGORITHM
    )
    assert parts(project, "record.norms")["SN"] == [norms | {"power_steps": 7}]
    assert parts(project, "record.norms", "smoke")["SN"] == [norms | {"power_steps": 3}]


def test_a_variants_number_holds_for_the_kinds_that_are_varied(project: Path):
    edit(
        project,
        ("SN: { spectral.kind: weights, spectral.layers: [-2] }", "SN: { spectral: { layers: [-2], power_steps: 9 } }"),
        ("DQN: {}", "DQN: { spectral.layers: [-1] }"),
        (SET, f"{SET}\n    vary: {{ spectral.kind: [weights, gradient] }}"),
        BEST,
    )
    found = parts(project, "spectral")
    assert [(part["kind"], part["power_steps"]) for part in found["SN"]] == [("weights", 9), ("gradient", 9)]
    assert [(part["kind"], part["power_steps"]) for part in found["DQN"]] == [("weights", 5), ("gradient", 5)]
    assert "bound" not in found["SN"][1] and found["SN"][1]["scope"] == "layer"


def test_an_algorithm_changes_single_numbers_of_what_it_inherits(project: Path):
    (project / "config/algorithms/child.yaml").write_text(
        "label: Child\nsource: tests\nextends: dqn_minatar_sn\nspec: {}\n"
        "alternatives: { spectral: { weights: { bound: 2.0 } }, agent.value: { scalar: { loss: huber } } }\n"
    )
    found = Project(project).algorithm("child").alternatives
    assert found["spectral"]["weights"] == {k: v for k, v in WEIGHTS.items() if k not in ("kind", "layers")} | {
        "bound": 2.0
    }
    assert found["spectral"]["output"]["power_steps"] == 5 and found["agent.value"] == {"scalar": {"loss": "huber"}}
    assert Project(project).algorithm("dqn_minatar_sn").alternatives["spectral"]["weights"]["bound"] == 1.0


# ---------------------------------------------------------------- what is told, and where


UNUSED = "no variant has this key, given the kinds of its parts"


def test_a_shared_number_that_no_variant_has(project: Path):
    edit(
        project,
        (
            SET,
            "set:\n      optimizer.lr: 1e-3\n      spectral.scope: layer\n      network:\n        linear: { sigma: 1 }",
        ),
    )
    assert told(project) == told(project, "smoke") == [
        f"{PAPER}:15: experiments.base.set.spectral.scope: {UNUSED}",
        f"{PAPER}:17: experiments.base.set.network.linear.sigma: {UNUSED}",
    ]  # fmt: skip


def test_a_kind_that_every_variant_replaces_leaves_its_numbers_to_none(project: Path):
    """The algorithm's exploration has an `end`, and no variant keeps it."""
    edit(
        project,
        (SET, "set: { exploration.end: 0.5, exploration.kind: linear }"),
        ("DQN: {}", "DQN: { exploration: none }"),
        ("SN: {", "SN: { exploration: { kind: none },"),
    )
    assert told(project) == [f"{PAPER}:13: experiments.base.set.exploration.end: {UNUSED}"]


def test_a_scale_may_leave_out_the_variants_that_have_it(project: Path):
    edit(
        project,
        (SET, "set: { spectral.power_steps: 9 }"),
        ("seeds: 1 }\n", "seeds: 1, variants: [DQN] }\n"),
    )
    assert parts(project, "spectral", "smoke") == {"DQN": [{"kind": "none"}]}
    edit(project, ("variants: [DQN]", "variants: [DQN], set: { spectral.flow: all }"))
    assert told(project, "smoke") == [f"{PAPER}:18: experiments.base.scales.smoke.set.spectral.flow: {UNUSED}"]


def test_a_number_of_another_kind_in_a_variant(project: Path):
    edit(project, ("spectral.kind: weights", "spectral.kind: weights, spectral.scope: layer"))
    assert told(project) == [
        f"{PAPER}:16: experiments.base.variants.SN.spectral.scope: unknown key; valid: bound, flow, kind, "
        "layers, only_shrink, power_steps, target_power_steps, warmup_steps"
    ]


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ("exploration.kind: ladder", "exploration.kind"),
        ("exploration: ladder", "exploration"),
        ("exploration: { kind: ladder }", "exploration.kind"),
    ],
)
def test_numbers_that_are_missing_are_told_where_the_kind_is_chosen(project: Path, change: str, at: str):
    edit(project, (SET, "set: { exploration: { kind: linear, end: 0.1 } }"), ("DQN: {}", f"DQN: {{ {change} }}"))
    assert told(project) == [
        f"{PAPER}:15: experiments.base.variants.DQN.{at}: exploration.{key}: is missing" for key in ("alpha", "base")
    ]


def test_what_does_not_go_together_is_told_at_the_first_key_that_is_named(project: Path):
    edit(
        project,
        ("DQN: {}", "DQN:\n        learning.lr_decay_frames: 500\n        evaluation.epsilon: 0.5\n        spectral:\n"
         "          kind: lr\n          layers: [-9]"),
        (SET, "set:\n      network.convolutions: [[16, 11, 1]]\n      memory.select: newest"),
    )  # fmt: skip
    found = told(project)
    base, variant = f"{PAPER}:14: experiments.base.set", "experiments.base.variants.DQN.spectral"
    assert sorted(set(found)) == [
        f"{base}.network.convolutions: network.convolutions of environment minatar: a 11x11 kernel does not fit into "
        "10x10 pixels",
        f"{PAPER}:15: experiments.base.set.memory.select: memory.select newest learns from every transition once: "
        "learning.batch 32, but 4 are made in learning.clock.every_frames",
        f"{PAPER}:21: {variant}.kind: spectral lr and learning.lr_decay_frames both set the learning rate",
        f"{PAPER}:22: {variant}.layers: spectral.layers [-9] lie beyond the network's 3 layers",
    ]


def test_a_sentence_about_one_part_is_told_at_the_key_that_it_names(project: Path):
    """Not at learning.batch, which lies above it."""
    edit(
        project,
        (SET, "set:\n      learning.target_every_frames: 4_001"),
        ("DQN: {}", "DQN: { learning.batch: 8 }"),
    )
    assert told(project) == [
        f"{PAPER}:14: experiments.base.set.learning.target_every_frames: learning: target_every_frames must be a "
        "multiple of clock.every_frames"
    ]


def test_where_no_key_of_the_paper_is_named_the_variant_is_blamed(project: Path):
    edit(project, ("start_frames: 5_000", "start_frames: 4"), ("n_step: 1", "n_step: 20"), file=ALGORITHM)
    why = "learning.clock.start_frames 4: the first update comes at frame 8, when memory.select uniform has no whole "
    why += "window of agent dqn yet: at least 17 are wanted"
    assert told(project) == [
        f"{PAPER}:15: experiments.base.variants.DQN: {why}",
        f"{PAPER}:16: experiments.base.variants.SN: {why}",
        f"{PAPER}:19: experiments.sweep.variants.DQN: {why}",
    ]


def test_a_key_of_a_part_that_is_put_in_whole_is_told_on_its_own_line(project: Path):
    part = "SN:\n        spectral:\n          kind: weights\n          layers: [-2]\n          bond: 3\n          bound: -1\n"
    edit(project, ("SN: { spectral.kind: weights, spectral.layers: [-2] }\n", part))
    assert told(project) == [
        f"{PAPER}:20: experiments.base.variants.SN.spectral.bond: unknown key; did you mean 'bound'?",
        f"{PAPER}:21: experiments.base.variants.SN.spectral.bound: must be greater than 0, not -1",
    ]


@pytest.mark.parametrize(
    ("value", "shown", "valid"),
    [
        ("5", "'5'", "valid: epsilon, gradient, lr, none, output, weights"),
        ("[weights]", "\"['weights']\"", "did you mean 'weights'?"),
    ],
)
def test_a_kind_that_is_no_word(project: Path, value: str, shown: str, valid: str):
    edit(project, ("optimizer.lr: 1e-3 }", f"spectral.kind: {value} }}"))
    said = f"{PAPER}:13: experiments.base.set.spectral.kind: unknown kind {shown}; {valid}"
    assert told(project) == [said]


TWICE = {
    "in two spellings": ("optimizer.lr: 1e-3, optimizer: { lr: 1e-2 }", "13: experiments.base.set.optimizer.lr: given twice (first on line 13)"),
    "a kind in two spellings": ("spectral.kind: output, spectral: none", "13: experiments.base.set.spectral: given twice (first on line 13)"),
}  # fmt: skip


@pytest.mark.parametrize("case", TWICE)
def test_what_one_layer_gives_twice(project: Path, case: str):
    given, message = TWICE[case]
    edit(project, ("optimizer.lr: 1e-3 }", f"{given} }}"))
    assert told(project) == [f"{PAPER}:{message}"]


VARIED = {
    "the same value": ("vary: { optimizer.lr: [1e-3, 1e-2, 0.001] }", "13: experiments.base.vary.optimizer.lr: 0.001 is given twice"),
    "the same row": ("zip: { optimizer.lr: [1.0, 1.0], learning.batch: [8, 8] }", "13: experiments.base.zip: [1.0, 8] is given twice"),
    "crossed and side by side": ("vary: { optimizer.lr: [1, 2] }\n    zip: { optimizer.lr: [3] }", "14: experiments.base.zip.optimizer.lr: is in `vary` and in `zip`"),
}  # fmt: skip


@pytest.mark.parametrize("case", VARIED)
def test_what_would_make_a_run_twice_or_drop_a_value(project: Path, case: str):
    given, message = VARIED[case]
    edit(project, (SET, given), BEST)
    assert told(project) == [f"{PAPER}:{message}"]


def test_a_scale_crosses_what_its_experiment_takes_side_by_side(project: Path):
    edit(
        project,
        (SET, "zip: { optimizer.lr: [1, 2] }"),
        ("seeds: 1 }\n", "seeds: 1, vary: { optimizer.lr: [3] } }\n"),
        BEST,
    )
    message = "experiments.base.scales.smoke.vary.optimizer.lr: is in `vary` and in `zip`"
    assert told(project) == [f"{PAPER}:18: {message}"]


def test_an_experiments_own_number_takes_the_place_of_the_inherited_one_in_any_spelling(project: Path):
    inherited = "set: { record.norms: none, optimizer: { epsilon: 1.0 }, optimizer.lr: 3.0, learning: { batch: 8 } }"
    own = "other: { extends: base, title: Other, set: { optimizer: { lr: 2.0 }, learning.batch: 4 } }"
    edit(project, (SET, inherited), ("  sweep:\n", f"  {own}\n  sweep:\n"))
    assert [part["lr"] for part in parts(project, "optimizer", experiment="house.base")["DQN"]] == [3.0]
    assert [part["lr"] for part in parts(project, "optimizer", experiment="house.other")["DQN"]] == [2.0]
    assert parts(project, "learning.batch", experiment="house.other")["DQN"] == [4]


def test_games_are_of_the_suite_that_is_chosen(project: Path):
    cue = "suite: recall, streams: 1, stack: 1, flicker: 0, hidden: [], cues: 3, delay: 2, cap_frames: null"
    edit(project, (SET, f"set: {{ environment: {{ {cue} }} }}"))
    said = "dqn_minatar_sn plays recall games, not minatar"
    assert told(project) == [
        f"{PAPER}:10: experiments.base.games.0: {said}/breakout",
        f"{PAPER}:10: experiments.base.games.1: {said}/asterix",
    ]
    edit(
        project,
        ("[minatar/breakout, minatar/asterix]", "[recall/cue]"),
        ("      games: [minatar/breakout] }", "      normalisation: raw }"),
    )
    assert parts(project, "environment.suite") == {"DQN": ["recall"], "SN": ["recall"]}


def test_numbers_of_another_suite_are_missing_where_it_is_chosen(project: Path):
    edit(project, ("DQN: {}", "DQN:\n        optimizer.lr: 1\n        environment.suite: cartpole"))
    assert f"{PAPER}:17: experiments.base.variants.DQN.environment.suite: environment.reward: is missing" in told(
        project
    )


def test_a_number_like_the_stand_in_of_seeds_stays_what_it_is(project: Path):
    edit(project, (SET, "set: { exploration.end_frames: 9_007_199_254_740_881 }"))
    (first, *_) = Papers(Project(project, {"scale": "paper"})).runs("house.base").values()
    found = json.loads(first.spec)
    assert (found["exploration"]["end_frames"], found["seed"]) == (9_007_199_254_740_881, 0)


def test_hidden_channels_are_those_of_every_game(project: Path):
    edit(project, (SET, "set: { environment.hidden: [5] }"), ("minatar/asterix]", "minatar/seaquest]"))
    said = "environment.hidden [5]: environment.game breakout has 4 channels, from 0"
    assert told(project) == [f"{PAPER}:13: experiments.base.set.environment.hidden: {said}"]


def test_a_share_of_the_budget_is_for_counts(project: Path):
    edit(project, ("optimizer.lr: 1e-3 }", "optimizer.lr: 20 %, exploration.end_frames: 600 % }"))
    assert told(project) == [f"{PAPER}:13: experiments.base.set.optimizer.lr: a number is wanted, not '20 %'"]


BAD = {
    "other kind": ("    lr: { power_steps: 5", "    lr: { kind: epsilon, power_steps: 5", ["98: alternatives.spectral.lr.kind: must be 'lr', or left out"]),
    "part": ("  spectral: # power", "  spectrl: # power", ["90: alternatives.spectrl: unknown key of the spec; did you mean 'spectral'?"]),
    "kind": ("    weights: { power", "    weigths: { power", ["94: alternatives.spectral.weigths: unknown kind 'weigths'; did you mean 'weights'?"]),
    "number": ("    output: { power_steps", "    output: { powr_steps", ["95: alternatives.spectral.output.powr_steps: unknown key; did you mean 'power_steps'?"]),
    "value": ("bound: 1.0", "bound: -1.0", ["94: alternatives.spectral.weights.bound: must be greater than 0, not -1.0"]),
    "no mapping": ("    lr: { power_steps: 5, warmup_steps: 30, only_shrink: false, scope: layer }", "    lr: 5", ["98: alternatives.spectral.lr: a mapping of keys to values is wanted, not 5"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_alternatives_are_checked(project: Path, case: str):
    old, new, wanted = BAD[case]
    edit(project, (old, new), file=ALGORITHM)
    with pytest.raises(ConfigError) as error:
        Project(project).algorithm("dqn_minatar_sn")
    assert [str(problem) for problem in error.value.problems] == [f"{ALGORITHM}:{text}" for text in wanted]
