"""What is decided on the way in with a look at the rest of the cluster: namespaces, addresses, numbers.

Callers: Api. Changes the object in place where the API server allocates something.
"""

from __future__ import annotations

import ipaddress
from random import Random
from typing import Any

from sandbox.kubernetes.errors import ApiError, Cause, forbidden, invalid, not_found
from sandbox.kubernetes.kinds import NAMESPACES, SERVICES, ResourceKind
from sandbox.kubernetes.store import Store

Object = dict[str, Any]
SERVICE_NETWORK = ipaddress.IPv4Network("10.96.0.0/12")
NODE_PORTS = range(30000, 32768)
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
    """Allocates what the API server allocates."""
    if kind is SERVICES:
        _service(store, new, old, rng)


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
