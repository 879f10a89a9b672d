# The scores of one experiment: the summaries of its runs in one table.
# in:  results/<scale>/experiments/<paper>.<experiment>/runs.json (its runs), the marks of finished runs, whose summaries
#      lie in results/store/
# out: results/<scale>/scores/<paper>.<experiment>.parquet


rule score:
    input:
        unpack(lambda wildcards: P.score_input(wildcards, workflow.dag.forcefiles)),
    output:
        f"{SHOWN}/scores/{{experiment}}.parquet",
    log:
        f"{SHOWN}/logs/score/{{experiment}}.log",
    localrule: True
    params:
        members=P.members_digest,
        store=f"{RESULTS}/store",
        code=P.code_sum(CODE["score"]),
        missing="--missing-allowed" if P.config.partial else "",
    shell:
        "python -m analysis scores --experiment {input.members:q} --store {params.store:q} {params.missing}"
        " --out {output:q} > {log:q} 2>&1"
