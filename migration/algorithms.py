import re,sys,pathlib
root=pathlib.Path(sys.argv[1])
FIFO=set()
def algo(p):
    s=p.read_text(); L=s.split('\n'); out=[]; i=0
    name=p.stem
    fifo='kind: fifo' in s
    def indent(l): return len(l)-len(l.lstrip())
    def block(i):
        j=i+1
        while j<len(L) and (not L[j].strip() or indent(L[j])>indent(L[i])): j+=1
        while j>i+1 and not L[j-1].strip(): j-=1
        return j
    norms_none=False; norm_block=None
    while i<len(L):
        l=L[i]; st=l.strip()
        if st=='store: frames': i+=1; continue
        if indent(l)==2 and st.startswith('spectral:'):
            j=block(i); body='\n'.join(L[i:j])
            if 'power_steps' in body:
                d={m[1]:(m[2].strip(),m[3] or '') for m in re.finditer(r'^ +(\w+): ([^#\n]*?)\s*(#.*)?$',body,re.M)}
                norm_block=d
                out.append('  spectral: none')
            else: norms_none=True
            i=j
            if 'power_steps' not in body:
                while i<len(L) and not L[i].strip() and out and not out[-1].strip(): i+=1
            continue
        if indent(l)==2 and st.startswith('exploration:'):
            j=block(i); body=' '.join(x.strip() for x in L[i:j])
            if re.search(r'start: 0\.0',body) and re.search(r'end: 0\.0',body):
                c=re.search(r'#.*',L[i]); out.append('  exploration: none'+('  '+c[0] if c else '').replace('  #',' #').replace('# 0: ','# ')); i=j; continue
        if re.match(r' +correction: ',l):
            kind=re.match(r' +correction: (\w+)',l)[1]
            rest=[x for x in L[i+1:i+3]]
            if kind=='none': out.append('    correction: none')
            else: out.append('    correction: { kind: %s, rho_bar: 1.0, c_bar: 1.0 }'%kind)
            i+=3; continue
        if indent(l)==2 and st=='learning:' or indent(l)==2 and st.startswith('learning: {'):
            j=block(i)
            if st!='learning:':
                m=re.search(r'start_frames: ([\d_]+)',l)
                if m: l=l.replace(f'start_frames: {m[1]}',f'clock: {{ start_frames: {m[1]} }}')
                out.append(l); i=j; continue
            body=L[i:j]; new=[]; clock=[]
            for x in body:
                m=re.match(r' +(start_frames|every_frames): ([\d_]+)\s*(#.*)?$',x)
                if m: clock.append((m[1],m[2],m[3])); 
                else: new.append(x)
            if fifo: cl=['    clock: unrolls']
            elif clock:
                cl=['    clock:']
                if norm_block is not None and 'extends:' not in s: cl.append('      kind: frames')
                for k,v,c in clock: cl.append(f'      {k}: {v}'+(f' {c}' if c else ''))
            else: cl=[]
            if clock or fifo:
                pos=1
                for n,x in enumerate(new):
                    if re.match(r' +batch:',x): pos=n+1
                new=new[:pos]+cl+new[pos:]
            out+=new; i=j; continue
        if st.startswith('select:') and indent(l)==4 and st=='select:':
            j=block(i); body=L[i:j]
            kind=re.search(r'kind: (\w+)','\n'.join(body))[1]
            d={}
            for x in body[1:]:
                m=re.match(r' +(\w+): ([^#\n]*?)\s*(#.*)?$',x)
                d[m[1]]=(m[2],m[3])
            def ln(k,v,ind=6): return ' '*ind+f'{k}: {v[0]}'+(f' {v[1]}' if v[1] else '')
            new=[body[0],ln('kind',d['kind']),ln('exponent',d['exponent'])]
            new+=['      weights:','        kind: importance',ln('start',d['weight_start'],8),ln('end',d['weight_end'],8),ln('end_frames',d['weight_end_frames'],8),ln('normalise',d['normalise'],8)]
            keys=['maximum','stratified']+(['epsilon','initial'] if kind=='proportional' else ['sort_every'])
            new+=[ln(k,d[k]) for k in keys]
            out+=new; i=j; continue
        if st.startswith('probe_states:'): i+=1; continue
        if st.startswith('probes: []'): 
            if norm_block is not None:
                layers,c=norm_block['track']
                if layers=='[]': out.append('    norms: none')
                else: out.append(f'    norms: {{ kind: spectral, layers: {layers}, power_steps: {norm_block["warmup_steps"][0]} }} # of every layer')
            out.append('    probes: [] # feature_rank, lipschitz, td_error, fresh_delta_q: measured at evaluations'); i+=1; continue
        out.append(l); i+=1
    s='\n'.join(out)
    if norms_none:
        if re.search(r'^  record: \{ (.*) \}',s,re.M): s=re.sub(r'^  record: \{ (.*) \}',r'  record: { norms: none, \1 }',s,count=1,flags=re.M)
        elif re.search(r'^  record:\n',s,re.M): s=re.sub(r'^  record:\n','  record:\n    norms: none\n',s,count=1,flags=re.M)
        else:
            m=re.search(r'\n+cluster:',s)
            if m: s=s[:m.start()]+'\n  record: { norms: none }\n'+('\n' if '\n\n' in m[0] else '')+s[m.start():].lstrip('\n')
            else: s=s.rstrip('\n')+'\n  record: { norms: none }\n'
    if norm_block is not None and 'extends:' not in s:
        d=norm_block
        com=lambda k: (' '+d[k][1]) if d[k][1] else ''
        alt=f'''
alternatives: # what a part starts from where another kind of it is chosen
  spectral:
    weights: {{ power_steps: {d['power_steps'][0]}, target_power_steps: {d['target_power_steps'][0]}, warmup_steps: {d['warmup_steps'][0]}, bound: {d['bound'][0]}, only_shrink: {d['only_shrink'][0]}, flow: {d['flow'][0]} }}
    output: {{ power_steps: {d['power_steps'][0]}, target_power_steps: {d['target_power_steps'][0]}, warmup_steps: {d['warmup_steps'][0]}, only_shrink: {d['only_shrink'][0]} }}
    gradient: {{ power_steps: {d['power_steps'][0]}, warmup_steps: {d['warmup_steps'][0]}, only_shrink: {d['only_shrink'][0]}, scope: {d['scope'][0]} }}
    epsilon: {{ power_steps: {d['power_steps'][0]}, warmup_steps: {d['warmup_steps'][0]}, only_shrink: {d['only_shrink'][0]}, scope: {d['scope'][0]} }}
    lr: {{ power_steps: {d['power_steps'][0]}, warmup_steps: {d['warmup_steps'][0]}, only_shrink: {d['only_shrink'][0]}, scope: {d['scope'][0]} }}
'''
        notes=[f"# {k}: {d[k][1].lstrip('# ')}" for k in ('power_steps','target_power_steps','warmup_steps','flow') if d[k][1]]
        if notes: alt=alt.replace('  spectral:\n','  spectral: '+'\n    '.join(notes)+'\n',1)
        s=s.replace('\ncluster:',alt+'\ncluster:',1)
    p.write_text(s)
for p in sorted((root/'config/algorithms').glob('*.yaml')): algo(p)
