"""Tables: golden values of a printed table, formats, escaping."""

import json

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from analysis.errors import UserError
from analysis.load import write_scores
from analysis.spec.items import table_adapter
from analysis.table import make_table, tex_escape
from analysis.text import natural
from tests.analysis import fake

DREAMER = {
    "id": "table1",
    "kind": "aggregates",
    "title": "DreamerV2 Table 1",
    "game_set": "atari55_dreamerv2",
    "rows": [
        {"label": "DreamerV2",
         "printed": {"paper": "hafner2021_dreamerv2", "algorithm": "DreamerV2", "regime": "sticky_actions"},
         "scores": {"paper": "hafner2021_dreamerv2", "algorithm": "DreamerV2", "regime": "sticky_actions"}},
        *(
            {"label": name, "printed": {"paper": "hafner2021_dreamerv2", "algorithm": name, "regime": "sticky_actions"},
             "scores": {"paper": "castro2018_dopamine", "algorithm": name, "regime": "sticky_actions"}}
            for name in ("IQN", "Rainbow", "C51", "DQN")
        ),
    ],
    "columns": [
        {"label": "Gamer median", "statistic": "median", "normalisation": "gamer_dreamerv2",
         "metric": "gamer_median"},
        {"label": "Gamer mean", "normalisation": "gamer_dreamerv2", "metric": "gamer_mean"},
        {"label": "Record mean", "normalisation": "record_dreamerv2", "metric": "record_mean"},
        {"label": "Clipped record mean", "normalisation": "clipped_record_dreamerv2",
         "metric": "clipped_record_mean"},
    ],
}  # fmt: skip


def build(spec, scores, reference, out):
    make_table(table_adapter.validate_python(spec), scores, reference, out)
    return pd.read_csv(f"{out}.csv"), json.loads(out.with_name(f"{out.name}.json").read_text())


def test_dreamerv2_table_1_is_reproduced_to_the_last_digit(reference, tmp_path):
    data, caption = build(DREAMER, [], reference, tmp_path / "t")
    shown = {line[0]: [cell.split()[0] for cell in line[1:-1]] for line in caption["body"]}
    assert shown["IQN"] == ["1.288", "8.852", "0.211", "0.209"]
    assert shown["Rainbow"] == ["1.472", "9.116", "0.172", "0.172"]
    assert shown["C51"] == ["1.092", "7.697", "0.150", "0.150"]
    assert shown["DQN"] == ["0.653", "2.843", "0.123", "0.123"]
    # from the rounded per-game scores of Table K.1; printed: 2.15, 11.33, 0.44, 0.28
    assert shown["DreamerV2"] == ["2.146", "11.324", "0.438", "0.279"]
    assert set(data.games) == {55}
    printed = data[data.row == "DreamerV2"].printed.tolist()
    assert printed == [2.15, 11.33, 0.44, 0.28]


def test_printed_facts_stand_as_they_are(reference, tmp_path):
    spec = {
        "id": "t",
        "kind": "printed",
        "title": "Costs",
        "head": "Algorithm",
        "columns": ["Frames", "Days"],
        "lines": [
            {"label": "DreamerV2", "values": [200e6, 101.5]},
            {"label": "SimPLe", "values": ["few", None]},
            {"label": "Rainbow", "values": [1_000_000, 62.0]},
        ],
    }
    data, caption = build(spec, [], reference, tmp_path / "t")
    assert caption["head"] == ["Algorithm", "Frames", "Days"]
    assert caption["body"][:2] == [["DreamerV2", "200M", "101.5"], ["SimPLe", "few", "–"]]
    assert caption["body"][2] == ["Rainbow", "1,000,000", "62.0"]
    assert data.printed.tolist()[:3] == ["200000000.0", "101.5", "few"]
    with pytest.raises(ValueError, match="SimPLe: 1 values for 2 columns"):
        table_adapter.validate_python(spec | {"lines": [{"label": "SimPLe", "values": [1]}]})


