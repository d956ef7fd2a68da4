from feat import *
rows=[r for r in load() if r["verb"]=="find"]
print(len(rows), len({r["family"] for r in rows}))
def score(name, preds):
    reg=np.array([r["o"].regret(10**p if p is not None else None) for r,p in preds]); err=np.array([p-r["y"] for r,p in preds if p is not None])
    print(f"{name:<44} n {len(preds)} within5 {np.mean(reg<=.05):.2f} within20 {np.mean(reg<=.2):.2f} p90 {np.quantile(reg,.9):.2f} med {np.median(reg):.3f} bias {np.median(err):+.2f} sd {np.std(err):.2f} mad {np.median(np.abs(err)):.2f}")
score("shipped", [(r, math.log10(r["lr"]) if r["lr"] else None) for r in rows])
def group(r):
    if r["usual"] is not None and r["kind"]!="sgd": return "adam"
    return "sgd" if r["kind"]=="sgd" else "other"
def X(r, feats):
    e=r["edge"]+r["ramp"] if r["edge"] is not None else None
    d={"1":1.0,"u":(r["usual"]-e) if r["usual"] is not None and e is not None else 0.0,"T":math.log10(r["T"]/1000),"ep":math.log10(min(r["ep"],100)),"b":(r["best14"]-e+r["ramp"]) if r["best14"] is not None and e is not None else -0.5}
    return np.array([d[f] for f in feats])
def lofo(feats, lam=0.3, delta=0.0, clipu=None):
    preds=[]
    for fam in {r["family"] for r in rows}:
        tr=[r for r in rows if r["family"]!=fam and r["edge"] is not None]; te=[r for r in rows if r["family"]==fam]
        W={}
        for g in ("adam","sgd","other"):
            sub=[r for r in tr if group(r)==g]
            if len(sub)<6: sub=tr
            A=np.array([X(r,feats) for r in sub]); y=np.array([r["y"]-r["edge"]-r["ramp"] for r in sub])
            # robust: iterate huber
            w=np.ones(len(y))
            for _ in range(10):
                R=np.diag([1e-6]+[lam*len(y)/10]*(len(feats)-1))
                b=np.linalg.solve((A*w[:,None]).T@A+R,(A*w[:,None]).T@y)
                res=np.abs(y-A@b); w=np.minimum(1,0.6/np.maximum(res,1e-9))
            W[g]=b
        for r in te:
            if r["edge"] is None: preds.append((r, r["usual"])); continue
            preds.append((r, float(r["edge"]+r["ramp"]+X(r,feats)@W[group(r)]+delta)))
    return preds, W
for feats in (["1"],["1","u"],["1","u","T"],["1","u","T","ep"],["1","u","ep"],["1","u","T","b"],["1","u","b"],["1","T"]):
    p,W=lofo(feats); score("LOFO "+" ".join(feats), p)
    print({k:np.round(v,2) for k,v in W.items()})
p,W=lofo(["1","u"])
print("WORST")
for r,q in sorted(p,key=lambda x:-x[0]["o"].regret(10**x[1] if x[1] is not None else None))[:34]:
    print(f"{r['task'][:38]:<38} {r['opt'][:8]:<8} {r['status']:<12} T{r['T']:<6} ep{r['ep']:<7.1f} y {r['y']:+.2f} pred {q if q is None else round(q,2)} edge {None if r['edge'] is None else round(r['edge']+r['ramp'],2)} b14 {None if r['best14'] is None else round(r['best14'],2)} usual {None if r['usual'] is None else round(r['usual'],2)} sure {r['sure']} reg {r['o'].regret(10**q if q is not None else None):.2f} best {r['o'].best:.3g} untr {r['o'].untrained:.3g}")
