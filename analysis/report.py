"""The report: one self-contained HTML page of claims, figures, tables and runs, from file:// and offline.

Everything shown comes from files that earlier steps wrote. Text from configs is escaped by the template;
images are embedded; a content security policy forbids any request. The page depends on its inputs only, and on the
commit and the clock, which say what became of runs that left no result.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from analysis import caption
from analysis.errors import UserError
from analysis.files import read_json, write_text
from analysis.metrics import meaning
from analysis.normalise import short
from analysis.page import alt, cite, cost, curves, drawn, front, runs, settings
from analysis.reference import Reference
from analysis.text import canonical, frames_text

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("uPlot.iife.min.js", "report.js", "curves.js")
PACKAGES = ("numpy", "pandas", "pyarrow", "matplotlib", "seaborn", "scipy", "pydantic", "jinja2")
ZOOM = 1.45  # figures are set in print sizes; a screen shows them larger
# Bytes. Above the first a picture is embedded as PNG rather than SVG; all animations and films together stay below the
# last, each below the one before it, and the others are linked.
LARGE, MOVING, ALL_MOVING = 400_000, 1_000_000, 2_500_000


def make_report(
    papers: Sequence[Mapping[str, Any]],
    figures: Path,
    claims: Iterable[Path],
    experiments: Iterable[Path],
    store: Path,
    out: Path,
    tables: Path | None = None,
    reference: Path | None = None,
    watts: cost.Watts | None = None,
) -> None:
    """Write the page to `out`. `figures` (and `tables`, the same folder by default) hold <paper>/<id>.<suffix>.

    Figures, tables and runs whose files are absent are shown as missing. Logs and films lie beside the store. With
    `reference` (config/reference) curves may be looked at on another scale; with `watts` there is an estimate of
    energy. UserError for a damaged file or run, and claims of a paper that is not among `papers`.
    """
    loaded = [_experiment(path) for path in experiments]
    results = {path.name.removesuffix(".json"): drawn.made(path, list, drawn.JUDGED) for path in map(Path, claims)}
    rows = runs.rows(loaded, Path(store), out.parent)
    films = Films(rows, Path(store).parent, out.parent)
    known = Reference(reference) if reference is not None else None
    sections = [_paper(paper, figures, tables or figures, results, out.parent, known, films) for paper in papers]
    unknown = sorted(set(results) - {section["paper"] for section in sections})
    if unknown:
        raise UserError(f"claims of papers that the report does not have: {', '.join(unknown)}")
    _answer(sections, loaded, runs.done(rows))
    script = "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS)
    commit, devices = _commit(), cost.spent(rows)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["frames"] = lambda value: "–" if value is None else frames_text(value)
    environment.filters["amount"] = cost.amount
    page = environment.get_template("index.html.j2").render(
        papers=sections,
        counts=front.counts(sections),
        scales=_scales(loaded),
        runs=rows,
        status=runs.statuses(rows),
        methods=_methods(sections, loaded),
        bibtex="\n\n".join([*(section["bibtex"] for section in sections if section["bibtex"]), cite.ours(commit)]),
        settings=settings.tables(rows),
        devices=devices,
        energy=cost.estimate(devices, watts),
        commit=commit,
        versions=_versions(rows),
        known={row["run"] for row in rows},
        many=front.MANY,
        css=Markup(
            "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("uPlot.min.css", "report.css"))
        ),
        licence=Markup((TEMPLATES / "uPlot.LICENSE").read_text(encoding="utf-8").strip()),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    write_text(out, page)


# ---------------------------------------------------------------- sections


def _experiment(path: Path) -> dict[str, Any]:
    about = read_json(Path(path))
    lost = [key for key in ("paper", "experiment", "scale", "runs") if key not in about]
    if lost:
        raise UserError(f"{path}: no key {', '.join(lost)}")
    return about


class Films:
    """Animations and films, embedded as long as there is room for them."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], results: Path, page: Path) -> None:
        self.room = ALL_MOVING
        self.shown = runs.videos(rows, results, page, MOVING)

    def embedded(self, path: Path | None) -> Markup | str:
        """The picture's data, '' for one that is too large."""
        size = path.stat().st_size if path is not None and path.exists() else ALL_MOVING
        if path is None or size > min(self.room, MOVING):
            return ""
        self.room -= size
        return _embedded("gif", path.read_bytes())

    def of(self, paper: str) -> list[dict[str, Any]]:
        """The films of a paper's runs."""
        mine = [film for film in self.shown if any(name.startswith(f"{paper}.") for name, _ in film["row"]["asked"])]
        return [film | {"data": self.embedded(film["path"])} for film in mine]


