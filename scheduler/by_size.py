"""Splits a model by how many machines it has in all and in single regions, where its linear relaxation is weakest.

A relaxation buys 9.1 machines; nobody can. With "at most 9", "10" and "at least 11" as three models each has a much
better bound, and knows from the start which machine types are too large for it. So with regions of which a spread
wants just one machine: where it is known to stay the only one, what fits beside one another there is known, too. A
machine counts as many times the smallest one as it has vCPUs, rounded: any whole number would be sound, since the parts
cover every placement.
Callers: solve. Pure.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field, replace

from scheduler.formulation import Formulation, SiteType
from scheduler.highs import LinearProgram, MixedIntegerModel, solve_linear

Terms = list[tuple[int, float]]
Range = tuple[int, int | None]  # at least, at most; None: no limit

MOST_ALONE = 3  # regions with one machine that a part is divided by
WHOLE = 1e-6  # how far from a whole number a relaxation's number may be and still count as one


@dataclass(slots=True)
class Part:
    """All placements whose pools' machines count so much together, and in some regions so much by themselves.

    bound: none of them costs less. shares: how the relaxation spreads the machines over the regions.
    """

    size: Range
    regions: dict[str, Range] = field(default_factory=dict)
    bound: float = -math.inf
    shares: dict[str, float] = field(default_factory=dict)
    seen: bool = False  # its root was searched
    in_pieces: bool = False  # it was searched in pieces
    solved: bool = False  # to its end


@dataclass(slots=True)
class BySize:
    """A formulation and its parts. parts: empty before `split`, and where not even the relaxation has a solution.

    smallest_vcpu: of the machine that counts as one; where it is 0, the smallest one's of the formulation.
    """

    formulation: Formulation
    parts: list[Part] = field(default_factory=list)
    smallest_vcpu: float = 0.0
    _counts: dict[SiteType, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        offers = self.formulation.offers
        if not self.smallest_vcpu:
            self.smallest_vcpu = min((offers[k].vcpu for k in self.formulation.n if offers[k].vcpu > 0), default=1.0)
        self._counts = {key: max(1, round(offers[key].vcpu / self.smallest_vcpu)) for key in self.formulation.n}

    def split(self) -> None:
        """As many machines as the relaxation buys, rounded up; fewer; more."""
        whole = solve_linear(LinearProgram(self.formulation.model))
        if whole is None:
            return
        size = sum(whole.values[col] * self._counts[key] for key, col in self.formulation.n.items())
        middle = math.ceil(size - WHOLE)
        ranges = [Part((middle, middle)), Part((middle + 1, None))]
        if middle > 0:
            ranges.insert(1, Part((0, middle - 1)))
        self.parts = self._bounded(ranges, whole.objective)

    def _bounded(self, parts: list[Part], least: float) -> list[Part]:
        """Those parts of which the relaxation has a solution, with its bound. least: what is known already."""
        found: list[Part] = []
        for part in parts:
            relaxed = solve_linear(LinearProgram(self.model(part)))
            if relaxed is not None:
                part.bound = max(least, relaxed.objective)
                part.shares = self.by_region(relaxed.values)
                found.append(part)
        return found

    def divide(self) -> None:
        """Each part becomes several: one without a second machine in the regions where its relaxation has just one, and
        for each of these one with more machines there.
        """
        divided: list[Part] = []
        for part in self.parts:
            alone = [r for r, share in sorted(part.shares.items()) if abs(share - 1) < WHOLE][:MOST_ALONE]
            if not alone:
                divided.append(part)
                continue
            kept: dict[str, Range] = {}
            pieces: list[Part] = []
            for region in alone:
                pieces.append(Part(part.size, {**kept, region: (2, None)}))
                kept[region] = (0, 1)
            divided += self._bounded([Part(part.size, kept), *pieces], part.bound)
        self.parts = divided

    @property
    def regions(self) -> list[str]:
        """Those with machines for pods, in the order in which `model` adds their columns."""
        return sorted({self._region(site) for site, _ in self.formulation.n})

    def by_region(self, values: list[float]) -> dict[str, float]:
        """How many machines a solution of the model has in each region."""
        found: dict[str, float] = defaultdict(float)
        for (site, name), col in self.formulation.n.items():
            found[self._region(site)] += values[col] * self._counts[site, name]
        return found

    def _region(self, site: str) -> str:
        return self.formulation.problem.site_by_id[site].region

    def model(self, part: Part, cutoff: float = math.inf) -> MixedIntegerModel:
        """The formulation's model for one part, and only what costs at most the cutoff. Added columns: the machines of
        each region."""
        base = self.formulation.model
        model = replace(
            base,
            **{name: list(getattr(base, name)) for name in MixedIntegerModel.__slots__},
        )
        by_region: dict[str, Terms] = defaultdict(list)
        for (site, name), col in self.formulation.n.items():
            count, region = self._counts[site, name], self._region(site)
            by_region[region].append((col, float(count)))
            for limit in (part.size[1], part.regions.get(region, (0, None))[1]):
                if limit is not None:
                    model.upper[col] = min(model.upper[col], limit // count)
        totals: Terms = []
        for region, terms in sorted(by_region.items()):
            least, limit = part.regions.get(region, (0, None))
            limits = [sum(model.upper[col] * count for col, count in terms), part.size[1], limit]
            total = model.column(lower=least, upper=min(m for m in limits if m is not None))  # good to branch on
            model.row([*terms, (total, -1)], lower=0, upper=0)
            totals.append((total, 1.0))
        model.row(totals, lower=part.size[0], upper=math.inf if part.size[1] is None else part.size[1])
        if math.isfinite(cutoff):
            model.row([(col, cost) for col, cost in enumerate(model.cost) if cost], upper=cutoff)
        return model
