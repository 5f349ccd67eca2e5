"""What is decided on the way in with a look at the rest of the cluster: namespaces, addresses, quotas, defaults.

Callers: Api. Changes the object in place where the API server allocates or fills in something.
"""

from __future__ import annotations

import ipaddress
from random import Random
from typing import Any

from sandbox.kubernetes import limits, quota
from sandbox.kubernetes.defaults import qos_class
from sandbox.kubernetes.errors import ApiError, Cause, forbidden, invalid, not_found
from sandbox.kubernetes.kinds import (
    BY_KIND,
    CLAIMS,
    LIMITRANGES,
    NAMESPACES,
    PODS,
    PRIORITY_CLASSES,
    QUOTAS,
    SERVICE_ACCOUNTS,
    SERVICES,
    STORAGE_CLASSES,
    ResourceKind,
)
from sandbox.kubernetes.store import Store

Object = dict[str, Any]
SERVICE_NETWORK = ipaddress.IPv4Network("10.96.0.0/12")
NODE_PORTS = range(30000, 32768)
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
CLAIM_PROTECTION = "kubernetes.io/pvc-protection"
PROTECTED_NAMESPACES = frozenset({"default", "kube-system", "kube-public"})


def check_namespace(store: Store, kind: ResourceKind, namespace: str, name: str) -> None:
    """ApiError 404 where the namespace is missing, 403 where it is being deleted."""
    if not kind.namespaced:
        return
    found = store.get(NAMESPACES, "", namespace)
    if found is None:
        raise not_found(NAMESPACES, namespace)
    if found["metadata"].get("deletionTimestamp"):
        raise forbidden(
            f'{kind.qualified} "{name}" is forbidden: unable to create new content in namespace {namespace} '
            "because it is being terminated",
            kind,
            name,
            Cause("NamespaceTerminating", f"namespace {namespace} is being terminated", "metadata.namespace"),
        )


def check_deletion(kind: ResourceKind, name: str) -> None:
    """ApiError 403 for the namespaces that a cluster cannot do without."""
    if kind is NAMESPACES and name in PROTECTED_NAMESPACES:
        raise forbidden(f'namespaces "{name}" is forbidden: this namespace may not be deleted', kind, name)


def admit(store: Store, kind: ResourceKind, new: Object, old: Object | None, rng: Random) -> None:
    """Allocates what the API server allocates. ApiError 403 where an account, a priority class, a limit range or a
    quota is against it."""
    if kind is SERVICES:
        _service(store, new, old, rng)
    if old is not None:
        return
    if kind is PODS:
        _pod(store, new)
    elif kind is CLAIMS:
        _claim(store, new)
    elif kind is LIMITRANGES:
        limits.fill_in_range(new)
    if kind.namespaced and quota.is_counted(kind):
        _check_quotas(store, kind, new)


def _refused(kind: ResourceKind, obj: Object, detail: str) -> ApiError:
    # Admission comes before a generated name is known in the real API, which then names the object "".
    name = str(obj["metadata"].get("name", ""))
    return forbidden(f'{kind.qualified} "{name}" is forbidden: {detail}', kind, name)


def _pod(store: Store, new: Object) -> None:
    namespace, spec = new["metadata"].get("namespace", ""), new["spec"]
    account = spec.get("serviceAccountName", "default")
    if store.get(SERVICE_ACCOUNTS, namespace, account) is None:
        detail = f'error looking up service account {namespace}/{account}: serviceaccount "{account}" not found'
        raise _refused(PODS, new, detail)
    _priority(store, new)
    ranges = store.list(LIMITRANGES, namespace)
    if ranges:
        limits.give_defaults(new, ranges)
        _check_ranges(PODS, new, ranges)
        new["status"] = {**(new.get("status") or {}), "qosClass": qos_class(spec)}


def _check_ranges(kind: ResourceKind, new: Object, ranges: list[Object]) -> None:
    found = limits.violations(kind.kind, new, ranges)
    if found:
        raise _refused(kind, new, found[0] if len(found) == 1 else f"[{', '.join(found)}]")


def _priority(store: Store, new: Object) -> None:
    """The number and policy of the pod's priority class, or of the default one."""
    spec, name = new["spec"], new["spec"].get("priorityClassName", "")
    classes = store.each(PRIORITY_CLASSES)
    if name:
        found = store.get(PRIORITY_CLASSES, "", name)
        if found is None:
            raise _refused(PODS, new, f"no PriorityClass with name {name} was found")
    else:
        found = max((c for c in classes if c.get("globalDefault")), key=lambda c: c["value"], default=None)
    if found is not None:
        spec["priorityClassName"] = found["metadata"]["name"]
        spec["priority"] = found["value"]
        spec["preemptionPolicy"] = found.get("preemptionPolicy", "PreemptLowerPriority")


