"""Scale and eviction: the two subresources that are objects of another kind.

Callers: the HTTP layer, and a node's removal (eviction).
"""

from __future__ import annotations

from typing import Any

from sandbox.kubernetes import ownership, patches
from sandbox.kubernetes.api import Api, Deletion, Write
from sandbox.kubernetes.errors import ApiError, Cause, bad_request, invalid
from sandbox.kubernetes.kinds import BUDGETS, PODS, ResourceKind
from sandbox.kubernetes.selectors import match_selector
from sandbox.kubernetes.store import Object


def scale_of(obj: Object) -> Object:
    """The autoscaling/v1 Scale of a Deployment or ReplicaSet."""
    meta = obj["metadata"]
    labels = (obj["spec"].get("selector") or {}).get("matchLabels") or {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {k: meta[k] for k in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")},
        "spec": {"replicas": obj["spec"].get("replicas", 0)},
        "status": {
            "replicas": (obj.get("status") or {}).get("replicas", 0),
            "selector": ",".join(f"{k}={v}" for k, v in sorted(labels.items())),
        },
    }


def put_scale(api: Api, kind: ResourceKind, namespace: str, name: str, body: Any, write: Write) -> Object:
    """PUT of a Scale. ApiError 422 where replicas is no count."""
    live = api.get(kind, namespace, name)
    spec, said = _scale_parts(body)
    replicas = spec.get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool) or not 0 <= replicas < 1 << 31:
        raise invalid(
            kind, name, [Cause("FieldValueInvalid", f"Invalid value: {replicas}: must be a count", "spec.replicas")]
        )
    version = said.get("resourceVersion")
    meta = live["metadata"] | ({"resourceVersion": version} if version else {})
    new = live | {"metadata": meta, "spec": live["spec"] | {"replicas": replicas}}
    return scale_of(api.replace(kind, namespace, name, new, Write(write.manager, "scale", write.dry_run)))


def _scale_parts(body: Any) -> tuple[Object, Object]:
    """spec and metadata of a Scale. ApiError 400 where it is none."""
    spec, meta = (body.get("spec") or {}, body.get("metadata") or {}) if isinstance(body, dict) else (None, None)
    if not isinstance(spec, dict) or not isinstance(meta, dict):
        raise bad_request('Scale in version "v1" cannot be handled as a Scale: it has no such form')
    return spec, meta


def patch_scale(
    api: Api, kind: ResourceKind, namespace: str, name: str, media_type: str, body: Any, write: Write
) -> Object:
    """PATCH of a Scale, in any of the formats."""
    current = scale_of(api.get(kind, namespace, name))
    if media_type == "application/json-patch+json":
        patched = patches.json_patch(current, body)
    elif media_type.startswith("application/apply-patch"):
        spec, _meta = _scale_parts(body)
        patched = current | {"spec": ownership.strip_nulls(spec) or current["spec"]}
    elif media_type in ("application/merge-patch+json", "application/strategic-merge-patch+json"):
        patched = patches.json_merge(current, body)
    else:
        raise bad_request(f"the body of the request was in an unknown format: {media_type}")
    spec, meta = _scale_parts(patched)
    patched = {"spec": spec, "metadata": {k: v for k, v in meta.items() if k != "resourceVersion"}}
    return put_scale(api, kind, namespace, name, patched, write)


def evict(api: Api, namespace: str, name: str, grace_s: int | None = None, *, dry_run: bool = False) -> None:
    """Deletes a pod unless a disruption budget forbids it now: ApiError 429; 500 where several budgets meet.

    A pod that has ended or never started is free to go; one that is not ready where its budget says so, or where the
    budget is not short of healthy pods.
    """
    pod = api.get(PODS, namespace, name)
    labels = pod["metadata"].get("labels") or {}
    phase = (pod.get("status") or {}).get("phase")
    found = [b for b in api.store.list(BUDGETS, namespace) if match_selector(b["spec"].get("selector"), labels)]
    if phase in ("Succeeded", "Failed", "Pending") or pod["metadata"].get("deletionTimestamp"):
        found = []
    if len(found) > 1:
        text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        raise ApiError(500, "InternalError", text)
    if found and not _is_free(pod, found[0]):
        _spend(api, found[0], name, dry_run=dry_run)
    if not dry_run:
        api.delete(PODS, namespace, name, Deletion(grace_s=grace_s))


def _is_free(pod: Object, budget: Object) -> bool:
    """Whether the pod is not ready, and may go without being counted."""
    status = budget.get("status") or {}
    if _is_ready(pod):
        return False
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    return bool(status.get("currentHealthy", 0) >= status.get("desiredHealthy", 0) > 0)


def _spend(api: Api, budget: Object, pod_name: str, *, dry_run: bool) -> None:
    """Takes one of the budget's disruptions at once, so that the next eviction sees it. ApiError 429 without any."""
    status = budget.get("status") or {}
    if status.get("disruptionsAllowed", 0) <= 0:
        name = budget["metadata"]["name"]
        text = (
            f"The disruption budget {name} needs {status.get('desiredHealthy', 0)} healthy pods "
            f"and has {status.get('currentHealthy', 0)} currently"
        )
        message = "Cannot evict pod as it would violate the pod's disruption budget."
        raise ApiError(429, "TooManyRequests", message, causes=(Cause("DisruptionBudget", text),))
    if not dry_run:
        taken = {**(status.get("disruptedPods") or {}), pod_name: api.now()}
        new = status | {"disruptionsAllowed": status["disruptionsAllowed"] - 1, "disruptedPods": taken}
        api.system_status(BUDGETS, budget, new, "kube-apiserver")


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
