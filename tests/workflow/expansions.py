"""What every shipped paper asks for at every scale, recorded: a change of config/ that is meant to leave the runs alone
must leave this record alone.

python -m tests.workflow.expansions           tell what differs from the record
python -m tests.workflow.expansions --write   record it again, after a change that is meant
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from workflow.config import Project
from workflow.expand import Expansion, expand

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("expansions.json")
SCALES = ("smoke", "reduced", "paper")
# Told apart in the record, or places in a file rather than what is asked for.
APART = ("reduced", "doubts")


def digest(data: Any, ordered: bool = False) -> str:
    """`ordered`: with the order of mappings, which figures draw in."""
    text = json.dumps(
        data, sort_keys=not ordered, separators=(",", ":"), default=lambda model: model.model_dump(mode="json")
    )
    return hashlib.sha256(text.encode()).hexdigest()


def of_expansion(each: Expansion) -> dict[str, Any]:
    """An expansion's number of runs, its sentence, and a hash of all else: its points hold the runs' specs."""
    rest = {key: value for key, value in each._asdict().items() if key not in APART}
    rest["points"] = [point._asdict() for point in each.points]
    rest["doubts"] = sorted(doubt.message for doubt in each.doubts)
    runs = len(each.points) * len(each.games) * len(each.seeds)
    return {"runs": runs, "reduced": each.reduced, "sha256": digest(rest)}


def of_paper(paper: str) -> dict[str, Any]:
    """scale.experiment -> its record, and `shown`: a hash of all that its file says beside experiments and
    `contents`, which docs/papers tells."""
    found: dict[str, Any] = {}
    for scale in SCALES:
        expanded = expand(Project(ROOT, {"scale": scale}), paper)
        found |= {f"{scale}.{name}": of_expansion(each) for name, each in expanded.items()}
    described, _ = Project(ROOT).paper(paper)
    found["titles"] = digest({name: each.title for name, each in described.experiments.items()})
    found["shown"] = digest(described.model_dump(mode="json", exclude={"experiments", "contents"}), ordered=True)
    return found


def recorded() -> dict[str, Any]:
    return json.loads(RECORD.read_text(encoding="utf-8"))


def differences(old: Any, new: Any, at: str = "") -> list[str]:
    """Dotted places that differ."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [] if old == new else [f"{at}: {old!r} was recorded, now {new!r}"]
    keys = [*old, *(key for key in new if key not in old)]
    return [text for key in keys for text in differences(old.get(key), new.get(key), f"{at}.{key}" if at else key)]


def lines(record: dict[str, Any]) -> str:
    """The record as JSON with a line for each experiment, so that a difference is one."""
    papers = []
    for paper, found in record.items():
        rows = (f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in found.items())
        papers.append(f" {json.dumps(paper)}: {{\n" + ",\n".join(rows) + "\n }")
    return "{\n" + ",\n".join(papers) + "\n}\n"


def main() -> int:
    now = {paper: of_paper(paper) for paper in Project(ROOT).paper_names}
    if "--write" in sys.argv[1:]:
        RECORD.write_text(lines(now), encoding="utf-8")
        return 0
    found = differences(recorded(), now)
    print("\n".join([*found, f"{len(found)} differences"]))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
