"""Solves a Problem: the cheapest placement found, a bound that no placement beats, and the reasons.

Callers: orchestrator.placing, `python -m scheduler`. Deterministic: the input is sorted first, the work limit counts
branch-and-bound nodes, and no clock is read. A placement that breaks a rule never leaves this module.

The search itself is scheduler.search; where a current placement is given, as little is moved as is worth it.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

from model.plan import Placement
from scheduler.at_scale import is_large, solve_at_scale, unaware
from scheduler.check import broken_rules, cost_of, preference_of
from scheduler.conflicts import explain_infeasible, impossible
from scheduler.eligibility import Eligibility, eligible_sites
from scheduler.explain import service_placements
from scheduler.extras import judged
from scheduler.held import held
from scheduler.money import in_money, in_units, unit_of
from scheduler.nodes import Complete
from scheduler.problem import Problem, ServiceDemand, offer_order
from scheduler.replan import kept, settle
from scheduler.rough import rough_placement
from scheduler.search import OPTIMALITY_GAP, Search
from scheduler.stay import arrivals
from scheduler.verdicts import InfeasibleVerdict, Solved, Undecided, Verdict

DEFAULT_WORK_LIMIT = 400  # branch-and-bound nodes over all rounds


def solve(problem: Problem, *, work_limit: int = DEFAULT_WORK_LIMIT) -> Verdict:
    """Place every service. work_limit: branch-and-bound nodes of a small model (see parts.LARGE_NODE); of a large
    problem each 400 are one more choice of places.

    The Problem must be sound (scheduler.document.check_problem); for a sound one nothing is raised.
    """
    with _uncollected():
        problem = canonical_problem(problem)
        verdict = _solved_or_not(problem, work_limit)
        verdict = judged(problem, held(problem, verdict) if isinstance(verdict, Solved) else verdict)
    return replace(verdict, raise_limit_to=4 * work_limit) if isinstance(verdict, Undecided) else verdict


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without looking for cyclic garbage: there is hardly any, and looking for it among the millions of values of a
    large problem takes a fifth of the time.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _solved_or_not(problem: Problem, work_limit: int) -> Verdict:
    eligibility = eligible_sites(problem)
    if is_large(problem, eligibility):
        return _solve_large(problem, eligibility, work_limit)
    unit = unit_of(problem)
    fresh = in_units(unaware(problem), unit)
    if impossible(fresh):
        return _in_money(explain_infeasible(fresh, work_limit, 0), unit)
    same = kept(problem, fresh, eligibility, unit)
    if same is not None:
        return _finish(problem, eligibility, same.placement, same.bound, same.work)
    search = Search(fresh, eligibility, work_limit)
    search.run()
    if search.infeasible:
        return _in_money(explain_infeasible(fresh, work_limit, search.work), unit)
    if search.best is None:
        search.best = rough_placement(fresh, eligibility)
    if search.best is None:
        what = f"no placement was found within {work_limit} search nodes, and none was excluded"
        bound = search.bound * unit
        return Undecided(what=what, lower_bound_per_hour=bound, work=search.work)
    found = search.best if unit == 1.0 else in_money(problem, search.best)
    best = settle(problem, eligibility, found)
    return _finish(problem, eligibility, best, search.bound * unit, search.work, sound=search.sound)


def _in_money(verdict: InfeasibleVerdict, unit: float) -> InfeasibleVerdict:
    """Its prices in the user's money."""
    if unit == 1.0:
        return verdict
    ways = (replace(w, cost_per_hour=w.cost_per_hour * unit) if w.cost_per_hour else w for w in verdict.relaxations)
    return replace(verdict, relaxations=tuple(ways))


def _solve_large(problem: Problem, eligibility: Eligibility, work_limit: int) -> Verdict:
    """What the small model cannot hold; where nothing can hold, the part of the problem that shows it is explained."""
    verdict, part = solve_at_scale(problem, eligibility, work_limit)
    if part is None:
        return verdict
    explained = explain_infeasible(unaware(part), work_limit, verdict.work, known=False)
    return _in_money(explained, unit_of(problem)) if explained.conflicts else verdict


def canonical_problem(problem: Problem) -> Problem:
    """The same Problem in sorted order, so that the order of the input decides nothing."""
    return replace(
        problem,
        services=tuple(_with_sorted_edges(s) for s in sorted(problem.services, key=lambda s: s.name)),
        sites=tuple(
            replace(s, types=tuple(sorted(s.types, key=offer_order))) for s in sorted(problem.sites, key=lambda s: s.id)
        ),
        externals=tuple(sorted(problem.externals, key=lambda e: e.name)),
        routes=tuple(sorted(problem.routes, key=lambda r: (r.src, r.dst))),
        current_nodes=tuple(sorted(problem.current_nodes, key=lambda n: (n.site, n.instance_type))),
    )


def _with_sorted_edges(service: ServiceDemand) -> ServiceDemand:
    edges = service.edges
    if all(a.callee <= b.callee for a, b in pairwise(edges)):
        return service
    return replace(service, edges=tuple(sorted(edges, key=lambda e: e.callee)))


def _finish(
    problem: Problem, eligibility: Eligibility, best: Complete, bound: float, work: int, *, sound: bool = True
) -> Solved:
    """bound: on bill and preferences together. sound: every cut that it rests on is proven."""
    moved = 0
    placement_cost = cost_of(problem, best.assignment, best.pools)
    broken = broken_rules(problem, best.assignment, best.pools, best.packing)
    if broken:  # a defect of ours must never become somebody's outage
        raise AssertionError("the scheduler made a placement that breaks rules: " + "; ".join(broken))
    if any(s.current for s in problem.services):
        moved = arrivals(problem, best)
    # The solver's bound is on bill and preferences together, and its arithmetic is not exact: do not claim more.
    wishes = preference_of(problem, best.assignment)
    total = placement_cost.total_per_hour
    least = max(0.0, min(total, bound * (1 - 1e-9) - wishes))
    return Solved(
        placement=Placement(
            services=service_placements(problem, eligibility, best),
            pools=best.pools,
            cost=placement_cost,
            lower_bound_per_hour=least,
            proven_optimal=sound and total + wishes <= bound * (1 + OPTIMALITY_GAP) + 1e-12,
        ),
        packing=best.packing,
        work=work,
        moved_replicas=moved,
    )
