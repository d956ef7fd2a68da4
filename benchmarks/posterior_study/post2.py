from feat import *
GRID=np.linspace(-7.5,2.5,401)
def group(r):
    n=r["opt"].lower()
    for k in ("muon","lion","adagrad"):
        if k in n: return k
    return "sgd" if r["kind"]=="sgd" else "adam"
def usual_of(r,P):
    g=group(r); f=r["ev"].facts
    if g in("muon","lion","adagrad"): return math.log10(f.weights)+P["u_"+g]
    return None if r["usual"] is None else r["usual"]+P["a_"+g]
def robust(c, s, eps, wide=4.0):
    z=(GRID-c)/s; z2=z/wide
    return np.log((1-eps)*np.exp(-z*z/2)/s+eps*np.exp(-z2*z2/2)/(s*wide)+1e-300)
def posterior(r,P,use):
    g=group(r); s="sgd" if g=="sgd" else "adam"; lp=np.zeros_like(GRID)
    u=usual_of(r,P)
    if u is not None: lp+=robust(u+P["tu"]*math.log10(r["T"]/1000), P["su_"+s], P["eps"])
    if r["edge"] is not None and not r["open"]:
        lp+=robust(r["edge"]+r["ramp"]+P["b_"+s]+P["te_"+s]*math.log10(r["T"]/1000), P["se_"+s]*(1 if r["sure"] else P["unsure"]), P["eps"])
    if use and r["pil"] is not None:
        dt=math.log10(r["T"]/r["piln"])
        lp+=robust(r["pil"]-P["ex"]*dt+P["d_"+s], math.hypot(P["sp"],P["spt"]*dt), P["eps"])
    if r["open"] and u is None: lp+=robust(r["best14"] or -2,1.0,P["eps"])
    p=np.exp(lp-lp.max()); return p/p.sum()
D=GRID[:,None]-GRID[None,:]
_LM={}
def decide(p,P):
    k=(round(P["high"],4),)
    if k not in _LM: _LM[k]=np.minimum(1.0,np.where(D<0,0.3*D*D,P["high"]*D*D))
    return GRID[np.argmin(_LM[k]@p)]
def interval(p,q=.8):
    c=np.cumsum(p); return np.interp([(1-q)/2,1-(1-q)/2],c,GRID)
P0=dict(a_adam=0.05,a_sgd=0.5,u_muon=-0.8,u_lion=-1.7,u_adagrad=0.15,su_adam=0.55,su_sgd=1.0,b_adam=-0.9,b_sgd=-0.75,se_adam=0.5,se_sgd=0.5,unsure=1.5,eps=0.1,high=1.0,tu=0.0,te_adam=0.0,te_sgd=0.0,ex=0.2,d_adam=0.0,d_sgd=0.0,sp=0.3,spt=0.15)
KEYS=["a_adam","a_sgd","b_adam","b_sgd","su_adam","su_sgd","se_adam","se_sgd","high"]
PK=["ex","d_adam","d_sgd","sp"]
def evaluate(rows,P,use):
    out=[]
    for r in rows:
        p=posterior(r,P,use); x=decide(p,P); lo,hi=interval(p); out.append((r,x,min(lo,x),max(hi,x)))
    return out
def show(name,out):
    reg=np.array([r["o"].regret(10**x) for r,x,*_ in out]); err=np.array([x-r["y"] for r,x,*_ in out]); hold=np.mean([lo<=r["y"]<=hi for r,x,lo,hi in out]); w=np.array([hi-lo for *_,lo,hi in out])
    by={}
    for r,x,*_ in out: by.setdefault(r["task"],[]).append(x)
    dev=[np.std(v,ddof=1) for v in by.values() if len(v)>1]
    print(f"{name:<34} n {len(out)} w5 {np.mean(reg<=.05):.2f} w20 {np.mean(reg<=.2):.2f} p90 {np.quantile(reg,.9):.2f} med {np.median(reg):.3f} bias {np.median(err):+.2f} sd {np.std(err):.2f} holds {hold:.2f} width {np.quantile(w,.1):.2f}/{np.median(w):.2f}/{np.quantile(w,.9):.2f} dev {np.median(dev) if dev else 0:.3f} {np.max(dev) if dev else 0:.2f}",flush=True)
def cost(rows,P,use):
    c=0
    for r,x,lo,hi in evaluate(rows,P,use):
        reg=min(1.0,max(0,r["o"].regret(10**x))); y=r["y"]
        # regret, and the 80 % interval's score (Winkler), scaled
        wink=(hi-lo)+10*max(0,lo-y)+10*max(0,y-hi)
        c+=reg+0.03*wink
    return c/len(rows)
def fit(rows,P,keys,use,steps=(0.2,0.1)):
    P=dict(P); best=cost(rows,P,use)
    for step in steps:
        for k in keys:
            for s in (+step,-step):
                while True:
                    Q=dict(P); Q[k]=Q[k]+s if k[0] in "abdut" and k not in("unsure",) or k=="ex" else Q[k]*(1+s*1.5)
                    if k in ("su_adam","su_sgd"): Q[k]=P[k]*(1+s*1.5)
                    c=cost(rows,Q,use)
                    if c<best-2e-4: P,best=Q,c
                    else: break
    return P,best
def prep(rows):
    for r in rows:
        e=r["ev"]; r["open"]=bool(e.edge_trials) and e.edge is None and any(t.edge is not None for t in e.edge_trials)
        if not r["open"]: r["edge"]=math.log10(e.edge) if e.edge else r["edge"]
    return rows
def lofo(rows,P,keys,use,name,k=8):
    import random
    fams=sorted({r["family"] for r in rows}); random.Random(0).shuffle(fams)
    out=[]
    for i in range(k):
        hold=set(fams[i::k]); tr=[r for r in rows if r["family"] not in hold]; te=[r for r in rows if r["family"] in hold]
        Q,b=fit(tr,P,keys,use); out+=evaluate(te,Q,use)
    show(name,out); return out
if __name__=="__main__":
    allr=prep(load()); rows=[r for r in allr if r["verb"]=="find"]; t=[r for r in allr if r["verb"]=="tune"]
    print(len(rows),len({r["task"] for r in rows}),len(t))
    show("find shipped",[(r,math.log10(r["lr"]) if r["lr"] else 3,*(np.log10(r["interval"]) if r["interval"] else (0,0))) for r in rows])
    show("tune shipped",[(r,math.log10(r["lr"]) if r["lr"] else 3,*(np.log10(r["interval"]) if r["interval"] else (0,0))) for r in t])
    show("find P0",evaluate(rows,P0,False)); show("tune P0",evaluate(t,P0,True)); show("tune P0 no pilots",evaluate(t,P0,False))
    P,b=fit(rows,P0,KEYS,False); print({k:round(v,2) for k,v in P.items() if v!=P0[k]}); show("find in sample",evaluate(rows,P,False))
    o=lofo(rows,P0,KEYS,False,"find 8-fold by family")
    Q,b=fit(t,P,PK,True); print({k:round(v,2) for k,v in Q.items() if v!=P[k]}); show("tune in sample",evaluate(t,Q,True))
    lofo(t,P,PK,True,"tune 8-fold by family")
