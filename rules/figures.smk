# Figures, tables and the check of claims. An edit to the code of one kind of figure redraws the figures of that kind.
# in:  results/<scale>/scores/*.parquet of the experiments named, config/reference/*.csv, the spec of the figure as a parameter
# out: results/<scale>/figures/<paper>/<id>.{pdf,svg,png,csv,json}, results/<scale>/tables/<paper>/<id>.{csv,md,tex,json},
#      results/<scale>/claims/<paper>.json


rule figure:
    input:
        unpack(lambda wildcards: P.drawn_input("figures", wildcards)),
    output:
        [f"{SHOWN}/figures/{{paper}}/{{id}}.{suffix}" for suffix in FIGURE_FILES if suffix != "svg"],
        svg=report(f"{SHOWN}/figures/{{paper}}/{{id}}.svg", category="{paper}", labels={"figure": "{id}"}),
    log:
        f"{SHOWN}/logs/figure/{{paper}}.{{id}}.log",
    localrule: True
    params:
        spec=lambda wildcards: P.drawn_json(P.item("figures", wildcards.paper, wildcards.id)),
        code=lambda wildcards: P.code_sum(P.drawn_code("figures", wildcards)),
        reference=P.reference,
        out=lambda wildcards, output: output.svg.rpartition(".")[0],
    shell:
        "python -m analysis figure --spec {params.spec:q} --scores {input.scores:q}"
        " --reference {params.reference:q} --out {params.out:q} > {log:q} 2>&1"


rule table:
    input:
        unpack(lambda wildcards: P.drawn_input("tables", wildcards)),
    output:
        [f"{SHOWN}/tables/{{paper}}/{{id}}.{suffix}" for suffix in TABLE_FILES if suffix != "csv"],
        csv=report(f"{SHOWN}/tables/{{paper}}/{{id}}.csv", category="{paper}", labels={"table": "{id}"}),
    log:
        f"{SHOWN}/logs/table/{{paper}}.{{id}}.log",
    localrule: True
    params:
        spec=lambda wildcards: P.drawn_json(P.item("tables", wildcards.paper, wildcards.id)),
        code=lambda wildcards: P.code_sum(P.drawn_code("tables", wildcards)),
        reference=P.reference,
        out=lambda wildcards, output: output.csv.rpartition(".")[0],
    shell:
        "python -m analysis table --spec {params.spec:q} --scores {input.scores:q}"
        " --reference {params.reference:q} --out {params.out:q} > {log:q} 2>&1"


rule claims:
    input:
        unpack(P.claims_input),
    output:
        f"{SHOWN}/claims/{{paper}}.json",
    log:
        f"{SHOWN}/logs/claims/{{paper}}.log",
    localrule: True
    params:
        spec=lambda wildcards: P.claims(wildcards.paper),
        code=lambda wildcards: P.code_sum(P.claims_code(wildcards)),
        reference=P.reference,
    shell:
        "python -m analysis claims --spec {params.spec:q} --scores {input.scores:q}"
        " --reference {params.reference:q} --out {output:q} > {log:q} 2>&1"
