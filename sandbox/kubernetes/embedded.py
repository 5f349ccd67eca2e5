"""A cluster in a thread of this process, for tests that talk to it with a real client.

Callers: tests. Nothing of the product may import it.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sandbox.containers import Containers
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.host import Clusters
from sandbox.kubernetes.nodes.worker import Backoff
from sandbox.world import Fault, FaultTable, NodeSpec, Timing

T = TypeVar("T")
DEFAULT_NODES = tuple(NodeSpec(f"node-{z}", f"zone-{z}", "region-1", "test.large", 4000, 8192) for z in "abc")


@dataclass
class NoTime:
    """Everything takes no time, but for what is named: operation -> seconds."""

    seconds: dict[str, float] = field(default_factory=dict)

    def duration_s(self, operation: str, resource: str = "", detail: str = "") -> float:  # noqa: ARG002
        return self.seconds.get(operation, 0.0)


@dataclass
class FaultList:
    """Faults that fire in order, each `count` times, by exact operation and a part of the detail."""

    rows: list[Fault] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    remembers = False

    def check(
        self,
        service: str,
        operation: str,
        *,
        detail: str = "",
        write: bool = False,
        stale_s: float | None = None,  # noqa: ARG002  (world.FaultTable has it)
    ) -> Fault | None:
        self.seen.append(f"{service} {operation} {detail} {'write' if write else 'read'}")
        for row in self.rows:
            fits = row.operation in ("*", operation) and row.match in detail and (write or not row.writes_only)
            if fits and row.count != 0:
                row.count -= 1
                return row
        return None


@dataclass
class Running:
    """A cluster that runs. call() runs a coroutine on its loop; tokens: bearer token -> user name; ca_file holds
    ca_pem, for clients that want a path."""

    url: str
    token: str
    ca_pem: str
    ca_file: Path
    cluster: Cluster
    clusters: Clusters
    containers: Containers
    loop: asyncio.AbstractEventLoop
    tokens: dict[str, str]
    timing: Timing
    faults: FaultTable

    def call(self, coro: Coroutine[Any, Any, T], timeout_s: float = 30.0) -> T:
        return asyncio.run_coroutine_threadsafe(coro, self.loop).result(timeout_s)

    def do(self, function: Callable[[], T]) -> T:
        """Runs a plain function on the loop's thread."""

        async def run() -> T:
            return function()

        return self.call(run())


@contextmanager
def running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread; ends with all its tasks."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sandbox-cluster", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(_settle())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _settle() -> None:
    """Waits for everything that was cancelled."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*(t for t in left if t is not None), return_exceptions=True)


@contextmanager
def running_cluster(
    nodes: Sequence[NodeSpec] = DEFAULT_NODES,
    *,
    cluster_id: str = "test",
    version: str = "1.31",
    timing: Timing | None = None,
    faults: FaultTable | None = None,
    backoff: Backoff | None = None,
    seed: int = 0,
) -> Iterator[Running]:
    """A cluster with these nodes, all of them ready. Tokens of other users are put into `tokens`."""
    timing = timing if timing is not None else NoTime()
    faults = faults if faults is not None else FaultList()
    tokens: dict[str, str] = {}
    with running_loop() as loop, tempfile.TemporaryDirectory(prefix="sandbox-") as folder:
        containers = Containers(timing, seed)
        clusters = Clusters(timing=timing, faults=faults, containers=containers, seed=seed, backoff=backoff)

        async def begin() -> None:
            await clusters.create(cluster_id, version=version, authenticate=tokens.get)
            cluster = clusters.cluster(cluster_id)
            for node in nodes:
                await cluster.add_node(node)
            while len(await cluster.ready_nodes()) < len(nodes):
                await asyncio.sleep(0.005)

        async def end() -> None:
            await clusters.close()
            await containers.close()

        asyncio.run_coroutine_threadsafe(begin(), loop).result(30)
        cluster = clusters.cluster(cluster_id)
        ca_file = Path(folder) / "ca.pem"
        ca_file.write_text(cluster.ca_pem, encoding="ascii")
        try:
            yield Running(
                cluster.url,
                cluster.admin_token,
                cluster.ca_pem,
                ca_file,
                cluster,
                clusters,
                containers,
                loop,
                tokens,
                timing,
                faults,
            )
        finally:
            asyncio.run_coroutine_threadsafe(end(), loop).result(30)
