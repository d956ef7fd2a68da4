from post2 import *
allr=prep(load()); 
for verb,use in (("find",False),("tune",True)):
    rows=[r for r in allr if r["verb"]==verb]
    P=dict(P0,a_adam=.25,a_sgd=.7,se_adam=.57,high=.85,ex=.3,d_sgd=.2)
    o=evaluate(rows,P,use)
    print(verb)
    for r,x,lo,hi in sorted(o,key=lambda z:-z[0]["o"].regret(10**z[1]))[:30]:
        f=r["ev"].facts
        g=max([ (t.start-min(l for l in t.losses if l is not None))/abs(t.start) for t in r["ev"].edge_trials if any(l is not None for l in t.losses)] or [0])
        print(f"{r['task'][:36]:<36} {r['opt'][:7]:<7} T{r['T']:<5} ep{r['ep']:<6.1f} y{r['y']:+.2f} x{x:+.2f} [{lo:+.2f},{hi:+.2f}] edge{'' if r['edge'] is None else round(r['edge']+r['ramp'],2)} b14 {'' if r['best14'] is None else round(r['best14'],2)} pil {'' if r['pil'] is None else round(r['pil'],2)}({r['piln']}) us {usual_of(r,P) and round(usual_of(r,P),2)} reg {r['o'].regret(10**x):.2f} gain14 {g:.2f} start {r['start']:.3g} best {r['o'].best:.3g} untr {r['o'].untrained:.3g}")
