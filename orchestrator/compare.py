"""What differs between a wanted and an observed resource, field by field. Pure.

Tags: only those that we want are compared, other people's are theirs. Firewall rules are compared by what they let
through, so that a cloud's own numbering is no difference. What a cloud does not report back (user data, an image role)
is compared with what was recorded when it was last applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any

from model.resources import (
    UNKNOWN,
    AnyResource,
    FieldDiff,
    FirewallGroup,
    FirewallRule,
    Kind,
    KubernetesObject,
    Listener,
    LoadBalancer,
    Observed,
)

# Fields that no cloud gives back as they were asked for.
WRITE_ONLY: dict[Kind, frozenset[str]] = {
    Kind.INSTANCE: frozenset({"user_data", "machine_image"}),
    Kind.INSTANCE_GROUP: frozenset({"user_data", "machine_image"}),
    Kind.FIREWALL_GROUP: frozenset({"description"}),
}
# Fields whose empty wish leaves the choice, or the knowledge, to the cloud.
LEFT_TO_THE_CLOUD: dict[Kind, frozenset[str]] = {
    Kind.DISK: frozenset({"disk_type"}),
    Kind.INSTANCE_GROUP: frozenset({"largest"}),
    Kind.REGISTRY: frozenset({"url", "pull_identity"}),
}
# Nodes belong to node pools, and an autoscaler or the cloud itself adds labels of its own.
SUBSET_MAPPINGS = frozenset({"tags", "labels"})

KubernetesDiff = Callable[[Observed, KubernetesObject], tuple[FieldDiff, ...]]


def diff_resource(
    observed: Observed,
    desired: AnyResource,
    recorded: AnyResource | None = None,
    *,
    kubernetes_diff: KubernetesDiff | None = None,
) -> tuple[FieldDiff, ...]:
    """before: as observed, after: as wanted. Empty where nothing differs.

    recorded: the resource as we last applied it, for what the cloud does not report. kubernetes_diff: compares
    manifests with field ownership; needed for Kubernetes objects only.
    """
    if isinstance(desired, KubernetesObject):
        if kubernetes_diff is None:
            raise TypeError("a Kubernetes object needs its adapter's diff")
        return kubernetes_diff(observed, desired)
    current = observed.resource
    if type(current) is not type(desired):
        return (FieldDiff("kind", type(current).__name__, type(desired).__name__),)
    return tuple(_field_diffs(current, desired, recorded))


def _field_diffs(current: AnyResource, desired: AnyResource, recorded: AnyResource | None) -> Iterator[FieldDiff]:
    write_only = WRITE_ONLY.get(desired.KIND, frozenset())
    for field in fields(desired):
        name = field.name
        after = getattr(desired, name)
        before = getattr(current, name)
        if name == "name":
            continue
        if name in write_only:
            if recorded is not None and type(recorded) is type(desired):
                before = getattr(recorded, name)
                if before != after:
                    yield FieldDiff(name, before, after)
        elif name in SUBSET_MAPPINGS:
            for key in sorted(after):
                if before.get(key) != after[key]:
                    yield FieldDiff(f"{name}.{key}", before.get(key), after[key])
        elif isinstance(desired, FirewallGroup) and name == "rules":
            yield from _rule_diffs(before, after)
        elif isinstance(desired, LoadBalancer) and name == "listeners":
            if _normal(_as_wanted(before, after)) != _normal(after):
                yield FieldDiff(name, before, after)
        elif name == "zone" and not before:
            continue  # a cloud whose subnets span the region
        elif after is None or (not after and name in LEFT_TO_THE_CLOUD.get(desired.KIND, ())):
            continue  # a flag that nobody set, or what is the cloud's to say
        elif before is UNKNOWN or _normal(before) == _normal(after):
            continue
        else:
            yield FieldDiff(name, before, after)


def _as_wanted(before: tuple[Listener, ...], after: tuple[Listener, ...]) -> tuple[Listener, ...]:
    """The listeners that are there, with the cloud's own TLS version left out where none is wanted."""
    free = {listener.port for listener in after if not listener.tls_policy}
    return tuple(replace(one, tls_policy="") if one.port in free else one for one in before)


def _normal(value: Any) -> Any:
    return tuple(sorted(map(str, value))) if isinstance(value, tuple | list) else value


def rule_text(rule: FirewallRule) -> str:
    """One rule as people say it: `ingress allow tcp 22 from 0.0.0.0/0`."""
    ports = "" if (rule.port_from, rule.port_to) == (0, 65535) else f" {rule.port_from}"
    if ports and rule.port_to != rule.port_from:
        ports += f"-{rule.port_to}"
    way = "from" if rule.direction == "ingress" else "to"
    return f"{rule.direction} {rule.action} {rule.protocol}{ports} {way} {rule.cidr}"


def _rule_diffs(before: tuple[FirewallRule, ...], after: tuple[FirewallRule, ...]) -> Iterator[FieldDiff]:
    have, want = {r.key: r for r in before}, {r.key: r for r in after}
    for key in sorted(have.keys() | want.keys()):
        if key not in want:
            yield FieldDiff(f"rules[{rule_text(have[key])}]", rule_text(have[key]), None)
        elif key not in have:
            yield FieldDiff(f"rules[{rule_text(want[key])}]", None, rule_text(want[key]))
