"""One cluster: its store, its control loops, its nodes, and its API on a port of its own.

Callers: the host (sandbox.kubernetes.host). Implements world.ClusterHandle.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import web

from model.rng import stream
from sandbox.kubernetes.api import Api, Deletion
from sandbox.kubernetes.authority import Authority
from sandbox.kubernetes.controllers import plane
from sandbox.kubernetes.controllers.events import Recorder
from sandbox.kubernetes.errors import ApiError
from sandbox.kubernetes.http import Guard, HttpApi
from sandbox.kubernetes.kinds import NODES, PODS
from sandbox.kubernetes.nodes import machines
from sandbox.kubernetes.nodes.kubelet import Kubelets
from sandbox.kubernetes.nodes.worker import Backoff
from sandbox.kubernetes.routes import Target
from sandbox.kubernetes.services import ApiProxy, Backends, LoadBalancers
from sandbox.kubernetes.store import Object, Store
from sandbox.kubernetes.subresources import evict
from sandbox.kubernetes.tasks import spawn
from sandbox.network import Listener, Network
from sandbox.world import ContainerHost, FaultTable, NodeSpec, Timing

_EVICT_TRIES, _EVICT_EVERY_S = 20, 0.25
_SHUTDOWN_S = 0.05
_HANDSHAKE_S = 20.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a cluster needs from outside. addresses: the next free loopback address for a load balancer; authority:
    who signs for its API."""

    timing: Timing
    faults: FaultTable
    containers: ContainerHost
    addresses: Callable[[], str]
    authority: Callable[[], Authority]
    seed: int = 0
    backoff: Backoff = field(default_factory=Backoff)
    network: Network = field(default_factory=Network)


