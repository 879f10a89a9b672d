"""`arcade`: its words, tables of runs, and where a run's settings come from; all as function calls but for two."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import paper_arcade
from analysis.spec.items import SCALES
from tests.workflow.house import ROOT, seal
from workflow import __main__ as program
from workflow import catalogue, completion, index, kept, missing, origins, run_table, runs, text
from workflow.context import Context
from workflow.parser import SHELLS, parser
from workflow.strict_yaml import ConfigError

SPEC = {
    "agent": {"kind": "dqn"},
    "environment": {"suite": "minatar", "game": "breakout"},
    "optimizer": {"kind": "adam", "lr": 1e-3},
    "seed": 0,
}


def leave(
    results: Path, name: str, lr: float = 1e-3, game: str = "breakout", scores: dict | None = None, **facts
) -> None:
    """A made-up finished run, as results/runs shows it."""
    folder = results / "runs" / name
    folder.mkdir(parents=True, exist_ok=True)
    spec = SPEC | {"environment": {"suite": "minatar", "game": game}, "optimizer": {"kind": "adam", "lr": lr}}
    (folder / "run.json").write_text(json.dumps({"spec": spec, "status": "finished", "frames": 1000} | facts))
    rows = [(m, f, v) for m, values in (scores or {}).items() for f, v in enumerate(values)]
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    kinds = (pa.string(), pa.int64(), pa.float64())
    arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    pq.write_table(pa.table(dict(zip(("metric", "frame", "mean"), arrays, strict=True))), folder / "summary.parquet")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Four runs, of which a paper asks for three."""
    leave(tmp_path, "dqn.minatar-breakout.s0.aaa1", scores={"evaluation_return": [9.0, 3.0], "training_return": [5.0]})
    leave(tmp_path, "dqn.minatar-breakout.s0.bbb2", lr=1e-2, scores={"training_return_100": [1.0, 12.25]})
    leave(tmp_path, "dqn.minatar-asterix.s0.ccc3", game="asterix", status="diverged")
    leave(tmp_path, "dqn.minatar-asterix.s0.ddd4", game="asterix", lr=1e-2, scores={"evaluation_return": [0.5]})
    rows = [
        index.Row(name, "mine", "lr", variant, "dqn", "minatar/breakout", "0", "paper")
        for name, variant in (("dqn.minatar-breakout.s0.aaa1", "A"), ("dqn.minatar-breakout.s0.bbb2", "B"),
                              ("dqn.minatar-asterix.s0.ddd4", "B"))
    ]  # fmt: skip
    (tmp_path / "index.csv").write_text("\n".join(",".join(row) for row in rows) + "\n")
    return tmp_path


def ends(results: Path, **asked) -> list[str]:
    """The last letters of the runs that are asked for, in their order."""
    return [entry.run[-4:] for entry, _, _ in run_table.table(results, run_table.Asked(**asked)).rows]


def test_runs_are_chosen_and_sorted_by_columns_and_settings(results: Path):
    assert ends(results) == ["ccc3", "ddd4", "aaa1", "bbb2"]
    assert ends(results, sort="return") == ["bbb2", "aaa1", "ddd4", "ccc3"]  # 12.25, 3, 0.5, none
    assert ends(results, paper="mine", sort="variant") == ["aaa1", "ddd4", "bbb2"]
    assert (
        ends(results, where=("game=breakout",)) == ends(results, where=("game=minatar/breakout",)) == ["aaa1", "bbb2"]
    )
    assert ends(results, where=("lr=1e-2", "variant=B"), sort="return") == ["bbb2", "ddd4"]
    assert ends(results, where=("status=diverged",)) == ["ccc3"]
    assert ends(results, where=("game=pong",)) == []
    with pytest.raises(ConfigError, match=r"no run has 'retrun'; did you mean 'return'\?"):
        ends(results, sort="retrun")
    with pytest.raises(ConfigError, match=r"'kind' could be agent\.kind or optimizer\.kind"):
        ends(results, sort="kind")
    with pytest.raises(ConfigError, match="--where takes KEY=VALUE, not 'game'"):
        ends(results, where=("game",))