def test_a_row_may_be_over_fewer_games_than_the_table(reference, tmp_path):
    """Schaul et al. 2016, Table 1: DQN's rows are over 49 games, Double DQN's over 57; van Hasselt's own is over 49."""
    scores = {"regime": "human_starts"}
    rows = [
        {"label": "DQN, rank-based", "game_set": "atari49_mnih2015",
         "printed": scores | {"paper": "schaul2016_per", "algorithm": "Prioritized_DQN_rank"},
         "scores": scores | {"paper": "schaul2016_per", "algorithm": "Prioritized_DQN_rank"}},
        {"label": "Double DQN (tuned)", "printed": scores | {"paper": "schaul2016_per", "algorithm": "DDQN_tuned"},
         "scores": scores | {"paper": "vanhasselt2016_ddqn", "algorithm": "DDQN_tuned"}},
        {"label": "its own paper's", "game_set": "atari49_mnih2015",
         "printed": scores | {"paper": "vanhasselt2016_ddqn", "algorithm": "DDQN_tuned"},
         "scores": scores | {"paper": "vanhasselt2016_ddqn", "algorithm": "DDQN_tuned"}},
    ]  # fmt: skip
    columns = [
        {"label": "Median", "statistic": "median", "normalisation": "abs", "metric": "median_hns"},
        {"label": "Mean", "normalisation": "abs", "metric": "mean_hns"},
    ]
    spec = {"id": "t", "kind": "aggregates", "title": "", "unit": "percent", "decimals": 1}
    data, caption = build(spec | {"rows": rows, "columns": columns}, [], reference, tmp_path / "t")
    assert [line[1:] for line in caption["body"]] == [
        ["105.5 (106)", "355.0 (355)", "49"],
        ["110.7 (111)", "418.3 (418)", "57"],
        ["116.7 (116.7)", "475.2 (475.2)", "49"],
    ]
    assert data.games.tolist() == [49, 49, 57, 57, 49, 49]
    assert "Median; Mean: of the human-normalised score" in caption["text"]


def test_formats(reference, tmp_path):
    build(DREAMER, [], reference, tmp_path / "t")
    markdown = (tmp_path / "t.md").read_text().splitlines()
    assert markdown[0] == "| Algorithm | Gamer median | Gamer mean | Record mean | Clipped record mean | Games |"
    assert markdown[3] == "| IQN | 1.288 (1.29) | 8.852 (8.85) | 0.211 (0.21) | 0.209 (0.21) | 55 |"
    tex = (tmp_path / "t.tex").read_text()
    assert r"IQN & 1.288 (1.29) & 8.852 (8.85) & 0.211 (0.21) & 0.209 (0.21) & 55 \\" in tex
    assert tex.count("{") == tex.count("}")
    first = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    build(DREAMER, [], reference, tmp_path / "t")
    assert first == {p.name: p.read_bytes() for p in tmp_path.iterdir()}


def test_latex_specials_are_escaped():
    assert tex_escape("a_b & 5% {x} \\ ~^#$") == (
        r"a\_b \& 5\% \{x\} \textbackslash{} \textasciitilde{}\textasciicircum{}\#\$"
    )


def test_final_scores_with_published_columns(house, reference, tmp_path):
    spec = {"id": "f", "kind": "final_scores", "title": "T", "experiments": ["demo.atari"],
            "published": [{"paper": "hessel2018_rainbow", "algorithm": "Rainbow"}]}  # fmt: skip
    data, caption = build(spec, house.scores, reference, tmp_path / "f")
    assert caption["head"] == ["Game", "C51", "DQN", "Rainbow (published)"]
    assert [line[0] for line in caption["body"]] == ["Breakout", "Pong", "Q*bert"]
    assert caption["body"][0][3] == "418"  # 417.5
    ours = data[(data.label == "DQN") & (data.game == "atari/pong")].iloc[0]
    assert ours.low <= ours.value <= ours.high and ours.n == 2


