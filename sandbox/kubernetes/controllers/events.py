"""Events: what happened to an object, counted where it repeats, forgotten when there are too many.

Callers: every controller. Events have no managedFields here: they are many, and nobody applies them.
"""

from __future__ import annotations

from collections import OrderedDict

from sandbox.kubernetes.api import Api
from sandbox.kubernetes.kinds import EVENTS, NAMESPACES
from sandbox.kubernetes.store import Key, Object

_MOST = 2000
NORMAL, WARNING = "Normal", "Warning"


class Recorder:
    """Writes events. The oldest go when there are more than a cluster keeps in an hour."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: OrderedDict[tuple[str, ...], Key] = OrderedDict()

    def tell(self, obj: Object, kind: str, reason: str, message: str, component: str) -> None:
        """One event about an object. kind: Normal or Warning; component: who says so."""
        meta = obj["metadata"]
        namespace = meta.get("namespace") or "default"
        space = self._api.store.get(NAMESPACES, "", namespace)
        if space is None or space["metadata"].get("deletionTimestamp"):
            return
        key = (meta["uid"], kind, reason, message, component)
        now = self._api.now()
        known = self._known.get(key)
        live = self._api.store.get(EVENTS, *known) if known else None
        if live is not None:
            self._known.move_to_end(key)
            self._api.store.put(EVENTS, live | {"count": live["count"] + 1, "lastTimestamp": now})
            return
        name = f"{meta['name']}.{self._api.random_name(16)}"
        self._known[key] = (namespace, name)
        self._api.store.put(EVENTS, self._event(obj, (namespace, name), (kind, reason, message, component), now))
        while len(self._known) > _MOST:
            _, oldest = self._known.popitem(last=False)
            self._api.store.remove(EVENTS, *oldest)

    def _event(self, obj: Object, where: Key, what: tuple[str, str, str, str], now: str) -> Object:
        meta = obj["metadata"]
        kind, reason, message, component = what
        involved = {
            "apiVersion": obj["apiVersion"],
            "kind": obj["kind"],
            "name": meta["name"],
            "uid": meta["uid"],
            "resourceVersion": meta.get("resourceVersion", ""),
        }
        if meta.get("namespace"):
            involved["namespace"] = meta["namespace"]
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": where[1],
                "namespace": where[0],
                "uid": self._api.new_uid(),
                "creationTimestamp": now,
            },
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "type": kind,
            "source": {"component": component},
            "reportingComponent": component,
            "reportingInstance": "",
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
