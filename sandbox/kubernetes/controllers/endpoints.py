"""EndpointSlices and Endpoints: which pods stand behind a service, and whether they are ready.

Callers: the cluster. At most 100 endpoints a slice, as in a real cluster; slices that somebody else made for a service
without a selector are left alone, and served all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.kubernetes.api import Api
from sandbox.kubernetes.controllers.owners import reference
from sandbox.kubernetes.controllers.podcontrol import has_ended, is_ready
from sandbox.kubernetes.controllers.queue import Queue
from sandbox.kubernetes.controllers.selecting import Selectors
from sandbox.kubernetes.kinds import ENDPOINTS, ENDPOINTSLICES, NODES, PODS, SERVICES
from sandbox.kubernetes.store import DELETED, Change, Key, Object, Store, labels_of

MANAGER = "kube-controller-manager"
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLER = "endpointslice-controller.k8s.io"
MOST_IN_A_SLICE, MOST_ENDPOINTS = 100, 1000


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
    return list(store.selected(ENDPOINTSLICES, namespace, {"matchLabels": {SERVICE_NAME: service}}))


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
        self._selectors = Selectors(api.store, SERVICES, _selector_of)
        self.queue: Queue[Key] = Queue("endpointslice-controller", self._reconcile)
        api.store.subscribe(self._changed)

    def start(self) -> None:
        """Looks at everything that is there already."""
        for obj in self._api.store.list(SERVICES):
            self.queue.add((obj["metadata"]["namespace"], obj["metadata"]["name"]))

    def _changed(self, change: Change) -> None:
        if change.kind is SERVICES:
            self.queue.add(change.key)
        elif change.kind is PODS and _seen(change.old) != _seen(None if change.type == DELETED else change.obj):
            for key in self._selectors.of(change.key[0], labels_of(change.obj), labels_of(change.old)):
                self.queue.add(key)

    def _reconcile(self, key: Key) -> None:
        service = self._api.store.get(SERVICES, *key)
        if service is None:
            # The slices go with their owner; Endpoints have none, and are known by their name.
            self._api.store.remove(ENDPOINTS, *key)
            return
        if not service["spec"].get("selector") or service["metadata"].get("deletionTimestamp"):
            return
        found = self._api.store.selected(PODS, key[0], _selector_of(service))
        pods = [p for p in found if (p.get("status") or {}).get("podIP") and not has_ended(p)]
        ports = _ports(service, pods)
        rows = [self._endpoint(service, p) for p in pods]
        self._write_slices(service, rows, ports)
        self._write_endpoints(service, rows, ports)

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
        if pod["spec"].get("hostname") and pod["spec"].get("subdomain") == service["metadata"]["name"]:
            row["hostname"] = pod["spec"]["hostname"]
        zone = (node["metadata"].get("labels") or {}).get("topology.kubernetes.io/zone")
        return row | ({"zone": zone} if zone else {})

    # -- slices ------------------------------------------------------------------------------------------------

    def _write_slices(self, service: Object, rows: Sequence[Object], ports: list[Object]) -> None:
        """An endpoint stays in the slice that it is in; new ones fill the gaps, then new slices."""
        meta = service["metadata"]
        live = [
            s
            for s in slices_of(self._api.store, meta["namespace"], meta["name"])
            if (s["metadata"].get("labels") or {}).get(MANAGED_BY) == CONTROLLER
        ]
        left = {row["targetRef"]["uid"]: row for row in rows}
        kept: list[list[Object]] = []
        for slice_ in live:
            uids = [(e.get("targetRef") or {}).get("uid", "") for e in slice_.get("endpoints") or ()]
            kept.append([left.pop(uid) for uid in uids if uid in left])
        new = list(left.values())
        for group in kept:
            room = MOST_IN_A_SLICE - len(group)
            group.extend(new[:room])
            new = new[room:]
        kept += [new[i : i + MOST_IN_A_SLICE] for i in range(0, len(new), MOST_IN_A_SLICE)]
        if not kept:
            kept = [[]]
        for index, group in enumerate(kept):
            wanted: Object = {"addressType": "IPv4", "endpoints": group, "ports": ports}
            if index >= len(live):
                self._api.system_create(ENDPOINTSLICES, self._new_slice(service) | wanted, MANAGER)
            elif group or index == 0:
                self._api.system_update(ENDPOINTSLICES, live[index], live[index] | wanted, MANAGER)
            else:
                self._api.store.remove(ENDPOINTSLICES, meta["namespace"], live[index]["metadata"]["name"])

    def _new_slice(self, service: Object) -> Object:
        meta = service["metadata"]
        return {
            "metadata": {
                "generateName": f"{meta['name']}-",
                "namespace": meta["namespace"],
                "labels": {**(meta.get("labels") or {}), SERVICE_NAME: meta["name"], MANAGED_BY: CONTROLLER},
                "ownerReferences": [reference(SERVICES, service)],
            }
        }

    # -- Endpoints ---------------------------------------------------------------------------------------------

    def _write_endpoints(self, service: Object, rows: Sequence[Object], ports: list[Object]) -> None:
        """The older form of the same: ready and not ready addresses, those that are going left out."""
        meta = service["metadata"]
        staying = [r for r in rows if not r["conditions"]["terminating"]][:MOST_ENDPOINTS]
        subset: Object = {}
        for field, ready in (("addresses", True), ("notReadyAddresses", False)):
            found = [_address(r) for r in staying if r["conditions"]["ready"] is ready]
            if found:
                subset[field] = found
        if subset and ports:
            subset["ports"] = [{k: v for k, v in p.items() if k != "name" or v} for p in ports]
        live = self._api.store.get(ENDPOINTS, meta["namespace"], meta["name"])
        if live is None:
            bare: Object = {"metadata": {"name": meta["name"], "namespace": meta["namespace"]}}
            if meta.get("labels"):
                bare["metadata"]["labels"] = dict(meta["labels"])
            self._api.system_create(ENDPOINTS, bare | ({"subsets": [subset]} if subset else {}), MANAGER)
            return
        new = {k: v for k, v in live.items() if k != "subsets"} | ({"subsets": [subset]} if subset else {})
        self._api.system_update(ENDPOINTS, live, new, MANAGER)


def _selector_of(service: Object) -> Mapping[str, Any] | None:
    """As a LabelSelector; None where it has none, and somebody else writes its endpoints."""
    pairs = service["spec"].get("selector")
    return {"matchLabels": pairs} if pairs else None


def _seen(pod: Object | None) -> tuple[object, ...] | None:
    """What of a pod an endpoint shows."""
    if pod is None:
        return None
    meta, status = pod["metadata"], pod.get("status") or {}
    going = bool(meta.get("deletionTimestamp"))
    return meta["uid"], meta.get("labels"), status.get("podIP"), is_ready(pod), going, has_ended(pod)


def _address(row: Object) -> Object:
    new = {"ip": row["addresses"][0], "nodeName": row["nodeName"], "targetRef": row["targetRef"]}
    return new | ({"hostname": row["hostname"]} if "hostname" in row else {})


def _ports(service: Object, pods: Sequence[Object]) -> list[Object]:
    rows: list[Object] = []
    for port in service["spec"].get("ports") or ():
        number = next((n for p in pods if (n := target_port(port, p)) is not None), None)
        if number is None and isinstance(port.get("targetPort"), int):
            number = port["targetPort"]
        if number is not None:
            rows.append({"name": port.get("name", ""), "port": number, "protocol": port.get("protocol", "TCP")})
    return rows
