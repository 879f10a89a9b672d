"""Bars of printed headline numbers beside their recomputation from per-game scores; no run is needed."""

from __future__ import annotations

from analysis import caption, style
from analysis.errors import UserError
from analysis.figures import common
from analysis.load import Scores
from analysis.normalise import SCALES
from analysis.published import values
from analysis.reference import Reference
from analysis.spec.items import PublishedBars
from analysis.text import number


def draw(spec: PublishedBars, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for a number, algorithm or game set that config/reference lacks."""
    sheet = common.Sheet()
    found = [(bar.label, values(bar, spec.unit, reference)) for bar in spec.bars]
    labels = [label for label, _ in found]
    if len(set(labels)) < len(labels):
        raise UserError(f"{spec.id}: two bars have the same label")
    both = any("recomputed" in v for _, v in found)
    figure, (axes,) = common.grid(spec, 1, 1, 0.55 + (0.42 if both else 0.27) * len(found), ["x"] if both else [])
    legend = {}
    shades = style.shades(labels)
    for y, (label, parts) in enumerate(found):
        shade = shades[label]
        for k, (part, (value, text)) in enumerate(parts.items()):
            tall = 0.36 if both else 0.62
            at = y + (k - (len(parts) - 1) / 2) * 0.4
            look = (
                {"color": shade} if part == "published"
                else {"facecolor": "white", "edgecolor": shade, "hatch": "/////", "linewidth": 0.8}
            )  # fmt: skip
            axes.barh(at, value, height=tall, **look)
            axes.annotate(
                f" {number(value)}",
                (value, at),
                va="center",
                ha="left",
                fontsize=7,
                annotation_clip=False,
            )
            sheet.rows.append({"label": label, "role": part, "value": value, "unit": spec.unit, "source": text})
    if both:
        grey = {"facecolor": "#888888"}, {"facecolor": "white", "edgecolor": "#888888", "hatch": "/////"}
        legend = {
            name: style.plt.Rectangle((0, 0), 1, 1, **look)
            for name, look in zip(("published", "recomputed"), grey, strict=True)
        }
    axes.set_yticks(range(len(found)), labels)
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.set_xlim(
        left=min(0.0, *(r["value"] for r in sheet.rows), 0.0),
        right=1.14 * max(r["value"] for r in sheet.rows),
    )
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_locator(style.MaxNLocator(4))
    axes.xaxis.set_major_formatter(style.FuncFormatter(lambda v, _: number(v)))
    axes.set_xlabel(spec.axis)
    common.legend_below(figure, legend)
    notes = ["Published numbers only; no run of ours is shown."]
    for part in ("published", "recomputed"):
        origins: dict[str, list[str]] = {}
        for entry in sheet.rows:
            if entry["role"] == part:
                origins.setdefault(entry["source"], []).append(entry["label"])
        notes += [f"{part.capitalize()} ({', '.join(labels)}): {origin}." for origin, labels in origins.items()]
    for name in dict.fromkeys(bar.recomputed.normalisation for bar in spec.bars if bar.recomputed):
        notes.append(f"Recomputed scale: {SCALES[name].text}.")
    return common.Drawing(figure, sheet.table(), caption.base(spec, notes))
