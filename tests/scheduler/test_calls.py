"""What the relaxation says that calls cost: parts of a replica answer a part of the calls, and no more."""

from __future__ import annotations

import pytest

from scheduler.eligibility import eligible_sites
from scheduler.formulation import Formulation
from scheduler.highs import LinearProgram, solve_linear
from scheduler.problem import Edge, InstanceOffer, Problem, Route, ServiceDemand, SiteOffer
from scheduler.solve import canonical_problem

FAR, NEAR = 0.8, 0.1  # per GB: to the other region, to another zone of the own one


def two_regions() -> Problem:
    """A caller in region a, and its callee in a or b; machines cost nothing. The call is of one GB an hour."""
    machine = InstanceOffer(name="m", vcpu=2, cpu_millicores=1600, memory_mib=4000, price_per_hour=0.0)
    sites = tuple(
        SiteOffer(id=f"{region}/{zone}", region=region, cloud=region, partition=region, country="CN", types=(machine,))
        for region in "ab"
        for zone in "12"
    )
    call = Edge(callee="callee", calls_per_s=1.0, bytes_per_call=1e9 / 3600)
    return canonical_problem(
        Problem(
            services=(
                ServiceDemand(name="caller", replicas=1, cpu_millicores=100, memory_mib=100, edges=(call,),
                              allowed_sites=("a/1", "a/2")),
                ServiceDemand(name="callee", replicas=1, cpu_millicores=100, memory_mib=100),
            ),
            sites=sites,
            routes=(
                Route(src="a", dst="a", rtt_ms=1.0, price_per_gb=NEAR),
                Route(src="b", dst="b", rtt_ms=1.0, price_per_gb=NEAR),
                Route(src="a", dst="b", rtt_ms=9.0, price_per_gb=FAR),
                Route(src="b", dst="a", rtt_ms=9.0, price_per_gb=FAR),
            ),
        )
    )  # fmt: skip


@pytest.mark.parametrize(("here", "price"), [(1.0, 0.0), (0.5, FAR / 2), (0.25, 0.75 * FAR), (0.0, FAR)])
def test_half_a_callee_in_the_zone_answers_half_of_the_calls(here: float, price: float) -> None:
    """Where it counted for the zone and once more for the zone's region, half a callee answered all calls."""
    problem = two_regions()
    formulation = Formulation(problem, eligible_sites(problem), merged=True)
    for (service, site), column in formulation.x.items():
        if service == "callee":
            share = here if site.startswith("a/") else 1 - here
            formulation.model.lower[column] = formulation.model.upper[column] = share
    answer = solve_linear(LinearProgram(formulation.model))
    assert answer is not None
    assert answer.objective == pytest.approx(price)
