# One training run. Its result is kept in the sealed store; what Snakemake knows, and may delete, is only a mark of it.
# in:  nothing: the name of the mark says it all, the run's spec (by its digest) and the code that it reaches now
# out: results/sealed/<run>/<code>; and results/store/<digest>/<code>/, shown in results/runs/<run>/ (Parquet tables,
#      run.json, weights.pt). While it trains, results/work/<run>/: checkpoints, heartbeat, lease
# The log is no `log:`, which Snakemake deletes before it starts a job, also one that another process is working on.
# No `retries`: the main process sets them when it is known where jobs run (onstart in the Snakefile), and Snakemake
# inside a job must not obey any: it would start again in an allocation that is about to end.
# The shell waits while a training saves itself (`trap`): where it ends, SLURM ends the job.
# The shell's $ACCEPT_CODE_CHANGES is set by workflow/pipeline.py: as a parameter it would retrain when switched.


rule train:
    output:
        f"{RESULTS}/sealed/{{run}}/{{code}}",
    priority: lambda wildcards: max(0, 1000 - P.run(wildcards).seed)  # first seeds of everything first
    threads: lambda wildcards: P.run(wildcards).point.threads
    resources:
        runtime=lambda wildcards: P.run(wildcards).point.cluster.runtime_minutes,
        mem_mb=lambda wildcards: P.mem_mb(P.run(wildcards)),
        cpus_per_task=lambda wildcards: P.run(wildcards).point.cluster.cpus,
        gpu=lambda wildcards: P.gpus(P.run(wildcards)),
        nodes=lambda wildcards: P.run(wildcards).point.cluster.nodes,
        tasks=lambda wildcards: P.run(wildcards).point.cluster.nodes,
        launch=lambda wildcards: P.launch(P.run(wildcards)),  # not a parameter, which would retrain when reworded
    params:
        spec=lambda wildcards: P.run(wildcards).spec,
        results=lambda wildcards, output: output[0].rsplit("/sealed/", 1)[0],
    shell:
        """
        trap : TERM HUP
        log={params.results:q}/logs/train/{wildcards.run}.log
        mkdir -p "${{log%/*}}"
        {resources.launch} python -m agents train --spec {params.spec:q} --results {params.results:q} \
          --code {wildcards.code} $ACCEPT_CODE_CHANGES >> "$log" 2>&1 \
          || {{ code=$?; echo "{wildcards.run} ended with code $code; the end of $log:"; tail -n 20 "$log"; exit $code; }}
        """
