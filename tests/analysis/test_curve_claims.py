"""Claims about best settings, whole curves and clouds of runs, on data that are known to the digit."""

import json

import numpy as np
import pytest

from analysis.claims import check
from analysis.curve_claims import _spearman
from analysis.errors import UserError
from analysis.load import write_scores
from analysis.spec.items import claims_adapter
from tests.analysis import fake

FRAMES = np.array([0, 100, 200, 300, 400])
GAMES = ("minatar/asterix", "minatar/breakout")
# experiment -> variant -> setting of lr -> curve; each run adds a tenth of its seed
CURVES = {
    "wide": {"SN": {1: [0, 1, 2, 3, 4], 2: [0, 4, 5, 7, 9]}, "DQN": {1: [0, 3, 5, 5, 5], 2: [0, 0, 0, 0, 0]}},
    "narrow": {"SN": {1: [0, 1, 2, 3, 4], 2: [0, 0, 0, 0, 1]}, "DQN": {1: [0, 1, 2, 3, 3], 2: [0, 0, 0, 0, 0]}},
}


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    folder, found = tmp_path_factory.mktemp("curves"), []
    for name, variants in CURVES.items():
        entries = []
        for variant, settings in variants.items():
            for lr, curve in settings.items():
                for game in GAMES:
                    for seed in range(3):
                        run = f"a.{game.replace('/', '-')}.s{seed}.{len(entries):06x}{len(found):06x}"
                        values = np.array(curve, float) + seed / 10
                        fake.write_run(folder / name, run, FRAMES, values, metrics=("evaluation_return", "rho[-2]"))
                        entries.append(fake.entry(run, variant, game, seed, {"optimizer.lr": lr}))
        about = {"paper": "demo", "experiment": name, "scale": "reduced", "budget_frames": 400, "paper_frames": 400}
        path = folder / f"{name}.json"
        path.write_text(json.dumps(about | {"reduced": "", "metrics": None, "runs": entries}))
        found.append(folder / f"{name}.parquet")
        write_scores(path, folder / name, found[-1])
    return found


@pytest.fixture
def judge(scores, reference, tmp_path):
    def one(kind, **options):
        spec = {"id": "c", "text": "T", "kind": kind, "experiments": ["demo.wide"], "a": "SN", "b": "DQN"}
        spec |= {"games": [GAMES[0]]}
        spec = {key: value for key, value in (spec | options).items() if value is not None}
        (result,) = check(claims_adapter.validate_python([spec]), scores, reference, tmp_path / "c.json")
        return result

    return one


def test_the_best_settings_are_compared(judge):
    """SN ends at 4 and 9, DQN at 5 and 0, each 0.1 higher by its seeds; in the other sweep at 4 and 3."""
    up = judge("best_greater")
    assert (up["verdict"], up["value"], up["unit"]) == ("reproduced", pytest.approx(4), "Evaluation return")
    assert 3.8 <= up["low"] < 4 < up["high"] <= 4.2
    assert up["ours"] == "difference +4, best of 2 settings" and up["n"] == "3 seeds" and len(up["runs"]) == 12
    assert judge("best_greater", a="DQN", b="SN")["verdict"] == "not reproduced"
    more = judge("best_greater", experiments=["demo.wide", "demo.narrow"])
    assert (more["verdict"], more["value"]) == ("reproduced", pytest.approx(3))
    assert more["ours"] == "difference +3, best of 2 and 2 settings" and len(more["runs"]) == 24
    assert judge("best_greater", experiments=["demo.narrow", "demo.wide"])["value"] == pytest.approx(-3)
    assert judge("best_greater", at_least="paper")["verdict"] == "not run at this scale"


def test_a_curve_is_above_from_a_frame_on(judge):
    """With lr 1, SN less DQN is 0, -2, -3, -2, -1; with lr 2 it is 0, 4, 5, 7, 9."""
    where = {"optimizer.lr": 2}
    up = judge("above_from", from_frames=150, where=where)
    assert (up["verdict"], up["value"]) == ("reproduced", pytest.approx(5))
    assert up["ours"] == "difference at least +5 at 3 checkpoints" and up["low"] == pytest.approx(5, abs=0.21)
    assert judge("above_from", from_frames=0, where=where)["value"] == pytest.approx(0)
    assert judge("above_from", from_frames=150, where={"optimizer.lr": 1})["verdict"] == "not reproduced"
    assert judge("above_from", from_frames=500, where=where)["why"] == "no run reaches frame 500"
    with pytest.raises(UserError, match="'SN' has several settings"):
        judge("above_from", from_frames=0)


def test_a_curve_goes_on_rising(judge):
    """From frame 200 to 400 SN rises by 2 and DQN by 0, whatever the seeds; from frame 300 by 1 and 0."""
    up = judge("rises_more", where={"optimizer.lr": 1})
    assert (up["verdict"], up["value"], up["low"]) == ("reproduced", pytest.approx(2), pytest.approx(2))
    assert up["ours"] == "difference +2: a rise of +2 against +0"
    assert judge("rises_more", where={"optimizer.lr": 1}, share=0.75)["value"] == pytest.approx(1)
    assert judge("rises_more", where={"optimizer.lr": 1}, share=0.625)["value"] == pytest.approx(1.5)
    assert judge("rises_more", where={"optimizer.lr": 1}, margin=2.5)["verdict"] == "not reproduced"


def test_metrics_that_follow_one_curve_are_correlated(judge):
    """Every metric of a fake run has the same curve: rho is 1."""
    found = judge("uncorrelated", a=None, b=None, x_metric="rho[-2]", margin=0.3, games=None, normalisation="raw")
    assert (found["verdict"], found["value"]) == ("not reproduced", pytest.approx(1))
    assert found["ours"] == "+1.00 over 24 runs of 2 game(s)" and found["n"] == "12 seeds"


def test_rank_correlations_by_hand():
    x, y = np.array([[1, 2, 3, 4], [1, 1, 2, 2], [5, 5, 5, 5]]), np.array([[4, 3, 2, 1], [1, 2, 1, 2], [1, 2, 3, 4]])
    assert _spearman(x, y).tolist() == [-1, 0, 0]
    # ranks 1 2 3 4 and 1 3 2 4: 1 - 6 * 2 / (4 * 15)
    assert _spearman(np.array([[1, 2, 3, 4]]), np.array([[0, 7, 3, 9]]))[0] == pytest.approx(0.8)
