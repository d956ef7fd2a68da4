from feat import *
import collections, sys
from trainings import NEW
def ev(path, verbs=("find","tune")):
    rows=[]
    for l in open(path):
        r=json.loads(l); o=oracle(r["task"])
        if o is not None: rows.append((r,o))
    for verb in verbs:
      for nm,cond in (("all",lambda n:True),("new",lambda n:n in NEW),("old34",lambda n:n not in NEW),("long",lambda n:TRAININGS[n].total_steps>=5000)):
        R=[(r,o) for r,o in rows if r["verb"]==verb and cond(r["task"])]
        if not R: continue
        reg=np.array([o.regret(r["lr"]) for r,o in R]); a=[(r,o) for r,o in R if r["lr"]]
        err=np.array([o.error(r["lr"]) for r,o in a]); hold=np.mean([r["interval"][0]<=o.best_lr<=r["interval"][1] for r,o in a]); w=np.log10([r["interval"][1]/r["interval"][0] for r,o in a])
        print(f"{verb:<5}{nm:<6} n {len(R):<4} answered {len(a)/len(R):.2f} w5 {np.mean(reg<=.05):.2f} w20 {np.mean(reg<=.2):.2f} p90 {np.quantile(reg,.9):.2f} median {np.median(reg):.3f} bias {np.median(err):+.2f} holds {hold:.2f} width {np.quantile(w,.1):.2f}/{np.median(w):.2f}/{np.quantile(w,.9):.2f}")
for p in sys.argv[1:]: print(p); ev(p)
