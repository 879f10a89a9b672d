# What can be asked for by name beside `all`: each file of config/papers, and the same with _figures.
# in:  config/papers/*.yaml (a paper's file is read only when it is asked for)
# out: results/<scale>/figures/, results/<scale>/tables/, results/<scale>/claims/, results/<scale>/report/


# `name=name`: a loop's variable would be read too late.
for name in P.project.paper_names:

    rule:
        name:
            name
        input:
            lambda wildcards, name=name: targets.files(P, [name]),

    rule:
        name:
            f"{name}_figures"
        input:
            lambda wildcards, name=name: drawn.files(P, name),
