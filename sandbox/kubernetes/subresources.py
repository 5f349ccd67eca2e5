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
    replicas = (body.get("spec") or {}).get("replicas", 0) if isinstance(body, dict) else None
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
        raise invalid(
            kind, name, [Cause("FieldValueInvalid", f"Invalid value: {replicas}: must be a count", "spec.replicas")]
        )
    version = (body.get("metadata") or {}).get("resourceVersion")
    meta = live["metadata"] | ({"resourceVersion": version} if version else {})
    new = live | {"metadata": meta, "spec": live["spec"] | {"replicas": replicas}}
    return scale_of(api.replace(kind, namespace, name, new, Write(write.manager, "scale", write.dry_run)))


def patch_scale(
    api: Api, kind: ResourceKind, namespace: str, name: str, media_type: str, body: Any, write: Write
) -> Object:
    """PATCH of a Scale, in any of the formats."""
    current = scale_of(api.get(kind, namespace, name))
    if media_type == "application/json-patch+json":
        patched = patches.json_patch(current, body)
    elif media_type.startswith("application/apply-patch"):
        patched = current | {"spec": ownership.strip_nulls(body).get("spec") or current["spec"]}
    elif media_type in ("application/merge-patch+json", "application/strategic-merge-patch+json"):
        patched = patches.json_merge(current, body)
    else:
        raise bad_request(f"the body of the request was in an unknown format: {media_type}")
    patched = patched | {"metadata": {k: v for k, v in patched["metadata"].items() if k != "resourceVersion"}}
    return put_scale(api, kind, namespace, name, patched, write)


def evict(api: Api, namespace: str, name: str, grace_s: int | None = None) -> None:
    """Deletes a pod unless a disruption budget forbids it now: ApiError 429."""
    pod = api.get(PODS, namespace, name)
    for budget in api.store.list(BUDGETS, namespace):
        if not match_selector(budget["spec"].get("selector"), pod["metadata"].get("labels") or {}):
            continue
        if (budget.get("status") or {}).get("disruptionsAllowed", 0) <= 0 and _is_ready(pod):
            raise ApiError(
                429,
                "TooManyRequests",
                "Cannot evict pod as it would violate the pod's disruption budget.",
                causes=(
                    Cause(
                        "DisruptionBudget",
                        f"The disruption budget {budget['metadata']['name']} needs "
                        f"{budget.get('status', {}).get('desiredHealthy', 0)} healthy pods and has "
                        f"{budget.get('status', {}).get('currentHealthy', 0)} currently",
                    ),
                ),
            )
    api.delete(PODS, namespace, name, Deletion(grace_s=grace_s))


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
