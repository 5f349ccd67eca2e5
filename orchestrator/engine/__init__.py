"""Durable execution of a plan: parallel along its DAG, resumable after kill -9 at any point.

Callers: release flow, through `orchestrator.engine.engine.Engine`; `outcome` and `options` import no DBOS, so that
commands may use them early. Non-goals: deciding what to do (reconcile), judging what came of it (verify, rollout).

How it holds: an action as a whole is idempotent. Its cloud calls are so by the providers' contract (same key, same
resource), and the inventory says how far it got (`creating` before the create, `deleting` before the delete). One DBOS
workflow an action and attempt is the journal: what it says is finished is never begun again; what it says was under way
when its process died is fenced off there and begun anew, under a lease whose token voids the dead process's writes.
"""