def _claim(store: Store, new: Object) -> None:
    """The default storage class, where a claim names none; the finalizer that keeps used claims."""
    spec = new["spec"]
    if "storageClassName" not in spec:
        for row in store.each(STORAGE_CLASSES):
            if (row["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true":
                spec["storageClassName"] = row["metadata"]["name"]
    known = new["metadata"].get("finalizers") or []
    new["metadata"]["finalizers"] = [*(f for f in known if f != CLAIM_PROTECTION), CLAIM_PROTECTION]
    _check_ranges(CLAIMS, new, store.list(LIMITRANGES, new["metadata"].get("namespace", "")))


def _check_quotas(store: Store, kind: ResourceKind, new: Object) -> None:
    namespace = new["metadata"].get("namespace", "")
    for row in store.list(QUOTAS, namespace):
        why = quota.refusal(row, kind.kind, new, quota.used_by(row, counted(store, namespace)))
        if why:
            raise _refused(kind, new, why)


def counted(store: Store, namespace: str) -> list[tuple[str, Object]]:
    """(kind, object) of everything in a namespace that a quota can count."""
    kinds = [k for k in BY_KIND.values() if k.namespaced and quota.is_counted(k)]
    return [(k.kind, obj) for k in kinds for obj in store.list(k, namespace)]


def _service(store: Store, new: Object, old: Object | None, rng: Random) -> None:
    spec = new["spec"]
    before = (old or {}).get("spec") or {}
    if spec.get("type") == "ExternalName":
        return
    if not spec.get("clusterIP"):
        spec["clusterIP"] = before.get("clusterIP") or _free_ip(store, rng)
    elif old is None and spec["clusterIP"] != "None":
        _check_ip(store, new)
    spec["clusterIPs"] = [spec["clusterIP"]]
    if spec.get("type") in ("NodePort", "LoadBalancer"):
        _node_ports(store, new, before, rng)


def _taken_ips(store: Store) -> set[str]:
    return {s["spec"].get("clusterIP", "") for s in store.each(SERVICES)}


def _free_ip(store: Store, rng: Random) -> str:
    taken = _taken_ips(store)
    while True:
        # The lower part of the range is left for addresses that are asked for, as the API server does.
        candidate = str(SERVICE_NETWORK[rng.randrange(256, SERVICE_NETWORK.num_addresses - 1)])
        if candidate not in taken:
            return candidate


def _check_ip(store: Store, new: Object) -> None:
    wanted = new["spec"]["clusterIP"]
    try:
        inside = ipaddress.IPv4Address(wanted) in SERVICE_NETWORK
    except ValueError:
        inside = False
    if not inside:
        detail = (
            f'Invalid value: ["{wanted}"]: failed to allocate IP {wanted}: the provided IP is not in the valid range'
        )
    elif wanted in _taken_ips(store):
        detail = f'Invalid value: ["{wanted}"]: failed to allocate IP {wanted}: provided IP is already allocated'
    else:
        return
    raise invalid(SERVICES, new["metadata"].get("name", ""), [Cause("FieldValueInvalid", detail, "spec.clusterIPs")])


def _node_ports(store: Store, new: Object, before: Object, rng: Random) -> None:
    kept = {(p.get("port"), p.get("protocol")): p.get("nodePort") for p in before.get("ports") or ()}
    uid = new["metadata"].get("uid")
    taken = {
        p["nodePort"]
        for s in store.each(SERVICES)
        if s["metadata"].get("uid") != uid
        for p in s["spec"].get("ports") or ()
        if p.get("nodePort")
    }
    for port in new["spec"].get("ports") or ():
        wanted = port.get("nodePort") or kept.get((port.get("port"), port.get("protocol")))
        if wanted is None:
            wanted = rng.choice([p for p in NODE_PORTS if p not in taken])
        elif wanted in taken:
            detail = f"Invalid value: {wanted}: provided port is already allocated"
            raise invalid(
                SERVICES, new["metadata"].get("name", ""), [Cause("FieldValueInvalid", detail, "spec.ports.nodePort")]
            )
        port["nodePort"] = wanted
        taken.add(wanted)


def read_only(user: str, verb: str, kind: ResourceKind, namespace: str, name: str) -> ApiError:
    """403 for a user who may only read."""
    scope = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    target = f'{kind.qualified} "{name}" is forbidden: ' if name else f"{kind.qualified} is forbidden: "
    return forbidden(
        f'{target}User "{user}" cannot {verb} resource "{kind.plural}" in API group "{kind.group}" {scope}', kind, name
    )
