"""`python -m agents.kept evaluate | record | export`: what there is to do with finished runs, by their folders.

evaluate  episodes of the kept agent, nothing learned; -> JSON on standard output
record    an episode to be watched, as Parquet (agents/kept/play.py, SCHEMA)
export    tables of runs, or their summaries for TensorBoard and Weights & Biases
"""

import argparse
import json
import sys
from pathlib import Path

from agents.kept.load import facts_of, load


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; -> exit code. SystemExit with a sentence for what cannot be."""
    options = _options(arguments)
    if options.command == "evaluate":
        print(json.dumps(evaluated(options)))
    elif options.command == "record":
        record(options)
    else:
        from agents.kept.export import to_csv, to_tensorboard, to_wandb

        for folder in options.run:
            facts = facts_of(folder)[1]
            if options.to == "csv":
                to_csv(folder, facts, options.out)
            elif options.to == "tensorboard":
                to_tensorboard(folder, facts, options.out)
            else:
                to_wandb(folder, facts, options.out, options.project)
    return 0


def evaluated(options: argparse.Namespace) -> dict:
    """The episodes and the rules that they were played by."""
    from agents.kept.play import Rules, played, under

    kept = load(options.run)
    rules = Rules(options.episodes, options.sticky, options.epsilon, options.repetition)
    episodes = played(kept, rules)
    spec = under(kept.spec, rules)
    told = {"epsilon": spec.evaluation.epsilon, "cap_frames": spec.evaluation.cap_frames}
    if spec.environment.suite in ("minatar", "atari"):
        told["sticky"] = spec.environment.sticky
    return {
        "run": kept.facts["run"],
        "rules": told,
        "episodes": [{"return": e.score, "length": e.length, "truncated": e.truncated} for e in episodes],
    }


def record(options: argparse.Namespace) -> None:
    """Write one episode."""
    from agents.kept.play import VALUES, watch
    from agents.run.record import write_table

    kept = load(options.run)
    seen = watch(kept, options.steps, options.episode, not options.as_evaluated)
    about = {key: kept.facts[key] for key in ("run", "digest", "fingerprint", "versions", "frames")}
    about |= {"shape": seen.shape, "actions": seen.actions, "score": seen.score, "over": seen.over}
    about |= {
        "values": "action values" if kept.spec.agent.kind in VALUES else "policy",
        "suite": kept.spec.environment.suite,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_table(options.out, seen.table, about)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m agents.kept", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_subparsers(dest="command", required=True).add_parser
    one = add("evaluate")
    one.add_argument("--run", required=True, type=Path, help="folder of the finished run in the store")
    one.add_argument("--episodes", required=True, type=int)
    one.add_argument("--sticky", type=float, help="chance that an action is repeated")
    one.add_argument("--epsilon", type=float, help="chance of a random action")
    one.add_argument("--repetition", type=int, default=0, help="number of this evaluation after the run's last")
    one = add("record")
    one.add_argument("--run", required=True, type=Path)
    one.add_argument("--steps", required=True, type=int, help="agent steps, at most")
    one.add_argument("--episode", type=int, default=0, help="number of this episode after the run's evaluations")
    one.add_argument("--as-evaluated", action="store_true", help="by the run's rules for evaluations, not greedily")
    one.add_argument("--out", required=True, type=Path, help="the Parquet file to write")
    one = add("export")
    one.add_argument("--run", required=True, nargs="+", type=Path)
    one.add_argument("--to", required=True, choices=("csv", "tensorboard", "wandb"))
    one.add_argument("--out", required=True, type=Path)
    one.add_argument("--project", default="paper-arcade", help="of wandb")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
