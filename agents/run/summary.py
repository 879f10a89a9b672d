"""The small table that figures read: every curve of a run in at most `bins` rows."""

import numpy as np
import pyarrow as pa

from agents.run.record import table_of
from agents.spec.run import Spec

Row = tuple[str, int, float, int]  # metric, frame, mean, count

LAST = 100  # episodes in training_return_100 (the moving average of Young & Tian 2019 and Machado et al. 2018)


def summarise(tables: dict[str, pa.Table], spec: Spec) -> pa.Table:
    """Bin the episodes and learning metrics of a run by training frame; evaluations keep their own frames.

    A bin's frame is its right edge. Bins without a value give no row, nor do bins after the last episode.
    """
    budget, bins = spec.budget_frames, spec.record.bins
    rows: list[Row] = []
    edges = np.array([-(-i * budget // bins) for i in range(1, bins + 1)])

    def binned(metric: str, frame: np.ndarray, value: np.ndarray) -> None:
        place = np.minimum(np.searchsorted(edges, frame), bins - 1)
        count = np.bincount(place, minlength=bins)
        total = np.bincount(place, weights=value, minlength=bins)
        rows.extend((metric, int(edges[i]), float(total[i] / count[i]), int(count[i])) for i in np.flatnonzero(count))

    episodes = tables["episodes"]
    frame, value = episodes["frame"].to_numpy(), episodes["return"].to_numpy()
    binned("training_return", frame, value)
    sums = np.concatenate([[0.0], np.cumsum(value)])
    played = np.searchsorted(frame, edges, side="right")  # episodes up to each edge
    for edge, end in zip(edges, played, strict=True):
        begin = max(0, end - LAST)
        if end:
            mean = float((sums[end] - sums[begin]) / (end - begin))
            rows.append(("training_return_100", int(edge), mean, int(end - begin)))
        if end == len(frame):
            break

    if spec.environment.suite == "cartpole":  # no other is ever solved
        length = episodes["length"].to_numpy()
        limit, clock = spec.environment.solved_episodes, spec.learning.clock
        start = clock.start_frames if clock.kind == "frames" else 0
        count, solved = episodes_to_solve(frame, length, start, spec.environment.solved_length, limit)
        rows.append(("episodes_to_solve", budget, float(count), 1))
        rows.append(("episodes_to_solve_censored", budget, float(not solved), 1))

    evaluations = tables["evaluations"]
    frame, value = evaluations["frame"].to_numpy(), evaluations["return"].to_numpy()
    for at in np.unique(frame):
        chosen = value[frame == at]
        rows.append(("evaluation_return", int(at), float(chosen.mean()), len(chosen)))

    learning = tables["learning"]
    metric = np.array(learning["metric"].to_pylist(), dtype=object)
    frame, value = learning["frame"].to_numpy(), learning["value"].to_numpy()
    for name in sorted(set(metric)):
        binned(name, frame[metric == name], value[metric == name])

    return table_of("summary", rows)


def episodes_to_solve(frame: np.ndarray, length: np.ndarray, start: int, solved: int, limit: int) -> tuple[int, bool]:
    """Episodes until the mean length of the last 100 reached `solved` frames, and whether it did within `limit`.

    Counted from the first episode that begins once learning may, at frame `start`. Those before it are in the mean
    too, and episodes not yet played count as length 0 in it. Without success: all episodes counted, `limit` at most,
    so the run would have needed more than these.
    """
    before = int(np.searchsorted(frame, start)) + 1 if start > 0 else 0
    sums = np.concatenate([np.zeros(LAST), np.cumsum(length[: before + limit], dtype=np.float64)])
    means = ((sums[LAST:] - sums[:-LAST]) / LAST)[before:]  # after each counted episode
    reached = np.flatnonzero(means >= solved)
    return (int(reached[0]) + 1, True) if len(reached) else (len(means), False)
