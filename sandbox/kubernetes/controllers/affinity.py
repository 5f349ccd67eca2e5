"""Where pods may be by the labels of nodes and of other pods, and by taints. Pure.

Rules as documented in kubernetes.io, "Assigning Pods to Nodes", "Taints and Tolerations" and "Pod Topology Spread
Constraints": required rules, and of the soft ones node affinity. What depends on all nodes is counted once per pod, not
once per node. Callers: fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sandbox.kubernetes.selectors import match_expression, match_selector

Object = Mapping[str, Any]
HOSTNAME = "kubernetes.io/hostname"


class Place(Protocol):
    """A node, as far as these rules look at it. guarded: those of its pods that keep others away."""

    name: str
    labels: Mapping[str, str]
    guarded: dict[str, Object]

    def each_pod(self) -> Iterable[Object]: ...


def tolerance_s(spec: Object, taint: Object) -> float | None:
    """How long a pod tolerates a taint, in seconds: 0 not at all, None for ever."""
    longest = 0.0
    for t in spec.get("tolerations") or ():
        if t.get("effect") and t["effect"] != taint["effect"]:
            continue
        if t.get("operator", "Equal") == "Exists":
            fits = not t.get("key") or t["key"] == taint["key"]
        else:
            fits = t.get("key") == taint["key"] and t.get("value", "") == taint.get("value", "")
        if fits and t.get("tolerationSeconds") is None:
            return None
        if fits:
            longest = max(longest, float(t["tolerationSeconds"]))
    return longest


def tolerates(spec: Object, taint: Object) -> bool:
    """Whether a pod may be placed in spite of the taint."""
    return tolerance_s(spec, taint) != 0.0


def node_matches(spec: Object, place: Place) -> bool:
    """Whether the node has what nodeSelector and the required node affinity ask for."""
    labels = place.labels
    if any(labels.get(k) != v for k, v in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(term_matches(t, place) for t in required.get("nodeSelectorTerms") or ())


def term_matches(term: Object, place: Place) -> bool:
    """Whether the node is what a term of node affinity asks for."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    names = {"metadata.name": place.name}
    # A term that says nothing matches nothing.
    return bool(expressions or fields) and (
        all(match_expression(e, place.labels) for e in expressions) and all(match_expression(e, names) for e in fields)
    )


def required_terms(affinity: Object | None) -> Sequence[Object]:
    return (affinity or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or ()


def guards(pod: Object) -> bool:
    """Whether the pod keeps others away from it."""
    return bool(required_terms((pod["spec"].get("affinity") or {}).get("podAntiAffinity")))


def _labels(pod: Object) -> Mapping[str, str]:
    return pod["metadata"].get("labels") or {}


def _namespace(pod: Object) -> str:
    return str(pod["metadata"].get("namespace", ""))


def _selects(term: Object, owner: Object, other: Object) -> bool:
    namespaces = term.get("namespaces") or ((_namespace(owner),) if not term.get("namespaceSelector") else None)
    if namespaces is not None and _namespace(other) not in namespaces:
        return False
    return match_selector(term.get("labelSelector"), _labels(other))


@dataclass(frozen=True, slots=True)
class _Term:
    """One required term of the incoming pod. domains: values of the key where a pod that it selects runs."""

    key: str
    domains: frozenset[str]
    anywhere: bool
    selects_itself: bool


@dataclass(frozen=True, slots=True)
class _Spread:
    """One spread constraint. counts: matching pods by domain, of those that may be counted."""

    key: str
    skew: int
    own: int
    least: int
    counts: Mapping[str, int]


@dataclass(slots=True)
class Surroundings:
    """What one pod's rules say about all nodes, counted beforehand."""

    near: list[_Term] = field(default_factory=list)
    apart: list[_Term] = field(default_factory=list)
    spreads: list[_Spread] = field(default_factory=list)
    closed: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def of(cls, pod: Object, places: Sequence[Place]) -> Surroundings:
        affinity = pod["spec"].get("affinity") or {}
        found = cls()
        found.near = [_term(t, pod, places) for t in required_terms(affinity.get("podAffinity"))]
        found.apart = [_term(t, pod, places) for t in required_terms(affinity.get("podAntiAffinity"))]
        for rule in pod["spec"].get("topologySpreadConstraints") or ():
            if rule.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule":
                found.spreads.append(_spread(rule, pod, places))
        for place in places:
            for other in place.guarded.values():
                for term in required_terms(other["spec"]["affinity"]["podAntiAffinity"]):
                    key = term.get("topologyKey", HOSTNAME)
                    if key in place.labels and _selects(term, other, pod):
                        found.closed.add((key, place.labels[key]))
        return found

    def refusal(self, place: Place) -> tuple[str, bool]:
        """(why the node is refused, whether removing pods could help); an empty reason where it is not."""
        labels = place.labels
        for rule in self.spreads:
            if rule.key not in labels:
                return "node(s) didn't match pod topology spread constraints (missing required label)", False
            if rule.counts.get(labels[rule.key], 0) + rule.own - rule.least > rule.skew:
                return "node(s) didn't match pod topology spread constraints", True
        for term in self.near:
            # The first of a group that wants to be with itself may start anywhere.
            first = not term.anywhere and term.selects_itself
            if labels.get(term.key) is None or (labels[term.key] not in term.domains and not first):
                return "node(s) didn't match pod affinity rules", False
        if any(labels.get(term.key) in term.domains for term in self.apart):
            return "node(s) didn't match pod anti-affinity rules", True
        if any(labels.get(key) == value for key, value in self.closed):
            return "node(s) didn't satisfy existing pods anti-affinity rules", True
        return "", True


def _term(term: Object, pod: Object, places: Sequence[Place]) -> _Term:
    key = term.get("topologyKey", HOSTNAME)
    on = [p for p in places if any(_selects(term, pod, other) for other in p.each_pod())]
    domains = frozenset(p.labels[key] for p in on if key in p.labels)
    return _Term(key, domains, bool(on), _selects(term, pod, pod))


def _spread(rule: Object, pod: Object, places: Sequence[Place]) -> _Spread:
    key, spec = rule["topologyKey"], pod["spec"]
    honour_taints = rule.get("nodeTaintsPolicy", "Ignore") == "Honor"
    counts: dict[str, int] = {}
    for place in places:
        ignored = rule.get("nodeAffinityPolicy", "Honor") == "Ignore"
        if key not in place.labels or not (ignored or node_matches(spec, place)):
            continue
        if honour_taints and not all(tolerates(spec, t) for t in getattr(place, "taints", ())):
            continue
        matching = sum(counts_for(rule, pod, other) for other in place.each_pod())
        counts[place.labels[key]] = counts.get(place.labels[key], 0) + matching
    least = 0 if rule.get("minDomains", 1) > len(counts) else min(counts.values(), default=0)
    own = 1 if match_selector(rule.get("labelSelector"), _labels(pod)) else 0
    return _Spread(key, rule.get("maxSkew", 1), own, least, counts)


def counts_for(rule: Object, pod: Object, other: Object) -> bool:
    """Whether a spread constraint of the pod counts the other one."""
    if _namespace(other) != _namespace(pod) or other["metadata"].get("deletionTimestamp"):
        return False
    keys = rule.get("matchLabelKeys") or ()
    if any(_labels(other).get(k) != _labels(pod).get(k) for k in keys):
        return False
    return match_selector(rule.get("labelSelector"), _labels(other))
