"""EndpointSlices: which pods stand behind a service, and whether they are ready.

Callers: the cluster. One slice per service; slices that somebody else made for a service without a selector are left
alone, and served all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sandbox.kubernetes.api import Api
from sandbox.kubernetes.controllers.owners import reference
from sandbox.kubernetes.controllers.queue import Queue
from sandbox.kubernetes.controllers.replicaset import is_ready
from sandbox.kubernetes.controllers.scheduler import has_ended
from sandbox.kubernetes.kinds import ENDPOINTSLICES, NODES, PODS, SERVICES
from sandbox.kubernetes.selectors import match_selector
from sandbox.kubernetes.store import DELETED, Change, Key, Object, Store

MANAGER = "kube-controller-manager"
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLER = "endpointslice-controller.k8s.io"


def target_port(port: Object, pod: Object) -> int | None:
    """The container port that a service's port means on this pod; None where a name is not found."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    for container in pod["spec"].get("containers") or ():
        for row in container.get("ports") or ():
            if row.get("name") == target:
                return int(row["containerPort"])
    return None


def slices_of(store: Store, namespace: str, service: str) -> list[Object]:
    """The EndpointSlices of a service, whoever made them."""
    return [
        s
        for s in store.list(ENDPOINTSLICES, namespace)
        if (s["metadata"].get("labels") or {}).get(SERVICE_NAME) == service
    ]


def ready_addresses(slices: Sequence[Object], port_name: str) -> list[tuple[str, int]]:
    """(address, port) of the ready endpoints behind one port of a service."""
    found: list[tuple[str, int]] = []
    for row in slices:
        port = next((p for p in row.get("ports") or () if (p.get("name") or "") == port_name), None)
        if port is None or port.get("port") is None:
            continue
        for endpoint in row.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready", True):
                found += [(address, int(port["port"])) for address in endpoint.get("addresses") or ()]
    return found


class EndpointSlices:
    """The controller."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.queue: Queue[Key] = Queue("endpointslice-controller", self._reconcile)
        api.store.subscribe(self._changed)

    def start(self) -> None:
        """Looks at everything that is there already."""
        for obj in self._api.store.list(SERVICES):
            self.queue.add((obj["metadata"]["namespace"], obj["metadata"]["name"]))

    def _changed(self, change: Change) -> None:
        if change.kind is SERVICES:
            if change.type != DELETED:
                self.queue.add(change.key)
        elif change.kind is PODS:
            labels: list[Mapping[str, str]] = [change.obj["metadata"].get("labels") or {}]
            if change.old is not None:
                labels.append(change.old["metadata"].get("labels") or {})
            for service in self._api.store.list(SERVICES, change.key[0]):
                selector = service["spec"].get("selector")
                if selector and any(match_selector({"matchLabels": selector}, row) for row in labels):
                    self.queue.add((change.key[0], service["metadata"]["name"]))

    def _reconcile(self, key: Key) -> None:
        service = self._api.store.get(SERVICES, *key)
        if service is None or not service["spec"].get("selector") or service["metadata"].get("deletionTimestamp"):
            return
        selector = {"matchLabels": service["spec"]["selector"]}
        pods = [
            p
            for p in self._api.store.list(PODS, key[0])
            if match_selector(selector, p["metadata"].get("labels") or {})
            and (p.get("status") or {}).get("podIP")
            and not has_ended(p)
        ]
        wanted = {
            "addressType": "IPv4",
            "endpoints": [self._endpoint(service, p) for p in pods],
            "ports": _ports(service, pods),
        }
        self._write(service, wanted)

    def _endpoint(self, service: Object, pod: Object) -> Object:
        meta = pod["metadata"]
        going = bool(meta.get("deletionTimestamp"))
        ready = is_ready(pod) or bool(service["spec"].get("publishNotReadyAddresses"))
        node = self._api.store.get(NODES, "", pod["spec"].get("nodeName", "")) or {"metadata": {}}
        row: Object = {
            "addresses": [pod["status"]["podIP"]],
            "conditions": {"ready": ready and not going, "serving": ready, "terminating": going},
            "nodeName": pod["spec"].get("nodeName", ""),
            "targetRef": {"kind": "Pod", "name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]},
        }
        zone = (node["metadata"].get("labels") or {}).get("topology.kubernetes.io/zone")
        return row | ({"zone": zone} if zone else {})

    def _write(self, service: Object, wanted: Object) -> None:
        meta = service["metadata"]
        live = next(
            (
                s
                for s in slices_of(self._api.store, meta["namespace"], meta["name"])
                if (s["metadata"].get("labels") or {}).get(MANAGED_BY) == CONTROLLER
            ),
            None,
        )
        if live is not None:
            self._api.system_update(ENDPOINTSLICES, live, live | wanted, MANAGER)
            return
        new: Object = {
            "metadata": {
                "generateName": f"{meta['name']}-",
                "namespace": meta["namespace"],
                "labels": {**(meta.get("labels") or {}), SERVICE_NAME: meta["name"], MANAGED_BY: CONTROLLER},
                "ownerReferences": [reference(SERVICES, service)],
            }
        }
        self._api.system_create(ENDPOINTSLICES, new | wanted, MANAGER)


def _ports(service: Object, pods: Sequence[Object]) -> list[Object]:
    rows: list[Object] = []
    for port in service["spec"].get("ports") or ():
        number = next((n for p in pods if (n := target_port(port, p)) is not None), None)
        if number is None and isinstance(port.get("targetPort"), int):
            number = port["targetPort"]
        if number is not None:
            rows.append({"name": port.get("name", ""), "port": number, "protocol": port.get("protocol", "TCP")})
    return rows
