"""Claims: each verdict from data made to give it."""

import json

import pytest
from pydantic import ValidationError

from analysis.claims import check
from analysis.errors import UserError
from analysis.load import write_scores
from analysis.spec.items import claims_adapter
from tests.analysis import fake

SN = {"paper": "gogianu2021_sn", "metric": "max_mean_hns"}


def run(claims, scores, reference, out):
    claims = [{"id": f"c{i}", "text": "T"} | claim for i, claim in enumerate(claims)]
    results = check(claims_adapter.validate_python(claims), scores, reference, out)
    assert json.loads(out.read_text()) == results
    return results


def greater(**options):
    return {"kind": "greater", "experiments": ["demo.breakout"], "a": "DQN SN[-2]", "b": "DQN"} | options


def test_verdicts_from_runs(house, reference, tmp_path):
    up, down, number, margin, scale = run(
        [
            greater(published="+2"),
            greater(a="random policy"),
            greater(b=0.5),
            greater(margin=1.8),
            greater(at_least="paper"),
        ],
        house.scores,
        reference,
        tmp_path / "c.json",
    )
    assert up["verdict"] == "reproduced" and up["low"] > 0 and up["n"] == "3 seeds" and len(up["runs"]) == 6
    ends = {v: [fake.curve(f, seed=1000 * v + s)[1][-1] for s in range(3)] for v, f in ((1, 4.0), (2, 6.0))}
    assert up["value"] == pytest.approx(sum(ends[2]) / 3 - sum(ends[1]) / 3)
    assert down["verdict"] == "not reproduced" and down["high"] < 0
    assert number["verdict"] == "reproduced" and number["value"] == pytest.approx(sum(ends[2]) / 3 - 0.5)
    assert margin["low"] < 1.8 < margin["high"] and margin["verdict"] == "inconclusive"
    assert scale["verdict"] == "not run at this scale" and "needs scale 'paper'" in scale["why"]


def test_close_wants_the_whole_interval_within_the_margin(house, reference, tmp_path):
    ends = {v: [fake.curve(f, seed=1000 * v + s)[1][-1] for s in range(3)] for v, f in ((1, 4.0), (2, 6.0))}
    gap = (sum(ends[2]) - sum(ends[1])) / 3
    claims = [greater(kind="close", margin=margin) for margin in (gap + 5, gap, gap / 10)]
    claims += [
        greater(kind="close", margin=gap / 10, a="DQN", b="DQN SN[-2]"),
        greater(kind="close", a="DQN", margin=1),
    ]
    found = run(claims, house.scores, reference, tmp_path / "c.json")
    verdicts = ["reproduced", "inconclusive", "not reproduced", "not reproduced", "reproduced"]
    assert [each["verdict"] for each in found] == verdicts
    assert found[0]["value"] == pytest.approx(gap) and found[3]["value"] == pytest.approx(-gap)
    assert found[0]["low"] < gap < found[0]["high"] < gap + 5
    with pytest.raises(ValidationError):
        run([greater(kind="close", margin=0)], house.scores, reference, tmp_path / "c.json")


def test_overtaking_compares_an_early_score_with_a_late_one(house, reference, tmp_path):
    """DQN SN[-2] rises to 6, DQN to 4: past the half it is above that, after a tenth it is not."""
    claims = [greater(kind="overtakes", by_frames=frames) for frames in (36_000, 6_000, 10)]
    late, early, before = run(claims, house.scores, reference, tmp_path / "c.json")
    curves = {v: [fake.curve(f, seed=1000 * v + s) for s in range(3)] for v, f in ((1, 4.0), (2, 6.0))}
    ends = sum(values[-1] for _, values in curves[1]) / 3
    reached = sum(values[frames <= 36_000][-1] for frames, values in curves[2]) / 3
    assert late["value"] == pytest.approx(reached - ends) and late["verdict"] == "reproduced"
    assert early["value"] < -1 and early["verdict"] == "not reproduced"
    assert before["verdict"] == "not run at this scale"
    assert before["why"] == "no value of 'DQN SN[-2]' within the first 10 frames"


