"""The command line: each command once, and mistakes as one line with exit code 2."""

import json
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from analysis.__main__ import main
from tests.analysis.test_figures import SPECS
from tests.analysis.test_tables import DREAMER

BARS = SPECS["published_bars"] | {"id": "bars", "kind": "published_bars", "title": "Bars"}


def test_the_whole_road(house, reference, tmp_path):
    scores = str(tmp_path / "demo.breakout.parquet")
    common = ["--scores", scores, "--reference", str(reference)]
    figures = tmp_path / "figures"
    curves = SPECS["learning_curves"] | {"id": "curves", "kind": "learning_curves", "title": "Curves"}
    claim = {
        "id": "c",
        "kind": "greater",
        "text": "T",
        "experiments": ["demo.breakout"],
        "a": "DQN",
        "b": 1.0,
    }
    papers = tmp_path / "papers.json"
    papers.write_text(json.dumps([{"paper": "demo", "title": "Demo", "figures": [curves], "tables": [DREAMER]}]))
    experiment = str(house.experiments[0])
    steps = [
        ["scores", "--experiment", experiment, "--store", str(house.runs), "--out", scores],
        ["figure", "--spec", json.dumps(curves), *common, "--out", str(figures / "demo/curves")],
        ["table", "--spec", json.dumps(DREAMER), *common, "--out", str(figures / "demo/table1")],
        ["claims", "--spec", json.dumps([claim]), *common, "--out", str(tmp_path / "claims/demo.json")],
        ["report", "--papers", f"@{papers}", "--figures", str(figures), "--claims", str(tmp_path / "claims/demo.json"),
         "--experiments", experiment, "--store", str(house.runs), "--out", str(tmp_path / "report/index.html")],
    ]  # fmt: skip
    assert [main(step) for step in steps] == [0] * 5
    made = sorted(p.name for p in (figures / "demo").iterdir())
    assert made == sorted(
        [f"curves.{s}" for s in ("pdf", "svg", "png", "csv", "json")]
        + [f"table1.{s}" for s in ("csv", "md", "tex", "json")]
    )
    assert "data:image/svg+xml" in (tmp_path / "report/index.html").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "published_bar"}, "bars: unknown kind 'published_bar'"),
        ({"kind": "published_bar"}, "did you mean 'published_bars'?"),
        ({"titel": "x"}, "unknown key 'titel' in bars: titel; did you mean 'title'?"),
        ({"bars": [{"label": "x", "printd": {}}]}, "'printd' in bars: bars.0.printd; did you mean 'printed'?"),
        ({"axis": 3}, "bars: axis: text is wanted, not 3"),
        ({"venue": "icmll"}, "unknown value 'icmll' in bars: venue; did you mean 'icml'?"),
        ({"bars": []}, "bars: bars: must not be empty"),
        ({"bars": [{"label": "x", "printed": {"paper": "gogianu2021", "algorithm": "C51", "metric": "m"}}]},
         "unknown paper 'gogianu2021' in"),
    ],
)  # fmt: skip
def test_faulty_specs(change, message, reference, tmp_path, capsys):
    spec = json.dumps(BARS | change)
    code = main(["figure", "--spec", spec, "--reference", str(reference), "--out", str(tmp_path / "x")])
    error = capsys.readouterr().err
    assert code == 2 and error.count("\n") == 1 and error.startswith("analysis figure: ")
    assert message.replace("bars: unknown kind 'published_bar'", "unknown kind 'published_bar' in bars") in error
    assert list(tmp_path.iterdir()) == []


def test_files_that_cannot_be_read_or_written(house, reference, tmp_path, capsys):
    damaged = tmp_path / "cut.parquet"
    damaged.write_bytes(house.scores[0].read_bytes()[:100])
    figure = ["figure", "--spec", json.dumps(BARS), "--reference", str(reference), "--out"]
    blocked = tmp_path / "file"
    blocked.write_text("")
    cases = [
        ([*figure, str(tmp_path / "x"), "--scores", str(damaged)], f"{damaged} is cut short or not Parquet"),
        ([*figure, str(tmp_path / "x"), "--scores", str(tmp_path / "no.parquet")], "no such file: "),
        ([*figure, str(blocked / "x")], f"cannot write {blocked / 'x.pdf'}"),
        (
            ["scores", "--experiment", str(tmp_path / "no.json"), "--store", ".", "--out", "x"],
            "no such file: ",
        ),
        (["figure", "--spec", "{", "--reference", ".", "--out", "x"], "--spec: not readable JSON"),
        (
            ["report", "--papers", "{}", "--figures", ".", "--store", ".", "--out", "x"],
            "--papers: needs a list",
        ),
    ]
    for argv, message in cases:
        assert main(argv) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1, error


ATARI = {"experiments": ["demo.atari"], "normalisation": "standard"}
C51 = {"scores": {"paper": "bellemare2017_c51", "algorithm": "C51"}}


@pytest.mark.parametrize(
    ("command", "spec"),
    [
        *(("figure", {"kind": kind} | ATARI) for kind in ("aggregate_curves", "interval_bars", "per_game_bars")),
        ("figure", {"kind": "per_game_bars", "experiments": ["demo.atari"], "baseline": "DQN"}),
        ("figure", {"kind": "learning_speed", "baseline": "DQN"} | ATARI),
        ("figure", {"kind": "games_above", "levels": [20]} | ATARI),
        ("figure", {"kind": "published_bars", "bars": [{"label": "C51", "recomputed": C51}]}),
        ("table", {"kind": "final_scores"} | ATARI),
        ("claims", [{"kind": "greater", "text": "T", "a": "C51", "b": "DQN"} | ATARI]),
        ("claims", [{"kind": "published_value", "text": "T", "recomputed": C51, "tolerance": 1, "printed": {
            "paper": "gogianu2021_sn", "algorithm": "C51_own", "metric": "max_mean_hns"}}]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("human", [-20.7, None])
def test_a_human_like_the_random_policy_stops_everything_that_needs_him(
    human, command, spec, house, reference, tmp_path, capsys
):
    shutil.copytree(reference, tmp_path / "reference")
    file = tmp_path / "reference/atari_reference_scores.csv"
    table = pd.read_csv(file)
    table.loc[table.game == "pong", "human"] = human
    table.to_csv(file, index=False)
    spec = [{"id": "x"} | claim for claim in spec] if command == "claims" else {"id": "x", "title": "X"} | spec
    scores = [str(path) for path in house.scores]
    where = ["--scores", *scores, "--reference", str(tmp_path / "reference"), "--out", str(tmp_path / "out/x")]
    assert main([command, "--spec", json.dumps(spec), *where]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "cannot scale pong" in error and str(file) in error
    assert ("'abs'" if improvement(spec) else "'standard'") in error
    assert not (tmp_path / "out").exists()


def improvement(spec) -> bool:
    """It has a scale of its own."""
    return isinstance(spec, dict) and spec["kind"] == "per_game_bars" and "baseline" in spec


def test_no_traceback_from_the_real_command(tmp_path):
    argv = [
        sys.executable,
        "-m",
        "analysis",
        "claims",
        "--spec",
        "[{}]",
        "--reference",
        str(tmp_path),
        "--out",
        "x",
    ]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr and done.stderr.startswith("analysis claims: ")
