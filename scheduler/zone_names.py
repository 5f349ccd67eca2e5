"""Which of a region's equal zones a placement calls what, so that as little as can be moves. Pure.

Callers: search, for each placement that it finds. To the model equal zones are one, or their order is fixed; which of
them holds what runs already is not what it looks at first. Exchanging equal zones changes no rule and no price but what
moving costs, so here they are exchanged until most replicas and machines are where they were: an assignment problem for
each group of zones, by trying all of its permutations, as a region has few zones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import permutations

from scheduler.eligibility import Eligibility
from scheduler.nodes import Complete
from scheduler.problem import Problem
from scheduler.pruning import site_classes

MOST_ZONES = 6  # of a group: 720 ways; in larger ones the zones keep their names


def renamed(problem: Problem, eligibility: Eligibility, done: Complete) -> Complete:
    """The same placement with equal zones exchanged so that most replicas, then most machines stay; done itself where
    that is so already or nothing runs."""
    runs = {site for s in problem.services for site in s.current} | {p.site for p in problem.current_pools}
    names: dict[str, str] = {}
    for group in site_classes(problem, eligibility, aware=False) if runs else ():
        zones = [site.id for site in group]
        if 1 < len(zones) <= MOST_ZONES and runs.intersection(zones):
            names |= _names(problem, done, zones)
    if all(new == old for old, new in names.items()):
        return done
    return Complete(
        assignment={
            name: {names.get(site, site): n for site, n in row.items()} for name, row in done.assignment.items()
        },
        pools=tuple(replace(p, site=names.get(p.site, p.site)) for p in done.pools),
        packing=tuple(replace(load, site=names.get(load.site, load.site)) for load in done.packing),
    )


def _names(problem: Problem, done: Complete, zones: Sequence[str]) -> dict[str, str]:
    """Zone -> the zone whose place it takes, so that most stays; as it is where no way is better."""
    had = Counter({(p.site, p.instance_type, p.dedicated_to): p.count for p in problem.current_pools})
    stays: Counter[tuple[str, str]] = Counter()
    machines: Counter[tuple[str, str]] = Counter()
    for new in zones:
        for service in problem.services:
            count = done.assignment.get(service.name, {}).get(new, 0)
            for old in zones:
                stays[new, old] += min(count, service.current.get(old, 0))
        for pool in done.pools:
            if pool.site == new:
                for old in zones:
                    machines[new, old] += min(pool.count, had[old, pool.instance_type, pool.dedicated_to])

    def kept(way: Iterable[str]) -> tuple[int, int]:
        pairs = list(zip(zones, way, strict=True))
        return sum(stays[p] for p in pairs), sum(machines[p] for p in pairs)

    ways: Iterable[Sequence[str]] = permutations(zones)  # the first is as it is
    return dict(zip(zones, max(ways, key=kept), strict=True))
