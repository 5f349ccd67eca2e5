"""`python -m benchmarks.scheduling.replay [--problem miniprogram|1k] [--seeds 5]`: our nodes under kube-scheduler.

The placement's certificate packs every pod; at run time the default scheduler decides pod by pod and may do worse. This
replays it as documented ("Scheduler Configuration", "Pod Topology Spread Constraints", "Resource Bin Packing" of
kubernetes.io) on the nodes that were bought, one Deployment after the other in a shuffled order: a node must hold the
pod's requests and keep the limit of its service per node; the score is that of NodeResourcesFit with LeastAllocated
(weight 1), NodeResourcesBalancedAllocation (weight 1) and PodTopologySpread for the spread over nodes that we render
(weight 2); what else the default profile scores is equal on all nodes of a pool. Equal scores: any node. A pod that no
node holds stays pending. Told besides: what nodes would cost that an autoscaler adds, one by one, each the cheapest
type that holds the pod which waits.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.rng import stream
from scheduler.problem import Problem, ServiceDemand, SiteOffer
from scheduler.sizes import ON_DEMAND, node_cap, room, size_of
from scheduler.verdicts import Solved

Floats = NDArray[np.float64]
FULL = 100
MAX_SKEW = 1  # of the spread over nodes that orchestrator.render asks for
SPREAD_WEIGHT = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """pending: pods that no node holds; added, added_per_hour: nodes that an autoscaler buys for them."""

    pods: int
    pending: int
    added: int
    added_per_hour: float


class Nodes:
    """The Kubernetes nodes of one site and what runs there so far."""

    def __init__(self, rooms: Floats) -> None:
        self.rooms, self.used = rooms, np.zeros_like(rooms)
        self.carried: dict[str, Floats] = {}

    def choose(self, service: ServiceDemand, size: Floats, cap: int, rng: Random) -> int | None:
        """The node that the scheduler would take; None where none holds the pod."""
        mine = self.carried.setdefault(service.name, np.zeros(len(self.rooms)))
        able = np.flatnonzero((self.used + size <= self.rooms + 1e-9).all(axis=1) & (mine < cap))
        if not len(able):
            return None
        total = score(self.rooms[able], self.used[able] + size) + SPREAD_WEIGHT * spread_score(mine[able])
        return int(able[rng.choice(np.flatnonzero(total == total.max()).tolist())])

    def bind(self, node: int, service: ServiceDemand, size: Floats) -> None:
        self.used[node] += size
        self.carried[service.name][node] += 1

    def add(self, holds: Floats) -> None:
        self.rooms = np.vstack([self.rooms, holds])
        self.used = np.vstack([self.used, np.zeros_like(holds)])
        self.carried = {name: np.append(counts, 0.0) for name, counts in self.carried.items()}


def score(rooms: Floats, used: Floats) -> Floats:
    """LeastAllocated and BalancedAllocation of cpu and memory, 0 to 100 each, with the pod on the node."""
    share = used[:, :2] / np.maximum(rooms[:, :2], 1.0)
    free = (rooms[:, :2] - used[:, :2]) * FULL
    least = np.floor(np.floor(free / np.maximum(rooms[:, :2], 1.0)).sum(axis=1) / 2)
    balanced = np.floor((1.0 - np.abs(share[:, 0] - share[:, 1]) / 2) * FULL)
    return np.asarray(least + balanced)


def spread_score(counts: Floats) -> Floats:
    """PodTopologySpread over nodes: the fewer pods of the service a node has, the better; 0 to 100."""
    raw = np.floor(counts * np.log(len(counts) + 2) + (MAX_SKEW - 1))
    most, least = raw.max(), raw.min()
    if most == 0:
        return np.full(len(counts), float(FULL))
    return np.asarray(np.floor(FULL * (most + least - raw) / most))


def replay(problem: Problem, verdict: Solved, seed: int, *, largest_first: bool = False) -> Outcome:
    """All sites of a placement. The room for rolling updates and all headroom are free for the scheduler to use.

    largest_first: as if pods had priorities by their size, which is how the scheduler orders its queue.
    """
    rng = stream(seed, "replay with the default scheduler")
    placed = {row.service: row.replicas for row in verdict.placement.services}
    sums = np.zeros(4)
    for site in problem.sites:
        rows = [(s, placed[s.name][site.id]) for s in problem.services if site.id in placed[s.name] and not s.dedicated]
        if rows:
            rng.shuffle(rows)
            if largest_first:
                rows.sort(key=lambda row: -weight(site, row[0]))
            sums += _site(problem, site, rows, [p.instance_type for p in verdict.packing if p.site == site.id], rng)
    return Outcome(int(sums[0]), int(sums[1]), int(sums[2]), float(sums[3]))


def weight(site: SiteOffer, service: ServiceDemand) -> float:
    """A pod's larger share of the site's largest machine."""
    cpu, memory = (max(getattr(t, name) for t in site.types) for name in ("cpu_millicores", "memory_mib"))
    return max(service.cpu_millicores / cpu, service.memory_mib / memory)


def _site(
    problem: Problem, site: SiteOffer, rows: list[tuple[ServiceDemand, int]], bought: list[str], rng: Random
) -> Floats:
    holds = {t.name: np.array(room(problem, replace(t, headroom=0.0)), float) for t in site.types}
    nodes = Nodes(np.array([holds[name] for name in bought]))
    pending: list[ServiceDemand] = []
    pods = 0
    for service, count in rows:
        for _ in range(count):
            pods += 1
            if not _try(problem, nodes, service, rng):
                pending.append(service)
    added, price = 0, 0.0
    for service in pending:
        if not _try(problem, nodes, service, rng):
            size = np.array(_size(service))
            offer = min(
                (t for t in site.types if (size <= holds[t.name]).all()), key=lambda t: (t.price_per_hour, t.name)
            )
            nodes.add(holds[offer.name])
            added, price = added + 1, price + offer.price_per_hour
            assert _try(problem, nodes, service, rng)
    return np.array([pods, len(pending), added, price])


def _try(problem: Problem, nodes: Nodes, service: ServiceDemand, rng: Random) -> bool:
    size = np.array(_size(service), float)
    node = nodes.choose(service, size, node_cap(problem, service), rng)
    if node is not None:
        nodes.bind(node, service, size)
    return node is not None


def _size(service: ServiceDemand) -> tuple[int, ...]:
    """What the scheduler sees; that a part of the pods may not be on spot machines is not replayed."""
    return tuple(0 if axis == ON_DEMAND else need for axis, need in enumerate(size_of(service)))


def main(arguments: list[str] | None = None) -> int:
    """Exit 1 where there is no placement."""
    from benchmarks.scheduler import build
    from scheduler.solve import canonical_problem, solve

    parser = argparse.ArgumentParser(prog="python -m benchmarks.scheduling.replay", description=__doc__)
    parser.add_argument("--problem", choices=("miniprogram", "1k"), default="miniprogram")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--node-headroom", type=float, default=0.0)
    parser.add_argument("--spare-nodes", action="store_true")
    parser.add_argument("--largest-first", action="store_true", help="as if pods had priorities by their size")
    options = parser.parse_args(arguments)
    problem = canonical_problem(build(options.problem, None, 1))
    problem = replace(problem, node_headroom=options.node_headroom, spare_node_per_pool=options.spare_nodes)
    verdict = solve(problem)
    if not isinstance(verdict, Solved):
        sys.stderr.write(f"no placement: {verdict}\n")
        return 1
    rows = [replay(problem, verdict, seed, largest_first=options.largest_first) for seed in range(1, options.seeds + 1)]
    result: dict[str, Any] = {
        "problem": options.problem,
        "node_headroom": options.node_headroom,
        "spare_node_per_pool": options.spare_nodes,
        "largest_first": options.largest_first,
        "cost": verdict.placement.cost.total_per_hour,
        "pods": rows[0].pods,
        "pending": [r.pending for r in rows],
        "nodes_added": [r.added for r in rows],
        "added_per_hour": [round(r.added_per_hour, 4) for r in rows],
    }
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
