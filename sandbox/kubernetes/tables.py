"""Table answers: the columns that kubectl prints. Pure: objects and the time in, a Table out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sandbox.kubernetes.kinds import ResourceKind

Object = dict[str, Any]
Column = tuple[str, Callable[[Object, float], Any], bool]
"""(name, cell of an object at a time, only with -o wide)."""


def table(kind: ResourceKind, objects: Sequence[Object], now_s: float, version: str, include: str = "") -> Object:
    """The Table of these objects. include: what a row holds of its object: Metadata (the default), Object or None."""
    columns = _COLUMNS.get(kind.kind, _PLAIN)
    rows = [
        {
            "cells": [_shown(cell, obj, now_s) for _name, cell, _wide in columns],
            **_included(kind, obj, include),
        }
        for obj in objects
    ]
    definitions = [
        {
            "name": name,
            "type": "string",
            "format": "name" if name == "Name" else "",
            "description": "",
            "priority": 1 if wide else 0,
        }
        for name, _cell, wide in columns
    ]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": definitions,
        "rows": rows,
    }


def _shown(cell: Callable[[Object, float], Any], obj: Object, now_s: float) -> Any:
    """A cell's text; an object may lack any part that its user did not have to write."""
    try:
        return cell(obj, now_s)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError):
        return "<unknown>"


def _included(kind: ResourceKind, obj: Object, include: str) -> Object:
    if include == "None":
        return {}
    if include == "Object":
        return {"object": {"kind": kind.kind, "apiVersion": kind.api_version, **obj}}
    head = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    return {"object": {**head, "metadata": obj["metadata"]}}


