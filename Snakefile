# From config/ to results/: `snakemake --cores all` makes the papers of config/config.yaml, `snakemake demo` one paper.
# `--config scale=smoke papers=[demo] results=/path …` overrides config/config.yaml. Jobs are in rules/, all they ask in
# workflow/pipeline.py. This file is read again inside every cluster job, so it does nothing that a job need not repeat.
from snakemake.utils import min_version

from workflow.locker import enter
from workflow.pipeline import FIGURE_FILES, RUN_FILES, TABLE_FILES, start

min_version("9.0")

P = start(workflow.basedir, config, workflow.is_main_process, lambda: workflow.dryrun)
RESULTS, SHOWN = P.results, P.shown
if workflow.is_main_process:
    enter()


wildcard_constraints:
    run=r"[a-z0-9_.-]+",
    paper=r"[a-z0-9_-]+",
    experiment=r"[a-z0-9_-]+\.[a-z0-9_-]+",
    id=r"[a-z0-9_-]+",
    page=r"[a-z0-9_-]+",


# Here and not in rules/: Snakemake forgets a default target that an included file sets.
rule all:
    input:
        lambda wildcards: P.targets(P.config.papers),


include: "rules/targets.smk"


if not P.config.partial:

    include: "rules/train.smk"


include: "rules/scores.smk"
include: "rules/figures.smk"
include: "rules/report.smk"


onstart:
    P.write_index()