def test_only_what_differs_has_a_column_and_scores_are_the_last_ones(results: Path):
    found = run_table.table(results, run_table.Asked(paper="mine"))
    lines = run_table.overview(found, results, as_csv=True).splitlines()
    assert lines[0] == "run,asked for by,status,frames,frames/s,time,return,optimizer.lr"
    assert lines[2] == "dqn.minatar-breakout.s0.aaa1,mine.lr: A,finished,1000,,,3.0,0.001"
    told = run_table.facts(found)[2]
    assert (told["run"][-4:], told["return"], told["return_metric"]) == ("bbb2", 12.25, "training_return_100")
    assert told["settings"] == {"optimizer.lr": 0.01}
    every = run_table.table(results, run_table.Asked(paper="mine", all_columns=True))
    assert every.rows[0][2]["environment.game"] == "asterix" and every.rows[0][2]["seed"] == 0


def test_the_catalogue_reads_what_is_new_and_nothing_else(results: Path):
    file = results / "runs/dqn.minatar-breakout.s0.aaa1/run.json"
    before = catalogue.read(results)
    assert [len(before.entries), len(before.templates)] == [4, 2]  # of two rates: games and seeds are no settings
    when = file.stat().st_mtime_ns
    file.write_text("nonsense")
    os.utime(file, ns=(when, when))
    assert catalogue.read(results).entries == before.entries
    os.utime(file, ns=(when + 1, when + 1))
    assert [entry.run[-4:] for entry in catalogue.read(results).entries] == ["ccc3", "ddd4", "bbb2"]
    shutil.rmtree(results / "runs/dqn.minatar-asterix.s0.ccc3")
    kept_before = (results / catalogue.FILE).read_text()
    assert len(catalogue.read(results).entries) == 2
    assert (results / catalogue.FILE).read_text() != kept_before
    (results / catalogue.FILE).unlink()
    entries, text = catalogue.read(results).entries, (results / catalogue.FILE).read_text()
    assert [entry.score for entry in entries] == [0.5, 12.25]
    made_up = partial(dict, format=1, runs=entries[:1])
    for damaged in (
        '{"format": 0}', "[]", "", text[:-9], text.replace('"templates":[', '"templates":7,"x":['),
        *(json.dumps(made_up(templates=templates)) for templates in ([], ["{bad"], None)),
        text.replace("0.5", '"0.5x"', 1),
    ):  # fmt: skip
        (results / catalogue.FILE).write_text(damaged)
        assert catalogue.read(results).entries == entries, damaged
        assert (results / catalogue.FILE).read_text() == text, damaged


@pytest.mark.parametrize("damaged", [b"\xff", b'"' + b"x" * 200_000 + b'"', b"a,b\n", None])
def test_a_damaged_index_is_no_index(results: Path, damaged: bytes | None):
    path = results / "index.csv"
    path.unlink(missing_ok=True)
    path.mkdir() if damaged is None else path.write_bytes(damaged)
    assert index.read(path) == [] and len(run_table.table(results, run_table.Asked()).rows) == 4


def test_a_paper_that_is_none_has_no_runs(results: Path, capsys):
    assert program.main(["runs", "dmeo", "--config", f"results={results}"]) == 1
    assert "unknown paper 'dmeo'; did you mean 'demo'?" in capsys.readouterr().err


def test_a_filter_that_nothing_fits_says_so_and_still_knows_its_words(results: Path):
    none = run_table.table(results, run_table.Asked(where=("lr=7",)))
    assert run_table.overview(none, results, False) == f"none of 4 finished runs fits in {results}/runs"
    with pytest.raises(ConfigError, match="no run has 'nonsense'"):
        run_table.table(results, run_table.Asked(where=("lr=7", "nonsense=1")))


