"""First placements from the relaxation with equal zones merged: its machines rounded to whole ones, region by region.

How many machines each region has decides most of the cost, and with that given the model is mostly solved at its root
in a second or less: pods in one zone of each region, what has machines of its own in as many as a spread asks for.
What does not pack comes back as a cut, and the model is asked again. Callers: search. Pure; the work is counted in
models.
"""

from __future__ import annotations

import math
from itertools import combinations

from scheduler.by_size import WHOLE, BySize, Part
from scheduler.check import broken_rules, weight_of
from scheduler.eligibility import Eligibility
from scheduler.formulation import Formulation, PackingCut
from scheduler.highs import LinearProgram, solve_linear, solve_model
from scheduler.nodes import Complete, complete
from scheduler.problem import Problem
from scheduler.regions import only_in

LEAST_SHARE = 0.05  # machines that the relaxation buys in a region for it to get a whole one
MOST_REGIONS = 6  # whose shares are rounded up or down: at most 20 ways
WAYS, ROUNDS = 2, 2  # ways of rounding whose model is solved, and how often more that of the best one
NODES, GAP = 1, 0.02

Shares = dict[str, int]  # region -> machines


def rounded_placement(problem: Problem, eligibility: Eligibility, sized: BySize, part: Part) -> Complete | None:
    """The cheapest placement found with the part's machines spread as its relaxation spreads them, rounded; or None."""
    search = _Rounded(problem, eligibility, sized, part)
    ways = _roundings(sized, part)
    drafts = [(*search.solve(shares), k) for k, shares in enumerate(ways)]
    value, fits, k = min(drafts, default=(math.inf, True, 0))
    for _ in range(ROUNDS):
        if fits or value >= search.cost:
            break
        value, fits = search.solve(ways[k])
    return search.best


def _roundings(sized: BySize, part: Part) -> list[Shares]:
    """The ways to round with the cheapest relaxations, cheapest first."""
    used = {region: share for region, share in part.shares.items() if share >= LEAST_SHARE}
    least = {region: math.floor(share + WHOLE) for region, share in used.items()}
    left = part.size[0] - sum(least.values())
    if part.size[0] != part.size[1] or left < 0:
        return []
    broken = sorted((r for r in used if used[r] - least[r] > WHOLE), key=lambda r: (least[r] - used[r], r))
    found: list[tuple[float, tuple[str, ...], Shares]] = []
    for up in combinations(broken[:MOST_REGIONS], left):
        shares = {region: least[region] + (region in up) for region in sorted(used)}
        relaxed = solve_linear(LinearProgram(sized.model(_fixed(part, shares))))
        if relaxed is not None:
            found.append((relaxed.objective, up, shares))
    return [shares for _, _, shares in sorted(found, key=lambda way: way[:2])[:WAYS]]


def _fixed(part: Part, shares: Shares) -> Part:
    return Part(part.size, {region: (count, count) for region, count in shares.items()})


class _Rounded:
    """The best placement so far, and what did not pack."""

    def __init__(self, problem: Problem, eligibility: Eligibility, sized: BySize, part: Part) -> None:
        self.problem, self.eligibility, self.sized, self.part = problem, eligibility, sized, part
        self.best: Complete | None = None
        self.cost = math.inf
        self._cuts: dict[tuple[str, ...], list[PackingCut]] = {}

    def solve(self, shares: Shares) -> tuple[float, bool]:
        """What the model says that it costs, infinite where it says nothing; whether it packs."""
        regions = tuple(sorted(region for region, count in shares.items() if count))
        cuts = self._cuts.setdefault(regions, [])
        there = only_in(self.problem, self.eligibility, regions, pods_in_first=True)
        formulation = Formulation(self.problem, there, tuple(cuts), whole_pods=False)
        model = BySize(formulation, smallest_vcpu=self.sized.smallest_vcpu).model(_fixed(self.part, shares))
        answer = solve_model(model, node_limit=NODES, relative_gap=GAP)
        if answer.values is None:
            return math.inf, False
        done = complete(self.problem, formulation.read(answer.values), formulation)
        cuts += [cut for cut, _ in done.cuts]
        self._keep(done.placement)
        return answer.objective, not done.cuts

    def _keep(self, found: Complete | None) -> None:
        if found is None or broken_rules(self.problem, found.assignment, found.pools, found.packing):
            return
        cost = weight_of(self.problem, found.assignment, found.pools)
        if cost < self.cost - 1e-12:
            self.best, self.cost = found, cost
