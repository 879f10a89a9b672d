"""How figures look: widths, fonts, plain text, one fixed colour per algorithm, and files whose bytes do not change."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_hex, to_rgb
from matplotlib.ticker import FuncFormatter, LogFormatterSciNotation, MaxNLocator

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
# the colours of seaborn's "colorblind" palette; written out because importing seaborn costs every figure a second
BASE = [
    "#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc",
    "#56b4e9", "#ca9161", "#fbafe4", "#949494", "#ece133",
]  # fmt: skip
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, BROWN, PINK, GREY, YELLOW = BASE
STRONG = 8  # the first of them stand out on white; grey is a random policy's, and yellow is too pale to be given out
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
# dash of a line, its marker, hatch of a bar: what tells labels apart beside the colour; circles are left for points
# that need a marker where the first pattern has none
PATTERNS: list[tuple[object, str, str]] = [
    ("-", "", ""),
    ((0, (6, 2)), "s", "////"),
    ((0, (2, 1.2)), "^", "...."),
    ((0, (6, 1.5, 1.5, 1.5)), "D", "xxxx"),
    ((0, (9, 2, 2, 2, 2, 2)), "v", "----"),
    ((0, (3, 1, 1, 1)), "P", "\\\\\\\\"),
    ((0, (12, 2)), "X", "||||"),
    ((0, (5, 1, 1, 1, 1, 1)), "*", "oooo"),
    ((0, (4, 1)), "<", "++++"),
]
SOLID = PATTERNS[0][0]
APART = 0.12  # distance of two colours that are told apart at a glance; `distance` of orange and red is 0.11
PUBLISHED_DASH = (0, (4, 2))
REFERENCE_DASH = (0, (1.2, 1.6))


SMALL: dict[str, Any] = {  # letters of panels of which five stand side by side
    "axes.titlesize": 6.5,
    "axes.titlepad": 7.5,
    "axes.labelsize": 6.5,
    "axes.labelpad": 1.5,
    "xtick.labelsize": 5.5,
    "ytick.labelsize": 5.5,
    "xtick.major.pad": 1.5,
    "ytick.major.pad": 1.5,
    "lines.linewidth": 1.0,
}


def context() -> AbstractContextManager[None]:
    """rcParams of every figure; no TeX or formulas, real text in PDF, hashed SVG ids from a fixed salt."""
    return plt.rc_context(
        {
            **matplotlib.rcParamsDefault,
            "backend": "Agg",
            "font.family": "DejaVu Sans",
            "font.size": 8,
            # labels come from the user's YAML: a dollar in them is a dollar, never the start of a formula
            "text.parse_math": False,
            "axes.titlesize": 8.5,
            "axes.titlepad": 9.5,  # room for the number of runs (figures/stamp.py)
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
            "axes.formatter.useoffset": False,  # each tick says its value
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
    """Inches of a venue's column (`single`) or page (`double`)."""
    return WIDTHS[venue][0 if column == "single" else 1]


class Mark(NamedTuple):
    """How one label is drawn, as a line or as a bar."""

    colour: str
    dash: object
    marker: str
    hatch: str


def colour(label: str) -> str:
    """The colour of an algorithm or variant that is drawn alone."""
    return shades([label])[label]


def shades(labels: Iterable[str]) -> dict[str, str]:
    """label -> colour, for labels that are drawn together.

    Known labels have their fixed colours. The others, in whatever order they come, get colours at least APART from all
    the rest, as far as there are such: first from the colour-blind palette, beginning at a place that the label's own
    text decides, then the farthest of many hues.
    """
    names = sorted(dict.fromkeys(labels))
    chosen = {name: _KNOWN[name.casefold()] for name in names if name.casefold() in _KNOWN}
    for name in (name for name in names if name not in chosen):
        taken = set(chosen.values())
        start = hashlib.sha256(name.encode()).digest()[0] % STRONG
        free = [*BASE[start:STRONG], *BASE[:start], GREY]
        near = {shade: min((distance(shade, other) for other in taken), default=1.0) for shade in free}
        if max(near.values()) < APART:
            near |= {shade: min(distance(shade, other) for other in taken) for shade in _hues()}
        chosen[name] = next((shade for shade in free if near[shade] >= APART), max(near, key=lambda s: near[s]))
    return chosen


@cache
def _hues() -> list[str]:
    """72 colours: 18 hues, dark to light, by seaborn; importing it costs a second, so it is done when needed."""
    import seaborn as sns

    return [to_hex(c) for light in (0.35, 0.5, 0.65, 0.8) for c in sns.husl_palette(18, h=0.02, s=0.9, l=light)]


