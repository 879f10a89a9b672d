import re,sys,pathlib
for f in sys.argv[1:]:
    p=pathlib.Path(f); s=o=p.read_text()
    for a,b in [
      (r'\bspectral\.use\b','spectral.kind'),(r'\bagent\.rho_bar\b','agent.correction.rho_bar'),(r'\bagent\.c_bar\b','agent.correction.c_bar'),
      (r'\blearning\.start_frames\b','learning.clock.start_frames'),(r'\blearning\.every_frames\b','learning.clock.every_frames'),
      (r'\bspectral\.track: \[\]','record.norms: none'),(r'\bspectral\.track: (\[[^\]]*\])',r'record.norms.layers: \1'),
      (r'\bmemory\.select\.weight_start: 0\.0,\s*memory\.select\.weight_end: 0\.0','memory.select.weights: none'),
      (r'memory\.select\.weight_(start|end|end_frames)\b',r'memory.select.weights.\1'),
      (r'memory\.select\.normalise\b','memory.select.weights.normalise'),
      (r'exploration: \{ kind: linear, start: 0\.0, end: 0\.0, warmup_frames: 0, end_frames: 0 \}','exploration: none'),
    ]: s=re.sub(a,b,s)
    if s!=o: p.write_text(s)
    p=pathlib.Path(f); s=o=p.read_text()
    def sel(m):
        ind=m[1]; d={}; 
        for x in re.finditer(r'^ +(\w+): ([^#\n]*?)\s*(#.*)?$',m[2],re.M): d[x[1]]=(x[2],x[3])
        if d.get('kind',('',))[0] not in('rank','proportional'): return m[0]
        i=ind+'  '
        def ln(k,v,ii=i): return f'{ii}{k}: {v[0]}'+(f' {v[1]}' if v[1] else '')
        L=[f'{ind}memory.select:',ln('kind',d['kind']),ln('exponent',d['exponent'])]
        if d['weight_start'][0]==d['weight_end'][0] and float(d['weight_start'][0])==0: L.append(f'{i}weights: none')
        else:
            c=' '.join(d[k][1] for k in('weight_start','weight_end','weight_end_frames') if d[k][1])
            L.append(f"{i}weights: {{ kind: importance, start: {d['weight_start'][0]}, end: {d['weight_end'][0]}, end_frames: {d['weight_end_frames'][0]}, normalise: {d['normalise'][0]} }}"+(f' {c}' if c and len(c)<10 else ''))
            if c and len(c)>=10: L[-1:]=[f'{i}{c}',L[-1]]
        for k in ['maximum','stratified']+(['epsilon','initial'] if d['kind'][0]=='proportional' else ['sort_every']): L.append(ln(k,d[k]))
        return '\n'.join(L)+'\n'
    s=re.sub(r'^( +)memory\.select:\n((?:\1  +[^\n]*\n)+)',sel,s,flags=re.M)
    s=re.sub(r'record\.probes: \[fresh_delta_q\], record\.probe_states: (\d+)',r'record.probes: [{ kind: fresh_delta_q, states: \1 }]',s)
    s=re.sub(r'record\.probes: \[feature_rank, lipschitz\]','record.probes: [{ kind: feature_rank, states: 512 }, { kind: lipschitz, states: 512 }]',s)
    if s!=o: p.write_text(s)
    if p.stem in ('a3c','impala'):
        s=o=p.read_text()
        s=re.sub(r'^ +learning\.clock\.every_frames: \d+[^\n]*\n','',s,flags=re.M)
        s=re.sub(r', learning\.clock\.every_frames: \d+','',s)
        if s!=o: p.write_text(s)
