"""Where each service runs, and on which machines: pure functions, values in, values out.

Callers: orchestrator.placing, and `python -m scheduler problem.json`. Entry points: `scheduler.problem.Problem`,
`scheduler.document.problem_from_data`, `scheduler.solve.solve`. Imports model only. Non-goals: reading a spec, a
catalogue or a cloud (orchestrator builds the Problem); choosing the node a pod lands on (Kubernetes does).
"""

__project__ = "duoyun"
