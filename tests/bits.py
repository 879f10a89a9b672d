"""What every shipped variant gives, to the bit: `python -m tests.bits record FILE`, and later `… compare FILE`.

For changes of the code that must not change results. Each distinct point of every paper at smoke scale, Atari's too, is
trained at seed 0 on its first game, once in one go and once interrupted halfway and resumed; FILE holds the SHA-256 of
its parameters and of its learning, episode and evaluation rows, sorted. Executors of several processes train inline.
The bits hold for one machine and one build of torch, so the file is not committed.
"""

import argparse
import hashlib
import json
import sys
import tempfile
from pathlib import Path

from agents.arithmetic import settle
from agents.run.checkpoint import Checkpoints
from agents.run.heartbeat import Heartbeat
from agents.run.loop import Run, train
from agents.spec.run import model_of
from workflow.config import Project
from workflow.expand import Papers

ROOT = Path(__file__).resolve().parents[1]


def points() -> dict[str, str]:
    """`paper.experiment#number` -> canonical JSON of the spec, of each distinct point that trains."""
    papers, found = Papers(Project(ROOT, {"scale": "smoke"})), {}
    for paper in papers.project.paper_names:
        for key, experiment in papers[paper].items():
            for number, point in enumerate(experiment.points):
                found.setdefault(point.run(experiment.games[0], 0).spec, f"{paper}.{key}#{number}")
    return {name: text for text, name in found.items() if '"executor"' in text}


def inline(text: str):
    """The spec, trained in this process."""
    tree = json.loads(text)
    if tree["executor"]["kind"] != "inline":
        tree["executor"] = {"kind": "inline", "lags_updates": [0]}
    return model_of(tree).model_validate(tree)


def trained(spec, interrupted: bool) -> dict[str, str]:
    """SHA-256 of what a training leaves."""
    with tempfile.TemporaryDirectory() as folder:

        def begin() -> Run:
            return Run(spec, Checkpoints(Path(folder) / "checkpoints", {}, lambda text: None))

        def until(run: Run, stop) -> str:
            heartbeat = Heartbeat(Path(folder) / "heartbeat.json", "bits", spec.budget_frames, 0)
            return train(run, heartbeat, stop, lambda: None, 1e9)

        run = begin()
        if interrupted:
            until(run, lambda: run.frame >= spec.budget_frames // 2)
            run = begin()
            if not run.resumes:
                raise RuntimeError("did not resume")
        product = run.product(until(run, lambda: False))
    found = {"parameters": product.facts["parameters_sha256"], "updates": str(product.facts["updates"])}
    for name in ("learning", "episodes", "evaluations"):
        rows = json.dumps(sorted(map(list, map(dict.values, product.tables[name].to_pylist())))).encode()
        found[name] = hashlib.sha256(rows).hexdigest()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bits", description=__doc__)
    parser.add_argument("command", choices=("record", "compare"))
    parser.add_argument("file", type=Path)
    parser.add_argument("only", nargs="*", help="beginnings of names (default: all)")
    options = parser.parse_args()
    settle(1)
    before = json.loads(options.file.read_text()) if options.command == "compare" else {}
    found, different = {}, []
    for name, text in points().items():
        if options.only and not name.startswith(tuple(options.only)):
            continue
        spec = inline(text)
        found[name], resumed = trained(spec, False), trained(spec, True)
        if found[name] != resumed:
            different.append(f"{name}: resumed, it gives other {_parts(found[name], resumed)}")
        if before and found[name] != before.get(name):
            different.append(f"{name}: other {_parts(found[name], before.get(name, {}))}")
    if options.command == "record":
        options.file.write_text(json.dumps(found, indent=1))
    elif not options.only and (gone := before.keys() - found.keys()):
        different.append(f"gone: {', '.join(sorted(gone))}")
    print("\n".join(different) or "all the same", f"({len(found)} points, each also interrupted and resumed)")
    return 1 if different else 0


def _parts(one: dict[str, str], other: dict[str, str]) -> str:
    return ", ".join(name for name in one if one[name] != other.get(name))


if __name__ == "__main__":
    sys.exit(main())
