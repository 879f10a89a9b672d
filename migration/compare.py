import json,collections,sys
old=json.load(open('/tmp/old.json')); new=json.load(open(sys.argv[1] if len(sys.argv)>1 else '/tmp/new.json'))
def tr(s):
    s=json.loads(json.dumps(s))
    if 'learning' not in s: return s
    sp=s['spectral']; 
    if sp['track']: s['record']['norms']={'kind':'spectral','layers':sp['track'],'power_steps':sp['warmup_steps']}
    else: s['record']['norms']={'kind':'none'}
    u=sp['use']; k=('layers','power_steps','warmup_steps','only_shrink')
    extra={'none':(),'weights':('target_power_steps','bound','flow'),'output':('target_power_steps',),'gradient':('scope',),'epsilon':('scope',),'lr':('scope',)}[u]
    s['spectral']={'kind':u}|({} if u=='none' else {x:sp[x] for x in k+extra})
    a=s['agent']
    if a['kind']=='actor_critic':
        c=a.pop('correction'); rb=a.pop('rho_bar'); cb=a.pop('c_bar')
        a['correction']={'kind':c}|({'rho_bar':rb} if c=='one_step' else {'rho_bar':rb,'c_bar':cb} if c=='vtrace' else {})
    e=s['exploration']
    if e['kind']=='linear' and e['start']==0 and e['end']==0: s['exploration']={'kind':'none'}
    n=s['network']
    for x in ('torso','head','normalisation'): n[x]={'kind':n[x]}
    m=s['memory']; m.pop('store'); se=m['select']
    if se['kind'] in ('proportional','rank'):
        w={'kind':'none'} if se['weight_start']==0 and se['weight_end']==0 else {'kind':'importance','start':se['weight_start'],'end':se['weight_end'],'end_frames':se['weight_end_frames'],'normalise':se['normalise']}
        m['select']={'kind':se['kind'],'exponent':se['exponent'],'weights':w,'maximum':se['maximum'],'stratified':se['stratified']}|({'epsilon':se['epsilon'],'initial':se['initial']} if se['kind']=='proportional' else {'sort_every':se['sort_every']})
    l=s['learning']; st=l.pop('start_frames'); ev=l.pop('every_frames')
    l['clock']={'kind':'unrolls'} if se['kind']=='fifo' else {'kind':'frames','start_frames':st,'every_frames':ev}
    r=s['record']; n_=r.pop('probe_states'); r['probes']=[{'kind':p}|({} if p=='td_error' else {'states':n_}) for p in r['probes']]
    return s
def diff(a,b,path=''):
    if isinstance(a,dict) and isinstance(b,dict):
        for k in a.keys()|b.keys(): yield from diff(a.get(k,'<none>'),b.get(k,'<none>'),f'{path}.{k}')
    elif a!=b: yield f'{path}: {a} -> {b}'
bad=collections.Counter()
for k in sorted(old.keys()|new.keys()):
    if k not in new: bad[f'missing {k}']+=1; continue
    o,n=old[k],new[k]
    for f in ('games','seeds','budget','cuts','metrics','reduced'):
        if o[f]!=n[f]: bad[f'{k} {f}: {o[f]} -> {n[f]}'[:300]]+=1
    if len(o['points'])!=len(n['points']): bad[f'{k} points {len(o["points"])} {len(n["points"])}']+=1; continue
    for x,y in zip(o['points'],n['points']):
        for d in diff({'v':x[:5],'spec':tr(x[7])},{'v':y[:5],'spec':y[7]}): bad[f'{k.split("/")[1]}: {d}'[:250]]+=1
for b,c in bad.most_common(60): print(c,b)
print(len(bad),'differences')
