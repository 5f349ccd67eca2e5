"""Machines of regions rounded to whole ones: what comes of it holds, and is not cheaper than possible."""

from __future__ import annotations

import math

import pytest

from scheduler.by_size import BySize
from scheduler.check import broken_rules, weight_of
from scheduler.eligibility import eligible_sites
from scheduler.formulation import Formulation
from scheduler.highs import MixedIntegerModel, Relaxation
from scheduler.problem import InstanceOffer, Problem, ServiceDemand, SiteOffer
from scheduler.rounded import rounded_placement
from scheduler.solve import canonical_problem


def two_regions() -> Problem:
    """Three pods of one core, two of which may be in region y only; machines of one or two cores."""
    machines = tuple(
        InstanceOffer(name=f"m{n}", vcpu=n, cpu_millicores=1000 * n, memory_mib=4000 * n, price_per_hour=0.1 * n)
        for n in (1, 2)
    )
    sites = tuple(
        SiteOffer(id=f"{r}/{z}", region=r, cloud="c", partition="c", country=country, types=machines)
        for r, country in (("x", "CN"), ("y", "SG"))
        for z in (1, 2)
    )
    services = (
        ServiceDemand(
            name="a", replicas=1, cpu_millicores=1000, memory_mib=100, allowed_countries=("CN",), surge=False
        ),
        ServiceDemand(
            name="b", replicas=2, cpu_millicores=1000, memory_mib=100, allowed_countries=("SG",), surge=False
        ),
    )
    return Problem(services=services, sites=sites, survive_node_loss=False, rollout_headroom=False)


def test_each_region_gets_the_machines_that_the_relaxation_buys() -> None:
    problem = canonical_problem(two_regions())
    eligibility = eligible_sites(problem)
    sized = BySize(Formulation(problem, eligibility, merged=True, whole_pods=False))
    sized.split()
    found = rounded_placement(problem, eligibility, sized, sized.parts[0])
    assert found is not None
    assert not broken_rules(problem, found.assignment, found.pools, found.packing)
    assert weight_of(problem, found.assignment, found.pools) == pytest.approx(0.3)
    assert rounded_placement(problem, eligibility, sized, sized.parts[-1]) is None  # no number of machines is given


def test_a_relaxation_with_columns_fixed_anew() -> None:
    model = MixedIntegerModel()
    x, y = model.column(1.0, 5.0), model.column(2.0, 5.0)
    model.row([(x, 1), (y, 1)], lower=3)
    relaxation = Relaxation(model)
    assert relaxation.objective([x], [3.0], 9.0) == pytest.approx(3.0)
    assert relaxation.objective([x], [0.0], 9.0) == pytest.approx(6.0)
    assert relaxation.objective([x], [0.0], 5.0) == math.inf  # dearer than asked for
    assert relaxation.objective([x, y], [1.0, 1.0], 9.0) == math.inf  # not enough
    assert relaxation.objective([x, y], [1.0, 2.0], 9.0) == pytest.approx(5.0)
