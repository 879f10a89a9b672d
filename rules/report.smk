# The page about the papers: index.html for those of config/config.yaml together, <paper>.html for one of several.
# in:  figures, tables, claims, scores and lists of runs of its papers, films of them in results/videos/; analysis/templates/
# out: results/<scale>/report/<page>.html


rule report:
    input:
        unpack(lambda wildcards: pages.inputs(P, wildcards.page)),
    output:
        report(f"{SHOWN}/report/{{page}}.html", category="Report", labels={"page": "{page}"}),
    log:
        f"{SHOWN}/logs/report/{{page}}.log",
    localrule: True
    params:
        papers=lambda wildcards: pages.as_json(P, wildcards.page),
        shown=lambda wildcards, output: output[0].rsplit("/report/", 1)[0],
        store=f"{RESULTS}/store",
        reference=drawn.reference(P),
        energy=pages.energy(P),
        code=P.inputs.code_sum(pages.CODE),
    shell:
        "python -m analysis report --papers {params.papers:q} --figures {params.shown:q}/figures"
        " --tables {params.shown:q}/tables --claims {input.claims:q} --experiments {input.members:q}"
        " --store {params.store:q} --reference {params.reference:q} --energy {params.energy:q} --out {output:q} > {log:q} 2>&1"
