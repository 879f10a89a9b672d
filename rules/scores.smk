# The scores of one experiment: the summaries of its runs in one table.
# in:  results/<scale>/experiments/<paper>.<experiment>/runs.json (its runs), results/runs/<run>/summary.parquet
# out: results/<scale>/scores/<paper>.<experiment>.parquet


rule score:
    input:
        unpack(P.score_input),
    output:
        f"{SHOWN}/scores/{{experiment}}.parquet",
    log:
        f"{SHOWN}/logs/score/{{experiment}}.log",
    localrule: True
    params:
        members=P.members_digest,
        runs=f"{RESULTS}/runs",
    shell:
        "python -m analysis scores --experiment {input.members:q} --runs {params.runs:q}"
        " --out {output:q} > {log:q} 2>&1"
