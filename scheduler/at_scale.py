"""Verdicts for problems that are too large for one integer program. Callers: solve. Pure and deterministic.

A problem that runs already keeps what it has: replicas stay in their zones and nodes stay, only what changed is
placed; where that costs too much more than the bound, or all is to be searched (no `current_gap`), the whole is
placed anew and the cheaper of both is taken, moves counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from model.plan import Cost, Placement
from scheduler.check import broken_rules, cost_of, preference_of
from scheduler.eligibility import Eligibility
from scheduler.explain import service_placements
from scheduler.large import Large
from scheduler.money import in_money, in_units, unit_of
from scheduler.nodes import Complete
from scheduler.problem import Problem
from scheduler.stay import arrivals, moving_charge, place_beside, runs_mostly
from scheduler.verdicts import Solved, Undecided

LARGE = 1_500  # services times sites from which on the methods for large problems are used
MANY_REPLICAS = 600
WORTH_MOVING = 0.05  # what all anew must save beyond the charges for moving; two searches differ by some percent
TRY = 400  # of the work limit: one choice of places
WORTH_REPLANNING = 0.005  # the same where all is to be searched
NEAR = 0.02  # gap up to which the bound is not tightened further: in so large problems that gains little
OPTIMALITY_GAP = 1e-6
PRICED_SERVICES = 200  # up to so many, the price of every other site is told with the answer


def is_large(problem: Problem, eligibility: Eligibility) -> bool:
    many = sum(s.replicas for s in problem.services) > MANY_REPLICAS
    return many or sum(len(sites) for sites in eligibility.allowed.values()) > LARGE


def solve_at_scale(
    problem: Problem, eligibility: Eligibility, work_limit: int = TRY
) -> tuple[Solved | Undecided, Problem | None]:
    """The verdict; and where a part of the problem cannot hold by itself, that part, in units of money."""
    unit, original = unit_of(problem), problem
    problem = in_units(problem, unit)
    nowhere = next((name for name, sites in sorted(eligibility.allowed.items()) if not sites), None)
    if nowhere is not None:
        return _stuck(unaware(problem), {nowhere})
    large = Large.of(problem, eligibility)
    if large.impossible:
        return _stuck(unaware(problem), large.impossible_part())
    candidates: list[_Candidate] = []
    work = 0
    if runs_mostly(problem):
        kept = place_beside(problem, eligibility, large)
        if kept is not None:
            candidates.append(_Candidate.of(problem, kept))
    # Where not even the bound would save enough, nothing else is looked for, unless all is to be searched.
    worth = WORTH_REPLANNING if problem.current_gap is None else WORTH_MOVING
    if not candidates or large.bound < candidates[0].moving * (1 - worth):
        anew, work = _anew(problem, large, work_limit)
        candidates += [anew] if anew is not None else []
    if not candidates:
        what = "no placement was found that keeps every limit and quota, and none was excluded"
        bound = large.tightened() * unit
        return Undecided(what=what, lower_bound_per_hour=bound, work=work), None
    # Of two that are about equally good the one that moves less: it comes first and must be beaten clearly.
    most = math.inf if problem.max_moves is None else problem.max_moves
    candidates = [c for c in candidates if arrivals(problem, c.done) <= most] or candidates
    best = candidates[0]
    if len(candidates) > 1 and candidates[1].moving < best.moving * (1 - worth):
        best = candidates[1]
    near = best.weight <= large.bound * (1 + NEAR)
    bound = large.bound if near else large.tightened()
    if unit != 1.0:
        best = _Candidate.of(original, in_money(original, best.done))
    return _solved(original, eligibility, best, bound * unit, work), None


def _anew(problem: Problem, large: Large, work_limit: int) -> tuple[_Candidate | None, int]:
    """The cheapest of as many tries as the work limit allows, and the work done. Each starts from the prices that the
    one before has learnt, and so chooses other places.
    """
    best: _Candidate | None = None
    work = 0
    while work < max(work_limit, 1) and (best is None or best.weight > large.bound * (1 + OPTIMALITY_GAP)):
        work += TRY
        done = large.place().placement
        if done is not None and not broken_rules(problem, done.assignment, done.pools, done.packing):
            found = _Candidate.of(problem, done)
            best = found if best is None or found.moving < best.moving else best
    return best, work


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A placement with what it costs: the bill; with preferences; and with the charge for what moves."""

    done: Complete
    cost: Cost
    weight: float
    moving: float

    @classmethod
    def of(cls, problem: Problem, done: Complete) -> _Candidate:
        cost = cost_of(problem, done.assignment, done.pools)
        weight = cost.total_per_hour + preference_of(problem, done.assignment)
        return cls(done, cost, weight, weight + moving_charge(problem, done))


def _stuck(problem: Problem, names: set[str]) -> tuple[Undecided, Problem]:
    """The services of those names alone, without their calls to others."""
    known = names | problem.external_by_name.keys()
    part = tuple(
        replace(
            s,
            edges=tuple(e for e in s.edges if e.callee in known),
            apart=tuple(a for a in s.apart if a.service in names),
        )
        for s in problem.services
        if s.name in names
    )
    what = f"{len(names)} services cannot be placed, with or without the others"
    return Undecided(what=what), replace(problem, services=part)


def unaware(problem: Problem) -> Problem:
    """The problem without what runs now."""
    if not problem.current_pools and not any(s.current for s in problem.services):
        return problem
    services = tuple(replace(s, current={}) for s in problem.services)
    return replace(problem, services=services, current_pools=(), current_nodes=())


def _solved(problem: Problem, eligibility: Eligibility, best: _Candidate, bound: float, work: int) -> Solved:
    done, cost = best.done, best.cost
    total, wishes = cost.total_per_hour, preference_of(problem, done.assignment)
    return Solved(
        placement=Placement(
            services=service_placements(problem, eligibility, done, prices=len(problem.services) <= PRICED_SERVICES),
            pools=done.pools,
            cost=cost,
            lower_bound_per_hour=max(0.0, min(total, bound * (1 - 1e-9) - wishes)),
            proven_optimal=total + wishes <= bound * (1 + OPTIMALITY_GAP) + 1e-12,
        ),
        packing=done.packing,
        work=work,
        moved_replicas=arrivals(problem, done) if any(s.current for s in problem.services) else 0,
    )
