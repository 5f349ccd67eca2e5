"""The replay with the default scheduler's scoring, against values worked out by hand from Kubernetes' documentation."""

from __future__ import annotations

import numpy as np

from benchmarks.scheduling.replay import replay, score, spread_score
from scheduler.problem import InstanceOffer, Problem, ServiceDemand, SiteOffer
from scheduler.solve import canonical_problem, solve
from scheduler.verdicts import Solved


def test_emptier_and_more_balanced_nodes_score_higher() -> None:
    rooms = np.array([[1000.0, 1000.0], [1000.0, 1000.0], [1000.0, 1000.0]])
    used = np.array([[500.0, 500.0], [200.0, 200.0], [800.0, 0.0]])
    # free 50 and 50, 80 and 80, 20 and 100; balance 100, 100 and 100 * (1 - 0.8 / 2)
    assert score(rooms, used).tolist() == [50 + 100, 80 + 100, 60 + 60]


def test_nodes_with_fewer_pods_of_the_service_score_higher() -> None:
    # counts 0, 1, 2 of three nodes: 0, floor(log 5) = 1, floor(2 log 5) = 3; then 100 * (3 + 0 - raw) / 3
    assert spread_score(np.array([0.0, 1.0, 2.0])).tolist() == [100, 66, 0]
    assert spread_score(np.zeros(4)).tolist() == [100, 100, 100, 100]


def zone(*services: ServiceDemand) -> Problem:
    offer = InstanceOffer(name="m", vcpu=2, cpu_millicores=2000, memory_mib=4000, price_per_hour=0.1)
    site = SiteOffer(id="a/x1", region="a/x", cloud="a", partition="a", country="CN", types=(offer,))
    return canonical_problem(Problem(services=services, sites=(site,), rollout_headroom=False, survive_node_loss=False))


def test_what_a_full_node_does_not_hold_stays_pending_and_one_more_node_is_bought() -> None:
    """Two nodes of 2 cores; seven pods of 300m, spread, leave no room for the one of 1600m; after it they fit."""
    small = ServiceDemand(name="small", replicas=7, cpu_millicores=300, memory_mib=100)
    large = ServiceDemand(name="large", replicas=1, cpu_millicores=1600, memory_mib=100)
    problem = zone(small, large)
    verdict = solve(problem)
    assert isinstance(verdict, Solved)
    assert sum(p.count for p in verdict.placement.pools) == 2
    outcomes = [replay(problem, verdict, seed) for seed in range(8)]
    assert {(o.pods, o.pending, o.added) for o in outcomes} == {(8, 0, 0), (8, 1, 1)}  # whichever comes first
    assert {o.added_per_hour for o in outcomes} == {0.0, 0.1}
