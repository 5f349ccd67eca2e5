"""kube-scheduler with its default profile, as far as it decides where our pods go: what it does with a site's nodes.

Callers: held (which sees to it that a placement holds at run time), benchmarks.scheduling.replay. Pure.

As documented (kubernetes.io: "Scheduler Configuration", "Assigning Pods to Nodes", "Pod Topology Spread Constraints",
"Resource Bin Packing") and as its plugins compute it: a node must have room for the pod's requests and carry no more of
its service than one node may. The score is the sum of NodeResourcesFit with LeastAllocated (weight 1),
NodeResourcesBalancedAllocation (1), NodeAffinity's preferences (2) and PodTopologySpread's soft rule over nodes (2).
InterPodAffinity, TaintToleration and ImageLocality are equal on all nodes: we render nothing that they look at. Not
replayed: that clusters of more than 100 nodes score only a part of those that fit, and the share of pods on spot
machines.

What we render (`ties`) pulls each pod towards the nodes that the certificate gives its service, by how many of it each
is to carry: a preference, so that the pods of a lost node go wherever there is room.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Vector = TypeVar("Vector", Floats, NDArray[np.int64])
FULL = 100
AFFINITY_WEIGHT = SPREAD_WEIGHT = 2
STRONGEST_STEP = 100.0  # points of score that one pod more of the service takes from a node, at most
ALL_STEPS = 150.0  # and so many by all of them: a planned node must stay ahead of one that is not (200 points)
ONE_PLACE = 1000  # maxSkew where all belong together: then an uneven spread hardly matters
LEVEL_STEPS = 80.0  # where the hard rule alone sees to it that all of them get as many
TYPICAL_SPREAD = 3.0  # log(nodes + 2) of some twenty nodes: the scheduler's weight of one pod in the spread's score


@dataclass(frozen=True, slots=True)
class Ties:
    """What a Deployment's pods prefer: weight (1 to 100) per node pool, and the maxSkew of its soft spread over nodes,
    which the scheduler takes as how little an uneven spread matters. most: on one node, as a hard rule; None for none.
    """

    weights: Mapping[str, int]
    max_skew: int = 1
    most: int | None = None


def ties(planned: Mapping[str, float], count: int, nodes: int) -> Ties:
    """planned: pool -> replicas that each of its nodes is to carry; count: of all of them; nodes: of the site.

    The spread takes `step` points for each pod of the service that a node has already, the weights give a node as many
    more points as it is to carry more of them: so they fill side by side. No node gets more than planned for any where
    that keeps no pod away from the others should one node in eight be lost.
    """
    most = max(planned.values(), default=0.0)
    if most <= 0:
        return Ties({})
    limit = math.ceil(most)
    limited = limit * (nodes - max(1, nodes // 8)) >= count
    level = limited and min(v for v in planned.values() if v > 0) == most
    step = min(STRONGEST_STEP, (LEVEL_STEPS if level else ALL_STEPS) / limit)
    weights = {
        pool: max(1, math.floor(FULL - step / AFFINITY_WEIGHT * (most - count)))
        for pool, count in sorted(planned.items())
        if count > 0
    }
    if len(weights) == 1 and count <= most:
        return Ties(weights, ONE_PLACE)
    skew = FULL * SPREAD_WEIGHT * TYPICAL_SPREAD / step - TYPICAL_SPREAD * math.ceil(most) + 1
    return Ties(weights, max(1, round(skew)), limit if limited else None)


@dataclass(frozen=True, slots=True)
class Pods:
    """One Deployment as the scheduler sees it. size: requests, one number per resource; most: on one node.

    weights: the preference for each node of the site; zeros for none.
    """

    name: str
    count: int
    size: Floats
    most: int
    weights: Floats
    max_skew: int = 1


@dataclass(slots=True)
class Nodes:
    """The nodes of one site and what runs on them. rooms, used: a row per node, a column per resource (cpu first)."""

    rooms: Floats
    used: Floats = field(init=False)
    carried: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    gone: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.used = np.zeros_like(self.rooms)
        self.gone = np.zeros(len(self.rooms), bool)

    def arrive(self, pods: Pods, count: int, rng: Random | None = None) -> list[int]:
        """The nodes that so many new pods are bound to, one after the other; pods beyond them stay pending.

        Equal scores: any node, the first where there is no rng.
        """
        mine = self.carried.setdefault(pods.name, np.zeros(len(self.rooms), np.int64))
        fits = ~self.gone & (mine < pods.most) & (self.used + pods.size <= self.rooms + 1e-9).all(axis=1)
        able = np.flatnonzero(fits)
        bound: list[int] = []
        if not count or not len(able):
            return bound
        base = resource_score(self.rooms[able], self.used[able] + pods.size)
        while len(able):
            fixed = base + AFFINITY_WEIGHT * affinity_score(pods.weights[able])
            raw = skewed(mine[able], len(able), pods.max_skew)
            while True:
                total = fixed + SPREAD_WEIGHT * spread_of(raw)
                at = int(total.argmax())
                if rng is not None:
                    best = np.flatnonzero(total == total[at])
                    at = int(best[0]) if len(best) == 1 else rng.choice(best.tolist())
                node = int(able[at])
                self.bind(pods, node)
                bound.append(node)
                if len(bound) == count:
                    return bound
                if mine[node] >= pods.most or (self.used[node] + pods.size > self.rooms[node] + 1e-9).any():
                    able, base = without(able, at), without(base, at)
                    break
                score = resource_score_of(self.rooms[node], self.used[node] + pods.size)
                fixed[at] += score - base[at]
                base[at] = score
                raw[at] = skewed(mine[node], len(able), pods.max_skew)
        return bound

    def bind(self, pods: Pods, node: int) -> None:
        self.used[node] += pods.size
        if pods.name not in self.carried:
            self.carried[pods.name] = np.zeros(len(self.rooms), np.int64)
        self.carried[pods.name][node] += 1

    def end(self, pods: Pods, node: int) -> None:
        """One of its pods there ends."""
        self.used[node] -= pods.size
        self.carried[pods.name][node] -= 1

    def lose(self, node: int) -> dict[str, int]:
        """The node fails: what ran there, by Deployment. Nothing is bound to it until it returns."""
        lost = {name: int(counts[node]) for name, counts in sorted(self.carried.items()) if counts[node]}
        self.used[node], self.gone[node] = 0.0, True
        for name in lost:
            self.carried[name][node] = 0
        return lost


def without(values: Vector, at: int) -> Vector:
    """The same but for that one; several times as fast as numpy's delete."""
    return np.concatenate([values[:at], values[at + 1 :]])


