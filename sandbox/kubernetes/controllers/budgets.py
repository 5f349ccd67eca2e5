"""PodDisruptionBudgets: how many pods may be evicted now.

Callers: the cluster; the eviction subresource reads what is written here.
"""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.kubernetes.api import Api
from sandbox.kubernetes.controllers import rollout
from sandbox.kubernetes.controllers.owners import controller_of
from sandbox.kubernetes.controllers.podcontrol import is_active, is_ready
from sandbox.kubernetes.controllers.queue import Queue
from sandbox.kubernetes.controllers.selecting import Selectors
from sandbox.kubernetes.kinds import BUDGETS, BY_KIND, PODS
from sandbox.kubernetes.store import DELETED, Change, Key, Object, labels_of

MANAGER = "kube-controller-manager"


class Budgets:
    """The controller."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._selectors = Selectors(api.store, BUDGETS, lambda b: b["spec"].get("selector"))
        self.queue: Queue[Key] = Queue("disruption-controller", self._reconcile)
        api.store.subscribe(self._changed)

    def start(self) -> None:
        """Looks at everything that is there already."""
        for obj in self._api.store.list(BUDGETS):
            self.queue.add((obj["metadata"]["namespace"], obj["metadata"]["name"]))

    def _changed(self, change: Change) -> None:
        if change.kind is BUDGETS and change.type != DELETED:
            self.queue.add(change.key)
        elif change.kind is PODS:
            self._wake(change.key[0], labels_of(change.obj), labels_of(change.old))
        elif "scale" in change.kind.subresources:
            self._wake(change.key[0], _pod_labels(change.obj), _pod_labels(change.old))

    def _wake(self, namespace: str, *labels: Mapping[str, str]) -> None:
        for key in self._selectors.of(namespace, *labels):
            self.queue.add(key)

    def _reconcile(self, key: Key) -> None:
        budget = self._api.store.get(BUDGETS, *key)
        if budget is None:
            return
        spec = budget["spec"]
        pods = [p for p in self._api.store.selected(PODS, key[0], spec.get("selector")) if is_active(p)]
        wanted = spec.get("maxUnavailable", spec.get("minAvailable", 1))
        by_pods = "maxUnavailable" not in spec and isinstance(wanted, int)
        expected = len(pods) if by_pods else self._expected(pods)
        count = rollout.resolve(wanted, expected, up=True)
        desired = max(0, expected - count) if "maxUnavailable" in spec else count
        healthy = sum(is_ready(p) for p in pods)
        allowed = max(0, healthy - desired)
        conditions = (budget.get("status") or {}).get("conditions") or ()
        word = "True" if allowed else "False"
        same = next((c for c in conditions if c["type"] == "DisruptionAllowed" and c["status"] == word), None)
        row = same or {
            "type": "DisruptionAllowed",
            "status": word,
            "reason": "SufficientPods" if allowed else "InsufficientPods",
            "message": "",
            "lastTransitionTime": self._api.now(),
        }
        status: Object = {
            "observedGeneration": budget["metadata"].get("generation", 1),
            "disruptionsAllowed": allowed,
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
            "conditions": [row | {"observedGeneration": budget["metadata"].get("generation", 1)}],
        }
        self._api.system_status(BUDGETS, budget, status, MANAGER)

    def _expected(self, pods: list[Object]) -> int:
        """What the pods' controllers want, the topmost that can be scaled; a pod without one counts for itself."""
        wanted: dict[str, int] = {}
        for pod in pods:
            top, above = pod, self._above(pod)
            while above is not None:
                top, above = above, self._above(above)
            wanted[top["metadata"]["uid"]] = 1 if top is pod else int(top["spec"].get("replicas", 1))
        return sum(wanted.values())

    def _above(self, obj: Object) -> Object | None:
        owner = controller_of(obj)
        kind = BY_KIND.get(owner["kind"]) if owner else None
        if owner is None or kind is None or "scale" not in kind.subresources:
            return None
        return self._api.store.get(kind, obj["metadata"]["namespace"], owner["name"])


def _pod_labels(scaled: Object | None) -> Mapping[str, str]:
    """The labels of the pods that it makes."""
    if scaled is None:
        return {}
    template = scaled["spec"].get("template") or {}
    return (template.get("metadata") or {}).get("labels") or {}
