import json, sys, math, numpy as np
from pathlib import Path
sys.path[:0] = ["benchmarks"]
from scoring import Oracle
import oracles as old
from trainings.grid import triples
from trainings import TRAININGS
from lrfinder.result_json import typed
from lrfinder.evidence.evidence import Evidence
from lrfinder.advice.optimizers import usual_lr, kind_of
from lrfinder.advice.factors import final_speed
B=Path("benchmarks/best_rates")
class O2(Oracle):
    floor=None
    def regret_of(self, loss):
        loss = self.untrained if loss is None else min(loss, self.untrained)
        scale = self.untrained if self.trivial is None else min(self.trivial, self.untrained)
        return (loss - self.best)/max(self.best, 0.05*scale)
_c={}
def oracle(name):
    if name in _c: return _c[name]
    p=B/f"{name}.primary.json"; q=old.FOLDER/f"{name}.primary.json"
    o=None
    if q.exists():
        r=json.loads(q.read_text()); o=O2(r["runs"], r["untrained"]); o.trivial=None
    elif p.exists():
        r=json.loads(p.read_text())
        if len(r["runs"])>=5: o=O2(triples(r), r["untrained"]); o.trivial=r["trivial"]
    _c[name]=o; return o
def load(path="rows.jsonl"):
    out=[]
    for l in open(path):
        r=json.loads(l); o=oracle(r["task"])
        if o is None: continue
        ev=typed(Evidence, r["evidence"]); f=ev.facts
        t=TRAININGS[r["task"]]
        edges=[e.edge for e in ev.edge_trials if e.edge is not None]
        bests=[e.best for e in ev.edge_trials if e.best is not None]
        pil=[p.best/p.factor for p in ev.pilots if p.best is not None]
        ep=r["steps"]/(f.steps_per_epoch or r["steps"])
        usual=usual_lr(f, ev.edge_trials[0].start) if ev.edge_trials else None
        out.append(dict(task=r["task"], family=tuple(t.family), seed=r["seed"], verb=r["verb"], T=r["steps"], ep=max(1,ep), lr=r["lr"], interval=r["interval"], status=r["status"], ev=ev, o=o,
          edge=math.log10(np.exp(np.mean(np.log(edges)))) if edges else None, best14=math.log10(np.exp(np.mean(np.log(bests)))) if bests else None,
          pil=math.log10(np.exp(np.mean(np.log(pil)))) if pil else None, piln=ev.pilots[0].steps if ev.pilots else None,
          usual=math.log10(usual) if usual else None, kind=kind_of(f), opt=f.optimizer, ramp=math.log10(final_speed(f,14)), y=math.log10(o.best_lr), sure=any(e.is_sure for e in ev.edge_trials), start=ev.edge_trials[0].start if ev.edge_trials else None))
    return out
