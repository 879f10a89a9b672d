# The scores of one experiment: the summaries of its runs in one table.
# in:  results/<scale>/experiments/<paper>.<experiment>/runs.json (its runs), the marks of finished runs, whose summaries
#      lie in results/store/
# out: results/<scale>/scores/<paper>.<experiment>.parquet


rule score:
    input:
        unpack(lambda wildcards: scores.inputs(P, wildcards.experiment, workflow.dag.forcefiles)),
    output:
        f"{SHOWN}/scores/{{experiment}}.parquet",
    log:
        f"{SHOWN}/logs/score/{{experiment}}.log",
    localrule: True
    params:
        members=lambda wildcards: scores.members_digest(P, wildcards.experiment),
        store=f"{RESULTS}/store",
        code=P.inputs.code_sum(scores.CODE),
        missing="--missing-allowed" if P.config.partial else "",
    shell:
        "python -m analysis scores --experiment {input.members:q} --store {params.store:q} {params.missing}"
        " --out {output:q} > {log:q} 2>&1"
