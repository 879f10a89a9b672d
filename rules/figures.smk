# Figures, tables and the check of claims. An edit to the code of one kind of figure redraws the figures of that kind.
# in:  results/<scale>/scores/*.parquet of the experiments named, config/reference/*.csv, the spec of the figure as a parameter;
#      for what a world model imagines, the mark of a finished run, whose weights lie in results/store/
# out: results/<scale>/figures/<paper>/<id>.{pdf,svg,png,csv,json}, results/<scale>/tables/<paper>/<id>.{csv,md,tex,json},
#      results/<scale>/claims/<paper>.json; results/<scale>/dreams/<paper>/<id>.parquet and figures/<paper>/<id>.gif


rule figure:
    input:
        unpack(lambda wildcards: drawn.inputs(P, "figures", wildcards)),
    output:
        [f"{SHOWN}/figures/{{paper}}/{{id}}.{suffix}" for suffix in drawn.FILES["figures"] if suffix != "svg"],
        svg=report(f"{SHOWN}/figures/{{paper}}/{{id}}.svg", category="{paper}", labels={"figure": "{id}"}),
    log:
        f"{SHOWN}/logs/figure/{{paper}}.{{id}}.log",
    priority: lambda wildcards: drawn.priority(P, "figures", wildcards)
    localrule: True
    params:
        spec=lambda wildcards: drawn.spec(P, "figures", wildcards),
        code=lambda wildcards: P.inputs.code_sum(drawn.code(P, "figures", wildcards)),
        reference=drawn.reference(P),
        out=lambda wildcards, output: output.svg.rpartition(".")[0],
    shell:
        "python -m analysis figure --spec {params.spec:q} --scores {input.scores:q}"
        " --dreams {input.dreams:q} --reference {params.reference:q} --out {params.out:q} > {log:q} 2>&1"


rule dream:
    input:
        unpack(lambda wildcards: drawn.dream(P, wildcards)),
    output:
        f"{SHOWN}/dreams/{{paper}}/{{id}}.parquet",
    log:
        f"{SHOWN}/logs/dream/{{paper}}.{{id}}.log",
    localrule: True
    params:
        options=lambda wildcards: drawn.dream_options(P, wildcards),
        code=P.inputs.code_sum(drawn.DREAM),
    shell:
        "python -m agents.dream {params.options:q} --out {output:q} > {log:q} 2>&1"


rule animation:
    input:
        unpack(lambda wildcards: drawn.animation(P, wildcards)),
    output:
        f"{SHOWN}/figures/{{paper}}/{{id}}.gif",
    log:
        f"{SHOWN}/logs/animation/{{paper}}.{{id}}.log",
    localrule: True
    params:
        code=P.inputs.code_sum(drawn.ANIMATION),
    shell:
        "python -m analysis animation --dreams {input.dreams:q} --out {output:q} > {log:q} 2>&1"


rule table:
    input:
        unpack(lambda wildcards: drawn.inputs(P, "tables", wildcards)),
    output:
        [f"{SHOWN}/tables/{{paper}}/{{id}}.{suffix}" for suffix in drawn.FILES["tables"] if suffix != "csv"],
        csv=report(f"{SHOWN}/tables/{{paper}}/{{id}}.csv", category="{paper}", labels={"table": "{id}"}),
    log:
        f"{SHOWN}/logs/table/{{paper}}.{{id}}.log",
    priority: lambda wildcards: drawn.priority(P, "tables", wildcards)
    localrule: True
    params:
        spec=lambda wildcards: drawn.spec(P, "tables", wildcards),
        code=lambda wildcards: P.inputs.code_sum(drawn.code(P, "tables", wildcards)),
        reference=drawn.reference(P),
        out=lambda wildcards, output: output.csv.rpartition(".")[0],
    shell:
        "python -m analysis table --spec {params.spec:q} --scores {input.scores:q}"
        " --reference {params.reference:q} --out {params.out:q} > {log:q} 2>&1"


rule claims:
    input:
        unpack(lambda wildcards: drawn.claims_inputs(P, wildcards.paper)),
    output:
        f"{SHOWN}/claims/{{paper}}.json",
    log:
        f"{SHOWN}/logs/claims/{{paper}}.log",
    localrule: True
    params:
        spec=lambda wildcards: drawn.claims(P, wildcards.paper),
        code=lambda wildcards: P.inputs.code_sum(drawn.claims_code(P, wildcards.paper)),
        reference=drawn.reference(P),
    shell:
        "python -m analysis claims --spec {params.spec:q} --scores {input.scores:q}"
        " --reference {params.reference:q} --out {output:q} > {log:q} 2>&1"
