"""What is judged of a whole answer: the budget, the bound on moves; and which rules leave no room.

Callers: solve. Pure.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import replace

from scheduler.check import preference_of
from scheduler.infeasible import Conflict, Relaxation
from scheduler.problem import LEVELS, Problem
from scheduler.sizes import domain_cap, domain_of
from scheduler.traffic import Assignment
from scheduler.verdicts import InfeasibleVerdict, Solved, Undecided, Verdict
from scheduler.ways import way_rank

MOST_BINDING = 200  # more rows than that help nobody
SPREADS_TOLD = 60  # services up to which a spread over no more domains than asked for is told


def judged(problem: Problem, verdict: Verdict) -> Verdict:
    """The verdict where budget and moves hold; else that they do not, or that it was not decided."""
    if isinstance(verdict, InfeasibleVerdict):
        return by_priority(problem, verdict)
    if not isinstance(verdict, Solved):
        return verdict
    return _over_budget(problem, verdict) or _too_many_moves(problem, verdict) or _told(problem, verdict)


def by_priority(problem: Problem, verdict: InfeasibleVerdict) -> InfeasibleVerdict:
    """The ways out in the order in which they should be thought of: what matters least first, then the cheapest."""
    return replace(verdict, relaxations=tuple(sorted(verdict.relaxations, key=lambda way: way_rank(problem, way))))


def _over_budget(problem: Problem, solved: Solved) -> Verdict | None:
    budget, placement = problem.budget_per_hour, solved.placement
    if budget is None or placement.cost.total_per_hour <= budget:
        return None
    cost = placement.cost.total_per_hour
    least = placement.lower_bound_per_hour + solved.preference_per_hour
    if least > budget:
        words = (
            f"the budget is {budget:g} {problem.currency}/h; no placement costs less than "
            f"{placement.lower_bound_per_hour:.4f}"
        )
        conflict = Conflict("budget", "", words)
        return InfeasibleVerdict(
            conflicts=(conflict,), relaxations=(Relaxation(conflict, True, cost),), irreducible=True, work=solved.work
        )
    what = (
        f"the cheapest placement found costs {cost:.4f} {problem.currency}/h, above the budget of {budget:g}; "
        f"none below {placement.lower_bound_per_hour:.4f} exists, and between the two nothing was decided"
    )
    return Undecided(what=what, lower_bound_per_hour=placement.lower_bound_per_hour, work=solved.work)


def _too_many_moves(problem: Problem, solved: Solved) -> Verdict | None:
    most = problem.max_moves
    if most is None or solved.moved_replicas <= most:
        return None
    must = sum(max(0, s.replicas - sum(s.current.values())) for s in problem.services)
    if must > most:
        words = f"at most {most} replicas may arrive somewhere, and {must} are more than run now"
        conflict = Conflict("moves", "", words)
        cost = solved.placement.cost.total_per_hour
        return InfeasibleVerdict(conflicts=(conflict,), relaxations=(Relaxation(conflict, True, cost),))
    what = f"the best placement found moves {solved.moved_replicas} replicas, and at most {most} may move"
    return Undecided(what=what, work=solved.work)


def _told(problem: Problem, solved: Solved) -> Solved:
    assignment = {row.service: row.replicas for row in solved.placement.services}
    warnings = list(solved.warnings)
    cost = solved.placement.cost.total_per_hour
    if problem.warn_per_hour is not None and cost > problem.warn_per_hour:
        warnings.append(f"the bill of {cost:.4f} {problem.currency}/h is above {problem.warn_per_hour:g}")
    return replace(
        solved,
        binding=tuple(binding(problem, solved, assignment)),
        warnings=tuple(warnings),
        preference_per_hour=preference_of(problem, assignment),
        migration_per_hour=solved.moved_replicas * problem.migration_cost_per_replica,
    )


def binding(problem: Problem, solved: Solved, assignment: Assignment) -> list[str]:
    """Limits that are used up: one more machine or replica would break them. What could be cheaper without them is
    not said here; `duoyun place --without` and a relaxed problem say that."""
    found: list[str] = []
    vcpu: defaultdict[str, float] = defaultdict(float)
    machines: Counter[str] = Counter()
    for pool in solved.placement.pools:
        vcpu[problem.site_by_id[pool.site].region] += pool.vcpu * pool.count
        machines[pool.site] += pool.count
    for region, quota in sorted(problem.region_quota_vcpu.items()):
        least = min((t.vcpu for s in problem.sites if s.region == region for t in s.types), default=math.inf)
        if vcpu[region] + least > quota:
            found.append(f"quota of {region}: {vcpu[region]:g} of {quota:g} vCPU are used")
    for site in problem.sites:
        if site.max_machines is not None and machines[site.id] >= site.max_machines:
            found.append(f"{site.id}: all of its {site.max_machines} machines are used")
    for service in problem.services:
        found += _of_service(problem, service.name, assignment, spreads=len(problem.services) <= SPREADS_TOLD)
    rest = len(found) - MOST_BINDING
    return found if rest <= 0 else [*found[:MOST_BINDING], f"and {rest} more"]


def _of_service(problem: Problem, name: str, assignment: Assignment, *, spreads: bool) -> list[str]:
    service, found = problem.service_by_name[name], []
    rule = service.spread
    held: dict[str, Counter[str]] = {level: Counter() for level in LEVELS}
    for site_id, n in assignment[name].items():
        for level in LEVELS:
            held[level][domain_of(problem.site_by_id[site_id], level)] += n
    if (
        spreads
        and rule is not None
        and sum(1 for n in held[rule.over].values() if n >= rule.min_each) == rule.min_domains > 1
    ):
        found.append(f"{name}: spread over no more than {rule.min_domains} {rule.over}s")
    for level in LEVELS:
        cap = domain_cap(service, level)
        full = [d for d, n in sorted(held[level].items()) if cap is not None and n >= cap]
        if full:
            found.append(f"{name}: as many as may be in {level} {', '.join(full)}")
    for site_id, least in sorted(service.pinned.items()):
        if assignment[name].get(site_id) == least:
            found.append(f"{name}: no more than the {least} pinned to {site_id}")
    return found
