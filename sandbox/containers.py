"""Containers without a container runtime: each answers real HTTP on a loopback address of its own.

Callers: the cluster's kubelet (sandbox/kubernetes) and the clouds' servers for VMs that run an image. A container is
a listener in this process, or, with `behaviour.process`, a child process that is given HOST and PORT.
Non-goals: isolation, file systems, networking between containers other than loopback.

Behaviour (annotation `sandbox.duoyun.dev/behaviour` of a pod, JSON object):
- latency_ms: every answer waits that long. error_rate: share of answers that are 500, `/healthz` spared.
- status: every answer has this code, `/healthz` included.
- never_ready, ready_after_s: until ready everything but `/livez` answers 503.
- crash_after_s: exits with code 1, its listeners closed; exit_code: another code.
- process: command (list, or a string split as a shell does) of a real child process instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import shlex
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from aiohttp import web

from model.rng import stream
from sandbox.loopback import Addresses
from sandbox.world import Container, ContainerSpec, ImageError, Timing

_FIRST_ADDRESS, _LAST_ADDRESS = "127.16.0.1", "127.31.255.254"
_BIND_TRIES = 16
_LOG_LINES = 1000
_STOP_GRACE_S = 2.0


def image_parts(image: str) -> tuple[str, str, str]:
    """(last path part, tag, digest) of an image reference; tag and digest are empty where it has none."""
    name, _, digest = image.partition("@")
    last, _, tag = name.rpartition("/")[2].partition(":")
    return last, tag, digest


def image_is_missing(image: str) -> bool:
    """Whether this image stands for one that cannot be pulled."""
    last, tag, _digest = image_parts(image)
    return not last or last.startswith("missing") or tag.startswith("missing")


def _is_mainland(image: str) -> bool:
    """Whether the registry is in mainland China, as its name says: `registry.cn-hangzhou...`, `...com.cn`."""
    host, slash, _path = image.partition("/")
    return bool(slash) and any(part == "cn" or part.startswith("cn-") for part in host.split(":")[0].split("."))


def _drawn_as(spec: ContainerSpec) -> str:
    """What the start is drawn for: where and which service, not which pod."""
    who = spec.identity
    return (
        f"{who.get('site') or who.get('region', '')}/{who.get('namespace', '')}/{who.get('service', '')} {spec.image}"
    )


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a container behaves; see the module's docstring. Durations in seconds, latency in milliseconds."""

    latency_ms: float = 0.0
    error_rate: float = 0.0
    status: int = 0
    never_ready: bool = False
    ready_after_s: float = 0.0
    crash_after_s: float | None = None
    exit_code: int = 1
    process: tuple[str, ...] = ()

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Behaviour:
        """From an annotation's JSON object. ValueError names what is wrong with it."""
        known = set(cls.__dataclass_fields__)
        if unknown := sorted(set(raw) - known):
            raise ValueError(f"unknown behaviour {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        process = raw.get("process") or ()
        command = tuple(shlex.split(process)) if isinstance(process, str) else tuple(map(str, process))
        crash = raw.get("crash_after_s")
        try:
            return cls(
                latency_ms=float(raw.get("latency_ms", 0.0)),
                error_rate=float(raw.get("error_rate", 0.0)),
                status=int(raw.get("status", 0)),
                never_ready=bool(raw.get("never_ready", False)),
                ready_after_s=float(raw.get("ready_after_s", 0.0)),
                crash_after_s=None if crash is None else float(crash),
                exit_code=int(raw.get("exit_code", 1)),
                process=command,
            )
        except (TypeError, ValueError) as exc:
            raise ValueError(f"behaviour: {exc}") from exc


class RunningContainer:
    """One container. ip: its loopback address. port_map: where a port really listens when it could not be bound."""

    def __init__(self, spec: ContainerSpec, behaviour: Behaviour, ip: str, rng: Random) -> None:
        self.spec, self.behaviour, self._ip, self._rng = spec, behaviour, ip, rng
        self.port_map: dict[int, int] = {}
        self.log: deque[tuple[float, str]] = deque(maxlen=_LOG_LINES)
        self.started_at = time.time()
        self._started = time.monotonic()
        self._exited: int | None = None
        self._done = asyncio.Event()
        self._closers: list[Callable[[], None]] = []
        self._server: web.Server | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def ip(self) -> str:
        return self._ip

    @property
    def exited(self) -> int | None:
        return self._exited

    def endpoint(self, port: int) -> tuple[str, int]:
        """Where that container port really answers."""
        return self._ip, self.port_map.get(port, port)

    async def wait(self) -> int:
        """Until the container has exited; its exit code."""
        await self._done.wait()
        return self._exited if self._exited is not None else 0

    def say(self, line: str) -> None:
        """Adds a line to the container's log."""
        self.log.append((time.time(), line))

    async def stop(self) -> None:
        """Closes the listeners, ends the child process, and frees the address. Stopping twice is harmless."""
        if self._process is not None and self._process.returncode is None:
            await self._end_process(self._process)
        self._finish(0)
        if self._server is not None:
            await self._server.shutdown(0.05)

    def _finish(self, code: int) -> None:
        if self._done.is_set():
            return
        self._exited = code
        self.say(f"exited with code {code}")
        for close in self._closers:
            close()
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()
        self._done.set()

    # -- as a listener of this process -------------------------------------------------------------------------

    def serve(self, sockets: list[asyncio.Server], server: web.Server) -> None:
        self._server = server
        self._closers += [s.close for s in sockets]
        for port in self.spec.ports:
            self.say("listening on {}:{}".format(*self.endpoint(port)))
        if self.behaviour.crash_after_s is not None:
            self._spawn(self._crash(self.behaviour.crash_after_s))

    def on_close(self, close: Callable[[], None]) -> None:
        self._closers.append(close)

    def _spawn(self, coro: Any) -> None:
        task = asyncio.get_running_loop().create_task(coro)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _crash(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        self.say(f"panic: behaviour crash_after_s={after_s:g}" if self.behaviour.exit_code else "done")
        self._finish(self.behaviour.exit_code)
        if self._server is not None:
            await self._server.shutdown(0.0)

    def ready(self) -> bool:
        """Whether the program inside considers itself ready."""
        b = self.behaviour
        return not b.never_ready and time.monotonic() - self._started >= b.ready_after_s and self._exited is None

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One HTTP answer: the identity as JSON, with the status that the behaviour asks for."""
        b, path = self.behaviour, request.rel_url.path
        if b.latency_ms > 0:
            await asyncio.sleep(b.latency_ms / 1000)
        status = 200
        if b.status:
            status = b.status
        elif path != "/livez" and not self.ready():
            status = 503
        elif path != "/healthz" and b.error_rate > 0 and self._rng.random() < b.error_rate:
            status = 500
        self.say(f"{request.method} {request.rel_url} {status}")
        body = {**self.spec.identity, "image": self.spec.image, "path": path, "status": _status_word(status)}
        return web.json_response(body, status=status)

    # -- as a child process ------------------------------------------------------------------------------------

    async def start_process(self) -> None:
        """Starts the child with HOST and PORT in its environment. OSError where the command is not there."""
        env = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "HOME", "VIRTUAL_ENV", "PYTHONPATH")}
        env |= dict(self.spec.env) | {"HOST": self._ip, "PORT": str(self.spec.ports[0] if self.spec.ports else 0)}
        self._process = await asyncio.create_subprocess_exec(
            *self.behaviour.process,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        self._spawn(self._follow(self._process))

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is not None:
            async for line in process.stdout:
                self.say(line.decode(errors="replace").rstrip("\n"))
        self._finish(await process.wait())

    async def _end_process(self, process: asyncio.subprocess.Process) -> None:
        for sig in (signal.SIGTERM, signal.SIGKILL):
            # The whole session: a shell's children too. It may have ended by itself in the meantime.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, sig)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _STOP_GRACE_S)
                return


def _status_word(status: int) -> str:
    if status < 400:
        return "ok"
    return "not ready" if status == 503 else "error"


class Containers:
    """The ContainerHost: runs containers for nodes and VMs, on loopback.

    The first use of an image on a node takes `image.pull`, each start `container.start` of the timing.
    """

    def __init__(self, timing: Timing, seed: int = 0) -> None:
        self._timing, self._seed = timing, seed
        self._addresses = Addresses(_FIRST_ADDRESS, _LAST_ADDRESS)
        self._pulled: set[tuple[str, str]] = set()
        self._pulls: dict[tuple[str, str], asyncio.Lock] = {}
        self._running: set[RunningContainer] = set()
        self._count = 0

    async def run(self, spec: ContainerSpec) -> Container:
        """Pulls and starts a container. ImageError where the image is missing, ValueError for a bad behaviour,
        OSError where its process cannot be started or no loopback address is free."""
        behaviour = Behaviour.parse(spec.behaviour)
        await self._pull(spec)
        await _pause(self._timing.duration_s("container.start", _drawn_as(spec), spec.identity.get("pod", "")))
        self._count += 1
        rng = stream(self._seed, "container", self._count)
        if behaviour.process:
            container = RunningContainer(spec, behaviour, self._free_address(spec), rng)
            await container.start_process()
        else:
            container = await self._listen(spec, behaviour, rng)
        self._running.add(container)
        container.on_close(lambda: self._running.discard(container))
        if not spec.address:
            self._addresses.used.add(container.ip)
            container.on_close(lambda: self._addresses.used.discard(container.ip))
        if container.exited is not None:  # a process that ended before we came to listen for it
            self._running.discard(container)
            self._addresses.used.discard(container.ip)
        return container

    def hold(self, address: str) -> None:
        """Keeps an address from being handed out, also while nothing listens there: it is a pod's."""
        self._addresses.held.add(address)

    def release(self, address: str) -> None:
        """Ends `hold`."""
        self._addresses.held.discard(address)

    async def close(self) -> None:
        """Stops everything that still runs."""
        await asyncio.gather(*(c.stop() for c in tuple(self._running)))
        self._addresses.close()

    async def _pull(self, spec: ContainerSpec) -> None:
        """Two that start at once on one node wait for one pull."""
        key = (spec.identity.get("node", ""), spec.image)
        async with self._pulls.setdefault(key, asyncio.Lock()):
            if key in self._pulled:
                return
            operation = "image.pull.cn" if _is_mainland(spec.image) else "image.pull"
            resource = f"{spec.identity.get('region') or spec.identity.get('site', '')} {spec.image}"
            await _pause(self._timing.duration_s(operation, resource, key[0]))
            if image_is_missing(spec.image):
                raise ImageError(f'failed to pull image "{spec.image}": not found')
            self._pulled.add(key)

    def _free_address(self, spec: ContainerSpec) -> str:
        address = spec.address or next(iter(self._addresses), "")
        if not address:
            raise OSError(errno.EADDRNOTAVAIL, "no loopback address is free")
        return address

    async def _listen(self, spec: ContainerSpec, behaviour: Behaviour, rng: Random) -> RunningContainer:
        first = self._free_address(spec)
        candidates = itertools.chain([first], () if spec.address else self._addresses)
        for tries, candidate in enumerate(candidates):
            container = RunningContainer(spec, behaviour, candidate, rng)
            if await self._bind(container, spec.ports, mapped=False):
                return container
            if tries >= _BIND_TRIES:
                break
        # Every address refuses: somebody listens on this port of 0.0.0.0. Listen elsewhere; `endpoint` says where.
        container = RunningContainer(spec, behaviour, first, rng)
        if not await self._bind(container, spec.ports, mapped=True):
            raise OSError(errno.EADDRNOTAVAIL, f"no port is free on {container.ip}")
        return container

    async def _bind(self, container: RunningContainer, ports: tuple[int, ...], *, mapped: bool) -> bool:
        """Listens on all ports, or on none and answers False. mapped: a port that is refused gets another number."""
        server = web.Server(container.answer, access_log=None)
        listeners: list[asyncio.Server] = []
        try:
            for port in ports:
                listeners.append(await _listener(server, container, port, mapped=mapped))
            for listener in listeners:
                await listener.start_serving()
        except OSError:
            _close_all(listeners)
            if mapped:
                raise
            return False
        except BaseException:  # cancelled: what is open already belongs to nobody
            _close_all(listeners)
            raise
        container.serve(listeners, server)
        return True


async def _listener(server: web.Server, container: RunningContainer, port: int, *, mapped: bool) -> asyncio.Server:
    """Listens on the port, or on another number where that one is not permitted (below 1024), or is taken and `mapped`.

    The socket is opened here, and not by the loop: a cancelled `create_server(host, port)` leaves its socket open.
    """
    try:
        opened = _open(container.ip, port)
    except OSError as exc:
        if not (mapped or isinstance(exc, PermissionError)):
            raise
        opened = _open(container.ip, 0)
        container.port_map[port] = int(opened.getsockname()[1])
    return await asyncio.get_running_loop().create_server(server, sock=opened, start_serving=False)


def _open(ip: str, port: int) -> socket.socket:
    opened = socket.socket()
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((ip, port))
        opened.listen(100)
        opened.setblocking(False)
    except BaseException:
        opened.close()
        raise
    return opened


def _close_all(listeners: list[asyncio.Server]) -> None:
    for listener in listeners:
        listener.close()


async def _pause(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)
