"""ResourceQuotas: `status.used` follows what is there. The refusals themselves are admission's.

Callers: the cluster.
"""

from __future__ import annotations

from sandbox.kubernetes import quota
from sandbox.kubernetes.admission import counted
from sandbox.kubernetes.api import Api
from sandbox.kubernetes.controllers.podcontrol import MANAGER
from sandbox.kubernetes.controllers.queue import Queue
from sandbox.kubernetes.kinds import PODS, QUOTAS
from sandbox.kubernetes.store import ADDED, DELETED, Change, Key


class Quotas:
    """The controller."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.queue: Queue[Key] = Queue("resourcequota-controller", self._reconcile)
        api.store.subscribe(self._changed)

    def start(self) -> None:
        """Looks at everything that is there already."""
        for obj in self._api.store.list(QUOTAS):
            self.queue.add((obj["metadata"]["namespace"], obj["metadata"]["name"]))

    def _changed(self, change: Change) -> None:
        if change.kind is QUOTAS:
            if change.type != DELETED:
                self.queue.add(change.key)
        elif change.kind.namespaced and quota.is_counted(change.kind):
            # What a pod's status says matters only when it ends; most changes are of that sort.
            moved = (
                change.type in (ADDED, DELETED) or change.kind is not PODS or _phase(change.obj) != _phase(change.old)
            )
            if moved:
                for row in self._api.store.each(QUOTAS):
                    if row["metadata"]["namespace"] == change.key[0]:
                        self.queue.add((change.key[0], row["metadata"]["name"]))

    def _reconcile(self, key: Key) -> None:
        found = self._api.store.get(QUOTAS, *key)
        if found is None:
            return
        hard = found["spec"].get("hard") or {}
        used = quota.written(quota.used_by(found, counted(self._api.store, key[0])), hard)
        status = {"hard": hard, "used": used} if hard else {}
        self._api.system_status(QUOTAS, found, status, MANAGER)


def _phase(pod: object) -> object:
    return (pod.get("status") or {}).get("phase") if isinstance(pod, dict) else None
