"""`python -m benchmarks.scheduling.replay [--problem miniprogram|1k] [--seeds 5]`: our nodes under kube-scheduler.

The placement's certificate packs every pod; at run time the default scheduler decides pod by pod and may do worse. This
replays it (scheduler.run_time) on the nodes that were bought, with the preferences that we render (or, with --untied,
without them), in the release's order, with services in shuffled orders, and with all pods in shuffled orders. Then, on
the nodes as the release left them: a rolling update of every service, one after the other, with one pod more at a time;
and the loss of each node in turn, whose pods go where there is room, and its return empty. The solver replays, too,
with other seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, replace
from typing import Any

from model.rng import stream
from scheduler.held import Site, depths, sites_of
from scheduler.problem import Problem
from scheduler.run_time import Nodes, Pods, arrive_all, in_turn, mixed, update
from scheduler.verdicts import Solved

MOST_LOST = 20  # nodes per site that are lost, one at a time


@dataclass(frozen=True, slots=True)
class Outcome:
    """Pods that stay pending, in all sites together. whole: services of several replicas that are on one node.

    stuck: updates whose first new pod finds no room, of those tried. lost: pods of lost nodes, of which so many wait
    until the node is back, and so many wait then.
    """

    pods: int
    release: int
    services: int
    mixed: int
    whole: int = 0
    updates: int = 0
    stuck: int = 0
    lost: int = 0
    waiting: int = 0
    never: int = 0

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(*(getattr(self, f) + getattr(other, f) for f in Outcome.__dataclass_fields__))


def replay(problem: Problem, verdict: Solved, seed: int, *, tied: bool = True) -> Outcome:
    """All sites of a placement. The room for rolling updates and all headroom are free for the scheduler to use."""
    order = depths(problem)
    found = Outcome(0, 0, 0, 0)
    for site in sites_of(problem, verdict.placement, verdict.packing):
        found += _site(site, site.deployments(order) if tied else untied(site, order), seed)
    return found


def untied(site: Site, order: dict[str, int]) -> list[Pods]:
    """The site's Deployments with the spread over nodes alone, as they were rendered before there were ties."""
    loose = replace(site, loads=[replace(load, pods={}) for load in site.loads])
    return loose.deployments(order)


def _site(site: Site, release: list[Pods], seed: int) -> Outcome:
    rng = stream(seed, "replay with the default scheduler", site.offer.id)
    shuffled = list(release)
    rng.shuffle(shuffled)
    services = sum(in_turn(Nodes(site.rooms()), shuffled, rng).values())
    pods = sum(mixed(Nodes(site.rooms()), release, rng).values())
    nodes = Nodes(site.rooms())
    pending = sum(in_turn(nodes, release, rng).values())
    whole = sum(
        1
        for p in release
        if site.problem.service_by_name[p.name].replicas == p.count == nodes.carried[p.name].max() > 1
    )
    lost, waiting, never = _losses(site, release, seed)
    rolled = [p for p in release if site.problem.service_by_name[p.name].surge and nodes.carried[p.name].any()]
    rng.shuffle(rolled)
    stuck = sum(1 for p in rolled if not update(nodes, p, rng))
    count = sum(p.count for p in release)
    return Outcome(count, pending, services, pods, whole, len(rolled), stuck, lost, waiting, never)


def _losses(site: Site, release: list[Pods], seed: int) -> tuple[int, int, int]:
    """Each node (up to MOST_LOST) fails once: its pods, those that wait then, and those that wait when it is back."""
    by_name = {p.name: p for p in release}
    lost = waiting = never = 0
    for node in range(min(len(site.loads), MOST_LOST)):
        rng = stream(seed, "loss of a node", site.offer.id, node)
        nodes = Nodes(site.rooms())
        in_turn(nodes, release, rng)
        queue = [by_name[name] for name, count in nodes.lose(node).items() for _ in range(count)]
        rng.shuffle(queue)
        first = arrive_all(nodes, queue, rng)
        nodes.gone[node] = False
        again = [by_name[name] for name, count in first.items() for _ in range(count)]
        rng.shuffle(again)
        second = arrive_all(nodes, again, rng)
        lost, waiting, never = lost + len(queue), waiting + sum(first.values()), never + sum(second.values())
    return lost, waiting, never


def main(arguments: list[str] | None = None) -> int:
    """Exit 1 where there is no placement."""
    from benchmarks.scheduler import build
    from scheduler.solve import canonical_problem, solve

    parser = argparse.ArgumentParser(prog="python -m benchmarks.scheduling.replay", description=__doc__)
    parser.add_argument("--problem", choices=("miniprogram", "1k"), default="miniprogram")
    parser.add_argument("--replicas", type=int, help="a synthetic problem of so many replicas instead")
    parser.add_argument("--problem-seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--node-headroom", type=float, default=0.0)
    parser.add_argument("--spare-nodes", action="store_true")
    parser.add_argument("--node-pools", type=int, help="per cluster, instead of what the clouds allow")
    parser.add_argument("--room-at-run-time", action="store_true", help="buy machines for what stays pending")
    parser.add_argument("--untied", action="store_true", help="without preferences for the planned node pools")
    options = parser.parse_args(arguments)
    problem = canonical_problem(build(options.problem, options.replicas, options.problem_seed))
    problem = replace(problem, node_headroom=options.node_headroom, spare_node_per_pool=options.spare_nodes)
    problem = replace(problem, room_at_run_time=options.room_at_run_time)
    if options.node_pools:
        problem = replace(problem, node_pools=dict.fromkeys(problem.regions, options.node_pools))
    verdict = solve(problem)
    if not isinstance(verdict, Solved):
        sys.stderr.write(f"no placement: {verdict}\n")
        return 1
    rows = [replay(problem, verdict, seed, tied=not options.untied) for seed in range(1, options.seeds + 1)]
    result: dict[str, Any] = {
        "problem": f"{options.replicas} replicas" if options.replicas else options.problem,
        "tied": not options.untied,
        "cost": verdict.placement.cost.total_per_hour,
        "nodes": len(verdict.packing),
        "warnings": list(verdict.warnings),
        **{name: [getattr(row, name) for row in rows] for name in Outcome.__dataclass_fields__},
    }
    sys.stdout.write(json.dumps(result, indent=None) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
