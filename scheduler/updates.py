"""Whether each service's rolling update finds room when all are updated one after the other. Pure.

Callers: orchestrator.placing (which tells it with the plan), benchmarks.scheduling.replay. An update begins with one
pod more, which takes the room that the site keeps for that, and leaves a hole where its last old pod was. After some
of them the room is in pieces, and a large pod finds none. So the engine brings pods back to their planned nodes after
each rollout (providers.base.Returning), one more first and none less; here it is replayed as it does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray

from model.rng import stream
from scheduler.held import MOST_REPLAYED, Site, depths, sites_of
from scheduler.problem import Problem
from scheduler.run_time import Nodes, Pods, update
from scheduler.solve import canonical_problem
from scheduler.verdicts import Solved

NAMED = 3  # services that a warning names
Counts = NDArray[np.int64]


def planned_on(site: Site) -> dict[str, Counts]:
    """Service -> how many of its pods each node of the site is to carry."""
    names = {name for load in site.loads for name in load.pods}
    return {name: np.array([load.pods.get(name, 0) for load in site.loads], np.int64) for name in sorted(names)}


def bring_back(nodes: Nodes, pods: Pods, planned: Counts, rng: Random | None = None) -> int:
    """Pods beyond what their node is to carry return, one by one, until a new one finds no planned node. How many."""
    for moved in range(pods.count):
        if not (nodes.carried[pods.name] > planned).any():
            return moved
        bound = nodes.arrive(pods, 1, rng)
        if not bound:
            return moved
        beyond = nodes.carried[pods.name] > planned
        if beyond[bound[0]]:
            nodes.end(pods, bound[0])
            return moved
        nodes.end(pods, int(np.flatnonzero(beyond)[0]))
    return pods.count


def released(site: Site, deployments: Sequence[Pods], rng: Random | None = None) -> Nodes:
    """The site as a release leaves it: each Deployment arrives, and what found no planned node is brought back."""
    nodes, planned = Nodes(site.rooms()), planned_on(site)
    for pods in deployments:
        if nodes.arrive(pods, pods.count, rng):
            bring_back(nodes, pods, planned[pods.name], rng)
    return nodes


def stuck_updates(site: Site, nodes: Nodes, deployments: Sequence[Pods], rng: Random) -> tuple[list[str], int]:
    """Services whose update finds no room, where all that begin with a pod more are updated in a shuffled order, and
    how many those are."""
    planned = planned_on(site)
    rolled = [p for p in deployments if site.problem.service_by_name[p.name].surge and nodes.carried[p.name].any()]
    rng.shuffle(rolled)
    stuck = []
    for pods in rolled:
        if update(nodes, pods, rng):
            bring_back(nodes, pods, planned[pods.name], rng)
        else:
            stuck.append(pods.name)
    return stuck, len(rolled)


def update_warnings(problem: Problem, solved: Solved) -> tuple[str, ...]:
    """What is to be known of a placement's updates, a line a site. Sites too large to be replayed are told by held."""
    problem = canonical_problem(problem)
    order, found = depths(problem), []
    for site in sites_of(problem, solved.placement, solved.packing):
        if sum(site.placed.values()) > MOST_REPLAYED:
            continue
        deployments = site.deployments(order)
        nodes = released(site, deployments)
        stuck, tried = stuck_updates(site, nodes, deployments, stream(0, "updates in turn", site.offer.id))
        if stuck:
            found.append(_warning(site.offer.id, stuck, tried))
    return tuple(found)


def _warning(site: str, stuck: Sequence[str], tried: int) -> str:
    names = ", ".join(sorted(stuck)[:NAMED]) + (", ..." if len(stuck) > NAMED else "")
    return (
        f"{site}: where all services are updated in turn, {len(stuck)} of {tried} updates may find no room for a pod "
        f"more ({names}): set node_headroom or spare_node_per_pool, or `rollout: {{max_surge: 0, max_unavailable: 1}}` "
        f"where one replica less is no harm"
    )
