"""Wrong configuration is refused with file, line, key and the nearest valid name; all of it at once."""

# ruff: noqa: E501 - one case a line

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workflow.house import ROOT, build, snakemake
from workflow import targets
from workflow.__main__ import main
from workflow.config import Project
from workflow.context import Context
from workflow.expand import Papers
from workflow.overlay import merge
from workflow.strict_yaml import ConfigError, load, nearest

CONFIG, PAPER = "config/config.yaml", "config/papers/house.yaml"
ALGORITHM = "config/algorithms/dqn_minatar_sn.yaml"


def problems(root: Path) -> list[str]:
    """Every problem of the configuration and its expansion, as users see them."""
    try:
        project = Project(root)
        project.check()
        papers = Papers(project)
        for name in project.paper_names:
            assert papers[name]
    except ConfigError as error:
        return [str(problem) for problem in error.problems] or [str(error)]
    return []


def test_what_is_shipped_is_in_order(project: Path):
    assert problems(project) == []
    assert problems(ROOT) == []


# file, old text, new text, the one problem that follows
BAD = {
    "unknown key": (CONFIG, "scale: paper", "scle: paper", ["unknown key; did you mean 'scale'?", "scale: is missing"]),
    "unknown scale": (CONFIG, "scale: paper", "scale: papr", ["4: scale: unknown value 'papr'; did you mean 'paper'?"]),
    "unknown paper": (CONFIG, "[house]", "[hause]", ["3: papers.0: unknown paper 'hause'; did you mean 'house'?"]),
    "wrong type": (CONFIG, "threads: 1", "threads: one", ["threads: a number is wanted, not 'one'"]),
    "inner key": (CONFIG, "level: 0.95", "levle: 0.95", ["interval.levle: unknown key; did you mean 'level'?"]),
    "out of range": (CONFIG, "level: 0.95", "level: 95", ["interval.level: must be less than 1, not 95"]),
    "missing key": (CONFIG, "partial: false", "", ["partial: is missing"]),
    "duplicate key": (CONFIG, "scale: paper", "scale: paper\nscale: smoke", ["5: scale: given twice (first on line 4)"]),
    "python tag": (CONFIG, "scale: paper", "scale: !!python/name:os.system", ["4: scale: the tag tag:yaml.org,2002:python/name:os.system is not allowed"]),
    "not yaml": (CONFIG, "papers: [house]", "papers: [house", ["not valid YAML"]),
    "no is not false": (CONFIG, "partial: false", "partial: perhaps", ["partial: true or false is wanted, not 'perhaps'"]),
    "unknown algorithm": (PAPER, "algorithm: dqn_minatar_sn", "algorithm: dqn_minatr_sn", ["9: experiments.base.algorithm: unknown algorithm 'dqn_minatr_sn'; did you mean 'dqn_minatar_sn'?"]),
    "unknown game": (PAPER, "minatar/asterix]", "minatar/asterics]", ["10: experiments.base.games.1: unknown game 'minatar/asterics'; did you mean 'minatar/asterix'?"]),
    "unknown atari game": (PAPER, "minatar/asterix]", "atari/pongg]", ["unknown game 'atari/pongg'; did you mean 'atari/pong'?"]),
    "unknown game set": (PAPER, "minatar/asterix]", "minatar6]", ["unknown game 'minatar6'; did you mean 'minatar5'?"]),
    "game twice": (PAPER, "minatar/asterix]", "minatar5]", ["experiments.base.games: minatar/breakout is given twice"]),
    "other suite": (PAPER, "minatar/asterix]", "atari/pong]", ["10: experiments.base.games.1: dqn_minatar_sn plays minatar games, not atari/pong"]),
    "duplicate seeds": (PAPER, "seeds: [0, 1]", "seeds: [0, 1, 0]", ["23: experiments.sweep.seeds: seed 0 given twice"]),
    "seeds in words": (PAPER, "seeds: 2\n", "seeds: two\n", ["11: experiments.base.seeds: a number of seeds is wanted, or a list of them, not 'two'"]),
    "no seeds": (PAPER, "seeds: 2\n", "seeds: 0\n", ["experiments.base.seeds: at least one seed is wanted, not 0"]),
    "huge seed": (PAPER, "seeds: [0, 1]", f"seeds: [0, {2**127 - 1}]", [f"23: experiments.sweep.seeds.1: must be less than or equal to {2**63 - 1}, not {2**127 - 1}"]),
    "too many seeds": (PAPER, "seeds: 2\n", "seeds: 12345678\n", ["experiments.base.seeds: at most 10,000 seeds are wanted; for one seed of that number write [12345678]"]),
    "huge budget": (PAPER, "budget_frames: 1000", f"budget_frames: {2**63}", [f"12: experiments.base.budget_frames: must be less than or equal to {2**53}, not {2**63}"]),
    "shared budget of an evaluation": (PAPER, "spectral.kind", "evaluation.streams: 8, spectral.kind", ["16: experiments.base.variants.SN.evaluation.streams: evaluation: a budget of frames is played in one environment, not 8"]),
    "negative budget": (PAPER, "budget_frames: 1000", "budget_frames: -5", ["12: experiments.base.budget_frames: must be greater than or equal to 1, not -5"]),
    "number as text": (PAPER, "budget_frames: 1000", "budget_frames: '1000'", ["experiments.base.budget_frames: a number is wanted, not '1000'"]),
    "unknown metric": (PAPER, "title: Bars,", "title: Bars, metric: trainig_return_100,", ["32: figures.2.metric: unknown metric 'trainig_return_100'; did you mean 'training_return_100'?"]),
    "unknown metric with a bracket": (PAPER, "title: Bars,", "title: Bars, metric: 'rhoo[-1]',", ["32: figures.2.metric: unknown metric 'rhoo[-1]'; did you mean 'rho'?"]),
    "unknown kind": (PAPER, "kind: per_game_bars", "kind: per_game_bar", ["32: figures.2.kind: unknown kind 'per_game_bar'; did you mean 'per_game_bars'?"]),
    "missing kind": (PAPER, "kind: per_game_bars, ", "", ["32: figures.2.kind: is missing"]),
    "unknown figure key": (PAPER, "title: Bars", "titel: Bars", ["32: figures.2.titel: unknown key; did you mean 'title'?", "figures.2.title: is missing"]),
    "unknown experiment": (PAPER, "title: Bars, experiments: [house.base]", "title: Bars, experiments: [house.bas]", ["32: figures.2.experiments.0: unknown experiment 'house.bas'; did you mean 'house.base'?"]),
    "figure twice": (PAPER, "id: bars", "id: curves", ["32: figures.2.id: 'curves' is taken by figures.0"]),
    "unknown claim variant": (PAPER, "a: SN", "a: SM", ["34: claims.0.a: unknown variant 'SM'; valid: DQN, SN"]),
    "variant that a scale leaves out": (PAPER, "      smoke: { reduced: nothing but seeds, seeds: 1 }\n", "      reduced: { variants: [DQN] }\n", ["34: claims.0.a: variant 'SN' does not run at scale reduced"]),
    "game that a scale leaves out": (PAPER, "title: Bars, experiments: [house.base]", "title: Bars, games: [minatar/freeway], experiments: [house.base]", ["32: figures.2.games: minatar/freeway is not played at scale paper"]),
    "value that a scale leaves out": (PAPER, "title: Swept, experiments: [house.sweep]", "title: Swept, where: { optimizer.lr: 0.1 }, experiments: [house.sweep]", ["31: figures.1.where: no run has these values at scale paper"]),
    "raw scores of several games in a claim": (PAPER, "      games: [minatar/breakout] }", "      at_least: paper }", ["34: claims.0.normalisation: raw scores of 2 games cannot be averaged at scale paper; valid: abs, clipped_record_dreamerv2, "]),
    "raw scores of several games in a figure": (PAPER, "kind: per_game_bars", "kind: interval_bars", ["32: figures.2.normalisation: raw scores of 2 games cannot be averaged at scale paper; valid: abs, clipped_record_dreamerv2, "]),
    "unknown baseline": (PAPER, "kind: per_game_bars, title: Bars", "kind: learning_speed, baseline: DQM, title: Bars", ["32: figures.2.baseline: unknown variant 'DQM'; did you mean 'DQN'?"]),
    "unknown rival": (PAPER, "kind: per_game_bars, title: Bars", "kind: improvement_probability, a: SN, b: [DQM], title: Bars", ["32: figures.2.b.0: unknown variant 'DQM'; did you mean 'DQN'?"]),
    "unknown variant of a row": (PAPER, "claims:\n", "tables:\n  - { id: t, kind: aggregates, title: T, experiments: [base], columns: [{ statistic: iqm }], rows: [{ label: A, variant: SM }] }\nclaims:\n", ["34: tables.0.rows.0.variant: unknown variant 'SM'; valid: DQN, SN"]),
    "key of b that is not varied": (PAPER, "a: SN", "a: SN, b_where: { optimizer.lr: 0.1 }", ["34: claims.0.b_where.optimizer.lr: 'optimizer.lr' is not varied"]),
    "value of b that a scale leaves out": (PAPER, "experiments: [house.base], a: SN, b: DQN", "experiments: [house.sweep], at_least: paper, where: { optimizer.lr: 1e-3 }, b_where: { optimizer.lr: 0.1 }, a: DQN, b: DQN", ["34: claims.0.b_where: no run has these values at scale paper"]),
    "compared with itself": (PAPER, "a: SN", "a: DQN", ["34: claims.0.b: 'DQN' is compared with itself"]),
    "experiment drawn twice": (PAPER, "title: Bars, experiments: [house.base]", "title: Bars, experiments: [house.base, house.base]", ["32: figures.2.experiments: 'house.base' is given twice"]),
    "no tuple": (PAPER, "optimizer.lr: 1e-3", "network.convolutions: [[16, 3, 1, 1], 5]", ["network.convolutions.0: at most 3 are wanted, not 4", "network.convolutions.1: a list is wanted, not 5"]),
    "null": (PAPER, "optimizer.lr: 1e-3", "optimizer.lr: null", ["13: experiments.base.set.optimizer.lr: a number is wanted, not null"]),
    "no number": (PAPER, "optimizer.lr: 1e-3", "optimizer.lr: .nan", ["13: experiments.base.set.optimizer.lr: a finite number is wanted, not nan"]),
    "no preset": (PAPER, "optimizer.lr: 1e-3 }", "optimizer.lr: 1e-3 }\n    preset: []", ["14: experiments.base.preset: must not be empty"]),
    "preset twice": (PAPER, "optimizer.lr: 1e-3 }", "optimizer.lr: 1e-3 }\n    preset: [minatar, minatar]", ["14: experiments.base.preset: "]),
    "endless energy": (CONFIG, "core_watts: 12", "core_watts: 1e400", ["energy.core_watts: a finite number is wanted, not inf"]),
    "energy that is no number": (CONFIG, "gpu_watts: 400", "gpu_watts: true", ["energy.gpu_watts: a number is wanted, not True"]),
    "no number in a list": (PAPER, "optimizer.lr: 1e-3", "environment.sticky: [[0, .inf], [9, 0.5]]", ["13: experiments.base.set.environment.sticky: environment.sticky.0.1: a finite number is wanted, not inf"]),
    "unknown variant key": (PAPER, "spectral.kind", "spectrl.kind", ["16: experiments.base.variants.SN.spectrl.kind: unknown key of the spec; did you mean 'spectral.kind'?"]),
    "unknown varied key": (PAPER, "vary: { optimizer.lr", "vary: { optimizer.learning_rate", ["experiments.sweep.vary.optimizer.learning_rate: unknown key of the spec; valid: optimizer."]),
    "short key": (PAPER, "vary: { optimizer.lr", "vary: { lr", ["experiments.sweep.vary.lr: unknown key of the spec; did you mean 'optimizer.lr'?"]),
    "bad varied value": (PAPER, "[1e-3, 1e-2]", "[1e-3, -1]", ["26: experiments.sweep.vary.optimizer.lr: must be greater than 0, not -1"]),
    "bad variant value": (PAPER, "spectral.kind: weights", "spectral.kind: wieghts", ["16: experiments.base.variants.SN.spectral.kind: unknown kind 'wieghts'; did you mean 'weights'?"]),
    "inconsistent spec": (PAPER, "spectral.layers: [-2]", "spectral.layers: [-9]", ["beyond the network's 3 layers"]),
    "seed in a variant": (PAPER, "spectral.kind", "seed: 3, spectral.kind", ["experiments.base.variants.SN.seed: must not be given here: it is the experiment's `seeds`"]),
    "bad experiment name": (PAPER, "  sweep:\n    title: Sweep", "  ../sweep:\n    title: Sweep", ["19: experiments.../sweep: small letters, digits, - and _ are wanted, at most 64, not '../sweep'; did you mean 'sweep'?"]),
    "unknown spec key": (ALGORITHM, "n_step: 1", "nstep: 1", ["spec.agent.nstep: unknown key; did you mean 'n_step'?", "spec.agent.n_step: is missing"]),
    "unknown optimizer": (ALGORITHM, "kind: adam", "kind: adm", ["spec.optimizer.kind: unknown kind 'adm'; did you mean 'adam'?"]),
    "unknown executor": (ALGORITHM, "kind: inline, lags_updates: [0]", "kind: hogwld, actors: 2", ["81: spec.executor.kind: unknown kind 'hogwld'; did you mean 'hogwild'?"]),
    "key of an executor": (ALGORITHM, "kind: inline, lags_updates: [0]", "kind: hogwild, actor: 2", ["81: spec.executor.actor: unknown key; did you mean 'actors'?", "spec.executor.actors: is missing"]),
    "wrong agent for an executor": (ALGORITHM, "kind: inline, lags_updates: [0]", "kind: hogwild, actors: 1", [f"81: spec.executor: executor hogwild needs {what}" for what in ("agent actor_critic or unrolled_q", "optimizer rmsprop of form nature, torch or tensorflow", "learning.batch 1, an unroll of each of an actor's streams", "memory.select fifo without replay_share", "record.norms none")]),
    "key of another kind": (ALGORITHM, "beta2: 0.999", "beta2: 0.999\n    decay: 0.9", ["spec.optimizer.decay: unknown key"]),
    "budget in an algorithm": (ALGORITHM, "  record:\n", "  budget_frames: 5\n  record:\n", ["spec.budget_frames: must not be given here: it is the experiment's"]),
    "bad cluster": (ALGORITHM, "mem_mb: 3000", "mem: 3000", ["cluster.mem: unknown key; did you mean 'mem_mb'?", "cluster.mem_mb: is missing"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(project: Path, case: str):
    file, old, new, wanted = BAD[case]
    path = project / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    found = problems(project)
    assert len(found) == len(wanted), found
    for message in wanted:
        assert any(message in problem for problem in found), found
    assert all(problem.startswith((file, PAPER, CONFIG)) for problem in found)


def test_all_problems_of_all_files_at_once(project: Path):
    for case in ("out of range", "negative budget", "unknown kind", "unknown optimizer"):
        file, old, new, _ = BAD[case]
        path = project / file
        path.write_text(path.read_text().replace(old, new, 1))
    found = problems(project)
    assert [line.split(":")[0] for line in found] == [ALGORITHM, CONFIG, PAPER, PAPER]


def test_numbers_and_words_are_what_they_look_like(tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_text(
        "a: [1e-4, 1.5E3, 5_000_000, .5, -3, 007, 12:30, no, on, true, ~, null, 'x', 2021-01-01, +1, 1_0.5]"
    )
    assert load(path).data["a"] == [
        1e-4, 1500.0, 5000000, 0.5, -3, "007", "12:30", "no", "on", True, None, None, "x", "2021-01-01", 1, 10.5,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x [1]\nb: *x", "2: b: aliases (*name) are not allowed"),
        ("a: &x [*x]", "aliases (*name) are not allowed"),
        ("a: !!python/object/apply:os.system [echo]", "is not allowed"),
        ("[1, 2]", "a mapping of keys to values is wanted"),
        ("", "a mapping of keys to values is wanted"),
        ("? [1]\n: 2", "keys must be plain text"),
        ("a: !!int b", "'b' is not a int"),
        ("a: !!bool b", "'b' is not a bool"),
        ("a: 1\n b: 2", "not valid YAML"),
        ("a: 1\nb 2\nc: 3", "a.yaml:2: not valid YAML: while scanning a simple key could not find expected ':'"),
    ],
)
def test_yaml_that_is_refused(tmp_path: Path, text: str, message: str):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="problem") as caught:
        load(path)
    assert message in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "nowhere.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "binary.yaml")


def test_nearest():
    assert nearest("Breakout", ["minatar/breakout", "atari/pong"]) == "minatar/breakout"
    assert nearest("lr", ["optimizer.lr", "agent.discount"]) == "optimizer.lr"
    assert nearest("zzz", ["optimizer.lr"]) is None
    assert nearest("optimizer.l", ["optimizer.lr", "optimizer.damping"]) == "optimizer.lr"
    assert nearest("optimizer.learning_rate", ["optimizer.lr", "optimizer.damping"]) is None  # only the part is alike


def test_merge_replaces_mappings_of_another_kind():
    under = {"optimizer": {"kind": "adam", "lr": 1, "beta1": 2}, "x": {"a": 1, "b": 2}}
    over = {"optimizer": {"kind": "sgd", "lr": 3}, "x": {"b": 5}}
    assert merge(under, over) == {"optimizer": {"kind": "sgd", "lr": 3}, "x": {"a": 1, "b": 5}}
    assert under["x"] == {"a": 1, "b": 2}


def test_extends(project: Path):
    folder = project / "config" / "algorithms"
    (folder / "child.yaml").write_text(
        "label: Child\nsource: tests\nextends: dqn_minatar_sn\nspec:\n  optimizer: { lr: 1 }\n"
    )
    (folder / "grandchild.yaml").write_text("label: G\nsource: tests\nextends: child\nspec: {}\n")
    project_ = Project(project)
    child, parent = project_.algorithm("child"), project_.algorithm("dqn_minatar_sn")
    assert child.spec["optimizer"] == parent.spec["optimizer"] | {"lr": 1}
    assert child.cluster == parent.cluster
    with pytest.raises(ConfigError, match=r"grandchild.yaml:3: extends: child extends another"):
        project_.algorithm("grandchild")


def test_overrides(project: Path):
    config = Project(project, {"scale": "smoke", "papers": "house", "interval": {"level": 0.9}}).config
    assert (config.scale, config.papers, config.interval.level) == ("smoke", ["house"], 0.9)
    with pytest.raises(ConfigError, match="--config: scle: unknown key; did you mean 'scale'"):
        _ = Project(project, {"scle": "smoke"}).config
    with pytest.raises(ConfigError, match="--config: scale: unknown value 'tiny'"):
        _ = Project(project, {"scale": "tiny"}).config


@pytest.mark.parametrize("word", ["papers=[house", "papers=!!bool abc", "scale=!!python/object:os.x y", "scale=&a *b"])
def test_overrides_that_are_no_yaml(word: str, capsys: pytest.CaptureFixture):
    key, _, value = word.partition("=")
    assert main(["check", "--config", word]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"--config: {key}: not valid YAML: ") and said.endswith(f", in {value!r}\n")


def test_snakemake_shows_the_message_and_no_traceback(tmp_path: Path):
    folder = build(tmp_path / "house")
    path = folder / PAPER
    path.write_text(path.read_text().replace("budget_frames: 1000", "budget_frames: -1", 1))
    done = snakemake(folder, "--dry-run")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[-2:] == [
        "1 problem in the configuration:",
        "  config/papers/house.yaml:12: experiments.base.budget_frames: must be greater than or equal to 1, not -1",
    ]
    assert "Traceback" not in done.stderr


def test_results_that_cannot_be_written(tmp_path: Path):
    folder = build(tmp_path / "house")
    (folder / "file").write_text("in the way")
    done = snakemake(folder, "--cores", "1", "--config", "results=file/results")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "the results folder 'file/results' is not writable: Not a directory"
    assert "Traceback" not in done.stderr


# ---------------------------------------------------------------- names and folders


def complaints(project: Path, **overrides) -> str:
    with pytest.raises(ConfigError) as error:
        Project(project, overrides).check()
    return str(error.value)


def test_files_that_would_be_passed_over_are_named(project: Path):
    papers, algorithms = project / "config/papers", project / "config/algorithms"
    for name in ("my_paper.yml", "MyPaper2.yaml", "a b.yaml", ".hidden.yaml", "house.yaml~"):
        (papers / name).write_text("")
    (algorithms / "MyDQN.yaml").write_text("")
    assert complaints(project).splitlines()[1:] == [
        "  config/algorithms/MyDQN.yaml: not read under this name: call it my_dqn.yaml",
        "  config/papers/MyPaper2.yaml: not read under this name: call it my_paper2.yaml",
        "  config/papers/a b.yaml: not read under this name: call it a_b.yaml",
        "  config/papers/my_paper.yml: not read under this name: call it my_paper.yaml",
    ]
    for asked in ("my_paper", "My_Paper", "my_paper.yml", "config/papers/my_paper.yml"):
        said = f"--config: papers.0: unknown paper {asked!r}: config/papers/my_paper.yml must be called my_paper.yaml"
        assert said in complaints(project, papers=[asked])
    assert "config/papers/MyPaper2.yaml must be called my_paper2.yaml" in complaints(project, papers="MyPaper2")
    paper = project / PAPER
    paper.write_text(paper.read_text().replace("algorithm: dqn_minatar_sn", "algorithm: MyDQN", 1))
    said = complaints(project)
    assert (
        f"{PAPER}:9: experiments.base.algorithm: unknown algorithm 'MyDQN': config/algorithms/MyDQN.yaml must be"
        in said
    )


def test_a_misspelt_paper_is_blamed_where_it_stands(project: Path):
    assert "  --config: papers.0: unknown paper 'hous'; did you mean 'house'?" in complaints(project, papers="hous")
    for asked in ("House", "house.yaml", "config/papers/house.yaml"):
        assert f"--config: papers.0: unknown paper {asked!r}; did you mean 'house'?" in complaints(
            project, papers=[asked]
        )
    config = project / "config/config.yaml"
    config.write_text(config.read_text().replace("papers: [house]", "papers: [Hose]"))
    assert "config/config.yaml:3: papers.0: unknown paper 'Hose'; did you mean 'house'?" in complaints(project)


def test_a_misspelt_target_is_told_its_nearest(project: Path):
    context = Context.read(project, main=False)
    with pytest.raises(ConfigError, match=r"^unknown target 'hose'; did you mean 'house'"):
        targets.check(context, ["hose"])
    targets.check(context, ["house_figures", "all", "results/runs/x/run.json"])


def test_results_with_home_and_variables_are_put_in_once(project: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("SCRATCH", "/scratch")
    monkeypatch.delenv("UNSET", raising=False)
    cases = {"~/x": "/home/me/x", "$SCRATCH/a": "/scratch/a", "${SCRATCH}/a b": "/scratch/a b", "r/../s": "r/../s"}
    assert {given: Project(project, {"results": given}).config.results for given in cases} == cases
    config = project / "config/config.yaml"
    before = config.read_text()
    line = 1 + before.splitlines().index(next(row for row in before.splitlines() if row.startswith("results:")))
    for given, message in {
        "$UNSET/x": "the variable UNSET is not set here: '$UNSET/x'",
        "~nobody_of_that_name/x": "nobody's home is '~nobody_of_that_name'",
        "a{b}": "a results folder cannot have '{' in its name: 'a{b}'",
        ".": "'.' is not a folder for results alone",
        "~": "a home folder is not a folder for results alone: '/home/me'",
        str(project): f"the checkout is not a folder for results alone: {str(project)!r}",
        "config/..": "the checkout is not a folder for results alone: 'config/..'",
        "../": "'../' is not a folder for results alone",
        str(project.parent): f"a folder above the checkout is not a folder for results alone: {str(project.parent)!r}",
    }.items():
        config.write_text(before.replace("results: results", f"results: {given!r}"))
        assert f"config/config.yaml:{line}: results: {message}" in complaints(project)


@pytest.mark.parametrize("depth", [3_000, 100_000])
def test_a_file_without_end_of_nesting_is_named(project: Path, depth: int):
    (project / PAPER).write_text(f"title: {'[' * depth}{']' * depth}\n")
    assert f"{PAPER}:1: mappings and lists lie in each other too deeply" in complaints(project)


def test_seeds_are_what_a_run_can_hold(project: Path):
    paper = project / PAPER
    before = paper.read_text()
    for given, message in {
        "170_141_183_460_469_231_731_687_303_715_884_105_727": "at most 10,000 seeds are wanted",
        "[-1]": "must be greater than or equal to 0",
    }.items():
        paper.write_text(before.replace("seeds: 2\n", f"seeds: {given}\n"))
        assert f"{PAPER}:11: experiments.base.seeds" in (said := complaints(project)) and message in said
