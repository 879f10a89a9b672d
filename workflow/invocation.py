"""What Snakemake was asked to do, known already while it reads the Snakefile."""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from typing import NamedTuple

# What makes Snakemake look, tidy up or report, and run no job.
_NO_JOBS = (
    "dryrun", "touch", "unlock", "report", "summary", "detailed_summary", "lint", "dag", "rulegraph", "filegraph",
    "d3dag", "list_rules", "list_target_rules", "list_changes", "list_input_changes", "list_params_changes",
    "list_untracked", "cleanup_metadata", "cleanup_shadow", "delete_all_output", "delete_temp_output", "archive",
    "containerize", "generate_unit_tests", "print_compilation",
)  # fmt: skip


class Invocation(NamedTuple):
    """`executor`: where jobs go ("local" is here); `runs`: whether there will be jobs at all; `targets` as typed."""

    targets: tuple[str, ...] = ()
    executor: str = "local"
    runs: bool = False

    @property
    def here(self) -> bool:
        """Whether jobs will run on this machine."""
        return self.runs and self.executor == "local"


def invocation(words: list[str] | None = None) -> Invocation:
    """This process's own command line, profiles included, as Snakemake reads it; nothing is run where it is not one.

    `words`: another one, without the program's name.
    """
    if words is None:
        program = Path(sys.argv[0])
        if "snakemake" not in (program.name, program.parent.name):
            return Invocation()
        words = sys.argv[1:]
    from snakemake.cli import parse_args

    with contextlib.redirect_stderr(io.StringIO()):  # it names the profile, as it did the first time
        options = vars(parse_args(words)[1])
    quiet = any(options.get(name) for name in _NO_JOBS)
    return Invocation(tuple(map(str, options["targets"] or ())), options["executor"] or "local", not quiet)
