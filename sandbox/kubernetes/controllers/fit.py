"""Whether a pod fits on a node, and which of those that fit is best. Pure.

Filters as documented in kubernetes.io, "Assigning Pods to Nodes", "Taints and Tolerations" and "Pod Topology Spread
Constraints": required rules only; preferences count in the score. Messages as the scheduler words them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sandbox.kubernetes import quantities
from sandbox.kubernetes.selectors import match_expression, match_selector

Object = Mapping[str, Any]
HOSTNAME = "kubernetes.io/hostname"


@dataclass(frozen=True, slots=True)
class Need:
    """What a pod asks of a node."""

    cpu_millicores: int = 0
    memory_mib: int = 0


@lru_cache(maxsize=4096)
def _cpu(text: str) -> int:
    return quantities.millicores(text)


@lru_cache(maxsize=4096)
def _memory(text: str) -> int:
    return quantities.whole_mib(text)


def need_of(pod: Object) -> Need:
    """Sum over containers, or the largest init container where that is more."""

    def of(container: Object) -> Need:
        requests = (container.get("resources") or {}).get("requests") or {}
        return Need(_cpu(str(requests.get("cpu", "0"))), _memory(str(requests.get("memory", "0"))))

    spec = pod["spec"]
    rows = [of(c) for c in spec.get("containers") or ()]
    inits = [of(c) for c in spec.get("initContainers") or ()]
    return Need(
        max([sum(r.cpu_millicores for r in rows), *(i.cpu_millicores for i in inits)]),
        max([sum(r.memory_mib for r in rows), *(i.memory_mib for i in inits)]),
    )


@dataclass(slots=True)
class Slot:
    """A node as the scheduler sees it. pods: those bound to it that have not ended."""

    node: Object
    cpu_millicores: int
    memory_mib: int
    most_pods: int
    pods: list[Object] = field(default_factory=list)
    used_cpu: int = 0
    used_memory: int = 0

    @classmethod
    def of(cls, node: Object) -> Slot:
        room = (node.get("status") or {}).get("allocatable") or {}
        return cls(
            node,
            _cpu(str(room.get("cpu", "0"))),
            _memory(str(room.get("memory", "0"))),
            int(room.get("pods", "0")),
        )

    @property
    def name(self) -> str:
        return str(self.node["metadata"]["name"])

    @property
    def labels(self) -> Mapping[str, str]:
        return self.node["metadata"].get("labels") or {}

    def take(self, pod: Object) -> None:
        need = need_of(pod)
        self.pods.append(pod)
        self.used_cpu += need.cpu_millicores
        self.used_memory += need.memory_mib


@dataclass(frozen=True, slots=True)
class Verdict:
    """node: where to, or None; message says why not."""

    node: str | None
    message: str = ""


def choose(pod: Object, slots: Sequence[Slot]) -> Verdict:
    """The best node that fits. Ties go to the first by name, so that runs repeat."""
    reasons: Counter[str] = Counter()
    fitting: list[Slot] = []
    for slot in slots:
        found = refusals(pod, slot, slots)
        reasons.update(found)
        if not found:
            fitting.append(slot)
    if fitting:
        return Verdict(min(fitting, key=lambda s: _rank(pod, s, slots)).name)
    if not slots:
        return Verdict(None, "no nodes available to schedule pods")
    text = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    helpless = "preemption: 0/{0} nodes are available: {0} Preemption is not helpful for scheduling."
    return Verdict(None, f"0/{len(slots)} nodes are available: {text}. {helpless.format(len(slots))}")


def refusals(pod: Object, slot: Slot, slots: Sequence[Slot]) -> list[str]:
    """Why the pod does not fit on this node; empty where it does. What is asked first hides what is asked later."""
    spec = pod["spec"]
    if (slot.node.get("spec") or {}).get("unschedulable") and not _tolerates(
        spec, {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    ):
        return ["node(s) were unschedulable"]
    for taint in (slot.node.get("spec") or {}).get("taints") or ():
        if taint["effect"] in ("NoSchedule", "NoExecute") and not _tolerates(spec, taint):
            value = f": {taint['value']}" if taint.get("value") else ""
            return [f"node(s) had untolerated taint {{{taint['key']}{value}}}"]
    if not _node_matches(spec, slot):
        return ["node(s) didn't match Pod's node affinity/selector"]
    short = _short_of(pod, slot)
    if short:
        return short
    if not _spread_allows(pod, slot, slots):
        return ["node(s) didn't match pod topology spread constraints"]
    if not _affinity_allows(pod, slot, slots):
        return ["node(s) didn't match pod anti-affinity rules"]
    return []


def _short_of(pod: Object, slot: Slot) -> list[str]:
    need, found = need_of(pod), []
    if slot.used_cpu + need.cpu_millicores > slot.cpu_millicores:
        found.append("Insufficient cpu")
    if slot.used_memory + need.memory_mib > slot.memory_mib:
        found.append("Insufficient memory")
    if len(slot.pods) + 1 > slot.most_pods:
        found.append("Too many pods")
    return found


def _tolerates(spec: Object, taint: Object) -> bool:
    for t in spec.get("tolerations") or ():
        if t.get("effect") and t["effect"] != taint["effect"]:
            continue
        if t.get("operator", "Equal") == "Exists":
            if not t.get("key") or t["key"] == taint["key"]:
                return True
        elif t.get("key") == taint["key"] and t.get("value", "") == taint.get("value", ""):
            return True
    return False


def _node_matches(spec: Object, slot: Slot) -> bool:
    labels = slot.labels
    if any(labels.get(k) != v for k, v in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(_term_matches(t, slot) for t in required.get("nodeSelectorTerms") or ())


def _term_matches(term: Object, slot: Slot) -> bool:
    fields = {"metadata.name": slot.name}
    return all(match_expression(e, slot.labels) for e in term.get("matchExpressions") or ()) and all(
        match_expression(e, fields) for e in term.get("matchFields") or ()
    )


def _namespace(pod: Object) -> str:
    return str(pod["metadata"].get("namespace", ""))


def _labels(pod: Object) -> Mapping[str, str]:
    return pod["metadata"].get("labels") or {}


def _affinity_allows(pod: Object, slot: Slot, slots: Sequence[Slot]) -> bool:
    """Required pod (anti-)affinity, both the pod's own and that of the pods that are there."""
    affinity = pod["spec"].get("affinity") or {}
    for term in _required(affinity.get("podAntiAffinity")):
        if any(_term_selects(term, pod, other) for other in _in_domain(term, slot, slots)):
            return False
    for term in _required(affinity.get("podAffinity")):
        near = any(_term_selects(term, pod, other) for other in _in_domain(term, slot, slots))
        anywhere = any(_term_selects(term, pod, other) for s in slots for other in s.pods)
        # The first of a group that wants to be with itself may start anywhere.
        if not near and (anywhere or not _term_selects(term, pod, pod)):
            return False
    for other_slot in slots:
        for other in other_slot.pods:
            for term in _required((other["spec"].get("affinity") or {}).get("podAntiAffinity")):
                key = term.get("topologyKey", HOSTNAME)
                same = slot.labels.get(key) is not None and slot.labels.get(key) == other_slot.labels.get(key)
                if same and _term_selects(term, other, pod):
                    return False
    return True


