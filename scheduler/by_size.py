"""Splits a model by how many machines it has in all, which is where its linear relaxation is weakest.

A relaxation buys 9.1 machines; nobody can. With "at most 9", "10" and "at least 11" as three models each has a much
better bound, and knows from the start which machine types are too large for it. A machine counts as many times the
smallest one as it has vCPUs, rounded: any whole number would be sound, since the parts cover every placement.
Callers: solve. Pure.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field, replace

from scheduler.formulation import Formulation, SiteType
from scheduler.highs import LinearProgram, MixedIntegerModel, solve_linear

Terms = list[tuple[int, float]]


@dataclass(slots=True)
class Part:
    """All placements whose pools' machines count at least and at most so much together; most None: no limit.

    bound: none of them costs less. shares: how the relaxation spreads the machines over the regions.
    """

    least: int
    most: int | None
    bound: float = -math.inf
    shares: dict[str, float] = field(default_factory=dict)
    solved: bool = False  # to its end


@dataclass(slots=True)
class BySize:
    """A formulation and its parts. parts is empty where not even the relaxation has a solution."""

    formulation: Formulation
    parts: list[Part] = field(default_factory=list)
    _counts: dict[SiteType, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        offers = self.formulation.offers
        smallest = min((offers[key].vcpu for key in self.formulation.n if offers[key].vcpu > 0), default=1.0)
        self._counts = {key: max(1, round(offers[key].vcpu / smallest)) for key in self.formulation.n}
        whole = solve_linear(LinearProgram(self.formulation.model))
        if whole is None:
            return
        size = sum(whole.values[col] * self._counts[key] for key, col in self.formulation.n.items())
        middle = math.ceil(size - 1e-6)
        ranges = [(middle, middle), (0, middle - 1), (middle + 1, None)]
        for least, most in ranges:
            part = Part(least, most)
            relaxed = solve_linear(LinearProgram(self.model(part))) if most is None or most >= 0 else None
            if relaxed is not None:
                part.bound = max(whole.objective, relaxed.objective)
                part.shares = self._by_region(relaxed.values)
                self.parts.append(part)

    def _by_region(self, values: list[float]) -> dict[str, float]:
        found: dict[str, float] = defaultdict(float)
        for (site, name), col in self.formulation.n.items():
            found[self._region(site)] += values[col] * self._counts[site, name]
        return found

    def _region(self, site: str) -> str:
        return self.formulation.problem.site_by_id[site].region

    def model(self, part: Part, cutoff: float = math.inf) -> MixedIntegerModel:
        """The formulation's model for one part, and only what costs at most the cutoff."""
        base = self.formulation.model
        model = replace(
            base,
            **{name: list(getattr(base, name)) for name in MixedIntegerModel.__slots__},
        )
        by_region: dict[str, Terms] = defaultdict(list)
        for (site, name), col in self.formulation.n.items():
            count = self._counts[site, name]
            by_region[self._region(site)].append((col, float(count)))
            if part.most is not None:
                model.upper[col] = min(model.upper[col], part.most // count)
        totals: Terms = []
        for _, terms in sorted(by_region.items()):
            most = sum(model.upper[col] * count for col, count in terms)
            total = model.column(upper=most if part.most is None else min(most, part.most))  # good to branch on
            model.row([*terms, (total, -1)], lower=0, upper=0)
            totals.append((total, 1.0))
        model.row(totals, lower=part.least, upper=math.inf if part.most is None else part.most)
        if math.isfinite(cutoff):
            model.row([(col, cost) for col, cost in enumerate(model.cost) if cost], upper=cutoff)
        return model
