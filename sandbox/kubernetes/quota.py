"""ResourceQuotas: what a namespace uses of what it may use. Pure.

Names and scopes as in kubernetes.io, "Resource Quotas"; wording of the ResourceQuota admission plugin. Callers:
admission, and the controller that writes `status.used`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from sandbox.kubernetes import quantities
from sandbox.kubernetes.kinds import BY_KIND, ResourceKind

Object = Mapping[str, Any]
Amounts = dict[str, Decimal]
_COUNTED = frozenset(
    {
        "Pod", "Service", "ConfigMap", "Secret", "PersistentVolumeClaim", "ReplicationController", "ResourceQuota",
        "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "Ingress",
    }
)  # fmt: skip
_PLAIN = frozenset({"Pod", "Service", "ConfigMap", "Secret", "PersistentVolumeClaim", "ResourceQuota"})
_COMPUTE = ("cpu", "memory", "ephemeral-storage")


def is_counted(kind: ResourceKind) -> bool:
    """Whether objects of this kind can use up a quota."""
    return kind.kind in _COUNTED


def usage_of(kind: str, obj: Object) -> Amounts:
    """What one object uses, by the names that a quota's `hard` may have. A pod that has ended uses nothing but its
    place among the objects."""
    of = BY_KIND[kind]
    used: Amounts = {f"count/{of.qualified}": Decimal(1)}
    if kind == "Pod" and (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return used
    if kind in _PLAIN:
        used[of.plural] = Decimal(1)
    if kind == "Pod":
        used |= _of_pod(obj["spec"])
    elif kind == "Service":
        used |= _of_service(obj["spec"])
    elif kind == "PersistentVolumeClaim":
        storage = quantities.parse(((obj["spec"].get("resources") or {}).get("requests") or {}).get("storage", "0"))
        used["requests.storage"] = storage
        if name := obj["spec"].get("storageClassName"):
            used[f"{name}.storageclass.storage.k8s.io/requests.storage"] = storage
            used[f"{name}.storageclass.storage.k8s.io/persistentvolumeclaims"] = Decimal(1)
    return used


def _of_pod(spec: Object) -> Amounts:
    used: Amounts = {}
    for field in ("requests", "limits"):
        rows = [_resources(c, field) for c in spec.get("containers") or ()]
        inits = [_resources(c, field) for c in spec.get("initContainers") or ()]
        for name in {n for row in (*rows, *inits) for n in row}:
            total = sum((row.get(name, Decimal(0)) for row in rows), Decimal(0))
            total = max([total, *(row.get(name, Decimal(0)) for row in inits)])
            used[f"{field}.{name}"] = total
            if field == "requests" and name in _COMPUTE:
                used[name] = total
    return used


def _resources(container: Object, field: str) -> Amounts:
    rows = (container.get("resources") or {}).get(field) or {}
    return {name: quantities.parse(value) for name, value in rows.items()}


def _of_service(spec: Object) -> Amounts:
    balanced = spec.get("type") == "LoadBalancer"
    ports = len(spec.get("ports") or ()) if balanced or spec.get("type") == "NodePort" else 0
    return {"services.loadbalancers": Decimal(balanced), "services.nodeports": Decimal(ports)}


def in_scope(quota: Object, kind: str, obj: Object) -> bool:
    """Whether the quota counts this object; scopes are about pods only."""
    spec = quota["spec"]
    rows = [{"scopeName": s, "operator": "Exists"} for s in spec.get("scopes") or ()]
    rows += (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    return not rows or (kind == "Pod" and all(_scope(row, obj["spec"]) for row in rows))


def _scope(row: Object, spec: Object) -> bool:
    name, operator, values = row["scopeName"], row.get("operator", "Exists"), row.get("values") or ()
    plain = all(
        not (c.get("resources") or {}).get(f) for c in spec.get("containers") or () for f in ("requests", "limits")
    )
    match name:
        case "BestEffort":
            return plain
        case "NotBestEffort":
            return not plain
        case "Terminating":
            return spec.get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return spec.get("activeDeadlineSeconds") is None
        case "PriorityClass":
            own = spec.get("priorityClassName", "")
            return {
                "Exists": bool(own), "DoesNotExist": not own, "In": own in values, "NotIn": own not in values,
            }.get(operator, False)  # fmt: skip
    return False


def used_by(quota: Object, objects: Iterable[tuple[str, Object]]) -> Amounts:
    """Usage of everything that the quota bounds, zero where nothing uses it. objects: (kind, object)."""
    total: Amounts = dict.fromkeys(quota["spec"].get("hard") or {}, Decimal(0))
    for kind, obj in objects:
        if in_scope(quota, kind, obj):
            for name, amount in usage_of(kind, obj).items():
                if name in total:
                    total[name] += amount
    return total


def written(amounts: Mapping[str, Decimal], hard: Mapping[str, Any]) -> dict[str, str]:
    """Amounts as the API writes them, in the suffixes of the bounds: `512Mi` of `2Gi`, not 536870912."""
    return {name: _written(value, str(hard.get(name, ""))) for name, value in sorted(amounts.items())}


def _written(value: Decimal, bound: str) -> str:
    return quantities.canonical(f"{value / 1024:f}Ki" if bound.endswith("i") and value % 1024 == 0 else f"{value:f}")


def refusal(quota: Object, kind: str, obj: Object, used: Amounts) -> str:
    """Why the quota forbids one more such object; empty where it does not."""
    spec, name = quota["spec"], quota["metadata"]["name"]
    hard = {n: quantities.parse(v) for n, v in (spec.get("hard") or {}).items()}
    if not in_scope(quota, kind, obj):
        return ""
    if missing := _unspecified(kind, obj, hard):
        return f"failed quota: {name}: must specify {'; '.join(missing)}"
    asked = {n: a for n, a in usage_of(kind, obj).items() if n in hard}
    over = {n for n, a in asked.items() if a > 0 and used[n] + a > hard[n]}
    if not over:
        return ""
    bounds = spec["hard"]
    rows = [{n: a for n, a in source.items() if n in over} for source in (asked, used, hard)]
    texts = [",".join(f"{n}={v}" for n, v in written(row, bounds).items()) for row in rows]
    return f"exceeded quota: {name}, requested: {texts[0]}, used: {texts[1]}, limited: {texts[2]}"


def _unspecified(kind: str, obj: Object, hard: Mapping[str, Decimal]) -> list[str]:
    """`cpu for: app`: bounded resources that a container of the pod says nothing about."""
    if kind != "Pod":
        return []
    rows = []
    for name in sorted(hard):
        field, _, resource = name.rpartition(".")
        if resource not in _COMPUTE or field not in ("", "requests", "limits"):
            continue
        silent = [
            str(c["name"])
            for c in (*(obj["spec"].get("initContainers") or ()), *(obj["spec"].get("containers") or ()))
            if resource not in ((c.get("resources") or {}).get(field or "requests") or {})
        ]
        if silent:
            rows.append(f"{name} for: {','.join(sorted(silent))}")
    return rows
