"""How good a node is for a pod that prefers some nodes. Pure.

As kubernetes.io documents the default profile ("Scheduler Configuration", "Assigning Pods to Nodes", "Pod Topology
Spread Constraints"): NodeResourcesFit with LeastAllocated and NodeResourcesBalancedAllocation (weight 1 each),
NodeAffinity's preferred terms and PodTopologySpread's soft constraints (2 each), every one 0 to 100. Not scored:
preferences towards other pods, taints of effect PreferNoSchedule, images. Callers: fit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from sandbox.kubernetes.controllers.affinity import counts_for, term_matches

Object = Mapping[str, Any]
FULL = 100
AFFINITY_WEIGHT = SPREAD_WEIGHT = 2


class Place(Protocol):
    """A node with what is used of it."""

    name: str
    labels: Mapping[str, str]
    guarded: dict[str, Object]
    cpu_millicores: int
    memory_mib: int
    used_cpu: int
    used_memory: int

    def each_pod(self) -> Iterable[Object]: ...


def preferences(pod: Object) -> Sequence[Object]:
    """The pod's preferred terms of node affinity."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    return affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()


def scores(pod: Object, cpu_millicores: int, memory_mib: int, places: Sequence[Place]) -> list[float]:
    """One score per place, of those that fit."""
    wanted = _affinity(pod, places)
    spread = _spread(pod, places)
    return [
        _resources(p, cpu_millicores, memory_mib) + AFFINITY_WEIGHT * a + SPREAD_WEIGHT * s
        for p, a, s in zip(places, wanted, spread, strict=True)
    ]


def _resources(place: Place, cpu_millicores: int, memory_mib: int) -> float:
    rows = (
        (place.used_cpu + cpu_millicores, max(place.cpu_millicores, 1)),
        (place.used_memory + memory_mib, max(place.memory_mib, 1)),
    )
    least = sum((have - used) * FULL // have for used, have in rows) // 2
    cpu, memory = (used / have for used, have in rows)
    return least + math.floor((1 - abs(cpu - memory) / 2) * FULL)


def _affinity(pod: Object, places: Sequence[Place]) -> list[int]:
    terms = preferences(pod)
    raw = [sum(int(t["weight"]) for t in terms if term_matches(t.get("preference") or {}, p)) for p in places]
    most = max(raw, default=0)
    return [FULL * value // most if most else 0 for value in raw]


def _spread(pod: Object, places: Sequence[Place]) -> list[int]:
    rules = [
        r for r in pod["spec"].get("topologySpreadConstraints") or () if r.get("whenUnsatisfiable") == "ScheduleAnyway"
    ]
    if not rules:
        return [0] * len(places)
    raw = [0.0] * len(places)
    for rule in rules:
        key = rule["topologyKey"]
        carried: dict[str, int] = {}
        for place in places:
            value = place.labels.get(key, "")
            carried[value] = carried.get(value, 0) + sum(counts_for(rule, pod, other) for other in place.each_pod())
        weight = math.log(len(carried) + 2)
        for index, place in enumerate(places):
            raw[index] += carried[place.labels.get(key, "")] * weight + rule.get("maxSkew", 1) - 1
    whole = [math.floor(value + 0.5) for value in raw]
    most, least = max(whole), min(whole)
    return [FULL * (most + least - value) // most if most else FULL for value in whole]
