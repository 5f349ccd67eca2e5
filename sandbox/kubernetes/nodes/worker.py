"""One pod on its node: containers started, probed, restarted with back-off, and ended with grace.

Callers: nodes.kubelet. A task per container and per probe; nothing runs between events and probes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from sandbox.cloudinit import BEHAVIOUR
from sandbox.containers import image_parts
from sandbox.kubernetes.nodes import status as status_of
from sandbox.kubernetes.nodes.probes import Probe
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
class Mapped(Protocol):
    """A container whose port may really listen under another number."""

    def endpoint(self, port: int) -> tuple[str, int]: ...


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
        known = {s["name"]: s for s in (pod.get("status") or {}).get("containerStatuses") or ()}
        self.states = {
            c["name"]: ContainerState(c["name"], c["image"], restarts=known.get(c["name"], {}).get("restartCount", 0))
            for c in spec["containers"]
        }
        self._tasks: list[asyncio.Task[None]] = []
        self._first = asyncio.Event()
        self.stopping = False

    def start(self) -> None:
        self.kubelet.publish(self)
        for index, container in enumerate(self.pod["spec"]["containers"]):
            what = f"container {container['name']} of {'/'.join(self.key)}"
            self._tasks.append(spawn(self._keep_running(container, first=index == 0), what))

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
        before = self.states[name]
        after = before.with_(**changes)
        if after != before:
            self.states[name] = after
            if not self.stopping:
                self.kubelet.publish(self)

    def _event(self, kind: str, reason: str, message: str) -> None:
        self.kubelet.event(self.key, kind, reason, message)

    async def _keep_running(self, spec: Object, *, first: bool) -> None:
        name, failures = spec["name"], 0
        loop = asyncio.get_running_loop()
        if not first:
            # The first container decides the pod's address, which the others share.
            await self._first.wait()
        while True:
            container = await self._start(spec)
            since = loop.time()
            code = await self._watch(spec, container)
            failures = 1 if loop.time() - since > self.kubelet.backoff.forgotten_after_s else failures + 1
            if not self._restarts(code):
                return
            if failures > 1:
                await self._crash_loop(name, failures - 1)
            self._set(name, restarts=self.states[name].restarts + 1)

    def _restarts(self, code: int) -> bool:
        policy = self.pod["spec"].get("restartPolicy", "Always")
        return policy == "Always" or (policy == "OnFailure" and code != 0)

    async def _crash_loop(self, name: str, failures: int) -> None:
        wait_s = self.kubelet.backoff.wait_s(failures)
        message = f"back-off {wait_s:g}s restarting failed container={name} pod={self.key[1]}_{self.key[0]}({self.uid})"
        self._set(name, state=status_of.waiting("CrashLoopBackOff", message), last=self.states[name].state)
        text = f"Back-off restarting failed container {name} in pod {self.key[1]}_{self.key[0]}({self.uid})"
        self._event("Warning", "BackOff", text)
        await asyncio.sleep(wait_s)

    async def _start(self, spec: Object) -> Container:
        """Until the container runs: pulls and starts, again and again where that fails."""
        name, failures = spec["name"], 0
        while True:
            failures += 1
            if "terminated" in self.states[name].state:
                self._set(name, last=self.states[name].state)
            if failures == 1:
                self._set(name, state=status_of.waiting("ContainerCreating"))
            self._event("Normal", "Pulling", f'Pulling image "{spec["image"]}"')
            try:
                container = await self.kubelet.containers.run(self._container_spec(spec))
            except ImageError as exc:
                await self._pull_failed(spec, str(exc), failures)
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
        if not self._first.is_set() or name == self.pod["spec"]["containers"][0]["name"]:
            self._take_address(container.ip)
            self._first.set()
        self._event("Normal", "Pulled", f'Successfully pulled image "{spec["image"]}"')
        self._event("Normal", "Created", f"Created container: {name}")
        self._event("Normal", "Started", f"Started container {name}")
        startup, readiness = Probe.of(spec, "startupProbe"), Probe.of(spec, "readinessProbe")
        identifier = f"sandbox://{self.uid}/{name}/{self.states[name].restarts}"
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
        behaviour = json.loads(raw) if raw else {}
        if not isinstance(behaviour, dict):
            raise ValueError(f"annotation {BEHAVIOUR} is no JSON object")  # noqa: TRY004  (data, not a caller's slip)
        _last, tag, digest = image_parts(spec["image"])
        identity = dict(self.kubelet.identity(self.pod))
        identity["version"] = identity.get("version") or tag or digest
        env = {e["name"]: e.get("value", "") for e in spec.get("env") or () if "valueFrom" not in e}
        ports = tuple(dict.fromkeys(p["containerPort"] for p in spec.get("ports") or () if _is_tcp(p)))
        return ContainerSpec(spec["image"], ports, env, behaviour, identity, self.pod_ip)

    async def _watch(self, spec: Object, container: Container) -> int:
        """Until the container exits or its liveness probe has failed; its exit code."""
        name = spec["name"]
        killed = asyncio.Event()
        what = f"{name} of {'/'.join(self.key)}"
        probes = spawn(self._probe(spec, container, killed.set), f"probes of {what}")
        exit_ = spawn(_exit_code(container), f"exit of {what}")
        kill = spawn(killed.wait(), f"end of {what}")
        try:
            await asyncio.wait((exit_, kill), return_when=asyncio.FIRST_COMPLETED)
            if not exit_.done():
                self._event("Normal", "Killing", f"Container {name} failed liveness probe, will be restarted")
                await container.stop()
            code = exit_.result() if exit_.done() else 137
        finally:
            for task in (probes, exit_, kill):
                task.cancel()
            await asyncio.gather(probes, exit_, kill, return_exceptions=True)
        state = self.states[name]
        ended = status_of.terminated(
            code, state.state.get("running", {}).get("startedAt", ""), self.kubelet.now(), state.container_id
        )
        self._set(name, state=ended, ready=False, started=False)
        return code

    # -- probes ------------------------------------------------------------------------------------------------

    async def _probe(self, spec: Object, container: Container, kill: Callable[[], None]) -> None:
        name = spec["name"]
        startup, readiness, liveness = (Probe.of(spec, f"{kind}Probe") for kind in ("startup", "readiness", "liveness"))
        if startup is not None:
            if not await self._until(startup, "Startup", container, good=True):
                kill()
                return
            self._set(name, started=True, ready=readiness is None)
        async with asyncio.TaskGroup() as group:
            if readiness is not None:
                group.create_task(self._follow_readiness(name, readiness, container))
            if liveness is not None:
                group.create_task(self._follow_liveness(liveness, container, kill))

    async def _follow_readiness(self, name: str, probe: Probe, container: Container) -> None:
        await asyncio.sleep(probe.initial_delay_s)
        good = bad = 0
        while True:
            failure = await self._ask(probe, "Readiness", container, bad)
            good, bad = (good + 1, 0) if not failure else (0, bad + 1)
            if good >= probe.successes:
                self._set(name, ready=True)
            elif bad >= probe.failures:
                self._set(name, ready=False)
            # Asked more often while not ready, as kubelets do, so that a pod becomes ready soon.
            await asyncio.sleep(probe.period_s if self.states[name].ready else min(probe.period_s, 1.0))

    async def _follow_liveness(self, probe: Probe, container: Container, kill: Callable[[], None]) -> None:
        await self._until(probe, "Liveness", container, good=False)
        kill()

    async def _until(self, probe: Probe, word: str, container: Container, *, good: bool) -> bool:
        """Asks until enough answers in a row were good (where `good`) or bad; whether they were good."""
        await asyncio.sleep(probe.initial_delay_s)
        bad = 0
        while True:
            failure = await self._ask(probe, word, container, bad)
            if not failure and good:
                return True
            bad = bad + 1 if failure else 0
            if bad >= probe.failures:
                return False
            await asyncio.sleep(probe.period_s)

    async def _ask(self, probe: Probe, word: str, container: Container, before: int) -> str:
        def resolve(port: int) -> tuple[str, int]:
            return container.endpoint(port) if isinstance(container, Mapped) else (container.ip, port)

        failure = await probe.run(resolve)
        # Told at first and then ever more rarely: a pod that is never ready would flood the events.
        if failure and (before + 1).bit_count() == 1:
            self._event("Warning", "Unhealthy", f"{word} probe failed: {failure}")
        return failure


def _is_tcp(port: Mapping[str, Any]) -> bool:
    return bool(port.get("protocol", "TCP") == "TCP")


async def _exit_code(container: Container) -> int:
    if isinstance(container, Waitable):
        return await container.wait()
    while container.exited is None:
        await asyncio.sleep(_POLL_EXIT_S)
    return container.exited
