"""All clusters of a sandbox: made, found, deleted, made to disappear, saved and brought back.

Callers: the sandbox's assembly and the clouds' servers, as world.ClusterHost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.kubernetes.authority import Authority
from sandbox.kubernetes.cluster import Cluster, Surroundings
from sandbox.kubernetes.nodes.worker import Backoff
from sandbox.loopback import Addresses
from sandbox.network import Network
from sandbox.world import ClusterHandle, ContainerHost, FaultTable, Timing

_FIRST_BALANCER, _LAST_BALANCER = "127.32.0.1", "127.47.255.254"
_SCHEMA = 2


def _nobody(_token: str) -> str | None:
    """Until a cluster's cloud says who may call, only the admin token works."""
    return None


class Clusters:
    """The ClusterHost. backoff: waits between restarts and pulls; the kubelet's own by default."""

    def __init__(
        self,
        *,
        timing: Timing,
        faults: FaultTable,
        containers: ContainerHost,
        seed: int = 0,
        backoff: Backoff | None = None,
        network: Network | None = None,
    ) -> None:
        self._clusters: dict[str, Cluster] = {}
        self._addresses = Addresses(_FIRST_BALANCER, _LAST_BALANCER)
        self._creating = asyncio.Lock()
        self._authority: Authority | None = None
        self._around = Surroundings(
            timing,
            faults,
            containers,
            self._addresses.take,  # never handed out twice while the sandbox runs
            self.authority,
            seed,
            backoff or Backoff(),
            network or Network(),
        )

    def authority(self) -> Authority:
        """Who signs for all of these clusters; made when the first one needs it."""
        if self._authority is None:
            self._authority = Authority.make()
        return self._authority

    async def create(
        self, cluster_id: str, *, version: str, authenticate: Callable[[str], str | None], place: str = ""
    ) -> ClusterHandle:
        """A new cluster, ready to answer. One that is there already (after restore) is given this authenticator."""
        async with self._creating:
            known = self._clusters.get(cluster_id)
            if known is not None:
                known.set_authenticator(authenticate)
                known.place = place
                return known
            cluster = Cluster(cluster_id, version, authenticate, self._around)
            cluster.place = place
            await cluster.start()
            self._clusters[cluster_id] = cluster
            return cluster

    def get(self, cluster_id: str) -> ClusterHandle | None:
        return self._clusters.get(cluster_id)

    def cluster(self, cluster_id: str) -> Cluster:
        """The cluster itself, for control and tests. KeyError where there is none."""
        return self._clusters[cluster_id]

    def ids(self) -> tuple[str, ...]:
        return tuple(self._clusters)

    async def delete(self, cluster_id: str) -> None:
        """Stops and forgets it. Deleting one that is gone is harmless."""
        cluster = self._clusters.pop(cluster_id, None)
        if cluster is not None:
            await cluster.close()

    async def disappear(self, cluster_id: str, on: bool) -> None:
        """on: the cluster's API refuses connections until it is called with False. KeyError where there is none."""
        await self._clusters[cluster_id].disappear(on)

    async def close(self) -> None:
        """Stops all of them; a snapshot taken before or after is the same."""
        await asyncio.gather(*(c.close() for c in self._clusters.values()))
        self._addresses.close()

    def snapshot(self) -> dict[str, Any]:
        """Everything that a restart needs, as JSON data. Holds secrets."""
        return {
            "schema_version": _SCHEMA,
            "authority": self.authority().snapshot(),
            "clusters": [c.snapshot() for c in self._clusters.values()],
        }

    async def restore(self, data: Mapping[str, Any]) -> None:
        """Brings clusters back on their old ports where these are free; kubelets start the containers anew.

        ValueError where the data was written by another version. Users other than the admin are refused until
        `create` is called again for the cluster.
        """
        if data.get("schema_version") != _SCHEMA:
            raise ValueError(f"snapshot of schema {data.get('schema_version')!r}; this version reads {_SCHEMA}")
        self._authority = Authority.restore(data["authority"])
        for saved in data["clusters"]:
            self._remember_addresses(saved["objects"])
        for saved in data["clusters"]:
            cluster = Cluster(saved["cluster_id"], saved["version"], _nobody, self._around)
            await cluster.start(saved)
            self._clusters[saved["cluster_id"]] = cluster

    def _remember_addresses(self, objects: list[dict[str, Any]]) -> None:
        for obj in objects:
            if obj["kind"] == "Service":
                rows = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
                for row in rows:
                    if row.get("ip"):
                        self._addresses.keep(row["ip"])
