"""Numbers that tables, libraries or codes cannot hold are refused before anything is computed with them."""

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from agents.run.record import Recorder
from agents.run.summary import summarise
from tests.agents.specs import prioritized, spec

PRIORITY = prioritized("rank", exponent=0.7, beta=(0.5, 1.0, 0), stratified=True)
LIMITS = {  # the largest that is taken, and where
    "seed": 2**63 - 1,
    "budget": 2**53,
    "learning__clock__start_frames": 2**53,
    "exploration__end_frames": 2**53,
    "evaluation__every_frames": 2**53,
    "evaluation__cap_frames": 2**31 - 1,
    "evaluation__episodes": 2**31 - 1,
    "evaluation__streams": 2**31 - 1,
    "environment__streams": 2**31 - 1,
    "record__bins": 2**31 - 1,
    "threads": 2**31 - 1,
    "optimizer__lr": 1e38,
}


@pytest.mark.parametrize("key", LIMITS)
def test_the_largest_number_is_taken_and_the_next_one_named(key):
    most = LIMITS[key]
    if key == "environment__streams":  # taken by the part; no memory holds a window of so many
        part = spec().environment
        assert part.model_validate(part.model_dump() | {"streams": most}).streams == most
        with pytest.raises(ValidationError, match=f"0 rows of each of {most} streams: too few for memory.select"):
            spec(**{key: most})
    else:
        assert spec(**{key: most}).model_dump()
    with pytest.raises(ValidationError) as caught:
        spec(**{key: most * 10 if isinstance(most, float) else most + 1})
    (error,) = caught.value.errors()
    assert error["loc"][-1] == key.split("__")[-1].replace("budget", "budget_frames")
    assert (error["type"], error["ctx"]) == ("less_than_equal", {"le": most})


def test_tables_hold_what_is_taken():
    """As the columns of seeds and frames do (analysis/load.py, agents/run/record.py)."""
    assert pa.array([LIMITS["seed"]], pa.int64())[0].as_py() == LIMITS["seed"]
    run = spec(budget=LIMITS["budget"], seed=LIMITS["seed"], record__bins=2_000)
    rows = Recorder()
    rows.add("episodes", LIMITS["budget"], LIMITS["environment__streams"], 1.0, 5)
    rows.add("evaluations", LIMITS["budget"], LIMITS["evaluation__episodes"] - 1, 1.0, 5, False)
    table = summarise(rows.tables(), run).to_pylist()
    assert {row["frame"] for row in table} == {2**53} and float(2**53) != float(2**53 - 1)


def test_edges_of_bins_are_exact_at_any_budget():
    for budget in (1_000, 12_345_679, 2**53):
        rows = Recorder()
        for i in range(1, 8):
            rows.add("learning", -(-i * budget // 7), 1, "loss", float(i))
        found = summarise(rows.tables(), spec(budget=budget, record__bins=7)).to_pylist()
        assert [(row["frame"], row["mean"]) for row in found] == [(-(-i * budget // 7), i) for i in range(1, 8)]


def test_ranked_rows_are_numbered_with_32_bits():
    atari = {"algorithm": "prioritized_rank", "game": "pong", "memory__select": PRIORITY}
    assert spec(**atari, budget=2**33 - 4) and spec(memory__select=PRIORITY, budget=2**31 - 1)
    for changes, most in ((atari, 2**33), ({"memory__select": PRIORITY}, 2**31)):
        with pytest.raises(ValidationError, match=f"32 bits: budget_frames must lie below {most} here"):
            spec(**changes, budget=most)


ON_POLICY = {"learning__target_every_frames": None}
FIRST = {  # case -> the frame of the first update
    "clock": ("dqn_minatar_sn", {"learning__clock__start_frames": 200, "learning__clock__every_frames": 4}, 204),
    "from the start": ("dqn_minatar_sn", {"learning__clock__start_frames": 0, "learning__clock__every_frames": 4}, 4),
    "three streams": ("dqn_minatar_sn", {"environment__streams": 3, "learning__clock__every_frames": 4}, 204),
    "many streams": ("dqn_minatar_sn", {"environment__streams": 50, "learning__clock__every_frames": 4}, 250),
    "on policy": ("a2c_minatar", ON_POLICY, 80),
    "on policy, two batches of streams": ("a2c_minatar", ON_POLICY | {"learning__batch": 32}, 160),
    "on policy, half a batch": ("a2c_minatar", ON_POLICY | {"learning__batch": 4}, 80),
}


@pytest.mark.parametrize("case", FIRST)
def test_a_budget_below_the_first_update_learns_nothing(case):
    algorithm, changes, first = FIRST[case]
    run = spec(algorithm, budget=10_000, **changes)
    row = run.environment.streams
    assert run.first_update_frame == first and run.learns
    at = [run.model_copy(update={"budget_frames": budget}).learns for budget in (first - row, first - row + 1, first)]
    assert at == [False, True, True]  # the last row of a run may go beyond its budget


@pytest.mark.parametrize("case", ["clock", "three streams", "many streams"])
def test_the_first_update_comes_at_that_frame(case, tmp_path):
    from agents.run.checkpoint import Checkpoints
    from agents.run.loop import Run

    algorithm, changes, first = FIRST[case]
    run = Run(spec(algorithm, "freeway", **changes), Checkpoints(tmp_path, {}, print))  # no episode ends so early
    frames = []
    while run.frame < first:
        assert not run.parts.learner.updates
        run.iterate()
        frames.append(run.frame)
    assert run.parts.learner.updates and np.diff([0, *frames]).max() == run.spec.environment.streams
