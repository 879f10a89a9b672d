import json,sys
from workflow.config import Project
from workflow.expand import Papers
from workflow.strict_yaml import ConfigError
out={}
for scale in ('smoke','reduced','paper'):
    p=Papers(Project('.',{'scale':scale}))
    for paper in p.project.paper_names:
        try: ex=p[paper]
        except ConfigError as e: print(scale,str(e)[:6000],file=sys.stderr); continue
        for k,e in ex.items():
            out[f'{scale}/{paper}.{k}']={'games':e.games,'seeds':e.seeds,'budget':e.budget_frames,'reduced':e.reduced,'cuts':e.cuts,'metrics':e.metrics,
             'points':[[pt.variant,pt.algorithm,pt.device,pt.threads,pt.cluster.model_dump(),pt.driver,list(pt.vary.values()),json.loads(pt.template)] for pt in e.points]}
json.dump(out,open(sys.argv[1],'w'))
print(len(out),sum(len(v['points']) for v in out.values()))
