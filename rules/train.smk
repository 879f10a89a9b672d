# One training run. Its result is kept in the sealed store; what Snakemake knows, and may delete, is only a mark of it.
# in:  nothing: the name of the mark says it all, the run's spec (by its digest) and the code that it reaches now
# out: results/sealed/<run>/<code>; and results/store/<digest>/<code>/, shown in results/runs/<run>/ (Parquet tables,
#      run.json, weights.pt). While it trains, results/work/<run>/: checkpoints, heartbeat, lease
# The log is no `log:`, which Snakemake deletes before it starts a job, also one that another process is working on.
# No `retries`: on a cluster the main process decides after each failure (workflow/retries.py), and Snakemake inside a job
# must not: it would start again in an allocation that is about to end.
# The shell waits while a training saves itself (`trap`): where it ends, SLURM ends the job.
# $AGENTS: a pilot (workflow/pilot.py) has a quicker start, of the same program.
# The shell's $ACCEPT_CODE_CHANGES is set by workflow/environment.py: as a parameter it would retrain when switched.


rule train:
    output:
        f"{RESULTS}/sealed/{{run}}/{{code}}",
    priority: training.of(P, training.priority)
    threads: training.of(P, lambda run: run.point.threads)
    resources:
        runtime=training.of(P, lambda run: run.point.cluster.runtime_minutes),
        mem_mb=training.of(P, lambda run: training.mem_mb(P, run)),
        cpus_per_task=training.of(P, lambda run: run.point.cluster.cpus),
        gpu=training.of(P, training.gpus),
        nodes=training.of(P, lambda run: run.point.cluster.nodes),
        tasks=training.of(P, lambda run: run.point.cluster.nodes),
        # Not a parameter, which would retrain when reworded.
        launcher=training.of(P, lambda run: run.point.launcher),
    params:
        spec=training.of(P, lambda run: run.spec),
        results=lambda wildcards, output: output[0].rsplit("/sealed/", 1)[0],
    shell:
        """
        trap : TERM HUP
        log={params.results:q}/logs/train/{wildcards.run}.log
        mkdir -p "${{log%/*}}"
        {resources.launcher} ${{AGENTS:-python -m agents}} train --spec {params.spec:q} --results {params.results:q} \
            --code {wildcards.code} $ACCEPT_CODE_CHANGES >>"$log" 2>&1 \
            || {{ code=$?; echo "{wildcards.run} ended with code $code; the end of $log:"; tail -n 20 "$log"; exit $code; }}
        """
