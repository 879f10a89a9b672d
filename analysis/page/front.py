"""What the front of the page answers for each paper: what is reproduced, how surely, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from analysis.claims import FEW
from analysis.text import frames_text

VERDICTS = {  # verdict -> what the front of the page says of its claims
    "reproduced": "reproduced by our runs",
    "recomputed": "recomputed from published numbers",
    "not reproduced": "not reproduced",
    "inconclusive": "inconclusive",
    "not run at this scale": "not run at this scale",
}
REASONS, SHOWN = 2, 2  # told of one verdict; linked from one claim
MANY = 100  # runs behind a figure that are named one by one, at most
UNRUN = "not run at this scale"


def counts(sections: Iterable[Mapping[str, Any]]) -> list[tuple[str, int, str]]:
    """What the front says of all claims: (verdict in words, how many, what of them is weaker than it looks).

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


def reasons(claims: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, int, str]]:
    """Of each verdict that a paper's claims have: verdict, in words, how many, and the commonest reasons."""
    found = []
    for verdict, words in VERDICTS.items():
        why = Counter(claim["why"].partition(";")[0] for claim in claims if claim["verdict"] == verdict)
        told = [
            f"{text}{f' ({count})' * (1 < count < why.total())}" for text, count in why.most_common(REASONS) if text
        ]
        if why:
            found.append((verdict, words, why.total(), "; ".join(told) + "; …" * (len(why) > REASONS)))
    return found


def sureness(claims: Sequence[Mapping[str, Any]], scales: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """How surely: seeds, scale and weak verdicts of the claims that rest on our runs. `scales`: by experiment."""
    ours = [claim for claim in claims if claim["basis"] == "runs" and claim["verdict"] != UNRUN]
    seeds = sorted({seed for claim in ours for seed in claim["seeds"]})
    weak = sum(map(_few, ours))
    found = [f"{' to '.join(str(n) for n in sorted({seeds[0], seeds[-1]}))} seeds a game"] if seeds else []
    found += list(
        dict.fromkeys(text for claim in ours for name in claim["experiments"] if (text := reduced(scales.get(name))))
    )
    if weak:
        found.append(f"{weak} of {len(ours)} verdict{'s' * (len(ours) != 1)} on weak evidence")
    if ours and not weak:
        found.append("no weak evidence")
    if any(claim["basis"] == "published" for claim in claims):
        found.append("published numbers alone say nothing of our runs")
    return found or (["no claim rests on a run of ours"] if claims else [])


def reduced(scale: Mapping[str, Any] | None) -> str:
    """'reduced scale: 60k of 5M frames' of an experiment that is smaller than the paper's, '' of another."""
    if scale is None:
        return ""
    ours, paper = scale.get("budget_frames") or 0, scale.get("paper_frames") or 0
    if scale["scale"] == "paper" and ours >= paper:
        return ""
    frames = (
        f": {frames_text(ours)} of {frames_text(paper)} {scale.get('clock') or 'frames'}" if 0 < ours < paper else ""
    )
    return f"{scale['scale']} scale{frames}"


def marks(
    claim: Mapping[str, Any], scales: Mapping[str, Mapping[str, Any]], done: Mapping[str, tuple[int, int]]
) -> list[str]:
    """What makes a verdict's evidence weak. `done`: experiment -> its finished and its planned runs."""
    if claim["basis"] != "runs" or claim["verdict"] == UNRUN:
        return []
    found = [f"weak: n = {claim['n']}"] if _few(claim) else []
    found += list(dict.fromkeys(text for name in claim["experiments"] if (text := reduced(scales.get(name)))))[:1]
    made, planned = (sum(done.get(name, (0, 0))[i] for name in claim["experiments"]) for i in (0, 1))
    return found + [f"preliminary: {made} of {planned} runs"] * (made < planned)


def _distance(about: Mapping[str, Any], experiments: set[str]) -> tuple[bool, int]:
    """How far a figure is from showing these experiments and no more."""
    return set(about["experiments"]) != experiments, len(about["runs"])


def _few(claim: Mapping[str, Any]) -> bool:
    """Whether a game of it has too few seeds for an interval to say much, whatever the verdict."""
    return any(seeds < FEW for seeds in claim["seeds"])


def shown_in(
    claim: Mapping[str, Any], section: Mapping[str, Any], contents: Iterable[Sequence[str]]
) -> list[tuple[str, str]]:
    """(anchor, title) of the figures and tables that show what a claim says.

    Those that the paper's file lists beside it (`contents`: ids that show one thing); else those of its runs, the
    smallest first; else of its experiments; else of the same place in the paper.
    """
    made = [("figure", item) for item in section["figures"]] + [("table", item) for item in section["tables"]]
    made = [(part, item) for part, item in made if item["caption"]]
    named = {name for ids in contents if claim["id"] in ids for name in ids}
    found = [(part, item) for part, item in made if item["id"] in named]
    runs, experiments = set(claim["runs"]), set(claim["experiments"])
    if not found and runs:
        found = [(part, item) for part, item in made if runs <= set(item["caption"].get("runs") or ())]
        found.sort(key=lambda each: _distance(each[1]["caption"], experiments))
    if not found and experiments:
        found = [(part, item) for part, item in made if experiments & set(item["caption"].get("experiments") or ())]
    if not found and claim["source"]:
        found = [(part, item) for part, item in made if claim["source"] in item["source"]]
    return [(f"{part}-{section['paper']}-{item['id']}", item["title"]) for part, item in found[:SHOWN]]
