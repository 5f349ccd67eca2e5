"""The way to the pods: the API's proxy to pods and services, and load balancers with listeners of their own.

Callers: the cluster. A load balancer is a TCP relay on a loopback address, one listener per service port, each new
connection to the next ready endpoint; without one it answers 503. Where a port is refused (privileged, taken) another
is used, and the service's annotation `sandbox.duoyun.dev/listeners` says which.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from sandbox.kubernetes import portforward
from sandbox.kubernetes.api import Api
from sandbox.kubernetes.controllers.endpoints import ready_addresses, slices_of
from sandbox.kubernetes.controllers.events import NORMAL, WARNING, Recorder
from sandbox.kubernetes.controllers.queue import Queue
from sandbox.kubernetes.errors import ApiError, bad_request, not_found, unavailable
from sandbox.kubernetes.kinds import PODS, SERVICES
from sandbox.kubernetes.nodes.kubelet import Kubelets
from sandbox.kubernetes.routes import Target
from sandbox.kubernetes.store import DELETED, Change, Key, Object
from sandbox.kubernetes.tasks import spawn
from sandbox.network import Listener, Network
from sandbox.world import Timing

_ADDRESSES_TRIED = 64
LISTENERS = "sandbox.duoyun.dev/listeners"
MANAGER = "cloud-controller-manager"
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "transfer-encoding",
        "te",
        "trailer",
        "upgrade",
        "host",
        "content-length",
        "authorization",
    }
)
_CONNECT_S = 2.0
_NOBODY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 22\r\nConnection: close\r\n\r\nno endpoints are ready"
Address = tuple[str, int]


class Backends:
    """Finds who answers for a service or pod."""

    def __init__(self, api: Api, kubelets: Kubelets) -> None:
        self._api, self._kubelets = api, kubelets
        self._turn = itertools.count()

    def of_service(self, namespace: str, name: str, port: str) -> list[Address]:
        """Real addresses of the ready endpoints, beginning with the next in turn. port: its name or number, or ""
        where the service has one only. ApiError 404, 400 or 503."""
        service = self._api.get(SERVICES, namespace, name)
        rows = service["spec"].get("ports") or ()
        found = [p for p in rows if port in ("", p.get("name"), str(p["port"]))]
        if len(found) != 1:
            raise bad_request(f'service "{name}" has no port "{port}", or several: name one of them')
        ready = self.ready(namespace, name, found[0].get("name", ""))
        if not ready:
            raise unavailable(f'no endpoints available for service "{name}{":" + port if port else ""}"')
        return ready

    def ready(self, namespace: str, name: str, port_name: str) -> list[Address]:
        """As of_service, without complaint where there is none."""
        rows = ready_addresses(slices_of(self._api.store, namespace, name), port_name)
        if not rows:
            return []
        first = next(self._turn) % len(rows)
        return [self._kubelets.endpoint(*row) for row in (*rows[first:], *rows[:first])]

    def of_pod(self, namespace: str, name: str, port: str) -> Address:
        """Where a pod answers; its first port where none is given. ApiError 404 or 503."""
        pod = self._api.get(PODS, namespace, name)
        worker = self._kubelets.worker_of(pod)
        if worker is None or not worker.pod_ip:
            raise unavailable(f'pod "{name}" has no address yet')
        ports = [p for c in pod["spec"]["containers"] for p in c.get("ports") or ()]
        named = next((p["containerPort"] for p in ports if port in ("", p.get("name"))), None)
        number = named if named is not None else int(port) if port.isdigit() else None
        if number is None:
            raise bad_request(f'pod "{name}" has no port "{port}"')
        return worker.endpoint(number)


def split_name(name: str) -> tuple[str, str]:
    """`[scheme:]name[:port]` -> (name, port)."""
    parts = name.split(":")
    if len(parts) == 3:
        parts = parts[1:]
    return parts[0], parts[1] if len(parts) > 1 else ""


class ApiProxy:
    """`.../services/NAME:PORT/proxy/PATH` and `.../pods/NAME:PORT/proxy/PATH`."""

    def __init__(self, backends: Backends, source: str) -> None:
        self._backends, self._source = backends, source
        self._session: aiohttp.ClientSession | None = None

    async def forward(self, target: Target, request: web.BaseRequest) -> web.StreamResponse:
        """The answer of whoever is behind. ApiError 503 where nobody is, or the connection breaks."""
        if self._session is None:
            way = aiohttp.TCPConnector(local_addr=(self._source, 0))
            timeout = aiohttp.ClientTimeout(total=60)
            self._session = aiohttp.ClientSession(connector=way, auto_decompress=False, timeout=timeout)
        name, port = split_name(target.name)
        if target.kind is PODS:
            host, number = self._backends.of_pod(target.namespace, name, port)
        elif target.kind is SERVICES:
            host, number = self._backends.of_service(target.namespace, name, port)[0]
        else:
            raise not_found(target.kind, name)
        url = f"http://{host}:{number}/{target.rest}"
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        body = await request.content.read(-1)
        try:
            async with self._session.request(
                request.method, url, params=request.query, headers=headers, data=body or None, allow_redirects=False
            ) as answer:
                kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP}
                return web.Response(status=answer.status, body=await answer.read(), headers=kept)
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise unavailable(f"error trying to reach service: {exc}") from exc

    async def forward_ports(self, target: Target, request: web.BaseRequest) -> web.StreamResponse:
        """Serves `kubectl port-forward` to a pod. ApiError 400, 404 or 503."""
        self._backends.of_pod(target.namespace, target.name, "1")  # the pod is there, and has an address

        async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            try:
                return await asyncio.open_connection(*self._backends.of_pod(target.namespace, target.name, str(port)))
            except ApiError as exc:
                raise ConnectionRefusedError(exc.message) from exc

        return await portforward.forward(request, connect)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


# -- load balancers ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Balancer:
    """One service's address and listeners. ports: service port -> the port that really listens."""

    ip: str
    listeners: dict[int, Listener] = field(default_factory=dict)
    ports: dict[int, int] = field(default_factory=dict)
    port_names: dict[int, str] = field(default_factory=dict)

    def close_port(self, port: int) -> None:
        self.listeners.pop(port).close()
        self.ports.pop(port, None)


