"""What each way out of a conflict costs: giving up one of its constraints, and how far a limit would have to be raised.

Callers: conflicts. Pure and deterministic: questions are counted, and what is shared by many is asked first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from scheduler.check import broken_rules, weight_of
from scheduler.eligibility import Eligibility, eligible_sites
from scheduler.infeasible import Conflict, Relaxation, without
from scheduler.nodes import Complete
from scheduler.problem import Problem, TeamQuota
from scheduler.propagate import hopeless
from scheduler.rough import improved, quick_placement, relaxation_is_empty, short_search
from scheduler.search import Search

QUESTIONS = 130  # that the ways out may cost together; one for the relaxation is about a twentieth of a second
PAIRS = 25  # asking for a placement counts as one of them for so many pairs of a service and a site
TRIALS, MORE_TRIALS = 1_000, 4_000  # of local search on the price of each, and of the best one
EXACT_PAIRS, EXACT_WORK = 16, 100  # up to so many pairs the price is that of the search that proves it
EXACT_QUESTIONS = 15  # that such a search counts for
LONGER_PAIRS = 1_500  # of a service and a site, up to which the best one is looked at longer


def ways_out(problem: Problem, conflicts: Sequence[Conflict]) -> tuple[Relaxation, ...]:
    """Of each constraint, whether giving it up is enough, and the price then."""
    ways = _Ways(problem)
    found = {c: ways.of(c) for c in sorted(conflicts, key=_hopeful)}
    best = min((w for w in found.values() if w.enough), key=lambda w: way_rank(problem, w), default=None)
    if best is not None:
        found[best.conflict] = ways.cheaper(best)
    return tuple(found[c] for c in conflicts)


def way_rank(problem: Problem, way: Relaxation) -> tuple[bool, int, bool, float]:
    """In which order ways out should be thought of: what matters least first, services left out
    last, then the cheapest."""
    names = problem.service_by_name
    cost = math.inf if way.cost_per_hour is None else way.cost_per_hour
    priority = min((names[c.subject].priority for c in way.conflict.parts if c.subject in names), default=0)
    return way.enough is not True, priority, way.conflict.kind == "demand", cost


def _hopeful(conflict: Conflict) -> tuple[bool, bool]:
    """Which are looked at first: what is shared by many, then wishes, then services and calls left out."""
    shared = ("quota", "machines", "team", "headroom", "node_loss", "node_headroom", "spare_node")
    return conflict.kind not in shared, conflict.kind in ("demand", "calls")


def _pairs(eligibility: Eligibility) -> int:
    return sum(map(len, eligibility.allowed.values()))


@dataclass(slots=True)
class _Ways:
    problem: Problem
    questions: int = QUESTIONS
    known: list[Complete] = field(default_factory=list)

    def of(self, conflict: Conflict) -> Relaxation:
        relaxed = without(self.problem, [conflict])
        if not relaxed.services:
            return Relaxation(conflict, True, 0.0)
        eligibility = eligible_sites(relaxed)
        if hopeless(relaxed, eligibility):
            return Relaxation(conflict, False)
        if not self._may_ask(1):
            return Relaxation(conflict, None)
        if relaxation_is_empty(relaxed, eligibility):
            return Relaxation(conflict, False)
        questions = 2 + _pairs(eligibility) // PAIRS
        if not self._may_ask(questions):
            return self._told(conflict, relaxed, self._seen(relaxed))
        if _pairs(eligibility) <= EXACT_PAIRS and self._may_ask(EXACT_QUESTIONS):
            return self._exactly(conflict, relaxed, eligibility)
        found = quick_placement(relaxed, eligibility) or self._seen(relaxed)
        if found is None and self._may_ask(questions):
            found = short_search(relaxed, eligibility)
        return self._told(conflict, relaxed, found and improved(relaxed, eligibility, found, TRIALS))

    def _exactly(self, conflict: Conflict, relaxed: Problem, eligibility: Eligibility) -> Relaxation:
        """By the search that proves it, where the problem is so small that this is quick."""
        search = Search(relaxed, eligibility, EXACT_WORK)
        search.run()
        return Relaxation(conflict, False) if search.infeasible else self._told(conflict, relaxed, search.best)

    def cheaper(self, way: Relaxation) -> Relaxation:
        """The same way at the price of a longer search, where that finds a lower one."""
        relaxed = without(self.problem, [way.conflict])
        eligibility = eligible_sites(relaxed)
        if not relaxed.services or not EXACT_PAIRS < _pairs(eligibility) <= LONGER_PAIRS:
            return way
        known = self._seen(relaxed)
        if known is None:
            return way
        longer = self._told(way.conflict, relaxed, improved(relaxed, eligibility, known, MORE_TRIALS))
        return min(way, longer, key=lambda w: w.cost_per_hour if w.cost_per_hour is not None else math.inf)

    def _may_ask(self, questions: int) -> bool:
        self.questions -= questions
        return self.questions >= 0

    def _seen(self, relaxed: Problem) -> Complete | None:
        """The cheapest placement found for another way out that holds here, too."""
        names = {s.name for s in relaxed.services}
        same = [c for c in self.known if c.assignment.keys() == names]
        good = [c for c in same if not broken_rules(relaxed, c.assignment, c.pools, c.packing)]
        return min(good, key=lambda c: weight_of(relaxed, c.assignment, c.pools), default=None)

    def _told(self, conflict: Conflict, relaxed: Problem, found: Complete | None) -> Relaxation:
        if found is None:
            return Relaxation(conflict, None)
        self.known.append(found)
        price = weight_of(relaxed, found.assignment, found.pools)
        return Relaxation(conflict, True, price, needed_of(self.problem, conflict, found))


def needed_of(problem: Problem, conflict: Conflict, found: Complete) -> str:
    """What that placement asks of a limit, and of which limits of a family: "8 vCPU", "c1/r1 8 vCPU, c2/r1 4 vCPU"."""
    if conflict.members:
        each = [(m, *_asked_of(problem, m, found)) for m in conflict.members]
        return ", ".join(f"{m.subject} {words}" for m, words, more in each if more)
    return _asked_of(problem, conflict, found)[0]


def _asked_of(problem: Problem, conflict: Conflict, found: Complete) -> tuple[str, bool]:
    """In words, and whether it is more than the limit: vCPUs of a region, machines of a zone, requests of a team."""
    if conflict.kind == "quota":
        here = [p for p in found.pools if problem.site_by_id[p.site].region == conflict.subject]
        used = sum(p.vcpu * p.count for p in here)
        return f"{used:g} vCPU", used > problem.region_quota_vcpu[conflict.subject]
    if conflict.kind == "machines":
        count = sum(p.count for p in found.pools if p.site == conflict.subject)
        return f"{count} machines", count > (problem.site_by_id[conflict.subject].max_machines or 0)
    if conflict.kind == "team":
        quota = next(q for q in problem.team_quotas if (q.team, q.region) == (conflict.subject, conflict.detail))
        return _requested(problem, quota, found), True
    return "", False


def _requested(problem: Problem, quota: TeamQuota, found: Complete) -> str:
    mine = [
        (s, n)
        for s in problem.services
        if s.team == quota.team
        for site, n in found.assignment.get(s.name, {}).items()
        if quota.region in ("", problem.site_by_id[site].region)
    ]
    cpu, memory = sum(s.cpu_millicores * n for s, n in mine), sum(s.memory_mib * n for s, n in mine)
    parts = [f"{cpu}m cpu"] if quota.cpu_millicores is not None else []
    return " and ".join([*parts, *([f"{memory} MiB"] if quota.memory_mib is not None else [])])
