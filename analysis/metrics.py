"""What the metrics of a run are: scores of games, and what training records beside them."""

from __future__ import annotations

from analysis.normalise import SCALES

SCORES: dict[str, str] = {
    "evaluation_return": "mean return of one evaluation's episodes",
    "training_return": "mean return of the training episodes that ended in the bin, exploring policy",
    "training_return_100": "mean return of the last 100 training episodes, exploring policy",
}
CONDITION = "return_"  # followed by the name of a condition that runs are evaluated under once more
# name up to the bracket -> axis, meaning
READINGS: dict[str, tuple[str, str]] = {
    "loss": ("Loss", "mean over the updates of the bin"),
    "policy_loss": ("Policy loss", "mean over the updates of the bin"),
    "baseline_loss": ("Baseline loss", "mean over the updates of the bin"),
    "entropy": ("Entropy (nats)", "of the policy, mean over the updates of the bin"),
    "ratio_mean": ("pi / mu", "likelihood ratio of learning to acting policy, mean over the updates of the bin"),
    "value_mean": ("Mean V", "mean over the updates of the bin"),
    "q_mean": ("Mean Q", "mean over batches and actions"),
    "grad_norm": ("Gradient norm", "before clipping, mean over the updates of the bin"),
    "penalty": ("Penalty", "mean over the updates of the bin"),
    "policy_lag": (
        "Policy lag (updates)",
        "between the parameters that acted and those that learn, on-policy at the update, else when a row comes in",
    ),
    "replay_ratio": ("Replay ratio", "agent steps learned from for each one made"),
    "frames_per_second": ("Frames per second", "all frames over the run's wall-clock time, evaluations included"),
    "actor_frames_per_second": ("Frames per second and actor", "while it played, mean over the run's actors"),
    "rho": ("Largest singular value", "of the layer's raw weights; -1 is the output layer"),
    "sigma": ("Mean |σ|", "of the noisy layer's weights; -1 is the output layer"),
    "feature_rank": (
        "Effective feature rank",
        "smallest number of singular values that hold 99 % of their sum, of the last hidden layer on replayed states",
    ),
    "delta_q_first": ("Delta Q", "at a sequence's first learned row, against the state acted with"),
    "delta_q_last": ("Delta Q", "at a sequence's last row, against the state acted with"),
    "fresh_delta_q_first": ("Delta Q", "at a sequence's first learned row, against a state unrolled anew"),
    "fresh_delta_q_last": ("Delta Q", "at a sequence's last row, against a state unrolled anew"),
    "lipschitz": ("Largest |ΔQ| / |Δs|", "over all pairs of a batch of replayed states"),
    "input_gradient": ("|∂ max Q / ∂s|", "Euclidean norm, over a batch of replayed states"),
    "td_error": ("Last seen |TD error|", "percentiles over the memory; rows never drawn hold the largest so far"),
    "learned_td_error": ("|TD error|", "of what is learned from, mean over the updates of the bin"),
    "episodes_to_solve": (
        "Episodes until solved",
        "training episodes until the last 100 were long enough on average, those not yet played counting as 0; a run "
        "that never got there counts with the episodes it played, up to the number at which it gives up",
    ),
    "updates_to_learn": (
        "Updates until learned",
        "updates until Q is known to the tolerance; a run that never got there counts with its cap",
    ),
    "log10_updates_to_learn": (
        "log10 of updates until learned",
        "decimal logarithm of the updates until Q is known to the tolerance",
    ),
    "test_error": ("Test error (%)", "share of wrong answers on the test set"),
    "test_loss": ("Test loss (nats)", "mean negative log-likelihood on the test set"),
    "replay_probability": ("Replay probability", "of a row at a single draw; percentiles over the memory"),
}


PERCENTILES = ("td_error", "replay_probability")  # recorded as name[q10], name[q50], …


def _stem(metric: str) -> str:
    return metric.partition("[")[0]


def known(metric: str) -> bool:
    """Whether some run may have it, even if none of those at hand does."""
    stem = _stem(metric).removesuffix("_censored")
    return stem in SCORES or stem in READINGS or stem.startswith(CONDITION)


def absence(metric: str) -> str:
    """Why no run has a value of it, as far as the metric alone says."""
    if metric == "evaluation_return":
        return "no evaluation has an episode that ended; is its budget of frames shorter than an episode?"
    if metric in SCORES:
        return "no training episode ended"
    return "none of the runs recorded it"


def meaning(metric: str) -> str:
    """One phrase for captions."""
    if metric in SCORES:
        return SCORES[metric]
    return READINGS.get(_stem(metric), ("", "learning metric, mean of each bin"))[1]


def axis(metric: str, normalisation: str) -> str:
    """Axis text; only scores have a normalisation."""
    if metric in SCORES:
        return SCALES[normalisation].axis
    return READINGS.get(_stem(metric), (metric, ""))[0]
