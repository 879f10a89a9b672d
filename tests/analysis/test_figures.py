"""Every kind of figure: drawn, its data file by hand, its caption, byte-identical rebuilds."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analysis import style
from analysis.errors import UserError
from analysis.figure import draw, make_figure
from analysis.figures.per_game_bars import symlog_ticks
from analysis.load import read_scores
from analysis.reference import Reference
from analysis.spec.items import FIGURES, figure_adapter
from tests.analysis import fake, layout

RAINBOW = {"paper": "hessel2018_rainbow", "algorithm": "Rainbow"}
SPECS = {
    "learning_curves": {
        "experiments": ["demo.breakout"],
        "reference_lines": ["random policy"],
        "seeds": True,
        "published": [{"file": "minatar_young2019_digitised.csv", "algorithm": "DQN", "source": "Young & Tian 2019"}],
    },
    "aggregate_curves": {"experiments": ["demo.atari"], "normalisation": "standard", "statistics": ["iqm", "mean"]},
    "interval_bars": {"experiments": ["demo.atari"], "normalisation": "standard", "statistics": ["iqm", "median"]},
    "per_game_bars": {"experiments": ["demo.atari"], "published": [RAINBOW], "normalisation": "standard",
                      "game_set": "sn10_ablation"},
    "win_tie_loss": {"experiments": ["demo.parts"], "a": "Rainbow", "b": ["DQN", "no double", "no dueling"],
                     "normalisation": "standard", "tie": 0.1, "counted": {"DQN": [42, 8, 5]}},
    "heat_map": {"experiments": ["demo.grid"], "x": "optimizer.lr", "y": "optimizer.eps",
                 "x_axis": "Learning rate"},
    "sensitivity": {"experiments": ["demo.grid"], "x": "optimizer.lr", "where": {"optimizer.eps": 1e-4},
                    "published": ["DQN"]},
    "grid_share": {"experiments": ["demo.grid"], "threshold": 3.5},
    "depth_bars": {"experiments": ["demo.grid"], "x": "optimizer.lr", "where": {"optimizer.eps": 1e-4}},
    "distribution": {"experiments": ["demo.spread"]},
    "profile": {"experiments": ["demo.spread"], "panels": [{"axis": "Error", "metrics": {
        "half": "td_error[q50]", "most": "td_error[q99]"}}]},
    "learning_speed": {"experiments": ["demo.atari"], "baseline": "DQN", "normalisation": "standard"},
    "games_above": {"experiments": ["demo.atari"], "levels": [20, 50, 100], "normalisation": "standard"},
    "ablation_drops": {"experiments": ["demo.parts"], "full": "Rainbow", "base": "DQN"},
    "published_bars": {
        "bars": [
            {"label": "C51 SN[-2]", "printed": {"paper": "gogianu2021_sn", "algorithm": "C51_SN[-2]",
                                               "metric": "max_mean_hns"}},
            {"label": "Rainbow", "printed": {"paper": "gogianu2021_sn", "algorithm": "Rainbow",
                                             "metric": "max_mean_hns"},
             "recomputed": {"scores": RAINBOW, "game_set": "atari54_sn"}},
            {"label": "C51", "printed": {"paper": "gogianu2021_sn", "algorithm": "C51_own",
                                         "metric": "max_mean_hns"}},
            {"label": "C51 (Rainbow paper)", "printed": {"paper": "gogianu2021_sn",
                                                         "algorithm": "C51_as_in_Rainbow",
                                                         "metric": "max_mean_hns"}},
        ]
    },
}  # fmt: skip


def make(kind, house, reference, out, **options):
    spec = figure_adapter.validate_python(SPECS[kind] | {"id": kind, "kind": kind, "title": kind} | options)
    make_figure(spec, house.scores, reference, out / kind)
    return pd.read_csv(out / f"{kind}.csv"), json.loads((out / f"{kind}.json").read_text())


@pytest.fixture(scope="module")
def drawn(house, reference, tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    return folder, {kind: make(kind, house, reference, folder) for kind in SPECS}


def test_a_profile_has_one_value_for_each_metric_and_variant(drawn):
    table, _ = drawn[1]["profile"]
    assert table[["position", "metric", "label"]].to_numpy().tolist() == [
        ["half", "td_error[q50]", "rank-based"],
        ["most", "td_error[q99]", "rank-based"],
    ]
    assert table.value.nunique() == 1 and 0.85 < table.value[0] < 1.05  # both metrics follow one curve that ends near 1


def test_a_panel_of_a_profile_may_be_empty_and_says_so(house, reference, tmp_path):
    panels = [*SPECS["profile"]["panels"], {"axis": "Delta Q", "metrics": {"first": "fresh_delta_q_first"}}]
    table, caption = make("profile", house, reference, tmp_path, panels=panels)
    assert set(table.metric) == {"td_error[q50]", "td_error[q99]"}
    assert "Nothing for first: " in caption["text"]
    assert "No run has a value here" in (tmp_path / "profile.svg").read_text()


def test_games_are_won_tied_and_lost(drawn):
    table, caption = drawn[1]["win_tie_loss"]
    counts = table[table.role == "count"].pivot(index="panel", columns="label", values="value")
    assert counts.loc["DQN"].to_dict() == {"better": 1, "tied": 1, "worse": 0}
    assert set(table[table.panel == "DQN"].label) == {"pong", "qbert", "better", "tied", "worse"}
    assert "Without a score here: no dueling." in caption["text"]


@pytest.mark.parametrize("kind", SPECS)
def test_no_text_is_cut_off_or_lies_on_other_text(kind, house, reference):
    spec = figure_adapter.validate_python(SPECS[kind] | {"id": kind, "kind": kind, "title": kind})
    with style.context():
        figure = draw(spec, read_scores(house.scores), Reference(reference)).figure
        figure.draw_without_rendering()
        found = layout.faults(figure)
        style.plt.close(figure)
    assert found == []


def test_ticks_of_differences_are_told_apart():
    assert symlog_ticks((-35, 130), 100, 9) == [-25, 0, 25, 50, 100]
    assert symlog_ticks((-3000, 40_000), 100, 9) == [-1000, -100, 0, 100, 1000, 10_000]
    assert symlog_ticks((-3000, 40_000), 100, 5) == [-100, 0, 100, 10_000]
    assert symlog_ticks((-0.05, 0.05), 100, 9) == [-0.01, 0, 0.01]


def test_bars_of_many_games_stand_in_two_halves_of_a_page(reference):
    """57 games, three agents: 20 inches of bars."""
    published = [RAINBOW | {"algorithm": name, "label": name} for name in ("Rainbow", "DQN", "DDQN")]
    spec = {"id": "b", "kind": "per_game_bars", "title": "B", "published": published, "normalisation": "standard"}
    with style.context():
        figure = draw(figure_adapter.validate_python(spec), read_scores([]), Reference(reference)).figure
        figure.draw_without_rendering()
        found = layout.faults(figure)
        left, right = ([tick.get_text() for tick in axes.get_yticklabels()] for axes in figure.axes)
        style.plt.close(figure)
    assert found == [] and figure.get_figheight() < 9.01
    assert (len(left), len(right)) == (29, 28) and left[0] == "Video Pinball"
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()


def test_every_kind_has_a_test():
    elsewhere = {
        "scaling",
        "survival",
        "scatter",
        "dreams",
        "return_distribution",
        "performance_profile",
        "improvement_probability",
    }
    assert set(SPECS) | elsewhere == set(FIGURES)


@pytest.mark.parametrize("kind", SPECS)
def test_two_builds_are_byte_identical(kind, drawn, house, reference, tmp_path):
    make(kind, house, reference, tmp_path)
    for suffix in ("pdf", "svg", "png", "csv", "json"):
        name = f"{kind}.{suffix}"
        assert (tmp_path / name).read_bytes() == (drawn[0] / name).read_bytes(), name
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        f"{kind}.{s}" for s in ("pdf", "svg", "png", "csv", "json")
    )


@pytest.mark.parametrize("kind", SPECS)
def test_files_have_print_width_and_no_dates_or_bitmap_fonts(kind, drawn):
    inches = 3.25 if kind in ("published_bars", "grid_share") else 6.75
    assert Image.open(drawn[0] / f"{kind}.png").width == pytest.approx(200 * inches, abs=1)
    pdf = (drawn[0] / f"{kind}.pdf").read_bytes()
    assert b"CreationDate" not in pdf and b"/Subtype /Type3" not in pdf and b"/FontFile2" in pdf
    svg = (drawn[0] / f"{kind}.svg").read_text()
    assert "<dc:date>" not in svg and f'width="{72 * inches:g}pt"' in svg


def test_learning_curves_data(drawn):
    data, caption = drawn[1]["learning_curves"]
    ours = data[(data.label == "DQN") & (data.role == "curve") & (data.frame == 60_000)].iloc[0]
    finals = [fake.curve(4.0, seed=1000 + seed)[1][-1] for seed in range(3)]
    assert ours.value == pytest.approx(np.mean(finals))
    assert min(finals) <= ours.low < ours.value < ours.high <= max(finals) and ours.n == 3
    level = data[data.role == "reference"].iloc[0]
    assert level.label == "random policy" and 0.2 < level.value < 0.5
    assert data[data.role == "seed"].label.nunique() == 6
    # the published curve is cut at our last frame, where its value lies between two of its points
    published = data[data.role == "published"]
    assert published.frame.max() == 60_000
    assert set(published.label) == {"DQN (Young & Tian 2019)"}
    assert len(caption["runs"]) == 9 and caption["missing"] == caption["diverged"] == []
    for part in (
        "n = 3 seeds",
        "60k of the paper's 5M frames",
        "one evaluation's episodes. Its episodes are cut at 800 or 10,000 frames.",
        "raw game score",
        "percentile bootstrap",
        "'rliable'",
    ):
        assert part in caption["text"]


def test_aggregate_curves_data(drawn):
    data, caption = drawn[1]["aggregate_curves"]
    finals = {
        game: [fake.curve(20.0, seed=100 * g + s)[1][-1] for s in range(2)]
        for g, game in enumerate(("pong", "breakout", "qbert"))
    }
    low = {"pong": -20.7, "breakout": 1.7, "qbert": 163.9}
    high = {"pong": 14.6, "breakout": 30.5, "qbert": 13455.0}
    ratios = [100 * np.mean([(v - low[g]) / (high[g] - low[g]) for v in vs]) for g, vs in finals.items()]
    row = data[(data.panel == "Mean") & (data.label == "DQN") & (data.frame == 60_000)].iloc[0]
    assert row.value == pytest.approx(np.mean(ratios))
    assert "convention 'standard'" in caption["text"] and "over 3 games" in caption["text"]


def test_heat_map_counts_missing_and_diverged(drawn):
    data, caption = drawn[1]["heat_map"]
    cells = data.set_index(["panel", "optimizer.lr", "optimizer.eps"])
    assert len(cells) == 8
    assert cells.loc[("DQN", 1e-4, 1e-2), ["n", "missing"]].tolist() == [1, 1]
    assert cells.loc[("DQN SN[-2]", 1e-3, 1e-2), ["n", "diverged"]].tolist() == [2, 1]
    assert len(caption["missing"]) == 1 and len(caption["diverged"]) == 1
    assert "1 diverged run(s)" in caption["text"] and "1 planned run(s) are missing" in caption["text"]
    texts = set(re.findall(r"<!-- (.*?) -->", (drawn[0] / "heat_map.svg").read_text()))
    assert {"Learning rate", "optimizer.eps"} <= texts and "optimizer.lr" not in texts


def test_published_bars_data(drawn):
    data, caption = drawn[1]["published_bars"]
    published = data[data.role == "published"].set_index("label").value
    assert published.to_dict() == {"C51 SN[-2]": 1072, "Rainbow": 855, "C51": 779, "C51 (Rainbow paper)": 523}
    assert data[data.role == "recomputed"].value.tolist() == pytest.approx([858.30], abs=0.01)
    assert caption["runs"] == [] and "No run of ours" in caption["text"].replace("no run", "No run")


def test_per_game_bars_data(drawn, house, reference, tmp_path):
    data, _ = drawn[1]["per_game_bars"]
    sets = pd.read_csv(reference / "game_sets.csv")
    assert sorted(set(data.panel)) == sorted(sets[sets.game_set == "sn10_ablation"].game)
    mine = data[(data.label == "DQN") & (data.panel == "breakout")].iloc[0]
    assert mine.value == pytest.approx(
        100 * (np.mean([fake.curve(20.0, seed=100 + s)[1][-1] for s in range(2)]) - 1.7) / 28.8
    )
    # improvement over a published baseline: Rainbow 417.5 and C51 748 on breakout, human 30.5, random 1.7
    c51 = {"paper": "bellemare2017_c51", "algorithm": "C51", "label": "C51"}
    better, caption = make(
        "per_game_bars", house, reference, tmp_path,
        experiments=[], published=[RAINBOW | {"label": "Rainbow"}, c51], baseline="C51", game_set=None,
    )  # fmt: skip
    row = better[better.panel == "breakout"].iloc[0]
    assert row.label == "Rainbow" and row.value == pytest.approx(100 * (417.5 - 748) / (748 - 1.7), abs=1e-9)
    assert len(better) == 57 and "No run of ours is shown" in caption["text"]
    # Schaul et al. 2016, Figure 3: the difference of normalised scores, under human starts
    starts = {"regime": "human_starts"}
    less, caption = make(
        "per_game_bars", house, reference, tmp_path, experiments=[], game_set=None, games=["atari/video_pinball"],
        published=[{"paper": "schaul2016_per", "algorithm": "Prioritized_DDQN_prop_tuned", "label": "PER"} | starts,
                   {"paper": "vanhasselt2016_ddqn", "algorithm": "DDQN_tuned", "label": "DDQN"} | starts],
        baseline="DDQN", formula="difference", normalisation="abs",
    )  # fmt: skip
    # the random policy, at 20,452, is above the human
    assert less.value.tolist() == pytest.approx([100 * (374886.9 - 367823.7) / (20452.0 - 15641.1)])
    assert "Bars: score less that of DDQN, human-normalised" in caption["text"]


def test_one_seed_has_no_band_and_says_so(house, reference, tmp_path):
    path = fake.experiment(tmp_path, {"DQN": 1.0}, seeds=1)
    out = tmp_path / "one.parquet"
    from analysis.load import write_scores

    write_scores(path, tmp_path / "runs", out)
    spec = {"id": "one", "kind": "learning_curves", "title": "T", "experiments": ["demo.breakout"]}
    make_figure(figure_adapter.validate_python(spec), [out], reference, tmp_path / "one")
    data = pd.read_csv(tmp_path / "one.csv")
    caption = json.loads((tmp_path / "one.json").read_text())
    assert "low" not in data.columns and data.n.unique().tolist() == [1]
    assert "One seed per game: no interval." in caption["text"] and caption["interval"] is None


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("aggregate_curves", {"normalisation": "raw"}, "raw scores of 3 games cannot be averaged"),
        ("interval_bars", {"experiments": ["demo.breakout"], "normalisation": "raw",
                           "statistics": ["optimality_gap"]}, "optimality gap needs a normalised score"),
        ("learning_curves", {"reference_lines": ["Random"]}, "reference_lines names 'Random'"),
        ("learning_curves", {"normalisation": "standard"}, "has no reference score for minatar/breakout"),
        ("heat_map", {"x": "optimizer.rate"}, "unknown varied key 'optimizer.rate'"),
        ("sensitivity", {"where": {}}, "DQN SN.* has several settings with optimizer.lr|DQN has several settings"),
        ("sensitivity", {"x": "optimizer.rate"}, "unknown varied key 'optimizer.rate'"),
        ("sensitivity", {"published": ["DQM"]}, "unknown algorithm 'DQM'.*did you mean 'DQN'"),
        ("grid_share", {"experiments": ["demo.atari"]}, "raw scores of 3 games cannot be averaged"),
        ("depth_bars", {"reference_lines": ["Random"]}, "reference_lines names 'Random'"),
        ("distribution", {"metric": "td_errors"}, "unknown metric of percentiles 'td_errors'.*'td_error'"),
        ("learning_speed", {"baseline": "DQM"}, "unknown baseline 'DQM'.*did you mean 'DQN'"),
        ("games_above", {"normalisation": "raw"}, "levels need a normalised score"),
        ("ablation_drops", {"full": "Rainbo"}, "unknown variant 'Rainbo'.*did you mean 'Rainbow'"),
        ("per_game_bars", {"experiments": ["demo.breakout"], "game_set": None},
         "'standard' has no reference score for minatar/breakout"),
        ("per_game_bars", {"experiments": ["demo.breakout"], "game_set": None, "normalisation": "raw",
                           "baseline": "DQN"}, "'standard' has no reference score for minatar/breakout"),
        ("per_game_bars", {"baseline": "DQM"}, "unknown baseline 'DQM'.*did you mean 'DQN'"),
    ],
)  # fmt: skip
def test_mistakes_are_explained(kind, options, message, house, reference, tmp_path):
    with pytest.raises(UserError, match=re.compile(message)):
        make(kind, house, reference, tmp_path, **options)
    assert list(tmp_path.iterdir()) == []