class Cluster:
    """A running cluster. version like `1.31`."""

    def __init__(
        self, cluster_id: str, version: str, authenticate: Callable[[str], str | None], around: Surroundings
    ) -> None:
        self.cluster_id, self.version, self._around = cluster_id, version, around
        self._token = secrets.token_urlsafe(24)
        self._authenticate = authenticate
        self._port = 0
        self._listener: Listener | None = None
        self.place = ""  # partition/region
        self._source = ""  # the address from which it calls others
        self._server: web.Server | None = None
        self._joining: dict[str, asyncio.Task[None]] = {}
        self.store = Store()

    # -- life --------------------------------------------------------------------------------------------------

    async def start(self, saved: Mapping[str, Any] | None = None) -> None:
        """Builds the parts and listens. saved: what `snapshot` returned."""
        if saved is not None:
            self._token, self._port = str(saved["token"]), int(saved["port"])
            self.store.load(saved["objects"], int(saved["version_count"]))
        around = self._around
        api = self.api = Api(self.store, stream(around.seed, "cluster", self.cluster_id, self.store.version))
        recorder = Recorder(api)
        self._kubelets = Kubelets(api, recorder, around.containers, self.cluster_id, around.backoff)
        backends = Backends(api, self._kubelets)
        self._source = self._source or around.network.new_stand(lambda: self.place)
        self._proxy = ApiProxy(backends, self._source)
        self._balancers = LoadBalancers(
            api, recorder, backends, around.timing, around.addresses, around.network, lambda: self.place, self._source
        )
        self._controllers = plane.controllers(api, recorder, around.backoff.wait_s)
        if saved is None:
            plane.first_objects(api)
        for controller in self._controllers:
            controller.start()
        self._balancers.start()
        self._kubelets.start()
        for node in self.store.list(NODES):
            self._join_later(node["metadata"]["name"])
        guard = Guard(self.cluster_id, self._token, self._user_of, around.faults, self._vanish)
        http = HttpApi(api, guard, self, self.version)
        self._server = web.Server(http.handle, access_log=None, handler_cancellation=True)
        await self._listen()

    async def _listen(self) -> None:
        if self._server is None:
            return
        network, at = self._around.network, lambda: self.place
        tls: dict[str, Any] = {
            "ssl": self._around.authority().server_context(),
            "ssl_handshake_timeout": _HANDSHAKE_S,
            "ssl_shutdown_timeout": _SHUTDOWN_S,
        }
        try:
            listener = await network.listen(self._server, "127.0.0.1", self._port, at=at, **tls)
        except OSError:
            # Somebody took the port while we were away; clients find the new one where they found the old.
            listener = await network.listen(self._server, "127.0.0.1", 0, at=at, **tls)
        self._listener = listener
        self._port = listener.port

    async def disappear(self, on: bool) -> None:
        """on: the API refuses connections, and those that are open break. What runs goes on running."""
        if on and self._listener is not None:
            self._listener.close()
            self._listener = None
            if self._server is not None:
                for connection in self._server.connections:
                    # Not close(): over TLS that waits for the other side to say goodbye.
                    if connection.transport is not None:
                        connection.transport.abort()
                await self._server.shutdown(_SHUTDOWN_S)
        elif not on and self._listener is None:
            await self._listen()

    def _vanish(self, for_s: float) -> None:
        if self._listener is not None:
            self._listener.refuse(for_s)

    async def close(self) -> None:
        """Stops everything; the store keeps what it holds."""
        await self.disappear(True)
        for task in self._joining.values():
            task.cancel()
        await asyncio.gather(*self._joining.values(), return_exceptions=True)
        for controller in self._controllers:
            controller.queue.close()
        await self._balancers.close()
        await self._kubelets.close()
        await self._proxy.close()
        self._around.network.leave(self._source)

    def snapshot(self) -> dict[str, Any]:
        """What `start` needs to go on from here. Holds secrets: keep it private."""
        return {
            "cluster_id": self.cluster_id,
            "version": self.version,
            "token": self._token,
            "port": self._port,
            "version_count": self.store.version,
            "objects": self.store.dump(),
        }

    # -- world.ClusterHandle -----------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    @property
    def ca_pem(self) -> str:
        """The certificate of who signed for this API."""
        return self._around.authority().ca_pem

    @property
    def admin_token(self) -> str:
        return self._token

    def set_authenticator(self, authenticate: Callable[[str], str | None]) -> None:
        """After a restart, the cloud that the cluster belongs to says again who may call."""
        self._authenticate = authenticate

    async def add_node(self, node: NodeSpec) -> None:
        """Registers the node, not ready; it becomes Ready after `node.join`. A node that is there stays as it is."""
        if self.store.get(NODES, "", node.name) is None:
            row = machines.node_object(asdict(node), self.version, self.cluster_id, self.api.now())
            self.api.system_create(NODES, row, "kubelet")
            self._join_later(node.name)

    async def change_node(self, node: NodeSpec) -> None:
        """Gives a node that is there the labels and taints of its pool; one that is not there is no matter."""
        row = self.store.get(NODES, "", node.name)
        if row is None:
            return
        wanted = machines.changed(row, asdict(node))
        if wanted != row:
            self.api.system_update(NODES, row, wanted, "kubelet")

    async def lose_node(self, name: str) -> None:
        """The machine is gone at once, as when its cloud takes it back: nobody is asked, and its pods are lost."""
        if name in self._joining:
            self._joining[name].cancel()
        # The controller of evictions takes away what was bound to a node that is no more.
        self.store.remove(NODES, "", name)

    def _user_of(self, token: str) -> str | None:
        return self._authenticate(token)

    def _join_later(self, name: str) -> None:
        node = self.store.get(NODES, "", name)
        if node is None or machines.is_ready(node) or name in self._joining:
            return
        task = spawn(self._join(name), f"join of node {name}")
        self._joining[name] = task
        task.add_done_callback(lambda _t: self._joining.pop(name, None))

    async def _join(self, name: str) -> None:
        drawn_as = machines.drawn_as(self.store.get(NODES, "", name))
        await asyncio.sleep(self._around.timing.duration_s("node.join", drawn_as, f"{self.cluster_id}/{name}"))
        node = self.store.get(NODES, "", name)
        if node is not None:
            self.api.system_update(NODES, node, machines.made_ready(node, self.api.now()), "kubelet")

    async def remove_node(self, name: str) -> None:
        """Evicts the node's pods, for a while respecting disruption budgets, then removes it."""
        node = self.store.get(NODES, "", name)
        if node is None:
            return
        if name in self._joining:
            self._joining[name].cancel()
        cordoned = node | {"spec": {**(node.get("spec") or {}), "unschedulable": True}}
        self.api.system_update(NODES, node, cordoned, "cloud-controller-manager")
        for attempt in range(_EVICT_TRIES + 1):
            pods = [p for p in self.store.list(PODS) if p["spec"].get("nodeName") == name]
            if not pods:
                break
            for pod in pods:
                self._evict(pod, force=attempt == _EVICT_TRIES)
            await asyncio.sleep(_EVICT_EVERY_S)
        self.store.remove(NODES, "", name)

    def _evict(self, pod: Object, *, force: bool) -> None:
        meta = pod["metadata"]
        if force:
            self.api.delete(PODS, meta["namespace"], meta["name"], Deletion(grace_s=0))
        elif not meta.get("deletionTimestamp"):
            try:
                evict(self.api, meta["namespace"], meta["name"], 0 if pod["spec"].get("nodeName") == "" else None)
            except ApiError as exc:
                # 500: several budgets meet in this pod; it is forced out in the end, as one that no budget lets go.
                if exc.code not in (429, 500):
                    raise

    async def ready_nodes(self) -> tuple[str, ...]:
        return tuple(n["metadata"]["name"] for n in self.store.list(NODES) if machines.is_ready(n))

    # -- http.Runtime ------------------------------------------------------------------------------------------

    def logs(self, pod: Object, query: Mapping[str, str]) -> str:
        return self._kubelets.logs(pod, query)

    async def proxy(self, target: Target, request: web.BaseRequest) -> web.StreamResponse:
        return await self._proxy.forward(target, request)

    async def forward(self, target: Target, request: web.BaseRequest) -> web.StreamResponse:
        return await self._proxy.forward_ports(target, request)