def _required(affinity: Object | None) -> Iterable[Object]:
    return (affinity or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or ()


def _in_domain(term: Object, slot: Slot, slots: Sequence[Slot]) -> Iterable[Object]:
    key = term.get("topologyKey", HOSTNAME)
    value = slot.labels.get(key)
    return [p for s in slots if value is not None and s.labels.get(key) == value for p in s.pods]


def _term_selects(term: Object, owner: Object, other: Object) -> bool:
    namespaces = term.get("namespaces") or ((_namespace(owner),) if not term.get("namespaceSelector") else None)
    if namespaces is not None and _namespace(other) not in namespaces:
        return False
    return match_selector(term.get("labelSelector"), _labels(other))


def _spread_allows(pod: Object, slot: Slot, slots: Sequence[Slot]) -> bool:
    for rule in pod["spec"].get("topologySpreadConstraints") or ():
        if rule.get("whenUnsatisfiable", "DoNotSchedule") != "DoNotSchedule":
            continue
        key = rule["topologyKey"]
        if key not in slot.labels:
            return False
        counts = {s.labels[key]: 0 for s in slots if key in s.labels and _node_matches(pod["spec"], s)}
        if rule.get("minDomains", 1) > len(counts):
            least = 0
        else:
            for s in slots:
                if s.labels.get(key) in counts:
                    counts[s.labels[key]] += sum(_spread_counts(rule, pod, other) for other in s.pods)
            least = min(counts.values(), default=0)
        here = sum(
            _spread_counts(rule, pod, other) for s in slots if s.labels.get(key) == slot.labels[key] for other in s.pods
        )
        own = 1 if match_selector(rule.get("labelSelector"), _labels(pod)) else 0
        if here + own - least > rule.get("maxSkew", 1):
            return False
    return True


def _spread_counts(rule: Object, pod: Object, other: Object) -> bool:
    if _namespace(other) != _namespace(pod) or other["metadata"].get("deletionTimestamp"):
        return False
    keys = rule.get("matchLabelKeys") or ()
    if any(_labels(other).get(k) != _labels(pod).get(k) for k in keys):
        return False
    return match_selector(rule.get("labelSelector"), _labels(other))


def _rank(pod: Object, slot: Slot, slots: Sequence[Slot]) -> tuple[float, ...]:
    """Lower is better: fewer of the same owner in the zone, then on the node, then the less allocated node."""
    owners = {r["uid"] for r in pod["metadata"].get("ownerReferences") or ()}

    def mates(where: Slot) -> int:
        return sum(any(r["uid"] in owners for r in p["metadata"].get("ownerReferences") or ()) for p in where.pods)

    zone = slot.labels.get("topology.kubernetes.io/zone", "")
    in_zone = sum(mates(s) for s in slots if s.labels.get("topology.kubernetes.io/zone", "") == zone)
    need = need_of(pod)
    load = (slot.used_cpu + need.cpu_millicores) / max(slot.cpu_millicores, 1) + (
        slot.used_memory + need.memory_mib
    ) / max(slot.memory_mib, 1)
    return (in_zone, mates(slot), load)
