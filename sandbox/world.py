"""What the parts of the sandbox share: accounts, clock, faults, workloads and clusters.

One process, one asyncio loop; moto runs in threads beside it and reaches the loop through `World.from_thread`.
Each cloud's server is built as `async def serve(world: World) -> Server` in sandbox/<cloud>/server.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sandbox.network import Network

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SandboxAccount:
    """One credential plane. read_only: every write answers 403 for `reader_*` credentials.

    Keys are random per sandbox. AWS and Alibaba: key id and secret; Azure: `secret` is the bearer token.
    """

    partition: str
    account_id: str
    key_id: str
    secret: str = field(repr=False)
    reader_key_id: str = ""
    reader_secret: str = field(default="", repr=False)


@dataclass(slots=True)
class Fault:
    """One row of the fault table. service: aws, azure, alibaba, kubernetes (globs); operation: glob, e.g.
    `ec2:RunInstances`, `PUT Microsoft.Compute/virtualMachines`, `ecs:RunInstances`, `POST deployments`.

    count: how often it still fires (-1: always). status/code/message: the answer. error: the same in our words
    (sandbox.gate.ERRORS), for which each cloud has its own. drop_answer: the operation is executed, then the connection
    is closed without an answer. duplicate: a write is executed twice. stale_s: a read is answered as before the writes
    of the last so many seconds. disappear_s: nobody answers there for so long. corrupt: FIELD or FIELD=VALUE.
    """

    id: str
    service: str = "*"
    operation: str = "*"
    match: str = ""
    count: int = 1
    rate: float = 1.0
    status: int = 0
    code: str = ""
    message: str = ""
    retry_after_s: float | None = None
    delay_s: float = 0.0
    drop_answer: bool = False
    writes_only: bool = False
    error: str = ""
    duplicate: bool = False
    stale_s: float = 0.0
    disappear_s: float = 0.0
    corrupt: str = ""


class FaultTable(Protocol):
    """Asked once per request, before it is executed; thread-safe. remembers: whether a row may want earlier answers."""

    @property
    def remembers(self) -> bool: ...
    def check(
        self, service: str, operation: str, *, detail: str = "", write: bool = False, stale_s: float | None = None
    ) -> Fault | None: ...


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container of a pod, or the one of a VM. behaviour: see docs/sandbox.md (`sandbox.duoyun.dev/behaviour`).

    ports: those it listens on. identity: what its answers say (service, version, pod, node, site, cluster).
    address: loopback address to listen on, which a pod's containers share; "" takes a free one.
    """

    image: str
    ports: tuple[int, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    behaviour: Mapping[str, Any] = field(default_factory=dict)
    identity: Mapping[str, str] = field(default_factory=dict)
    address: str = ""


class Container(Protocol):
    """A running container: answers HTTP at ip:port for each of its ports; 127.x.y.z, an address of its own."""

    @property
    def ip(self) -> str: ...
    @property
    def exited(self) -> int | None:
        """Exit code once it has crashed."""
        ...

    async def stop(self) -> None: ...


class ImageError(Exception):
    """The image cannot be pulled. Tag or name beginning with `missing` stands for one that is not there."""


class ContainerHost(Protocol):
    """Runs containers for nodes and VMs. An image's absence raises ImageError."""

    async def run(self, spec: ContainerSpec) -> Container: ...


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A worker node, as a cloud's node pool makes it. allocatable in millicores, MiB, pods.

    taints: `key=value:Effect`, e.g. `CriticalAddonsOnly=true:NoSchedule`.
    """

    name: str
    zone: str
    region: str
    instance_type: str
    cpu_millicores: int
    memory_mib: int
    pods: int = 110
    labels: Mapping[str, str] = field(default_factory=dict)
    provider_id: str = ""
    taints: tuple[str, ...] = ()


class ClusterHandle(Protocol):
    """One Kubernetes API on a port of its own. url like https://127.0.0.1:PORT; ca_pem is what it is trusted by."""

    @property
    def url(self) -> str: ...
    @property
    def ca_pem(self) -> str: ...
    @property
    def admin_token(self) -> str: ...

    async def add_node(self, node: NodeSpec) -> None:
        """The node becomes Ready after the profile's join time."""
        ...

    async def remove_node(self, name: str) -> None:
        """Its pods are evicted and rescheduled where there is room."""
        ...

    async def change_node(self, node: NodeSpec) -> None:
        """A node that is there gets these labels and taints."""
        ...

    async def lose_node(self, name: str) -> None:
        """The machine vanishes with its pods, as when a spot machine is taken back."""
        ...

    async def ready_nodes(self) -> tuple[str, ...]: ...


class ClusterHost(Protocol):
    """Makes clusters. authenticate: bearer token -> user name, or None to refuse (401); a name that begins with
    `reader:` may only read (403 on writes). The admin token always works. place: `partition/region`."""

    async def create(
        self, cluster_id: str, *, version: str, authenticate: Callable[[str], str | None], place: str = ""
    ) -> ClusterHandle: ...

    def get(self, cluster_id: str) -> ClusterHandle | None: ...
    async def delete(self, cluster_id: str) -> None: ...


class Timing(Protocol):
    """How long things take, in real seconds, by profile. operation like `aws.cluster.create`, `node.join`,
    `image.pull`, `azure.vm.create`. resource: what it is done to, by a name that is the same in every run (no random
    id): it takes part in the draw. detail: which one it was, for the log only."""

    def duration_s(self, operation: str, resource: str = "", detail: str = "") -> float: ...


class Server(Protocol):
    """One cloud's API. url: base URL on loopback."""

    @property
    def url(self) -> str: ...
    async def close(self) -> None: ...


@dataclass
class World:
    """Everything a cloud's server needs. state_dir is None for an ephemeral sandbox."""

    loop: asyncio.AbstractEventLoop
    accounts: tuple[SandboxAccount, ...]
    timing: Timing
    faults: FaultTable
    containers: ContainerHost
    clusters: ClusterHost
    seed: int = 0
    state_dir: Path | None = None

    network: Network = field(default_factory=Network)

    def from_thread(self, coro: Coroutine[Any, Any, T], timeout_s: float = 30.0) -> T:
        """Runs a coroutine on the loop and waits for it. Only from another thread."""
        return asyncio.run_coroutine_threadsafe(coro, self.loop).result(timeout_s)

    def account_by_key(self, key_id: str) -> SandboxAccount | None:
        return next((a for a in self.accounts if key_id in (a.key_id, a.reader_key_id) and key_id), None)