def _paper(
    paper: Mapping[str, Any],
    figures: Path,
    tables: Path,
    results: Mapping[str, list],
    base: Path,
    reference: Reference | None,
    films: Films,
) -> dict[str, Any]:
    name = str(paper["paper"])
    url = str(paper.get("url") or "")
    authors = paper.get("authors") or ""
    about = {
        "paper": name,
        "title": paper.get("title") or name,
        "authors": authors if isinstance(authors, str) else ", ".join(authors),
        "where": ", ".join(str(paper[key]) for key in ("venue", "year") if paper.get(key) not in (None, "", "none")),
        # a link of another scheme could run code
        "url": url if re.match(r"https?://", url) else "",
    }
    return about | {
        "bibtex": "" if paper.get("selection") else cite.bibtex({**paper, **about}),
        "claims": [dict(claim) for claim in results.get(name, [])],
        "figures": [_figure(item, figures / name, base, reference, films) for item in paper.get("figures") or []],
        "tables": [_item(item, tables / name, base, ("csv", "md", "tex")) for item in paper.get("tables") or []],
        "films": films.of(name),
        "contents": [list(each["by"]) for each in paper.get("contents") or []],
        "deviations": list(paper.get("deviations") or []),
        "absent": list(paper.get("absent") or []),
        "beforehand": dict(paper.get("beforehand") or {}),
    }


def _answer(sections: list[dict[str, Any]], loaded: list[dict[str, Any]], done: Mapping[str, tuple[int, int]]) -> None:
    """Give each claim its marks and the places that show it, each of these the claim, and each paper its summary."""
    scales = {f"{about['paper']}.{about['experiment']}": about for about in loaded}
    for section in sections:
        backs: dict[str, list[dict[str, Any]]] = {}
        for claim in section["claims"]:
            known = section["beforehand"].get(claim["id"])
            claim["marks"] = front.marks(claim, scales, done) + [known] * bool(known)
            claim["shown_in"] = front.shown_in(claim, section, section["contents"])
            for anchor, _ in claim["shown_in"]:
                backs.setdefault(anchor, []).append(claim)
        section["claims_of"] = backs
        section["reasons"] = front.reasons(section["claims"])
        section["surely"] = front.sureness(section["claims"], scales)


def _item(item: Any, folder: Path, base: Path, suffixes: Sequence[str]) -> dict[str, Any]:
    """Caption and links of one figure or table; 'caption' is None when it has not been made."""
    name = item if isinstance(item, str) else str(item["id"])
    title = name if isinstance(item, str) else str(item.get("title") or name)
    source = "" if isinstance(item, str) else str(item.get("source") or "")
    path = folder / f"{name}.json"
    about = drawn.made(path, dict, drawn.CAPTION) if path.exists() else None
    links = [
        (suffix.upper(), quote(Path(os.path.relpath(folder / f"{name}.{suffix}", base)).as_posix()))
        for suffix in (*suffixes, "json")
        if (folder / f"{name}.{suffix}").exists()
    ]
    return {"id": name, "title": title, "source": source, "caption": about, "links": links}


