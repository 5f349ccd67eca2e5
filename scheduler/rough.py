"""A placement that holds, quickly, and not much dearer than the cheapest: a witness, and the price of a way out.

First the method for large problems; where that finds none, the regions that the linear relaxation uses, and all of
them, searched at the root of the integer program only. Callers: conflicts, ways. Pure and deterministic.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from scheduler.check import broken_rules, weight_of
from scheduler.eligibility import Eligibility
from scheduler.formulation import Formulation
from scheduler.highs import LinearProgram, is_empty, solve_linear, solve_model
from scheduler.improve import TRIAL_LIMIT, LocalSearch
from scheduler.large import Large, assemble
from scheduler.nodes import Complete, buy, complete
from scheduler.problem import Problem
from scheduler.pruning import site_classes

NODES, GAP = 1, 0.3  # of the integer program of a short search
NEAR_COLUMNS, COLUMNS = 2_500, 900  # up to so many columns it is tried: with the regions in use, with all
ZONES = 2  # so many numbers of zones a region are tried
QUOTA_ROUNDS, DEARER = 3, 2.0  # how often, and how much, a region gets dearer where a quota does not suffice
USED = 0.25  # machines that the relaxation buys in a region for it to count as used


def relaxation_is_empty(problem: Problem, eligibility: Eligibility) -> bool:
    """Whether not even parts of replicas and machines, with equal zones merged, keep all rules."""
    if not all(eligibility.allowed.values()):
        return True
    formulation = Formulation(problem, eligibility, priced=False, merged=True, whole_pods=False)
    return bool(formulation.model.cost) and is_empty(LinearProgram(formulation.model))


def rough_placement(problem: Problem, eligibility: Eligibility, *, priced: bool = True) -> Complete | None:
    """One that holds; None says nothing. priced False: at whatever price."""
    return quick_placement(problem, eligibility) or short_search(problem, eligibility, priced=priced)


def quick_placement(problem: Problem, eligibility: Eligibility) -> Complete | None:
    """One that holds, from the method for large problems; None says nothing."""
    large = Large.of(problem, eligibility)
    if large.impossible:
        return None
    dearer = np.ones(len(large.model.grid.places))
    for _ in range(QUOTA_ROUNDS):
        counts = large.chosen(dearer)
        done, broken = (None, []) if counts is None else assemble(large.model, counts)
        if done is not None or not broken:
            return _sound(problem, done)
        dearer[broken] *= DEARER
    return None


def short_search(problem: Problem, eligibility: Eligibility, *, priced: bool = True) -> Complete | None:
    """One that holds, from the root of the integer program; None says nothing."""
    regions = _used(problem, eligibility)
    spreads = (s.spread.min_domains for s in problem.services if s.spread and s.spread.over == "zone")
    near = [_near(problem, eligibility, regions, zones) for zones in sorted({1, *spreads})[:ZONES]]
    for some, most in (*((n, NEAR_COLUMNS) for n in near), (eligibility, COLUMNS)):
        formulation = Formulation(problem, some, priced=priced, whole_pods=False)
        if len(formulation.model.cost) > most:
            continue
        answer = solve_model(formulation.model, node_limit=NODES, relative_gap=GAP, submodels=False)
        if answer.values is None:
            continue
        found = _sound(problem, complete(problem, formulation.read(answer.values), formulation).placement)
        if found is not None:
            return found
    return None


def _near(problem: Problem, eligibility: Eligibility, regions: set[str], zones: int) -> Eligibility:
    """Only those regions, and so many of their equal zones: with one, spreads over zones are spreads over regions."""
    keep = {s.id for group in site_classes(problem, eligibility) for s in group[:zones] if s.region in regions}
    allowed = {name: tuple(s for s in sites if s in keep) or sites for name, sites in eligibility.allowed.items()}
    return Eligibility(allowed, eligibility.rejections)


def improved(problem: Problem, eligibility: Eligibility, found: Complete, trials: int) -> Complete:
    """The cheaper of it and what local search makes of it."""
    start = {name: dict(sites) for name, sites in found.assignment.items()}
    search = LocalSearch(problem, eligibility, start, trials=TRIAL_LIMIT - trials)
    better = _sound(problem, buy(problem, search.assignment) if search.run() else None)
    if better is None:
        return found
    return min(found, better, key=lambda c: weight_of(problem, c.assignment, c.pools))


def _used(problem: Problem, eligibility: Eligibility) -> set[str]:
    """Regions in which the relaxation buys machines."""
    merged = Formulation(problem, eligibility, merged=True, whole_pods=False)
    answer = solve_linear(LinearProgram(merged.model)) if merged.model.cost else None
    bought: defaultdict[str, float] = defaultdict(float)
    for (site, *_), column in (*merged.n.items(), *((key[1:], col) for key, col in merged.d.items())):
        if answer is not None:
            bought[problem.site_by_id[site].region] += answer.values[column]
    return {region for region, count in bought.items() if count >= USED}


def _sound(problem: Problem, found: Complete | None) -> Complete | None:
    if found is None or broken_rules(problem, found.assignment, found.pools, found.packing):
        return None
    return found