def test_one_seed_is_inconclusive_and_no_run_is_not_run(reference, tmp_path):
    lost = fake.run_name("breakout", 2, "minatar/breakout", 0)
    path = fake.experiment(tmp_path, {"random policy": 0.5, "DQN": 4.0, "DQN SN[-2]": 6.0}, seeds=1, skip=(lost,))
    out = tmp_path / "s.parquet"
    write_scores(path, tmp_path / "runs", out)
    one, gone = run([greater(a="DQN", b="random policy"), greater()], [out], reference, tmp_path / "c.json")
    assert one["verdict"] == "inconclusive" and "one seed" in one["why"] and one["low"] is None
    assert gone["verdict"] == "not run at this scale" and gone["why"] == "the runs are missing"


def test_diverged_and_missing_runs_are_told(house, reference, tmp_path):
    where = {"optimizer.lr": 1e-3, "optimizer.eps": 1e-2}
    (told,) = run([greater(experiments=["demo.grid"], where=where)], house.scores, reference, tmp_path / "c.json")
    assert "1 diverged run(s) counted with their last score" in told["why"]


def test_published_numbers(house, reference, tmp_path):
    dqn = {"scores": {"paper": "bellemare2017_c51", "algorithm": "DQN"}, "game_set": "atari54_sn"}
    bars = [{"label": name, "printed": SN | {"algorithm": name}} for name in ("C51_SN[-2]", "Rainbow", "C51_own")]
    value = {"kind": "published_value", "printed": SN | {"algorithm": "DQN"}, "recomputed": dqn}
    close, off, order, wrong = run(
        [
            value | {"tolerance": 0.01},
            value | {"tolerance": 1.0, "recomputed": dqn | {"normalisation": "vp0", "game_set": "atari57"}},
            {"kind": "published_order", "order": bars},
            {"kind": "published_order", "order": bars[::-1]},
        ],
        house.scores,
        reference,
        tmp_path / "c.json",
    )
    assert (close["verdict"], close["published"]) == ("recomputed", "216.84")
    assert close["value"] == pytest.approx(216.844, abs=1e-3) and close["ours"] == "216.84"  # decimals as printed
    assert off["verdict"] == "not reproduced" and off["value"] == pytest.approx(227.74, abs=0.01)
    assert order["verdict"] == "recomputed" and order["ours"] == "C51_SN[-2] 1072 > Rainbow 855 > C51_own 779"
    assert wrong["verdict"] == "not reproduced"
    assert {(each["basis"], each["weak"]) for each in (close, off, order, wrong)} == {("published", False)}


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        (greater(a="DQN SN-2"), r"unknown variant 'DQN SN-2' in claim c0; did you mean 'DQN SN\[-2\]'"),
        (greater(experiments=["demo.grid"]), "has several settings; choose one with 'where'"),
        (greater(experiments=["demo.atari"], a="C51"), "raw scores of 3 games cannot be averaged"),
        (greater(experiments=["demo.nothing"]), "unknown experiment 'demo.nothing'"),
    ],
)
def test_mistakes_are_explained(claim, message, house, reference, tmp_path):
    with pytest.raises(UserError, match=message):
        run([claim], house.scores, reference, tmp_path / "c.json")


def test_games_below_the_human_must_be_exactly_the_named_ones(house, reference, tmp_path):
    scores = {"paper": "kapturowski2019_r2d2", "algorithm": "R2D2"}
    claim = {"kind": "published_below", "scores": scores, "game_set": "atari57"}
    right, wrong = run(
        [claim | {"below": "r2d2_below_human5"}, claim | {"below": "atari57"}],
        house.scores,
        reference,
        tmp_path / "c.json",
    )
    assert right["verdict"] == "recomputed" and right["ours"] == "52 of 57 games above"
    assert wrong["verdict"] == "not reproduced"


def test_two_seeds_make_a_weak_verdict(house, reference, tmp_path):
    games = {"experiments": ["demo.atari"], "normalisation": "standard", "a": "C51", "b": "DQN"}
    claims = [games, games | {"a": "DQN", "b": "C51"}, games | {"kind": "close", "margin": 1e6}]
    up, down, near = run([greater() | c for c in claims], house.scores, reference, tmp_path / "c.json")
    assert [each["verdict"] for each in (up, down, near)] == ["reproduced", "not reproduced", "reproduced"]
    assert all(each["weak"] and "weak: fewer than three seeds" in each["why"] for each in (up, down, near))
    open_, three = run(
        [greater() | games | {"margin": up["value"]}, greater()], house.scores, reference, tmp_path / "c.json"
    )
    assert open_["verdict"] == "inconclusive" and not open_["weak"] and "weak" not in open_["why"]
    assert three["verdict"] == "reproduced" and not three["weak"] and three["basis"] == "runs"