def resource_score(rooms: Floats, used: Floats) -> Floats:
    """LeastAllocated and BalancedAllocation of cpu and memory, 0 to 100 each, with the pod on the node."""
    have = np.maximum(rooms[:, :2], 1.0)
    share = used[:, :2] / have
    each = np.floor((rooms[:, :2] - used[:, :2]) * FULL / have)
    least = np.floor((each[:, 0] + each[:, 1]) / 2)
    balanced = np.floor((1.0 - np.abs(share[:, 0] - share[:, 1]) / 2) * FULL)
    return np.asarray(least + balanced)


def resource_score_of(room: Floats, used: Floats) -> float:
    """The same of one node: what changes when a pod is bound."""
    least, shares = 0, []
    for have, taken in zip(room[:2].tolist(), used[:2].tolist(), strict=True):
        most = max(have, 1.0)
        least += math.floor((have - taken) * FULL / most)
        shares.append(taken / most)
    return float(math.floor(least / 2) + math.floor((1.0 - abs(shares[0] - shares[1]) / 2) * FULL))


def skewed(counts: NDArray[np.int64] | Floats, nodes: int, max_skew: int) -> Floats:
    """What PodTopologySpread adds up for nodes with so many of the service's pods. nodes: that a pod may go to."""
    return np.asarray(np.floor(counts * math.log(nodes + 2) + (max_skew - 1) + 0.5))


def spread_of(raw: Floats) -> Floats:
    """That as a score: the fewer of them a node has, the better; 0 to 100."""
    most, least = float(raw.max()), float(raw.min())
    if most == 0:
        return np.full(len(raw), float(FULL))
    return np.asarray(np.floor(FULL * (most + least - raw) / most))


def affinity_score(weights: Floats) -> Floats:
    """NodeAffinity: the preferred terms' weights of each node, the largest as 100."""
    most = weights.max()
    return np.asarray(np.floor(FULL * weights / most)) if most > 0 else np.zeros(len(weights))


def in_turn(nodes: Nodes, deployments: Sequence[Pods], rng: Random | None = None) -> dict[str, int]:
    """Deployments arrive one after the other with all their pods. Returns what stays pending."""
    pending = {pods.name: pods.count - len(nodes.arrive(pods, pods.count, rng)) for pods in deployments}
    return {name: count for name, count in pending.items() if count}


def mixed(nodes: Nodes, deployments: Sequence[Pods], rng: Random) -> dict[str, int]:
    """All pods arrive in a shuffled order. Returns what stays pending."""
    queue = [pods for pods in deployments for _ in range(pods.count)]
    rng.shuffle(queue)
    return arrive_all(nodes, queue, rng)


def arrive_all(nodes: Nodes, queue: Sequence[Pods], rng: Random | None = None) -> dict[str, int]:
    """One pod after the other; a Deployment may be in the queue many times. Returns what stays pending."""
    pending: dict[str, int] = {}
    for pods in queue:
        if not nodes.arrive(pods, 1, rng):
            pending[pods.name] = pending.get(pods.name, 0) + 1
    return pending


def update(nodes: Nodes, pods: Pods, rng: Random | None = None) -> bool:
    """A rolling update that may have one pod more than wanted and none less: each new pod first, then an old one ends.

    False where the first new pod finds no room: the update then stands still. The old pods' nodes are given up in the
    order of their nodes; the limit per node counts each version by itself (`matchLabelKeys`).
    """
    old = [node for node, count in enumerate(nodes.carried[pods.name]) for _ in range(count)]
    fresh = Pods(f"{pods.name} (new)", pods.count, pods.size, pods.most, pods.weights, pods.max_skew)
    for node in old:
        if not nodes.arrive(fresh, 1, rng):
            return False
        nodes.end(pods, node)
    nodes.carried[pods.name] = nodes.carried.pop(fresh.name, nodes.carried[pods.name])
    return True