def _figure(item: Any, folder: Path, base: Path, reference: Reference | None, films: Films) -> dict[str, Any]:
    shown = _item(item, folder, base, ("pdf", "svg", "png", "csv", "gif"))
    path = folder / f"{shown['id']}.svg"
    if shown["caption"] is None or not path.exists():
        return shown | {"caption": None}
    svg, png = drawn.vector(path), path.with_suffix(".png")
    pixels = 96 / 72 * ZOOM
    height, width = (round(pixels * drawn.points(svg, key)) for key in (b"height", b"width"))
    table = drawn.numbers(path.with_suffix(".csv"), shown["caption"])
    smaller = len(svg) > LARGE and png.exists() and png.stat().st_size < len(svg)
    moving = folder / f"{shown['id']}.gif"
    return shown | {
        "image": _embedded("png", drawn.fewer_colours(png)) if smaller else _embedded("svg+xml", svg),
        "alt": alt.seen(shown["caption"], table),
        "curves": curves.explorable(shown["caption"], table, reference),
        "animation": films.embedded(moving),
        "width": width,
        "height": height,
    }


def _embedded(kind: str, data: bytes) -> Markup:
    return Markup(f"data:image/{kind};base64," + base64.b64encode(data).decode())


# ---------------------------------------------------------------- summaries


def _commit() -> str:
    """The checkout's commit, with '-dirty' where files differ from it; '' outside of a repository."""
    words = ["git", "-C", str(TEMPLATES.parents[1]), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _scales(experiments: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """One line per budget and reason of the experiments that are smaller than the paper's."""
    lines: dict[tuple[str, str], list[str]] = {}
    for about in experiments:
        smaller = (about.get("budget_frames") or 0) < (about.get("paper_frames") or 0)
        if about["scale"] != "paper" or smaller:
            key = caption.budget_text(about).removesuffix("."), str(about.get("reduced") or "")
            lines.setdefault(key, []).append(f"{about['paper']}.{about['experiment']}")
    return [{"experiment": ", ".join(names), "budget": b, "reduced": r} for (b, r), names in lines.items()]


def _methods(sections: Iterable[Mapping[str, Any]], experiments: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences on protocol and statistics, from the captions of the figures that were made."""
    captions = [f["caption"] for s in sections for f in s["figures"] + s["tables"] if f["caption"]]
    captions = [c for c in captions if c.get("metric")]
    runs = {entry["run"] for about in experiments for entry in about["runs"]}
    games = sorted({short(entry["game"]).replace("_", " ") for about in experiments for entry in about["runs"]})
    text = [
        f"The page rests on {len(runs)} training run{'s' * (len(runs) != 1)} on {', '.join(games)}." if runs else ""
    ]
    text.append(
        "Budgets and x axes are in environment frames where nothing else is said; returns are raw scores of full games."
    )
    for metric in sorted({c["metric"] for c in captions}):
        text.append(f"{metric}: {meaning(metric)}.")
    intervals = {canonical(c["interval"]): c["interval"] for c in captions if c.get("interval")}
    for interval in intervals.values():
        text.append(
            f"Intervals are {100 * interval['level']:g} % percentile intervals of a bootstrap over seeds "
            f"within each game, games held fixed, {interval['resamples']} resamples, method "
            f"'{interval['method']}'; a run is the unit, and one seed per game gives no interval."
        )
    text.append(
        "A claim counts as reproduced when the whole interval of the difference of our runs is beyond its margin, as "
        "not reproduced when the whole interval is on the other side, and as inconclusive otherwise; with fewer than "
        "three seeds of a game either verdict is marked as weak, since such an interval is too narrow. A claim about "
        "published numbers alone counts as recomputed when they give what is stated, which says nothing of our runs, "
        "and as not reproduced otherwise. Claims are checked one by one, without correction for their number."
    )
    text.append("Diverged runs stay in every average with their last score; missing runs are listed, not filled in.")
    return [sentence for sentence in text if sentence]


def _versions(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Versions of the analysis packages, and those that the runs recorded."""
    ours = [(name, metadata.version(name)) for name in PACKAGES]
    seen: dict[str, set[str]] = {}
    for row in rows:
        for name, version in row["versions"].items():
            seen.setdefault(str(name), set()).add(str(version))
    return [(f"{name} (analysis)", version) for name, version in ours] + [
        (f"{name} (runs)", ", ".join(sorted(versions))) for name, versions in sorted(seen.items())
    ]
