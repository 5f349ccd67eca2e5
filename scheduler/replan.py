"""What runs already and only in part has changed: what is still right stays, only the rest is placed.

`settle` chooses after a search what moves least for its worth. `kept` comes before it: where keeping everything that
need not move is shown to be nearly as good as what runs was when it was made, nothing is searched. What shows it is
the bound of the new problem: each part of the merged model (scheduler.by_size) is asked for what costs less than that
would allow, and mostly says soon that there is nothing. Callers: solve. Pure and deterministic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scheduler.by_size import BySize, Part
from scheduler.check import broken_rules, preference_of, weight_of
from scheduler.eligibility import Eligibility
from scheduler.formulation import Formulation, assignment_of
from scheduler.highs import solve_model
from scheduler.nodes import Complete, complete, from_nodes, from_pools
from scheduler.parts import EXACT_COLUMNS, is_middle, look_below, search_deeper
from scheduler.patterns import all_patterns
from scheduler.problem import Problem
from scheduler.regions import without_dominated
from scheduler.stay import arrivals, moving_cost, runs_mostly

SETTLE_WORK = 10  # for placing what changed beside what stays
SLIP, MOST_SLIP = 0.01, 0.035  # a gap may grow by so much, and what moving costs, without a search; and up to this
MOVERS = 1 / 3  # share of the replicas that a search typically moves: it must save the charge for these
LIFT = 0.02  # of the bound: what the root of a part's search may add to its relaxation, at most


@dataclass(frozen=True, slots=True)
class Kept:
    """A placement that moves nothing that need not move. bound: on bill and preferences together, in problem units."""

    placement: Complete
    bound: float
    work: int


def kept(problem: Problem, fresh: Problem, eligibility: Eligibility, unit: float) -> Kept | None:
    """None where a search is due: much changed, much may be saved, or the search is quick and its answer exact.

    fresh: the same problem without what runs now, in units of money.
    """
    if problem.current_gap is None or not runs_mostly(problem) or _is_quick(fresh, eligibility):
        return None
    best = _least_moving(problem, [*_as_it_is(problem), *_rest_anew(problem, eligibility)])
    if best is None:
        return None
    cost = weight_of(problem, best.assignment, best.pools) / unit
    charge = problem.migration_cost_per_replica * MOVERS * sum(s.replicas for s in problem.services) / unit
    gap = allowed_gap(problem.current_gap, charge / cost if cost > 0 else 0.0)
    # Gaps are told of the bill alone: preferences must not let it grow further with each plan.
    enough = (cost + gap * preference_of(problem, best.assignment) / unit) / (1 + gap)
    sized = BySize(_merged(fresh, eligibility))
    sized.split()
    sized.divide()
    work, least = 0, enough
    for part in sorted(sized.parts, key=_middle_first):
        middle = is_middle(part)
        if part.bound * (1 + LIFT) < enough and middle:
            return None
        if part.bound < least:
            work += 1
            look_below(sized, part, least)
            if part.bound < enough and middle:
                search_deeper(sized, part, least)
        if part.bound < enough:
            return None
        if middle:
            least = max(least, min(p.bound for p in sized.parts if p.size == part.size))
    bound = min((part.bound for part in sized.parts), default=math.inf)
    return Kept(best, min(bound, cost) * unit, work) if bound < math.inf else None


def allowed_gap(before: float, charge: float) -> float:
    """Up to which gap what runs is kept without a search: a little above its own, and what moving costs (charge, as a
    share). It cannot grow without end.
    """
    return max(before, min(before + SLIP + charge, MOST_SLIP))


def _is_quick(fresh: Problem, eligibility: Eligibility) -> bool:
    """Whether the search solves it as it is, to its end."""
    if all_patterns(fresh, eligibility) is not None:
        return True
    return len(Formulation(fresh, eligibility).model.cost) <= EXACT_COLUMNS


def _merged(fresh: Problem, eligibility: Eligibility) -> Formulation:
    return Formulation(*without_dominated(fresh, eligibility), merged=True, whole_pods=False)


def _middle_first(part: Part) -> tuple[bool, float]:
    """The part with as many machines as the relaxation buys decides most often."""
    return not is_middle(part), part.bound


def settle(problem: Problem, eligibility: Eligibility, found: Complete) -> Complete:
    """The placement to use: the cheapest one found, or one that moves less where the difference is not worth it.

    The search itself knows nothing of what runs now, so an unchanged problem finds the same placement again. Against
    it stand: everything as it is, and what is still right as it is with only the rest placed anew.
    """
    if not any(s.current for s in problem.services):
        return found
    candidates = [found, *_as_it_is(problem), *_rest_anew(problem, eligibility)]
    few = _few_moves(problem, candidates)
    return min(few or candidates, key=lambda c: (arrivals(problem, c) if not few else 0, moving_cost(problem, c)))


def _least_moving(problem: Problem, candidates: list[Complete]) -> Complete | None:
    return min(_few_moves(problem, candidates), key=lambda c: moving_cost(problem, c), default=None)


def _few_moves(problem: Problem, candidates: list[Complete]) -> list[Complete]:
    most = math.inf if problem.max_moves is None else problem.max_moves
    return [c for c in candidates if arrivals(problem, c) <= most]


def _rest_anew(problem: Problem, eligibility: Eligibility) -> list[Complete]:
    """Services that are whole and still allowed where they are stay there; only the others are placed."""
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
    if answer.values is None:
        return []
    done = complete(problem, formulation.read(answer.values), formulation).placement
    if done is None or broken_rules(problem, done.assignment, done.pools, done.packing):
        return []
    return [done]


def _as_it_is(problem: Problem) -> list[Complete]:
    """The current placement on its current machines, where both are whole and still hold every rule; each pod on its
    node, where that is known."""
    current = assignment_of(problem)
    if current is None:
        return []
    for way in (from_nodes, from_pools):
        done = way(problem, current)
        if done is not None and not broken_rules(problem, done.assignment, done.pools, done.packing):
            return [done]
    return []
