"""What runs in a zone stays on the very nodes that carry it, where these are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from benchmarks.scheduling.generate import changed, synthetic
from model.rng import stream
from scheduler.bulk import SPARE, Load
from scheduler.check import broken_rules, spare_pod
from scheduler.consolidate import spare_size
from scheduler.eligibility import eligible_sites
from scheduler.grid import Floats, Grid
from scheduler.large import Large, node_loads
from scheduler.level import levelled
from scheduler.problem import (
    Apart,
    CurrentPool,
    InstanceOffer,
    NodeLoad,
    Problem,
    ServiceDemand,
    SiteOffer,
)
from scheduler.resident import on_their_nodes
from scheduler.site_packing import pack_site
from scheduler.sizes import node_cap
from scheduler.solve import canonical_problem, solve
from scheduler.stay import place_beside
from scheduler.verdicts import Solved


@cache
def running() -> tuple[Large, int, Floats, tuple[NodeLoad, ...]]:
    """A problem with its prices, a place, what runs in its first zone, and each node there with its pods."""
    problem = canonical_problem(synthetic(200, 2000, 5))
    large = Large.of(problem, eligible_sites(problem))
    grid = large.model.grid
    k = int((grid.allowed * grid.replicas[:, None]).sum(axis=0).argmax())
    counts = np.where(grid.allowed[:, k] & ~grid.dedicated, grid.replicas, 0.0)
    loads = pack_site(grid, grid.places[k], large.model.kinds[k], counts, spare_size(grid, counts))
    assert loads is not None
    return large, k, counts, tuple(node_loads(grid, k, grid.places[k].sites[0].id, loads))


def settle(grid: Grid, counts: Floats, nodes: Sequence[NodeLoad]) -> tuple[list[Load], bool] | None:
    large, k, _, _ = running()
    place, spare = grid.places[k], spare_size(grid, counts)
    return on_their_nodes(
        grid, place, large.model.kinds[k], large.prices[k], counts, large.each[:, k], spare, nodes
    )  # fmt: skip


def judge(grid: Grid, counts: Floats, loads: Sequence[Load]) -> None:
    """Every pod is on a node, none is overfull, and there is room for an update."""
    _, k, _, _ = running()
    place, spare, placed = grid.places[k], spare_size(grid, counts), Counter[int]()
    free = []
    for load in loads:
        pods = {i: n for i, n in load.pods.items() if i != SPARE}
        carried = sum((grid.sizes[i] * n for i, n in pods.items()), np.zeros(grid.sizes.shape[1]))
        free.append(place.rooms[load.kind] - carried)
        placed.update(pods)
        assert all(0 < n <= node_cap(grid.problem, grid.problem.services[i]) for i, n in pods.items())
    assert placed == {i: int(n) for i, n in enumerate(counts.tolist()) if n}
    assert (np.array(free) >= -1e-6).all()
    assert (np.array(free) >= spare - 1e-6).all(axis=1).any()


def as_names(grid: Grid, loads: Sequence[Load]) -> list[tuple[str, dict[str, int]]]:
    _, k, _, _ = running()
    rows = node_loads(grid, k, grid.places[k].sites[0].id, list(loads))
    return sorted(((row.instance_type, dict(row.pods)) for row in rows), key=repr)


def test_where_nothing_has_changed_each_pod_keeps_its_node() -> None:
    large, _, counts, nodes = running()
    found = settle(large.model.grid, counts, nodes)
    assert found is not None
    assert found[1] is False
    assert as_names(large.model.grid, found[0]) == sorted(
        ((node.instance_type, dict(node.pods)) for node in nodes), key=repr
    )


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("change", ["more", "fewer", "both", "larger"])
def test_after_a_change_all_rules_hold(change: str, seed: int) -> None:
    large, _, counts, nodes = running()
    grid, rng = large.model.grid, stream(seed, "resident")
    here = np.flatnonzero(counts).tolist()
    now = counts.copy()
    if change == "larger":
        sizes = grid.sizes.copy()
        for i in rng.sample(here, 8):
            sizes[i, 0] = min(4000.0, sizes[i, 0] * 2)
        grid = replace(grid, sizes=sizes)
    else:
        factors = {"more": [1.25, 2.0], "fewer": [0.0, 0.5], "both": [0.0, 0.5, 1.25, 2.0]}[change]
        for i in rng.sample(here, 8):
            now[i] = round(now[i] * rng.choice(factors))
    found = settle(grid, now, nodes)
    assert found is not None
    judge(grid, now, found[0])


def test_what_has_not_changed_stays_where_it_is() -> None:
    large, _, counts, nodes = running()
    grid, now = large.model.grid, counts.copy()
    smallest = int(min(np.flatnonzero(counts).tolist(), key=lambda i: (grid.sizes[i, 0], grid.sizes[i, 1], i)))
    now[smallest] -= 1
    found = settle(grid, now, nodes)
    assert found is not None
    judge(grid, now, found[0])
    before = [(node.instance_type, dict(node.pods)) for node in nodes]
    same = sum(row in before for row in as_names(grid, found[0]))
    assert same >= len(nodes) - 1


def test_with_half_gone_nodes_are_given_up_or_it_says_that_they_are_dear() -> None:
    large, _, counts, nodes = running()
    now = np.floor(counts * 0.5)
    found = settle(large.model.grid, now, nodes)
    assert found is not None
    judge(large.model.grid, now, found[0])
    assert found[1]


def test_where_it_is_not_known_others_must_pack() -> None:
    large, _, counts, nodes = running()
    assert settle(large.model.grid, counts, ()) is None
    assert settle(large.model.grid, counts, [replace(node, instance_type="no such type") for node in nodes]) is None


@cache
def first(seed: int) -> tuple[Problem, Solved]:
    problem = synthetic(65, 650, seed)
    solved = solve(problem)
    assert isinstance(solved, Solved)
    return problem, solved


@pytest.mark.parametrize("seed", [1, 4])
def test_a_new_plan_with_nothing_changed_is_the_same(seed: int) -> None:
    """Packed anew, it came out up to 5 % dearer: nobody knew which pod was on which node."""
    problem, solved = first(seed)
    again = solve(changed(problem, solved, 0.0, seed, at_least=0))
    assert isinstance(again, Solved)
    assert again.packing == solved.packing
    assert again.moved_replicas == 0
    assert again.placement.pools == solved.placement.pools
    assert [row.nodes for row in again.placement.services] == [row.nodes for row in solved.placement.services]


def test_after_a_change_most_node_pools_carry_what_they_did() -> None:
    problem, solved = first(1)
    again = solve(changed(problem, solved, 0.03, 1))
    assert isinstance(again, Solved)
    before = Counter((node.site, node.instance_type, str(dict(node.pods))) for node in solved.packing)
    now = Counter((node.site, node.instance_type, str(dict(node.pods))) for node in again.packing)
    assert (before & now).total() >= 0.8 * len(solved.packing)


def test_counts_beyond_all_measure_are_no_more_than_the_replicas() -> None:
    large, _, counts, nodes = running()
    absurd = [replace(node, pods=dict.fromkeys(node.pods, 2**31 + 5)) for node in nodes]
    found = settle(large.model.grid, counts, absurd)
    assert found is not None
    judge(large.model.grid, counts, found[0])


def test_a_node_that_is_given_up_leaves_the_others_their_numbers() -> None:
    large, k, counts, nodes = running()
    kind = Counter(node.instance_type for node in nodes).most_common(1)[0][0]
    numbered = [node for node in nodes if node.instance_type == kind]
    gone, now = numbered[0], counts.copy()
    index = {s.name: i for i, s in enumerate(large.model.grid.problem.services)}
    for name, count in gone.pods.items():
        now[index[name]] -= count
    emptied = [replace(node, pods={}) if node is gone else node for node in nodes]
    found = settle(large.model.grid, now, emptied)
    assert found is not None
    rows = node_loads(large.model.grid, k, gone.site, found[0], ordered=True)
    after = [dict(row.pods) for row in rows if row.instance_type == kind]
    before = [dict(node.pods) for node in numbered]
    assert after == [before[-1], *before[1:-1]]


def test_where_a_new_rule_parts_pods_of_a_node_they_keep_their_zones() -> None:
    """Not: everything is placed anew."""
    problem, solved = first(1)
    now = changed(problem, solved, 0.0, 1, at_least=0)
    one, other = next(sorted(node.pods)[:2] for node in solved.packing if len(node.pods) > 1)
    parted = tuple(replace(s, apart=(Apart(service=other, over="node"),)) if s.name == one else s for s in now.services)
    now = canonical_problem(replace(now, services=parted))
    eligibility = eligible_sites(now)
    done = place_beside(now, eligibility, Large.of(now, eligibility))
    assert done is not None
    assert not broken_rules(now, done.assignment, done.pools, done.packing)
    assert all(done.assignment[s.name] == dict(s.current) for s in now.services)


def machine(name: str, cpu: int, price: float) -> InstanceOffer:
    return InstanceOffer(name=name, vcpu=cpu / 1000, cpu_millicores=cpu, memory_mib=2 * cpu, price_per_hour=price)


def small(*types: InstanceOffer, services: Sequence[ServiceDemand]) -> Problem:
    site = SiteOffer(id="a/r/z", region="a/r", cloud="a", partition="a", country="CN", types=types)
    return Problem(services=tuple(services), sites=(site,))


WEB = ServiceDemand(name="web", replicas=2, cpu_millicores=300, memory_mib=300, current={"a/r/z": 2})
VM = ServiceDemand(
    name="vm", replicas=1, cpu_millicores=3500, memory_mib=700, dedicated=True, current={"a/r/z": 1}
)  # fmt: skip


@pytest.mark.parametrize(("types", "services"), [(("big", "two"), (WEB, VM)), (("four", "two"), (WEB,))])
def test_machines_of_vm_services_that_are_no_more_are_left(
    types: tuple[str, ...], services: tuple[ServiceDemand, ...]
) -> None:
    """The type is no longer sold, or the service is gone."""
    sold = {"two": machine("two", 2000, 0.1), "four": machine("four", 4000, 0.2), "big": machine("big", 8000, 0.4)}
    node = NodeLoad(site="a/r/z", instance_type="two", pods={"web": 1})
    problem = replace(
        small(*(sold[name] for name in types), services=services),
        current_pools=(
            CurrentPool(site="a/r/z", instance_type="two", count=2),
            CurrentPool(site="a/r/z", instance_type="four", count=1, dedicated_to="vm"),
        ),
        current_nodes=(node, node),
    )
    answer = solve(problem)
    assert isinstance(answer, Solved)
    assert {p.dedicated_to: p.instance_type for p in answer.placement.pools} == (
        {"": "two", "vm": "big"} if VM in services else {"": "two"}
    )


def test_the_room_for_updates_stays_on_a_node_beside_the_spare_one() -> None:
    """Exchanges kept it free on the empty node, and took it from the other."""
    cores = {"s0": 600, "s1": 500, "s2": 300}
    carried: list[dict[str, int]] = [{}, {"s0": 1, "s1": 1, "s2": 3}, {"s0": 3, "s2": 2}, {"s0": 1, "s1": 3, "s2": 1}]
    total = {name: sum(pods.get(name, 0) for pods in carried) for name in cores}
    services = [ServiceDemand(name=n, replicas=total[n], cpu_millicores=c, memory_mib=c) for n, c in cores.items()]
    problem = replace(small(machine("two", 2700, 0.1), services=services), spare_node_per_pool=True)
    loads = [NodeLoad(site="a/r/z", instance_type="two", pods=pods) for pods in carried]
    spare = spare_pod(problem, "a/r/z", {name: {"a/r/z": n} for name, n in total.items()})
    for attempt in range(3):
        after = levelled(problem, problem.sites[0], loads, spare, attempt)
        free = [2700 - sum(cores[name] * n for name, n in load.pods.items()) for load in after if load.pods]
        assert max(free) >= 600