def age(since: str | None, now_s: float) -> str:
    """`5s`, `3m20s`, `4h`, `2d`, as kubectl writes durations (apimachinery duration.HumanDuration)."""
    if not since:
        return "<unknown>"
    seconds = max(0, int(now_s - datetime.strptime(since, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    return f"{days}d"


def _name(o: Object, _now: float) -> Any:
    return o["metadata"]["name"]


def _age(o: Object, now: float) -> Any:
    return age(o["metadata"].get("creationTimestamp"), now)


def _at(*path: str, default: Any = "<none>") -> Callable[[Object, float], Any]:
    def cell(obj: Object, _now: float) -> Any:
        value: Any = obj
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return default if value is None else value

    return cell


def _count(name: str) -> Callable[[Object, float], Any]:
    return lambda obj, _now: len(obj.get(name) or ())


def _statuses(pod: Object) -> list[Object]:
    return list((pod.get("status") or {}).get("containerStatuses") or ())


def _pod_ready(pod: Object, _now: float) -> str:
    return f"{sum(bool(s.get('ready')) for s in _statuses(pod))}/{len(pod['spec'].get('containers') or ())}"


def pod_status_word(pod: Object, _now: float = 0.0) -> str:
    """What kubectl prints as a pod's STATUS."""
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for status in _statuses(pod):
        state = status.get("state") or {}
        reason = (state.get("waiting") or state.get("terminated") or {}).get("reason")
        if reason:
            return str(reason)
    status = pod.get("status") or {}
    return str(status.get("reason") or status.get("phase") or "Pending")


def _restarts(pod: Object, now_s: float) -> str:
    count = sum(s.get("restartCount", 0) for s in _statuses(pod))
    ends = [((s.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for s in _statuses(pod)]
    last = max((e for e in ends if e), default="")
    return f"{count} ({age(last, now_s)} ago)" if count and last else str(count)


def _template_containers(field: str) -> Callable[[Object, float], str]:
    def cell(obj: Object, _now: float) -> str:
        containers = obj["spec"].get("template", {}).get("spec", {}).get("containers") or ()
        return ",".join(c.get(field, "") for c in containers)

    return cell


def _selector(obj: Object, _now: float) -> str:
    selector = obj["spec"].get("selector") or {}
    labels = selector.get("matchLabels", selector)
    return ",".join(f"{k}={v}" for k, v in sorted(labels.items())) or "<none>"


def _node_status(node: Object, _now: float) -> str:
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready = next((c["status"] for c in conditions if c["type"] == "Ready"), "Unknown")
    word = "Ready" if ready == "True" else "NotReady"
    return word + (",SchedulingDisabled" if (node.get("spec") or {}).get("unschedulable") else "")


def _external_ip(service: Object, _now: float) -> str:
    if service["spec"].get("type") != "LoadBalancer":
        return "<none>"
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return ",".join(i.get("ip") or i.get("hostname", "") for i in ingress) or "<pending>"


def _service_ports(service: Object, _now: float) -> str:
    rows = service["spec"].get("ports") or ()
    texts = [f"{p['port']}{':' + str(p['nodePort']) if p.get('nodePort') else ''}/{p['protocol']}" for p in rows]
    return ",".join(texts) or "<none>"


def _endpoints(slice_: Object, _now: float) -> str:
    return ",".join(a for e in slice_.get("endpoints") or () for a in e.get("addresses") or ()) or "<unset>"


def _ready_of(obj: Object, _now: float) -> str:
    return f"{(obj.get('status') or {}).get('readyReplicas', 0)}/{obj['spec'].get('replicas', 0)}"


_PLAIN: tuple[Column, ...] = (("Name", _name, False), ("Age", _age, False))
_WORKLOAD: tuple[Column, ...] = (
    ("Age", _age, False),
    ("Containers", _template_containers("name"), True),
    ("Images", _template_containers("image"), True),
    ("Selector", _selector, True),
)
_COLUMNS: dict[str, tuple[Column, ...]] = {
    "Pod": (
        ("Name", _name, False),
        ("Ready", _pod_ready, False),
        ("Status", pod_status_word, False),
        ("Restarts", _restarts, False),
        ("Age", _age, False),
        ("IP", _at("status", "podIP"), True),
        ("Node", _at("spec", "nodeName"), True),
        ("Nominated Node", _at("status", "nominatedNodeName"), True),
        ("Readiness Gates", lambda _o, _n: "<none>", True),
    ),
    "Deployment": (
        ("Name", _name, False),
        ("Ready", _ready_of, False),
        ("Up-to-date", _at("status", "updatedReplicas", default=0), False),
        ("Available", _at("status", "availableReplicas", default=0), False),
        *_WORKLOAD,
    ),
    "ReplicaSet": (
        ("Name", _name, False),
        ("Desired", _at("spec", "replicas", default=0), False),
        ("Current", _at("status", "replicas", default=0), False),
        ("Ready", _at("status", "readyReplicas", default=0), False),
        *_WORKLOAD,
    ),
    "Service": (
        ("Name", _name, False),
        ("Type", _at("spec", "type"), False),
        ("Cluster-IP", _at("spec", "clusterIP"), False),
        ("External-IP", _external_ip, False),
        ("Port(s)", _service_ports, False),
        ("Age", _age, False),
        ("Selector", _selector, True),
    ),
    "Node": (
        ("Name", _name, False),
        ("Status", _node_status, False),
        ("Roles", lambda _o, _n: "<none>", False),
        ("Age", _age, False),
        ("Version", _at("status", "nodeInfo", "kubeletVersion"), False),
        ("Internal-IP", lambda o, _n: o["status"]["addresses"][0]["address"], True),
    ),
    "Namespace": (("Name", _name, False), ("Status", _at("status", "phase"), False), ("Age", _age, False)),
    "ConfigMap": (("Name", _name, False), ("Data", _count("data"), False), ("Age", _age, False)),
    "Secret": (
        ("Name", _name, False),
        ("Type", _at("type"), False),
        ("Data", _count("data"), False),
        ("Age", _age, False),
    ),
    "Event": (
        ("Last Seen", lambda o, n: age(o.get("lastTimestamp"), n), False),
        ("Type", _at("type"), False),
        ("Reason", _at("reason"), False),
        ("Object", lambda o, _n: "{kind}/{name}".format(**o["involvedObject"]).lower(), False),
        ("Message", _at("message"), False),
    ),
    "EndpointSlice": (
        ("Name", _name, False),
        ("AddressType", _at("addressType"), False),
        ("Ports", lambda o, _n: ",".join(str(p.get("port")) for p in o.get("ports") or ()) or "<unset>", False),
        ("Endpoints", _endpoints, False),
        ("Age", _age, False),
    ),
    "PodDisruptionBudget": (
        ("Name", _name, False),
        ("Min Available", _at("spec", "minAvailable", default="N/A"), False),
        ("Max Unavailable", _at("spec", "maxUnavailable", default="N/A"), False),
        ("Allowed Disruptions", _at("status", "disruptionsAllowed", default=0), False),
        ("Age", _age, False),
    ),
}