def marks(labels: Iterable[str]) -> dict[str, Mark]:
    """label -> how it is drawn, in the order of the labels.

    Each has a marker and a hatch of its own beside its colour, as far as there are such, the first of the known ones
    none. Known labels are solid lines, unless two have colours that are hard to tell apart; every other label has a
    dash of its own.
    """
    names = list(dict.fromkeys(labels))
    colours = shades(names)
    pattern: dict[str, int] = {}
    dashes: dict[str, object] = {}
    for label in sorted(names, key=lambda name: name.casefold() not in _KNOWN):
        near = [other for other in pattern if distance(colours[label], colours[other]) < APART]
        close, others = [pattern[other] for other in near], list(pattern.values())
        k = pattern[label] = min(range(len(PATTERNS)), key=lambda k: (close.count(k), others.count(k), k))
        plain = label.casefold() in _KNOWN and all(dashes[other] != SOLID for other in near)
        dashes[label] = SOLID if plain else PATTERNS[k][0]
    return {label: Mark(colours[label], dashes[label], *PATTERNS[pattern[label]][1:]) for label in names}


def rgb(shade: str) -> tuple[float, float, float]:
    """Red, green and blue of a colour, from 0 to 1."""
    return to_rgb(shade)


def fill(mark: Mark) -> dict[str, Any]:
    """Keywords of a bar."""
    return {"color": mark.colour, "hatch": mark.hatch or None, "edgecolor": "white", "linewidth": 0}


def outline(mark: Mark) -> dict[str, Any]:
    """Keywords of a bar that is told from ours: white, with its colour around it and as a hatch."""
    return {"facecolor": "white", "edgecolor": mark.colour, "hatch": mark.hatch or "////", "linewidth": 0.8}


# Ottosson 2020, "A perceptual color space for image processing" (OKLab): linear RGB -> LMS -> Lab
_LMS = np.array([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
                 [0.0883024619, 0.2817188376, 0.6299787005]])  # fmt: skip
_LAB = np.array([[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
                 [0.0259040371, 0.7827717662, -0.8086757660]])  # fmt: skip
# Machado et al. 2009, severity 1.0: how protanopes and deuteranopes see linear RGB
_BLIND = [
    np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
]


@cache
def distance(a: str, b: str) -> float:
    """How different two colours look: Euclidean in OKLab (black and white: 1), or twice the distance that is left to
    those who do not tell red from green, whichever is less."""
    seen = [np.linalg.norm(x - y) for x, y in zip(_seen(a), _seen(b), strict=True)]
    return float(min(seen[0], 2 * seen[1], 2 * seen[2]))


@cache
def _seen(shade: str) -> list[np.ndarray]:
    """OKLab coordinates of a colour: with normal vision, as a protanope and as a deuteranope."""
    rgb = np.array(to_rgb(shade))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return [_LAB @ np.cbrt(_LMS @ np.clip(view @ linear, 0, 1)) for view in (np.eye(3), *_BLIND)]


class _Powers(LogFormatterSciNotation):
    """Ticks of a logarithmic axis as plain text, '2×10⁻⁴': formulas are switched off."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        text = super().__call__(x, pos)
        text = re.sub(r"\^\{(.*?)\}", lambda power: power[1].translate(_RAISED), text)
        return re.sub(r"\$|\\mathdefault|[{}]", "", text.replace(r"\times", "×")).strip()


_RAISED = str.maketrans("0123456789-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻")


def logarithmic(axis: Axis) -> None:
    """Make an x or y axis logarithmic."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_formatter(_Powers(10.0))
    axis.set_minor_formatter(_Powers(10.0, labelOnlyBase=False))


def frame_axis(axes: Axes, whole: bool = True, last: float | None = None) -> None:
    """x axis of environment frames, or of another clock, from 0, with readable units; `whole`: ticks at whole numbers
    alone; `last`: the axis ends there, with a tick."""
    nice = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10], integer=whole)
    axes.set_xlim(left=0, right=last)
    if last is None:
        axes.xaxis.set_major_locator(nice)
    else:
        axes.set_xticks(ends_with(last, nice, _room(axes, frames_text(last))))
    axes.xaxis.set_major_formatter(FuncFormatter(frames_text))


def _room(axes: Axes, text: str) -> float:
    """How many texts like this have room below the axes, with white between them."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    size = axes.xaxis.get_major_ticks(1)[0].label1.get_size()
    wide = 0.0085 * size * len(text)  # inches; digits and M are wider than most letters
    return axes.get_position().width * figure.get_figwidth() / (1.25 * wide)


def ends_with(last: float, nice: MaxNLocator, room: float = 5) -> list[float]:
    """Ticks from 0 to `last`: at most `room` even steps of a round number where it has such, else round numbers and
    it."""
    for parts in (parts for parts in (4, 5, 3, 2) if parts <= room):
        step = last / parts
        if float(f"{step:e}".partition("e")[0]) in (1.0, 2.0, 2.5, 5.0):
            return [i * step for i in range(parts)] + [last]
    return [tick for tick in nice.tick_values(0, last) if 0 <= tick < 0.85 * last] + [last]
