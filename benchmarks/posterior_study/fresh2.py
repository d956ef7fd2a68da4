from post2 import *
from trainings import NEW
a=prep(load()); b=prep(load("rows_fresh.jsonl"))
P=dict(P0,a_adam=.25,a_sgd=.7,se_adam=.57,high=.85,d_sgd=.1,d_adam=-.2,sp=.39)
ta={(r["task"],r["seed"]):r for r in a if r["verb"]=="tune"}; tb={(r["task"],r["seed"]):r for r in b}
for nm,cond in (("new",lambda k:k[0] in NEW),("old",lambda k:k[0] not in NEW)):
    keys=[k for k in sorted(set(ta)&set(tb)) if cond(k)]
    A=[ta[k] for k in keys]; B=[tb[k] for k in keys]
    for n2,R in (("small epochs",A),("fresh",B)):
        show(nm+" "+n2,evaluate(R,P,True))
        q=[r for r in R if r["pil"] is not None]; e=np.array([r["pil"]-r["y"] for r in q]); print("   pil-y n",len(q),"median",np.median(e).round(2),"mad",np.median(np.abs(e-np.median(e))).round(2))
# interval diagnostic for tune: z-scores
R=[r for r in a if r["verb"]=="tune"]
for s in (0.39,0.5,0.6,0.7):
    Q=dict(P,sp=s); show(f"tune sp={s}",evaluate(R,Q,True))
for e in (0.1,0.2,0.3):
    Q=dict(P,sp=.5,eps=e); show(f"tune sp=.5 eps={e}",evaluate(R,Q,True))
F=[r for r in a if r["verb"]=="find"]
for e in (0.05,0.1,0.2,0.3):
    Q=dict(P,eps=e); show(f"find eps={e}",evaluate(F,Q,False))
