"""Node objects: what a worker node looks like in the API, before and after it has joined. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]
_KUBERNETES = "node.kubernetes.io/"
_NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


def node_object(spec: Mapping[str, Any], version: str, cluster_id: str, now: str) -> Object:
    """The Node of a world.NodeSpec (as a mapping), not ready yet."""
    name = spec["name"]
    room = {
        "cpu": f"{spec['cpu_millicores']}m",
        "memory": f"{spec['memory_mib']}Mi",
        "pods": str(spec["pods"]),
        "ephemeral-storage": "50Gi",
    }
    labels = {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
        "kubernetes.io/hostname": name,
        "node.kubernetes.io/instance-type": spec["instance_type"],
        "topology.kubernetes.io/region": spec["region"],
        "topology.kubernetes.io/zone": spec["zone"],
        **dict(spec["labels"]),
    }
    kubelet = f"v{version}.0" if version.count(".") == 1 else f"v{version}"
    info = {
        "kubeletVersion": kubelet,
        "kubeProxyVersion": kubelet,
        "osImage": "Debian GNU/Linux 12 (bookworm)",
        "kernelVersion": "6.1.0",
        "containerRuntimeVersion": "sandbox://1",
        "operatingSystem": "linux",
        "architecture": "amd64",
        "machineID": name,
        "systemUUID": name,
        "bootID": name,
    }
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "taints": [_NOT_READY, *_taints(spec)],
            "providerID": spec["provider_id"] or f"sandbox://{cluster_id}/{name}",
        },
        "status": {
            "capacity": room,
            "allocatable": room,
            "conditions": _conditions(False, now),
            "addresses": [
                {"type": "InternalIP", "address": "127.0.0.1"},
                {"type": "Hostname", "address": name},
            ],
            "nodeInfo": info,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        },
    }


def _taints(spec: Mapping[str, Any]) -> list[Object]:
    """`key=value:Effect` as a Node has them."""
    found = []
    for text in spec.get("taints") or ():
        head, _, effect = text.rpartition(":")
        key, _, value = head.partition("=")
        found.append({"key": key, "effect": effect} | ({"value": value} if value else {}))
    return found


def changed(node: Object, spec: Mapping[str, Any]) -> Object:
    """The node with the labels and taints that its pool has now; Kubernetes' own taints stay."""
    meta, inner = node["metadata"], dict(node.get("spec") or {})
    own = [t for t in inner.pop("taints", None) or () if t["key"].startswith(_KUBERNETES)]
    taints = [*own, *_taints(spec)]
    if taints:
        inner["taints"] = taints
    labels = {**(meta.get("labels") or {}), **dict(spec["labels"])}
    return node | {"metadata": meta | {"labels": labels}, "spec": inner}


def _conditions(ready: bool, now: str) -> list[Object]:
    def row(kind: str, good: bool, reason: str, message: str) -> Object:
        return {
            "type": kind,
            "status": "True" if good else "False",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
            "reason": reason,
            "message": message,
        }

    word = "kubelet is posting ready status" if ready else "container runtime network not ready"
    return [
        row("MemoryPressure", False, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        row("DiskPressure", False, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        row("PIDPressure", False, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        row("Ready", ready, "KubeletReady" if ready else "KubeletNotReady", word),
    ]


def is_ready(node: Object) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def made_ready(node: Object, now: str) -> Object:
    """The node once it has joined: Ready, and without the taint."""
    spec = dict(node.get("spec") or {})
    taints = [t for t in spec.pop("taints", None) or () if t["key"] != _NOT_READY["key"]]
    if taints:
        spec["taints"] = taints
    return node | {"spec": spec, "status": node["status"] | {"conditions": _conditions(True, now)}}


def drawn_as(node: Mapping[str, Any] | None) -> str:
    """What its joining is drawn for: zone and type. Not its name, which counts through all pools of a cloud."""
    labels = (node or {"metadata": {}})["metadata"].get("labels") or {}
    return f"{labels.get('topology.kubernetes.io/zone', '')}/{labels.get('node.kubernetes.io/instance-type', '')}"