def test_runs_are_named_by_any_piece_that_no_other_has(results: Path):
    assert runs.named(results, "bb2")[-4:] == "bbb2"
    leave(results, "dqn.minatar-freeway.s1.0123456789ab")
    assert runs.named(results, "0123456789ab" + "c" * 52) == "dqn.minatar-freeway.s1.0123456789ab"
    with pytest.raises(ConfigError) as error:
        runs.named(results, "asterix")
    assert str(error.value).splitlines() == [
        "'asterix' could be any of 2 runs:",
        "  dqn.minatar-asterix.s0.ccc3",
        "  dqn.minatar-asterix.s0.ddd4  (mine.lr: B, paper)",
    ]


def test_a_difference_has_scores(results: Path):
    found = runs.diff(results, "aaa1", "bbb2")
    assert found.settings == {"optimizer.lr": {"a": 0.001, "b": 0.01}}
    assert found.scores == {"evaluation_return": {"a": 3.0}, "training_return_100": {"b": 12.25},
                            "training_return": {"a": 5.0}}  # fmt: skip
    assert ["last", "training_return_100", "–", "12.2"] in [
        line.split() for line in runs.side_by_side(found).splitlines()
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_a_table_fits_the_terminal(results: Path, width: int):
    lines = run_table.overview(run_table.table(results, run_table.Asked()), results, False, width).splitlines()
    assert all(len(line) <= width for line in lines)
    assert lines[2].startswith("dqn.minatar-asterix.s0.ccc3")  # a name is never cut: it is what runs are called by
    told = "columns have no room here" in lines[-1]
    assert told is (width < 100) and lines[0].split()[:2] == ["run", "return"]


def test_widths_and_tails():
    assert text.fitted([10, 30, 20], 64) == [10, 30, 20]
    assert text.fitted([10, 30, 20], 54) == [10, 20, 20]
    assert text.fitted([10, 30, 20], 38) == [10, 12, 12]
    assert text.fitted([10, 30, 20], 37) == [10, 25]
    assert text.fitted([10, 30], 5) == [10]
    assert text.tails(["a.lr", "b.lr", "c.d.e", "run"]) == ["a.lr", "b.lr", "e", "run"]


def test_each_setting_says_where_it_stands(project: Path):
    """Of a varied key, a variant, an algorithm's file, a part's alternatives, and the config."""
    (project / "config/papers/house.yaml").write_text(
        (project / "config/papers/house.yaml").read_text()
        .replace("[1e-3, 1e-2] }", "[1e-3, 1e-2] } # as Nobody found")
        .replace("spectral.layers: [-2] }", "spectral.layers: [-2] } # the second last")
    )  # fmt: skip
    context = Context.read(project, {"results": str(project / "results")}, main=False)
    lines = (project / "config/papers/house.yaml").read_text().splitlines()
    swept = next(
        n for n, run in context.papers.runs("house.sweep").items() if json.loads(run.spec)["optimizer"]["lr"] == 0.01
    )
    shaped = next(n for n, run in context.papers.runs("house.base").items() if run.point.variant == "SN")
    found = {}
    for name in (swept, shaped):
        seal(context, name)
        explained = origins.explain(project, {}, Path(context.results), name)
        found[name] = {each.key: each for each in explained.settings}
        assert explained.experiment == ("house.sweep" if name == swept else "house.base")
        assert [key for key, each in found[name].items() if not each.file] == ["version"]
    rate = found[swept]["optimizer.lr"]
    assert (rate.file, rate.value) == ("config/papers/house.yaml", 0.01)
    assert lines[rate.line - 1].strip().startswith("vary: { optimizer.lr:") and rate.comment == "as Nobody found"
    layers = found[shaped]["spectral.layers"]
    assert lines[layers.line - 1].strip().startswith("SN: {") and layers.comment == "the second last"
    algorithm = (project / "config/algorithms/dqn_minatar_sn.yaml").read_text().splitlines()
    for key in ("agent.discount", "spectral.bound", "agent.selector"):
        each = found[shaped][key]
        assert each.file == "config/algorithms/dqn_minatar_sn.yaml"
        assert re.search(rf"\b{key.rpartition('.')[2]}: ", algorithm[each.line - 1]), key
    assert found[shaped]["agent.selector"].comment == "online would be Double DQN"
    assert found[shaped]["agent.discount"].comment.startswith("source: Gogianu et al. 2021")
    assert found[shaped]["device"].file == "config/config.yaml"
    shown = origins.render(origins.explain(project, {}, Path(context.results), shaped), 100)
    assert f"{shaped}: as house.base asks for it" in shown


def test_a_run_that_nothing_asks_for_is_explained_without_lines(project: Path):
    leave(project / "results", "dqn.minatar-breakout.s0.aaa1")
    found = origins.explain(project, {}, project / "results", "aaa1")
    assert found.experiment is None and {each.file for each in found.settings} == {""}
    told = origins.facts(found)["settings"][1]
    assert told == {"key": "environment.suite", "value": "minatar", "file": "", "line": 0, "comment": ""}


def test_machines_get_json_and_exit_codes(project: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(program, "ROOT", project)
    monkeypatch.chdir(project)
    leave(project / "results", "dqn.minatar-breakout.s0.aaa1", frames_per_second=float("nan"))
    assert program.main(["runs", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["run"], told["frames_per_second"]) == ("dqn.minatar-breakout.s0.aaa1", None)
    assert program.main(["status", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {row["state"] for row in told["runs"]} == {"waiting"} and len(told["runs"]) == 10
    (project / "config/papers/house.yaml").write_text("title: Häuser\n")
    assert program.main(["check", "--json"]) == 1
    problem = json.loads(capsys.readouterr().out)["problems"][0]
    assert (problem["file"], problem["message"]) == ("config/papers/house.yaml", "is missing")
    assert program.main(["explain", "zzz"]) == 1
    assert "no run 'zzz'" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        program.main(["rnu"])
    assert end.value.code == 2


def test_every_command_has_an_example_that_is_one():
    commands = next(action for action in parser()._actions if action.dest == "command").choices
    assert len(commands) == 18
    for name, one in commands.items():
        shown = re.fullmatch(r"example: arcade (.+)", one.epilog)[1].partition(" >>")[0]
        assert parser().parse_args(shlex.split(shown)).command == name


def test_the_help_of_what_reads_config_names_every_scale(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["run", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert {*re.findall(r"\w+", said.partition("scale=")[2].partition(",")[0])} <= {*SCALES}
    assert all(scale in said for scale in SCALES)


def test_what_cannot_be_played_is_said_before_anything_starts(results: Path):
    for words, message in (
        (["evaluate", "aaa1", "--episodes", "0"], "--episodes takes a number of 1 or more, not 0"),
        (["evaluate", "aaa1", "--sticky", "1.5"], "--sticky takes a chance from 0 to 1, not 1.5"),
        (["video", "aaa1", "--out", "x.avi"], "--out x.avi: .gif and .mp4 are what can be written"),
        (["video", "aaa1"], "aaa1: run.json does not say where its result lies in the store"),
        (["export", "csv", "aaa1", "zzz"], "no run 'zzz'"),
    ):
        options = parser().parse_args(words)
        act = {"evaluate": kept.evaluate, "video": kept.video, "export": kept.export}[words[0]]
        with pytest.raises(ConfigError, match=re.escape(message)):
            act(ROOT, results, options)


def test_episodes_are_summed():
    episodes = [{"return": score, "length": 10, "truncated": score > 2} for score in (1.0, 2.0, 6.0)]
    told = kept.summed({"run": "r", "rules": {"epsilon": 0.0}, "episodes": episodes})
    assert (told["mean"], told["standard_deviation"]) == (3.0, pytest.approx(7**0.5))
    assert kept.render(told | {"of_the_run": {}}).splitlines()[1:3] == [
        "mean return 3 ± 1.53 (standard error), n = 3 episodes of this one agent",
        "from 1 to 6; 10 frames long on average, 1 cut at the cap",
    ]
    assert kept.summed({"episodes": [{"return": 4.0}]})["standard_error"] is None


def test_values_differ_as_they_are_written():
    specs = [{"a": 1, "b": [1], "c": 0.1, "d": None}, {"a": 1.0, "b": [True], "c": 0.1}, {"a": 1, "b": [1], "c": 0.1}]
    assert runs.differing(specs) == ["a", "b", "d"]


def test_returns_are_told_with_few_digits():
    told = {None: None, 0.0: "0", -0.04: "-0.04", 9.996: "10", 12.25: "12.2", -1234.5: "-1234.5"}
    assert {value: runs.score(value) for value in told} == told
    assert runs.score(-0.0) == "0"


def test_shells_are_told_of_papers_and_runs(results: Path, monkeypatch: pytest.MonkeyPatch):
    assert completion.papers("dr") == ["dreamerv2", "drqn"]
    (results / "config").mkdir()
    (results / "config/config.yaml").write_text(f"results: {results} # here\n")
    monkeypatch.setattr(completion, "ROOT", results)
    assert completion.runs("asterix") == ["dqn.minatar-asterix.s0.ccc3", "dqn.minatar-asterix.s0.ddd4"]
    for shell in SHELLS:
        assert "arcade" in completion.shellcode(shell)


def test_the_installed_command_finds_its_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    assert paper_arcade.checkout(ROOT / "config/papers") == ROOT
    assert paper_arcade.checkout(tmp_path) is None
    monkeypatch.chdir(tmp_path)
    assert paper_arcade.main() == 1
    assert f"{tmp_path} is no checkout of Paper Arcade" in capsys.readouterr().err


def test_the_script_names_what_is_missing(tmp_path: Path):
    shutil.copy(ROOT / "arcade", tmp_path / "arcade")
    for name in ("dirname", "readlink"):
        (tmp_path / name).symlink_to(shutil.which(name))
    environment = {"PATH": str(tmp_path)}
    done = subprocess.run(
        ["/bin/sh", "./arcade", "runs"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"arcade: no Python here and no {tmp_path}/.venv: install Python 3.11")


def test_looking_needs_neither_torch_nor_snakemake(tmp_path: Path):
    """In a process of its own, without a terminal, in a locale that knows ASCII alone."""
    heavy = "torch", "snakemake", "pandas", "matplotlib", "argcomplete"
    code = f"import sys; from workflow.__main__ import main; main(['status', '--config', 'results={tmp_path}']); " \
           f"print([name for name in {heavy} if name in sys.modules])"  # fmt: skip
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("words", [["runs"], ["diff", "aaa1", "bbb2"], ["export", "csv", "zzz"]])
def test_looking_at_finished_runs_needs_no_model_of_specs_and_papers(words: list[str], results: Path):
    models = "agents.spec", "analysis.spec", "workflow.models", "workflow.config"
    code = f"import sys; from workflow.__main__ import main; main({[*words, '--config', f'results={results}']}); " \
           f"print(*sorted(name for name in sys.modules if name.startswith({models})))"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    found = "agents.spec agents.spec.base analysis.spec analysis.spec.common analysis.spec.complaints"
    assert done.stdout.splitlines()[-1].split() == [*found.split(), "analysis.spec.metrics"]


@pytest.mark.parametrize(
    ("words", "gone"), [(["docs"], "furo"), (["video", "ddd4"], "PIL"), (["runs"], "pyarrow.compute")]
)
def test_a_missing_package_is_named(words, gone, results: Path, monkeypatch, capsys):
    """Also one that a program of ours would need, and one that is imported late."""
    find = missing.importlib.util.find_spec
    monkeypatch.setattr(missing.importlib.util, "find_spec", lambda name: None if name == gone else find(name))
    monkeypatch.setitem(sys.modules, gone, None)
    monkeypatch.setattr(kept, "_folder", lambda results, run: Path())
    (results / catalogue.FILE).unlink(missing_ok=True)
    assert program.main([*words, "--config", f"results={results}"] if words != ["docs"] else words) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"the package {gone!r} is missing: activate the environment first"), said
