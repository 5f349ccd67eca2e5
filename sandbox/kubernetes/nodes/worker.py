"""One pod on its node: volumes looked for, init containers run in turn, containers started, probed, restarted with
back-off, and ended with grace.

Callers: nodes.kubelet. A task per container and per probe; nothing runs between events and probes. Init containers
and the containers of Jobs have nothing to do here, and succeed as soon as they have started; sidecars (init containers
that are always restarted) run like the others.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from sandbox.cloudinit import BEHAVIOUR
from sandbox.containers import image_parts
from sandbox.kubernetes.kinds import ResourceKind
from sandbox.kubernetes.nodes import status as status_of
from sandbox.kubernetes.nodes.environment import ConfigError, environment, unmountable
from sandbox.kubernetes.nodes.probes import Probe
from sandbox.kubernetes.nodes.probing import Mapped, Probing
from sandbox.kubernetes.nodes.status import ContainerState
from sandbox.kubernetes.store import Object
from sandbox.kubernetes.tasks import spawn
from sandbox.world import Container, ContainerHost, ContainerSpec, ImageError

_ERR_IMAGE_PULL_S = 0.2
_POLL_EXIT_S = 0.5
_DRAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits between restarts and between pulls: first_s, doubled up to most_s (kubelet: 10 s to 300 s)."""

    first_s: float = 10.0
    most_s: float = 300.0
    forgotten_after_s: float = 600.0

    def wait_s(self, failures: int) -> float:
        """failures: how often it failed already, counted from one."""
        return float(min(self.most_s, self.first_s * 2.0 ** min(failures - 1, 30)))


@runtime_checkable
class Waitable(Protocol):
    """A container that tells when it has exited."""

    async def wait(self) -> int: ...


@runtime_checkable
class Holding(Protocol):
    """A container host that keeps a pod's address for it while its container restarts."""

    def hold(self, address: str) -> None: ...
    def release(self, address: str) -> None: ...


class Kubelet(Protocol):
    """What a worker needs of its kubelet."""

    containers: ContainerHost
    backoff: Backoff

    def now(self) -> str: ...
    def event(self, pod_key: tuple[str, str], kind: str, reason: str, message: str) -> None: ...
    def publish(self, worker: Worker) -> None: ...
    def identity(self, pod: Object) -> Mapping[str, str]: ...
    def lookup(self, namespace: str, kind: ResourceKind, name: str) -> Object | None: ...
    def host_ip(self, node_name: str) -> str: ...