class LoadBalancers:
    """Gives services of type LoadBalancer an address after `kubernetes.loadbalancer.create`."""

    def __init__(
        self,
        api: Api,
        recorder: Recorder,
        backends: Backends,
        timing: Timing,
        addresses: Callable[[], str],
        network: Network,
        place: Callable[[], str],
        source: str,
    ) -> None:
        self._api, self._recorder, self._backends = api, recorder, backends
        self._timing, self._addresses = timing, addresses
        self._network, self._place, self._source = network, place, source
        self._balancers: dict[Key, Balancer] = {}
        self._busy: dict[Key, asyncio.Task[None]] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self.queue: Queue[Key] = Queue("service-controller", self._reconcile)
        api.store.subscribe(self._changed)

    def start(self) -> None:
        """Looks at everything that is there already; addresses are kept, listeners are new."""
        for obj in self._api.store.list(SERVICES):
            self.queue.add((obj["metadata"]["namespace"], obj["metadata"]["name"]))

    async def close(self) -> None:
        self.queue.close()
        tasks = [*self._busy.values(), *self._connections]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for key in tuple(self._balancers):
            self._drop(key)

    def _changed(self, change: Change) -> None:
        if change.kind is SERVICES and (change.type == DELETED or _shape(change.old) != _shape(change.obj)):
            self.queue.add(change.key)

    def _reconcile(self, key: Key) -> None:
        service = self._api.store.get(SERVICES, *key)
        if service is None or service["spec"].get("type") != "LoadBalancer":
            self._drop(key)
            if service is not None and (service.get("status") or {}).get("loadBalancer"):
                self._api.system_status(SERVICES, service, {"loadBalancer": {}}, MANAGER)
        elif key not in self._busy:
            task = spawn(self._ensure(key), f"load balancer of {key[0]}/{key[1]}")
            self._busy[key] = task
            task.add_done_callback(lambda _t: self._finished(key))

    def _finished(self, key: Key) -> None:
        self._busy.pop(key, None)
        service = self._api.store.get(SERVICES, *key)
        balancer = self._balancers.get(key)
        wanted = {p["port"] for p in service["spec"].get("ports") or ()} if service else set()
        if balancer is not None and set(balancer.listeners) != wanted:
            self.queue.add(key)

    async def _ensure(self, key: Key) -> None:
        balancer = self._balancers.get(key)
        service = self._api.store.get(SERVICES, *key)
        if service is None:
            return
        if balancer is None:
            known = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
            if not known:
                self._recorder.tell(service, NORMAL, "EnsuringLoadBalancer", "Ensuring load balancer", MANAGER)
                await asyncio.sleep(
                    self._timing.duration_s("kubernetes.loadbalancer.create", f"{self._place()}/{key[0]}/{key[1]}")
                )
            balancer = Balancer(known[0]["ip"] if known else self._addresses())
        service = self._api.store.get(SERVICES, *key) or {"spec": {}}
        if service["spec"].get("type") != "LoadBalancer":
            return
        self._balancers[key] = balancer
        rows = {p["port"]: p.get("name", "") for p in service["spec"].get("ports") or ()}
        for port in set(balancer.listeners) - set(rows):
            balancer.close_port(port)
        balancer.port_names = rows
        for port in rows:
            if port not in balancer.listeners:
                await self._listen(key, balancer, port)
        self._publish(key, balancer)

    async def _listen(self, key: Key, balancer: Balancer, port: int) -> None:
        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._relay(key, balancer.port_names.get(port, ""), reader, writer)

        def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = spawn(relay(reader, writer), f"connection to {key[0]}/{key[1]}")
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

        listener = await self._listener(accepted, balancer, port)
        balancer.listeners[port] = listener
        balancer.ports[port] = listener.port

    async def _listener(
        self, accepted: Callable[[asyncio.StreamReader, asyncio.StreamWriter], None], balancer: Balancer, port: int
    ) -> Listener:
        """Listens on that very port. Where another process has it (a second sandbox), a balancer that listens nowhere
        yet takes another address; only a port that nobody may have here is moved."""
        loop = asyncio.get_running_loop()

        def factory() -> asyncio.StreamReaderProtocol:
            return asyncio.StreamReaderProtocol(asyncio.StreamReader(loop=loop), accepted, loop=loop)

        for _ in range(_ADDRESSES_TRIED):
            try:
                return await self._network.listen(factory, balancer.ip, port, at=self._place)
            except PermissionError:
                break
            except OSError:
                if balancer.listeners:
                    break
                balancer.ip = self._addresses()
        return await self._network.listen(factory, balancer.ip, 0, at=self._place)

    def _publish(self, key: Key, balancer: Balancer) -> None:
        service = self._api.store.get(SERVICES, *key)
        if service is None:
            self._drop(key)
            return
        moved = {str(p): f"{balancer.ip}:{real}" for p, real in sorted(balancer.ports.items()) if p != real}
        meta = service["metadata"]
        notes = {k: v for k, v in (meta.get("annotations") or {}).items() if k != LISTENERS}
        if moved:
            notes[LISTENERS] = json.dumps(moved)
            text = f"Ports {', '.join(moved)} of {balancer.ip} are refused here; listening elsewhere"
            self._recorder.tell(service, WARNING, "PortMoved", text, MANAGER)
        if notes != (meta.get("annotations") or {}):
            service = self._api.system_update(
                SERVICES, service, service | {"metadata": meta | {"annotations": notes}}, MANAGER
            )
        ingress = {"ip": balancer.ip, "ipMode": "VIP"}
        if (service.get("status") or {}).get("loadBalancer") != {"ingress": [ingress]}:
            self._api.system_status(SERVICES, service, {"loadBalancer": {"ingress": [ingress]}}, MANAGER)
            self._recorder.tell(service, NORMAL, "EnsuredLoadBalancer", "Ensured load balancer", MANAGER)

    def _drop(self, key: Key) -> None:
        busy = self._busy.get(key)
        if busy is not None and busy is not asyncio.current_task():
            busy.cancel()
        balancer = self._balancers.pop(key, None)
        if balancer is not None:
            for port in tuple(balancer.listeners):
                balancer.close_port(port)

    async def _relay(
        self, key: Key, port_name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Copies both ways until either side ends."""
        upstream = await self._connect(key, port_name)
        try:
            if upstream is None:
                # Closing with the request unread would reset the connection before the answer is seen.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_CONNECT_S):
                        await reader.read(65536)
                writer.write(_NOBODY)
                await writer.drain()
                return
            up_reader, up_writer = upstream
            await asyncio.gather(_copy(reader, up_writer), _copy(up_reader, writer))
        except OSError:
            return  # the client went away: there is nobody to tell
        finally:
            for side in (writer, *(upstream[1:] if upstream else ())):
                side.close()

    async def _connect(self, key: Key, port_name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for address in self._backends.ready(*key, port_name):
            # One that has just gone refuses: the next in turn is asked.
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CONNECT_S):
                    return await asyncio.open_connection(*address, local_addr=(self._source, 0))
        return None


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        if writer.can_write_eof() and not writer.is_closing():
            with contextlib.suppress(OSError):
                writer.write_eof()


def _shape(service: Mapping[str, object] | Object | None) -> object:
    return None if service is None else service["spec"]
