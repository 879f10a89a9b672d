# One training run.
# in:  results/code/<agent>-<parts>/modules.fp, the fingerprint of the code that the run reaches; the spec as a parameter
# out: results/runs/<run>/ (Parquet tables and run.json); checkpoints and heartbeat in results/work/<run>/
# No `retries` here: Snakemake inside a cluster job would obey them too. They are the profile's.
# The shell's $ACCEPT_CODE_CHANGES is set by workflow/pipeline.py: as a parameter it would retrain when switched.

AS_INPUT = ancient if P.config.code_changes == "ignore" else str


rule train:
    input:
        code=lambda wildcards: AS_INPUT(P.run_code(P.run(wildcards))),
    output:
        [f"{RESULTS}/runs/{{run}}/{name}" for name in RUN_FILES],
    log:
        f"{RESULTS}/logs/train/{{run}}.log",
    priority: lambda wildcards: max(0, 1000 - P.run(wildcards).seed)  # first seeds of everything first
    threads: lambda wildcards: P.run(wildcards).point.threads
    resources:
        runtime=lambda wildcards: P.run(wildcards).point.cluster.runtime_minutes,
        mem_mb=lambda wildcards, attempt: P.within("mem_mb", P.run(wildcards).point.cluster.mem_mb * attempt),
        cpus_per_task=lambda wildcards: P.run(wildcards).point.cluster.cpus,
        gpu=lambda wildcards: P.gpus(P.run(wildcards)),
        nodes=lambda wildcards: P.run(wildcards).point.cluster.nodes,
        tasks=lambda wildcards: P.run(wildcards).point.cluster.nodes,
        launch=lambda wildcards: P.launch(P.run(wildcards)),  # not a parameter, which would retrain when reworded
    params:
        spec=lambda wildcards: P.run(wildcards).spec,
        results=lambda wildcards, output: output[0].rsplit("/runs/", 1)[0],
    shell:
        "{resources.launch} python -m agents train --spec {params.spec:q} --results {params.results:q} --code {input.code:q}"
        " $ACCEPT_CODE_CHANGES >> {log:q} 2>&1"
