# From config/ to results/: `snakemake --cores all` makes the papers of config/config.yaml, `snakemake demo` one paper.
# `--config scale=smoke papers=[demo] results=/path …` overrides config/config.yaml. Jobs are in rules/, all they ask in
# workflow/pipeline.py. This file is read again inside every cluster job, so it does nothing that a job need not repeat.
from snakemake.utils import min_version

try:
    from workflow.pipeline import CODE, FIGURE_FILES, RETRIES, TABLE_FILES
    from workflow.start import start
except ModuleNotFoundError as error:
    from workflow.missing import explain

    raise SystemExit(explain(error))

min_version("9.0")

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
        lambda wildcards: P.targets(P.config.papers),


include: "rules/targets.smk"


if not P.config.partial:

    include: "rules/train.smk"


include: "rules/scores.smk"
include: "rules/figures.smk"
include: "rules/report.smk"


# Only now Snakemake knows where jobs run.
onstart:
    P.write_index()
    if not (workflow.local_exec or P.config.partial):
        workflow.get_rule("train").restart_times = RETRIES
    if not workflow.local_exec and "logdir" in vars(workflow.executor_settings):
        workflow.executor_settings.logdir = P.job_logs(workflow.executor_settings.logdir)
