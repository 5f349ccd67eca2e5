"""Whether a pod fits on a node, and which of those that fit is best. Pure.

Filters in the order of the scheduler's plugins, with its messages. A pod that prefers some nodes goes where scoring.py
says; others are spread. Rules about labels, taints and other pods are in affinity.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sandbox.kubernetes import quantities
from sandbox.kubernetes.controllers.affinity import Surroundings, guards, node_matches, tolerance_s, tolerates
from sandbox.kubernetes.controllers.scoring import preferences, scores

__all__ = ["Need", "Slot", "Verdict", "choose", "may_run_on", "must_leave", "need_of", "refusals", "tolerance_s"]

Object = Mapping[str, Any]
ZONE = "topology.kubernetes.io/zone"
_UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
_NOT_COUNTED = frozenset({"cpu", "memory", "pods"})
Ports = frozenset[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Need:
    """What a pod asks of a node. other: extended resources and the like, in their own units."""

    cpu_millicores: int = 0
    memory_mib: int = 0
    other: Mapping[str, int] = field(default_factory=dict)
    ports: Ports = frozenset()


@lru_cache(maxsize=4096)
def _cpu(text: str) -> int:
    return quantities.millicores(text)


@lru_cache(maxsize=4096)
def _memory(text: str) -> int:
    return quantities.whole_mib(text)


@lru_cache(maxsize=4096)
def _whole(text: str) -> int:
    return int(quantities.parse(text))


def need_of(pod: Object) -> Need:
    """Sum over containers and sidecars, or the largest init container where that is more."""
    spec = pod["spec"]
    inits = spec.get("initContainers") or ()
    lasting = [*(spec.get("containers") or ()), *(c for c in inits if c.get("restartPolicy") == "Always")]
    rows = [(c.get("resources") or {}).get("requests") or {} for c in lasting]
    first = [(c.get("resources") or {}).get("requests") or {} for c in inits]
    others = {n for row in (*rows, *first) for n in row} - _NOT_COUNTED

    def most(name: str, read: Any) -> int:
        return int(max([sum(read(str(r.get(name, "0"))) for r in rows), *(read(str(r.get(name, "0"))) for r in first)]))

    ports = frozenset(
        (p.get("protocol", "TCP"), int(p["hostPort"]))
        for c in spec.get("containers") or ()
        for p in c.get("ports") or ()
        if p.get("hostPort")
    )
    return Need(most("cpu", _cpu), most("memory", _memory), {n: most(n, _whole) for n in others}, ports)


@dataclass(slots=True)
class Slot:
    """A node as the scheduler sees it, with the pods that are bound to it and have not ended."""

    node: Object
    name: str
    labels: Mapping[str, str]
    taints: Sequence[Object]
    cpu_millicores: int
    memory_mib: int
    most_pods: int
    other: Mapping[str, int]
    pods: dict[str, tuple[Object, Need]] = field(default_factory=dict)
    guarded: dict[str, Object] = field(default_factory=dict)
    mates: Counter[str] = field(default_factory=Counter)
    used_cpu: int = 0
    used_memory: int = 0
    used_other: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, node: Object) -> Slot:
        room = (node.get("status") or {}).get("allocatable") or {}
        return cls(
            node,
            str(node["metadata"]["name"]),
            node["metadata"].get("labels") or {},
            (node.get("spec") or {}).get("taints") or (),
            _cpu(str(room.get("cpu", "0"))),
            _memory(str(room.get("memory", "0"))),
            int(room.get("pods", "0")),
            {k: _whole(str(v)) for k, v in room.items() if k not in _NOT_COUNTED},
        )

    def each_pod(self) -> Iterable[Object]:
        return [pod for pod, _need in self.pods.values()]

    @property
    def ports(self) -> Ports:
        return frozenset(p for _pod, need in self.pods.values() for p in need.ports)

    def take(self, pod: Object) -> None:
        """Counts the pod here; one that is counted already is replaced by its newer state."""
        key = _key(pod)
        if key in self.pods:
            self.pods[key] = (pod, self.pods[key][1])
            return
        need = need_of(pod)
        self.pods[key] = (pod, need)
        self._count(pod, need, 1)
        if guards(pod):
            self.guarded[key] = pod

    def drop(self, pod: Object) -> None:
        """Forgets the pod; one that is not counted is nothing to it."""
        key = _key(pod)
        known = self.pods.pop(key, None)
        self.guarded.pop(key, None)
        if known is not None:
            self._count(known[0], known[1], -1)

    def _count(self, pod: Object, need: Need, sign: int) -> None:
        self.used_cpu += sign * need.cpu_millicores
        self.used_memory += sign * need.memory_mib
        for name, amount in need.other.items():
            self.used_other[name] += sign * amount
        for row in pod["metadata"].get("ownerReferences") or ():
            self.mates[row["uid"]] += sign


def _key(pod: Object) -> str:
    return str(pod["metadata"].get("uid") or id(pod))


@dataclass(frozen=True, slots=True)
class Verdict:
    """node: where to, or None; message says why not. hopeful: nodes where removing pods could make room."""

    node: str | None
    message: str = ""
    hopeful: tuple[str, ...] = ()


def choose(pod: Object, slots: Sequence[Slot]) -> Verdict:
    """The best node that fits. Ties go to the first by order, so that runs repeat."""
    if not slots:
        return Verdict(None, "no nodes available to schedule pods")
    need, around = need_of(pod), Surroundings.of(pod, slots)
    reasons: Counter[str] = Counter()
    fitting: list[Slot] = []
    hopeful: list[str] = []
    for slot in slots:
        found, helps = refusals(pod, slot, need, around)
        reasons.update(found)
        if not found:
            fitting.append(slot)
        elif helps:
            hopeful.append(slot.name)
    if fitting:
        return Verdict(_best(pod, need, fitting, slots).name)
    count = len(slots)
    text = ", ".join(sorted(f"{number} {reason}" for reason, number in reasons.items()))
    victims = Counter({"No preemption victims found for incoming pod": len(hopeful)})
    victims["Preemption is not helpful for scheduling"] = count - len(hopeful)
    told = ", ".join(sorted(f"{number} {reason}" for reason, number in victims.items() if number))
    start = f"0/{count} nodes are available: "
    return Verdict(None, f"{start}{text}. preemption: {start}{told}.", tuple(hopeful))


def refusals(pod: Object, slot: Slot, need: Need, around: Surroundings) -> tuple[list[str], bool]:
    """(why the pod does not fit on this node, whether removing pods could help); no reasons where it fits. What is
    asked first hides what is asked later."""
    spec = pod["spec"]
    if (slot.node.get("spec") or {}).get("unschedulable") and not tolerates(spec, _UNSCHEDULABLE):
        return ["node(s) were unschedulable"], False
    for taint in slot.taints:
        if taint["effect"] in ("NoSchedule", "NoExecute") and not tolerates(spec, taint):
            return [f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"], False
    if not node_matches(spec, slot):
        return ["node(s) didn't match Pod's node affinity/selector"], False
    if need.ports and need.ports & slot.ports:
        return ["node(s) didn't have free ports for the requested pod ports"], True
    short, helps = _short_of(need, slot)
    if short:
        return short, helps
    reason, helps = around.refusal(slot)
    return ([reason] if reason else []), helps


def _short_of(need: Need, slot: Slot) -> tuple[list[str], bool]:
    rows = [
        ("Insufficient cpu", need.cpu_millicores, slot.used_cpu, slot.cpu_millicores),
        ("Insufficient memory", need.memory_mib, slot.used_memory, slot.memory_mib),
        *((f"Insufficient {n}", a, slot.used_other[n], slot.other.get(n, 0)) for n, a in sorted(need.other.items())),
        ("Too many pods", 1, len(slot.pods), slot.most_pods),
    ]
    found = [(reason, wanted <= room) for reason, wanted, used, room in rows if wanted and used + wanted > room]
    # What is more than the whole node has would not fit on an empty one either.
    return [reason for reason, _ in found], all(helps for _, helps in found)


def may_run_on(pod: Object, slot: Slot) -> bool:
    """Whether a daemon belongs on this node: labels and taints only."""
    hard = [t for t in slot.taints if t["effect"] in ("NoSchedule", "NoExecute")]
    return node_matches(pod["spec"], slot) and all(tolerates(pod["spec"], t) for t in hard)


def must_leave(pod: Object, slot: Slot) -> bool:
    """Whether a daemon that runs on this node may not stay."""
    hard = [t for t in slot.taints if t["effect"] == "NoExecute"]
    return not node_matches(pod["spec"], slot) or not all(tolerates(pod["spec"], t) for t in hard)


def _best(pod: Object, need: Need, fitting: Sequence[Slot], slots: Sequence[Slot]) -> Slot:
    """The best score where the pod prefers some nodes; else, and among equals: fewer of the same owner in the zone,
    then on the node, then the less allocated node."""
    if preferences(pod):
        found = scores(pod, need.cpu_millicores, need.memory_mib, fitting)
        fitting = [slot for slot, score in zip(fitting, found, strict=True) if score == max(found)]
    owners = [r["uid"] for r in pod["metadata"].get("ownerReferences") or ()]
    mates = {s.name: sum(s.mates[uid] for uid in owners) for s in slots}
    in_zone: Counter[str] = Counter()
    for slot in slots:
        in_zone[slot.labels.get(ZONE, "")] += mates[slot.name]

    def rank(slot: Slot) -> tuple[float, ...]:
        load = (slot.used_cpu + need.cpu_millicores) / max(slot.cpu_millicores, 1) + (
            slot.used_memory + need.memory_mib
        ) / max(slot.memory_mib, 1)
        return (in_zone[slot.labels.get(ZONE, "")], mates[slot.name], load)

    return min(fitting, key=rank)
