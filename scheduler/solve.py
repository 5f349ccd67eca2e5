"""Solves a Problem: the cheapest placement found, a bound that no placement beats, and the reasons.

Callers: orchestrator.placing, `python -m scheduler`. Deterministic: the input is sorted first, the work limit counts
branch-and-bound nodes, and no clock is read. A placement that breaks a rule never leaves this module.

The search itself is scheduler.search; where a current placement is given, as little is moved as is worth it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

from model.plan import Placement
from scheduler.at_scale import is_large, solve_at_scale
from scheduler.check import broken_rules, cost_of, preference_of
from scheduler.conflicts import explain_infeasible, impossible
from scheduler.eligibility import Eligibility, eligible_sites
from scheduler.explain import service_placements
from scheduler.extras import judged
from scheduler.formulation import Formulation, assignment_of
from scheduler.held import held
from scheduler.highs import solve_model
from scheduler.money import in_money, in_units, unit_of
from scheduler.nodes import Complete, complete, from_pools
from scheduler.problem import Problem, ServiceDemand, offer_order
from scheduler.rough import rough_placement
from scheduler.search import OPTIMALITY_GAP, Search
from scheduler.stay import arrivals, moving_cost
from scheduler.verdicts import InfeasibleVerdict, Solved, Undecided, Verdict

DEFAULT_WORK_LIMIT = 400  # branch-and-bound nodes over all rounds
SETTLE_WORK = 10  # for placing what changed beside what stays


def solve(problem: Problem, *, work_limit: int = DEFAULT_WORK_LIMIT) -> Verdict:
    """Place every service. work_limit: branch-and-bound nodes of a small model (see LARGE_NODE).

    The Problem must be sound (scheduler.document.check_problem); for a sound one nothing is raised.
    """
    problem = canonical_problem(problem)
    verdict = _solved_or_not(problem, work_limit)
    return judged(problem, held(problem, verdict) if isinstance(verdict, Solved) else verdict)


def _solved_or_not(problem: Problem, work_limit: int) -> Verdict:
    eligibility = eligible_sites(problem)
    if is_large(problem, eligibility):
        return _solve_large(problem, eligibility, work_limit)
    unit = unit_of(problem)
    fresh = in_units(_unaware(problem), unit)
    if impossible(fresh):
        return _in_money(explain_infeasible(fresh, work_limit, 0), unit)
    search = Search(fresh, eligibility, work_limit)
    search.run()
    if search.infeasible:
        return _in_money(explain_infeasible(fresh, work_limit, search.work), unit)
    if search.best is None:
        search.best = rough_placement(fresh, eligibility)
    if search.best is None:
        what = f"no placement was found within {work_limit} search nodes, and none was excluded"
        bound = search.bound * unit
        return Undecided(what=what, raise_limit_to=work_limit * 4, lower_bound_per_hour=bound, work=search.work)
    if unit != 1.0:
        search.best, search.bound = in_money(problem, search.best), search.bound * unit
    return _finish(problem, search)


def _in_money(verdict: InfeasibleVerdict, unit: float) -> InfeasibleVerdict:
    """Its prices in the user's money."""
    if unit == 1.0:
        return verdict
    ways = (replace(w, cost_per_hour=w.cost_per_hour * unit) if w.cost_per_hour else w for w in verdict.relaxations)
    return replace(verdict, relaxations=tuple(ways))


def _solve_large(problem: Problem, eligibility: Eligibility, work_limit: int) -> Verdict:
    """What the small model cannot hold; where nothing can hold, the part of the problem that shows it is explained."""
    verdict, part = solve_at_scale(problem, eligibility)
    if part is None:
        return verdict
    explained = explain_infeasible(_unaware(part), work_limit, verdict.work, known=False)
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
    )


def _with_sorted_edges(service: ServiceDemand) -> ServiceDemand:
    edges = service.edges
    if all(a.callee <= b.callee for a, b in pairwise(edges)):
        return service
    return replace(service, edges=tuple(sorted(edges, key=lambda e: e.callee)))


def _finish(problem: Problem, search: Search) -> Solved:
    best, moved = settle(problem, search), 0
    placement_cost = cost_of(problem, best.assignment, best.pools)
    broken = broken_rules(problem, best.assignment, best.pools, best.packing)
    if broken:  # a defect of ours must never become somebody's outage
        raise AssertionError("the scheduler made a placement that breaks rules: " + "; ".join(broken))
    if any(s.current for s in problem.services):
        moved = arrivals(problem, best)
    # The solver's bound is on bill and preferences together, and its arithmetic is not exact: do not claim more.
    wishes = preference_of(problem, best.assignment)
    total = placement_cost.total_per_hour
    bound = max(0.0, min(total, search.bound * (1 - 1e-9) - wishes))
    return Solved(
        placement=Placement(
            services=service_placements(problem, search.eligibility, best),
            pools=best.pools,
            cost=placement_cost,
            lower_bound_per_hour=bound,
            proven_optimal=search.sound and total + wishes <= search.bound * (1 + OPTIMALITY_GAP) + 1e-12,
        ),
        packing=best.packing,
        work=search.work,
        moved_replicas=moved,
    )


def settle(problem: Problem, search: Search) -> Complete:
    """The placement to use: the cheapest one found, or one that moves less where the difference is not worth it.

    The search itself knows nothing of what runs now, so an unchanged problem finds the same placement again. Against
    it stand: everything as it is, and what is still right as it is with only the rest placed anew.
    """
    assert search.best is not None
    if not any(s.current for s in problem.services):
        return search.best
    candidates = [search.best, *_as_it_is(problem), *_rest_anew(problem, search)]
    most = math.inf if problem.max_moves is None else problem.max_moves
    few = [c for c in candidates if arrivals(problem, c) <= most]
    return min(few or candidates, key=lambda c: (arrivals(problem, c) if not few else 0, moving_cost(problem, c)))


def _rest_anew(problem: Problem, search: Search) -> list[Complete]:
    """Services that are whole and still allowed where they are stay there; only the others are placed."""
    eligibility = eligible_sites(problem)
    stay = {
        s.name
        for s in problem.services
        if sum(s.current.values()) == s.replicas and set(s.current) <= set(eligibility.allowed[s.name])
    }
    if not stay or len(stay) == len(problem.services):
        return []
    allowed = {
        name: tuple(sorted(problem.service_by_name[name].current)) if name in stay else sites
        for name, sites in eligibility.allowed.items()
    }
    narrowed = Eligibility(allowed, eligibility.rejections)
    formulation = Formulation(problem, narrowed, penalise_moves=True)
    for (service, site), column in formulation.x.items():
        if service in stay:
            count = float(problem.service_by_name[service].current.get(site, 0))
            formulation.model.lower[column] = formulation.model.upper[column] = count
    answer = solve_model(formulation.model, node_limit=SETTLE_WORK)
    search.work += answer.nodes
    if answer.values is None:
        return []
    done = complete(problem, formulation.read(answer.values), formulation)
    return [done.placement] if done.placement is not None else []


def _as_it_is(problem: Problem) -> list[Complete]:
    """The current placement on its current machines, where both are whole and still hold every rule."""
    current = assignment_of(problem)
    done = from_pools(problem, current) if current is not None else None
    if done is None or broken_rules(problem, done.assignment, done.pools, done.packing):
        return []
    return [done]


def _unaware(problem: Problem) -> Problem:
    """The problem without what runs now."""
    return replace(problem, services=tuple(replace(s, current={}) for s in problem.services), current_pools=())
