"""The report: one self-contained HTML page of claims, figures, tables and runs, from file:// and offline.

Everything shown comes from files that earlier steps wrote. Text from configs is escaped by the template;
images are embedded; a content security policy forbids any request. The page depends on its inputs only.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from analysis import caption
from analysis.curves import scored
from analysis.errors import UserError
from analysis.files import read_json, write_text
from analysis.load import canonical, read_parquet, read_sealed
from analysis.metrics import meaning
from analysis.normalise import short
from analysis.text import frames_text, number

TEMPLATES = Path(__file__).parent / "templates"
PACKAGES = ("numpy", "pandas", "pyarrow", "matplotlib", "seaborn", "scipy", "pydantic", "jinja2")
RETURNS = ("evaluation_return", "training_return_100", "training_return")  # first one found is "last return"
VERDICTS = {  # verdict -> what the front of the page says of its claims
    "reproduced": "reproduced by our runs",
    "recomputed": "recomputed from published numbers",
    "not reproduced": "not reproduced",
    "inconclusive": "inconclusive",
    "not run at this scale": "not run at this scale",
}
ZOOM = 1.45  # figures are set in print sizes; a screen shows them larger


def make_report(
    papers: Sequence[Mapping[str, Any]],
    figures: Path,
    claims: Iterable[Path],
    experiments: Iterable[Path],
    store: Path,
    out: Path,
    tables: Path | None = None,
) -> None:
    """Write the page to `out`. `figures` (and `tables`, the same folder by default) hold <paper>/<id>.<suffix>.

    Figures, tables and runs whose files are absent are shown as missing. UserError for unreadable JSON, a damaged run
    and claims of a paper that is not among `papers`.
    """
    loaded = [_experiment(path) for path in experiments]
    results = {path.name.removesuffix(".json"): read_json(path) for path in map(Path, claims)}
    run_rows = _runs(loaded, Path(store))
    sections = [_paper(paper, figures, tables or figures, results, out.parent) for paper in papers]
    unknown = sorted(set(results) - {section["paper"] for section in sections})
    if unknown:
        raise UserError(f"claims of papers that the report does not have: {', '.join(unknown)}")
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["frames"] = lambda value: "–" if value is None else frames_text(value)
    page = environment.get_template("index.html.j2").render(
        papers=sections,
        counts=_counts(sections),
        scales=_scales(loaded),
        runs=run_rows,
        status=_status(run_rows),
        methods=_methods(sections, loaded),
        versions=_versions(run_rows),
        known={row["run"] for row in run_rows},
        css=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
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


def _paper(
    paper: Mapping[str, Any], figures: Path, tables: Path, results: Mapping[str, list], base: Path
) -> dict[str, Any]:
    name = str(paper["paper"])
    url = str(paper.get("url") or "")
    authors = paper.get("authors") or ""
    return {
        "paper": name,
        "title": paper.get("title") or name,
        "authors": authors if isinstance(authors, str) else ", ".join(authors),
        "where": ", ".join(str(paper[key]) for key in ("venue", "year") if paper.get(key)),
        # a link of another scheme could run code
        "url": url if re.match(r"https?://", url) else "",
        "claims": results.get(name, []),
        "figures": [_figure(item, figures / name, base) for item in paper.get("figures") or []],
        "tables": [_table(item, tables / name, base) for item in paper.get("tables") or []],
        "deviations": list(paper.get("deviations") or []),
        "absent": list(paper.get("absent") or []),
    }


def _item(item: Any, folder: Path, base: Path, suffixes: Sequence[str]) -> dict[str, Any]:
    """Caption and links of one figure or table; 'caption' is None when it has not been made."""
    name = item if isinstance(item, str) else str(item["id"])
    title = name if isinstance(item, str) else str(item.get("title") or name)
    source = "" if isinstance(item, str) else str(item.get("source") or "")
    path = folder / f"{name}.json"
    about = read_json(path) if path.exists() else None
    links = [
        (suffix.upper(), quote(Path(os.path.relpath(folder / f"{name}.{suffix}", base)).as_posix()))
        for suffix in suffixes
        if (folder / f"{name}.{suffix}").exists()
    ]
    return {"id": name, "title": title, "source": source, "caption": about, "links": links}


def _figure(item: Any, folder: Path, base: Path) -> dict[str, Any]:
    shown = _item(item, folder, base, ("pdf", "svg", "png", "csv", "gif"))
    path = folder / f"{shown['id']}.svg"
    if shown["caption"] is None or not path.exists():
        return shown | {"caption": None, "image": "", "width": 0, "height": 0, "animation": ""}
    svg = path.read_bytes()
    height, width = (_points(svg, key) for key in (b"height", b"width"))
    points = 96 / 72 * ZOOM
    moving = folder / f"{shown['id']}.gif"
    return shown | {
        "image": _embedded("svg+xml", svg),
        "animation": _embedded("gif", moving.read_bytes()) if moving.exists() else "",
        "width": round(width * points),
        "height": round(height * points),
    }


def _embedded(kind: str, data: bytes) -> Markup:
    return Markup(f"data:image/{kind};base64," + base64.b64encode(data).decode())


def _points(svg: bytes, key: bytes) -> float:
    found = re.search(rb"<svg[^>]*\b" + key + rb'="([\d.]+)pt"', svg)
    return float(found.group(1)) if found else 300.0


def _table(item: Any, folder: Path, base: Path) -> dict[str, Any]:
    return _item(item, folder, base, ("csv", "md", "tex"))


# ---------------------------------------------------------------- runs


def _runs(experiments: Iterable[Mapping[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """One row per run, sorted by variant, game, seed; status 'missing' where it left no run.json."""
    rows: dict[str, dict[str, Any]] = {}
    for about in experiments:
        name = f"{about['paper']}.{about['experiment']}"
        for entry in about["runs"]:
            row = rows.setdefault(entry["run"], _run(entry, folder / entry["sealed"]))
            row["experiments"].append(name)
            if entry["variant"] not in row["variants"]:
                row["variants"].append(entry["variant"])
    return sorted(rows.values(), key=lambda r: (r["variants"][0], r["game"], r["vary"], r["seed"], r["run"]))


def _run(entry: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    finished = (folder / "manifest.json").exists()
    info = json.loads(read_sealed(folder, "run.json")) if finished else {}
    last = _last_return(folder / "summary.parquet") if finished else None
    speed = info.get("frames_per_second")
    vary = entry.get("vary") or {}
    return {
        "run": entry["run"],
        "variants": [],
        "experiments": [],
        "game": entry["game"],
        "seed": entry["seed"],
        "vary": ", ".join(f"{key}={value}" for key, value in sorted(vary.items())),
        "status": str(info.get("status", "missing")),
        "frames": info.get("frames"),
        "last": last,
        "last_text": "–" if last is None else number(last),
        "speed": speed,
        "speed_text": "–" if speed is None or not math.isfinite(speed) else f"{speed:,.0f}",
        "seconds": info.get("seconds"),
        "device": str(info.get("device", "")),
        "resumes": info.get("resumes"),
        "versions": info.get("versions") or {},
    }


def _last_return(path: Path) -> float | None:
    table = scored(read_parquet(path, ("metric", "frame", "mean"), read_sealed(path.parent, path.name)).to_pandas())
    for metric in RETURNS:
        rows = table[table.metric == metric]
        if len(rows):
            return float(rows.loc[rows.frame.idxmax(), "mean"])
    return None


def _status(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Number of runs by status, finished first; always has 'finished' and 'all'."""
    names = sorted({row["status"] for row in rows} - {"finished"})
    counts = {name: sum(row["status"] == name for row in rows) for name in ["finished", *names]}
    return counts | {"all": len(rows)}


# ---------------------------------------------------------------- summaries


def _counts(sections: Iterable[Mapping[str, Any]]) -> list[tuple[str, int, str]]:
    """What the front says of the claims: (verdict in words, how many, what of them is weaker than it looks).

    Nothing where there is no claim; a verdict of which there is none is told too, but for 'inconclusive'.
    """
    claims = [claim for section in sections for claim in section["claims"]]
    found = []
    for verdict, text in VERDICTS.items():
        mine = [claim for claim in claims if claim["verdict"] == verdict]
        weak = sum(claim["weak"] for claim in mine)
        printed = sum(claim["basis"] == "published" for claim in mine) if verdict == "not reproduced" else 0
        notes = [f"{weak} weak, with fewer than three seeds"] * bool(weak)
        notes += [f"{printed} by published numbers alone"] * bool(printed)
        if claims and (mine or verdict != "inconclusive"):
            found.append((text, len(mine), "; ".join(notes)))
    return found


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
    text = [f"The page rests on {len(runs)} training runs on {len(games)} game(s): {', '.join(games)}." if runs else ""]
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
