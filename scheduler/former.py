"""Keeps pods on the nodes that they were planned on before, so that a new placement rolls no Deployment without need.

Callers: orchestrator.placing, after solve, where something runs already. Pure. A Deployment prefers its node pools
(`run_time.ties`), and a preference that changes is a new template, which replaces its pods. The solver packs anew each
time, and nodes of one type in a site are interchangeable. So the nodes are filled as they were, what is new goes into
the room that is left, and where that does not go, the new nodes get the names of the old ones that they are most like.
Either counts only where every rule holds and a replay leaves no more pods pending. Cost and machines stay as they are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from scheduler.check import broken_rules, spare_pod
from scheduler.held import MOST_REPLAYED, Site, depths, sites_of
from scheduler.problem import NodeLoad, Problem
from scheduler.run_time import Floats
from scheduler.sizes import CPU, ON_DEMAND, node_cap, room, size_of
from scheduler.solve import canonical_problem
from scheduler.verdicts import Solved

MOST_KEEPERS = 4  # nodes that are tried as the one with the room for updates

# service -> site -> node pool -> replicas, as in ServicePlacement.nodes
Former = Mapping[str, Mapping[str, Mapping[str, int]]]


def kept_nodes(problem: Problem, solved: Solved, former: Former) -> Solved:
    """The same placement on the same machines, with each node's pods as much as before as it goes.

    Sites where a node pool has several nodes are left alone: nobody says which of them carries what.
    """
    problem, packing = canonical_problem(problem), list(solved.packing)
    assignment = {row.service: row.replicas for row in solved.placement.services}
    order = depths(problem)
    for site in sites_of(problem, solved.placement, packing):
        most: int | None = None
        for loads in _ways(problem, site, former, assignment) if site.exact() else ():
            most = _pending(site, order) if most is None else most
            changed = [*(load for load in packing if load.site != site.offer.id), *loads]
            if broken_rules(problem, assignment, solved.placement.pools, changed):
                continue
            if _pending(replace(site, loads=loads), order) <= most:
                packing = changed
                break
    return _with_nodes(problem, solved, packing)


def _pending(site: Site, order: Mapping[str, int]) -> int:
    return 0 if sum(site.placed.values()) > MOST_REPLAYED else sum(site.pending(order).values())


def _ways(
    problem: Problem, site: Site, former: Former, assignment: Mapping[str, Mapping[str, int]]
) -> Iterator[list[NodeLoad]]:
    """What the site's nodes may carry instead, the most wanted first; nothing where nothing is known of before."""
    number = {key: node for node, key in enumerate(site.keys())}
    before = [dict[str, int]() for _ in site.loads]
    for name in site.placed:
        for key, count in former.get(name, {}).get(site.offer.id, {}).items():
            if key in number and count > 0:
                before[number[key]][name] = count
    if any(before):
        filled = _filled(problem, site, before, np.array(spare_pod(problem, site.offer.id, assignment), float))
        if filled is not None:
            yield _loads(site.loads, filled)
        yield _renamed(site, before)


def _loads(loads: Sequence[NodeLoad], pods: Sequence[Mapping[str, int]]) -> list[NodeLoad]:
    return [replace(load, pods=dict(sorted(p.items()))) for load, p in zip(loads, pods, strict=True)]


# -- as before, and the rest into what is left -------------------------------------------------------------------


def _filled(
    problem: Problem, site: Site, before: Sequence[Mapping[str, int]], spare: Floats
) -> list[dict[str, int]] | None:
    """The nodes as they were, without what has gone, and with what is new where there is room; None where it has none.

    spare: the room for updates, which some node keeps.
    """
    pods, loose = _still(before, site.placed)
    offers = {t.name: t for t in site.offer.types}
    size = {name: np.array(size_of(problem.service_by_name[name]), float) for name in site.placed}
    free = np.array([room(problem, offers[load.instance_type]) for load in site.loads], float)
    for node, here in enumerate(pods):
        for name, count in here.items():
            # Which of a service's pods may be on spot machines is judged for all of them, by the check.
            free[node] -= np.where(np.arange(len(size[name])) == ON_DEMAND, 0.0, size[name]) * count
    queue = sorted(loose.elements(), key=lambda n: (-size[n][0], -size[n][1], n))
    fit = np.flatnonzero((free >= spare).all(axis=1))
    for keeper in fit[np.argsort(free[fit, CPU], kind="stable")][
        :MOST_KEEPERS
    ].tolist():  # those with the least cpu left
        left = free.copy()
        left[keeper] -= spare
        tried = [dict(here) for here in pods]
        if all(_put(problem, name, size[name], left, tried) for name in queue):
            return tried
    return None


def _still(before: Sequence[Mapping[str, int]], placed: Mapping[str, int]) -> tuple[list[dict[str, int]], Counter[str]]:
    """What stays on each node, and what is left over of each service. Where there are fewer, the fullest give up."""
    pods, loose = [dict(here) for here in before], Counter[str]()
    for name, count in sorted(placed.items()):
        extra = sum(here.get(name, 0) for here in pods) - count
        for _ in range(extra):
            here = max(pods, key=lambda p: p.get(name, 0))
            here[name] -= 1
            if not here[name]:
                del here[name]
        loose[name] = max(0, -extra)
    return pods, loose


def _put(problem: Problem, name: str, size: Floats, free: Floats, pods: Sequence[dict[str, int]]) -> bool:
    """One pod of it where it fits: where the fewest of it are, then where the least cpu is left."""
    cap = node_cap(problem, problem.service_by_name[name])
    nodes = [n for n in np.flatnonzero((free >= size).all(axis=1)).tolist() if pods[n].get(name, 0) < cap]
    if not nodes:
        return False
    node = min(nodes, key=lambda n: (pods[n].get(name, 0), free[n][0], n))
    pods[node][name] = pods[node].get(name, 0) + 1
    free[node] -= size
    return True


# -- as planned now, under the names that fit best ---------------------------------------------------------------


def _renamed(site: Site, before: Sequence[Mapping[str, int]]) -> list[NodeLoad]:
    """Nodes of one type change places so that each is as like the former one there as it goes; the most alike first."""
    found = list(site.loads)
    members: defaultdict[str, list[int]] = defaultdict(list)
    for node, load in enumerate(site.loads):
        members[load.instance_type].append(node)
    for nodes in members.values():
        alike = {(new, old): _alike(site.loads[new].pods, before[old]) for new in nodes for old in nodes}
        done: dict[int, int] = {}
        for new, old in sorted(alike, key=lambda pair: (-alike[pair], pair)):
            if new not in done.values() and old not in done:
                done[old] = new
        for old, new in done.items():
            found[old] = site.loads[new]
    return found


def _alike(one: Mapping[str, int], other: Mapping[str, int]) -> int:
    """Services of which both carry as many: only these prefer the node as strongly as before."""
    return sum(1 for name, count in one.items() if other.get(name, 0) == count)


def _with_nodes(problem: Problem, solved: Solved, packing: Sequence[NodeLoad]) -> Solved:
    nodes: defaultdict[str, dict[str, dict[str, int]]] = defaultdict(dict)
    for site in sites_of(problem, solved.placement, packing):
        for name, row in site.nodes_of().items():
            nodes[name][site.offer.id] = row
    services = tuple(replace(row, nodes=nodes.get(row.service, {})) for row in solved.placement.services)
    return replace(solved, placement=replace(solved.placement, services=services), packing=tuple(packing))