class Worker:
    """Runs one pod until it is stopped. states: by container name, in the order of the spec."""

    def __init__(self, kubelet: Kubelet, pod: Object) -> None:
        self.kubelet, self.pod = kubelet, pod
        meta, spec = pod["metadata"], pod["spec"]
        self.key = (meta["namespace"], meta["name"])
        self.uid: str = meta["uid"]
        self.pod_ip = ""
        self.containers: dict[str, Container] = {}
        self.previous: dict[str, Container] = {}
        inits = spec.get("initContainers") or []
        self.sidecars = [c for c in inits if c.get("restartPolicy") == "Always"]
        before = pod.get("status") or {}
        rows = [*(before.get("initContainerStatuses") or ()), *(before.get("containerStatuses") or ())]
        known = {s["name"]: s.get("restartCount", 0) for s in rows}
        reason = "PodInitializing" if inits else "ContainerCreating"
        self.states = {c["name"]: _state(c, known, reason) for c in spec["containers"]}
        self.inits = {c["name"]: _state(c, known, "PodInitializing") for c in inits}
        self._tasks: list[asyncio.Task[None]] = []
        self._first, self._poked = asyncio.Event(), asyncio.Event()
        self._lasting: set[str] = {c["name"] for c in self.sidecars}
        self._is_process = '"process"' in (meta.get("annotations") or {}).get(BEHAVIOUR, "")
        self.stopping = False

    def start(self) -> None:
        self.kubelet.publish(self)
        self._spawn(self._run(), f"pod {'/'.join(self.key)}")

    def poke(self) -> None:
        """A config map or secret of the pod's namespace has changed: what waits for one looks again."""
        self._poked.set()

    def _spawn(self, coro: Coroutine[Any, Any, None], what: str) -> None:
        self._tasks.append(spawn(coro, what))

    async def _run(self) -> None:
        await self._mount()
        for spec in self.pod["spec"].get("initContainers") or ():
            if spec["name"] in self._lasting:
                begun = asyncio.Event()
                self._spawn(self._keep_running(spec, begun), f"sidecar {spec['name']} of {'/'.join(self.key)}")
                await begun.wait()
            else:
                await self._initialize(spec)
        first, *others = self.pod["spec"]["containers"]
        for spec in others:
            self._spawn(self._follow(spec), f"container {spec['name']} of {'/'.join(self.key)}")
        await self._keep_running(first)
        await asyncio.gather(*self._tasks[len(self._tasks) - len(others) :] if others else ())
        # All have ended for good: what only accompanied them ends too.
        await asyncio.gather(*(self.containers[n].stop() for n in self._lasting if n in self.containers))

    async def _follow(self, spec: Object) -> None:
        """The first container decides the pod's address, which the others share."""
        await self._first.wait()
        await self._keep_running(spec)

    async def _wait_for_change(self) -> None:
        self._poked.clear()
        await self._poked.wait()

    async def _mount(self) -> None:
        """Until every volume can be set up."""
        while why := unmountable(self.pod, self._lookup):
            self._event("Warning", "FailedMount", why)
            await self._wait_for_change()

    async def _initialize(self, spec: Object) -> None:
        container = await self._start(spec)
        code = await _exit_code(container)
        state = self.inits[spec["name"]]
        started = state.state.get("running", {}).get("startedAt", "")
        ended = status_of.terminated(code, started, self.kubelet.now(), state.container_id)
        self._set(spec["name"], state=ended, ready=True, started=False)

    def _lookup(self, kind: ResourceKind, name: str) -> Object | None:
        return self.kubelet.lookup(self.key[0], kind, name)

    async def stop(self, grace_s: float) -> None:
        """Ends the containers: traffic is given a moment to go elsewhere, then the listeners close."""
        self.stopping = True
        if grace_s > 0:
            await asyncio.sleep(min(grace_s, _DRAIN_S))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(c.stop() for c in self.containers.values()))
        if self.pod_ip and isinstance(self.kubelet.containers, Holding):
            self.kubelet.containers.release(self.pod_ip)

    def endpoint(self, port: int) -> tuple[str, int]:
        """Where that container port of the pod really answers."""
        for container in self.containers.values():
            if isinstance(container, Mapped) and container.endpoint(port)[1] != port:
                return container.endpoint(port)
        return self.pod_ip, port

    # -- one container -----------------------------------------------------------------------------------------

    def _set(self, name: str, **changes: Any) -> None:
        group = self.inits if name in self.inits else self.states
        before = group[name]
        after = before.with_(**changes)
        if after != before:
            group[name] = after
            if not self.stopping:
                self.kubelet.publish(self)

    def _state(self, name: str) -> ContainerState:
        return self.inits[name] if name in self.inits else self.states[name]

    def _event(self, kind: str, reason: str, message: str) -> None:
        self.kubelet.event(self.key, kind, reason, message)

    async def _keep_running(self, spec: Object, begun: asyncio.Event | None = None) -> None:
        """begun: set once the container has started, and passed its startup probe."""
        name, failures = spec["name"], 0
        loop = asyncio.get_running_loop()
        while True:
            container = await self._start(spec)
            since = loop.time()
            code = await self._watch(spec, container, begun)
            failures = 1 if loop.time() - since > self.kubelet.backoff.forgotten_after_s else failures + 1
            if not self._restarts(spec, code):
                return
            if failures > 1:
                await self._crash_loop(name, failures - 1)
            self._set(name, restarts=self._state(name).restarts + 1)

    def _restarts(self, spec: Object, code: int) -> bool:
        policy = spec.get("restartPolicy") or self.pod["spec"].get("restartPolicy", "Always")
        if spec["name"] in self._lasting and all(s.exit_code is not None for s in self.states.values()):
            return False
        return policy == "Always" or (policy == "OnFailure" and code != 0)

    async def _crash_loop(self, name: str, failures: int) -> None:
        wait_s = self.kubelet.backoff.wait_s(failures)
        message = f"back-off {wait_s:g}s restarting failed container={name} pod={self.key[1]}_{self.key[0]}({self.uid})"
        self._set(name, state=status_of.waiting("CrashLoopBackOff", message), last=self._state(name).state)
        text = f"Back-off restarting failed container {name} in pod {self.key[1]}_{self.key[0]}({self.uid})"
        self._event("Warning", "BackOff", text)
        await asyncio.sleep(wait_s)

    async def _start(self, spec: Object) -> Container:
        """Until the container runs: pulls and starts, again and again where that fails."""
        name, failures = spec["name"], 0
        while True:
            failures += 1
            if "terminated" in self._state(name).state:
                self._set(name, last=self._state(name).state)
            if failures == 1:
                self._set(name, state=status_of.waiting("ContainerCreating"))
            self._event("Normal", "Pulling", f'Pulling image "{spec["image"]}"')
            try:
                container = await self.kubelet.containers.run(self._container_spec(spec))
            except ImageError as exc:
                await self._pull_failed(spec, str(exc), failures)
            except ConfigError as exc:
                self._set(name, state=status_of.waiting("CreateContainerConfigError", str(exc)))
                self._event("Warning", "Failed", f"Error: {exc}")
                await self._wait_for_change()
            except (ValueError, OSError) as exc:
                self._set(name, state=status_of.waiting("RunContainerError", str(exc)))
                self._event("Warning", "Failed", f"Error: {exc}")
                await asyncio.sleep(self.kubelet.backoff.wait_s(failures))
            else:
                return self._started(spec, container)

    async def _pull_failed(self, spec: Object, reason: str, failures: int) -> None:
        name, image = spec["name"], spec["image"]
        self._set(name, state=status_of.waiting("ErrImagePull", reason))
        self._event("Warning", "Failed", f'Failed to pull image "{image}": {reason}')
        self._event("Warning", "Failed", "Error: ErrImagePull")
        wait_s = self.kubelet.backoff.wait_s(failures)
        await asyncio.sleep(min(_ERR_IMAGE_PULL_S, wait_s))
        self._set(name, state=status_of.waiting("ImagePullBackOff", f'Back-off pulling image "{image}": {reason}'))
        self._event("Normal", "BackOff", f'Back-off pulling image "{image}"')
        self._event("Warning", "Failed", "Error: ImagePullBackOff")
        await asyncio.sleep(wait_s)

    def _started(self, spec: Object, container: Container) -> Container:
        name = spec["name"]
        if name in self.containers:
            self.previous[name] = self.containers[name]
        self.containers[name] = container
        lasting = name in self.states or name in self._lasting
        if lasting and (not self._first.is_set() or name == self.pod["spec"]["containers"][0]["name"]):
            self._take_address(container.ip)
            self._first.set()
        self._event("Normal", "Pulled", f'Successfully pulled image "{spec["image"]}"')
        self._event("Normal", "Created", f"Created container: {name}")
        self._event("Normal", "Started", f"Started container {name}")
        startup, readiness = Probe.of(spec, "startupProbe"), Probe.of(spec, "readinessProbe")
        identifier = f"sandbox://{self.uid}/{name}/{self._state(name).restarts}"
        self._set(
            name,
            state=status_of.running(self.kubelet.now()),
            started=startup is None,
            ready=startup is None and readiness is None,
            container_id=identifier,
        )
        return container

    def _take_address(self, address: str) -> None:
        host = self.kubelet.containers
        if address != self.pod_ip and isinstance(host, Holding):
            if self.pod_ip:
                host.release(self.pod_ip)
            host.hold(address)
        self.pod_ip = address

    def _container_spec(self, spec: Object) -> ContainerSpec:
        meta = self.pod["metadata"]
        raw = (meta.get("annotations") or {}).get(BEHAVIOUR, "")
        behaviour = json.loads(raw) if raw and spec["name"] in self.states else {}
        if not isinstance(behaviour, dict):
            raise ValueError(f"annotation {BEHAVIOUR} is no JSON object")  # noqa: TRY004  (data, not a caller's slip)
        if self._ends_by_itself(spec["name"]) and "process" not in behaviour:
            behaviour = {"crash_after_s": 0.0, "exit_code": 0} | behaviour
        _last, tag, digest = image_parts(spec["image"])
        identity = dict(self.kubelet.identity(self.pod))
        identity["version"] = identity.get("version") or tag or digest
        env = environment(spec, self._as_seen_inside(), self._lookup)
        ports = tuple(dict.fromkeys(p["containerPort"] for p in spec.get("ports") or () if _is_tcp(p)))
        if spec["name"] in self.inits and spec["name"] not in self._lasting:
            return ContainerSpec(spec["image"], (), env, behaviour, identity)
        return ContainerSpec(spec["image"], ports, env, behaviour, identity, self.pod_ip)

    def _ends_by_itself(self, name: str) -> bool:
        """Init containers, and what a Job runs: nothing is executed here, so it has done its work at once."""
        if name in self.inits:
            return name not in self._lasting
        owners = self.pod["metadata"].get("ownerReferences") or ()
        return any(r.get("controller") and r["kind"] == "Job" for r in owners)

    def _as_seen_inside(self) -> Object:
        """The pod with its addresses, as references to its own fields read it."""
        status = {"podIP": self.pod_ip, "hostIP": self.kubelet.host_ip(self.pod["spec"]["nodeName"])}
        return self.pod | {"status": {**(self.pod.get("status") or {}), **status}}

    async def _watch(self, spec: Object, container: Container, begun: asyncio.Event | None) -> int:
        """Until the container exits or a probe has failed that ends it; its exit code."""
        name = spec["name"]
        killed = asyncio.Event()
        failed: list[str] = []

        def kill_for(probe: str) -> None:
            failed.append(probe)
            killed.set()

        what = f"{name} of {'/'.join(self.key)}"
        probing = Probing(
            container,
            http=not self._is_process,
            set_state=functools.partial(self._set, name),
            is_ready=lambda: self._state(name).ready,
            warn=functools.partial(self._event, "Warning", "Unhealthy"),
            kill=kill_for,
        )
        probes = spawn(probing.run(spec, begun), f"probes of {what}")
        exit_ = spawn(_exit_code(container), f"exit of {what}")
        kill = spawn(killed.wait(), f"end of {what}")
        try:
            await asyncio.wait((exit_, kill), return_when=asyncio.FIRST_COMPLETED)
            if not exit_.done():
                self._event("Normal", "Killing", f"Container {name} failed {failed[0]} probe, will be restarted")
                await container.stop()
            code = exit_.result() if exit_.done() else 137
        finally:
            for task in (probes, exit_, kill):
                task.cancel()
            await asyncio.gather(probes, exit_, kill, return_exceptions=True)
        state = self._state(name)
        ended = status_of.terminated(
            code, state.state.get("running", {}).get("startedAt", ""), self.kubelet.now(), state.container_id
        )
        self._set(name, state=ended, ready=False, started=False)
        return code


def _state(spec: Object, restarts: Mapping[str, int], reason: str) -> ContainerState:
    name = spec["name"]
    return ContainerState(name, spec["image"], status_of.waiting(reason), restarts=restarts.get(name, 0))


def _is_tcp(port: Mapping[str, Any]) -> bool:
    return bool(port.get("protocol", "TCP") == "TCP")


async def _exit_code(container: Container) -> int:
    if isinstance(container, Waitable):
        return await container.wait()
    while container.exited is None:
        await asyncio.sleep(_POLL_EXIT_S)
    return container.exited
