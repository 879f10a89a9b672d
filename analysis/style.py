"""How figures look: widths, fonts, one fixed colour per algorithm, and files whose bytes do not change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import AbstractContextManager

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.text import frames_text

# page format -> width of one column and of the page, inches
WIDTHS: dict[str, tuple[float, float]] = {
    "icml": (3.25, 6.75),
    "neurips": (2.65, 5.5),
    "iclr": (2.65, 5.5),
    "jmlr": (2.9, 6.0),
    "tmlr": (3.1, 6.5),
    "aaai": (3.3, 6.975),
}
# seaborn's "colorblind" palette; written out because importing seaborn costs every figure a second
BASE = [
    "#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc",
    "#ca9161", "#fbafe4", "#949494", "#ece133", "#56b4e9",
]  # fmt: skip
BLUE, ORANGE, GREEN, RED, PURPLE, BROWN, PINK, GREY, YELLOW, SKY = BASE
# Algorithms that papers draw side by side have different colours; families may share a hue.
COLOURS: dict[str, str] = {
    "random": "#666666", "random policy": "#666666", "human": "#222222",
    "DQN": BLUE, "Double DQN": GREEN, "DDQN": GREEN, "Double_DQN": GREEN,
    "DQN SN[-2]": ORANGE, "DQN + SN[-2]": ORANGE, "SN[-2]": ORANGE, "DQN SN[-3]": BROWN, "DQN SN[-4]": PINK,
    "Double DQN SN[-2]": RED, "Double DQN + SN[-2]": RED, "DDQN SN[-2]": RED,
    "C51": SKY, "Distributional_DQN": SKY, "C51 SN[-2]": RED, "C51 + SN[-2]": RED,
    "Rainbow": PURPLE, "IQN": YELLOW, "QR-DQN": BROWN, "Dueling DQN": PINK, "Dueling_DDQN": PINK,
    "Prioritized DQN": "#8b6f00", "Prioritized_DQN": "#8b6f00",
    "Noisy DQN": "#5b7f2b", "NoisyNet_DQN": "#5b7f2b",
    "uniform": "#222222", "rank-based": RED, "proportional": BLUE, "oracle": GREEN, "greedy TD error": ORANGE,
    "A2C": GREEN, "A3C": "#2f4b7c", "ACER": PINK, "ACKTR": RED, "TRPO": SKY, "PPO": YELLOW, "IMPALA": BROWN,
    "DQN without replay": SKY, "DQN no replay": SKY, "AC(0.8)": RED, "AC(0)": ORANGE, "AC(0.0)": ORANGE,
    "no double": GREEN, "no priority": "#8b6f00", "no dueling": PINK, "no multi-step": RED, "no distribution": SKY,
    "no noise": "#5b7f2b", "gradient penalty": "#1b6b6b", "batch normalisation": RED,
    "NoisyNet-DQN": "#5b7f2b", "Dueling": PINK, "NoisyNet-Dueling": PURPLE,
    "C51 SN[-3]": ORANGE, "C51 SN[-4]": GREEN, "C51 SN[-5]": PURPLE, "C51 SN[-2,-3]": BROWN,
    "C51 SN[-2,-3,-4]": PINK, "C51 SN[-2,-3,-4,-5]": GREY, "C51 SN[-3,-4,-5]": YELLOW, "C51 SN[-4,-5]": "#5b7f2b",
    "DQN SN[-1,-2,-3]": PURPLE, "A3C, LSTM": ORANGE,
    "V-trace": BLUE, "1-step": GREEN, "epsilon-correction": ORANGE, "No correction": "#222222",
    "zero state": RED, "zero state + burn-in": ORANGE, "stored state": BLUE, "stored state + burn-in": SKY,
    "stored, update every 80": BLUE, "stored, update every 40": SKY,
    "burn-in, update every 80": RED, "burn-in, update every 40": ORANGE,
    "R2D2-FF": GREEN, "feed-forward": GREEN, "clipped rewards": BLUE, "discount 0.99": ORANGE,
    "life loss, reset": SKY, "life loss, roll": PINK, "submission": GREY,
    "DRQN": ORANGE, "R2D2": "#7a1f3d", "Ape-X": "#1b6b6b", "Ape-X_DQN": "#1b6b6b",
    "A3C, 1 worker": SKY, "A3C, 2 workers": ORANGE, "A3C, 4 workers": PURPLE, "A3C, 8 workers": RED,
    "A3C, 16 workers": "#2f4b7c", "IMPALA, one process": BROWN, "IMPALA, 2 actors": PINK, "IMPALA, 16 actors": RED,
    "random updates": ORANGE, "sequential updates": BLUE,
    "DreamerV1": SKY, "DreamerV2": RED,
}  # fmt: skip
_KNOWN = {label.casefold(): shade for label, shade in COLOURS.items()}
_DASHES = ["-", (0, (6, 2)), (0, (2, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (9, 2, 2, 2, 2, 2))]
PUBLISHED_DASH = (0, (4, 2))
REFERENCE_DASH = (0, (1.2, 1.6))


def context() -> AbstractContextManager[None]:
    """rcParams of every figure; no TeX, real text in PDF, hashed SVG ids from a fixed salt."""
    return plt.rc_context(
        {
            **matplotlib.rcParamsDefault,
            "backend": "Agg",
            "font.family": "DejaVu Sans",
            "font.size": 8,
            "axes.titlesize": 8.5,
            "axes.labelsize": 8,
            "xtick.labelsize": 7,
            "ytick.labelsize": 7,
            "legend.fontsize": 7.5,
            "legend.frameon": False,
            "axes.linewidth": 0.7,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#e4e4e4",
            "grid.linewidth": 0.6,
            "xtick.major.width": 0.7,
            "ytick.major.width": 0.7,
            "xtick.major.size": 2.5,
            "ytick.major.size": 2.5,
            "lines.linewidth": 1.5,
            "lines.solid_capstyle": "round",
            "hatch.linewidth": 0.6,
            "pdf.fonttype": 42,
            "ps.fonttype": 42,
            "svg.fonttype": "path",
            "svg.hashsalt": "paper-arcade",
            "figure.dpi": 100,
            "savefig.dpi": 200,
        }
    )


def width(venue: str, column: str) -> float:
    return WIDTHS[venue][0 if column == "single" else 1]


def colour(label: str) -> str:
    """The colour of an algorithm or variant, always the same; an unknown label gets one from its text."""
    if label.casefold() in _KNOWN:
        return _KNOWN[label.casefold()]
    import seaborn as sns

    # a hue and lightness from a hash: no order of drawing and no other label can change it
    digest = hashlib.sha256(label.encode()).digest()
    hue, light = int.from_bytes(digest[:2], "big") / 65536, 0.36 + 0.16 * digest[2] / 255
    return to_hex(sns.husl_palette(1, h=hue, s=0.85, l=light + 0.1)[0])


def marks(labels: Iterable[str]) -> dict[str, tuple[str, object]]:
    """label -> (colour, dash). Labels whose colours are hard to tell apart get different dashes."""
    chosen: dict[str, tuple[str, object]] = {}
    for label in labels:
        own = colour(label)
        close = [dash for other, dash in chosen.values() if _distance(own, other) < 0.18]
        free = [dash for dash in _DASHES if dash not in close]
        chosen[label] = (own, free[0] if free else _DASHES[len(close) % len(_DASHES)])
    return chosen


def _distance(a: str, b: str) -> float:
    return float(np.linalg.norm(np.subtract(to_rgb(a), to_rgb(b))))


def frame_axis(axes: Axes, label: bool = True, text: str = "Environment frames") -> None:
    """x axis in environment frames, or what `text` says, with readable units."""
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10], integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(frames_text))
    if label:
        axes.set_xlabel(text)
