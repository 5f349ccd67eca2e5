"""kube-scheduler as we replay it, against values worked out by hand from Kubernetes' documentation; what holds then."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from benchmarks.scheduling.replay import replay
from scheduler.check import broken_rules
from scheduler.former import kept_nodes
from scheduler.held import split_pools
from scheduler.problem import InstanceOffer, Problem, ServiceDemand, SiteOffer
from scheduler.run_time import Nodes, Pods, affinity_score, resource_score, skewed, spread_of, ties, update
from scheduler.solve import canonical_problem, solve
from scheduler.verdicts import Solved


def test_emptier_and_more_balanced_nodes_score_higher() -> None:
    rooms = np.array([[1000.0, 1000.0], [1000.0, 1000.0], [1000.0, 1000.0]])
    used = np.array([[500.0, 500.0], [200.0, 200.0], [800.0, 0.0]])
    # free 50 and 50, 80 and 80, 20 and 100; balance 100, 100 and 100 * (1 - 0.8 / 2)
    assert resource_score(rooms, used).tolist() == [50 + 100, 80 + 100, 60 + 60]


def test_nodes_with_fewer_pods_of_the_service_score_higher_and_less_so_the_larger_maxskew_is() -> None:
    # counts 0, 1, 2 of three nodes: 0, round(log 5) = 2, round(2 log 5) = 3; then 100 * (3 + 0 - raw) / 3
    assert spread_of(skewed(np.array([0.0, 1.0, 2.0]), 3, 1)).tolist() == [100, 33, 0]
    assert spread_of(skewed(np.zeros(4), 4, 1)).tolist() == [100, 100, 100, 100]
    # maxSkew 8 adds 7 to each: 7, 9, 10; then 100 * (10 + 7 - raw) / 10
    assert spread_of(skewed(np.array([0.0, 1.0, 2.0]), 3, 8)).tolist() == [100, 80, 70]


def test_preferences_count_in_shares_of_the_largest() -> None:
    assert affinity_score(np.array([50.0, 0.0, 25.0])).tolist() == [100, 0, 50]
    assert affinity_score(np.zeros(2)).tolist() == [0, 0]


def pods(name: str, count: int, cpu: float, weights: list[float], most: int = 99) -> Pods:
    return Pods(name, count, np.array([cpu, 1.0]), most, np.array(weights))


def two_nodes() -> Nodes:
    return Nodes(np.array([[1000.0, 1000.0], [1000.0, 1000.0]]))


def test_a_preference_is_kept_while_there_is_room_and_given_up_where_there_is_none() -> None:
    nodes = two_nodes()
    # node 1: 2 * 100 for the preference outweighs an emptier node 0, where one pod of another service runs
    assert nodes.arrive(pods("other", 1, 100, [100, 0]), 1) == [0]
    assert nodes.arrive(pods("a", 1, 800, [100, 0]), 1) == [0]
    assert nodes.arrive(pods("b", 1, 400, [100, 0]), 1) == [1]
    assert nodes.arrive(pods("c", 1, 700, [100, 0]), 1) == []


def test_no_node_gets_more_than_the_hard_rule_says() -> None:
    assert two_nodes().arrive(pods("a", 3, 10, [0, 0], most=1), 3) == [0, 1]


def test_an_update_needs_room_for_one_pod_more_and_no_further() -> None:
    nodes = two_nodes()
    web = pods("web", 2, 400, [0, 0])
    nodes.arrive(web, 2)
    assert update(nodes, web, Random(1))
    assert nodes.carried["web"].sum() == 2 and nodes.used[:, 0].sum() == 800
    nodes.arrive(pods("fill", 2, 590, [0, 0]), 2)
    assert not update(nodes, web)


def test_the_pods_of_a_lost_node_go_elsewhere_and_nothing_goes_there() -> None:
    nodes = two_nodes()
    nodes.arrive(pods("web", 2, 400, [0, 0]), 2)
    assert nodes.lose(0) == {"web": 1}
    assert nodes.arrive(pods("web", 2, 400, [100, 0]), 1) == [1]


def test_ties_weigh_by_count_and_limit_only_where_a_lost_node_leaves_room() -> None:
    level = ties({"p#0": 1, "p#1": 1}, 2, 3)
    assert set(level.weights.values()) == {100} and level.most == 1
    assert ties({"p#0": 1, "p#1": 1}, 2, 2).most is None  # with one node lost, the other must take both
    uneven = ties({"p#0": 3, "p#1": 1}, 4, 9)
    assert uneven.weights == {"p#0": 100, "p#1": 50}  # a step of 150 / 3 points, half of it per unit of weight
    assert ties({}, 0, 3).weights == {}


# -- whole placements --------------------------------------------------------------------------------------------


def zone(*services: ServiceDemand, **more: object) -> Problem:
    offer = InstanceOffer(name="m", vcpu=2, cpu_millicores=2000, memory_mib=4000, price_per_hour=0.1)
    site = SiteOffer(id="a/x1", region="a/x", cloud="a", partition="a", country="CN", types=(offer,))
    problem = Problem(services=services, sites=(site,), rollout_headroom=False, survive_node_loss=False)
    return canonical_problem(replace(problem, **more))  # type: ignore[arg-type]


SMALL = ServiceDemand(name="small", replicas=6, cpu_millicores=300, memory_mib=100)
LARGE = ServiceDemand(name="large", replicas=1, cpu_millicores=1600, memory_mib=100)


def solved(problem: Problem) -> Solved:
    verdict = solve(problem)
    assert isinstance(verdict, Solved)
    assignment = {row.service: row.replicas for row in verdict.placement.services}
    assert not broken_rules(problem, assignment, verdict.placement.pools, verdict.packing)
    return verdict


def test_ties_keep_the_room_that_a_large_pod_needs() -> None:
    """Two nodes of 2 cores; six pods of 300m, spread, leave no room for the one of 1600m; tied, they do."""
    problem = zone(SMALL, LARGE)
    verdict = solved(problem)
    assert sum(p.count for p in verdict.placement.pools) == 2
    loose = [replay(problem, verdict, seed, tied=False) for seed in range(8)]
    assert {o.services for o in loose} == {0, 1}  # whichever comes first
    tied = [replay(problem, verdict, seed) for seed in range(8)]
    assert {(o.release, o.services, o.mixed) for o in tied} == {(0, 0, 0)}


def test_where_ties_are_not_enough_it_is_told_or_a_machine_is_bought() -> None:
    """Seven of 300m: one must go beside the pod of 1600m and six to the other node, which preferences do not settle."""
    problem = zone(replace(SMALL, replicas=7), LARGE)
    told = solved(problem)
    assert sum(p.count for p in told.placement.pools) == 2
    assert told.warnings and "a/x1" in told.warnings[0]
    bought = solved(replace(problem, room_at_run_time=True))
    assert sum(p.count for p in bought.placement.pools) == 3 and not bought.warnings
    assert bought.placement.cost.total_per_hour == pytest.approx(0.3)
    assert [replay(problem, bought, s).services for s in range(4)] == [0, 0, 0, 0]


def test_every_node_gets_a_pool_as_far_as_the_cluster_may_have_them() -> None:
    problem = zone(replace(SMALL, replicas=24))
    (pool,) = solved(problem).placement.pools
    assert (pool.count, pool.node_pools) == (4, 4)
    few = replace(problem, node_pools={"a/x": 3})
    verdict = solved(few)
    assert [p.node_pools for p in verdict.placement.pools] == [3]
    (row,) = verdict.placement.services
    assert dict(row.nodes["a/x1"]) == {"m#0": 6, "m#1": 6, "m#2": 12}
    assert split_pools(few, verdict.placement.pools) == verdict.placement.pools


@pytest.mark.parametrize("seed", range(12))
def test_of_small_problems_no_pod_stays_pending_or_the_answer_says_so(seed: int) -> None:
    rng = Random(seed)
    services = tuple(
        ServiceDemand(
            name=f"s{i}",
            replicas=rng.randint(1, 5),
            cpu_millicores=rng.choice([100, 250, 500, 900, 1500]),
            memory_mib=rng.choice([100, 300, 1000, 2000]),
        )
        for i in range(rng.randint(2, 7))
    )
    problem = zone(*services, rollout_headroom=rng.random() < 0.5, survive_node_loss=rng.random() < 0.5)
    verdict = solved(problem)
    outcomes = [replay(problem, verdict, s) for s in range(3)]
    if not verdict.warnings:
        assert [o.release for o in outcomes] == [0, 0, 0]
        assert [o.mixed + o.services for o in outcomes] == [0, 0, 0]


def test_a_placement_that_moves_nothing_keeps_each_pods_node() -> None:
    """One replica more of one service: every other service keeps the nodes that it had, in whatever way they are."""
    services = [replace(SMALL, name=f"s{i}", cpu_millicores=100 * i, replicas=4) for i in range(1, 6)]
    before = solved(zone(*services))
    odd = before.packing[::-1]  # other names for the same nodes, as another search might give
    rows = {
        row.service: row.nodes
        for row in kept_nodes(zone(*services), replace(before, packing=odd), {}).placement.services
    }
    services[0] = replace(services[0], replicas=5)
    problem = zone(*services)
    after = kept_nodes(problem, solved(problem), rows)
    assert not broken_rules(
        problem, {r.service: r.replicas for r in after.placement.services}, after.placement.pools, after.packing
    )
    now = {row.service: row.nodes for row in after.placement.services}
    assert {name for name in now if now[name] != rows[name]} == {"s1"}
    assert sum(now["s1"]["a/x1"].values()) == 5


def test_where_the_former_nodes_do_not_hold_the_new_ones_take_the_names_that_fit_best() -> None:
    services = [replace(SMALL, name=f"s{i}", cpu_millicores=900, replicas=1) for i in range(4)]
    verdict = solved(zone(*services))
    former = {row.service: dict(row.nodes) for row in verdict.placement.services}
    swapped = {name: {"a/x1": {"m#1" if "m#0" in row["a/x1"] else "m#0": 1}} for name, row in former.items()}
    kept = kept_nodes(zone(*services), verdict, swapped)
    assert {row.service: dict(row.nodes) for row in kept.placement.services} == swapped
    grown = zone(*(replace(s, cpu_millicores=1100) for s in services))
    alone = kept_nodes(grown, solved(grown), swapped)
    assert sorted(len(load.pods) for load in alone.packing) == [1, 1, 1, 1]
