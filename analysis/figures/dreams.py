"""Reconstruction and imagination strips: what was played, decoded, and imagined, with rewards and discounts below.

In the manner of Hafner et al. 2019 (arXiv:1811.04551, Figure 6).
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from analysis import caption, dreams, style
from analysis.errors import NoData
from analysis.figures import common
from analysis.load import Scores
from analysis.reference import Reference
from analysis.spec.items import Dreams as DreamsSpec
from analysis.text import game_title

GAP = 0.04  # white on each side of a picture, of its width
FINE = 60  # pixels of a picture's height, at least about so many
CURVES = 0.75  # inches of a panel of rewards or discounts
LOOKS = {  # row -> colour, dash, marker of its curve
    "seen": ("#222222", "", "o"),
    "decoded": (style.BLUE, "-", ""),
    "mean": (style.RED, "-", ""),
    "sample 1": (style.GREEN, (0, (4, 1)), ""),
    "sample 2": (style.PURPLE, (0, (1, 1)), ""),
}


def draw(spec: DreamsSpec, scores: Scores, reference: Reference) -> common.Drawing:
    """NoData where no run of the variant is finished at this scale."""
    if not scores.dreams:
        raise NoData(f"{spec.id}: no finished run of {spec.variants[0]}")
    found = dreams.read(scores.dreams[0])
    steps = len(found.reward["seen"])
    wide = style.width(spec.venue, spec.column)
    tile = (wide - 0.65) / steps
    heights = [tile] * len(dreams.NAMES) + [CURVES] * 2
    tall = sum(heights) + 1.2
    figure, axes = style.plt.subplots(
        len(heights), 1, figsize=(wide, tall), height_ratios=heights, sharex=True, layout="constrained"
    )
    figure.get_layout_engine().set(h_pad=0.02, hspace=0)
    for (name, title), panel in zip(dreams.NAMES.items(), axes, strict=False):
        _strip(panel, found.pictures[name], title)
    sheet = common.Sheet()
    for panel, values, title in ((axes[-2], found.reward, "Reward"), (axes[-1], found.discount, "Discount")):
        _curves(panel, sheet, values, title, found.context)
    axes[-1].set_xlabel("Agent steps")
    axes[-1].xaxis.set_major_locator(style.MaxNLocator(integer=True))
    common.legend_below(figure, sheet.legend)
    return common.Drawing(figure, sheet.table(), _caption(spec, scores, found))


def _strip(panel: Axes, pictures: np.ndarray, title: str) -> None:
    """A row of pictures [T, H, W, 3], centred on their steps; white where one is missing."""
    steps, high, wide = pictures.shape[:3]
    fine = max(1, FINE // high)
    gap = max(1, round(GAP * wide * fine))
    strip = np.ones((high * fine, steps, wide * fine + 2 * gap, 3))
    large = np.nan_to_num(pictures, nan=1.0).repeat(fine, axis=1).repeat(fine, axis=2)
    strip[:, :, gap:-gap] = large.transpose(1, 0, 2, 3)
    panel.imshow(strip.reshape(high * fine, -1, 3), extent=(-0.5, steps - 0.5, 0, 1), aspect="auto")
    panel.set_ylabel(title.replace(", ", ",\n"), rotation=0, ha="right", va="center", fontsize=7)
    panel.set_yticks([])
    panel.tick_params(axis="x", length=0, labelbottom=False)
    panel.grid(visible=False)
    panel.spines[:].set_visible(False)


def _curves(panel: Axes, sheet: common.Sheet, values: dict[str, np.ndarray], title: str, context: int) -> None:
    for name, (shade, dash, marker) in LOOKS.items():
        there = np.flatnonzero(~np.isnan(values[name]))
        look = {"linestyle": dash, "marker": marker, "markersize": 3, "linewidth": 1.1}
        (handle,) = panel.plot(there, values[name][there], color=shade, **look)
        sheet.legend.setdefault(dreams.NAMES[name], handle)
        for step in there:
            sheet.rows.append(common.row(title, dreams.NAMES[name], "step", int(step), values[name][step]))
    panel.axvline(context - 0.5, color="#888888", linewidth=0.7, linestyle=style.REFERENCE_DASH)
    panel.set_ylabel(title)


def _caption(spec: DreamsSpec, scores: Scores, found: dreams.Dream) -> dict:
    """What is shown, of which run."""
    steps, run = len(found.reward["seen"]), found.about["run"]
    entry = scores.rows[scores.rows.run == run].iloc[0]
    about = caption.scales(scores, spec.experiments)
    notes = [
        f"{spec.variants[0]} on {game_title(entry.game)}, seed {entry.seed}, after training.",
        *[caption.budget_text(scale) for scale in about],
        f"Played by the rules of its evaluations: of {found.about['played']} agent steps the {steps} of one episode in "
        f"which most rewards fall after step {found.context}.",
        "Decoded: from states that are followed image by image. Imagined: from step "
        f"{found.context} on without looking, with the actions that were done, by the mean of the latent state and by "
        "two samples.",
        "Rewards as they are learned, those on the way to the image; discounts of what comes after.",
    ]
    channels = found.about["shape"][0]
    if channels not in (1, 3):
        notes.append("Each channel of the image has a colour, as bright as it is likely.")
    return caption.base(spec, notes) | {"experiments": list(spec.experiments), "scales": about, "runs": [run]}
