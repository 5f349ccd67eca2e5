"""Prices in a unit that suits the solver. HiGHS takes what is below 1e-7 for nothing and stops at 1e-9, so a bill of
1e-6 an hour is never minimised and one of 1e9 never proven; the methods for large problems take 1e9 for "never".

The unit is a power of two, so that no digit is lost on the way there and back. Usual prices stay as they are. Callers:
solve, at_scale. Pure.
"""

from __future__ import annotations

import math
from dataclasses import replace

from scheduler.nodes import Complete, choice
from scheduler.problem import Problem

USUAL = (2.0**-7, 2.0**12)  # prices per hour that are left as they are


def unit_of(problem: Problem) -> float:
    """By what to divide all prices: 1 where half of the machines cost from 0.008 to 4096 an hour."""
    prices = sorted(t.price_per_hour for s in problem.sites for t in s.types if t.price_per_hour > 0)
    prices = prices or sorted(r.price_per_gb for r in problem.routes if r.price_per_gb > 0)
    if not prices or USUAL[0] <= prices[len(prices) // 2] <= USUAL[1]:
        return 1.0
    return 2.0 ** math.floor(math.log2(prices[len(prices) // 2]))


def in_units(problem: Problem, unit: float) -> Problem:
    """The same problem with every price divided by the unit; budgets are judged outside, in the user's money."""
    if unit == 1.0:
        return problem
    sites = tuple(
        replace(s, types=tuple(replace(t, price_per_hour=t.price_per_hour / unit) for t in s.types))
        for s in problem.sites
    )
    return replace(
        problem,
        sites=sites,
        routes=tuple(replace(r, price_per_gb=r.price_per_gb / unit) for r in problem.routes),
        services=tuple(
            replace(s, dearer={site: price / unit for site, price in s.dearer.items()}) if s.dearer else s
            for s in problem.services
        ),
        migration_cost_per_replica=problem.migration_cost_per_replica / unit,
    )


def in_money(problem: Problem, done: Complete) -> Complete:
    """That placement with the machines' prices of this problem."""
    rows = (choice(problem, p.site, p.instance_type, p.dedicated_to, p.count) for p in done.pools)
    return Complete(done.assignment, tuple(rows), done.packing)
