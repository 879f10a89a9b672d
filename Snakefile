# From config/ to results/: `snakemake --cores all` makes the papers of config/config.yaml, `snakemake demo` one paper.
# `--config scale=smoke papers=[demo] results=/path …` overrides config/config.yaml. Jobs are in rules/, what each of
# these files asks in a module of workflow/. This file is read again inside every cluster job, so it does nothing that a
# job need not repeat.
from pathlib import Path

from snakemake.utils import min_version

try:
    from workflow import drawn, index, pages, scores, targets, training
    from workflow.retries import Retries
    from workflow.start import start, work_on
except ModuleNotFoundError as error:
    from workflow.missing import explain

    raise SystemExit(explain(error))

min_version("9.0")

# What all rules look at (workflow/context.py).
P = start(workflow.basedir, config, workflow.is_main_process, workflow.global_resources)
RESULTS, SHOWN = P.results, P.shown


wildcard_constraints:
    run=r"[a-z0-9_.-]+",
    code=r"[0-9a-f]{16}",
    paper=r"[a-z0-9_-]+",
    experiment=r"[a-z0-9_-]+\.[a-z0-9_-]+",
    id=r"[a-z0-9_-]+",
    page=r"[a-z0-9_-]+",


# Here and not in rules/: Snakemake forgets a default target that an included file sets.
rule all:
    input:
        lambda wildcards: targets.files(P, P.config.papers),


include: "rules/targets.smk"


if P.trains:

    include: "rules/train.smk"


include: "rules/scores.smk"
include: "rules/figures.smk"
include: "rules/report.smk"


# Only now Snakemake knows where jobs run.
onstart:
    work_on()
    index.write(Path(RESULTS), P.config.scale, P.papers.asking())
    if not (workflow.local_exec or P.config.partial):
        Retries(P.results).install()
    # The executor has looked at its settings already. Its jobs' logs belong to these results, unless a place was given.
    if "slurm_logdir" in vars(workflow.scheduler._executor) and not workflow.executor_settings.logdir:
        workflow.scheduler._executor.slurm_logdir = training.job_logs(P)
