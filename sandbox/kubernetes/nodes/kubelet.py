"""The kubelets of a cluster's nodes, together: what is bound to a node runs, what is deleted ends.

Callers: the cluster. One object for all nodes, because here they share a machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from sandbox.kubernetes.api import Api, Deletion, timestamp
from sandbox.kubernetes.controllers.events import Recorder
from sandbox.kubernetes.controllers.podcontrol import has_ended
from sandbox.kubernetes.errors import ApiError, bad_request
from sandbox.kubernetes.kinds import CONFIGMAPS, NODES, PODS, SECRETS, ResourceKind
from sandbox.kubernetes.nodes import status as status_of
from sandbox.kubernetes.nodes.worker import Backoff, Worker
from sandbox.kubernetes.routes import is_true
from sandbox.kubernetes.store import DELETED, Change, Key, Object
from sandbox.kubernetes.tasks import spawn
from sandbox.world import ContainerHost

MANAGER = "kubelet"
_ZONE, _REGION = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"


class Kubelets:
    """Runs the pods that are bound to nodes. cluster_id goes into what the containers say of themselves."""

    def __init__(
        self, api: Api, recorder: Recorder, containers: ContainerHost, cluster_id: str, backoff: Backoff
    ) -> None:
        self._api, self._recorder = api, recorder
        self.containers, self.backoff, self._cluster_id = containers, backoff, cluster_id
        self._workers: dict[str, Worker] = {}
        self._by_address: dict[str, Worker] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._unsubscribe = api.store.subscribe(self._changed)

    def start(self) -> None:
        """Takes up everything that is bound already: after a restart its containers are gone."""
        for pod in self._api.store.list(PODS):
            self._look(pod)

    async def close(self) -> None:
        """Stops every container; the objects stay as they are."""
        self._unsubscribe()
        for task in self._ending.values():
            task.cancel()
        await asyncio.gather(*self._ending.values(), return_exceptions=True)
        await asyncio.gather(*(w.stop(0) for w in self._workers.values()))
        self._workers.clear()

    def worker_of(self, pod: Object) -> Worker | None:
        return self._workers.get(pod["metadata"]["uid"])

    def endpoint(self, address: str, port: int) -> tuple[str, int]:
        """Where an endpoint's address and port really answer; what is no pod of ours stays as it is."""
        worker = self._by_address.get(address)
        return worker.endpoint(port) if worker is not None else (address, port)

    # -- following the store -----------------------------------------------------------------------------------

    def _changed(self, change: Change) -> None:
        if change.kind in (CONFIGMAPS, SECRETS):
            for worker in self._workers.values():
                if worker.key[0] == change.key[0]:
                    worker.poke()
            return
        if change.kind is not PODS:
            return
        if change.type == DELETED:
            self._end(change.obj, 0.0, remove=False)
        else:
            self._look(change.obj)

    def _look(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if not pod["spec"].get("nodeName"):
            return
        if pod["metadata"].get("deletionTimestamp"):
            self._end(pod, float(pod["metadata"].get("deletionGracePeriodSeconds", 30)), remove=True)
        elif uid not in self._workers and not has_ended(pod):
            worker = Worker(self, pod)
            self._workers[uid] = worker
            worker.start()

    def _end(self, pod: Object, grace_s: float, *, remove: bool) -> None:
        uid = pod["metadata"]["uid"]
        worker = self._workers.get(uid)
        if worker is not None:
            worker.stopping = True
        if uid in self._ending or (worker is None and not remove):
            return
        task = spawn(self._terminate(pod, worker, grace_s, remove=remove), f"end of pod {pod['metadata']['name']}")
        self._ending[uid] = task
        task.add_done_callback(lambda _t: self._ending.pop(uid, None))

    async def _terminate(self, pod: Object, worker: Worker | None, grace_s: float, *, remove: bool) -> None:
        meta = pod["metadata"]
        if worker is not None:
            for name in worker.containers if remove else ():
                self._recorder.tell(pod, "Normal", "Killing", f"Stopping container {name}", MANAGER)
            await worker.stop(grace_s)
            self._workers.pop(meta["uid"], None)
            if self._by_address.get(worker.pod_ip) is worker:
                del self._by_address[worker.pod_ip]
        live = self._api.store.get(PODS, meta["namespace"], meta["name"])
        if remove and live is not None and live["metadata"]["uid"] == meta["uid"]:
            self._api.delete(PODS, meta["namespace"], meta["name"], Deletion(grace_s=0))

    # -- what workers need -------------------------------------------------------------------------------------

    def now(self) -> str:
        return self._api.now()

    def event(self, pod_key: Key, kind: str, reason: str, message: str) -> None:
        pod = self._api.store.get(PODS, *pod_key)
        if pod is not None:
            self._recorder.tell(pod, kind, reason, message, MANAGER)

    def publish(self, worker: Worker) -> None:
        """Writes the pod's status from the states of its containers."""
        live = self._api.store.get(PODS, *worker.key)
        if live is None or live["metadata"]["uid"] != worker.uid:
            return
        status = status_of.pod_status(
            live.get("status") or {},
            list(worker.states.values()),
            live["spec"].get("restartPolicy", "Always"),
            self.now(),
            host_ip=self.host_ip(live["spec"]["nodeName"]),
            pod_ip=worker.pod_ip,
            inits=list(worker.inits.values()),
            sidecars={c["name"] for c in worker.sidecars},
        )
        if worker.pod_ip:
            self._by_address[worker.pod_ip] = worker
        self._api.system_status(PODS, live, status, MANAGER)

    def lookup(self, namespace: str, kind: ResourceKind, name: str) -> Object | None:
        """An object that a pod of that namespace refers to."""
        return self._api.store.get(kind, namespace, name)

    def host_ip(self, node_name: str) -> str:
        node = self._api.store.get(NODES, "", node_name)
        addresses = ((node or {}).get("status") or {}).get("addresses") or [{"address": "127.0.0.1"}]
        return str(addresses[0]["address"])

    def identity(self, pod: Object) -> Mapping[str, str]:
        """What the pod's containers answer about themselves."""
        meta = pod["metadata"]
        labels = meta.get("labels") or {}
        node = self._api.store.get(NODES, "", pod["spec"]["nodeName"]) or {"metadata": {}}
        where = node["metadata"].get("labels") or {}
        return {
            "service": labels.get("app.kubernetes.io/name") or labels.get("app") or meta["name"],
            "version": labels.get("app.kubernetes.io/version", ""),
            "pod": meta["name"],
            "namespace": meta["namespace"],
            "node": pod["spec"]["nodeName"],
            "site": labels.get("duoyun.dev/site") or labels.get("duoyun.dev/spot-site") or where.get(_ZONE, ""),
            "zone": where.get(_ZONE, ""),
            "region": where.get(_REGION, ""),
            "cluster": self._cluster_id,
        }

    # -- logs --------------------------------------------------------------------------------------------------

    def logs(self, pod: Object, query: Mapping[str, str]) -> str:
        """The lines of one container. ApiError 400 where the choice is unclear or nothing has started."""
        names = [c["name"] for c in pod["spec"]["containers"]]
        name = query.get("container", "") or (names[0] if len(names) == 1 else "")
        names += [c["name"] for c in pod["spec"].get("initContainers") or ()]
        if not name:
            raise bad_request(
                f"a container name must be specified for pod {pod['metadata']['name']}, choose one of: {names}"
            )
        if name not in names:
            raise bad_request(f"container {name} is not valid for pod {pod['metadata']['name']}")
        worker = self.worker_of(pod)
        previous = is_true(query, "previous")
        found = (worker.previous if previous else worker.containers).get(name) if worker else None
        if found is None:
            state = "not found" if previous else "waiting to start: ContainerCreating"
            kind = "previous terminated container" if previous else "container"
            raise ApiError(400, "BadRequest", f'{kind} "{name}" in pod "{pod["metadata"]["name"]}" is {state}')
        rows = list(getattr(found, "log", ()))
        tail = query.get("tailLines", "")
        if tail.isdigit():
            rows = rows[len(rows) - min(int(tail), len(rows)) :]
        stamped = is_true(query, "timestamps")
        return "".join(f"{timestamp(at_s)} {text}\n" if stamped else f"{text}\n" for at_s, text in rows)
