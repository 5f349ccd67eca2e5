"""A live object as the model sees it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from model.errors import InvalidRequest
from model.resources import LABEL_MANAGED, Address, AnyResource, Kind, KubernetesObject, Observed, State
from providers.base import Account
from providers.kubernetes.compare import LABEL_FLEET, owned_manifest
from providers.kubernetes.kinds import BUILT_IN
from providers.kubernetes.rollout import assess, load_balancer_hosts

_ROLLING: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
# What an API server refuses to change in place.
_IMMUTABLE: Final[Mapping[str, tuple[str, ...]]] = {
    "Deployment": ("spec.selector",),
    "DaemonSet": ("spec.selector",),
    "StatefulSet": ("spec.selector", "spec.serviceName", "spec.podManagementPolicy", "spec.volumeClaimTemplates"),
    "Job": ("spec.selector", "spec.template", "spec.completionMode"),
    "EndpointSlice": ("addressType",),
    "PersistentVolumeClaim": ("spec.accessModes", "spec.storageClassName", "spec.volumeName"),
    "RoleBinding": ("roleRef",),
}


def address_of(account: Account, region: str, cluster: str, live: Mapping[str, Any]) -> Address:
    """ApiKind is `Kind.group` where the kind is not built in."""
    metadata = live["metadata"]
    group = str(live["apiVersion"]).rpartition("/")[0]
    known = BUILT_IN.get(str(live["kind"]))
    kind = live["kind"] if known is not None and known.group == group else f"{live['kind']}.{group}"
    name = f"{cluster}/{metadata.get('namespace') or '-'}/{kind}/{metadata['name']}"
    return Address(account.partition, account.account_id, region, Kind.KUBERNETES_OBJECT, name)


def observed_of(account: Account, region: str, cluster: str, live: Mapping[str, Any]) -> Observed:
    """resource is reduced to what our field manager owns; raw["object"] keeps the whole for `diff` and `update`."""
    metadata, address, progress = live["metadata"], address_of(account, region, cluster, live), assess(live)
    if metadata.get("deletionTimestamp"):
        state = State.DELETING
    elif progress.ready:
        state = State.READY
    elif progress.failed:
        state = State.FAILED
    else:
        state = State.UPDATING if live.get("kind") in _ROLLING else State.PENDING
    return Observed(
        address=address,
        resource=KubernetesObject(name=address.name, manifest=owned_manifest(live)),
        provider_id=str(metadata.get("uid", "")),
        state=state,
        owner=str((metadata.get("labels") or {}).get(LABEL_FLEET, "")),
        detail=progress.failed or progress.stuck or progress.note,
        endpoints=endpoints_of(live),
        raw={"object": live},
    )


def endpoints_of(live: Mapping[str, Any]) -> tuple[str, ...]:
    """`http://ip:port` of a load balancer, one per address and TCP port (https where the port is 443)."""
    if live.get("kind") != "Service":
        return ()
    ports = [p["port"] for p in (live.get("spec") or {}).get("ports") or () if p.get("protocol", "TCP") == "TCP"]
    hosts = [f"[{h}]" if ":" in h else h for h in load_balancer_hosts(live)]
    return tuple(f"{'https' if port == 443 else 'http'}://{host}:{port}" for host in hosts for port in ports)


def immutable_changes(before: AnyResource, desired: AnyResource) -> tuple[str, ...]:
    """Paths of immutable fields that differ where both sides name them, e.g. `spec.selector`."""
    old, new = manifest_of(before).manifest, manifest_of(desired).manifest
    found = [f for f in ("apiVersion", "kind") if _unversioned(old, f) != _unversioned(new, f)]
    for path in _IMMUTABLE.get(str(new.get("kind")), ()):
        a, b = _at(old, path), _at(new, path)
        if a is not None and b is not None and a != b:
            found.append(path)
    if new.get("kind") == "ConfigMap" and _at(old, "immutable") is True:
        found += [f for f in ("data", "binaryData", "immutable") if _at(old, f) != _at(new, f)]
    return tuple(found)


def manifest_of(resource: AnyResource) -> KubernetesObject:
    if not isinstance(resource, KubernetesObject):
        raise InvalidRequest(f"a cluster takes Kubernetes objects, not {type(resource).__name__}")
    return resource


def epoch_s(text: str) -> float | None:
    """RFC 3339 as seconds since the epoch; None where it is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _unversioned(manifest: Mapping[str, Any], field: str) -> str:
    """Another version of the same group is no other kind."""
    value = str(manifest.get(field, ""))
    return value.rpartition("/")[0] if field == "apiVersion" else value


def _at(manifest: Mapping[str, Any], path: str) -> Any:
    value: Any = manifest
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


_SYSTEM: Final = frozenset({"kube-system", "kube-public", "kube-node-lease"})


def of_the_cluster(live: Mapping[str, Any]) -> bool:
    """Whether Kubernetes itself makes it: its own namespaces, what controllers derive, and what every namespace gets.

    Source: kubernetes.io/docs, "Initial namespaces", "Owners and dependents", "Publishing services".
    """
    metadata = live["metadata"]
    kind, name, space = str(live.get("kind")), str(metadata.get("name")), str(metadata.get("namespace") or "")
    if metadata.get("ownerReferences") or space in _SYSTEM:
        return True
    if kind == "Namespace":
        return name in _SYSTEM or name == "default"
    made = {("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")}
    return (kind, name) in made or (kind in ("Service", "EndpointSlice") and (space, name) == ("default", "kubernetes"))


def controller_of(live: Mapping[str, Any]) -> str:
    """`Kind/name` of the object that made this one and keeps it so; "" where none does."""
    owners = live["metadata"].get("ownerReferences") or ()
    return next((f"{o.get('kind')}/{o.get('name')}" for o in owners), "")


def manager_of(live: Mapping[str, Any]) -> tuple[str, str]:
    """(`helm`, NAMESPACE/RELEASE) as Helm writes it on what it installs, (its name, "") for another tool, or ("", "").

    Source: helm.sh/docs, "Labels and annotations"; helm's own annotations since 3.2, older charts' labels besides.
    """
    metadata = live["metadata"]
    notes, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    release = notes.get("meta.helm.sh/release-name")
    if release:
        space = notes.get("meta.helm.sh/release-namespace") or metadata.get("namespace") or "-"
        return "helm", f"{space}/{release}"
    by = str(labels.get(LABEL_MANAGED) or labels.get("heritage") or "")
    if by.lower() in ("helm", "tiller"):
        release = labels.get("app.kubernetes.io/instance") or labels.get("release") or "-"
        return "helm", f"{metadata.get('namespace') or '-'}/{release}"
    return by.lower(), ""
