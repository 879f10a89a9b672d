"""Reading runs: schemas shared with training, missing and damaged files, labels."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agents.run.record import SCHEMAS
from analysis.errors import UserError
from analysis.load import COLUMNS, collect_scores, metadata_of, read_scores, select, write_scores
from analysis.spec.items import LearningCurves
from tests.analysis import fake


def spec(**options):
    base = {"id": "f", "kind": "learning_curves", "title": "T", "experiments": ["demo.breakout"]}
    return LearningCurves.model_validate(base | options)


def test_columns_are_those_that_training_writes():
    written = {
        f"{name}.parquet": {f.name: (str(f.type), f.metadata[b"unit"].decode()) for f in schema}
        for name, schema in SCHEMAS.items()
    }
    assert written == COLUMNS


def test_scores_hold_every_run_metric_and_frame(house):
    table = pq.read_table(house.scores[0])
    # two metrics and two clocks with 20 values, the speed and the time of a frame
    assert len(table) == 9 * (4 * 20 + 2)
    about = metadata_of(table, house.scores[0])
    assert about["planned"] == 9 and about["missing"] == []
    assert about["experiment"]["budget_frames"] == 60_000 and "runs" not in about["experiment"]
    rows = read_scores(house.scores).rows
    first = rows[(rows.run == fake.run_name("breakout", 1, "minatar/breakout", 2)) & (rows.frame == 60_000)]
    frames, values = fake.curve(4.0, seed=1002)
    assert frames[-1] == 60_000 and first["mean"].tolist() == [values[-1]] * 2 + [1234.5, 15_000, 61 / 3600, 61 / 60]
    assert first.iloc[0][["variant", "game", "seed", "status"]].tolist() == [
        "DQN",
        "minatar/breakout",
        2,
        "finished",
    ]


def test_metrics_can_be_chosen_and_missing_runs_are_listed(house, tmp_path):
    experiment = json.loads(house.experiments[2].read_text())
    table = collect_scores(experiment | {"metrics": ["evaluation_return"]}, house.runs)
    assert set(table["metric"].to_pylist()) == {"evaluation_return"}
    lost = fake.run_name("grid", 0, "minatar/breakout", 0, 1)
    assert [entry["run"] for entry in metadata_of(table, tmp_path)["missing"]] == [lost]
    assert lost not in set(table["run"].to_pylist())


def test_no_run_at_all_is_an_empty_table_and_a_clear_error_for_a_figure(tmp_path):
    path = fake.experiment(tmp_path, {"DQN": 1.0}, seeds=1, skip=(fake.run_name("breakout", 0, "minatar/breakout", 0),))
    out = tmp_path / "s.parquet"
    assert len(write_scores(path, tmp_path / "runs", out)) == 1
    assert pq.read_table(out).num_rows == 0
    with pytest.raises(UserError, match=r"no finished run in demo.breakout"):
        select(read_scores([out]), spec())


@pytest.mark.parametrize("name", ["summary.parquet", "run.json"])
@pytest.mark.parametrize("how", [lambda data: data[:-1], lambda data: data[:40] + b"x" + data[41:], lambda data: b""])
def test_what_does_not_fit_its_seal_is_not_used_and_is_no_longer_sealed(name, how, tmp_path):
    path = fake.experiment(tmp_path, {"DQN": 1.0}, seeds=1)
    folder = tmp_path / "runs" / fake.run_name("breakout", 0, "minatar/breakout", 0)
    (folder / name).write_bytes(how((folder / name).read_bytes()))
    with pytest.raises(UserError, match=f"{name} is damaged and is not used"):
        write_scores(path, tmp_path / "runs", tmp_path / "s.parquet")
    assert not (folder / "manifest.json").exists() and not (tmp_path / "s.parquet").exists()
    with pytest.raises(UserError, match=r"1 run \(a0.* did not finish"):
        write_scores(path, tmp_path / "runs", tmp_path / "s.parquet", missing_allowed=False)


def test_a_damaged_summary_is_named(house, tmp_path):
    path = fake.experiment(tmp_path, {"DQN": 1.0}, seeds=1)
    summary = tmp_path / "runs" / fake.run_name("breakout", 0, "minatar/breakout", 0) / "summary.parquet"
    whole = summary.read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 1):
        summary.write_bytes(whole[:cut])
        fake.seal(summary.parent)
        with pytest.raises(UserError, match=r"summary.parquet is cut short or not Parquet") as caught:
            write_scores(path, tmp_path / "runs", tmp_path / "s.parquet")
        assert str(summary) in str(caught.value)
    pq.write_table(pa.table({"metric": ["a"], "frame": [1], "count": [1]}), summary)
    fake.seal(summary.parent)
    with pytest.raises(UserError, match="no column mean; it has metric, frame, count"):
        write_scores(path, tmp_path / "runs", tmp_path / "s.parquet")
    pq.write_table(pa.table({"metric": ["a"], "frame": [1], "mean": [1.0], "count": [1]}), summary)
    fake.seal(summary.parent)
    with pytest.raises(UserError, match="no 'paper_arcade' entry"):
        write_scores(path, tmp_path / "runs", tmp_path / "s.parquet")
    assert not (tmp_path / "s.parquet").exists()


def test_scores_are_byte_identical(house, tmp_path):
    write_scores(house.experiments[2], house.runs, tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == house.scores[2].read_bytes()


def test_settings_of_one_variant_are_never_pooled(house):
    rows = select(read_scores(house.scores), spec(experiments=["demo.grid"], variants=["DQN"]))
    assert sorted(rows.label.unique()) == [
        "DQN (eps 0.0001, lr 0.0001)",
        "DQN (eps 0.0001, lr 0.001)",
        "DQN (eps 0.01, lr 0.0001)",
        "DQN (eps 0.01, lr 0.001)",
    ]
    chosen = {"optimizer.lr": 1e-3, "optimizer.eps": 1e-2}
    rows = select(read_scores(house.scores), spec(experiments=["demo.grid"], where=chosen))
    assert sorted(rows.label.unique()) == ["DQN", "DQN SN[-2]"] and rows.seed.nunique() == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"experiments": ["demo.brekout"]},
            "unknown experiment 'demo.brekout'; did you mean 'demo.breakout'",
        ),
        ({"metric": "evaluation_returns"}, "did you mean 'evaluation_return'"),
        ({"variants": ["DQM"]}, "unknown variant 'DQM' in demo.breakout; did you mean 'DQN'"),
        ({"games": ["minatar/brakout"]}, "did you mean 'minatar/breakout'"),
        ({"experiments": ["demo.grid"], "where": {"optimizer.rl": 1}}, "did you mean 'optimizer.lr'"),
        ({"experiments": ["demo.grid"], "where": {"optimizer.lr": 7.0}}, "no run matches where"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(house, options, message):
    with pytest.raises(UserError, match=message):
        select(read_scores(house.scores), spec(**options))


def test_two_runs_with_one_seed_are_refused(tmp_path):
    one = fake.experiment(tmp_path, {"DQN": 1.0}, seeds=1, name="one")
    two = fake.experiment(tmp_path, {"DQN": 1.0}, seeds=1, name="two")
    outs = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    for path, out in zip((one, two), outs, strict=True):
        write_scores(path, tmp_path / "runs", out)
    with pytest.raises(UserError, match="several runs of 'DQN' on minatar/breakout with seed 0"):
        select(read_scores(outs), spec(experiments=["demo.one", "demo.two"]))