def test_scores_of_atari_do_not_stand_beside_games_of_minatar(house, reference, tmp_path):
    spec = {"id": "f", "kind": "final_scores", "title": "T", "experiments": ["demo.breakout"],
            "published": [{"paper": "hessel2018_rainbow", "algorithm": "Rainbow"}]}  # fmt: skip
    _, caption = build(spec, house.scores, reference, tmp_path / "f")
    assert caption["body"][0][0] == "Breakout (MinAtar)" and caption["body"][0][-1] == "–"


def test_throughput_beside_printed_speeds(reference, tmp_path):
    path = fake.experiment(tmp_path, {"A2C": 1.0, "A3C, 2 workers": 1.0}, seeds=2, name="speed")
    speeds, actor = {"A2C": (100.0, 300.0), "A3C, 2 workers": (400.0, 600.0)}, (210.0, 300.0)
    for entry in json.loads(path.read_text())["runs"]:
        seed = entry["seed"]
        if entry["variant"] != "A2C":  # the mean over the frames of its readings
            curve = np.array([20_000, 40_000, 60_000]), actor[seed] + np.array([-50.0, 0.0, 50.0])
            fake.write_run(tmp_path / "runs", entry["run"], *curve, metrics=("actor_frames_per_second",))
        facts = tmp_path / "runs" / entry["run"] / "run.json"
        info = {"frames_per_second": speeds[entry["variant"]][seed], "frames": 60_001 + seed}
        facts.write_text(json.dumps(json.loads(facts.read_text()) | info))
        fake.seal(facts.parent)
    write_scores(path, tmp_path / "runs", tmp_path / "speed.parquet")
    spec = {"id": "s", "kind": "throughput", "title": "T", "experiments": ["demo.speed"], "baseline": "A2C",
            "printed_columns": ["Task 1", "Task 2"],
            "printed": [{"label": "IMPALA", "values": [80_000, None]}]}  # fmt: skip
    timed, caption = build(spec | {"frame_time": True}, [tmp_path / "speed.parquet"], reference, tmp_path / "s")
    assert caption["head"][3:6] == ["speed-up", "ms per frame", "time ratio"]
    assert [line[4:6] for line in caption["body"]] == [["1.02", "1"], ["1.02", "1"], ["–", "–"]]  # 60k frames in 61 s
    assert timed[timed.column == "ms per frame"].value.tolist() == pytest.approx([61 / 60] * 2)
    data, caption = build(spec, [tmp_path / "speed.parquet"], reference, tmp_path / "s")
    assert caption["head"] == ["System", "Frames/s", "of one actor", "speed-up", "Task 1", "Task 2"]
    assert caption["body"] == [
        ["A2C", "200 [100, 300]", "–", "1", "–", "–"],
        ["A3C, 2 workers", "500 [400, 600]", "255 [210, 300]", "2.5", "–", "–"],
        ["IMPALA (published)", "–", "–", "–", "80,000", "–"],
    ]
    assert data[(data.label == "A3C, 2 workers") & (data.column == "of one actor")].value.tolist() == [255.0]
    with pytest.raises(UserError, match=r"baseline.*A2C"):
        build(spec | {"baseline": "A2D"}, [tmp_path / "speed.parquet"], reference, tmp_path / "s")
    with pytest.raises(ValidationError, match="IMPALA: 1 values for 2 columns"):
        table_adapter.validate_python(spec | {"printed": [{"label": "IMPALA", "values": [80_000]}]})


def test_numbers_in_names_are_sorted_as_numbers():
    names = ["A3C, 16 workers", "A2C", "A3C, 2 workers", "2.5", "A3C", "10"]
    assert sorted(names, key=natural) == ["2.5", "10", "A2C", "A3C", "A3C, 2 workers", "A3C, 16 workers"]
