"""The words of `arcade`: each command with what it takes, what it is for, and an example.

argparse, with argcomplete for the shell: what Snakemake's options after `--` and the README's commands rely on is the
standard library's own reading, and `arcade --help` imports nothing else.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workflow import completion

OVER = "over config/config.yaml: scale=smoke (reduced, paper), device=cpu, results=FOLDER and the like"
SHELLS = ("bash", "zsh", "fish")
EXITS = """exit codes: 0 done; 1 a mistake in config/, a name that nothing has, or something that is missing, each with
what to do about it; 2 words that are no command; 128 + n ended by signal n (130: Ctrl-C);
`run` ends with Snakemake's own code, `done` and `ledger --check` with 1 where something is missing or stale"""


class _Commands:
    """Adds commands to a parser; `--config` goes with all that read config/."""

    def __init__(self, top: argparse.ArgumentParser):
        self._add = top.add_subparsers(dest="command", required=True, metavar="COMMAND").add_parser

    def __call__(self, name: str, text: str, example: str, config: bool = True, json: bool = False) -> Any:
        one = self._add(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=f"example: arcade {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if config:
            one.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help=OVER)
        if json:
            one.add_argument("--json", action="store_true", help="for machines")
        return one


def parser() -> argparse.ArgumentParser:
    """All commands."""
    top = argparse.ArgumentParser(
        prog="arcade",
        description="Papers' training runs, figures and reports, from config/. Paths are those of the checkout.\n"
        "`python -m workflow` is the same in an environment that is activated.",
        epilog=EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = _Commands(top)
    _work(add)
    _look(add)
    _watch(add)
    _keep(add)
    return top


def _work(add: _Commands) -> None:
    text = "train and draw on all cores of this machine; options after -- go to Snakemake"
    one = add("run", text, "run demo --config scale=smoke")
    _targets(one)
    one = add("plan", "what would run and why, and what it may cost", "plan demo --config scale=paper", json=True)
    _targets(one)
    one = add(
        "pilots",
        "SLURM allocations that each train many of the runs that the store lacks",
        "pilots minatar --jobs 8 --cores 16 --time 08:00:00",
    )
    _targets(one)
    one.add_argument("--jobs", type=int, required=True, metavar="N", help="allocations, at most")
    one.add_argument("--cores", type=int, required=True, metavar="K", help="of each")
    one.add_argument("--gpu-slots", type=int, metavar="S", help="runs that share a pilot's GPU (1)")
    one.add_argument("--time", metavar="HH:MM:SS", help="of each (the partition's default); unfinished work goes on")


def _look(add: _Commands) -> None:
    one = add("status", "how far every run and pilot is", "status demo --watch", json=True)
    _complete(one.add_argument("papers", nargs="*", metavar="PAPER"), completion.papers)
    one.add_argument("--watch", action="store_true", help="until interrupted")
    one.add_argument("--all", action="store_true", help="every run, however many")
    one = add(
        "runs",
        "the finished runs: scores, and the settings that differ between them",
        "runs demo --sort return --where game=breakout",
        json=True,
    )
    _complete(one.add_argument("paper", nargs="?", metavar="PAPER", help="those that it asks for"), completion.papers)
    one.add_argument("--sort", metavar="KEY", help="a column or setting; numbers from the largest on: return, lr")
    one.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="those with this value of a column or setting, by the end of its name: optimizer.lr=1e-3, lr=1e-3",
    )
    one.add_argument("--all-columns", action="store_true", help="also the keys that all runs share")
    one.add_argument("--csv", action="store_true", help="plain numbers")
    one = add("diff", "what differs between two runs: settings, scores, versions, code", "diff 1a2b 3c4d", json=True)
    _run(one, "a", "A")
    _run(one, "b", "B")
    one = add(
        "explain",
        "all that determined a run: each setting with its file, its line and the comment there",
        "explain dqn.minatar-breakout.s0",
        json=True,
    )
    _run(one)
    one = add("sheet", "a paper's figures and tables that there are, in one small picture", "sheet demo")
    _complete(one.add_argument("paper", metavar="PAPER"), completion.papers)
    one.add_argument("--out", type=Path, metavar="FILE", help="PNG (results/<scale>/sheets/<paper>.png)")
    one = add("done", "the paths of a paper's figures and report; 1 if something is missing", "done demo")
    _complete(one.add_argument("paper", metavar="PAPER"), completion.papers)


def _watch(add: _Commands) -> None:
    one = add("video", "an episode that a finished run's agent plays, with its values, as a GIF", "video 1a2b3c")
    _run(one)
    one.add_argument("--out", type=Path, metavar="FILE", help="GIF, or MP4 where ffmpeg is (results/videos/<run>.gif)")
    one.add_argument("--steps", type=int, default=1000, metavar="N", help="agent steps of the episode, at most (1000)")
    one.add_argument("--episode", type=int, default=0, metavar="I", help="another one, from other random numbers (0)")
    one.add_argument("--as-evaluated", action="store_true", help="by the run's evaluation rules in place of greedily")
    one = add(
        "evaluate", "play with a finished run's agent, nothing learned", "evaluate 1a2b3c --episodes 30", json=True
    )
    _run(one)
    one.add_argument("--episodes", type=int, default=30, metavar="N", help="(30)")
    one.add_argument("--sticky", type=float, metavar="P", help="chance that an action is repeated (as in the run)")
    one.add_argument("--epsilon", type=float, metavar="E", help="chance of a random action (as in its evaluations)")
    one.add_argument("--repetition", type=int, default=0, metavar="I", help="other random numbers (0)")
    one = add("export", "finished runs for other programs", "export csv dqn.minatar-breakout --out tables", config=True)
    one.add_argument("to", choices=("csv", "tensorboard", "wandb"), help="the last two need the extra of that name")
    found = one.add_argument("runs", nargs="+", metavar="RUN", help="every run that has this in its name")
    _complete(found, completion.runs)
    one.add_argument("--out", type=Path, metavar="DIR", help="(results/export/<to>)")
    one.add_argument("--project", default="paper-arcade", metavar="NAME", help="of wandb (paper-arcade)")


def _keep(add: _Commands) -> None:
    one = add("gc", "what the results hold that nothing needs any more", "gc --delete")
    one.add_argument("--delete", action="store_true", help="remove what is listed")
    add("check", "read all of config/ and say everything that is wrong with it", "check", json=True)
    add("schema", "write config/schema/*.json", "schema")
    one = add("ledger", "write docs/papers: what each paper shows, what shows it here", "ledger --check", config=False)
    one.add_argument("--check", action="store_true", help="write nothing; 1 if a page is stale")
    one = add("docs", "build the site from docs/ and the code, every warning an error", "docs", config=False)
    one.add_argument("--out", type=Path, metavar="DIR", help="(site)")
    one = add("completion", "what makes a shell complete these words", "completion bash >> ~/.bashrc", config=False)
    one.add_argument("shell", choices=SHELLS)


def _complete(action: argparse.Action, by: Callable[..., list[str]]) -> None:
    action.completer = by  # type: ignore[attr-defined]  # argcomplete's own convention


def _targets(one: argparse.ArgumentParser) -> None:
    found = one.add_argument(
        "targets", nargs="*", metavar="TARGET", help="papers or files; none: the papers of config.yaml"
    )
    _complete(found, completion.papers)


def _run(one: argparse.ArgumentParser, name: str = "run", shown: str = "RUN") -> None:
    text = "any piece of a run's name or hash that no other has"
    _complete(one.add_argument(name, metavar=shown, help=text), completion.runs)
